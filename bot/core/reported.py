"""Positions as the venue reports them, and where ours are others."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core import units
from bot.core.events import PositionRow
from bot.core.immutable import Remembered
from bot.core.instruments import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A position as the venue last reported it, and when that report arrived or was asked for.

    A report that was `pushed` may tell of a time before it arrived; one that was asked for may not.
    """

    row: PositionRow
    known_ns: int
    pushed: bool


Differences = tuple[tuple[str, Decimal, Reported], ...]


@Remembered
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


@Remembered
def unlisted(
    reported: Mapping[str, Reported],
    positions: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
) -> tuple[str, ...]:
    """Name what is held at the venue, or was traded, but is on no list of instruments yet."""
    strange = {name for name, report in reported.items() if report.row.size_native}
    strange |= positions.keys() - reported.keys()
    return tuple(sorted(strange - instruments.keys()))
