"""How long a world may take to come to rest, and that it says so when it does not."""

from dataclasses import replace

import pytest

from bot.core.events import Command
from bot.core.units import MS_PER_MINUTE
from bot.lab import chaos
from bot.lab.world import Plan, World

pytestmark = pytest.mark.timeout(300)

SHORT = Plan(
    seed=4,
    is_stormy=False,
    storm_ms=2 * MS_PER_MINUTE,
    calm_ms=1 * MS_PER_MINUTE,
    calm_ms_max=5 * MS_PER_MINUTE,
    facts_min=0,
    speed=16.0,
)


def test_a_world_that_does_not_come_to_rest_says_so():
    def look(world):
        world.loop.call_later(9.0, world.machine.crash)
        world.machine.is_kept_down = True  # from its first death on

    result = chaos.run_seed(SHORT, look)
    said = [one.text for one in result.violations if one.invariant == "I10"]
    assert said[0] == "no rest in 5 minutes of calm"


def test_a_world_in_which_too_little_is_heard_says_so():
    result = chaos.run_seed(replace(SHORT, facts_min=10**6))
    assert [(one.invariant, one.text) for one in result.violations] == [
        ("I10", f"{result.facts} facts in 15 minutes of calm")
    ]
    assert chaos.run_seed(replace(SHORT, facts_min=result.facts // 2)).violations == ()


def test_a_stop_that_a_person_lifts_just_before_the_bound_is_waited_for():
    worlds = []

    def look(world):
        worlds.append(world)
        world.loop.call_later(13.0, world.machine.command, Command.HALT, "late")

    result = chaos.run_seed(SHORT, look)
    (world,) = worlds
    assert world.helped_ms - world.market.start_ms > SHORT.storm_ms, "lifted in the calm"
    assert result.market_seconds * 1_000 > SHORT.storm_ms + SHORT.calm_ms_max, "past the bound"
    assert result.violations == ()


@pytest.fixture
def world(tmp_path):
    made = World(SHORT, tmp_path, [])
    yield made
    made.loop.bury()


@pytest.mark.parametrize(("helped_minutes", "until_minutes"), [(None, 5), (3, 8), (12, 15)])
def test_what_a_person_lifts_begins_the_wait_anew_but_not_for_ever(
    world, helped_minutes, until_minutes
):
    """Once a second wait for proof ended a moment before the bound, and nothing was at rest yet."""
    healed_ms = world.market_ms
    if helped_minutes is not None:
        world.helped_ms = healed_ms + helped_minutes * MS_PER_MINUTE
    until_ms = chaos._patience_ms(world, healed_ms, is_resting=False)
    assert until_ms == healed_ms + until_minutes * MS_PER_MINUTE
    assert chaos._patience_ms(world, healed_ms, is_resting=True) == healed_ms + 15 * MS_PER_MINUTE
