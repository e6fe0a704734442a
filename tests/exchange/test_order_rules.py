"""What kinds of orders there are, how long they live, and what the venue lets nobody do."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import CancelAll, PlaceOrder
from bot.exchange.contracts import Kind
from bot.exchange.engine import Engine
from bot.exchange.reports import CancelReason, Direction, OrderState, OrderType
from bot.exchange.trading_commands import ClosePosition
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    DAY_MS,
    EXPIRY_MS,
    FOK,
    IOC,
    PERP,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
    refused,
)
from tests.exchange.trading_builders import DAY_ORDER, crowd, done, edited, order_now, trigger

SESSION_MS = START_MS + 20 * 3_600_000  # the next 08:00 UTC


# ---- how long ------------------------------------------------------------------------------------


def test_a_day_order_rests_until_the_session_ends_at_eight() -> None:
    venue = engine(*(frame(ms) for ms in (START_MS, SESSION_MS - 1, SESSION_MS + 1)))
    day = placed(venue.handle(order(BUY, 10, 90_000.0, tif=DAY_ORDER))).order
    stop = placed(
        venue.handle(trigger(OrderType.STOP_MARKET, SELL, 90_000, time_in_force=DAY_ORDER))
    ).order
    kept = placed(venue.handle(order(BUY, 10, 90_000.0))).order
    venue.advance(SESSION_MS - 1)
    assert len(venue.open_orders("demo")) == 3
    venue.advance(SESSION_MS + 1)
    for order_id in (day.order_id, stop.order_id):
        gone = order_now(venue, order_id)
        assert (gone.order_state, gone.cancel_reason) == (
            OrderState.CANCELLED,
            CancelReason.SETTLEMENT,
        )
        assert gone.last_update_ms == SESSION_MS
    assert [each.order_id for each in venue.open_orders("demo")] == [kept.order_id]


@given(
    lots=st.integers(1, 900),
    resting=st.lists(st.tuples(st.integers(1, 200), st.integers(-3, 8)), max_size=4),
    ticks=st.integers(-2, 10),
)
@settings(max_examples=60, deadline=None)
def test_a_fill_or_kill_order_fills_whole_or_not_at_all(
    lots: int, resting: list[tuple[int, int]], ticks: int
) -> None:
    venue = crowd(equity=1_000.0)
    for size, above in resting:
        venue.handle(order(SELL, 10 * size, 100_000 + 0.5 * above, account="other"))
    done_ = placed(venue.handle(order(BUY, 10 * lots, 100_000 + 0.5 * ticks, tif=FOK)))
    assert done_.order.filled_amount in (0, 10 * lots)
    assert sum(trade.amount for trade in done_.trades) == done_.order.filled_amount
    assert done_.order.order_state in (OrderState.FILLED, OrderState.CANCELLED)


# ---- market-limit and icebergs -------------------------------------------------------------------


def test_a_market_limit_order_takes_the_best_price_and_rests_there() -> None:
    venue = engine(equity=100.0)
    asked = replace(order(BUY, 5_000), order_type=OrderType.MARKET_LIMIT)
    done_ = placed(venue.handle(asked))
    assert [(t.price, t.amount) for t in done_.trades] == [(Decimal("100001.0"), Decimal(1_000))]
    left = done_.order
    assert (left.order_type, left.original_type) == (OrderType.LIMIT, OrderType.MARKET_LIMIT)
    assert (left.order_state, left.price) == (OrderState.OPEN, Decimal("100001.0"))
    assert edited(venue, left.order_id, price=99_000.0).order.price == 99_000


def test_a_market_limit_order_without_another_side_is_refused() -> None:
    venue = engine(frame(depth=()))
    asked = replace(order(BUY, 10), order_type=OrderType.MARKET_LIMIT)
    assert refused(venue.handle(asked)).code == 11030


def iceberg(direction: Direction, amount: float, shown: float, price: float) -> PlaceOrder:
    return replace(order(direction, amount, price), display_amount=Decimal(str(shown)))


def test_an_iceberg_shows_a_piece_at_a_time_and_queues_anew_with_each() -> None:
    venue = crowd()
    hidden = placed(venue.handle(iceberg(BUY, 5_000, 1_000, 100_000.0))).order
    plain = placed(venue.handle(order(BUY, 1_000, 100_000.0, account="other"))).order
    book = venue.book(PERP)
    assert book is not None
    assert book.bids[0] == (Decimal("100000.0"), Decimal(2_000))

    placed(venue.handle(order(SELL, 1_500, 100_000.0, account="third")))

    after = order_now(venue, hidden.order_id)
    assert after.filled_amount == after.display_amount == 1_000
    assert order_now(venue, plain.order_id, "other").filled_amount == 500
    placed(venue.handle(order(SELL, 3_500, 100_000.0, account="third")))
    after = order_now(venue, hidden.order_id)
    assert after.filled_amount == 4_000
    assert after.display_amount == 1_000
    assert order_now(venue, plain.order_id, "other").filled_amount == 1_000


def test_a_fill_or_kill_order_counts_what_an_iceberg_hides() -> None:
    venue = crowd()
    placed(venue.handle(iceberg(BUY, 5_000, 1_000, 100_000.0)))
    taken = placed(venue.handle(order(SELL, 5_000, 100_000.0, account="third", tif=FOK)))
    assert taken.order.order_state is OrderState.FILLED


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (iceberg(BUY, 5_000, 990, 99_000.0), 10036),
        (iceberg(BUY, 200_000, 1_000, 99_000.0), 10036),
        (iceberg(BUY, 5_000, 1_005, 99_000.0), 10036),
        (replace(order(BUY, 5_000), display_amount=Decimal(1_000)), 10036),
        (replace(order(BUY, 1, 0.02, name=CALL.name), display_amount=Decimal("0.1")), 11048),
    ],
)
def test_an_iceberg_may_not_hide_too_much(asked: PlaceOrder, code: int) -> None:
    assert refused(engine(equity=100.0).handle(asked)).code == code


# ---- combinations, bands, blocks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"post_only": True, "time_in_force": IOC}, 11055),
        ({"post_only": True, "time_in_force": FOK}, 11055),
        ({"post_only": True, "order_type": OrderType.MARKET, "price": None}, 11055),
        ({"price": None}, -32602),
        ({"price": Decimal("NaN")}, -32602),
        ({"amount": Decimal("Infinity")}, -32602),
    ],
)
def test_combinations_that_make_no_sense_are_refused(change: dict[str, Any], code: int) -> None:
    assert refused(engine().handle(replace(order(BUY, 10, 99_000.0), **change))).code == code


@pytest.mark.parametrize(
    ("direction", "price", "becomes"),
    [
        (BUY, 110_000.0, 101_500),
        (SELL, 90_000.0, 98_500),
        (BUY, 90_000.0, 90_000),
        (SELL, 110_000.0, 110_000),
    ],
)
def test_a_buy_above_the_band_and_a_sell_below_it_are_clamped(
    direction: Direction, price: float, becomes: float
) -> None:
    assert placed(engine().handle(order(direction, 10, price))).order.price == Decimal(becomes)


@pytest.mark.parametrize(
    ("direction", "price", "code", "message"),
    [
        (BUY, 110_000.0, 10007, "price_too_high 101500.0"),
        (SELL, 90_000.0, 10005, "price_too_low 98500.0"),
    ],
)
def test_an_order_that_must_not_be_modified_is_refused_beyond_the_band(
    direction: Direction, price: float, code: int, message: str
) -> None:
    asked = order(direction, 10, price, post_only=True, reject_post_only=True)
    answer = refused(engine().handle(asked))
    assert (answer.code, answer.message) == (code, message)


def test_an_expired_instrument_is_told_from_one_that_never_was() -> None:
    venue = engine(frame(EXPIRY_MS - 1_000), frame(EXPIRY_MS + 1_000, contracts=()))
    venue.advance(EXPIRY_MS + 1_000)
    assert refused(venue.handle(order(BUY, 0.1, 0.01, name=CALL.name))).code == 13019
    assert refused(venue.handle(order(BUY, 0.1, 0.01, name="BTC-1JAN30-1-C"))).code == 13020
    closing = ClosePosition(account="demo", instrument_name=CALL.name, order_type=OrderType.MARKET)
    assert refused(venue.handle(closing)).code == 13019


# ---- closing and mass cancels --------------------------------------------------------------------


@pytest.mark.parametrize("size", [300.0, -300.0])
def test_closing_at_the_market_flattens_and_takes_reduce_only_orders_along(size: float) -> None:
    venue = engine(positions={PERP: size})
    side = SELL if size > 0 else BUY
    guard = placed(venue.handle(order(side, 100, 100_000.0, reduce_only=True))).order
    done_ = placed(
        venue.handle(
            ClosePosition(account="demo", instrument_name=PERP, order_type=OrderType.MARKET)
        )
    )
    assert done_.order.reduce_only
    assert venue.ledger_positions("demo") == {}
    assert order_now(venue, guard.order_id).cancel_reason is CancelReason.RISK_MITIGATION
    again = ClosePosition(account="demo", instrument_name=PERP, order_type=OrderType.MARKET)
    assert refused(venue.handle(again)).code == 11030


def test_closing_with_a_limit_rests_as_a_reduce_only_order() -> None:
    venue = engine(positions={PERP: 300})
    command = ClosePosition(
        account="demo",
        instrument_name=PERP,
        order_type=OrderType.LIMIT,
        price=Decimal(101_000),
    )
    resting = placed(venue.handle(command)).order
    assert resting.order_state is OrderState.OPEN
    assert resting.amount == 300
    assert (resting.direction, resting.reduce_only) == (SELL, True)


def a_few_orders(venue: Engine) -> dict[str, str]:
    """Orders of all sorts, by what they are."""
    asked = {
        "perp": order(BUY, 10, 90_000.0),
        "option": order(BUY, 0.1, 0.005, name=CALL.name),
        "stop": trigger(OrderType.STOP_MARKET, SELL, 90_000),
        "take": trigger(OrderType.TAKE_LIMIT, SELL, 110_000, price=110_000),
        "trail": trigger(OrderType.TRAILING_STOP, SELL, 500),
    }
    return {placed(venue.handle(each)).order.order_id: name for name, each in asked.items()}


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({}, {"perp", "option", "stop", "take", "trail"}),
        ({"instrument_name": PERP}, {"perp", "stop", "take", "trail"}),
        ({"kinds": frozenset({Kind.OPTION})}, {"option"}),
        ({"kinds": frozenset()}, set()),
        ({"order_types": frozenset({OrderType.LIMIT})}, {"perp", "option"}),
        ({"order_types": frozenset({OrderType.STOP_MARKET})}, {"stop"}),
        ({"currencies": frozenset({"BTC"})}, {"perp", "option", "stop", "take", "trail"}),
        ({"currencies": frozenset({"ETH"})}, set()),
        ({"index_name": "btc_usd"}, {"perp", "option", "stop", "take", "trail"}),
        ({"index_name": "btc_usdc"}, set()),
    ],
)
def test_a_mass_cancel_takes_what_passes_its_filters(
    filters: dict[str, Any], gone: set[str]
) -> None:
    venue = engine()
    names = a_few_orders(venue)
    view = done(venue.handle(CancelAll(account="demo", **filters)))
    assert {names[each.order_id] for each in view.orders} == gone
    assert {names[each.order_id] for each in venue.open_orders("demo")} == {*names.values()} - gone


def test_the_same_orders_at_the_same_times_give_the_same_answers() -> None:
    def played() -> list[object]:
        frames = [frame(START_MS + 1_000 * at, index=100_000 - 40.0 * at) for at in range(30)]
        venue = engine(*frames, frame(START_MS + DAY_MS), equity=100.0, positions={PERP: 500})
        a_few_orders(venue)
        told: list[object] = []
        for at in range(30):
            told.append(venue.handle(order(BUY if at % 3 else SELL, 100, 100_000.0 - 30 * at)))
            told += venue.advance(START_MS + 1_000 * at)
        # Frames hold arrays, which do not compare.
        return [each for each in told if type(each).__name__ != "MarketMoved"]

    assert played() == played()
