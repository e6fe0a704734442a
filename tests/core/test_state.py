"""How one fact changes what is known."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import codec, units
from bot.core import state as states
from bot.core.actions import Alert, CancelOrder, Severity
from bot.core.events import (
    BadMessage,
    ClockSeen,
    Command,
    CommandGiven,
    InstrumentsSeen,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    PositionRow,
    PositionsSeen,
    TimerFired,
    VenueStatus,
)
from bot.core.latch import COMMANDS_KEPT
from bot.core.state import Mode
from bot.quant.conventions import Convention
from tests.builders import CALL, PERP, START_MS, World, balance, fill, order_seen, perp, quote
from tests.core.pairs import BTC_USDC, Account


def trading() -> World:
    """Ten calls short, and the first hedge order just sent."""
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    assert len(world.orders()) == 1
    return world


HALT = CommandGiven(command=Command.HALT, command_id="c1", actor="op")


@pytest.mark.parametrize(("market_ms", "wire_ns"), [(START_MS - 1, 10**9), (START_MS, -1)])
def test_no_clock_runs_backwards(market_ms, wire_ns) -> None:
    world = World()

    with pytest.raises(AssertionError, match="may not run backwards"):
        world.fold(ClockSeen(market_ms=market_ms, wire_ns=wire_ns))


def test_a_message_that_could_not_be_read_changes_only_its_count() -> None:
    world = trading()
    before = world.state.standing
    world.fold(BadMessage(source="ws", reason="not JSON"))

    assert world.state.standing is before
    assert world.state.counts.bad_messages == 1


def test_facts_of_nothing_we_know_change_nothing() -> None:
    world = trading()
    before = world.state.standing
    world.fold(
        OrderSent(order_id="x", wire_ns=1),
        OrderUnknown(order_id="x", reason="timeout"),
        OrderRejected(order_id="x", code=1, reason="no"),
        order_seen("by-hand", VenueStatus.FILLED, filled="10"),
        TimerFired(name="daily-report"),
    )

    assert world.state.standing is before
    assert world.state.counts.rejects == 0
    assert world.state.mode is Mode.RUN


def test_a_fill_told_twice_in_one_fold_and_once_more_later_is_counted_once() -> None:
    world = trading()
    order = next(iter(world.state.standing.orders))
    same = fill(order, size="100")
    world.fold(same, same)
    world.fold(same)

    assert world.state.standing.orders[order].filled_native == Decimal(100)
    assert world.state.standing.positions[PERP] == Decimal(100)
    assert world.state.counts.fills == 1


def test_the_standing_is_the_same_object_while_nothing_durable_changed() -> None:
    world = World()
    world.begin({})
    world.quotes()
    before = world.state.standing
    world.quotes(100_010.0, balance())

    assert world.state.standing is before, "the ledger writes only what is new"


def test_two_complete_reports_say_that_what_they_leave_out_is_flat() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    world.fold(PositionsSeen(positions=(), complete=False, asked_ns=None, arrived_ns=world.now_ns))
    assert world.state.standing.positions == {CALL: Decimal(-10)}
    world.fold(PositionsSeen(positions=(), complete=True, asked_ns=world.now_ns, arrived_ns=0))
    assert world.state.standing.positions == {CALL: Decimal(-10)}
    world.fold(PositionsSeen(positions=(), complete=True, asked_ns=world.now_ns, arrived_ns=0))
    assert world.state.standing.positions == {}


def test_funding_is_counted_of_no_option() -> None:
    world = World()
    world.begin({CALL: "-10", PERP: "100"})
    world.quotes()
    for paid in (0.1, 0.4):
        rows = tuple(
            PositionRow(
                instrument=name,
                size_native=Decimal(size),
                average_price=1.0,
                realized_funding_coin=paid,
            )
            for name, size in ((CALL, -10), (PERP, 100))
        )
        world.fold(
            PositionsSeen(positions=rows, complete=False, asked_ns=None, arrived_ns=world.now_ns)
        )

    assert world.state.standing.accounts[PERP].funding == pytest.approx(0.3)
    assert world.state.standing.accounts[CALL].funding == 0.0


def test_newly_listed_instruments_join_those_known() -> None:
    world = World()
    world.begin({})
    world.fold(InstrumentsSeen(instruments=(perp(name="BTC-NEW"),)))

    assert {"BTC-NEW", PERP, CALL} <= world.state.instruments.keys()


def test_commands_are_remembered_but_not_for_ever() -> None:
    world = World()
    for at in range(COMMANDS_KEPT + 5):
        world.fold(
            CommandGiven(command=Command.RESUME, command_id=f"c{at}", actor="op", note="looked")
        )

    seen = world.state.standing.commands_seen
    assert len(seen) == COMMANDS_KEPT
    assert seen[-1] == f"c{COMMANDS_KEPT + 4}"


@pytest.mark.parametrize(("rate", "market_ms"), [(1.0, 1_500), (60.0, 90_000), (0.0001, 1)])
def test_a_wire_duration_in_market_time_is_rounded_up(rate, market_ms) -> None:
    assert units.wire_to_market_ms(1_500_000_000, rate) == market_ms


def test_a_halt_cancels_what_rests_once_a_second_until_none_is_open() -> None:
    world = trading()
    order = next(iter(world.state.standing.orders))
    step = world.fold(HALT, order_seen(order, VenueStatus.OPEN))
    cancel = CancelOrder(order_id=order, instrument=PERP)

    assert cancel in step.actions
    assert cancel not in world.fold().actions, "one is on its way"
    assert cancel in world.fold(after_ms=1_001).actions
    assert cancel not in world.fold(order_seen(order, VenueStatus.CANCELLED)).actions


def test_a_halt_cancels_what_may_rest_once_an_interval_even_after_long_silence() -> None:
    world = trading()
    order = next(iter(world.state.standing.orders))
    world.fold(HALT, OrderUnknown(order_id=order, reason="timeout"))
    resting = order_seen(order, VenueStatus.OPEN)
    steps = [world.fold(resting, after_ms=500) for _ in range(40)]
    cancels = [a for step in steps[-10:] for a in step.actions if isinstance(a, CancelOrder)]

    assert 3 <= len(cancels) <= 10, "a resting order was left alone, or a flood was sent"


def test_a_margin_warning_is_told_once_and_again_after_it_had_passed() -> None:
    world = World()
    world.begin({})
    world.quotes()

    def warned(maintenance: float) -> int:
        step = world.quotes(100_000.0, balance(maintenance_margin=maintenance))
        return sum(isinstance(a, Alert) and a.severity is Severity.WARNING for a in step.actions)

    assert [warned(m) for m in (4.9, 5.1, 5.2, 4.0, 5.3)] == [0, 1, 0, 0, 1]


def test_a_state_survives_being_written_down() -> None:
    world = trading()

    assert codec.loads(codec.dumps(world.state.standing)) == world.state.standing


def test_a_quote_on_its_own_is_applied_as_in_a_fold() -> None:
    world = trading()
    seen = quote(CALL, iv=0.7, arrived_ns=world.now_ns)
    rules = world.policy.apply
    alone = states.apply(world.state, seen, rules)

    assert alone.quotes[CALL] == seen
    assert codec.digest(alone) == codec.digest(states.apply_all(world.state, (seen,), rules))


@pytest.mark.parametrize("venue_later_ms", [10_000, 0, -5_000])
def test_clock_and_quotes_taken_in_at_once_are_what_they_are_one_by_one(venue_later_ms) -> None:
    """A quote that is due, one that repeats itself, and one that is late at this rate only."""
    name = BTC_USDC.option(100_000, "C")
    account = Account(BTC_USDC.plan(Convention.USD), held={name: "-1"}).quotes()
    state, rules = account.world.state, account.world.policy.apply
    last = state.quotes[name]
    clock = ClockSeen(market_ms=state.now_ms + 10_000, wire_ns=state.now_ns + 5 * 10**9, rate=2.0)
    seen = replace(
        last,
        mark=(last.mark or 0.0) * 0.999,
        venue_ms=last.venue_ms + venue_later_ms,
        arrived_ns=clock.wire_ns,
    )
    one_by_one = states.apply_all(states.apply(state, clock, rules), (seen,), rules)

    assert codec.digest(states.apply_all(state, (clock, seen), rules)) == codec.digest(one_by_one)


def test_every_rejection_of_our_orders_is_counted_and_no_other() -> None:
    world = trading()
    [sent] = world.orders()
    refused = OrderRejected(order_id=sent.order_id, code=10009, reason="not enough funds")
    world.fold(refused, replace(refused, order_id="of-another"))

    assert world.state.counts.rejects == 1


def test_an_option_traded_by_hand_is_in_the_book_with_its_fill() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    world.fold(fill("by-hand", size="4", trade_id="T-1", name=CALL))

    assert world.state.table.held.size.tolist() == [-6.0]


def test_a_perpetual_traded_leaves_the_columns_as_they_are() -> None:
    world = World()
    world.begin({CALL: "-10"})
    before = world.quotes().state.table
    world.fold(fill("by-hand", size="100", trade_id="T-1"))

    assert world.state.table is before
