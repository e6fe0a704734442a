"""Orders meet the house and each other by price, then by time."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import Answer, CancelAll, CancelByLabel, CancelOrder, Refused
from bot.exchange.contracts import Kind
from bot.exchange.reports import CancelReason, Liquidity, OrderState
from tests.exchange.engine_builders import (
    BUY,
    CALL,
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

LATER_MS = START_MS + 1_000


def test_a_limit_order_takes_the_house_level_by_level_up_to_its_limit_and_rests() -> None:
    venue = engine()
    done = placed(venue.handle(order(BUY, 5_000, 100_002.0)))
    assert [(t.price, t.amount) for t in done.trades] == [
        (Decimal("100001.0"), Decimal(1_000)),
        (Decimal("100002.0"), Decimal(2_000)),
    ]
    assert done.order.order_state is OrderState.OPEN
    assert done.order.filled_amount == 3_000
    assert done.order.average_price == pytest.approx(3_000 / (1_000 / 100_001 + 2_000 / 100_002))
    book = venue.book(PERP)
    assert book is not None
    assert book.bids[0] == (Decimal("100002.0"), Decimal(2_000))
    assert book.asks[0] == (Decimal("100003.0"), Decimal(4_000))


def test_an_immediate_or_cancel_order_leaves_nothing_behind() -> None:
    venue = engine()
    done = placed(venue.handle(order(SELL, 5_000, 99_999.0, tif=IOC)))
    assert done.order.filled_amount == 1_000
    assert done.order.order_state is OrderState.CANCELLED
    assert done.order.cancel_reason is CancelReason.USER_REQUEST
    assert venue.open_orders("demo") == []


def test_a_fill_or_kill_order_is_filled_whole_or_not_at_all() -> None:
    venue = engine()
    killed = placed(venue.handle(order(BUY, 3_010, 100_002.0, tif=FOK)))
    assert (killed.order.order_state, killed.trades) == (OrderState.CANCELLED, ())
    filled = placed(venue.handle(order(BUY, 3_000, 100_002.0, tif=FOK)))
    assert filled.order.order_state is OrderState.FILLED


def test_a_market_order_walks_the_book_and_cancels_what_the_book_lacks() -> None:
    done = placed(engine().handle(order(BUY, 10_000)))
    assert done.order.price is None
    assert done.order.filled_amount == 7_000
    assert done.order.order_state is OrderState.CANCELLED


def test_better_prices_trade_first_and_older_orders_before_younger_ones() -> None:
    venue = engine(frame(), frame(LATER_MS), equity=100.0)
    first = placed(venue.handle(order(BUY, 100, 100_000.0, account="other"))).order
    second = placed(venue.handle(order(BUY, 100, 100_000.0, account="other"))).order
    better = placed(venue.handle(order(BUY, 100, 100_000.5, account="other"))).order
    done = placed(venue.handle(order(SELL, 250, 99_999.0)))
    assert done.order.order_state is OrderState.FILLED
    makers = [t for t in venue.trades("other") if t.liquidity is Liquidity.MAKER]
    assert [(t.order_id, t.amount) for t in makers] == [
        (better.order_id, Decimal(100)),
        (first.order_id, Decimal(100)),
        (second.order_id, Decimal(50)),
    ]


def test_the_house_queues_behind_orders_that_rested_before_its_last_quote() -> None:
    venue = engine(frame(), frame(LATER_MS))
    old = placed(venue.handle(order(BUY, 100, 99_999.0, account="other"))).order
    taken = placed(venue.handle(order(SELL, 100, 99_999.0)))  # the house was there first
    assert not venue.trades("other")
    assert taken.order.order_state is OrderState.FILLED
    venue.advance(LATER_MS)
    placed(venue.handle(order(SELL, 100, 99_999.0)))  # now the house has re-quoted behind it
    assert [t.order_id for t in venue.trades("other")] == [old.order_id]


def test_a_resting_order_is_filled_as_maker_when_the_house_reaches_it() -> None:
    venue = engine(frame(), frame(LATER_MS, index=99_990.0))
    resting = placed(venue.handle(order(BUY, 1_500, 99_992.0))).order
    events = venue.advance(LATER_MS)
    fills = venue.trades("demo")
    # The house asks 99,991 for 1,000 and 99,992 for 2,000: the buyer keeps its own price.
    assert [(t.price, t.amount, t.liquidity) for t in fills] == [
        (Decimal("99992.0"), Decimal(1_000), Liquidity.MAKER),
        (Decimal("99992.0"), Decimal(500), Liquidity.MAKER),
    ]
    assert fills[0].fee == 0.0
    after = venue.order("demo", resting.order_id)
    assert after is not None
    assert after.order_state is OrderState.FILLED
    assert [type(e).__name__ for e in events].count("Traded") == 2


def test_an_order_behind_its_valid_until_is_refused_before_it_starts() -> None:
    venue = engine()
    assert refused(venue.handle(order(BUY, 10, 100.0, valid_until_ms=START_MS - 1))).code == 13888
    assert placed(venue.handle(order(BUY, 10, 100.0, valid_until_ms=START_MS))).order.order_id


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (order(BUY, 10, 100_000.25), 10043),
        (order(BUY, 0.1, 0.0061, name=CALL.name), 10043),
        (order(BUY, 15, 100_000.0), -32602),
        (order(BUY, 0.05, 0.0060, name=CALL.name), 10002),
        (order(BUY, -10, 100_000.0), -32602),
        (order(BUY, 10, -5.0), -32602),
        (order(BUY, 10, 100_000.0, label="x" * 65), -32602),
        (order(BUY, 10, 100_000.0, name="BTC-26DEC25-111-C"), 13020),
        (order(BUY, 10, 100_000.0, name="NONSENSE"), 13020),
        (order(SELL, 10, 100_000.0, reduce_only=True), 11030),
    ],
)
def test_a_malformed_order_is_refused_with_the_venues_code(bad: object, code: int) -> None:
    venue = engine()
    assert refused(venue.handle(bad)).code == code  # type: ignore[call-overload]
    assert venue.open_orders("demo") == []


def test_an_option_steps_by_the_coarse_tick_above_its_threshold_and_the_fine_one_below() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 0.1, 0.0047, name=CALL.name)))
    placed(venue.handle(order(BUY, 0.1, 0.0065, name=CALL.name)))
    assert len(venue.open_orders("demo")) == 2


def test_a_post_only_order_that_would_trade_is_priced_behind_or_refused() -> None:
    venue = engine()
    done = placed(venue.handle(order(BUY, 100, 100_005.0, post_only=True)))
    assert done.order.price == Decimal("100000.5")
    assert done.trades == ()
    again = order(BUY, 100, 100_005.0, post_only=True, reject_post_only=True)
    assert refused(venue.handle(again)).code == 11054


def test_an_order_is_refused_rather_than_traded_with_its_own_account() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 100, 100_000.0)))
    assert refused(venue.handle(order(SELL, 100, 100_000.0))).code == 10003
    assert placed(venue.handle(order(SELL, 100, 100_000.0, account="other"))).trades


def test_a_reduce_only_order_is_cut_to_the_position_it_reduces() -> None:
    venue = engine(positions={PERP: 300})
    done = placed(venue.handle(order(SELL, 500, 99_999.0, reduce_only=True)))
    assert done.order.amount == done.order.filled_amount == 300
    assert venue.ledger_positions("demo") == {}
    assert refused(venue.handle(order(SELL, 10, 99_999.0, reduce_only=True))).code == 11030


def test_resting_reduce_only_orders_shrink_with_the_position_they_reduce() -> None:
    venue = engine(positions={PERP: 300})
    first = placed(venue.handle(order(SELL, 200, 100_500.0, reduce_only=True))).order
    second = placed(venue.handle(order(SELL, 200, 100_600.0, reduce_only=True))).order
    assert second.amount == 100
    placed(venue.handle(order(SELL, 150, 99_999.0)))
    orders = {o.order_id: o.amount for o in venue.open_orders("demo")}
    assert orders == {first.order_id: Decimal(150)}
    placed(venue.handle(order(SELL, 150, 99_999.0)))
    assert venue.open_orders("demo") == []


@given(
    start=st.integers(-50, 50),
    orders=st.lists(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 80), st.integers(-4, 4)),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=40, deadline=None)
def test_reduce_only_orders_never_increase_a_position(
    start: int, orders: list[tuple[object, int, int]]
) -> None:
    script = [frame(START_MS + 1_000 * i, index=100_000 + (i % 3) * 2.0) for i in range(12)]
    venue = engine(*script, positions={PERP: 10.0 * start} if start else {}, equity=50.0)
    held = abs(start) * 10
    for i, (direction, lots, ticks) in enumerate(orders):
        price = 100_000 + 0.5 * ticks
        venue.handle(order(direction, 10 * lots, price, reduce_only=True))  # type: ignore[arg-type]
        venue.advance(START_MS + 1_000 * (i + 1))
        size = abs(venue.ledger_positions("demo").get(PERP, Decimal(0)))
        assert size <= held
        held = int(size)


def test_labels_may_repeat_and_a_label_finds_all_its_orders() -> None:
    venue = engine()
    one = placed(venue.handle(order(BUY, 10, 90_000.0, label="same"))).order
    two = placed(venue.handle(order(BUY, 10, 90_000.0, label="same"))).order
    assert [o.order_id for o in venue.orders_by_label("demo", "same")] == [
        two.order_id,
        one.order_id,
    ]
    done = venue.handle(CancelByLabel(account="demo", label="same"))
    assert isinstance(done, Answer)
    assert len(done.result.orders) == 2
    assert venue.open_orders("demo") == []


def test_cancelling_twice_and_cancelling_a_strangers_order_are_told_apart() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 10, 90_000.0))).order
    stranger = venue.handle(CancelOrder(account="other", order_id=mine.order_id))
    assert isinstance(stranger, Refused)
    assert stranger.code == 10029
    done = venue.handle(CancelOrder(account="demo", order_id=mine.order_id))
    assert isinstance(done, Answer)
    assert done.result.order_state is OrderState.CANCELLED
    again = venue.handle(CancelOrder(account="demo", order_id=mine.order_id))
    assert isinstance(again, Refused)
    assert again.code == 11044


def test_cancel_all_obeys_its_filters() -> None:
    venue = engine()
    perp = placed(venue.handle(order(BUY, 10, 90_000.0))).order
    call = placed(venue.handle(order(BUY, 0.1, 0.01, name=CALL.name))).order
    kept = placed(venue.handle(order(BUY, 10, 90_000.0))).order
    done = venue.handle(CancelAll(account="demo", kinds=frozenset({Kind.OPTION})))
    assert isinstance(done, Answer)
    assert [o.order_id for o in done.result.orders] == [call.order_id]
    done = venue.handle(CancelAll(account="demo", order_ids=frozenset({perp.order_id})))
    assert isinstance(done, Answer)
    assert [o.order_id for o in venue.open_orders("demo")] == [kept.order_id]


def test_prices_beyond_the_band_are_clamped_to_it() -> None:
    done = placed(engine().handle(order(SELL, 100_000, 50_000.0)))
    assert done.order.price == Decimal("98500.0")


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_the_fills_of_an_order_add_up_to_what_it_says_it_filled(lots: list[int]) -> None:
    venue = engine(equity=1_000.0)
    for lot in lots:
        done = placed(venue.handle(order(BUY, 10 * lot, 100_003.0, tif=IOC)))
        fills = venue.trades("demo", order_id=done.order.order_id)
        assert sum(t.amount for t in fills) == done.order.filled_amount
    numbers = [int(t.trade_id.split("-")[1]) for t in venue.ledger_fills()]
    assert numbers == sorted(set(numbers))
    bought = sum(t.amount for t in venue.ledger_fills())
    assert bought == min(sum(lots) * 10, 7_000) == venue.ledger_positions("demo")[PERP]
