"""Why the daemon did, or did not, hedge, told by its ledger when it no longer runs itself."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.core import codec
from bot.core.hedger import Decision
from bot.core.modes import ModeChanged
from bot.dashboard import views, words
from bot.dashboard.models import BookExplained, Explanation
from bot.runtime import journal, records
from bot.runtime.journal import Entry

STEPS_READ_MAX = 5_000


def explain(path: Path, why: str, pending: str = "") -> Explanation:
    """Return the last decision of each book that the ledger at `path` holds, and the last mode.

    Args:
        path: the ledger.
        why: why the daemon itself was not asked.
        pending: what waits for the next start, if something does.

    Raises:
        LedgerRefusedError: there is no ledger, or it cannot be read.
    """
    steps = journal.tail(path, STEPS_READ_MAX, "step")
    at_ms = steps[-1].at_ms if steps else 0
    mode, reason, clears = _mode(path, steps)
    last: dict[str, Decision] = {}
    hedged: dict[str, Decision] = {}
    for made in _decisions(reversed(steps)):
        last.setdefault(made.book, made)
        if made.order_id:
            hedged.setdefault(made.book, made)
    return Explanation(
        source=f"{path} ({why})",
        at_ms=at_ms,
        mode=mode,
        mode_reason=reason,
        mode_clears=clears,
        pending=pending,
        books=[_book(made, hedged.get(name), at_ms) for name, made in sorted(last.items())],
    )


def _book(made: Decision, hedge: Decision | None, at_ms: int) -> BookExplained:
    shown = views.decision(made)
    hedged = views.decision(hedge) if hedge is not None else None
    said = [words.decided(f"{made.book}: last decision", shown, at_ms)]
    if hedged is not None and hedged != shown:
        said.append(words.decided("Last hedge", hedged, at_ms))
    return BookExplained(book=made.book, decision=shown, last_hedge=hedged, words=said, triggers=[])


def _parts(step: Entry, name: str) -> list[object]:
    """Return the list under `name` in a step's body, as the core's own objects."""
    body = codec.loads(step.body)
    found = body.get(name, ()) if isinstance(body, dict) else ()
    return list(found) if isinstance(found, list | tuple) else []


def _decisions(steps: Iterable[Entry]) -> Iterator[Decision]:
    for step in steps:
        for part in _parts(step, "decisions"):
            if isinstance(part, Decision):
                yield part


def _mode(path: Path, steps: tuple[Entry, ...]) -> tuple[str, str, str]:
    """Return the last mode that was written, its reason and what clears it."""
    standing = records.latest_standing(journal.since_last(path, *records.STANDING_KINDS))
    if standing is not None and standing.halt_reason:
        return "halt", standing.halt_reason, "a person resumes"
    if any(row.kind == "end" for row in journal.tail(path, 1)):  # how it parted is no news
        return "ended", "the daemon stopped in order", "the next start"
    for step in reversed(steps):
        for note in _parts(step, "notes"):
            if isinstance(note, ModeChanged):
                return note.after.value, note.reason, note.clears
    return "unknown", "the ledger holds no change of mode", ""
