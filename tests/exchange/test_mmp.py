"""A market maker's orders are pulled when they trade too much, and refused for a while."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import Answer, PlaceOrder
from bot.exchange.reports import CancelReason, Direction, OrderState
from bot.exchange.trading_commands import MmpLimits, MmpTriggered, ResetMmp, SetMmp
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    IOC,
    PERP,
    PUT,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
    refused,
)
from tests.exchange.trading_builders import MMP_KEY, done, edit, order_now, protect

FREEZE_MS = 30_000


def quote(
    direction: Direction, amount: float, price: float, name: str = PERP, **more: Any
) -> PlaceOrder:
    return replace(order(direction, amount, price, name=name, **more), mmp=True)


def test_an_mmp_order_needs_a_protection_and_is_a_plain_limit_order() -> None:
    venue = engine()
    assert refused(venue.handle(quote(BUY, 100, 99_000.0))).code == 11030
    protect(venue, quantity=1)
    assert placed(venue.handle(quote(BUY, 100, 99_000.0))).order.mmp
    market = replace(order(BUY, 100), mmp=True)
    assert refused(venue.handle(market)).code == 11047


def test_too_much_quantity_pulls_every_mmp_order_and_freezes() -> None:
    venue = engine(equity=100.0)
    protect(venue, quantity=0.005, frozen_s=30)
    bid = placed(venue.handle(quote(BUY, 1_000, 100_000.0))).order
    option = placed(venue.handle(quote(BUY, 0.1, 0.005, CALL.name))).order
    plain = placed(venue.handle(order(BUY, 100, 99_000.0))).order

    answer = venue.handle(order(SELL, 600, 100_000.0, account="other"))

    assert isinstance(answer, Answer)
    tripped = [event for event in answer.events if isinstance(event, MmpTriggered)]
    assert tripped == [MmpTriggered(key=MMP_KEY, frozen_until_ms=START_MS + FREEZE_MS)]
    for order_id in (bid.order_id, option.order_id):
        gone = order_now(venue, order_id)
        assert gone.order_state is OrderState.CANCELLED
        assert gone.cancel_reason is CancelReason.MMP_TRIGGER
    assert order_now(venue, plain.order_id).order_state is OrderState.OPEN
    assert venue.mmp_frozen("demo") == {MMP_KEY: START_MS + FREEZE_MS}
    assert refused(venue.handle(quote(BUY, 100, 99_000.0))).message.endswith("mmp_frozen")
    assert placed(venue.handle(order(BUY, 100, 99_000.0))).order.order_id


def test_a_freeze_is_over_after_its_time_and_not_before() -> None:
    frames = [frame(START_MS + ms) for ms in (0, FREEZE_MS - 1, FREEZE_MS)]
    venue = engine(*frames, equity=100.0)
    protect(venue, quantity=0.001)
    placed(venue.handle(quote(BUY, 1_000, 100_001.0, tif=IOC)))
    venue.advance(START_MS + FREEZE_MS - 1)
    assert refused(venue.handle(quote(BUY, 10, 99_000.0))).code == 11030
    venue.advance(START_MS + FREEZE_MS)
    assert venue.mmp_frozen("demo") == {}
    assert placed(venue.handle(quote(BUY, 10, 99_000.0))).order.order_id


def test_a_freeze_without_end_lasts_until_it_is_reset() -> None:
    frames = [frame(START_MS + ms) for ms in (0, 3_600_000)]
    venue = engine(*frames, equity=100.0)
    protect(venue, quantity=0.001, frozen_s=0)
    placed(venue.handle(quote(BUY, 1_000, 100_001.0, tif=IOC)))
    venue.advance(START_MS + 3_600_000)
    assert venue.mmp_frozen("demo") == {MMP_KEY: 0}
    assert refused(venue.handle(quote(BUY, 10, 99_000.0))).code == 11030
    done(venue.handle(ResetMmp(key=MMP_KEY)))
    assert placed(venue.handle(quote(BUY, 10, 99_000.0))).order.order_id


def test_a_new_interval_begins_with_the_first_trade_after_the_old_one() -> None:
    frames = [frame(START_MS + ms) for ms in (0, 4_999, 5_000, 5_001)]
    venue = engine(*frames, equity=100.0)
    protect(venue, quantity=0.015, interval_s=5)
    for at_ms in (0, 5_000):
        venue.advance(START_MS + at_ms)
        placed(venue.handle(quote(BUY, 1_000, 100_001.0, tif=IOC)))
        assert venue.mmp_frozen("demo") == {}
    venue.advance(START_MS + 5_001)
    placed(venue.handle(quote(BUY, 1_000, 100_002.0, tif=IOC)))
    assert MMP_KEY in venue.mmp_frozen("demo")


def test_buying_and_selling_adds_up_in_quantity_and_cancels_out_in_delta() -> None:
    both = [quote(BUY, 1_000, 100_001.0, tif=IOC), quote(SELL, 1_000, 99_999.0, tif=IOC)]
    by_delta = engine(equity=100.0)
    protect(by_delta, delta=0.015)
    by_quantity = engine(equity=100.0)
    protect(by_quantity, quantity=0.015)
    for each in both:
        placed(by_delta.handle(each))
        placed(by_quantity.handle(each))
    assert by_delta.mmp_frozen("demo") == {}
    assert MMP_KEY in by_quantity.mmp_frozen("demo")


def test_an_options_delta_is_net_of_its_mark_and_its_vega_is_watched() -> None:
    fresh = engine()
    ticker = fresh.ticker(CALL.name)
    assert ticker is not None
    assert ticker.option is not None
    net, vega = ticker.option.delta - ticker.mark_price, ticker.option.vega
    for limits, trips in (
        ({"delta": round(0.1 * net + 0.0001, 4)}, False),
        ({"delta": round(0.1 * net - 0.0001, 4)}, True),
        ({"vega": round(0.1 * vega + 0.01, 4)}, False),
        ({"vega": round(0.1 * vega - 0.01, 4)}, True),
    ):
        venue = engine(equity=100.0)
        protect(venue, **limits)  # type: ignore[arg-type]
        done(venue.handle(quote(BUY, 0.1, float(ticker.max_price), CALL.name, tif=IOC)))
        assert (MMP_KEY in venue.mmp_frozen("demo")) is trips, limits


def test_the_quote_quantity_holds_for_each_side_of_each_instrument() -> None:
    venue = engine(equity=100.0)
    protect(venue, quantity=10, most=0.3)
    assert refused(venue.handle(quote(BUY, 0.4, 0.005, CALL.name))).code == 11030
    first = placed(venue.handle(quote(BUY, 0.2, 0.005, CALL.name))).order
    assert refused(venue.handle(quote(BUY, 0.2, 0.005, CALL.name))).code == 11030
    placed(venue.handle(quote(BUY, 0.1, 0.005, CALL.name)))
    placed(venue.handle(quote(SELL, 0.3, 0.1, CALL.name)))
    placed(venue.handle(quote(BUY, 0.3, 0.005, PUT.name)))
    assert refused(venue.handle(edit(first.order_id, amount=0.3))).code == 11030
    placed(venue.handle(order(BUY, 0.5, 0.005, name=CALL.name)))


def test_a_smaller_quote_quantity_curtails_the_youngest_orders() -> None:
    venue = engine(equity=100.0)
    protect(venue, quantity=10, most=0.5)
    first = placed(venue.handle(quote(BUY, 0.2, 0.005, CALL.name))).order
    second = placed(venue.handle(quote(BUY, 0.2, 0.006, CALL.name))).order
    protect(venue, quantity=10, most=0.3)
    assert order_now(venue, first.order_id).order_state is OrderState.OPEN
    gone = order_now(venue, second.order_id)
    assert gone.cancel_reason is CancelReason.MMP_CONFIG_CURTAILMENT
    done(venue.handle(SetMmp(key=MMP_KEY, limits=None)))
    assert venue.mmp_limits("demo") == {}
    assert venue.open_orders("demo") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_s": 3_601},
        {"frozen_s": -1},
        {"quantity": None},
        {"quantity": Decimal("0.00001")},
        {"quote_quantity_max": Decimal(0)},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    good = MmpLimits(interval_s=5, frozen_s=5, quantity=Decimal(1), quote_quantity_max=Decimal(1))
    answer = engine().handle(SetMmp(key=MMP_KEY, limits=replace(good, **wrong)))
    assert not isinstance(answer, Answer)
    assert answer.code == -32602


@given(st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 30)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_mmp_order_is_open_or_accepted_while_frozen(
    trades: list[tuple[Direction, int]],
) -> None:
    venue = engine(equity=1_000.0)
    protect(venue, quantity=0.005, delta=0.003)
    for direction, lots in trades:
        frozen = MMP_KEY in venue.mmp_frozen("demo")
        price = 99_999.5 if direction is BUY else 100_000.5
        answer = venue.handle(quote(direction, 10 * lots, price, post_only=True))
        assert isinstance(answer, Answer) is not frozen
        other = SELL if direction is BUY else BUY
        venue.handle(order(other, 5 * 2 * lots, price, account="other", tif=IOC))
        if MMP_KEY in venue.mmp_frozen("demo"):
            assert not [each for each in venue.open_orders("demo") if each.mmp]
