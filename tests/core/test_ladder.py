"""An order whose fate is unknown: on which rung it stands, and what each gave."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from bot.core import engine, ladder, orders, reconcile
from bot.core.actions import Action, Alert, CancelOrder, QueryOrder, ReadAccount, Topic
from bot.core.engine import Step
from bot.core.events import (
    AccountRead,
    OrderNotFound,
    OrderUnknown,
    ReadFailed,
    Source,
    VenueStatus,
)
from bot.core.evidence import Evidence, Position, Rung
from bot.core.hedger import Code
from bot.core.orders import IGNORED, NEXT, News, Order, OrderPolicy, OrderStatus, Outcome
from bot.core.reported import position_says
from bot.core.state import Mode
from bot.core.units import MS_PER_DAY, MS_PER_MINUTE, NS_PER_MS, NS_PER_SECOND
from tests.builders import CALL, PERP, START_MS, World, fill, order_seen, positions
from tests.core.order_truth import ID, LOST, later, order_of, requested, told

POLICY = OrderPolicy(label_prefix="db")
EVERY = tuple(Source)
AGREES = Position.AGREES


def unknown() -> Order:
    return order_of(told(requested(), LOST))


def none(order: Order, *sources: Source, after_ms: int = 4_001, says: Position = AGREES) -> Order:
    asked_ms = START_MS + after_ms
    fact = OrderNotFound(order_id=ID, sources=sources, asked_ms=asked_ms)
    return ladder.not_found(
        order, fact, policy=POLICY, rate=1.0, position=says, now_ms=asked_ms + 1
    )


def test_every_news_of_every_status_moves_it_or_is_ignored_for_a_reason() -> None:
    assert NEXT.keys() | IGNORED.keys() == set(product(OrderStatus, News))
    assert not NEXT.keys() & IGNORED.keys()
    assert all(IGNORED.values())


def test_the_ladder_is_climbed_rung_by_rung_and_each_says_what_it_waits_for() -> None:
    order = unknown()
    assert order.evidence.rung is Rung.STREAM
    assert ladder.words(order) == "not asked yet; the venue may still tell of it by itself"

    order = ladder.asked(order, 1)
    assert ladder.words(order) == "asked once; waits for an answer by its label"

    order = ladder.unanswered(ladder.asked(order, 2), "timeout")
    assert ladder.words(order) == (
        "asked 2 times, at last in vain (timeout); waits for an answer by its label"
    )

    order = none(order, Source.LABEL, Source.OPEN_ORDERS)
    assert order.evidence.rung is Rung.TRADES
    assert ladder.words(order) == (
        "asked 2 times; label: none, open orders: none; position agrees; "
        "waits for the trade history"
    )

    order = none(order, *EVERY, after_ms=4_000, says=Position.UNREAD)
    assert order.evidence.rung is Rung.DEADLINE
    assert ladder.words(order) == (
        "asked 2 times; label: none, open orders: none, trade history: none; "
        "position not read since it could last start; waits for valid_until + 2 s"
    )

    order = none(order, *EVERY, says=Position.DIFFERS)
    assert order.evidence.rung is Rung.POSITION
    assert ladder.words(order).endswith("position differs; waits for a position that agrees")
    assert order.status is OrderStatus.UNKNOWN

    order = none(order, *EVERY)
    assert (order.status, order.outcome) == (OrderStatus.CLOSED, Outcome.ABSENT)
    assert order.reason == (
        "proved absent: label and open orders and trade history know of none, position agrees"
    )
    assert ladder.words(order) == ""


def test_one_source_alone_waits_for_another() -> None:
    assert none(unknown(), Source.TRADES).evidence.rung is Rung.QUERY


@pytest.mark.parametrize(("skew_s", "settle_s"), [(1, 2), (3, 0.5), (0.25, 1)])
def test_what_the_clocks_may_be_apart_is_waited_for_beside_what_lists_may_lag(skew_s, settle_s):
    """A venue whose clock is behind ours begins an order when ours says that it no longer can."""
    rules = replace(POLICY, skew_ns=int(skew_s * 1e9), settle_ns=int(settle_s * 1e9))
    dead_ms = START_MS + 2_000 + int((skew_s + settle_s) * 1_000)

    def asked_at(asked_ms: int) -> Order:
        fact = OrderNotFound(order_id=ID, sources=EVERY, asked_ms=asked_ms)
        return ladder.not_found(
            unknown(), fact, policy=rules, rate=1.0, position=AGREES, now_ms=asked_ms
        )

    assert asked_at(dead_ms).evidence.rung is Rung.DEADLINE
    assert ladder.words(asked_at(dead_ms)).endswith(f"valid_until + {skew_s + settle_s:g} s")
    assert asked_at(dead_ms + 1).outcome is Outcome.ABSENT


def test_the_wait_before_the_proof_is_market_time_and_grows_with_the_speed_of_a_rehearsal() -> None:
    asked_ms = START_MS + 122_000
    fact = OrderNotFound(order_id=ID, sources=EVERY, asked_ms=asked_ms)

    def asked_at(rate: float) -> Order:
        return ladder.not_found(
            unknown(), fact, policy=POLICY, rate=rate, position=AGREES, now_ms=asked_ms
        )

    assert asked_at(59.0).outcome is Outcome.ABSENT
    assert asked_at(60.0).evidence.rung is Rung.DEADLINE
    assert ladder.words(asked_at(60.0)).endswith("waits for valid_until + 120 s")


def test_a_label_that_is_no_longer_kept_proves_nothing_and_trades_and_open_orders_do() -> None:
    old_ms = 31 * MS_PER_MINUTE

    assert none(unknown(), Source.LABEL, Source.TRADES, after_ms=old_ms).evidence == Evidence(
        rung=Rung.QUERY,
        none_by=(Source.TRADES,),
        forgotten_by=(Source.LABEL,),
        none_ms=START_MS + old_ms,
        dead_ms=START_MS + 4_000,
        position=AGREES,
    )
    assert none(unknown(), *EVERY, after_ms=old_ms).reason == (
        "proved absent: open orders and trade history know of none, position agrees"
    )


def test_an_order_older_than_the_venues_memory_of_trades_is_never_silently_absent() -> None:
    state = told(requested(), LOST)
    order = none(order_of(state), *EVERY, after_ms=366 * MS_PER_DAY)
    assert order.status is OrderStatus.UNKNOWN
    assert "label: no longer kept, trade history: no longer kept" in ladder.words(order)

    hopeless = ladder.gave_up(order, START_MS, POLICY.unprovable_ns + 10**9, POLICY)
    assert hopeless.status is OrderStatus.UNPROVABLE
    assert "trade history: no longer kept" in hopeless.reason
    assert hopeless.reason.endswith("waits for a person")


def test_an_order_that_was_seen_and_is_forgotten_untraded_has_ended_and_was_not_absent() -> None:
    rested = told(requested(), order_seen(ID, VenueStatus.OPEN, size="100"), LOST)
    order = none(order_of(rested), *EVERY)

    assert (order.status, order.outcome) == (OrderStatus.CLOSED, Outcome.CANCELLED)
    assert order.reason.startswith("ended untraded: ")


def test_an_order_that_traded_is_not_absent_whatever_everybody_forgot() -> None:
    order = none(order_of(told(requested(), LOST, fill(ID, size="30"))), *EVERY)

    assert order.status is OrderStatus.UNKNOWN
    assert "+30 of it was traded" in ladder.words(order)


def test_evidence_that_says_the_same_again_changes_nothing() -> None:
    once = none(unknown(), *EVERY, says=Position.DIFFERS)

    assert none(once, *EVERY, says=Position.DIFFERS) is once
    assert ladder.unanswered(once, "") is once


@pytest.mark.parametrize(
    ("read_ns", "held", "says"),
    [
        (None, 0, Position.UNREAD),
        (99, 0, Position.UNREAD),
        (100, 0, Position.AGREES),
        (100, 5, Position.DIFFERS),
    ],
)
def test_only_a_position_read_since_an_order_could_last_start_speaks_of_it(read_ns, held, says):
    told_of = position_says({}, {PERP: Decimal(held)}, PERP, read_ns, 100)
    assert told_of is says


def test_an_order_out_of_doubt_keeps_no_evidence_of_it() -> None:
    order = none(ladder.asked(unknown(), 5), *EVERY, says=Position.DIFFERS)
    rests = orders.seen(order, order_seen(ID, VenueStatus.OPEN, size="100"), START_MS, 1)

    assert rests.evidence == Evidence()
    assert ladder.words(rests) == ""
    assert ladder.unanswered(rests, "timeout") is rests
    assert none(rests, *EVERY) is rests


# --------------------------------------------------------------------------------- in the daemon


def doubtful() -> tuple[World, str]:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    return world, order.order_id


def alerts(world: World, topic: Topic) -> list[str]:
    assert world.last is not None
    told = (a for a in world.last.actions if isinstance(a, Alert) and a.topic is topic)
    return [alert.text for alert in told]


def test_the_verdict_of_a_book_that_waits_says_how_far_its_order_is_known() -> None:
    world, order_id = doubtful()
    world.fold(ReadFailed(what=f"order {order_id}", reason="no line"))
    step = world.quotes()

    assert step.verdicts["main"].code is Code.IN_FLIGHT
    assert step.verdicts["main"].reason == (
        f"order {order_id} is unknown: timeout: asked once, at last in vain (no line); "
        "waits for an answer by its label"
    )


def test_the_call_about_an_unknown_order_says_what_was_asked_and_answered() -> None:
    world, order_id = doubtful()
    fact = OrderNotFound(order_id=order_id, sources=EVERY, asked_ms=world.now_ms)
    world.fold(fact)
    world.fold(after_ms=9_900)
    (text,) = alerts(world, Topic.ORDER_UNKNOWN)

    assert "is unknown for 10 s: timeout; asked" in text
    assert "label: none, open orders: none, trade history: none" in text
    assert text.endswith("waits for valid_until + 2 s")
    world.fold(after_ms=1_000)
    assert alerts(world, Topic.ORDER_UNKNOWN) == []


def test_an_order_that_nobody_can_prove_holds_with_the_evidence_in_the_reason() -> None:
    world, order_id = doubtful()
    world.fold(after_ms=5_000)
    differs = positions({CALL: "-10", PERP: "500"}, asked_ns=world.now_ns, arrived_ns=world.now_ns)
    world.fold(differs, AccountRead(asked_ns=world.now_ns))
    world.fold(OrderNotFound(order_id=order_id, sources=EVERY, asked_ms=world.now_ms))
    world.fold(after_ms=60_000)

    assert world.state.standing.orders[order_id].status is OrderStatus.UNPROVABLE
    assert world.state.mode is Mode.HOLD
    assert "trade history: none; position differs; waits for a person" in world.state.mode_reason
    (text,) = alerts(world, Topic.HOLD)
    assert "position differs" in text


def test_what_rests_and_was_to_trade_at_once_is_cancelled_and_calls_a_person_in_the_end() -> None:
    world, order_id = doubtful()
    rests = order_seen(order_id, VenueStatus.OPEN, size="287160")
    world.fold(rests)
    assert world.state.standing.orders[order_id].status is OrderStatus.WORKING

    cancels = []
    for _ in range(20):
        step = world.fold(rests, after_ms=500)
        cancels += [a for a in step.actions if isinstance(a, CancelOrder)]
    assert 5 <= len(cancels) <= 10, "not at all, or in a hot loop"
    assert world.orders() == []

    for _ in range(130):
        world.fold(rests, after_ms=500)
    assert world.state.mode is Mode.HOLD
    assert "was to trade at once" in world.state.mode_reason
    world.fold(order_seen(order_id, VenueStatus.CANCELLED, size="287160"))
    assert world.state.standing.orders[order_id].is_quiet


def test_a_lost_trading_line_puts_what_rests_in_doubt_at_once() -> None:
    known = told(requested(), order_seen(ID, VenueStatus.OPEN, size="100"))
    cut = orders.cut_off(order_of(known), "the trading connection was lost", START_MS, 7)

    assert cut.status is OrderStatus.UNKNOWN
    assert cut.reason == "the trading connection was lost"
    asked = order_of(told(requested()))
    assert orders.cut_off(asked, "x", START_MS, 7) is asked, "its own answer tells"


def test_silence_is_counted_from_when_the_answer_was_due() -> None:
    known = order_of(later(told(requested()), 100.0))
    silent = orders.went_silent(known, START_MS, 100 * 10**9, POLICY)

    assert silent.unknown_since_ns == 1 + POLICY.silence_max_ns


def test_each_question_is_counted() -> None:
    world, order_id = doubtful()
    asked = 1
    for _ in range(4):
        step = world.fold(after_ms=1_001)
        asked += sum(isinstance(action, QueryOrder) for action in step.actions)

    assert world.state.standing.orders[order_id].evidence.asked == asked == 5


def dies_ns(world: World, order_id: str) -> int:
    return ladder.dead_ns(world.state.standing.orders[order_id], world.policy.orders)


def test_the_venue_is_asked_once_more_the_moment_that_an_order_can_start_no_longer() -> None:
    world, order_id = doubtful()
    for _ in range(3):
        world.fold(AccountRead(asked_ns=world.now_ns), after_ms=1_001)  # at last 0.9 s before
    left_ms = (dies_ns(world, order_id) - world.now_ns) // NS_PER_MS
    assert 0 < left_ms < 1_000
    before = world.fold(AccountRead(asked_ns=world.now_ns), after_ms=left_ms)
    assert not asked_of(before, QueryOrder, ReadAccount)

    after = world.fold(after_ms=reconcile.CLOCK_GRAIN_NS // NS_PER_MS + 1)
    assert len(asked_of(after, QueryOrder)) == len(asked_of(after, ReadAccount)) == 1
    again = world.fold(AccountRead(asked_ns=world.now_ns), after_ms=1)
    assert not asked_of(again, QueryOrder, ReadAccount)


def test_positions_that_come_after_the_other_proof_close_an_order_without_another_question():
    world, order_id = doubtful()
    world.fold(after_ms=5_000)
    asked = world.state.standing.orders[order_id].evidence.asked
    world.fold(OrderNotFound(order_id=order_id, sources=EVERY, asked_ms=world.now_ms))
    order = world.state.standing.orders[order_id]
    assert (order.status, order.evidence.rung) == (OrderStatus.UNKNOWN, Rung.POSITION)

    agrees = positions({CALL: "-10"}, asked_ns=world.now_ns, arrived_ns=world.now_ns)
    world.fold(agrees, AccountRead(asked_ns=world.now_ns))
    order = world.state.standing.orders[order_id]
    assert order.outcome is Outcome.ABSENT
    assert order.reason.endswith("position agrees")
    assert asked == 2


def test_positions_that_differ_or_were_asked_for_too_early_close_nothing() -> None:
    world, order_id = doubtful()
    world.fold(after_ms=5_000)
    world.fold(OrderNotFound(order_id=order_id, sources=EVERY, asked_ms=world.now_ms))
    early_ns = dies_ns(world, order_id) - 1
    agrees = positions({CALL: "-10"}, asked_ns=early_ns, arrived_ns=world.now_ns)
    world.fold(agrees, AccountRead(asked_ns=early_ns))
    assert world.state.standing.orders[order_id].evidence.position is Position.UNREAD

    differs = positions({CALL: "-10", PERP: "500"}, asked_ns=world.now_ns, arrived_ns=world.now_ns)
    world.fold(differs, AccountRead(asked_ns=world.now_ns))
    assert world.state.standing.orders[order_id].evidence.position is Position.DIFFERS
    assert world.state.standing.orders[order_id].status is OrderStatus.UNKNOWN


def asked_of(step: Step, *kinds: type) -> list[Action]:
    return [action for action in step.actions if isinstance(action, kinds)]


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [("one", "one", True), ("one", "two", False), ("", "", False)],
)
def test_an_order_in_doubt_keeps_its_age_over_a_restart_but_not_over_one_of_the_host(
    before, now, goes_on
) -> None:
    world, order_id = doubtful()
    known = replace(world.state.standing, boot=before)
    later_ns = world.now_ns + 3 * NS_PER_SECOND
    begun = engine.begin(known, world.now_ms + 3_000, later_ns, now).standing

    was_ns = known.orders[order_id].requested_ns
    assert begun.orders[order_id].requested_ns == (was_ns if goes_on else later_ns)
    assert begun.boot == now


def test_a_person_is_told_once_of_an_order_that_a_start_finds_resting_long_after_its_time() -> None:
    world, order_id = doubtful()
    size = str(world.state.standing.orders[order_id].size_native)
    rests = order_seen(order_id, VenueStatus.OPEN, size=size)
    known = replace(world.state.standing, boot="one")
    world.now_ns += 40 * NS_PER_SECOND
    world.state = engine.begin(known, world.now_ms, world.now_ns, "one")
    world.begin({CALL: "-10"})

    steps = [world.fold(rests), *(world.fold(rests, after_ms=1_000) for _ in range(20))]
    told = [act.text for step in steps for act in step.actions if isinstance(act, Alert)]
    assert len(told) == 1
    assert "is unknown for 10 s: it rests at the venue" in told[0]


def test_a_new_process_climbs_from_the_ground_again() -> None:
    order = none(ladder.asked(unknown(), 5), *EVERY, says=Position.DIFFERS)
    again = orders.recovered(replace(order, filled_native=Decimal(1)), START_MS, 9)

    assert again.evidence == Evidence()
