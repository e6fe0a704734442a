"""Trigger orders wait outside the book, fire once when their price comes, and are accounted for."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import CancelAll, CancelOrder
from bot.exchange.reports import (
    CancelReason,
    Direction,
    OrderState,
    OrderType,
    TriggerSource,
)
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    EXPIRY_MS,
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
from tests.exchange.trading_builders import done, edit, edited, order_now, trigger

SECOND_MS = 1_000
STOP, STOP_LIMIT = OrderType.STOP_MARKET, OrderType.STOP_LIMIT
TAKE, TAKE_LIMIT = OrderType.TAKE_MARKET, OrderType.TAKE_LIMIT
TRAIL = OrderType.TRAILING_STOP
INDEX, MARK, LAST = TriggerSource.INDEX, TriggerSource.MARK, TriggerSource.LAST


def path(*prices: float) -> list[object]:
    """Frames a second apart, the mark on the index."""
    return [frame(START_MS + SECOND_MS * at, index=price) for at, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("order_type", "direction", "at", "quiet", "loud"),
    [
        (STOP, SELL, 99_000, 99_001, 99_000),
        (STOP, BUY, 101_000, 100_999, 101_000),
        (TAKE, SELL, 101_000, 100_999, 101_000),
        (TAKE, BUY, 99_000, 99_001, 99_000),
    ],
)
def test_a_trigger_order_fires_when_its_price_is_reached_and_not_before(
    order_type: OrderType, direction: Direction, at: float, quiet: float, loud: float
) -> None:
    venue = engine(*path(100_000, quiet, loud), positions={PERP: 1_000})  # type: ignore[arg-type]
    waiting = placed(venue.handle(trigger(order_type, direction, at))).order
    assert waiting.order_state is OrderState.UNTRIGGERED
    assert waiting.price is None

    venue.advance(START_MS + SECOND_MS)
    assert order_now(venue, waiting.order_id).order_state is OrderState.UNTRIGGERED

    venue.advance(START_MS + 2 * SECOND_MS)
    fired = order_now(venue, waiting.order_id)
    assert fired.order_state is OrderState.TRIGGERED
    assert fired.spawned_order_id is not None
    born = order_now(venue, fired.spawned_order_id)
    assert (born.order_type, born.order_state) == (OrderType.MARKET, OrderState.FILLED)
    assert born.trigger_order_id == waiting.order_id
    assert [t.order_id for t in venue.trades("demo")] == [born.order_id]


@pytest.mark.parametrize(
    ("order_type", "direction", "at", "code"),
    [
        (STOP, SELL, 100_000, 10034),
        (STOP, BUY, 100_000, 10035),
        (TAKE, SELL, 100_000, 10035),
        (TAKE, BUY, 100_000, 10034),
        (STOP, SELL, 99_000.25, 10044),
        (STOP, SELL, 0, -32602),
        (TRAIL, SELL, 0, -32602),
        (TRAIL, SELL, -5, -32602),
    ],
)
def test_a_trigger_price_that_makes_no_sense_is_refused(
    order_type: OrderType, direction: Direction, at: float, code: int
) -> None:
    venue = engine()
    assert refused(venue.handle(trigger(order_type, direction, at))).code == code
    assert venue.open_orders("demo") == []


def test_a_trigger_needs_a_trigger_order_and_the_other_way_round() -> None:
    venue = engine()
    stop = trigger(STOP, SELL, 99_000)
    assert refused(venue.handle(replace(stop, trigger=None))).code == -32602
    plain = replace(order(BUY, 10, 99_000.0), trigger=stop.trigger)
    assert refused(venue.handle(plain)).code == -32602


@pytest.mark.parametrize(("source", "fires"), [(INDEX, True), (MARK, False), (LAST, False)])
def test_a_trigger_watches_the_price_that_it_names(source: TriggerSource, fires: bool) -> None:
    after = frame(START_MS + SECOND_MS, index=99_000, mark=100_000)
    venue = engine(frame(), after)
    waiting = placed(venue.handle(trigger(STOP, SELL, 99_500, source=source))).order
    venue.advance(START_MS + SECOND_MS)
    is_fired = order_now(venue, waiting.order_id).order_state is OrderState.TRIGGERED
    assert is_fired is fires


def test_a_trade_fires_what_waits_for_the_last_price() -> None:
    venue = engine()
    waiting = placed(venue.handle(trigger(STOP, BUY, 100_001, source=LAST))).order
    assert waiting.order_state is OrderState.UNTRIGGERED
    placed(venue.handle(order(BUY, 10, 100_001.0, account="other", tif=IOC)))
    assert order_now(venue, waiting.order_id).order_state is OrderState.TRIGGERED


def test_the_last_price_does_not_stay_behind_a_market_in_which_nobody_trades() -> None:
    venue = engine(*path(100_000, 99_000))  # type: ignore[arg-type]
    placed(venue.handle(order(BUY, 10, 100_001.0, account="other", tif=IOC)))
    waiting = placed(venue.handle(trigger(STOP, SELL, 99_500, source=LAST))).order
    venue.advance(START_MS + SECOND_MS)
    assert order_now(venue, waiting.order_id).order_state is OrderState.TRIGGERED


def test_a_stop_limit_rests_at_its_limit_once_it_has_fired() -> None:
    venue = engine(*path(100_000, 98_900))  # type: ignore[arg-type]
    placed(venue.handle(trigger(STOP_LIMIT, SELL, 99_000, price=98_950.0, label="guard")))
    venue.advance(START_MS + SECOND_MS)
    (resting,) = venue.open_orders("demo")
    assert (resting.order_type, resting.order_state) == (OrderType.LIMIT, OrderState.OPEN)
    assert (resting.price, resting.label) == (Decimal("98950.0"), "guard")


@pytest.mark.parametrize(("direction", "sign"), [(SELL, 1), (BUY, -1)])
def test_a_trailing_stop_follows_the_price_and_never_goes_back(
    direction: Direction, sign: int
) -> None:
    steps = [100_000 + sign * step for step in (0, 600, 300, 1_000, 501, 500)]
    venue = engine(*path(*steps), positions={PERP: 100 * sign})  # type: ignore[arg-type]
    waiting = placed(venue.handle(trigger(TRAIL, direction, 500))).order
    stops: list[Decimal] = []
    for at in range(len(steps) - 1):
        venue.advance(START_MS + SECOND_MS * at)
        view = order_now(venue, waiting.order_id)
        assert view.order_state is OrderState.UNTRIGGERED
        assert view.trigger is not None
        stops.append(view.trigger.price)
        assert view.trigger.reference == 100_000
    assert stops == [100_000 + sign * step for step in (-500, 100, 100, 500, 500)]
    venue.advance(START_MS + SECOND_MS * (len(steps) - 1))
    assert order_now(venue, waiting.order_id).order_state is OrderState.TRIGGERED


def test_a_waiting_order_holds_no_margin_and_is_in_no_book() -> None:
    venue = engine(equity=1.0)
    before, book = venue.account("demo", "BTC"), venue.book(PERP)
    placed(venue.handle(trigger(STOP_LIMIT, BUY, 101_000, price=101_500, amount=10_000_000)))
    after, now = venue.account("demo", "BTC"), venue.book(PERP)
    assert after.initial_margin == before.initial_margin
    assert book is not None
    assert now is not None
    assert (now.bids, now.asks) == (book.bids, book.asks)


def test_an_order_that_is_refused_when_it_fires_is_rejected_with_the_reason() -> None:
    venue = engine(*path(100_000, 98_900), positions={PERP: 100})  # type: ignore[arg-type]
    reducing = trigger(STOP, SELL, 99_000, reduce_only=True)
    waiting = placed(venue.handle(reducing)).order
    dear = placed(venue.handle(trigger(STOP, SELL, 99_000, amount=90_000_000))).order
    placed(venue.handle(order(SELL, 100)))
    venue.advance(START_MS + SECOND_MS)
    for order_id, code in ((waiting.order_id, 11030), (dear.order_id, 10009)):
        over = order_now(venue, order_id)
        assert (over.order_state, over.reject_code) == (OrderState.REJECTED, code)
    assert len(venue.trades("demo")) == 1


def test_waiting_orders_are_cancelled_by_id_by_filter_and_by_expiry() -> None:
    late = [frame(EXPIRY_MS - SECOND_MS), frame(EXPIRY_MS + SECOND_MS, contracts=())]
    venue = engine(frame(), *late, equity=100.0)
    one = placed(venue.handle(trigger(STOP, SELL, 99_000))).order
    done(venue.handle(CancelOrder(account="demo", order_id=one.order_id)))
    assert order_now(venue, one.order_id).cancel_reason is CancelReason.USER_REQUEST

    two = placed(venue.handle(trigger(TAKE, SELL, 101_000))).order
    kept = placed(venue.handle(order(BUY, 10, 90_000.0))).order
    takes = CancelAll(account="demo", order_types=frozenset({TAKE, TAKE_LIMIT}))
    assert [o.order_id for o in done(venue.handle(takes)).orders] == [two.order_id]

    dying = trigger(TAKE, SELL, 0.5, name=CALL.name, amount=0.1)
    three = placed(venue.handle(dying)).order
    venue.advance(EXPIRY_MS + SECOND_MS)
    assert order_now(venue, three.order_id).cancel_reason is CancelReason.SETTLEMENT
    assert [o.order_id for o in venue.open_orders("demo")] == [kept.order_id]


def test_a_waiting_order_is_edited_in_place_and_checked_anew() -> None:
    venue = engine(*path(100_000, 98_900), positions={PERP: 1_000})  # type: ignore[arg-type]
    waiting = placed(venue.handle(trigger(STOP, SELL, 99_500))).order
    after = edited(venue, waiting.order_id, trigger_price=98_000, amount=50).order
    assert after.amount == 50
    assert after.replaced
    assert after.trigger is not None
    assert after.trigger.price == 98_000
    assert refused(venue.handle(edit(waiting.order_id, trigger_price=100_500))).code == 10034
    venue.advance(START_MS + SECOND_MS)
    assert order_now(venue, waiting.order_id).order_state is OrderState.UNTRIGGERED


def test_the_mark_of_a_trigger_orders_id_says_what_it_is() -> None:
    venue = engine()
    stop = placed(venue.handle(trigger(STOP, SELL, 99_000, source=INDEX))).order
    take = placed(venue.handle(trigger(TAKE, BUY, 99_000, source=LAST))).order
    trail = placed(venue.handle(trigger(TRAIL, BUY, 500, source=MARK))).order
    marks = [each.order_id.split("-")[1] for each in (stop, take, trail)]
    assert marks == ["SLIS", "TPTB", "TSMB"]


def test_there_is_a_limit_to_waiting_orders() -> None:
    venue = engine()
    for _ in range(100):
        placed(venue.handle(trigger(STOP, SELL, 99_000)))
    assert refused(venue.handle(trigger(STOP, SELL, 99_000))).code == 11035


@given(
    prices=st.lists(st.integers(-30, 30), min_size=2, max_size=10),
    stops=st.lists(
        st.tuples(
            st.sampled_from([STOP, TAKE, TRAIL]),
            st.sampled_from([BUY, SELL]),
            st.integers(1, 25),
            st.sampled_from([INDEX, MARK, LAST]),
        ),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=40, deadline=None)
def test_every_trigger_order_fires_once_or_not_at_all(
    prices: list[int], stops: list[tuple[OrderType, Direction, int, TriggerSource]]
) -> None:
    venue = engine(
        *path(100_000, *(100_000 + 10 * step for step in prices)),  # type: ignore[arg-type]
        equity=1_000.0,
    )
    for order_type, direction, distance, source in stops:
        up = (direction is BUY) is not (order_type is TAKE)
        at = 10 * distance if order_type is TRAIL else 100_000 + (10 if up else -10) * distance
        venue.handle(trigger(order_type, direction, at, source=source, amount=10))
    waiting = {each.order_id for each in venue.open_orders("demo")}
    for at in range(len(prices) + 1):
        venue.advance(START_MS + SECOND_MS * at)
    born = [each for each in venue.ledger_orders() if each.trigger_order_id is not None]
    parents = [each.trigger_order_id for each in born]
    assert len(parents) == len(set(parents))
    for order_id in waiting:
        over = order_now(venue, order_id)
        assert (over.order_state is OrderState.TRIGGERED) is (order_id in parents)
