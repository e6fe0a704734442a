"""Builders for the exchange on the wire: stopped clocks, a served exchange, clients of both."""

import asyncio
import functools
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.exchange.clock import NS_PER_MS, WireClocks
from bot.exchange.dispatch import Caller, answer
from bot.exchange.floor import ServerPolicy, TradingFloor
from bot.exchange.protocol import RpcRequest, Transport
from bot.exchange.server import ExchangeOptions, ExchangeServer, build
from bot.exchange.session import Session

HOST_CLOCKS = WireClocks(epoch_ms=lambda: int(time.time() * 1000), monotonic_ns=time.monotonic_ns)
PERPETUAL = "BTC-PERPETUAL"
PATIENCE_S = 60.0  # for what must happen: a busy machine takes its time
EPOCH_MS = 1_790_000_000_000
OPENAPI = Path(__file__).parents[3] / "shared/reference/deribit-openapi.json"


@dataclass(slots=True)
class StoppedClocks:
    """Wire clocks that a test moves by hand."""

    passed_ms: float = 0.0

    def clocks(self) -> WireClocks:
        return WireClocks(
            epoch_ms=lambda: EPOCH_MS + int(self.passed_ms),
            monotonic_ns=lambda: int(self.passed_ms * NS_PER_MS),
        )

    def pass_ms(self, milliseconds: float) -> None:
        self.passed_ms += milliseconds


class RpcFailedError(AssertionError):
    """The exchange answered with an error that the test did not ask for."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error}")
        self.code = error["code"]
        self.error = error


@dataclass(slots=True, eq=False)
class Client:
    """A WebSocket client without a socket: calls go straight to the floor."""

    floor: TradingFloor
    number: int
    heard: list[dict[str, Any]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    session: Session = field(init=False)

    def __post_init__(self) -> None:
        now_ns = self.floor.wire.monotonic_ns()
        self.session = Session(
            number=self.number,
            send=lambda text: self.heard.append(json.loads(text)),
            close=self.closed.append,
            heard_ns=now_ns,
            alive_ns=now_ns,
        )
        self.floor.connect(self.session)

    def call(self, method: str, **params: Any) -> Any:
        self.session.hear(self.floor.wire.monotonic_ns())
        request = RpcRequest(id=1, method=method, params=params)
        reply = answer(self.floor, request, Caller(transport=Transport.WS, session=self.session))
        self.floor.publish()
        body = json.loads(reply.text)
        if reply.is_error:
            raise RpcFailedError(method, body["error"])
        return body["result"]

    def login(self) -> "Client":
        self.call(
            "public/auth",
            grant_type="client_credentials",
            client_id="demo",
            client_secret="demo-secret",
        )
        return self

    def told(self, channel: str) -> list[Any]:
        """Data of the messages on a channel so far; each is told once."""
        ours = [each for each in self.heard if each.get("params", {}).get("channel") == channel]
        self.heard = [each for each in self.heard if each not in ours]
        return [each["params"]["data"] for each in ours]


@dataclass(slots=True)
class Hall:
    """An exchange whose clocks stand still, and clients of it."""

    floor: TradingFloor
    clocks: StoppedClocks
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def client(self) -> Client:
        return Client(self.floor, next(self._numbers))

    def pass_ms(self, milliseconds: float) -> None:
        """Let wire time pass, and the exchange do one round."""
        self.clocks.pass_ms(milliseconds)
        self.floor.pump()


def hall(*, policy: ServerPolicy | None = None, **options: Any) -> Hall:
    clocks = StoppedClocks()
    server = build(
        ExchangeOptions(**{"book": "none", "equity_coin": 10.0, **options}),
        clocks.clocks(),
        policy=policy,
    )
    server.floor.market_clock.start()
    return Hall(server.floor, clocks)


@asynccontextmanager
async def serving(
    *, policy: ServerPolicy | None = None, **options: Any
) -> AsyncIterator[ExchangeServer]:
    """An exchange on a free port of loopback, on the host's clocks."""
    server = build(
        ExchangeOptions(**{"book": "none", "equity_coin": 10.0, "sim": True, **options}),
        HOST_CLOCKS,
        policy=policy,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@dataclass(slots=True)
class Line:
    """A JSON-RPC client on a real WebSocket; what it did not ask for is kept in `heard`."""

    socket: aiohttp.ClientWebSocketResponse
    heard: list[dict[str, Any]] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **params: Any) -> Any:
        call_id = next(self._ids)
        await self.socket.send_str(
            json.dumps({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params})
        )
        while True:
            frame = await self.frame()
            if frame.get("id") == call_id:
                if "error" in frame:
                    raise RpcFailedError(method, frame["error"])
                return frame["result"]
            self.heard.append(frame)

    async def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads((await self.socket.receive(timeout=PATIENCE_S)).data)
        return frame

    async def login(self) -> "Line":
        await self.call(
            "public/auth",
            grant_type="client_credentials",
            client_id="demo",
            client_secret="demo-secret",
        )
        return self

    async def told(self, channel: str) -> Any:
        """The data of the next message on a channel, perhaps one that came already."""
        while True:
            for each in self.heard:
                if each.get("params", {}).get("channel") == channel:
                    self.heard.remove(each)
                    return each["params"]["data"]
            self.heard.append(await self.frame())


@asynccontextmanager
async def line_to(server: ExchangeServer) -> AsyncIterator[Line]:
    url = f"ws://127.0.0.1:{server.port}/ws/api/v2"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
        yield Line(socket)


async def until(condition: Any, seconds: float = PATIENCE_S) -> None:
    """Wait for something that happens by itself; fail when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@functools.cache
def openapi() -> dict[str, Any]:
    """The venue's own description of its API; tests that need it are skipped without."""
    if not OPENAPI.exists():
        pytest.skip("the venue's API description is not beside the checkout")
    description: dict[str, Any] = json.loads(OPENAPI.read_text())
    return description
