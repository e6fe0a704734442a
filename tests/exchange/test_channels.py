"""What subscribers are told, in which order, and how often. The wire's clock stands still here."""

from itertools import pairwise
from typing import Any

import pytest

from bot.exchange.auth import AuthPolicy
from bot.exchange.channels import parse_channel
from bot.exchange.floor import ServerPolicy
from bot.exchange.liveness import watch
from tests.exchange.wire import PERPETUAL, Client, RpcFailedError, hall

RAW_TICKER = f"ticker.{PERPETUAL}.raw"
SLOW_TICKER = f"ticker.{PERPETUAL}.100ms"
BOOK = f"book.{PERPETUAL}.100ms"
CHANGES = "user.changes.any.any.raw"


def test_the_raw_ticker_of_a_stranger_is_refused_with_the_venues_code() -> None:
    client = hall().client()

    with pytest.raises(RpcFailedError) as refused:
        client.call("public/subscribe", channels=[RAW_TICKER])

    assert refused.value.code == 13778
    assert client.call("public/subscribe", channels=[SLOW_TICKER]) == [SLOW_TICKER]


def test_an_answer_names_only_the_channels_that_exist() -> None:
    client = hall().client().login()
    wrong = ["ticker.BTC-1JAN30-1-C.raw", "ticker.BTC-PERPETUAL.5ms", "nonsense", "user.orders"]

    answer = client.call("private/subscribe", channels=[*wrong, CHANGES, "user.portfolio.any"])

    assert answer == [CHANGES, "user.portfolio.any"]
    assert client.call("public/subscribe", channels=[CHANGES]) == []


def test_a_subscriber_hears_the_state_at_once_and_after_the_answer() -> None:
    client = hall().client()

    client.call("public/subscribe", channels=[SLOW_TICKER])

    (ticker,) = client.told(SLOW_TICKER)
    assert ticker["instrument_name"] == PERPETUAL
    assert ticker["best_bid_price"] < ticker["best_ask_price"]


def test_a_hundred_millisecond_ticker_speaks_ten_times_a_second_however_fast_the_market() -> None:
    world = hall(speed=60.0)
    client = world.client().login()
    client.call("public/subscribe", channels=[SLOW_TICKER, RAW_TICKER])
    client.heard.clear()

    for _ in range(50):
        world.pass_ms(20)

    assert len(client.told(SLOW_TICKER)) == 10
    assert len(client.told(RAW_TICKER)) == 50


def test_a_quiet_market_is_republished_so_that_quotes_stay_fresh() -> None:
    world = hall(speed=0.001)  # no new frame in this test
    client = world.client()
    client.call("public/subscribe", channels=[SLOW_TICKER, f"quote.{PERPETUAL}"])
    first = client.told(SLOW_TICKER)[0]

    for _ in range(52):
        world.pass_ms(20)

    tickers = client.told(SLOW_TICKER)
    assert len(tickers) == 2
    assert [each["mark_price"] for each in tickers] == [first["mark_price"]] * 2
    assert tickers[-1]["timestamp"] > first["timestamp"]
    assert len(client.told(f"quote.{PERPETUAL}")) == 3


def test_an_options_ticker_goes_with_the_market_and_not_only_with_the_time() -> None:
    world = hall()
    client = world.client().login()
    lines = client.call("public/get_book_summary_by_currency", currency="BTC", kind="option")
    name = lines[len(lines) // 2]["instrument_name"]
    channel = f"ticker.{name}.raw"
    client.call("private/subscribe", channels=[channel])
    for _ in range(40):
        world.pass_ms(250)

    told = client.told(channel)

    assert len({each["mark_price"] for each in told}) > 5
    assert [each["timestamp"] for each in told] == sorted({each["timestamp"] for each in told})
    now = client.call("public/ticker", instrument_name=name)
    assert told[-1]["greeks"] == now["greeks"]


def replayed(messages: list[dict[str, Any]]) -> tuple[dict[float, float], dict[float, float]]:
    """The book that a careful client keeps."""
    assert messages[0]["type"] == "snapshot"
    for before, after in pairwise(messages):
        assert after["prev_change_id"] == before["change_id"]
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for message in messages:
        for side, changes in zip(sides, (message["bids"], message["asks"]), strict=True):
            for action, price, amount in changes:
                assert (action == "new") == (price not in side), (action, price)
                if action == "delete":
                    del side[price]
                else:
                    side[price] = amount
    return sides


def book_at_the_venue(client: Client) -> tuple[dict[float, float], dict[float, float]]:
    book = client.call("public/get_order_book", instrument_name=PERPETUAL, depth=1000)
    return dict(book["bids"]), dict(book["asks"])


def test_book_changes_link_up_and_rebuild_the_book_also_for_a_late_subscriber() -> None:
    world = hall(speed=30.0)
    early, late = world.client(), world.client()
    early.call("public/subscribe", channels=[BOOK])
    for _ in range(40):
        world.pass_ms(20)
    late.call("public/subscribe", channels=[BOOK])
    for _ in range(50):
        world.pass_ms(20)
    world.clocks.pass_ms(100)
    world.floor.hub.speak(world.clocks.clocks().monotonic_ns())

    heard_early, heard_late = early.told(BOOK), late.told(BOOK)

    assert len(heard_early) > len(heard_late) > 5
    assert replayed(heard_early) == replayed(heard_late)


def test_a_change_that_was_undone_before_it_was_told_leaves_no_hole_in_the_chain() -> None:
    world = hall(speed=0.001)  # only orders move the book here
    client = world.client().login()
    client.call("public/subscribe", channels=[BOOK])
    price = client.call("public/ticker", instrument_name=PERPETUAL)["min_price"]
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=price)
    client.call("private/cancel_all")
    world.pass_ms(100)

    client.call("private/buy", instrument_name=PERPETUAL, amount=20, price=price)
    world.pass_ms(100)

    messages = client.told(BOOK)
    assert [message["type"] for message in messages] == ["snapshot", "change"]
    assert messages[1]["bids"] == [["new", price, 20]]
    assert replayed(messages)[0][price] == 20


def test_an_order_and_its_fill_and_the_position_are_told_in_one_message() -> None:
    world = hall()
    client = world.client().login()
    client.call("private/subscribe", channels=[CHANGES, "user.portfolio.btc"])
    client.heard.clear()

    client.call(
        "private/buy", instrument_name=PERPETUAL, amount=200, type="market", label="hedge-1"
    )

    (change,) = client.told(CHANGES)
    assert change["instrument_name"] == PERPETUAL
    assert [order["label"] for order in change["orders"]] == ["hedge-1"]
    assert sum(trade["amount"] for trade in change["trades"]) == 200
    assert [position["size"] for position in change["position"]] == [200]
    (portfolio,) = client.told("user.portfolio.btc")
    assert portfolio["delta_total"] == pytest.approx(200 / 95_000, rel=0.2)


def test_selectors_keep_other_instruments_out() -> None:
    world = hall()
    client = world.client().login()
    option = client.call("public/get_instruments", currency="BTC", kind="option")[0]
    name = option["instrument_name"]
    channels = [f"user.orders.{name}.raw", "user.trades.future.BTC.raw", "user.orders.any.any.raw"]
    assert client.call("private/subscribe", channels=channels) == channels

    client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")

    assert client.told(f"user.orders.{name}.raw") == []
    assert len(client.told("user.trades.future.BTC.raw")[0]) == 1
    assert client.told("user.orders.any.any.raw")[0]["order_state"] == "filled"


def test_an_aggregated_order_channel_speaks_in_lists_and_in_its_time() -> None:
    world = hall()
    client = world.client().login()
    channel = "user.orders.any.any.100ms"
    client.call("private/subscribe", channels=[channel])
    for _ in range(3):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    assert client.told(channel) == []

    world.pass_ms(100)

    (orders,) = client.told(channel)
    assert len(orders) == 3


def test_private_news_stop_when_the_login_expires_and_public_ones_go_on() -> None:
    world = hall(policy=ServerPolicy(auth=AuthPolicy(token_lifetime_s=5)))
    sleepy, awake = world.client().login(), world.client().login()
    for client in (sleepy, awake):
        client.call("private/subscribe", channels=[CHANGES, RAW_TICKER])
    world.pass_ms(5_100)
    awake.login()
    sleepy.heard.clear()

    awake.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    world.pass_ms(1_000)

    assert len(awake.told(CHANGES)) == 1
    assert sleepy.told(CHANGES) == []
    assert len(sleepy.told(RAW_TICKER)) == 1
    with pytest.raises(RpcFailedError) as refused:
        sleepy.call("private/get_positions", currency="BTC")
    assert refused.value.code == 13009


def test_unsubscribing_ends_the_news() -> None:
    world = hall()
    client = world.client()
    client.call("public/subscribe", channels=[SLOW_TICKER, "deribit_price_index.btc_usd"])

    assert client.call("public/unsubscribe", channels=[SLOW_TICKER, "quote.X"]) == [SLOW_TICKER]
    client.heard.clear()
    world.pass_ms(1_000)

    assert client.told(SLOW_TICKER) == []
    assert len(client.told("deribit_price_index.btc_usd")) == 1
    assert client.call("public/unsubscribe_all") == "ok"
    assert client.session.channels == set()


def test_a_client_that_answers_each_test_request_is_never_taken_for_dead() -> None:
    world = hall()
    client = world.client()
    client.call("public/set_heartbeat", interval=10)
    answers, asked = 0, False

    for _ in range(300):
        world.pass_ms(330)  # the rounds of the pump do not fall on the beats
        if asked:  # a third of a second later: its answers then straddle two beats
            client.call("public/test")
            answers += 1
        client.heard.clear()
        watch(world.floor, client.session)
        asked = any(frame["params"].get("type") == "test_request" for frame in client.heard)

    assert answers >= 4
    assert client.closed == []


EXPIRY_MS = 1_767_686_400_000  # 2026-01-06 08:00 UTC, the first on the synthetic calendar


def test_an_expiry_is_announced_and_its_position_is_told_to_be_gone() -> None:
    world = hall(from_ms=EXPIRY_MS - 60_000, speed=100.0)
    client = world.client().login()
    options = client.call("public/get_instruments", currency="any", kind="option")
    dying = [each for each in options if each["expiration_timestamp"] == EXPIRY_MS]
    name = dying[0]["instrument_name"]
    client.call("private/subscribe", channels=[CHANGES, "instrument.state.any.any"])
    assert client.call("private/buy", instrument_name=name, amount=0.1, type="market")["trades"]
    client.heard.clear()

    world.pass_ms(700)

    news = client.told("instrument.state.any.any")
    closed = {each["instrument_name"] for each in news if each["state"] == "closed"}
    assert closed == {each["instrument_name"] for each in dying}
    (gone,) = client.told(CHANGES)
    assert (gone["instrument_name"], gone["trades"]) == (name, [])  # a settlement is no trade
    assert [(each["direction"], each["size"]) for each in gone["position"]] == [("zero", 0)]


@pytest.mark.parametrize(
    "name",
    [
        "ticker.BTC-PERPETUAL",
        "book.BTC-PERPETUAL.none.7.100ms",
        "user.portfolio",
        "user.trades.any.any.5ms",
        "instrument.state.everything.BTC",
        "",
    ],
)
def test_a_name_that_is_no_channel_is_none(name: str) -> None:
    assert parse_channel(name) is None
