"""Money that came from outside or went there: neither earned nor lost.

The venue's figure for the equity does not tell it apart; its log of what moved does. What the log
told is kept by the venue's ids, so that reading it again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from bot.core import units

MOVES: Final = "money moved"  # what the question is called in `ReadFailed.what`
KEPT_MS: Final = units.MS_PER_HOUR
OVERLAP_MS: Final = 10 * units.MS_PER_MINUTE  # read again each time: clocks and logs may lag
LAG_NS: Final = 5 * units.NS_PER_SECOND  # the venue's balance and its log tell alike after that
ASKED_EVERY_NS: Final = 5 * units.NS_PER_SECOND  # at most: the venue lets its log be read seldom
UNHEARD_MAX_NS: Final = 60 * units.NS_PER_SECOND  # the shell answers sooner
UNCERTAIN_MAX_NS: Final = 60 * units.NS_PER_SECOND  # a log that says nothing excuses no longer
UNREAD_MAX_NS: Final = 300 * units.NS_PER_SECOND  # what fails for a while calls nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMoved:
    """The venue's log: so much of a settlement currency came in, or went out (negative).

    `move_id` is the venue's, `kind` its word: deposit, withdrawal, transfer, swap.
    """

    move_id: str
    currency: str
    change: Decimal
    kind: str
    venue_ms: int
    arrived_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashRead:
    """The log was read whole, as of the question: what moved is in the facts before this."""

    asked_ns: int
    asked_ms: int
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cash:
    """What moved after `begun_ms`, as the log told it up to `until_ms`, by currency.

    `seen` holds the ids that may still be told again, and their times.
    """

    begun_ms: int = 0
    until_ms: int = 0
    seen: Mapping[str, int] = field(default_factory=dict)
    moved: Mapping[str, Decimal] = field(default_factory=dict)

    def hearing(self, fact: CashMoved) -> "Cash":
        """Count what moved, once; what is too old to be news was counted when it was."""
        if fact.move_id in self.seen or fact.venue_ms <= max(self.begun_ms, self.forgotten_ms):
            return self
        moved = self.moved.get(fact.currency, units.ZERO) + fact.change
        return replace(
            self,
            seen={**self.seen, fact.move_id: fact.venue_ms},
            moved={**self.moved, fact.currency: moved},
        )

    @property
    def forgotten_ms(self) -> int:
        """Ids up to then are no longer kept."""
        return self.until_ms - KEPT_MS

    def read(self, asked_ms: int) -> "Cash":
        """Note that the log is known up to a moment."""
        later = replace(self, until_ms=max(self.until_ms, asked_ms))
        kept = {move: at_ms for move, at_ms in self.seen.items() if at_ms > later.forgotten_ms}
        return later if len(kept) == len(self.seen) else replace(later, seen=kept)

    def since_ms(self, rate: float) -> int:
        """From when on the log is to be read next, some of it again."""
        overlap_ms = max(OVERLAP_MS, units.wire_to_market_ms(LAG_NS, rate))
        return max(self.begun_ms, self.until_ms - min(overlap_ms, KEPT_MS))

    def started(self, now_ms: int, back_max_ms: int) -> "Cash":
        """Go on at a start: a ledger from before this was kept, and a market anew, begin now."""
        if 0 < self.until_ms <= now_ms + back_max_ms:
            return self
        return Cash(begun_ms=now_ms, until_ms=now_ms, moved=self.moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an account was worth, by a balance that arrived at `arrived_ns`."""

    amount: float
    at_ms: int
    arrived_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashLog:
    """How far the venue's log can be relied on, on the wire clock; not kept over a restart.

    It was last asked at `asked_ns`, answered in whatever way at `heard_ns`, and wanted at
    `wanted_ns`; `read_ns` is when the last question was asked that was answered well. `failing_ns`
    is since when it cannot be read, because of `failure`, and a person knows since `told_ns`.
    `learned_ns` is by currency when a move was last learned of. `sightings` wait for the log to say
    that nothing had moved until then. `losing_ns` is since when a limit on losses is reached.
    """

    asked_ns: int | None = None
    heard_ns: int = 0
    wanted_ns: int = 0
    read_ns: int | None = None
    failure: str = ""
    failing_ns: int | None = None
    told_ns: int | None = None
    learned_ns: Mapping[str, int] = field(default_factory=dict)
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    losing_ns: int | None = None

    def learning(self, fact: CashMoved) -> "CashLog":
        """Take news of a move: what was seen before it may or may not hold it."""
        left = {name: one for name, one in self.sightings.items() if name != fact.currency}
        learned = {**self.learned_ns, fact.currency: fact.arrived_ns}
        return replace(self, learned_ns=learned, sightings=left)

    def answered(self, fact: CashRead, now_ns: int) -> "CashLog":
        """Note that the log was read."""
        read_ns = fact.asked_ns if self.read_ns is None else max(self.read_ns, fact.asked_ns)
        return replace(
            self, read_ns=read_ns, heard_ns=now_ns, failure="", failing_ns=None, told_ns=None
        )

    def failed(self, reason: str, now_ns: int) -> "CashLog":
        """Note that it could not be read: it is asked again."""
        since = now_ns if self.failing_ns is None else self.failing_ns
        return replace(self, failure=reason, failing_ns=since, heard_ns=now_ns, wanted_ns=now_ns)

    def is_due(self, read_ns: int | None, now_ns: int) -> bool:
        """Whether to ask: after the account was, at `read_ns`, on a jump, and while it loses."""
        if self.asked_ns is None:
            return read_ns is not None
        wanted_ns = self.wanted_ns if read_ns is None else max(self.wanted_ns, read_ns)
        if wanted_ns <= self.asked_ns and (self.losing_ns is None or self.is_certain(now_ns)):
            return False
        is_open = self.heard_ns <= self.asked_ns
        return now_ns - self.asked_ns >= (UNHEARD_MAX_NS if is_open else ASKED_EVERY_NS)

    def is_certain(self, now_ns: int) -> bool:
        """Whether what looks like a loss is one, as far as the log will ever say."""
        if self.losing_ns is None:
            return False
        if self.covers(self.losing_ns):
            return True
        return now_ns - self.losing_ns >= UNCERTAIN_MAX_NS

    def covers(self, at_ns: int) -> bool:
        """Whether the log was read so late that it holds all that had moved by then."""
        return self.read_ns is not None and self.read_ns - at_ns >= LAG_NS

    def is_behind(self, currency: str, arrived_ns: int, lag_ns: int = 0) -> bool:
        """Whether a balance that arrived then may lack what the log told of before."""
        learned_ns = self.learned_ns.get(currency)
        return learned_ns is not None and arrived_ns <= learned_ns + lag_ns


NOTHING_READ: Final = CashLog()
