"""A man in the middle who cuts the line right after the venue accepted every second order."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

ORDER_METHODS = frozenset({"private/buy", "private/sell"})


@dataclass
class Middleman:
    """Passes everything on, both ways, between a daemon and the exchange behind `rest_url`."""

    rest_url: str
    ws_url: str
    cutting: bool = True
    orders: int = 0
    cuts: int = 0
    port: int = 0
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None
    _doomed: set[object] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/ws/api/v2", self._socket)
        app.router.add_route("*", "/api/v2/{path:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        assert self._runner is not None
        assert self._session is not None
        await self._session.close()
        await self._runner.cleanup()

    async def _request(self, request: web.Request) -> web.Response:
        assert self._session is not None
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() == "authorization"}
        async with self._session.request(
            request.method, self.rest_url + str(request.rel_url), data=body or None, headers=headers
        ) as answer:
            kind = answer.headers.get("Content-Type", "application/json").split(";", 1)[0]
            return web.Response(body=await answer.read(), status=answer.status, content_type=kind)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        assert self._session is not None
        near = web.WebSocketResponse()
        await near.prepare(request)
        async with self._session.ws_connect(self.ws_url) as far:
            sent: set[object] = set()
            out = asyncio.create_task(self._outward(near, far, sent))
            back = asyncio.create_task(self._inward(request, near, far, sent))
            _, rest = await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(out, back, return_exceptions=True)
        return near

    async def _outward(
        self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse, sent: set[object]
    ) -> None:
        async for message in near:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            call = json.loads(message.data)
            if call.get("method") in ORDER_METHODS:
                self.orders += 1
                if self.cutting and self.orders % 2 == 0:
                    sent.add(call["id"])
            await far.send_str(message.data)

    async def _inward(
        self,
        request: web.Request,
        near: web.WebSocketResponse,
        far: aiohttp.ClientWebSocketResponse,
        sent: set[object],
    ) -> None:
        """Pass answers and pushes on, but hold everything back once a doomed order is out.

        What the venue pushes of that order would give the answer away, so nothing passes until
        the answer itself shows that the venue accepted; then the line is cut.
        """
        async for message in far:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            if not sent:
                await near.send_str(message.data)
            elif json.loads(message.data).get("id") in sent:
                self.cuts += 1
                assert request.transport is not None
                request.transport.abort()
                return
