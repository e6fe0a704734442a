"""Our positions against the venue's: who is believed, when, and what is asked."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import codec, engine, units
from bot.core.actions import QueryOrder, ReadAccount, ReloadInstruments, Watch
from bot.core.engine import Step
from bot.core.events import (
    AccountRead,
    ClockSeen,
    InstrumentsSeen,
    Link,
    LinkDown,
    LinkUp,
    OpenOrdersSeen,
    OrderUnknown,
    PositionsSeen,
    ReadFailed,
    TimerFired,
    VenueStatus,
)
from bot.core.hedger import Code
from bot.core.reconcile import Adopted
from bot.core.standing import TRADES_KEPT_MS
from bot.core.state import Mode
from tests.builders import (
    CALL,
    EXPIRY_MS,
    PERP,
    PUT,
    START_MS,
    World,
    book,
    fill,
    option,
    order_seen,
    policy,
    positions,
    quote,
)


def steady(held: dict[str, str] | None = None) -> World:
    """An account read, quoted, and in a band too wide to trade."""
    world = World(policy(book(band_low_coin=-1e6, band_high_coin=1e6)))
    world.begin(held if held is not None else {CALL: "-10"})
    world.quotes()
    assert world.state.mode is Mode.RUN
    return world


def pushed(world: World, name: str, size: str) -> PositionsSeen:
    return positions({name: size}, complete=False, asked_ns=None, arrived_ns=world.now_ns)


def reads(step: Step) -> list[ReadAccount]:
    return [action for action in step.actions if isinstance(action, ReadAccount)]


def answered(world: World, held: dict[str, str], asked_ns: int) -> Step:
    rows = positions(held, asked_ns=asked_ns, arrived_ns=world.now_ns)
    return world.fold(rows, AccountRead(asked_ns=asked_ns))


def test_a_change_by_hand_is_adopted_at_the_mark_and_told() -> None:
    world = steady()
    step = world.fold(pushed(world, PERP, "5000"))

    assert world.state.standing.positions[PERP] == Decimal(5_000)
    assert world.state.standing.holdings == {"main": {PERP: Decimal(5_000)}}
    assert step.notes == (
        Adopted(
            instrument=PERP,
            before_native=Decimal(0),
            after_native=Decimal(5_000),
            reason="changed at the venue, not by us",
        ),
    )


def test_what_changed_while_the_line_was_down_is_not_said_to_be_found_at_start() -> None:
    world = World()
    world.begin({CALL: "-10"})
    started = world.quotes()
    (order,) = world.orders()
    world.settle(order)
    world.fold(after_ms=2_000)
    world.fold(LinkDown(link=Link.TRADING, reason="x"))
    world.fold(LinkUp(link=Link.TRADING))
    answered(world, {CALL: "-10"}, world.now_ns)
    step = answered(world, {CALL: "-10"}, world.now_ns)
    told = [note for note in step.notes if isinstance(note, Adopted)]

    assert {n.reason for n in started.notes if isinstance(n, Adopted)} == {"found at start"}
    assert world.state.has_run
    assert [note.reason for note in told] == ["found after reconnecting"]


def test_the_answer_to_an_older_question_does_not_undo_a_newer_push() -> None:
    world = steady()
    asked_ns = world.now_ns
    world.fold(after_ms=50)
    world.fold(pushed(world, PERP, "5000"))
    step = answered(world, {CALL: "-10"}, asked_ns)

    assert world.state.standing.positions[PERP] == Decimal(5_000)
    assert step.notes == ()
    answered(world, {CALL: "-10"}, world.now_ns)
    answered(world, {CALL: "-10"}, world.now_ns)
    assert PERP not in world.state.standing.positions, "asked later, twice: believed"


def test_nothing_is_adopted_while_an_order_is_in_flight() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    step = world.quotes(100_000.0, pushed(world, PERP, "100000"))

    assert step.notes == ()
    assert step.verdicts["main"].code is Code.IN_FLIGHT
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    assert PERP not in world.state.standing.positions
    assert world.orders() == []


def test_after_a_fill_a_difference_waits_a_second_and_for_a_newer_report() -> None:
    world = steady()
    world.fold(fill("", size="100"), pushed(world, PERP, "0"))
    assert world.state.standing.positions[PERP] == Decimal(100), "the report is older"

    world.fold(after_ms=500)
    answered(world, {CALL: "-10"}, world.now_ns)
    assert world.state.standing.positions[PERP] == Decimal(100), "a fill may still be on its way"
    world.fold(after_ms=600)
    assert PERP not in world.state.standing.positions


def test_a_late_push_of_an_earlier_position_never_undoes_a_fill() -> None:
    world = steady()
    world.fold(fill("", size="100", trade_id="a"), pushed(world, PERP, "100"))
    world.fold(fill("", size="200", trade_id="b"))
    step = world.fold(pushed(world, PERP, "100"), after_ms=3_000)

    assert world.state.standing.positions[PERP] == Decimal(300), "that was told before the fill"
    assert len(reads(step)) == 1, "the venue is asked instead"
    answered(world, {CALL: "-10", PERP: "300"}, world.now_ns)
    world.fold(pushed(world, PERP, "300"), after_ms=3_000)
    assert world.state.standing.positions[PERP] == Decimal(300)


def test_a_difference_nobody_explains_is_read_again_at_most_once_a_second() -> None:
    world = steady()
    world.fold(fill("", size="100"), pushed(world, PERP, "0"))
    asked = [reads(world.fold(after_ms=100)) for _ in range(30)]
    flat = [one for some in asked for one in some]

    assert len(flat) == 1, "an answer is awaited before the next question"
    assert "100 here, 0 at the venue" in flat[0].reason
    answered(world, {CALL: "-10", PERP: "100"}, world.now_ns)
    assert world.state.standing.positions[PERP] == Decimal(100)
    assert not any(reads(world.fold(after_ms=100)) for _ in range(30))


def test_while_any_position_differs_no_book_trades() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.fold(quote(CALL, arrived_ns=world.now_ns), quote(PERP, arrived_ns=world.now_ns))
    (order,) = world.orders()
    world.settle(order)
    world.fold(pushed(world, PUT, "30"))
    step = world.quotes(120_000.0, fill("", size="1", name=CALL))

    assert step.verdicts["main"].code is Code.UNSETTLED
    assert world.orders() == []


def test_a_perpetual_in_doubt_holds_its_book_and_says_so() -> None:
    world = steady()
    step = world.fold(
        fill("", size="100"), pushed(world, PERP, "0"), quote(PERP, arrived_ns=world.now_ns)
    )

    assert step.verdicts["main"].code is Code.IN_FLIGHT
    assert "our fills make it 100" in step.verdicts["main"].reason
    other = steady()
    step = other.fold(fill("", size="1", name=CALL), pushed(other, CALL, "-10"))
    assert step.verdicts["main"].code is Code.UNSETTLED


def test_an_option_that_expired_is_settled_not_changed_by_hand() -> None:
    world = steady()
    world.now_ns = (EXPIRY_MS - START_MS) * units.NS_PER_MS
    step = world.fold()
    assert [read.reason for read in reads(step)] == [f"{CALL} has expired and is still held"]

    step = answered(world, {}, world.now_ns)
    assert world.state.standing.positions == {}
    (note,) = [note for note in step.notes if isinstance(note, Adopted)]
    assert note.reason == "settled at expiry"


def test_an_unknown_order_is_asked_for_at_once_and_then_at_its_interval() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    steps = [world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))]
    steps += [world.fold(after_ms=100) for _ in range(25)]
    asked = [
        at
        for at, step in enumerate(steps)
        for action in step.actions
        if isinstance(action, QueryOrder)
    ]

    assert asked == [0, 11, 22], "more than a second apart"
    world.fold(LinkDown(link=Link.TRADING, reason="x"), LinkDown(link=Link.MARKET, reason="x"))
    step = world.fold(after_ms=5_000)
    assert not [a for a in step.actions if isinstance(a, QueryOrder)], "there is nobody to ask"


def test_missing_fills_of_a_closed_order_are_asked_for() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    size = str(order.size_native)
    step = world.fold(order_seen(order.order_id, VenueStatus.FILLED, size=size, filled=size))

    assert [a.order_id for a in step.actions if isinstance(a, QueryOrder)] == [order.order_id]


def test_the_account_is_read_at_start_after_a_reconnect_and_by_the_timer() -> None:
    world = World()
    world.begin({CALL: "-10"})
    assert world.state.read_done_ns is not None
    step = world.fold(LinkDown(link=Link.TRADING, reason="x"), LinkUp(link=Link.TRADING))
    assert [read.reason for read in reads(step)] == ["connected"]
    answered(world, {CALL: "-10"}, world.now_ns)
    step = world.fold(TimerFired(name="reconcile"))
    assert [read.reason for read in reads(step)] == ["timer"]
    assert reads(world.fold(TimerFired(name="reconcile"))) == [], "one question at a time"


def test_a_read_that_never_answers_is_asked_again_after_its_time_and_a_failed_one_sooner() -> None:
    world = steady()
    assert reads(world.fold(TimerFired(name="reconcile")))
    assert reads(world.fold(TimerFired(name="reconcile"), after_ms=19_900)) == []
    assert reads(world.fold(after_ms=100))
    step = world.fold(ReadFailed(what="account", reason="HTTP 503"))
    assert reads(step) == [], "not in the same breath"
    step = world.fold(after_ms=1_000)
    assert [read.reason for read in reads(step)] == ["last read failed"]


def test_a_failed_read_of_something_else_is_not_a_failed_read_of_the_account() -> None:
    world = steady()
    world.fold(TimerFired(name="reconcile"))
    world.fold(ReadFailed(what="dbt1a20000001", reason="HTTP 503"))

    assert world.state.read_failure == ""
    assert world.state.read_asked_ns is not None


def test_trades_are_read_from_a_minute_before_the_last_one_seen_but_not_from_before_us() -> None:
    world = steady()
    (first,) = reads(world.fold(TimerFired(name="reconcile")))
    assert first.trades_since_ms == START_MS
    answered(world, {CALL: "-10"}, world.now_ns)
    world.fold(fill("", size="10", venue_ms=START_MS + 500_000), pushed(world, PERP, "10"))
    (second,) = reads(world.fold(TimerFired(name="reconcile")))
    assert second.trades_since_ms == START_MS + 500_000 - 60_000


def test_quotes_of_new_positions_are_wanted_and_of_expired_ones_no_longer() -> None:
    world = steady()
    step = world.fold(pushed(world, PUT, "2"))
    assert [a.instruments for a in step.actions if isinstance(a, Watch)] == [{CALL, PUT, PERP}]

    world.now_ns = (EXPIRY_MS - START_MS) * units.NS_PER_MS
    step = world.fold()
    assert [a.instruments for a in step.actions if isinstance(a, Watch)] == [{PERP}]


@pytest.mark.parametrize("name", ["reload-instruments", "expiry-roll"])
def test_a_timer_reloads_the_list_of_instruments_once(name) -> None:
    world = steady()
    step = world.fold(TimerFired(name=name))

    assert [a.reason for a in step.actions if isinstance(a, ReloadInstruments)] == [name]
    assert not [a for a in world.fold().actions if isinstance(a, ReloadInstruments)]
    assert not world.fold(TimerFired(name="daily-report")).actions


def test_another_daemons_resting_order_halts_this_one_and_a_persons_does_not() -> None:
    world = steady()
    by_hand = order_seen("", VenueStatus.OPEN)
    world.fold(OpenOrdersSeen(orders=(by_hand,), asked_ns=world.now_ns))
    assert world.state.mode is Mode.RUN

    foreign = order_seen("dbzzzz0000001", VenueStatus.OPEN)
    step = world.fold(OpenOrdersSeen(orders=(foreign,), asked_ns=world.now_ns))
    assert step.state.mode is Mode.HALT
    assert "dbzzzz0000001" in step.state.mode_reason
    assert option(CALL).name in step.state.standing.positions


def test_an_order_of_ours_that_the_ledger_has_forgotten_is_not_another_daemons() -> None:
    world = steady()
    world.fold(order_seen("dbt1a20000000", VenueStatus.FILLED, size="10", filled="10"))

    assert world.state.mode is Mode.RUN


@pytest.mark.parametrize("names", [("renamed",), ("first", "second")])
def test_a_book_that_was_renamed_does_not_hedge_a_second_time(names) -> None:
    world = World(policy(book("old")))
    world.begin({CALL: "-10"})
    world.quotes()
    world.settle(world.orders()[0])
    known = codec.loads(codec.dumps(world.state.standing))
    after = World(
        policy(*(book(name, ratio=1 / len(names)) for name in names)),
        standing=known,  # type: ignore[arg-type]
    )
    after.now_ns = world.now_ns
    after.begin({CALL: "-10", PERP: "287160"})
    step = after.quotes()

    assert step.state.standing.holdings[names[0]] == {PERP: Decimal(287_160)}
    assert "old" not in step.state.standing.holdings
    assert sum(order.size_native for order in after.orders()) <= 10, "a lot between two books"


def test_a_hedge_that_was_held_before_it_was_one_is_counted() -> None:
    other = World(policy(replace(book(), book=replace(book().book, hedge_instrument="BTC-X"))))
    other.begin({CALL: "-10", PERP: "287160"})
    other.quotes()
    assert other.state.standing.positions[PERP] == Decimal(287_160)
    known = codec.loads(codec.dumps(other.state.standing))
    after = World(standing=known)  # type: ignore[arg-type]
    after.now_ns = other.now_ns
    after.begin({CALL: "-10", PERP: "287160"})

    assert after.quotes().verdicts["main"].code is Code.INSIDE_BAND


def test_trades_older_than_those_remembered_are_not_read_again_however_fast_the_market() -> None:
    world = steady()
    world.fold(fill("", size="10", venue_ms=START_MS + 9_000_000), pushed(world, PERP, "10"))
    world.state = replace(world.state, rate=10_000.0, read_wanted="timer")
    world.now_ns += units.NS_PER_SECOND
    clock = ClockSeen(market_ms=world.now_ms, wire_ns=world.now_ns, rate=10_000.0)
    (read,) = reads(engine.step(world.state, (clock,), world.policy))

    assert read.trades_since_ms == START_MS + 9_000_000 - TRADES_KEPT_MS


NEW = "BTC-4FEB26-150000-C"


@pytest.mark.parametrize("how", ["reported", "traded"])
def test_a_position_in_what_is_not_listed_yet_stops_hedging_until_it_is(how) -> None:
    world = steady()
    news = pushed(world, NEW, "-50") if how == "reported" else fill("", size="-50", name=NEW)
    step = world.fold(news)
    (reload,) = [a for a in step.actions if isinstance(a, ReloadInstruments)]
    assert NEW in reload.reason
    assert step.verdicts["main"].code is Code.UNPRICED
    assert NEW in step.verdicts["main"].reason
    assert not [a for a in world.fold().actions if isinstance(a, ReloadInstruments)], "asked once"

    world.fold(InstrumentsSeen(instruments=(option(NEW),)))
    at = world.now_ns
    step = world.fold(*(quote(name, arrived_ns=at) for name in (NEW, CALL, PERP)))
    assert world.state.standing.positions[NEW] == Decimal(-50)
    assert step.verdicts["main"].code is Code.INSIDE_BAND
    assert getattr(step.exposures["main"], "options_held", 0) == 2


def test_an_option_settled_while_the_daemon_was_away_holds_nothing_up() -> None:
    world = steady({CALL: "-10", NEW: "-1"})
    known = codec.loads(codec.dumps(world.state.standing))
    after = World(world.policy, standing=known)  # type: ignore[arg-type]
    after.now_ns = world.now_ns
    after.begin({CALL: "-10"})
    step = after.quotes()

    assert NEW not in after.state.instruments
    assert step.verdicts["main"].code is Code.INSIDE_BAND
