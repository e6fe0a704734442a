"""Trades, ticker changes, grouped books, candles and indices, as subscribers hear them."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.channels import parse_channel
from bot.exchange.feeds import grouped
from tests.exchange.wire import PERPETUAL, hall

TRADES = f"trades.{PERPETUAL}.raw"
CHANGES = f"incremental_ticker.{PERPETUAL}"


def test_a_trade_is_told_once_from_its_takers_side_to_whoever_listens() -> None:
    world = hall()
    trader, watcher = world.client().login(), world.client().login()
    watcher.call("private/subscribe", channels=[TRADES, "trades.option.BTC.raw"])

    sold = trader.call("private/sell", instrument_name=PERPETUAL, amount=500, type="market")
    world.pass_ms(20)

    (trades,) = watcher.told(TRADES)
    assert [(each["direction"], each["amount"]) for each in trades] == [("sell", 500)]
    assert [each["trade_id"] for each in trades] == [each["trade_id"] for each in sold["trades"]]
    assert watcher.told("trades.option.BTC.raw") == []


def test_two_users_who_meet_make_one_public_trade() -> None:
    from bot.exchange.keys import DEMO_KEY, DEMO_SUB_KEY

    world = hall()
    maker, taker = world.client(), world.client()
    for client, key in ((maker, DEMO_SUB_KEY), (taker, DEMO_KEY)):
        login = {"client_id": key.client_id, "client_secret": key.secret}
        client.call("public/auth", grant_type="client_credentials", **login)
    taker.call("private/subscribe", channels=[TRADES])
    book = taker.call("public/get_order_book", instrument_name=PERPETUAL)
    inside = book["best_bid_price"] + 0.5
    assert inside < book["best_ask_price"]
    maker.call("private/buy", instrument_name=PERPETUAL, amount=50, price=inside)

    taker.call("private/sell", instrument_name=PERPETUAL, amount=50, price=inside)
    world.pass_ms(20)

    (trades,) = taker.told(TRADES)
    assert [(each["direction"], each["price"]) for each in trades] == [("sell", inside)]


def test_the_changes_of_a_ticker_add_up_to_the_ticker() -> None:
    world = hall(speed=30.0)
    early, late = world.client(), world.client()
    early.call("public/subscribe", channels=[CHANGES])
    for _ in range(20):
        world.pass_ms(50)
    late.call("public/subscribe", channels=[CHANGES])
    for _ in range(20):
        world.pass_ms(50)

    def added_up(messages: list[dict[str, Any]]) -> dict[str, Any]:
        assert [each["type"] for each in messages[:2]] == ["snapshot", "change"]
        whole: dict[str, Any] = {}
        for message in messages:
            whole.update(message)
        return whole

    ticker = early.call("public/ticker", instrument_name=PERPETUAL)
    heard, heard_late = early.told(CHANGES), late.told(CHANGES)
    assert added_up(heard) == added_up(heard_late)
    assert added_up(heard)["mark_price"] == ticker["mark_price"]
    assert len(heard[1]) < len(heard[0])
    assert all(len(each) > 3 for each in heard), "a change that changes nothing is not told"


LEVELS = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(1, 1_000)), unique_by=lambda level: level[0]
)


@given(LEVELS, st.sampled_from([2, 5, 10, 250]), st.sampled_from([ROUND_FLOOR, ROUND_CEILING]))
def test_a_grouped_book_keeps_every_coin_and_moves_no_price_towards_the_middle(
    levels: list[tuple[int, int]], ticks: int, rounding: str
) -> None:
    step = Decimal("0.5") * ticks
    exact = [(Decimal(price) / 2, Decimal(amount)) for price, amount in levels]

    sums = dict(grouped(exact, step, rounding))

    assert sum(sums.values()) == sum(amount for _, amount in exact)
    assert all(price % step == 0 for price in sums)
    for price, amount in exact:
        away = -1 if rounding == ROUND_FLOOR else 1
        homes = [each for each in sums if 0 <= (each - price) * away < step]
        assert len(homes) == 1
        assert sums[homes[0]] >= amount


def test_a_grouped_book_is_told_on_whole_groups() -> None:
    world = hall()
    client = world.client()
    channel = f"book.{PERPETUAL}.10.10.100ms"
    client.call("public/subscribe", channels=[channel])

    (book,) = client.told(channel)

    assert all(price % 5 == 0 for price, _ in (*book["bids"], *book["asks"]))
    assert book["bids"][0][0] < book["asks"][0][0]


def test_the_day_of_an_index_holds_its_price() -> None:
    world = hall(speed=60.0)
    client = world.client()
    names = [f"{topic}.btc_usd" for topic in ("deribit_price_index", "deribit_price_statistics")]
    client.call("public/subscribe", channels=names)
    for _ in range(6):
        world.pass_ms(1_000)

    price = client.told(names[0])[-1]["price"]
    day = client.told(names[1])[-1]
    assert day["low24h"] <= price <= day["high24h"]
    assert day["low24h"] < day["high24h"]


def test_the_next_expiry_is_counted_down_in_seconds() -> None:
    world = hall()
    client = world.client()
    channel = "estimated_expiration_price.btc_usd"
    client.call("public/subscribe", channels=[channel])
    first = client.told(channel)[0]["seconds"]
    for _ in range(5):
        world.pass_ms(1_000)

    last = client.told(channel)[-1]
    assert first - last["seconds"] == pytest.approx(5, abs=1)
    assert last["is_estimated"] is False


def test_a_login_is_told_to_whoever_watches_the_door() -> None:
    world = hall()
    watchman = world.client().login()
    watchman.call("private/subscribe", channels=["user.access_log"])

    world.client().login()
    world.pass_ms(20)

    (entry,) = watchman.told("user.access_log")
    assert entry["log"] == "success"
    assert watchman.call("private/get_access_log")[0] == entry


@pytest.mark.parametrize(
    "name",
    [
        f"book.{PERPETUAL}.3.10.100ms",
        f"chart.trades.{PERPETUAL}.7",
        f"perpetual.{PERPETUAL}",
        f"trades.{PERPETUAL}",
        "markprice.futures.btc_usd",
        "user.lock.now",
    ],
)
def test_a_name_that_is_nearly_a_channel_is_none(name: str) -> None:
    assert parse_channel(name) is None
