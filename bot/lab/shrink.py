"""Which of a failing seed's strikes it takes: the others are left out, as long as it still fails.

Delta debugging (Zeller and Hildebrandt, 2002), without its last refinement: halves, quarters and so
on are left out in turn, down to single strikes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bot.lab import chaos, workers
from bot.lab.world import Plan

RUNS_MAX: Final = 200


def shrunk(plan: Plan) -> list[int]:
    """Return the numbers of a small set of strikes with which the plan still fails as it did."""
    first = _failure(plan)
    numbers = [struck.number for struck in chaos.strikes_of(plan)]

    def fails(kept: Sequence[int]) -> bool:
        return bool(kept) and _failure(replace(plan, only=frozenset(kept))) == first

    return smallest(numbers, fails)


def smallest(numbers: list[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Leave out what can be left out, in ever smaller parts; at most `RUNS_MAX` tries."""
    parts, runs = 2, 0
    while len(numbers) > 1 and runs < RUNS_MAX:
        size = max(1, len(numbers) // parts)
        for start in range(0, len(numbers), size):
            kept = numbers[:start] + numbers[start + size :]
            runs += 1
            if fails(kept):
                numbers, parts = kept, max(2, parts - 1)
                break
        else:
            if size == 1:
                return numbers
            parts = min(len(numbers), parts * 2)
    return numbers


def _failure(plan: Plan) -> str:
    """Name the invariant that a run breaks first, "" for none; a lab that falls over breaks I21."""
    found = next(workers.side_by_side(chaos.run_seed, [plan], 1))
    result = chaos.lost(plan.seed, found.reason) if isinstance(found, workers.Lost) else found
    return result.violations[0].invariant if result.violations else ""
