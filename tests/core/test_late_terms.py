"""What waits for its instrument's terms, and what waits for a person."""

from dataclasses import replace

import pytest

from bot.core import pace, state
from bot.core.events import Command, CommandGiven, InstrumentsSeen
from bot.core.state import Mode
from tests.builders import PERP, World, fill, perp


def mode_of(world: World) -> Mode:
    return world.state.mode


def test_a_fill_before_the_list_of_instruments_is_costed_by_the_fold_that_lists_it() -> None:
    world = World()
    world.begin({})
    before = replace(world.state, instruments={})
    early = state.apply(before, fill("", size="200"), world.policy.apply)
    after = state.apply(early, InstrumentsSeen(instruments=(perp(),)), world.policy.apply)

    assert after.standing.accounts[PERP].cost == pytest.approx(0.002)  # 200 USD at 100,000


def test_orders_that_repeat_wait_for_a_person_whose_resume_lets_them_go_again() -> None:
    world = World()
    world.begin({})
    world.quotes()
    world.state = pace.stuck(world.state, PERP, "orders repeat")
    world.quotes()
    assert mode_of(world) is Mode.HOLD
    world.fold(CommandGiven(command=Command.RESUME, command_id="c1", actor="op", note="seen"))

    assert not world.state.standing.sprees[PERP].stuck
    assert mode_of(world) is Mode.RUN
