"""Positions and deltas as the venue reports them, and where ours are others."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core import units
from bot.core.events import PositionRow
from bot.core.evidence import Position
from bot.core.immutable import remembered, steady
from bot.core.instruments import Instrument
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
class MarginSeen:
    """Our own reckoning of one currency's margin when the venue last told its own.

    Money in that currency. `gap` is by how much our requirement (of initial and maintenance the one
    that differs more) is larger than the venue's, a share of it; `compared_ns` is when the two were
    last compared, `gap_since_ns` when they began to differ too much, None while both agree. `node`
    is the worst of the stress, with what must be held there, what there is, and their quotient.
    `failure` says why there is no newer reckoning, empty while there is one.
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
