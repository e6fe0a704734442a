"""Whole worlds of the fault lab. More of them by environment: DELTABAND_SEEDS=0:100."""

import json
import os
from dataclasses import replace

import pytest
import typer

from bot.core.units import MS_PER_MINUTE
from bot.lab import chaos, crashes, swarm, workers
from bot.lab.judge import Violation
from bot.lab.trail import Phase, Trail
from bot.lab.world import Plan, World

FIRST, LAST = map(int, os.environ.get("DELTABAND_SEEDS", "0:2").split(":"))
SHORT = Plan(
    seed=5,
    storm_ms=6 * MS_PER_MINUTE,
    calm_ms=2 * MS_PER_MINUTE,
    calm_ms_max=20 * MS_PER_MINUTE,
    facts_min=0,
    speed=16.0,
    script=(("N2", 30_000), ("M6", 40_000), ("D3", 90_000), ("P1", 240_000), ("M6", 300_000)),
)


pytestmark = pytest.mark.timeout(300)


def test_in_fair_weather_the_shell_hedges_for_an_hour_and_breaks_nothing():
    result = chaos.run_seed(Plan(seed=1, is_stormy=False, taped_every=1))
    assert result.violations == ()
    assert result.market_seconds >= 3_600.0
    assert result.facts >= 2_000
    assert result.orders >= 10
    assert result.faults.keys() <= {"A5", "A6", "P6", "T3"}, "what every market brings"


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_under_faults_every_invariant_holds(seed):
    result = chaos.run_seed(Plan(seed=seed))
    assert result.violations == ()
    assert result.facts >= 2_000
    assert result.market_seconds >= 3_600.0
    assert len(result.faults) >= 5


def test_in_every_fourth_world_margin_is_tight_and_options_are_bought_back_under_faults():
    """A taped one, so that these orders are replayed, too."""
    worlds: list[World] = []
    result = chaos.run_seed(Plan(seed=10), worlds.append)
    assert result.violations == ()
    fills = worlds[0].exchange.engine.ledger_fills()
    bought = [one for one in fills if one.label and one.instrument_name[-2:] in ("-C", "-P")]
    assert len(bought) >= 10
    assert all(one.reduce_only for one in bought)
    assert [Plan(seed=seed).is_tight for seed in range(4)] == [False, False, True, False]


def test_the_same_seeds_leave_the_same_traces_side_by_side_in_processes_with_other_hashes(
    monkeypatch,
):
    plans = [SHORT, replace(SHORT, seed=6)]
    here = [chaos.run_seed(plan) for plan in plans]
    other = "1" if os.environ.get("PYTHONHASHSEED") == "77" else "77"
    monkeypatch.setenv("PYTHONHASHSEED", other)  # for the processes that are started now
    there = list(workers.side_by_side(chaos.run_seed, plans, 2))
    assert there == here, "traces and all else"


def test_a_seed_leaves_the_same_trace_alone_after_others_and_whoever_watches():
    alone = chaos.run_seed(SHORT)
    chaos.run_seed(replace(SHORT, seed=6))
    again = chaos.run_seed(replace(SHORT, taped_every=1), lambda world: Trail(world).follow())
    assert again.trace_hash == alone.trace_hash
    assert (again.steps, again.facts) == (alone.steps, alone.facts)


def test_setting_the_hosts_clock_changes_no_decision():
    """I20: a seed lived through twice, once with its host's calendar an hour off for a while."""

    def lived(off_ms: int) -> chaos.SeedResult:
        def look(world: World) -> None:
            def step(to_ms: int) -> None:
                world.machine.clock.step_ms = to_ms

            world.loop.call_later(3.0, step, off_ms)
            world.loop.call_later(12.0, step, 0)

        return chaos.run_seed(replace(SHORT, script=(("M6", 40_000),)), look)

    assert lived(-3_600_000).trace_hash == lived(0).trace_hash


def test_strikes_are_drawn_from_the_seed_over_the_whole_storm():
    plan = Plan(seed=9)
    strikes = chaos.strikes_of(plan)
    assert strikes == chaos.strikes_of(plan)
    assert strikes != chaos.strikes_of(Plan(seed=10))
    assert [one.number for one in strikes] == list(range(len(strikes)))
    assert all(0 < one.at_ms < plan.storm_ms for one in strikes)
    assert "N8" in {one.fault_id for one in strikes}, "every seed has a reconnect"


def test_every_fault_of_the_swarm_is_drawn_by_some_seed():
    seen = {one.fault_id for seed in range(60) for one in chaos.strikes_of(Plan(seed=seed))}
    assert seen == set(swarm.CATALOGUE)


def test_the_verb_tells_what_it_did_and_how_to_see_a_seed_again(monkeypatch, capsys):
    from bot.cli import chaos as verb

    failed = chaos.SeedResult(
        seed=17,
        facts=3,
        folds=2,
        orders=1,
        crashes=0,
        steps=9,
        lives=(),
        marks=(),
        wire_seconds=1.0,
        market_seconds=12.0,
        faults={"N2": 4},
        violations=(Violation(invariant="I1", at_seconds=0.5, text="twice"),),
        trace_hash="ab",
    )
    monkeypatch.setattr(workers, "side_by_side", lambda *_: [failed])
    with pytest.raises(typer.Exit) as ended:
        verb.chaos(seeds="17:18", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert ended.value.exit_code == 1
    assert (told["seeds"], told["facts"], told["orders"], told["violations"]) == (1, 3, 1, 1)
    assert told["faults"] == {"N2": 4}
    assert told["trace_hash"]
    assert told["failures"][0]["reproduce"] == "deltaband chaos --seeds 17:18"


def test_killed_in_the_middle_of_an_order_and_again_while_it_starts_it_breaks_nothing():
    points = crashes.surveyed(crashes.Scenario(seed=3, name="an answer is lost", points=16))
    assert len({point.step for point in points}) == 16
    torn = {point.phase: point for point in points}
    assert {Phase.DURABLE, Phase.SENT, Phase.HEARD} <= torn.keys()
    for phase in (Phase.DURABLE, Phase.SENT):
        lived = crashes.killed(torn[phase])
        assert [one.result.crashes for one in lived] == list(range(1, len(lived) + 1))
        assert [one.result.violations for one in lived] == [()] * len(lived)
        assert len(lived) >= 2, "and again in its recovery"


def test_a_fill_that_arrived_before_its_row_was_durable_is_a_point_to_be_killed_at():
    points = crashes.surveyed(crashes.Scenario(seed=3, name="an order is filled", points=8))
    assert Phase.FILL in {point.phase for point in points}


def test_a_ledger_that_was_damaged_and_one_that_was_restored_are_repaired_and_lived_with():
    script = (("D4", 4 * MS_PER_MINUTE), ("D5", 14 * MS_PER_MINUTE))
    result = chaos.run_seed(Plan(seed=2, script=script, taped_every=1))
    assert result.violations == ()
    assert (result.faults["D4"], result.faults["D5"]) == (1, 1)
    assert result.crashes == 2
    assert len(result.lives) > 4, "refused until somebody repairs it"
