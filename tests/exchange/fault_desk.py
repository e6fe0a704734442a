"""An exchange whose wire can be harmed: arm faults, count them, talk to it both ways."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.exchange.server import ExchangeServer
from tests.exchange.wire import PERPETUAL, Line, line_to, serving


@dataclass(slots=True)
class Bench:
    """A served exchange, and HTTP to its levers and methods."""

    server: ExchangeServer
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def arm(self, kind: str, **how: Any) -> int:
        status, body = await self.lever("POST", {"kind": kind, **how})
        assert status == 200, body
        return int(body.get("id", 0))

    async def lever(self, method: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        url = f"{self.url}/sim/faults{query}"
        async with self.http.request(method, url, json=body) as response:
            return response.status, await response.json()

    async def struck(self) -> dict[str, int]:
        _, body = await self.lever("GET")
        return {fault["kind"]: fault["struck"] for fault in body["faults"]}

    async def ledger(self) -> Any:
        async with self.http.get(f"{self.url}/sim/ledger") as response:
            return await response.json()

    async def labels(self) -> list[str]:
        return [row["label"] for row in (await self.ledger())["requests"]]

    async def get(self, method: str) -> aiohttp.ClientResponse:
        response = await self.http.get(f"{self.url}/api/v2/{method}")
        await response.read()
        return response


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with serving(speed=20.0) as server, aiohttp.ClientSession() as http:
        http._retry_connection = False  # a GET that is repeated would hide what was done to it
        yield Bench(server, http)


@asynccontextmanager
async def trading(desk: Bench) -> AsyncIterator[Line]:
    async with line_to(desk.server) as line:
        yield await line.login()


def order(label: str) -> dict[str, Any]:
    return {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "label": label}
