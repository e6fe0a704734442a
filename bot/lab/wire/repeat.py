"""Does a ledger that the wire lab made repeat to the same actions?"""

from dataclasses import dataclass
from pathlib import Path

from bot.lab.replay import replay
from bot.runtime.tape import tape_beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What a replay came to: `difference` says where it first came out otherwise, "" if nowhere."""

    ok: bool
    runs: int
    folds: int
    folds_untaped: int
    actions: int
    orders: int
    difference: str


def repeated(journal: Path) -> Repeated:
    """Run the core again on a ledger and the tape beside it.

    Raises:
        LedgerRefusedError: the file cannot be read as a ledger.
    """
    found = replay(journal, tape_beside(journal))
    difference = found.difference
    said = found.unread
    if difference is not None:
        said = f"fold {difference.fold} of run {difference.run_id}: {difference.where}"
    return Repeated(
        ok=found.is_same,
        runs=len(found.runs),
        folds=found.folds,
        folds_untaped=sum(run.folds_untaped for run in found.runs),
        actions=sum(run.actions for run in found.runs),
        orders=sum(run.orders for run in found.runs),
        difference=said,
    )
