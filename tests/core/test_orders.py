"""The life of an order, row by row."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import ladder, orders, units
from bot.core.events import OrderNotFound, OrderRejected, OrderUnknown, Source, VenueStatus
from bot.core.evidence import Position
from bot.core.orders import NEXT, News, Order, OrderPolicy, OrderStatus, Outcome, Share
from tests.builders import PERP, START_MS, fill, order_seen

POLICY = OrderPolicy(label_prefix="db")
ID = "dbt1a20000001"
S, N = OrderStatus, News
LATE_MS = START_MS + 10_000


def order(status: OrderStatus = S.REQUESTED, **changes: object) -> Order:
    made = Order(
        order_id=ID,
        instrument=PERP,
        size_native=Decimal(100),
        limit=Decimal(100_200),
        shares=(Share(book="main", size_native=Decimal(100)),),
        requested_ms=START_MS,
        requested_ns=0,
        valid_until_ms=START_MS + 2_000,
        status=status,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def told(known: Order, status: VenueStatus, filled: str = "0", now_ns: int = 1) -> Order:
    return orders.seen(known, order_seen(ID, status, size="100", filled=filled), LATE_MS, now_ns)


def missing(known: Order, **changes: object) -> Order:
    fact = OrderNotFound(
        order_id=ID, sources=(Source.LABEL, Source.TRADES), asked_ms=START_MS + 4_001
    )
    agrees = bool(changes.pop("position_agrees", True))
    fact = replace(fact, **changes)  # type: ignore[arg-type]
    position = Position.AGREES if agrees else Position.DIFFERS
    return ladder.not_found(
        known, fact, policy=POLICY, rate=1.0, position=position, now_ms=START_MS + 3_002
    )


def test_the_table_is_the_one_that_was_agreed() -> None:
    agreed = {
        S.REQUESTED: {
            N.RESTS: S.WORKING,
            N.ENDED: S.CLOSED,
            N.REFUSED: S.CLOSED,
            N.LOST: S.UNKNOWN,
            N.SILENT: S.UNKNOWN,
        },
        S.WORKING: {
            N.RESTS: S.WORKING,
            N.ENDED: S.CLOSED,
            N.LOST: S.UNKNOWN,
            N.SILENT: S.UNKNOWN,
        },
        S.UNKNOWN: {
            N.RESTS: S.WORKING,
            N.ENDED: S.CLOSED,
            N.REFUSED: S.CLOSED,
            N.ABSENT: S.CLOSED,
            N.UNPROVABLE: S.UNPROVABLE,
        },
        S.UNPROVABLE: {
            N.RESTS: S.WORKING,
            N.ENDED: S.CLOSED,
            N.REFUSED: S.CLOSED,
            N.ABSENT: S.CLOSED,
            N.RELEASED: S.CLOSED,
        },
        S.CLOSED: {N.CONTRADICTED: S.UNKNOWN},
    }

    assert {pair: NEXT.get(pair) for pair in product(S, N)} == {
        (status, news): agreed[status].get(news) for status, news in product(S, N)
    }


@pytest.mark.parametrize(("status", "news"), list(product(S, N)))
def test_news_that_the_table_does_not_know_changes_nothing(status, news) -> None:
    known = order(status, outcome=Outcome.CANCELLED if status is S.CLOSED else Outcome.PENDING)
    moved = orders.heard(known, news, LATE_MS, 5, "why")

    assert moved.status is NEXT.get((status, news), status)
    if moved.status is status:
        assert moved is known


@pytest.mark.parametrize(
    ("said", "status", "outcome"),
    [
        (VenueStatus.OPEN, S.WORKING, Outcome.PENDING),
        (VenueStatus.FILLED, S.CLOSED, Outcome.FILLED),
        (VenueStatus.CANCELLED, S.CLOSED, Outcome.CANCELLED),
        (VenueStatus.REJECTED, S.CLOSED, Outcome.REJECTED),
    ],
)
@pytest.mark.parametrize("before", [S.REQUESTED, S.WORKING, S.UNKNOWN, S.UNPROVABLE])
def test_what_the_venue_says_is_believed_from_every_open_status(before, said, status, outcome):
    moved = told(order(before, unknown_since_ns=0 if before is S.UNKNOWN else None), said)

    assert (moved.status, moved.outcome) == (status, outcome)
    assert moved.unknown_since_ns is None
    assert moved.closed_ms == (LATE_MS if status is S.CLOSED else None)
    assert moved.venue_order_id == "V1"


def test_fills_before_the_acknowledgement_are_counted_and_the_order_still_waits_for_it() -> None:
    early = orders.filled(order(), fill(ID, size="100"))

    assert early.status is S.REQUESTED
    assert early.filled_native == Decimal(100)
    assert not early.is_quiet
    assert early.remaining_native == Decimal(0)
    assert told(early, VenueStatus.FILLED, "100").is_quiet


def test_an_acknowledgement_heard_twice_is_heard_once() -> None:
    once = told(order(), VenueStatus.FILLED, "100")

    assert told(once, VenueStatus.FILLED, "100") == once


def test_an_order_that_ended_is_not_opened_again_by_an_older_message() -> None:
    ended = told(order(), VenueStatus.CANCELLED, "30")
    again = told(ended, VenueStatus.OPEN, "10")

    assert again.status is S.CLOSED
    assert again.outcome is Outcome.CANCELLED
    assert again.reported_native == Decimal(30)


def test_an_order_is_loud_until_every_reported_coin_has_arrived_as_a_fill() -> None:
    ended = told(order(), VenueStatus.CANCELLED, "30")
    assert not ended.is_quiet
    assert ended.remaining_native == Decimal(30)

    part = orders.filled(ended, fill(ID, size="20"))
    assert not part.is_quiet
    assert part.remaining_native == Decimal(10)

    whole = orders.filled(part, fill(ID, size="10", trade_id="T2"))
    assert whole.is_quiet
    assert whole.remaining_native == Decimal(0)


def test_a_late_fill_after_a_cancel_is_more_than_the_venue_had_said_and_leaves_it_quiet() -> None:
    ended = told(order(), VenueStatus.CANCELLED, "0")

    assert orders.filled(ended, fill(ID, size="40")).is_quiet


@given(st.permutations([("open", "0"), ("open", "30"), ("filled", "100"), ("open", "60")]))
def test_the_filled_quantity_never_decreases_in_whatever_order_messages_come(news) -> None:
    known, last = order(), Decimal(0)
    for status, filled in news:
        known = told(known, VenueStatus(status), filled)
        assert known.reported_native >= last
        last = known.reported_native

    assert known.reported_native == Decimal(100)
    assert known.status is S.CLOSED


def test_what_an_older_ledger_knew_of_an_order_without_its_parts_is_not_forgotten() -> None:
    known = order(reported_native=Decimal(30))

    assert told(known, VenueStatus.CANCELLED, "0").reported_native == Decimal(30)


@pytest.mark.parametrize("traded", ["130", "-20"])
def test_an_order_that_traded_too_much_or_the_other_way_has_nothing_left_to_trade(traded) -> None:
    over = orders.filled(order(), fill(ID, size=traded))

    assert over.remaining_native == (Decimal(0) if traded == "130" else Decimal(120))


def test_a_sell_counts_its_fills_downward() -> None:
    short = replace(order(), size_native=Decimal(-100))
    fact = order_seen(ID, VenueStatus.CANCELLED, size="-100", filled="-60")
    ended = orders.seen(short, fact, LATE_MS, 1)

    assert ended.reported_native == Decimal(-60)
    assert ended.remaining_native == Decimal(-60)
    assert orders.filled(ended, fill(ID, size="-60")).is_quiet


REJECTED = OrderRejected(order_id=ID, code=10009, reason="not_enough_funds")


@pytest.mark.parametrize("before", [S.REQUESTED, S.UNKNOWN, S.UNPROVABLE])
def test_a_definite_rejection_closes_an_order_and_keeps_the_code(before) -> None:
    moved = orders.rejected(order(before), REJECTED, LATE_MS, 1)

    assert (moved.status, moved.outcome) == (S.CLOSED, Outcome.REJECTED)
    assert moved.reason == "not_enough_funds (code 10009)"
    assert moved.is_quiet


def test_a_rejection_does_not_close_an_order_that_was_seen_alive() -> None:
    working = order(S.WORKING)

    assert orders.rejected(working, REJECTED, LATE_MS, 1) == working


def test_a_rejection_does_not_rename_how_a_filled_order_ended() -> None:
    ended = told(order(), VenueStatus.FILLED, "100")

    assert orders.rejected(ended, REJECTED, LATE_MS, 1).outcome is Outcome.FILLED


LOST = OrderUnknown(order_id=ID, reason="timeout")


@pytest.mark.parametrize("before", [S.REQUESTED, S.WORKING])
def test_a_lost_answer_makes_an_order_unknown_since_that_moment(before) -> None:
    moved = orders.lost(order(before), LOST, LATE_MS, 7)

    assert moved.status is S.UNKNOWN
    assert moved.unknown_since_ns == 7
    assert moved.reason == "timeout"


def test_a_lost_answer_after_the_end_changes_nothing() -> None:
    ended = told(order(), VenueStatus.FILLED, "100")

    assert orders.lost(ended, LOST, LATE_MS, 7) is ended


@pytest.mark.parametrize("before", [S.REQUESTED, S.WORKING])
def test_silence_is_borne_up_to_its_limit_and_no_longer(before) -> None:
    at_limit = orders.went_silent(order(before), LATE_MS, POLICY.silence_max_ns, POLICY)
    over = orders.went_silent(order(before), LATE_MS, POLICY.silence_max_ns + 1, POLICY)

    assert at_limit.status is before
    assert over.status is S.UNKNOWN
    rests = "it rests at the venue, and was to trade at once or not at all"
    assert over.reason == (rests if before is S.WORKING else "no answer in time")
    assert over.unknown_since_ns == POLICY.silence_max_ns


@pytest.mark.parametrize("before", [S.UNKNOWN, S.UNPROVABLE, S.CLOSED])
def test_only_what_was_waiting_can_fall_silent(before) -> None:
    known = order(before)

    assert orders.went_silent(known, LATE_MS, 10**12, POLICY) is known


def test_absence_is_proved_by_two_sources_after_the_deadline_and_an_untouched_position() -> None:
    proved = missing(order(S.UNKNOWN))

    assert (proved.status, proved.outcome) == (S.CLOSED, Outcome.ABSENT)
    assert proved.reason == ("proved absent: label and trade history know of none, position agrees")
    assert proved.closed_ms == START_MS + 3_002
    assert proved.is_quiet


@pytest.mark.parametrize(
    "lacking",
    [
        {"asked_ms": START_MS + 4_000},
        {"asked_ms": START_MS + 2_001},
        {"sources": (Source.LABEL,)},
        {"sources": (Source.TRADES,)},
        {"sources": (Source.LABEL, Source.OPEN_ORDERS)},
        {"sources": (Source.TRADES, Source.TRADES)},
        {"sources": ()},
        {"position_agrees": False},
    ],
)
@pytest.mark.parametrize("before", [S.UNKNOWN, S.UNPROVABLE])
def test_anything_less_than_proof_changes_nothing(before, lacking) -> None:
    known = order(before)
    told = missing(known, **lacking)

    assert told.status is before
    assert replace(told, evidence=known.evidence) == known, "and is only noted"


@pytest.mark.parametrize("touched", ["filled_native", "reported_native"])
def test_an_order_that_traded_cannot_be_proved_absent(touched) -> None:
    assert missing(order(S.UNKNOWN, **{touched: Decimal(10)})).status is S.UNKNOWN


@pytest.mark.parametrize("before", [S.REQUESTED, S.WORKING, S.CLOSED])
def test_only_an_unknown_order_can_be_absent(before) -> None:
    known = order(before)

    assert missing(known) is known


def test_an_order_that_stays_unknown_becomes_unprovable_and_keeps_when_it_began() -> None:
    unknown = orders.lost(order(), LOST, LATE_MS, 5)
    patient = ladder.gave_up(unknown, LATE_MS, 5 + POLICY.unprovable_ns, POLICY)
    hopeless = ladder.gave_up(unknown, LATE_MS, 6 + POLICY.unprovable_ns, POLICY)

    assert patient is unknown
    assert hopeless.status is S.UNPROVABLE
    assert hopeless.unknown_since_ns == 5
    assert missing(hopeless).outcome is Outcome.ABSENT
    assert ladder.gave_up(order(), LATE_MS, 10**12, POLICY).status is S.REQUESTED


@pytest.mark.parametrize("before", [S.REQUESTED, S.WORKING, S.UNKNOWN, S.UNPROVABLE])
def test_a_new_process_knows_nothing_of_what_was_not_closed(before) -> None:
    old = order(before, asked_ns=10**9, unknown_since_ns=10**9, requested_ns=10**9)
    known = orders.recovered(old, LATE_MS, 77)

    assert known.status is S.UNKNOWN
    assert (known.requested_ns, known.unknown_since_ns, known.asked_ns) == (77, 77, None)
    assert known.valid_until_ms == old.valid_until_ms
    assert orders.recovered(known, LATE_MS, 77) == known


@pytest.mark.parametrize(
    ("requested_ns", "now_ns", "since_ns"),
    [
        (10**9, 3 * 10**9, 10**9),
        (10**9, 10**12, 10**12 - orders.AGE_MAX_NS),  # as old as any proof takes, and no older
        (10**9, 77, 77),  # a clock that went back
    ],
)
def test_where_the_clock_goes_on_an_order_in_doubt_stays_as_old_as_it_is(
    requested_ns, now_ns, since_ns
) -> None:
    old = order(S.REQUESTED, requested_ns=requested_ns)
    known = orders.recovered(old, LATE_MS, now_ns, goes_on=True)

    assert known.requested_ns == since_ns
    assert (known.status, known.unknown_since_ns) == (S.UNKNOWN, now_ns)
    assert orders.recovered(known, LATE_MS, now_ns, goes_on=True) == known


def test_a_new_process_keeps_what_was_closed() -> None:
    ended = told(order(asked_ns=10**9), VenueStatus.CANCELLED, "30", 10**9)
    known = orders.recovered(ended, LATE_MS, 77)

    assert known.status is S.CLOSED
    assert known.remaining_native == Decimal(30)
    assert (known.requested_ns, known.asked_ns) == (77, None)
    assert orders.filled(known, fill(ID, size="30")).remaining_native == units.ZERO
