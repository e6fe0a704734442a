"""Orders that are several, too much, somebody else's, taken back, or there after all."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import codec, engine, standing
from bot.core.actions import Alert, CancelOrder, Severity, Topic
from bot.core.events import (
    Command,
    CommandGiven,
    FillCause,
    FillSeen,
    Link,
    LinkDown,
    OpenOrdersSeen,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    VenueStatus,
)
from bot.core.orders import OrderStatus, Outcome
from bot.core.standing import TRADES_KEPT_MIN, TRADES_KEPT_MS
from bot.core.state import Mode
from tests.builders import (
    CALL,
    INSTANCE,
    PERP,
    START_MS,
    World,
    fill,
    order_seen,
)
from tests.core.order_truth import ID, LOST, REJECTED, order_of, part, requested, seen, told

OPEN, DONE, GONE = VenueStatus.OPEN, VenueStatus.FILLED, VenueStatus.CANCELLED
RESUME = CommandGiven(command=Command.RESUME, command_id="r", actor="op", note="looked")


def sent() -> tuple[World, str, Decimal]:
    """A daemon with one order on its way."""
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    return world, order.order_id, order.size_native


def calls(world: World, topic: Topic) -> list[str]:
    assert world.last is not None
    return [a.text for a in world.last.actions if isinstance(a, Alert) and a.topic is topic]


def leg(order_id: str, name: str, status: VenueStatus, size: object, filled: object) -> OrderSeen:
    told_of = order_seen(order_id, status, size=str(size), filled=str(filled))
    return replace(told_of, venue_order_id=name)


# ------------------------------------------------------------------------------- one label, several


def test_an_intent_that_the_venue_split_ends_when_its_last_part_has_ended() -> None:
    split = told(requested(), seen(OPEN, leg="A", size="60"), seen(OPEN, leg="B", size="40"))
    half = told(split, seen(DONE, "60", leg="A", size="60"), part("60", "T1"))

    assert order_of(half).status is OrderStatus.WORKING
    assert order_of(half).remaining_native == Decimal(40)
    whole = order_of(told(half, seen(GONE, "10", leg="B", size="40")))
    assert whole.status is OrderStatus.CLOSED
    assert whole.reported_native == Decimal(70)
    assert whole.remaining_native == Decimal(10), "one fill is still to come"


def test_a_part_that_appears_after_the_others_ended_opens_the_order_again() -> None:
    ended = told(requested(), seen(DONE, "60", leg="A", size="60"), part("60", "T1"))
    assert order_of(ended).is_quiet

    again = order_of(told(ended, seen(OPEN, leg="B", size="40")))
    assert (again.status, again.outcome) == (OrderStatus.WORKING, Outcome.PENDING)
    assert again.closed_ms is None
    assert again.remaining_native == Decimal(40)


def test_a_label_on_two_orders_counts_for_as_much_as_both_may_come_to() -> None:
    twice = order_of(told(requested(), seen(OPEN, leg="A"), seen(OPEN, leg="B")))
    assert twice.remaining_native == Decimal(200)

    one_gone = order_of(told(requested(), seen(OPEN, leg="A"), seen(GONE, leg="B")))
    assert one_gone.remaining_native == Decimal(100)


def test_a_label_on_two_orders_is_told_and_their_sum_over_the_intent_halts() -> None:
    world, order_id, size = sent()
    world.fold(leg(order_id, "A", DONE, size, size))
    assert calls(world, Topic.ORDER_UNKNOWN) == []
    world.fold(leg(order_id, "B", GONE, size, 0))
    (text,) = calls(world, Topic.ORDER_UNKNOWN)
    assert "is 2 orders at the venue" in text
    assert not world.state.standing.halt_reason, "nothing more than was ordered was traded"

    world.fold(leg(order_id, "B", DONE, size, 10))
    assert world.state.mode is Mode.HALT
    assert world.state.mode_reason == (
        f"order {order_id} was for {size:+,} {PERP}, and {size + 10:+,} was traded under its id, "
        "by 2 orders at the venue"
    )


def test_an_amended_order_counts_at_its_larger_size_until_it_has_ended() -> None:
    grown = told(requested(), seen(OPEN, size="100"), seen(OPEN, size="150"))
    assert order_of(grown).remaining_native == Decimal(150)
    cut = told(requested(), seen(OPEN, size="40"))
    assert order_of(cut).remaining_native == Decimal(100), "its size is what we asked for"
    assert order_of(told(cut, seen(GONE, size="40"))).remaining_native == Decimal(0)


# -------------------------------------------------------------------------------- more than ordered


@pytest.mark.parametrize("fills", [(100, 10), (-10,)])
def test_fills_beyond_the_size_or_the_other_way_halt_until_a_person_resumes(fills) -> None:
    world, order_id, size = sent()
    world.fold(*(fill(order_id, size=str(size * f // 100), trade_id=f"T{f}") for f in fills))

    assert world.state.mode is Mode.HALT
    assert "was traded under its id" in world.state.mode_reason
    assert world.last is not None
    assert Severity.CRITICAL in {a.severity for a in world.last.actions if isinstance(a, Alert)}
    world.fold(RESUME)
    assert not world.state.standing.halt_reason
    world.fold(after_ms=1_000)
    assert not world.state.standing.halt_reason, "once a person has seen it, it is no news"


def test_a_fill_of_exactly_the_size_is_no_excess() -> None:
    assert not told(requested(), part("60", "a"), part("40", "b")).standing.halt_reason
    assert told(requested(), part("60", "a"), part("40.1", "b")).standing.halt_reason


def test_the_first_reason_of_a_halt_stays() -> None:
    known = standing.halted(standing.halted(requested().standing, "one"), "two")
    assert known.halt_reason == "one"


# ---------------------------------------------------------------------------------- there after all


def test_a_fill_of_an_order_held_absent_is_counted_asked_about_and_told() -> None:
    world, order_id, size = sent()
    absent = replace(
        world.state.standing.orders[order_id], status=OrderStatus.CLOSED, outcome=Outcome.ABSENT
    )
    known = standing.with_order(world.state.standing, absent)
    world.state = replace(world.state, standing=known)
    world.fold(fill(order_id, size="50"))

    order = world.state.standing.orders[order_id]
    assert world.state.standing.positions[PERP] == Decimal(50)
    assert (order.status, order.outcome) == (OrderStatus.UNKNOWN, Outcome.PENDING)
    assert order.remaining_native == size - 50
    (text,) = calls(world, Topic.ORDER_UNKNOWN)
    assert text.endswith(
        "was held absent, and is there: +50 of it was filled, after it was held absent"
    )


@pytest.mark.parametrize("held", [Outcome.ABSENT, Outcome.REJECTED, Outcome.TURNED_AWAY])
def test_an_order_held_never_to_have_been_that_rests_at_the_venue_is_open_again(held) -> None:
    closed = replace(order_of(requested()), status=OrderStatus.CLOSED, outcome=held)
    known = requested()
    known = replace(known, standing=standing.with_order(known.standing, closed))

    assert order_of(told(known, seen(OPEN))).status is OrderStatus.WORKING
    ended = order_of(told(known, seen(GONE)))
    assert (ended.status, ended.outcome) == (OrderStatus.CLOSED, Outcome.CANCELLED)


@pytest.mark.parametrize("proof", [seen(OPEN), part("10", "T1")])
def test_a_rejection_does_not_close_an_order_that_was_seen_to_live_or_trade(proof) -> None:
    assert order_of(told(requested(), proof, LOST, REJECTED)).status is OrderStatus.UNKNOWN


def test_what_a_person_no_longer_waits_for_is_not_waited_for_again_when_it_is_told_again() -> None:
    known = told(requested(), seen(GONE, "30"))
    assert not order_of(known).is_quiet
    known = told(known, RESUME)
    assert order_of(known).is_quiet

    known = told(known, seen(GONE, "30"))
    assert order_of(known).is_quiet
    late = told(known, part("30", "T1"))
    assert order_of(late).filled_native == Decimal(30)
    assert order_of(late).is_quiet


# ----------------------------------------------------------------------- what the venue does itself


def test_a_trade_that_is_taken_back_leaves_the_order_filled_and_takes_the_hedge_from_its_book():
    world, order_id, size = sent()
    world.fold(leg(order_id, "A", DONE, size, size), fill(order_id, size=str(size), trade_id="T1"))
    before = world.state.standing.accounts[PERP]
    back = fill(order_id, size=str(-size), trade_id="T1-bust", cause=FillCause.BUST)
    back = replace(back, fee=-before.fees)
    world.fold(back, fill(order_id, size=str(size), trade_id="T1"))

    order = world.state.standing.orders[order_id]
    assert order.is_quiet
    assert (order.filled_native, order.busted_native) == (size, -size)
    assert PERP not in world.state.standing.positions
    assert world.state.standing.holdings["main"][PERP] == Decimal(0)
    after = world.state.standing.accounts[PERP]
    assert after.cost == pytest.approx(0)
    assert after.fees == pytest.approx(0)
    (text,) = calls(world, Topic.EXTERNAL)
    assert text.startswith(f"a trade was taken back by the venue: {PERP} {-size:+,} at 100,000.0")
    assert text.endswith(f"order {order_id}")
    world.fold(back)
    assert calls(world, Topic.EXTERNAL) == [], "told once"
    assert PERP not in world.state.standing.positions, "counted once"


def test_a_trade_taken_back_before_it_was_heard_of_comes_to_nothing_too() -> None:
    back = part("-100", "b", FillCause.BUST)
    known = told(requested(), back, seen(DONE, "100"), part("100", "T1"))

    assert order_of(known).is_quiet
    assert PERP not in known.standing.positions


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (FillCause.LIQUIDATION, "liquidated by the venue"),
        (FillCause.ADL, "closed by the venue against somebody else's liquidation"),
        (FillCause.SETTLEMENT, None),
    ],
)
def test_what_the_venue_trades_for_us_goes_to_the_book_that_owns_it_and_says_why(cause, words):
    world, *_ = sent()
    step = world.fold(fill("", size="-500", trade_id="X", cause=cause))

    assert world.state.standing.positions[PERP] == Decimal(-500)
    assert world.state.standing.holdings["main"][PERP] == Decimal(-500)
    told_of = [a.text for a in step.actions if isinstance(a, Alert)]
    assert [text for text in told_of if words and text.startswith(words)] or words is None


def test_orders_that_the_venue_ends_unfilled_are_not_sent_in_a_hot_loop() -> None:
    world, order_id, _ = sent()
    attempts = 1
    for _ in range(150):
        told_of = order_seen(order_id, GONE, size="287160")
        world.quotes(100_000.0, replace(told_of, reason="self_trade"))
        for order in world.orders():
            attempts, order_id = attempts + 1, order.order_id

    assert 4 <= attempts <= 8, "once more at once, then after 1, 2, 4 seconds"
    refused = world.last.verdicts["main"].reason if world.last else ""
    assert "orders ended unfilled: self_trade" in refused


# -------------------------------------------------------------------------------- whose order it is


def stranger(label: str, **changes: object) -> OrderSeen:
    return replace(order_seen(label, OPEN), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fact", "is_foreign"),
    [
        (stranger("dbzzzz0000001"), True),
        (stranger("hand-made"), False),
        (stranger(""), False),
        (stranger(f"db{INSTANCE}0000002"), True),
        (stranger(f"db{INSTANCE}00000zz"), True),
        (stranger(f"db{INSTANCE}0000000"), False),
        (OpenOrdersSeen(orders=(stranger(f"db{INSTANCE}0000000"),), asked_ns=0), True),
        (fill(f"db{INSTANCE}0000000"), True),
        (fill("dbzzzz0000001"), True),
        (fill("hand-made"), False),
        (OrderUnknown(order_id="dbzzzz0000001", reason="not ours to know"), False),
    ],
)
def test_an_order_of_our_kind_that_is_not_in_the_ledger_halts(fact, is_foreign) -> None:
    world, order_id, _ = sent()
    assert order_id == f"db{INSTANCE}0000001"
    world.fold(fact)

    assert (world.state.mode is Mode.HALT) is is_foreign
    if is_foreign and INSTANCE in fact_label(fact):
        assert "by this ledger's own name" in world.state.mode_reason


def fact_label(fact: OrderSeen | FillSeen | OpenOrdersSeen) -> str:
    return fact.orders[0].order_id if isinstance(fact, OpenOrdersSeen) else fact.order_id


def test_a_ledger_put_back_from_a_backup_gives_out_no_id_that_was_given_out_since() -> None:
    backup = codec.loads(codec.dumps(sent()[0].state.standing))
    days_ms = 3 * 24 * 3_600_000
    given = set()
    for at_ms in (START_MS + 1_000, START_MS + 60_000, START_MS + days_ms):
        begun = engine.begin(backup, at_ms, 5).standing  # type: ignore[arg-type]
        known, order_id = standing.numbered(begun, "db")
        assert order_id not in given
        assert order_id not in begun.orders
        given |= {order_id, standing.numbered(known, "db")[1]}
    assert len(given) == 6


def test_how_many_orders_there_were_since_a_person_forgave_is_what_it_was_after_a_start() -> None:
    known = replace(requested().standing, order_counter=7, forgiven_counter=3)
    begun = standing.renumbered(known, START_MS + 10_000)

    assert begun.orders_sent == known.orders_sent, "numbers were left out, orders were not"
    assert begun.order_counter - begun.forgiven_counter == 4
    assert standing.renumbered(begun, START_MS + 10_000) == begun
    assert standing.renumbered(known, START_MS - 5) == known, "a rehearsal that begins anew"


def test_orders_stay_in_the_order_of_their_age_when_their_ids_grow_longer() -> None:
    made = requested().standing
    order = made.orders[ID]
    ids = [f"db{INSTANCE}{number:07d}" for number in (9_999_999, 10_000_000, 10_000_001)]
    for order_id in ids:
        made = standing.with_order(made, replace(order, order_id=order_id))
    loaded = codec.loads(codec.dumps(made))

    assert list(engine.begin(loaded, START_MS, 5).standing.orders) == [ID, *ids]  # type: ignore[arg-type]


def test_order_ids_are_such_as_every_venue_takes() -> None:
    assert standing.order_id_of("db", INSTANCE, 1) == ID
    assert len(standing.order_id_of("abcdefghijkl", "0a1b2c", 10**13)) <= 32
    for prefix in ("d-b", "d b", "dé", "d" * 25):
        with pytest.raises(AssertionError, match=r"holds more|is longer"):
            standing.order_id_of(prefix, INSTANCE, 1)
    taken = replace(requested().standing, order_counter=0)
    with pytest.raises(AssertionError, match="given out before"):
        standing.numbered(taken, "db")


# -------------------------------------------------------------------------------- lines and cancels


def test_a_halt_is_not_done_while_a_cancel_was_only_asked_for() -> None:
    world, order_id, size = sent()
    rests = leg(order_id, "A", OPEN, size, 0)
    halt = CommandGiven(command=Command.HALT, command_id="h", actor="op")
    step = world.fold(rests, halt)
    cancel = CancelOrder(order_id=order_id, instrument=PERP)
    asked = sum(cancel in world.fold(after_ms=250).actions for _ in range(40))

    assert cancel in step.actions
    assert 8 <= asked <= 11, "again and again, once a second"
    assert world.state.mode_clears == f"the venue shows the end of {order_id}, and a person resumes"
    part_filled = fill(order_id, size="100")
    world.fold(leg(order_id, "A", GONE, size, 100), part_filled)  # it filled while it was cancelled
    assert world.state.standing.positions[PERP] == Decimal(100)
    assert not any(isinstance(a, CancelOrder) for a in world.fold(after_ms=5_000).actions)
    assert world.state.mode_clears == "a person resumes"


def test_what_rests_is_in_doubt_from_the_moment_the_trading_line_is_lost() -> None:
    world, order_id, size = sent()
    world.fold(leg(order_id, "A", OPEN, size, 0))
    world.fold(LinkDown(link=Link.MARKET, reason="reset"))
    assert world.state.standing.orders[order_id].status is OrderStatus.WORKING

    world.fold(LinkDown(link=Link.TRADING, reason="reset by peer"))
    order = world.state.standing.orders[order_id]
    assert order.status is OrderStatus.UNKNOWN
    assert order.reason == "the trading connection was lost: reset by peer"
    assert order.remaining_native == size


def test_the_trades_of_an_order_still_in_doubt_are_remembered_however_old() -> None:
    known = told(requested(), part("30", "first"), LOST)
    later_ms = START_MS + TRADES_KEPT_MS * 2
    for at in range(TRADES_KEPT_MIN * 2):
        by_hand = fill("", size="10", trade_id=f"h{at}")
        known = told(known, replace(by_hand, venue_ms=later_ms + at))
    again = told(known, part("30", "first"))

    assert order_of(again).filled_native == Decimal(30)
    assert again.standing.positions == known.standing.positions
    ended = told(known, seen(GONE, "30"), replace(fill(trade_id="last"), venue_ms=later_ms))
    assert "first" not in ended.standing.trades_seen, "once it has ended they are forgotten"


def test_a_passing_refusal_is_no_reason_to_halt_and_not_the_last_word() -> None:
    away = OrderRejected(order_id=ID, code=10041, reason="settlement", is_passing=True)
    once = order_of(told(requested(), away))
    assert once.outcome is Outcome.TURNED_AWAY
    assert order_of(told(requested(), away, REJECTED)).outcome is Outcome.REJECTED
