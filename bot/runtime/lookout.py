"""Sees what the core has no alert for: that something unhealthy lasts.

A moment without an answer of the venue, or without a price, is nothing to wake anybody for; two
minutes of it are, because the delta drifts meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.core.actions import Alert, Severity, Topic
from bot.core.hedger import Code, Decision
from bot.core.state import Mode, State
from bot.core.units import NS_PER_SECOND
from bot.runtime.loop import Stepped

# A book that holds for one of these is where it should be, or where its configuration wants it.
_CONTENT: Final = frozenset({Code.INSIDE_BAND, Code.BELOW_LOT, Code.CROSSED_BOOKS})
_BETWEEN: Final = frozenset({Code.SMALL_MOVE, Code.TOO_SOON})  # two hedges, if the last one traded
_DAEMON: Final = ""  # beside the names of books


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something lasts too long, or (`over` says how) what did is over."""

    alert: Alert
    over: str = ""


class Lookout:
    """Remembers since when what is unhealthy, wire time."""

    def __init__(self, *, stuck_ns: int, open_ns: int) -> None:
        """Begin with all well.

        Args:
            stuck_ns: How long the daemon may go without an answer of the venue.
            open_ns: How long a book may go unhedged while the mode would let it be hedged.
        """
        self._stuck_ns = stuck_ns
        self._open_ns = open_ns
        self._since_ns: dict[str, int] = {}
        self._told: dict[str, Alert] = {}

    def seen(self, stepped: Stepped) -> tuple[Sighting, ...]:
        """Look at one fold."""
        mode = stepped.state.mode
        if mode is not Mode.RECONCILING:
            self._since_ns.pop(_DAEMON, None)
            self._told.pop(_DAEMON, None)
        if mode in (Mode.RUN, Mode.DEGRADED):
            return tuple(self._books(stepped))
        # A book's time counts only while it could be hedged: the mode has an alert of its own.
        self._since_ns = {at: since for at, since in self._since_ns.items() if at == _DAEMON}
        if mode is not Mode.RECONCILING:
            return ()
        return tuple(self._lasts(_DAEMON, self._stuck_ns, stepped.wire_ns, self._stuck(stepped)))

    def _books(self, stepped: Stepped) -> Iterator[Sighting]:
        for book, decision in stepped.step.verdicts.items():
            if _is_well(stepped.state, decision):
                self._since_ns.pop(book, None)
                if told := self._told.pop(book, None):
                    yield Sighting(alert=told, over=f"book {book}: {decision.reason}")
                continue
            seconds = self._open_ns / NS_PER_SECOND
            text = f"book {book} is not hedged for over {seconds:g} s: {decision.reason}"
            yield from self._lasts(book, self._open_ns, stepped.wire_ns, (text, Topic.UNHEDGED))

    def _stuck(self, stepped: Stepped) -> tuple[str, Topic]:
        seconds = self._stuck_ns / NS_PER_SECOND
        text = f"reconciling for over {seconds:g} s: {stepped.state.mode_reason}"
        return text, Topic.RECONCILING

    def _lasts(
        self, what: str, most_ns: int, now_ns: int, told: tuple[str, Topic]
    ) -> Iterator[Sighting]:
        """Yield once that something has lasted for too long."""
        since_ns = self._since_ns.setdefault(what, now_ns)
        if what in self._told or now_ns - since_ns < most_ns:
            return
        text, topic = told
        self._told[what] = Alert(severity=Severity.CRITICAL, text=text, topic=topic)
        yield Sighting(alert=self._told[what])


def _is_well(state: State, decision: Decision) -> bool:
    """Whether a book is where it should be, or waits after an order that traded whole."""
    if decision.code not in _BETWEEN:
        return decision.code in _CONTENT
    last = state.standing.hedge_marks.get(decision.book)
    order = state.standing.orders.get(last.order_id) if last else None
    return order is None or abs(order.filled_native) >= abs(order.size_native)
