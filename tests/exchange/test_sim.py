"""The simulator's ledger: what the venue saw, by which others are judged."""

from typing import Any

import aiohttp
import pytest

from bot.exchange.server import ExchangeServer
from tests.exchange.wire import HOST_CLOCKS, PERPETUAL, RpcFailedError, line_to, serving


async def ledger(server: ExchangeServer) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/sim/ledger") as response,
    ):
        assert response.status == 200
        return await response.json()


async def lever(server: ExchangeServer, name: str, body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{server.port}/sim/{name}", json=body) as response,
    ):
        return response.status, await response.json()


async def test_every_request_is_counted_also_the_refused_and_the_unauthorized() -> None:
    before_ms = HOST_CLOCKS.epoch_ms()
    async with serving() as server, line_to(server) as line:
        order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "label": "x-1"}
        with pytest.raises(RpcFailedError):
            await line.call("private/buy", **order)  # nobody is logged in yet
        await line.login()
        await line.call("private/buy", **order)
        with pytest.raises(RpcFailedError):
            await line.call("private/sell", **{**order, "amount": 15, "label": "x-2"})
        await line.call("private/cancel_all")
        await line.call("private/get_positions", currency="BTC")
        seen = await ledger(server)

    assert [(each["method"], each["label"]) for each in seen["requests"]] == [
        ("private/buy", "x-1"),
        ("private/buy", "x-1"),
        ("private/sell", "x-2"),
        ("private/cancel_all", ""),
    ]
    assert {each["transport"] for each in seen["requests"]} == {"ws"}
    assert seen["requests"][1]["params"] == order
    assert before_ms <= seen["requests"][0]["at_ms"] <= HOST_CLOCKS.epoch_ms()


async def test_the_ledger_shows_orders_fills_and_positions_as_the_venue_holds_them() -> None:
    async with serving() as server, line_to(server) as line:
        await line.login()
        order = {"instrument_name": PERPETUAL, "type": "market", "label": "hedge"}
        placed = await line.call("private/sell", **order, amount=500)
        with pytest.raises(RpcFailedError):
            await line.call("private/sell", **order, amount=500_000_000)
        seen = await ledger(server)

    accepted, rejected = seen["orders"]
    assert accepted == {
        "order_id": placed["order"]["order_id"],
        "label": "hedge",
        "instrument_name": PERPETUAL,
        "direction": "sell",
        "amount": 500,
        "filled_amount": 500,
        "state": "filled",
    }
    assert (rejected["state"], rejected["filled_amount"]) == ("rejected", 0)
    assert sum(fill["amount"] for fill in seen["fills"]) == 500
    assert {fill["cause"] for fill in seen["fills"]} == {"trade"}
    assert {fill["order_id"] for fill in seen["fills"]} == {accepted["order_id"]}
    assert seen["positions"] == {PERPETUAL: -500}


async def test_a_shock_moves_the_market_and_everybody_hears_of_it() -> None:
    async with serving(speed=20.0) as server, line_to(server) as line:
        channel = "deribit_price_index.btc_usd"
        await line.call("public/subscribe", channels=[channel])
        before = (await line.told(channel))["price"]
        status, _ = await lever(server, "shock", {"underlying": "BTC", "move": -0.2})
        price = before
        while price > 0.9 * before:
            price = (await line.told(channel))["price"]

    assert status == 200
    assert price == pytest.approx(0.8 * before, rel=0.02)


async def test_a_position_can_be_set_and_its_owner_is_told() -> None:
    async with serving() as server, line_to(server) as line:
        await line.login()
        await line.call("private/subscribe", channels=["user.changes.any.any.raw"])
        status, _ = await lever(server, "position", {"instrument_name": PERPETUAL, "size": -300})
        change = await line.told("user.changes.any.any.raw")
        seen = await ledger(server)

    assert status == 200
    assert change["position"][0]["size"] == -300
    assert change["trades"] == change["orders"] == []
    assert seen["positions"] == {PERPETUAL: -300}
    assert seen["fills"] == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("shock", {"underlying": "SOL", "move": 0.1}),
        ("shock", {"underlying": "BTC", "move": -1.5}),
        ("shock", {"move": 0.1}),
        ("position", {"instrument_name": PERPETUAL, "size": 15}),
        ("position", {"instrument_name": "BTC-1", "size": 10}),
        ("position", {"instrument_name": PERPETUAL, "size": "much"}),
        ("position", [1]),
    ],
)
async def test_a_lever_pulled_wrongly_says_what_it_expects(name: str, body: Any) -> None:
    async with serving() as server:
        status, answer = await lever(server, name, body)

    assert status == 400
    assert answer["error"]["message"]


async def test_without_sim_the_books_are_closed() -> None:
    async with (
        serving(sim=False) as server,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/sim/ledger") as response,
    ):
        assert response.status == 404


async def test_a_bust_takes_the_last_fill_back_and_a_halt_closes_a_book() -> None:
    perp = {"instrument_name": PERPETUAL}
    async with serving() as server, line_to(server) as line:
        await line.login()
        nothing, _ = await lever(server, "faults", {"kind": "bust"})
        await line.call("private/subscribe", channels=["user.changes.any.any.raw"])
        await line.call("private/sell", **perp, type="market", amount=500)
        await line.told("user.changes.any.any.raw")
        done, _ = await lever(server, "faults", {"kind": "bust"})
        change = await line.told("user.changes.any.any.raw")
        fills = await line.call("private/get_user_trades_by_currency", currency="BTC")
        seen = await ledger(server)
        halted = await lever(server, "halt", perp)
        with pytest.raises(RpcFailedError) as refused:
            await line.call("private/buy", **perp, type="market", amount=10)
        opened = await lever(server, "halt", {**perp, "halted": False})
        await line.call("private/buy", **perp, type="market", amount=10)
        unknown, _ = await lever(server, "halt", {"instrument_name": "NONSENSE"})

    assert (nothing, done, unknown) == (400, 200, 400)
    assert (change["trades"], change["position"][0]["size"]) == ([], 0)
    assert fills == {"trades": [], "has_more": False}
    assert [fill["cause"] for fill in seen["fills"]][-1] == "bust"
    assert seen["positions"] == {}
    assert halted == (200, {**perp, "halted": True})
    assert opened == (200, {**perp, "halted": False})
    assert refused.value.code == 10012
