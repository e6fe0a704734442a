"""Others trade: on the tape, in the ticker, and in nobody's account."""

from typing import Any

from bot.exchange.rules import Rules
from bot.exchange.venue_commands import Shock
from tests.exchange.engine_builders import engine, frame
from tests.exchange.wire import PERPETUAL, Client, Hall, hall

TRADES = f"trades.{PERPETUAL}.raw"


def tape_of(client: Client) -> list[dict[str, Any]]:
    method = "public/get_last_trades_by_instrument"
    trades: list[dict[str, Any]] = client.call(
        method, instrument_name=PERPETUAL, count=1_000, sorting="asc"
    )["trades"]
    return trades


def half_a_minute() -> tuple[Hall, Client]:
    world = hall()
    client = world.client().login()
    client.call("private/subscribe", channels=[TRADES])
    for _ in range(30):
        world.pass_ms(1_000)
    return world, client


def test_others_trade_about_every_second_second_and_nobody_is_charged_for_it() -> None:
    world, client = half_a_minute()

    trades = tape_of(client)
    told = [trade for message in client.told(TRADES) for trade in message]

    assert 8 <= len(trades) <= 22
    assert told == trades
    assert {trade["direction"] for trade in trades} == {"buy", "sell"}
    assert all(trade["amount"] % 10 == 0 < trade["amount"] for trade in trades)
    assert [trade["trade_seq"] for trade in trades] == list(range(1, len(trades) + 1))
    ticker = client.call("public/ticker", instrument_name=PERPETUAL)
    assert ticker["last_price"] == trades[-1]["price"]
    assert ticker["stats"]["volume_usd"] == sum(trade["amount"] for trade in trades)
    assert ticker["open_interest"] == 0
    assert world.floor.engine.ledger_fills() == []
    assert client.call("private/get_user_trades_by_currency", currency="any")["trades"] == []


def test_others_trade_the_same_in_every_run_whatever_the_users_do() -> None:
    _, quiet = half_a_minute()
    busy_world = hall()
    busy = busy_world.client().login()
    for second in range(30):
        busy_world.pass_ms(1_000)
        if second % 10 == 0:
            busy.call("private/buy", instrument_name=PERPETUAL, amount=70, type="market")

    def of_others(client: Client) -> list[tuple[int, str, float]]:
        return [
            (trade["timestamp"], trade["direction"], trade["amount"])
            for trade in tape_of(client)
            if trade["amount"] != 70
        ]

    assert of_others(quiet) == of_others(busy)


def test_nothing_trades_through_a_users_resting_order() -> None:
    world = hall()
    client = world.client().login()
    far = client.call("public/ticker", instrument_name=PERPETUAL)["min_price"]
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far)
    for _ in range(30):
        world.pass_ms(1_000)

    assert {trade["direction"] for trade in tape_of(client)} == {"buy"}


def test_a_market_made_by_hand_has_no_others() -> None:
    one = engine(*(frame(at_ms=frame().at_ms + 1_000 * step) for step in range(30)), rules=Rules())

    events = one.advance(one.now_ms + 60_000)

    assert [event for event in events if type(event).__name__ == "Printed"] == []


def test_a_maker_is_told_of_as_the_one_who_was_traded_with() -> None:
    world = hall()
    client = world.client().login()
    bid = client.call("public/ticker", instrument_name=PERPETUAL)["best_bid_price"]
    client.call("private/buy", instrument_name=PERPETUAL, amount=30, price=bid - 20)
    world.floor.engine.handle(Shock(underlying="BTC", move=-0.01))
    world.pass_ms(2_000)

    (fill,) = client.call("private/get_user_trades_by_currency", currency="BTC")["trades"]
    (public,) = [each for each in tape_of(client) if each["trade_id"] == fill["trade_id"]]

    assert (fill["direction"], fill["liquidity"]) == ("buy", "M")
    assert public["direction"] == "sell"
