"""`--sim`: the books of the exchange laid open, and four levers on its world.

`GET /sim/ledger` is what the venue saw; `POST /sim/shock` moves the underlying, `POST
/sim/position` sets a position at the mark, `POST /sim/margin_model` margins the account by another
model whether it has the funds or not, `POST /sim/halt` closes a book to trading. A test judges
by the first and provokes with the others.
"""

import json
from typing import Final

from aiohttp import web

from bot.exchange import views
from bot.exchange.floor import TradingFloor
from bot.exchange.methods.accounts import margin_model
from bot.exchange.protocol import Json, Params, RpcError, dumps
from bot.exchange.trading_commands import HaltBook
from bot.exchange.venue_commands import SetMarginModel, SetPosition, Shock

BAD_REQUEST: Final = 400


class SimRoutes:
    """The routes of a simulation. `account` is the one whose positions are shown and set."""

    def __init__(self, *, floor: TradingFloor, account: str) -> None:
        self._floor = floor
        self._account = account

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        app.router.add_get("/sim/ledger", self._ledger)
        app.router.add_post("/sim/shock", self._shock)
        app.router.add_post("/sim/position", self._position)
        app.router.add_post("/sim/halt", self._halt)
        app.router.add_post("/sim/margin_model", self._margin_model)

    async def _ledger(self, _request: web.Request) -> web.Response:
        self._floor.advance()
        self._floor.publish()
        engine, seen = self._floor.engine, self._floor.ledger
        assert seen is not None, "a simulation keeps a ledger"
        return answered(
            {
                "requests": seen.fields(),
                "orders": [views.ledger_order(order) for order in engine.ledger_orders()],
                "fills": [views.ledger_fill(fill) for fill in engine.ledger_fills()],
                "positions": {
                    name: views.number(size)
                    for name, size in engine.ledger_positions(self._account).items()
                },
            }
        )

    async def _shock(self, request: web.Request) -> web.Response:
        try:
            body = Params(await read_body(request))
            underlying, move = body.text("underlying"), body.decimal("move")
            self._floor.advance()
            command = Shock(underlying=underlying, move=float(move))
            self._floor.accept(self._floor.engine.handle(command))
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)
        self._floor.publish()
        return answered({"underlying": underlying, "move": float(move)})

    async def _position(self, request: web.Request) -> web.Response:
        try:
            body = Params(await read_body(request))
            name, size = body.text("instrument_name"), body.decimal("size")
            self._floor.advance()
            command = SetPosition(account=self._account, instrument_name=name, size=size)
            self._floor.accept(self._floor.engine.handle(command))
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)
        self._floor.publish()
        return answered({"instrument_name": name, "size": views.number(size)})

    async def _margin_model(self, request: web.Request) -> web.Response:
        try:
            model = margin_model(Params(await read_body(request)))
            self._floor.advance()
            command = SetMarginModel(account=self._account, model=model, forced=True)
            self._floor.accept(self._floor.engine.handle(command))
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)
        self._floor.publish()
        return answered({"margin_model": model.value})

    async def _halt(self, request: web.Request) -> web.Response:
        try:
            body = Params(await read_body(request))
            name, is_halted = body.text("instrument_name"), body.flag("halted", default=True)
            self._floor.advance()
            command = HaltBook(instrument_name=name, is_halted=is_halted)
            self._floor.accept(self._floor.engine.handle(command))
        except RpcError as error:
            return answered({"error": error.body()}, BAD_REQUEST)
        self._floor.publish()
        return answered({"instrument_name": name, "halted": is_halted})


async def read_body(request: web.Request) -> dict[str, object]:
    """The JSON object in a request. RpcError if there is none."""
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise RpcError(BAD_REQUEST, "bad_request", {"reason": f"not JSON: {error}"}) from None
    if not isinstance(body, dict):
        raise RpcError(BAD_REQUEST, "bad_request", {"reason": "a JSON object is expected"})
    return body


def answered(content: Json, status: int = 200) -> web.Response:
    """A response of a simulation's lever."""
    return web.Response(text=dumps(content), status=status, content_type="application/json")
