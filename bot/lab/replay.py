"""Replay: the core once more on what was recorded, and the first thing that comes out otherwise.

A run begins with its `begin` row. Each fold is its clock and quotes from the tape and its facts and
commands from the ledger; what the core answers must be, byte for byte, the row that was written
then, and so must the standing. Where the tape has a hole (no tape, a lost block, an older day that
was deleted) no fold can be repeated until the tape's next state; of these folds the ledger alone is
checked: every order is in the standing that was written with it, and positions change by fills and
adoptions and by nothing else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bot.core.engine import Policy
from bot.lab.replay_run import Difference, Item, RunReplayed, replayed_run
from bot.runtime import ledger_volumes
from bot.runtime.tape import TapeReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a whole ledger came to; it stops at the first difference."""

    runs: tuple[RunReplayed, ...]
    torn: tuple[str, ...]

    @property
    def difference(self) -> Difference | None:
        """The first difference, None if everything that could be repeated came out the same."""
        found = (run.difference for run in self.runs)
        return next((one for one in found if one is not None), None)

    @property
    def unread(self) -> str:
        """What could not be read, empty if all could."""
        return next((run.unread for run in self.runs if run.unread), "")

    @property
    def folds(self) -> int:
        """How many folds were repeated."""
        return sum(run.folds for run in self.runs)

    @property
    def is_same(self) -> bool:
        """Whether something was repeated, all that could be came out the same, and all was read."""
        return self.difference is None and not self.unread and self.folds > 0


def replay(ledger: Path, tape: Path | None, under: Policy | None = None) -> Replayed:
    """Run the core again on everything that a ledger and its tape hold.

    Args:
        ledger: Where facts and outcomes are.
        tape: Where quotes are, None for nowhere.
        under: What to obey instead of the policy that was recorded.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    runs: list[RunReplayed] = []
    reader = TapeReader(tape) if tape is not None else None
    taped = _ByRun(
        iter(reader) if reader is not None else iter(()), ledger_volumes.all_runs(ledger)
    )
    for run_id, rows in groupby(ledger_volumes.all_entries(ledger), key=lambda entry: entry.run_id):
        runs.append(replayed_run(run_id, rows, taped.of(run_id), under))
        if runs[-1].difference is not None:
            break
    torn = reader.torn if reader is not None else ()
    return Replayed(runs=tuple(runs), torn=tuple(f"{one.segment}: {one.reason}" for one in torn))


class _ByRun:
    """Hands out a tape's items run by run, in the ledger's order of runs."""

    def __init__(self, items: Iterator[Item], known: Iterable[str]) -> None:
        self._items = items
        self._order = {run_id: place for place, run_id in enumerate(known)}
        self._next: Item | None = next(self._items, None)

    def of(self, run_id: str) -> Iterator[Item]:
        """Yield what the tape holds of a run; skip runs that came before, or are another's."""
        place = self._order[run_id]
        while self._next is not None:
            theirs = self._order.get(self._next.run_id, -1)
            if theirs > place:
                return
            if theirs == place:
                yield self._next
            self._next = next(self._items, None)
