"""Strikes of the fault lab: that what they undo is undone, and that what they are for is found."""

from dataclasses import replace

import pytest

from bot.core.units import MS_PER_MINUTE, NS_PER_MS
from bot.exchange.faults import FaultKind
from bot.lab import chaos, judge, swarm
from bot.lab.scene import Scene
from bot.lab.world import Plan, World

pytestmark = pytest.mark.timeout(300)

SHORT = Plan(
    seed=4,
    storm_ms=6 * MS_PER_MINUTE,
    calm_ms=4 * MS_PER_MINUTE,
    calm_ms_max=20 * MS_PER_MINUTE,
    facts_min=0,
    speed=16.0,
)


def lived(plan, look=None):
    """Return what a world came to, and the world."""
    worlds: list[World] = []

    def seen(world: World) -> None:
        worlds.append(world)
        if look is not None:
            look(world)

    return chaos.run_seed(plan, seen), worlds[0]


def test_a_narrow_price_band_inside_another_one_leaves_the_wide_one_behind():
    """Once the second kept the first one's narrow band, and no hedge ever traded again."""
    at_first = []
    script = (("O12", 40_000), ("O12", 60_000), ("M6", 70_000), ("O12", 90_000))
    result, world = lived(
        replace(SHORT, script=script),
        lambda world: at_first.append(world.exchange.engine.desk.rules),
    )
    assert world.exchange.engine.desk.rules == at_first[0]
    assert result.violations == ()


def test_margin_that_was_raised_while_the_host_stood_still_is_asked_as_before_afterwards(
    tmp_path,
):
    """Once a second raise found the first one's rates, put those back, and all was held for ever.

    The host stands still for so long that the second is due before the first is undone.
    """
    world = World(SHORT, tmp_path, [])
    scene, at_first = Scene(world, world.rng("strikes")), world.exchange.engine.desk.rules
    for _ in range(2):
        swarm.CATALOGUE["A2"](scene, "A2")
        world.loop.stall(40.0)
    scene.mend()
    world.loop.bury()
    assert world.exchange.engine.desk.rules == at_first


@pytest.mark.parametrize("speed", [8.0, 30.0])
def test_two_steps_of_the_venues_clock_are_never_added_up(tmp_path, speed):
    """Once two at a time took the daemon further from the venue's time than the judge allows."""
    world = World(replace(SHORT, speed=speed), tmp_path, [])
    scene = Scene(world, world.rng("strikes"))

    def steps_ms() -> list[int]:
        armed = world.exchange.bench.plan.all()
        return [one.fault.harm.step_ms for one in armed if one.fault.kind is FaultKind.CLOCK_STEP]

    for _ in range(3):
        swarm.CATALOGUE["T1"](scene, "T1")
    (step_ms,) = steps_ms()
    assert abs(step_ms) / speed * NS_PER_MS < judge.CLOCK_OFF_NS, "whatever a second is there"
    world.loop.stall(16.0)
    swarm.CATALOGUE["T1"](scene, "T1")
    world.loop.bury()
    assert len(steps_ms()) == 2, "the first is over, and another may come"


def test_a_daemon_that_starts_while_its_hedge_is_off_the_list_comes_up_once_it_is_back():
    script = (("V6", 40_000), ("P1", 42_000), ("M6", 200_000))
    result, world = lived(replace(SHORT, script=script))
    refused = [why for why in world.machine.seen.refusals if "BTC-PERPETUAL is not listed" in why]
    assert refused, "by the check that a start makes"
    assert result.faults["V6"] >= len(refused)
    assert result.violations == ()


def test_a_person_trades_by_hand_in_lots_that_the_venue_has_made_larger():
    """Once the lab itself fell over: the venue refused the size, and nobody had thought of that."""
    by_hand = tuple(("A1", 60_000 + 20_000 * number) for number in range(12))
    result, world = lived(replace(SHORT, script=(("V5", 30_000), *by_hand)))
    assert world.market.hedge.lot > 10
    assert result.faults["A1"] == len(by_hand)
    assert result.violations == ()


def test_an_order_that_nobody_at_the_venue_knows_yet_is_not_called_absent():
    """O4: label, open orders and trades know nothing of it for a while, and it has traded."""
    script = tuple(
        one for at_ms in (40_000, 200_000) for one in (("O4", at_ms), ("M6", at_ms + 10_000))
    )
    result, _ = lived(replace(SHORT, script=script))
    assert result.faults["O4"] > 6, "all three were asked, and lied"
    assert result.violations == ()


def test_while_one_option_is_silent_and_the_price_jumps_its_book_has_no_number():
    """M1: the silence of one among many is seen, though nothing is wrong with any other quote."""
    result, _ = lived(replace(SHORT, speed=8.0, script=(("M1", 10_000), ("M1", 11_000))))
    assert result.faults["M1"] > 20
    assert result.violations == ()


def test_money_that_comes_and_goes_is_counted_once_though_the_daemon_is_away_meanwhile():
    """Coins come in while it is killed, go out again when it is back, and some are taken out."""
    script = (("P1", 40_000), ("A9", 40_500), ("A9", 90_000), ("P1", 100_000), ("A4", 150_000))
    result, _ = lived(replace(SHORT, script=script))
    assert {"A4", "A9", "P1"} <= result.faults.keys()
    assert result.violations == ()
