"""A small real server that speaks just enough of Deribit, and misbehaves when told to.

It is independent of the embedded exchange, so that the edge is not only tested against its own
sibling.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.venues.payloads import (
    CALL,
    NOW_MS,
    PUT,
    SCOPE,
    option,
    order,
    perpetual,
    summary,
    ticker,
    trade,
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error answer."""

    code: int
    message: str
    data: Any = None


class Vanish:
    """The line is cut instead of an answer."""


class Silent:
    """No answer at all."""


_MONEY: dict[str, dict[str, Any]] = {
    "ETH": {"base_currency": "ETH", "settlement_currency": "ETH", "price_index": "eth_usd"},
    "USDC": {
        "settlement_currency": "USDC",
        "instrument_type": "linear",
        "quote_currency": "USDC",
        "contract_size": 0.0001,
        "min_trade_amount": 0.0001,
        "price_index": "btc_usdc",
    },
}

Reply = Any
Rule = Callable[[dict[str, Any]], Reply]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One request that reached the venue."""

    transport: str
    method: str
    params: dict[str, Any]
    text: str = ""


@dataclass(kw_only=True)
class Server:
    """The venue: what it heard, what it holds, and how it answers."""

    heard: list[Heard] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    channels: dict[int, set[str]] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    bid: float = 99_999.5
    scope: str = SCOPE
    expires_in: float = 900.0
    testnet: bool = True
    cancels_on_disconnect: bool = True
    currencies: tuple[str, ...] = ("BTC",)
    limits: Any = None
    port: int = 0

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/api/v2"

    def methods(self, *names: str) -> list[Heard]:
        return [request for request in self.heard if request.method in names]

    @property
    def placed(self) -> list[Heard]:
        return self.methods("private/buy", "private/sell")

    async def push(self, channel: str, data: Any) -> None:
        message = {
            "jsonrpc": "2.0",
            "method": "subscription",
            "params": {"channel": channel, "data": data},
        }
        for socket in self.sockets:
            if channel in self.channels.get(id(socket), set()) and not socket.closed:
                await socket.send_json(message)

    async def say(self, text: str) -> None:
        """Send the same bytes to everybody."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_str(text)

    def subscribed(self) -> set[str]:
        live = (id(socket) for socket in self.sockets if not socket.closed)
        return set().union(*(self.channels.get(number, set()) for number in live))

    def cut(self) -> None:
        """Cut every connection without a word."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    # -------------------------------------------------------------- answers

    def answer(self, method: str, params: dict[str, Any]) -> Reply:
        if method in self.rules:
            return self.rules[method](params)
        handler = getattr(self, method.replace("/", "_"), None)
        return (
            Failure(code=-32601, message="Method not found") if handler is None else handler(params)
        )

    def public_get_currencies(self, params):
        return [{"currency": "BTC", "currency_long": "Bitcoin", "withdrawal_fee": 0.0001}]

    def public_get_instruments(self, params):
        rows = [perpetual(), option(CALL, 100_000.0, "call"), option(PUT, 90_000.0, "put")]
        if "ETH" in self.currencies:
            rows.append(perpetual(instrument_name="ETH-PERPETUAL", **_MONEY["ETH"]))
        if "USDC" in self.currencies:
            rows.append(perpetual(instrument_name="BTC_USDC-PERPETUAL", **_MONEY["USDC"]))
        return rows

    def public_get_time(self, params):
        return NOW_MS

    def public_test(self, params):
        return {"version": "1.2.26"}

    def public_set_heartbeat(self, params):
        return "ok"

    def public_auth(self, params):
        if params.get("client_id") != "demo":
            return Failure(code=13004, message="invalid_credentials")
        return {"access_token": "t", "expires_in": self.expires_in, "scope": self.scope}

    def public_ticker(self, params):
        return ticker(params["instrument_name"], self.bid)

    def private_enable_cancel_on_disconnect(self, params):
        return "ok"

    def private_get_cancel_on_disconnect(self, params):
        return {"scope": params["scope"], "enabled": self.cancels_on_disconnect}

    def private_buy(self, params):
        return self.trade(params, "buy")

    def private_sell(self, params):
        return self.trade(params, "sell")

    def trade(self, params: dict[str, Any], direction: str) -> dict[str, Any]:
        """Accept an order and fill it whole."""
        amount = float(params["amount"])
        entry = order(
            label=params.get("label", ""),
            order_id=f"BTC-{len(self.orders) + 1}",
            amount=amount,
            filled=amount,
            state="filled",
            direction=direction,
            instrument=params["instrument_name"],
        )
        deal = trade(
            trade_id=str(1_000 + len(self.trades)),
            label=entry["label"],
            order_id=entry["order_id"],
            amount=amount,
            direction=direction,
            instrument=entry["instrument_name"],
        )
        self.orders.append(entry)
        self.trades.append(deal)
        return {"order": entry, "trades": [deal]}

    def private_cancel_by_label(self, params):
        found = [entry for entry in self._labelled(params) if entry["order_state"] == "open"]
        for entry in found:
            entry["order_state"] = "cancelled"
        return len(found)

    def private_get_order_state_by_label(self, params):
        return self._labelled(params)

    def _labelled(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [entry for entry in self.orders if entry["label"] == params["label"]]

    def private_get_open_orders(self, params):
        return [entry for entry in self.orders if entry["order_state"] == "open"]

    def private_get_open_orders_by_currency(self, params):
        return self.private_get_open_orders(params)

    def private_get_user_trades_by_currency(self, params):
        since, count = int(params["start_timestamp"]), int(params["count"])
        later = sorted(
            (deal for deal in self.trades if deal["timestamp"] >= since),
            key=lambda deal: deal["timestamp"],
        )
        return {"trades": later[:count], "has_more": len(later) > count}

    def private_get_positions(self, params):
        return self.positions

    def private_get_transaction_log(self, params):
        return {"logs": [], "continuation": None}

    def private_get_account_summaries(self, params):
        told = {} if self.limits is None else {"limits": self.limits}
        return {"id": 1, "summaries": [summary(currency=c, **told) for c in self.currencies]}

    # -------------------------------------------------------------- transport

    async def http(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["tail"]
        params = dict(request.query)
        self.heard.append(Heard(transport="http", method=method, params=params))
        reply = self.answer(method, params)
        if isinstance(reply, Vanish):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status = 400 if isinstance(reply, Failure) else 200
        return web.json_response(self.envelope(None, reply), status=status)

    async def ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        self.channels[id(socket)] = set()
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await self.take(socket, frame.data)
        return socket

    async def take(self, socket: web.WebSocketResponse, text: str) -> None:
        message = json.loads(text)
        method, params = message["method"], message.get("params", {})
        self.heard.append(Heard(transport="ws", method=method, params=params, text=text))
        mine = self.channels[id(socket)]
        reply: Reply
        if method in self.rules:
            reply = self.rules[method](params)
        elif method.endswith("/subscribe"):
            mine.update(params["channels"])
            reply = params["channels"]
        elif method.endswith("/unsubscribe"):
            mine.difference_update(params["channels"])
            reply = params["channels"]
        else:
            reply = self.answer(method, params)
        if isinstance(reply, Vanish):
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()
        elif not isinstance(reply, Silent):
            await socket.send_json(self.envelope(message["id"], reply))

    def envelope(self, request_id: int | None, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "testnet": self.testnet}
        if isinstance(reply, Failure):
            error = {"code": reply.code, "message": reply.message}
            return message | {"error": error | ({"data": reply.data} if reply.data else {})}
        return message | {"result": reply}


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Serve on a free loopback port for as long as the block lasts."""
    server = Server()
    app = web.Application()
    app.router.add_get("/api/v2/{tail:.*}", server.http)
    app.router.add_get("/ws/api/v2", server.ws)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield server
    finally:
        server.cut()
        await runner.cleanup()
        await asyncio.sleep(0)
