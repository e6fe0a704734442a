"""What a person is told of a change of mode, and how loudly."""

import pytest

from bot.core.actions import Alert, Severity
from bot.core.events import Command, CommandGiven, FillCause
from bot.core.hedger import Verdict
from tests.builders import CALL, World, fill


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
    assert "; cleared by: a person resumes" in alert.text


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
    said = [alert for alert in told if "liquidated" in alert.text]
    assert [alert.text for alert in said] == [
        "liquidated by the venue: BTC-PERPETUAL -69,810 at 100,000.0"
    ]
    assert said[0].severity is Severity.CRITICAL
