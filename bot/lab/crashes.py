"""Kill the daemon at every step of a scenario, and again at the steps of its recovery.

A scenario is a fault and then a jump of the price that takes an order to hedge. It is lived through
once to find the steps of the event loop between the jump and calm; then again for each of so many
points among them, with the daemon killed just before that step; then once more for each, with a
second kill while the next life starts. Nothing may be executed twice, no fill may be lost, and in
the end everything must agree, as in any other world.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bot.core.units import MS_PER_SECOND
from bot.lab import chaos
from bot.lab.chaos import SeedResult
from bot.lab.world import Plan

FAULT_MS: Final = 60 * MS_PER_SECOND  # market time after the beginning
JUMP_MS: Final = 66 * MS_PER_SECOND
WATCHED_MS: Final = 120 * MS_PER_SECOND  # how long after the jump the daemon is killed
STORM_MS: Final = 4 * 60 * MS_PER_SECOND
CALM_MS: Final = 17 * 60 * MS_PER_SECOND  # a fate that nobody can prove takes a minute of wire time

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
class CrashPoint:
    """One life and death: which scenario, killed at which steps, and what came of it."""

    scenario: str
    killed_at: tuple[int, ...]
    result: SeedResult


def scenario_plan(seed: int, name: str) -> Plan:
    """Return the plan of a scenario, with nobody killed."""
    faults = tuple((fault_id, FAULT_MS) for fault_id in SCENARIOS[name])
    script = (*faults, ("M6", JUMP_MS))
    return Plan(seed=seed, storm_ms=STORM_MS, calm_ms=CALM_MS, script=script)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """Which scenario of which seed, and at how many points the daemon is killed in it."""

    seed: int
    scenario: str
    points: int


def enumerations(seeds: Iterable[int], points: int) -> list[Enumeration]:
    """Every scenario of every seed."""
    return [
        Enumeration(seed=seed, scenario=name, points=points) for seed in seeds for name in SCENARIOS
    ]


def enumerated(task: Enumeration) -> list[CrashPoint]:
    """Kill at so many points of a scenario, and again during each recovery."""
    plan = scenario_plan(task.seed, task.scenario)
    first, last = _busy_steps(chaos.run_seed(plan))
    found: list[CrashPoint] = []
    for number in range(task.points):
        step = first + number * (last - first) // task.points
        once = _killed(plan, task.scenario, (step,))
        found.append(once)
        again = _recovery_step(once.result, number, task.points)
        if again is not None:
            found.append(_killed(plan, task.scenario, (step, again)))
    return found


def _killed(plan: Plan, name: str, steps: tuple[int, ...]) -> CrashPoint:
    result = chaos.run_seed(replace(plan, killed_at=steps))
    return CrashPoint(scenario=name, killed_at=steps, result=result)


def _busy_steps(lived: SeedResult) -> tuple[int, int]:
    """Return the first and last step between the jump and some time after it."""
    marks = dict(lived.marks)
    return marks[JUMP_MS], marks[JUMP_MS + WATCHED_MS]


def _recovery_step(lived: SeedResult, number: int, points: int) -> int | None:
    """Return a step of the second life's start; each point of a scenario takes another part."""
    if len(lived.lives) < 2:
        return None
    born, ready = lived.lives[1]
    return born + 1 + number * max(1, ready - born) // points
