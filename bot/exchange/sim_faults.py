"""`/sim/faults`: arm faults, see what they struck, disarm them.

`POST` with `{"kind": ...}` arms one (`{"kind": "clear"}` disarms), `GET` lists them with how often
each struck, `GET ?describe` tells what there is, `DELETE` disarms all or the one of `?id=`.
"""

from collections.abc import Mapping

from aiohttp import web

from bot.exchange.fault_bench import FaultBench
from bot.exchange.fault_words import described, read_fault, shown
from bot.exchange.protocol import Json, Params, RpcError, invalid_param
from bot.exchange.sim import BAD_REQUEST, answered, read_body

CLEAR = "clear"


class FaultRoutes:
    """The routes of one bench."""

    def __init__(self, bench: FaultBench) -> None:
        self._bench = bench

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        app.router.add_get("/sim/faults", self._list)
        app.router.add_post("/sim/faults", self._arm)
        app.router.add_delete("/sim/faults", self._disarm)

    async def _list(self, request: web.Request) -> web.Response:
        if "describe" in request.query:
            return answered(described())
        now_ns = self._bench.now_ns()
        return answered({"faults": [shown(armed, now_ns) for armed in self._bench.plan.all()]})

    async def _arm(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request)
            content = self._done(body)
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)
        self._bench.floor.publish()
        return answered(content)

    def _done(self, body: Mapping[str, object]) -> dict[str, Json]:
        if body.get("kind") == CLEAR:
            return self._cleared(Params(body))
        armed = self._bench.arm(read_fault(body))
        return shown(armed, self._bench.now_ns())

    async def _disarm(self, request: web.Request) -> web.Response:
        try:
            return answered(self._cleared(Params(request.query)))
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)

    def _cleared(self, params: Params) -> dict[str, Json]:
        number = params.optional_integer("id")
        cleared = self._bench.clear(number)
        if number is not None and not cleared:
            raise invalid_param("id", f"no fault {number} is armed")
        now_ns = self._bench.now_ns()
        return {"cleared": [shown(armed, now_ns) for armed in cleared]}
