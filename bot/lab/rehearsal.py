"""What a rehearsal showed: every book by itself, and the daemon as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core.actions import SubmitOrder
from bot.core.dealing import BookPlan
from bot.core.state import State
from bot.lab.judged import BookJudged
from bot.runtime.loop import Stepped


@dataclass(slots=True)
class Rehearsal:
    """Watches every step of a daemon; judges every book until it `is_over`."""

    plans: Sequence[BookPlan]
    books: list[BookJudged] = field(init=False)
    hedges: list[SubmitOrder] = field(default_factory=list)
    state: State | None = None
    is_over: bool = False

    def __post_init__(self) -> None:
        """Begin with nothing seen of any book."""
        self.books = [BookJudged(plan) for plan in self.plans]

    @property
    def first(self) -> BookJudged:
        """The first book, which the screen shows."""
        return self.books[0]

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one step."""
        self.state = stepped.state
        self.hedges.extend(a for a in stepped.step.actions if isinstance(a, SubmitOrder))
        if self.is_over:  # the daemon is parting, and its books go unwatched
            return
        for book in self.books:
            book.see(stepped)


def figures(seen: Rehearsal) -> dict[str, object]:
    """Return what a rehearsal showed as plain figures, for people and for JSON.

    The figures of the first book, then the whole daemon's, then every book's under `books`.
    """
    counts = seen.state.counts if seen.state else None
    return {
        **seen.first.figures(),
        "decisions": seen.state.folds if seen.state else 0,
        "hedges_sent": len(seen.hedges),
        "hedges_buy": sum(1 for order in seen.hedges if order.size_native > 0),
        "hedges_sell": sum(1 for order in seen.hedges if order.size_native < 0),
        "fills": counts.fills if counts else 0,
        "refusals": dict(counts.refusals) if counts else {},
        "rejects": counts.rejects if counts else 0,
        "held_after_expiry": _held_after_expiry(seen.state) if seen.state else [],
        "books": {book.plan.book.name: book.figures() for book in seen.books},
    }


def _held_after_expiry(state: State) -> list[str]:
    """Name the positions that the daemon still holds of what has expired."""
    terms = ((name, state.instruments.get(name)) for name in state.standing.positions)
    return sorted(
        name
        for name, one in terms
        if one is not None and one.expiry_ms is not None and one.expiry_ms <= state.now_ms
    )
