"""Kill the daemon at every step of a scenario, and again, and again, at the steps of its recovery.

A scenario is a fault and then a jump of the price that takes an order to hedge. It is lived through
once to find the steps of the event loop between the jump and calm, and what a kill would tear apart
at each of them; then again for each of so many points among them, with the daemon killed just
before that step; then once more for each, with a second kill while the next life starts, and for
some with a third and a fourth. Nothing may be executed twice, no fill may be lost, and in the end
everything must agree, as in any other world.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bot.core.units import MS_PER_SECOND
from bot.lab import chaos
from bot.lab.chaos import SeedResult
from bot.lab.trail import NARROW, Phase, Trail
from bot.lab.world import Plan, World

FAULT_MS: Final = 60 * MS_PER_SECOND  # market time after the beginning
JUMP_MS: Final = 66 * MS_PER_SECOND
WATCHED_MS: Final = 120 * MS_PER_SECOND  # how long after the jump the daemon is killed
STORM_MS: Final = 200 * MS_PER_SECOND
CALM_MS_MAX: Final = 25 * 60 * MS_PER_SECOND  # a fate that nobody can prove takes a wire minute
DEEPER_EVERY: Final = 5  # of so many points one is killed in each of its next `DEEPEST` lives
DEEPEST: Final = 3
SHARE_OF_NARROW: Final = 8  # each phase that lasts a moment gets an eighth of the points

# By name: which faults strike before the jump.
SCENARIOS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "an order is filled": (),
        "an order never arrives": ("N1",),
        "an answer is lost": ("N2",),
        "an answer is broken": ("N4",),
        "the venue fails": ("N7",),
        "the line is jammed": ("N14",),
        "the book is thin": ("O2",),
        "fills come late": ("O3",),
        "somebody trades by hand": ("A1",),
        "the disk is slow": ("D6",),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Which scenario of which seed, and at how many points the daemon is killed in it."""

    seed: int
    name: str
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step of a scenario at which the daemon is killed, and what that tears apart."""

    scenario: Scenario
    number: int
    step: int
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """What came of a point, killed at these steps: the first of them, and those of recoveries."""

    point: Point
    killed_at: tuple[int, ...]
    result: SeedResult


def scenario_plan(seed: int, name: str) -> Plan:
    """Return the plan of a scenario, with nobody killed."""
    faults = tuple((fault_id, FAULT_MS) for fault_id in SCENARIOS[name])
    script = (*faults, ("M6", JUMP_MS))
    return Plan(
        seed=seed,
        storm_ms=STORM_MS,
        calm_ms=0,
        calm_ms_max=CALM_MS_MAX,
        facts_min=0,
        speed=16.0,
        quotes_an_hour=3_000,
        script=script,
        marks_ms=(JUMP_MS, JUMP_MS + WATCHED_MS),
    )


def scenarios(seeds: Iterable[int], points: int) -> list[Scenario]:
    """Every scenario of every seed."""
    return [Scenario(seed=seed, name=name, points=points) for seed in seeds for name in SCENARIOS]


def surveyed(task: Scenario) -> list[Point]:
    """Live through a scenario, and choose the points of it at which to kill."""
    trails: list[Trail] = []

    def look(world: World) -> None:
        trails.append(Trail(world))
        trails[0].follow()

    lived = chaos.run_seed(scenario_plan(task.seed, task.name), look)
    assert not lived.violations, f"{task.name} fails without a kill: {lived.violations[0]}"
    marks = dict(lived.marks)
    busy = range(marks[JUMP_MS] + 1, marks[JUMP_MS + WATCHED_MS] + 1)
    phases = {step: trails[0].phases[step - 1] for step in busy}
    return [
        Point(scenario=task, number=number, step=step, phase=phases[step])
        for number, step in enumerate(chosen(phases, task.points))
    ]


def chosen(phases: Mapping[int, Phase], points: int) -> list[int]:
    """Choose so many steps: a share of those of every phase that lasts a moment, else evenly."""
    kept: set[int] = set()
    for phase in NARROW:
        steps = [step for step, found in phases.items() if found is phase]
        kept.update(_spread(steps, points // SHARE_OF_NARROW))
    others = [step for step in phases if step not in kept]
    kept.update(_spread(others, points - len(kept)))
    return sorted(kept)


def _spread(steps: Sequence[int], count: int) -> list[int]:
    """Take so many of the steps, evenly, all of them if there are no more."""
    count = min(count, len(steps))
    return [steps[number * len(steps) // count] for number in range(count)]


def killed(point: Point) -> list[CrashPoint]:
    """Kill at a point; then again during the recovery, and for some during the next ones, too."""
    task = point.scenario
    plan = scenario_plan(task.seed, task.name)
    depth = DEEPEST if point.number % DEEPER_EVERY == 0 else 1
    found: list[CrashPoint] = []
    steps: tuple[int, ...] = (point.step,)
    while len(found) <= depth:
        result = chaos.run_seed(replace(plan, killed_at=steps))
        found.append(CrashPoint(point=point, killed_at=steps, result=result))
        again = _recovery_step(result, len(steps), point)
        if again is None:
            break
        steps = (*steps, again)
    return found


def _recovery_step(lived: SeedResult, life: int, point: Point) -> int | None:
    """Return a step of the start of a life, counted from 0; each point takes another part of it."""
    if len(lived.lives) <= life:
        return None
    born, ready = lived.lives[life]
    part = point.number * max(1, ready - born) // point.scenario.points
    return born + 1 + part
