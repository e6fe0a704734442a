"""From books outside their bands to one order an instrument."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import engine, units
from bot.core.actions import TimeInForce
from bot.core.dealing import BookPlan
from bot.core.engine import Policy
from bot.core.events import ClockSeen, InstrumentsSeen, OrderRejected, OrderUnknown, VenueStatus
from bot.core.hedger import Code, Verdict
from bot.core.margin.gating_stages import GatePolicy
from bot.core.orders import Share
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from tests.builders import (
    CALL,
    PERP,
    World,
    balance,
    book,
    fill,
    option,
    order_seen,
    perp,
    policy,
    positions,
    quote,
    submits,
)

NEW = "BTC-31JAN26-105000-C"
ROOMY = SafetyPolicy(order_max_usd=1e9)


def world(*plans: BookPlan, safety: SafetyPolicy = ROOMY) -> World:
    """Ten calls short, read but not yet quoted: -2.8716 coins of delta."""
    made = World(policy(*plans, safety=safety))
    made.begin({CALL: "-10"})
    return made


def test_an_order_is_a_capped_immediate_one_with_a_deadline_and_our_label() -> None:
    made = world()
    made.quotes()
    (order,) = made.orders()

    assert order.order_id == "dbt1a20000001"
    assert order.time_in_force is TimeInForce.IOC
    assert order.size_native == Decimal(287_160)
    assert order.limit == Decimal("100200.5")  # the ask of 100,000.5 and 20 bp, on the tick
    assert order.valid_until_ms == made.now_ms + 2_000
    known = made.state.standing.orders[order.order_id]
    assert known.limit == order.limit
    assert known.shares == (Share(book="main", size_native=Decimal(287_160)),)
    assert made.state.standing.order_counter == 1


def test_a_deadline_in_a_faster_market_is_as_long_on_the_wire() -> None:
    made = world()
    made.now_ns += 10**8
    clock = ClockSeen(market_ms=made.now_ms, wire_ns=made.now_ns, rate=60.0)
    quotes = (quote(name, arrived_ns=made.now_ns) for name in (CALL, PERP))
    step = engine.step(made.state, (clock, *quotes), made.policy)
    (order,) = submits(step.actions)

    assert order.valid_until_ms == made.now_ms + 120_000


def test_books_on_one_instrument_are_netted_into_one_order() -> None:
    made = world(book("calls"), book("target", target_coin=-2.0), book("quiet", ratio=0.0))
    step = made.quotes()
    (order,) = made.orders()
    shares = {s.book: s.size_native for s in step.state.standing.orders[order.order_id].shares}

    assert shares == {"calls": Decimal(287_160), "target": Decimal(87_160)}
    assert order.size_native == Decimal(374_320)
    assert {d.order_id for d in step.decisions if d.book != "quiet"} == {order.order_id}
    assert step.verdicts["quiet"].code is Code.INSIDE_BAND


def test_a_partial_fill_is_divided_pro_rata_and_the_rest_is_asked_for_anew() -> None:
    made = world(book("calls"), book("half", ratio=0.5))
    made.quotes()
    (order,) = made.orders()
    third = order.size_native / 3
    made.fold(
        fill(order.order_id, size=str(third)),
        order_seen(order.order_id, VenueStatus.CANCELLED, filled=str(third)),
    )
    held = made.state.standing.holdings

    assert held["calls"][PERP] == pytest.approx(Decimal(287_160) / 3)
    assert held["half"][PERP] == pytest.approx(Decimal(143_580) / 3)
    (rest,) = made.orders()
    assert abs(rest.size_native - order.size_native * 2 / 3) <= 20


def opposite() -> tuple[BookPlan, BookPlan]:
    """Two books of the same calls, one of which wants to be twice as short."""
    return book("flat"), book("short", target_coin=2 * -2.871630806)


def test_books_that_want_opposite_things_cross_without_the_venue() -> None:
    made = world(*opposite())
    step = made.quotes()

    assert made.orders() == []
    assert step.verdicts["flat"].code is Code.CROSSED_BOOKS
    assert step.verdicts["flat"].verdict is Verdict.HEDGE
    held = step.state.standing.holdings
    assert held["flat"][PERP] == -held["short"][PERP] == Decimal(287_160)
    assert step.state.standing.positions.get(PERP, 0) == 0
    after = made.quotes()
    assert {d.code for d in after.verdicts.values()} == {Code.INSIDE_BAND}


def test_opposite_books_send_only_what_is_left_between_them() -> None:
    made = world(book("flat"), book("short", target_coin=-4.0))
    made.quotes()
    (order,) = made.orders()
    assert order.size_native == Decimal(287_160) - Decimal(112_830)
    made.settle(order)

    held = made.state.standing.holdings
    assert held["flat"][PERP] == Decimal(287_160)
    assert held["short"][PERP] == Decimal(-112_830)
    assert made.quotes().verdicts["short"].code is Code.INSIDE_BAND


def test_one_order_is_at_most_as_large_as_allowed_and_the_rest_follows() -> None:
    made = world(safety=SafetyPolicy(order_max_usd=100_000.0))
    step = made.quotes()
    (order,) = made.orders()
    assert order.size_native == Decimal(100_000)
    verdict = step.verdicts["main"]
    assert (verdict.verdict, verdict.code) == (Verdict.TRIMMED, Code.SAFETY)
    assert "100000 of 287160: one order is at most 100000 USD" in verdict.reason
    assert (verdict.numbers["wanted_native"], verdict.numbers["sent_native"]) == (287_160, 100_000)
    made.settle(order)
    assert made.orders()[0].size_native == Decimal(100_000)


def test_while_degraded_only_reducing_orders_go_and_only_half_as_large() -> None:
    made = world(safety=SafetyPolicy(order_max_usd=100_000.0))
    made.quotes(100_000.0, balance(maintenance_margin=7.5))
    assert made.state.mode is Mode.DEGRADED
    (order,) = made.orders()
    assert order.size_native == Decimal(50_000), "it raises the requirement, and lowers the stress"

    made = world(safety=SafetyPolicy(order_max_usd=100_000.0))
    made.fold(fill("", size="900000"))
    made.quotes(100_000.0, balance(maintenance_margin=7.5))
    (order,) = made.orders()
    assert order.size_native == Decimal(-50_000)


@pytest.mark.parametrize("maintenance", [8.5, 9.9])
def test_over_the_last_stage_nothing_is_sent(maintenance) -> None:
    made = world()
    made.fold(fill("", size="900000"))
    step = made.quotes(100_000.0, balance(maintenance_margin=maintenance))

    assert made.orders() == []
    assert step.verdicts["main"].code is Code.MODE


def test_margin_trims_an_order_and_the_books_decision_says_with_what_arithmetic() -> None:
    made = world()
    step = made.quotes(100_000.0, balance(initial_margin=9.97, maintenance_margin=1.0))
    (order,) = made.orders()
    verdict = step.verdicts["main"]

    assert order.size_native < Decimal(287_160)
    assert (verdict.verdict, verdict.code) == (Verdict.TRIMMED, Code.MARGIN)
    assert "must stay free" in verdict.reason
    assert step.state.counts.refusals == {"margin": 1}


def test_margin_refuses_once_and_counts_it_once() -> None:
    made = world()
    tight = balance(initial_margin=10.0, maintenance_margin=1.0)
    steps = [made.quotes(100_000.0, tight) for _ in range(3)]
    step = steps[-1]
    assert not any(submits(one.actions) for one in steps)

    assert step.verdicts["main"].verdict is Verdict.REFUSED
    assert step.state.counts.refusals == {"margin": 1}
    assert step.decisions == ()
    assert step.state.standing.orders == {}


def test_after_a_rejection_the_instrument_rests_a_second() -> None:
    made = world()
    made.quotes()
    (order,) = made.orders()
    made.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no funds"))
    step = made.quotes(after_ms=700)
    assert made.orders() == []
    assert "the venue rejected the last order: no funds" in step.verdicts["main"].reason

    made.quotes(after_ms=200)
    assert len(made.orders()) == 1


def test_a_wide_or_diverging_hedge_quote_refuses() -> None:
    for change in ({"bid": 99_000.0}, {"index_usd": 95_000.0}):
        fresh = world()
        arrived = fresh.now_ns
        step = fresh.fold(
            quote(CALL, arrived_ns=arrived), quote(PERP, arrived_ns=arrived, **change)
        )
        assert fresh.orders() == []
        assert step.verdicts["main"].code is Code.SAFETY


def test_what_is_below_the_minimum_after_netting_is_borne() -> None:
    made = world(book("flat"), book("short", target_coin=-5.748))
    made.fold(InstrumentsSeen(instruments=(perp(size_min=Decimal(1_000)),)))
    step = made.quotes()

    assert made.orders() == []
    assert {d.code for d in step.verdicts.values()} == {Code.BELOW_LOT}
    assert "netted -470 is below the minimum" in step.verdicts["flat"].reason


def test_an_order_limit_below_a_lot_sends_nothing() -> None:
    made = world(safety=SafetyPolicy(order_max_usd=5.0))
    step = made.quotes()

    assert made.orders() == []
    verdict = step.verdicts["main"]
    assert (verdict.verdict, verdict.code) == (Verdict.REFUSED, Code.SAFETY)
    assert "one order is at most 5 USD" in verdict.reason


def test_a_hedge_that_the_venue_does_not_list_is_said_to_be_missing() -> None:
    plan = book()
    made = World(policy(replace(plan, book=replace(plan.book, hedge_instrument="BTC-GONE"))))
    made.begin({})
    step = made.quotes()

    assert step.verdicts["main"].code is Code.UNPRICED
    assert "BTC-GONE is not listed" in step.verdicts["main"].reason


def test_an_option_that_is_held_but_on_no_list_keeps_its_books_from_hedging() -> None:
    made = world()
    held = {CALL: "-10", NEW: "-5"}
    made.fold(positions(held, asked_ns=made.now_ns, arrived_ns=made.now_ns))
    unlisted = made.quotes()

    assert made.orders() == []
    assert unlisted.verdicts["main"].code is Code.UNPRICED
    assert f"{NEW} is held but not listed" in unlisted.verdicts["main"].reason
    assert unlisted.verdicts["main"].at_ms == made.now_ms

    made.fold(InstrumentsSeen(instruments=(option(NEW),)))
    listed = made.quotes()
    assert listed.verdicts["main"].verdict is Verdict.HEDGE


def test_every_order_has_its_decision_though_the_one_before_had_the_same_reason() -> None:
    made = world()
    first = made.quotes()
    [sent] = made.orders()
    size = str(sent.size_native)
    at_once = made.quotes(
        104_000.0,
        fill(sent.order_id, size=size, trade_id="T-1"),
        order_seen(sent.order_id, VenueStatus.FILLED, size=size, filled=size),
        positions({PERP: size}, complete=False, asked_ns=None, arrived_ns=made.now_ns),
    )
    [next_sent] = made.orders()

    assert first.verdicts["main"].code is at_once.verdicts["main"].code
    assert [made.order_id for made in at_once.decisions] == [next_sent.order_id]


def test_books_on_different_instruments_send_an_order_each_and_one_unknown_blocks_one() -> None:
    other = "BTC-OTHER"
    plan = book("other")
    plans = (book("main"), replace(plan, book=replace(plan.book, hedge_instrument=other)))
    made = World(_quick(policy(*plans)))
    made.begin({CALL: "-10"})
    made.fold(InstrumentsSeen(instruments=(perp(name=other),)))

    def quoted(price: float = 100_000.0) -> None:
        at = made.now_ns
        good = {"bid": price - 1, "ask": price + 1, "mark": price}
        made.quotes(price, quote(other, arrived_ns=at, price=price, **good))

    quoted()
    assert {order.instrument for order in made.orders()} == {PERP, other}
    first = {order.instrument: order for order in made.orders()}
    made.fold(OrderUnknown(order_id=first[other].order_id, reason="timeout"))
    made.settle(first[PERP])
    made.now_ns += units.NS_PER_SECOND
    quoted(103_000.0)
    assert {order.instrument for order in made.orders()} == {PERP}


def _quick(rules: Policy) -> Policy:
    return replace(rules, gate=GatePolicy(funds_buffer=0.0), safety=ROOMY)


def test_a_book_that_just_sent_an_order_waits_its_interval_for_the_next() -> None:
    made = world(book("main", interval_min_ms=5_000))
    made.quotes()
    (order,) = made.orders()
    made.fold(order_seen(order.order_id, VenueStatus.CANCELLED))
    step = made.quotes(after_ms=4_000)
    assert step.verdicts["main"].code is Code.TOO_SOON
    made.quotes(after_ms=1_000)

    assert len(made.orders()) == 1
    assert made.state.standing.hedge_marks["main"].at_ms == made.now_ms
