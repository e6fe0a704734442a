"""API v2 over HTTP: GET with a query, POST with a JSON-RPC body.

Statuses: 200 for a result, 400 for an error of any kind, as the venue answers, but for the two that
proxies act on: 429 when too much was asked, 503 during maintenance.
"""

import gzip
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from bot.exchange import fault_http
from bot.exchange.dispatch import Caller, Reply, answer, refusal
from bot.exchange.fault_bench import FaultBench
from bot.exchange.floor import TradingFloor
from bot.exchange.protocol import (
    SYSTEM_MAINTENANCE,
    TOO_MANY_REQUESTS,
    NoCallError,
    RpcError,
    RpcRequest,
    Transport,
    parse_body,
)
from bot.exchange.signatures import SignedRequest

OK: Final = 200
BAD_REQUEST: Final = 400
STATUS_BY_CODE: Final[Mapping[int, int]] = {TOO_MANY_REQUESTS: 429, SYSTEM_MAINTENANCE: 503}
# Less than a packet is not worth packing; level 1 packs a list of instruments to a twentieth.
GZIP_BYTES_MIN: Final = 1_400
GZIP_LEVEL: Final = 1


class RestRoutes:
    """The routes of the API over HTTP. `faults` are those of a simulation."""

    def __init__(self, floor: TradingFloor, faults: FaultBench | None = None) -> None:
        self._floor = floor
        self._faults = faults

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        app.router.add_get("/api/v2/{method:.+}", self._get)
        app.router.add_post("/api/v2", self._post)
        app.router.add_post("/api/v2/{method:.*}", self._post)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        call = RpcRequest(id=None, method=request.match_info["method"], params=dict(request.query))
        return await self._answered(call, request, body="")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        try:
            call = parse_body(body, request.match_info.get("method"))
        except NoCallError as error:
            return _response(refusal(self._floor, error), request)
        return await self._answered(call, request, body)

    async def _answered(
        self, call: RpcRequest, request: web.Request, body: str
    ) -> web.StreamResponse:
        def work(instead: RpcError | None = None) -> web.Response:
            caller = Caller(
                transport=Transport.HTTP,
                ip=request.remote or "",
                authorization=request.headers.get("Authorization"),
                signed=SignedRequest(method=request.method, path=request.raw_path, body=body),
                refusal=instead,
            )
            reply = answer(self._floor, call, caller)
            self._floor.publish()
            return _response(reply, request)

        if self._faults is None:
            return work()
        return await fault_http.respond(self._faults, call.method, request, work)


def _response(reply: Reply, request: web.Request) -> web.Response:
    status = OK if reply.code is None else STATUS_BY_CODE.get(reply.code, BAD_REQUEST)
    content, headers = reply.text.encode(), {"Cache-Control": "no-store"}
    if len(content) >= GZIP_BYTES_MIN and "gzip" in request.headers.get("Accept-Encoding", ""):
        content = gzip.compress(content, GZIP_LEVEL)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(
        body=content, status=status, headers=headers, content_type="application/json"
    )
