"""Positions and deltas as the venue reports them, and where ours are others."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

from bot.core import units
from bot.core.actions import AskMargin
from bot.core.events import NoOpinionHere, OpinionGiven, PositionRow, PositionsSeen, ReadFailed
from bot.core.evidence import Position
from bot.core.immutable import remembered, steady
from bot.core.instruments import Instrument, Supposed
from bot.core.standing import Standing, open_orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A position as the venue last reported it, and when that report arrived or was asked for.

    A report that was `pushed` may tell of a time before it arrived; one that was asked for may not.
    `absences` is 0 where it was listed, else how many reports in a row know of no such position.
    """

    row: PositionRow
    known_ns: int
    pushed: bool
    absences: int = 0


def absences(report: Reported | None, known_ns: int) -> int:
    """Return how many reports in a row, with the complete one of `known_ns`, know of no position.

    One that said that it is flat counts like one that left it out.
    """
    if report is None or report.row.size_native:
        return 1
    return max(1, report.absences) + (report.known_ns < known_ns)


def stated(
    fact: PositionsSeen, reported: Mapping[str, Reported], positions: Mapping[str, Decimal]
) -> dict[str, PositionRow]:
    """Return what a report says of each instrument: a whole one calls flat what it leaves out."""
    rows = {row.instrument: row for row in fact.positions}
    if fact.complete:
        for name in sorted(reported.keys() | positions.keys()):
            rows.setdefault(
                name, PositionRow(instrument=name, size_native=units.ZERO, average_price=0.0)
            )
    return rows


def renewed(
    reported: Mapping[str, Reported], fact: PositionsSeen, rows: Mapping[str, PositionRow]
) -> dict[str, Reported]:
    """Return those reports that are newer than what is known: a late answer undoes no push."""
    known_ns = fact.arrived_ns if fact.asked_ns is None else fact.asked_ns
    listed = {row.instrument for row in fact.positions}
    return {
        name: Reported(
            row=row,
            known_ns=known_ns,
            pushed=fact.asked_ns is None,
            absences=0 if name in listed else absences(reported.get(name), known_ns),
        )
        for name, row in rows.items()
        if name not in reported or reported[name].known_ns <= known_ns
    }


def position_says(
    reported: Mapping[str, Reported],
    positions: Mapping[str, Decimal],
    name: str,
    read_ns: int | None,
    dead_ns: int,
) -> Position:
    """Return what the venue's position in `name` says of an order that nobody else knows.

    The account was last read whole when asked at `read_ns`; the order could not start any more at
    `dead_ns`.
    """
    if read_ns is None or read_ns < dead_ns:
        return Position.UNREAD
    report = reported.get(name)
    size = report.row.size_native if report else units.ZERO
    is_ours = size == positions.get(name, units.ZERO)
    return Position.AGREES if is_ours else Position.DIFFERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far our delta of the account is from the venue's figure for it, in coins.

    `since_ns` is when they began to differ too much, None while they agree; `seen_ns` is the last
    comparison. On linear options two readings of the venue's figure are possible: with the discount
    factor in it or without. `discounted_votes` counts how often the first fitted better, less how
    often the second did; 0 while both fit alike.
    """

    gap_coin: float
    seen_ns: int
    since_ns: int | None = None
    discounted_votes: int = 0

    @property
    def reading(self) -> str:
        """Which reading of the venue's figure fits, empty while both do."""
        if not self.discounted_votes:
            return ""
        return "discounted" if self.discounted_votes > 0 else "undiscounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the venue would hold the account to after some trades, and what we reckon of the same.

    Money in the settlement currency. `gap` is as that of `MarginSeen`, `apart` the same in money;
    they are of `figure`, which differs more. `gap_since_ns` is when they began to differ too much;
    `compared_ms` is `compared_ns` by the market clock, for a person.
    """

    trades: tuple[Supposed, ...]
    compared_ns: int
    compared_ms: int
    initial: float
    maintenance: float
    venue_initial: float
    venue_maintenance: float
    figure: str
    gap: float
    apart: float
    gap_since_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """The one question about margin that the venue is asked at a time.

    `question` is under way since `asked_ns`, None while none is; `positions` are what we held when
    it was asked. `answer` is what came of it and was not looked at yet. `turn` counts questions.
    `absent` says why the venue has no answers at all: it is asked no more.
    """

    question: AskMargin | None = None
    asked_ns: int | None = None
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    answer: OpinionGiven | ReadFailed | None = None
    turn: int = 0
    absent: str = ""

    def hearing(self, fact: OpinionGiven | NoOpinionHere | ReadFailed) -> "Consulted":
        """Return what is known after news of the question; of another question it is no news."""
        asked = self.question
        if asked is None:
            return self
        match fact:
            case NoOpinionHere():
                return replace(self, question=None, absent=fact.reason)
            case OpinionGiven():
                is_it = (fact.currency, fact.trades) == (asked.currency, asked.trades)
                return replace(self, answer=fact) if is_it else self
            case ReadFailed():
                return replace(self, answer=fact)
        assert_never(fact)


NOTHING_ASKED = Consulted()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSeen:
    """Our own reckoning of one currency's margin when the venue last told its own.

    Money in that currency. `gap` is by how much our requirement (of initial and maintenance the one
    that differs more) is larger than the venue's, a share of it; `compared_ns` is when the two were
    last compared, `gap_since_ns` when they began to differ too much, None while both agree. `node`
    is the worst of the stress, with what must be held there, what there is, and their quotient.
    `failure` says why there is no newer reckoning, empty while there is one, `beside` why only the
    maintenance is compared. `opinions` are the venue's own of trades that nobody made, by what was
    supposed; `opinion_failure` says why there is no newer one, `failing_ns` since when there is
    none, `failing_told` that a person knows.
    """

    compared_ns: int | None = None
    initial: float = 0.0
    maintenance: float = 0.0
    gap: float = 0.0
    gap_since_ns: int | None = None
    stressed_ns: int | None = None
    node: str = ""
    node_maintenance: float = 0.0
    node_balance: float = 0.0
    stressed_usage: float = 0.0
    doubts: tuple[str, ...] = ()
    failure: str = ""
    beside: str = ""
    opinions: Mapping[str, Opinion] = field(default_factory=dict)
    opinion_failure: str = ""
    failing_ns: int | None = None
    failing_told: bool = False


Differences = tuple[tuple[str, Decimal, Reported], ...]


@remembered
def differences(
    reported: Mapping[str, Reported],
    positions: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
) -> Differences:
    """Return name, our size and the report of each listed instrument where the two disagree."""
    return tuple(
        (name, positions.get(name, units.ZERO), report)
        for name, report in reported.items()
        if name in instruments and report.row.size_native != positions.get(name, units.ZERO)
    )


@steady
def names_reported(reported: Mapping[str, Reported]) -> frozenset[str]:
    """Return the instruments in which the venue reports a position."""
    return frozenset(name for name, report in reported.items() if report.row.size_native)


@remembered
def unlisted(
    reported: Mapping[str, Reported],
    positions: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
) -> tuple[str, ...]:
    """Name what is held at the venue, or was traded, but is on no list of instruments yet."""
    strange = names_reported(reported) | (positions.keys() - reported.keys())
    return tuple(sorted(strange - instruments.keys()))


@remembered
def settled(
    known: Standing, reported: Mapping[str, Reported], instruments: Mapping[str, Instrument]
) -> bool:
    """Whether no order is open, no position differs, and nothing is held that is not listed."""
    return not (
        open_orders(known.orders)
        or differences(reported, known.positions, instruments)
        or unlisted(reported, known.positions, instruments)
    )
