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
    """Remembers for how long what is unhealthy, wire time.

    A line that comes and goes is no health: what is unhealthy each time is counted together, until
    a fold finds every book where it should be.
    """

    def __init__(self, *, stuck_ns: int, open_ns: int) -> None:
        """Begin with all well.

        Args:
            stuck_ns: How long the daemon may go without an answer of the venue.
            open_ns: How long a book may go unhedged while the mode would let it be hedged.
        """
        self._stuck_ns = stuck_ns
        self._open_ns = open_ns
        self._seen_ns: int | None = None
        self._lasted_ns: dict[str, int] = {}
        self._told: dict[str, Alert] = {}
        self._reached_ns = 0  # for how long the venue has answered, since it last did not

    def seen(self, stepped: Stepped) -> tuple[Sighting, ...]:
        """Look at one fold."""
        before_ns = stepped.wire_ns if self._seen_ns is None else self._seen_ns
        passed_ns, self._seen_ns = stepped.wire_ns - before_ns, stepped.wire_ns
        mode = stepped.state.mode
        if mode is Mode.RECONCILING:
            self._reached_ns = 0
            return tuple(self._lasts(_DAEMON, self._stuck_ns, passed_ns, self._stuck(stepped)))
        self._reached_ns += passed_ns
        if self._reached_ns >= self._stuck_ns or _is_content(stepped):
            self._forget(_DAEMON)
        if mode in (Mode.RUN, Mode.DEGRADED):
            return tuple(self._books(stepped, passed_ns))
        self._lasted_ns.clear()  # the mode has an alert of its own
        self._told.pop(_DAEMON, None)
        return ()

    def _books(self, stepped: Stepped, passed_ns: int) -> Iterator[Sighting]:
        for book, decision in stepped.step.verdicts.items():
            if _is_well(stepped.state, decision):
                if told := self._forget(book):
                    yield Sighting(alert=told, over=f"book {book}: {decision.reason}")
                continue
            seconds = self._open_ns / NS_PER_SECOND
            text = f"book {book} is not hedged for over {seconds:g} s: {decision.reason}"
            yield from self._lasts(book, self._open_ns, passed_ns, (text, Topic.UNHEDGED))

    def _stuck(self, stepped: Stepped) -> tuple[str, Topic]:
        seconds = self._stuck_ns / NS_PER_SECOND
        text = f"reconciling for over {seconds:g} s: {stepped.state.mode_reason}"
        return text, Topic.RECONCILING

    def _forget(self, what: str) -> Alert | None:
        """Begin anew with what is well again; return what was told of it."""
        self._lasted_ns.pop(what, None)
        return self._told.pop(what, None)

    def _lasts(
        self, what: str, most_ns: int, passed_ns: int, told: tuple[str, Topic]
    ) -> Iterator[Sighting]:
        """Yield once that something has lasted for too long."""
        known_ns = self._lasted_ns.get(what)
        lasted_ns = self._lasted_ns[what] = 0 if known_ns is None else known_ns + passed_ns
        if what in self._told or lasted_ns < most_ns:
            return
        text, topic = told
        self._told[what] = Alert(severity=Severity.CRITICAL, text=text, topic=topic)
        yield Sighting(alert=self._told[what])


def _is_content(stepped: Stepped) -> bool:
    """Whether every book is where it should be."""
    verdicts = stepped.step.verdicts.values()
    return bool(verdicts) and all(_is_well(stepped.state, one) for one in verdicts)


def _is_well(state: State, decision: Decision) -> bool:
    """Whether a book is where it should be, or waits after an order that traded whole."""
    if decision.code not in _BETWEEN:
        return decision.code in _CONTENT
    last = state.standing.hedge_marks.get(decision.book)
    order = state.standing.orders.get(last.order_id) if last else None
    return order is None or abs(order.filled_native) >= abs(order.size_native)
