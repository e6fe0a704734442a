"""A man in the middle between a daemon and the exchange: passes everything on, or does not."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

ORDER_METHODS = frozenset({"private/buy", "private/sell"})


@dataclass(eq=False)
class Wire:
    """One WebSocket of the daemon's (near) and its counterpart to the exchange (far)."""

    near: web.WebSocketResponse
    far: aiohttp.ClientWebSocketResponse
    transport: asyncio.BaseTransport
    asked: dict[object, str] = field(default_factory=dict)
    frozen: bool = False

    def cut(self) -> None:
        """Reset the daemon's side at once."""
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


@dataclass
class Middleman:
    """Passes everything on, both ways; subclasses do harm while `on`."""

    rest_url: str
    ws_url: str
    on: bool = True
    orders: int = 0
    hits: int = 0
    port: int = 0
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None

    @property
    def urls(self) -> tuple[str, str]:
        """Where the daemon finds this middleman: HTTP and WebSocket."""
        return f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}/ws/api/v2"

    async def outward(self, wire: Wire, call: dict[str, Any], text: str) -> None:
        """Take one request of the daemon's."""
        del call
        await wire.far.send_str(text)

    async def inward(self, wire: Wire, message: dict[str, Any], text: str) -> None:
        """Take one answer or push of the exchange's."""
        del message
        await wire.near.send_str(text)

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
        assert request.transport is not None
        near = web.WebSocketResponse()
        await near.prepare(request)
        async with self._session.ws_connect(self.ws_url) as far:
            wire = Wire(near, far, request.transport)
            out = asyncio.create_task(self._outward(wire))
            back = asyncio.create_task(self._inward(wire))
            _, rest = await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(out, back, return_exceptions=True)
        return near

    async def _outward(self, wire: Wire) -> None:
        async for message in wire.near:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            call = json.loads(message.data)
            wire.asked[call["id"]] = call["method"]
            self.orders += call["method"] in ORDER_METHODS
            if not wire.frozen:
                await self.outward(wire, call, message.data)

    async def _inward(self, wire: Wire) -> None:
        async for message in wire.far:
            if message.type is aiohttp.WSMsgType.TEXT and not wire.frozen:
                await self.inward(wire, json.loads(message.data), message.data)


ManT = TypeVar("ManT", bound=Middleman)


@contextmanager
def between(man: ManT) -> Iterator[ManT]:
    """Run a middleman in a thread of his own."""
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with man:
            loops.append(asyncio.get_running_loop())
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))  # leaves no task behind
    thread.start()
    try:
        assert ready.wait(60)
        yield man
    finally:
        for loop in loops:
            loop.call_soon_threadsafe(stop.set)
        thread.join(60)
