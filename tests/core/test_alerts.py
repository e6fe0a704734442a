"""What a person is told of a change of mode, and how loudly."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.actions import Alert, Severity, Topic
from bot.core.engine import Step
from bot.core.events import AccountRead, Command, CommandGiven, FillCause, OrderUnknown
from bot.core.hedger import Verdict
from bot.quant.conventions import Convention
from tests.builders import CALL, PERP, World, fill, positions
from tests.core.pairs import BTC, Account


def alerts(step: Step, topic: Topic) -> list[Alert]:
    return [a for a in step.actions if isinstance(a, Alert) and a.topic is topic]


def hedging() -> World:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    return world


@pytest.mark.parametrize(
    ("command", "severity"),
    [(Command.PAUSE, Severity.WARNING), (Command.HALT, Severity.CRITICAL)],
)
def test_a_mode_change_calls_a_person_with_what_would_clear_it(
    command: Command, severity: Severity
) -> None:
    world = hedging()
    step = world.fold(CommandGiven(command=command, command_id="c1", actor="op"))
    (alert,) = (a for a in step.actions if isinstance(a, Alert))

    assert alert.severity is severity
    assert "; cleared by: " in alert.text
    assert alert.text.endswith("a person resumes")


def test_a_pause_is_the_reason_of_a_book_s_hold_and_says_hold_once() -> None:
    world = hedging()
    step = world.fold(CommandGiven(command=Command.PAUSE, command_id="c1", actor="op"))

    (verdict,) = step.verdicts.values()
    assert (verdict.verdict, verdict.reason) == (Verdict.HOLD, "paused by op")


def test_a_person_is_told_once_of_a_book_that_may_not_be_hedged() -> None:
    world = World()
    world.begin({CALL: "-10"}, equity=0.5)
    told = [
        action.text
        for step in (world.quotes() for _ in range(5))
        for action in step.actions
        if isinstance(action, Alert) and "is not hedged" in action.text
    ]

    assert len(told) == 1
    assert "book main is not hedged: delta -2.87" in told[0]
    assert "after the fill" in told[0]


def test_a_liquidation_calls_a_person_once_a_trade() -> None:
    world = hedging()
    taken = fill(size="-69810", trade_id="L1", cause=FillCause.LIQUIDATION)

    steps = (world.fold(taken, taken), world.fold(taken))

    told = [a for step in steps for a in step.actions if isinstance(a, Alert)]
    said = [alert for alert in told if "liquidated by the venue" in alert.text]
    held = [alert for alert in told if alert.text.startswith("run -> hold")]
    assert [alert.text for alert in said] == [
        "liquidated by the venue: BTC-PERPETUAL -69,810 at 100,000.0"
    ]
    assert "the venue liquidated BTC-PERPETUAL (-69,810)" in held[0].text
    assert {alert.severity for alert in (*said, *held)} == {Severity.CRITICAL}
    assert len(held) == 1


def test_a_person_is_told_once_of_an_order_whose_fate_stays_unknown() -> None:
    world = hedging()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="no answer within 3.0 s"))
    steps = [world.quotes(after_ms=500) for _ in range(40)]

    told = [alert for step in steps for alert in alerts(step, Topic.ORDER_UNKNOWN)]
    assert [alert.severity for alert in told] == [Severity.WARNING]
    assert not [a for step in steps[:18] for a in alerts(step, Topic.ORDER_UNKNOWN)]
    assert f"the fate of order {order.order_id} (" in told[0].text
    assert " BTC-PERPETUAL) is unknown for 10 s: no answer within 3.0 s" in told[0].text


def test_an_order_that_was_answered_in_time_calls_nobody() -> None:
    world = hedging()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="no answer"))
    steps = [world.settle(order), *(world.quotes(after_ms=500) for _ in range(40))]

    assert not [alert for step in steps for alert in alerts(step, Topic.ORDER_UNKNOWN)]


@pytest.mark.parametrize(("moved", "severity"), [(PERP, Severity.WARNING), (CALL, Severity.INFO)])
def test_a_hedge_that_somebody_else_moves_is_louder_than_an_option_that_a_person_trades(
    moved: str, severity: Severity
) -> None:
    world = hedging()
    (order,) = world.orders()
    world.settle(order)
    world.quotes(after_ms=5_000)
    held = {CALL: "-10", PERP: str(order.size_native)} | {moved: "-20"}
    world.fold(positions(held, asked_ns=world.now_ns, arrived_ns=world.now_ns + 1))
    steps = [world.last, *(world.quotes() for _ in range(30))]

    told = [alert for step in steps if step for alert in alerts(step, Topic.EXTERNAL)]
    assert [alert.severity for alert in told] == [severity]


def test_what_is_found_at_start_wakes_nobody() -> None:
    world = World()
    world.begin({CALL: "-10", PERP: "5000"})
    told = alerts(world.quotes(), Topic.EXTERNAL)

    assert {alert.severity for alert in told} == {Severity.INFO}
    assert len(told) == 2


def test_a_person_who_has_heard_changes_nothing_but_the_record_of_it() -> None:
    world = hedging()
    world.fold(CommandGiven(command=Command.HALT, command_id="c1", actor="op"))
    before = world.state
    step = world.fold(CommandGiven(command=Command.ACK, command_id="c2", actor="op", note="seen"))

    assert (step.state.mode, step.state.mode_reason) == (before.mode, before.mode_reason)
    assert step.state.standing.commands_seen == ("c1", "c2")
    assert not [action for action in step.actions if isinstance(action, Alert)]


def test_every_alert_of_a_mode_says_which_mode() -> None:
    world = World()
    begun = [world.begin({CALL: "-10"}), world.quotes()]
    halted = world.fold(CommandGiven(command=Command.HALT, command_id="c1", actor="op"))

    assert [alert.severity for step in begun for alert in alerts(step, Topic.RUN)] == [
        Severity.INFO
    ]
    assert [alert.severity for alert in alerts(halted, Topic.HALT)] == [Severity.CRITICAL]


def read_again(account: Account) -> list[str]:
    """Quote everything, read the account once more, and return what was told of strays."""
    account.quotes()
    world = account.world
    step = world.fold(AccountRead(asked_ns=world.now_ns))
    return [alert.text for alert in alerts(step, Topic.UNHEDGED)]


def test_a_position_that_no_book_takes_in_is_told_once() -> None:
    call = BTC.option(110_000, "C")
    account = Account(BTC.plan(Convention.COIN), held={call: "-3", BTC.future: "20000"})
    told = [read_again(account) for _ in range(3)]

    assert told == [[f"{BTC.future} is held and in no book: nobody hedges it"], [], []]


def test_an_option_that_leaves_its_book_by_the_time_that_is_left_is_told() -> None:
    call, plan = BTC.option(110_000, "C"), BTC.plan(Convention.COIN)
    selector = replace(plan.book.selector, expiry_min=timedelta(days=7))
    account = Account(
        replace(plan, book=replace(plan.book, selector=selector)), held={call: "-3", BTC.perp: "10"}
    )
    assert read_again(account) == []
    account.quotes(after_ms=24 * 86_400_000)

    assert read_again(account) == [f"{call} is held and in no book: nobody hedges it"]
