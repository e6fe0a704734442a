"""What an instrument's name alone says of it, by the venue's naming rules.

A trade, an order or a position may name an instrument that was listed a second ago or delivered a
second ago, so reading them must not depend on the list of instruments. The rules: `BTC-PERPETUAL`
and `BTC-27MAR26` are inverse and settle in the coin; `BTC_USDC-...` is linear and settles in what
stands after the underscore; options add strike (`0d625` is 0.625) and side. Expiry is at 08:00 UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.core.instruments import Kind, Settlement
from bot.core.units import MS_PER_HOUR, MS_PER_SECOND

EXPIRY_OF_DAY_MS: Final = 8 * MS_PER_HOUR

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN")
_MONTHS_LATER: Final = ("JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH: Final = {name: number for number, name in enumerate((*_MONTHS, *_MONTHS_LATER), start=1)}
_NAME: Final = re.compile(
    r"(?P<base>[A-Z0-9]+)(?:_(?P<quote>[A-Z0-9]+))?-"
    r"(?:(?P<perpetual>PERPETUAL)"
    r"|(?P<day>\d{1,2})(?P<month>[A-Z]{3})(?P<year>\d{2})"
    r"(?:-(?P<strike>\d+(?:d\d+)?)-(?P<side>[CP]))?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The terms that are in a name: what it is, what it is of, and the money it settles in."""

    kind: Kind
    settlement: Settlement
    underlying: str
    currency: str
    expiry_ms: int | None = None
    strike: float | None = None
    is_call: bool | None = None


def named(name: str) -> Named | None:
    """Return what a name says, or None if it is not that of a perpetual, a future or an option."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    parts = found.groupdict()
    expiry_ms = None
    kind = Kind.PERPETUAL
    if parts["perpetual"] is None:
        kind = Kind.FUTURE if parts["strike"] is None else Kind.OPTION
        expiry_ms = _expiry_ms(parts["day"], parts["month"], parts["year"])
        if expiry_ms is None:
            return None
    strike = parts["strike"]
    return Named(
        kind=kind,
        settlement=Settlement.INVERSE if parts["quote"] is None else Settlement.LINEAR,
        underlying=parts["base"],
        currency=parts["quote"] or parts["base"],
        expiry_ms=expiry_ms,
        strike=None if strike is None else float(strike.replace("d", ".")),
        is_call=None if strike is None else parts["side"] == "C",
    )


def currency_of(name: str) -> str | None:
    """Return the currency that an instrument settles in, None if its name does not say."""
    known = named(name)
    return None if known is None else known.currency


def has_lapsed(name: str, market_ms: int) -> bool:
    """Return whether an instrument of this name has expired at `market_ms`."""
    known = named(name)
    return known is not None and known.expiry_ms is not None and known.expiry_ms <= market_ms


def _expiry_ms(day: str, month: str, year: str) -> int | None:
    try:
        date = datetime(2000 + int(year), _MONTH[month], int(day), tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    return int(date.timestamp()) * MS_PER_SECOND + EXPIRY_OF_DAY_MS
