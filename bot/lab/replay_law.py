"""I22: what a world's ledger and tape hold replays to the same actions."""

from pathlib import Path
from typing import Final

from bot.lab.replay import replay
from bot.runtime.ledger_file import LedgerRefusedError
from bot.runtime.tape import tape_beside

SHARE_MIN: Final = 0.5  # of the folds: a kill takes two seconds of tape, and a new run begins anew


def unlike(ledger: Path, folds: int) -> str | None:
    """I22: every fold that can be repeated comes out the same, and most can be.

    `folds` is how many there were, 0 for a ledger that lost some of them.
    """
    try:
        found = replay(ledger, tape_beside(ledger))
    except LedgerRefusedError as error:
        return f"the ledger cannot be replayed: {error}"
    if found.difference is not None:
        one = found.difference
        return f"{one.run_id}, fold {one.fold}: another {one.kind}: {one.where}"
    if found.folds < SHARE_MIN * folds:
        return f"only {found.folds} of {folds} folds can be repeated"
    return None
