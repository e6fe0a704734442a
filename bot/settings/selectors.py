"""Proof that two books cannot hold one position.

Time passes and instruments are listed: what counts is what the selectors say, not what is open.
"""

import re
from dataclasses import dataclass

from bot.core.instruments import Kind
from bot.settings.models import Book, Select

_PARTS = re.compile(
    r"^([A-Z0-9]+)(?:_([A-Z]+))?-(PERPETUAL|[0-9]{1,2}[A-Z]{3}[0-9]{2})(-[0-9d]+-[CP])?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What an instrument's name tells. It settles in its underlying unless it names a currency."""

    underlying: str
    currency: str
    kind: Kind

    @property
    def is_linear(self) -> bool:
        """Whether it settles in dollars."""
        return self.currency != self.underlying


def parse_name(name: str) -> Parsed | None:
    """Read a name as Deribit writes it: BTC-PERPETUAL, BTC-26DEC25, BTC_USDC-26DEC25-100000-C."""
    match = _PARTS.match(name)
    if match is None:
        return None
    underlying, quote, expiry, option = match.groups()
    if expiry == "PERPETUAL" and option:
        return None
    kind = Kind.OPTION if option else Kind.FUTURE
    return Parsed(
        underlying=underlying,
        currency=quote or underlying,
        kind=Kind.PERPETUAL if expiry == "PERPETUAL" else kind,
    )


def settles_in(book: Book) -> str | None:
    """Return the currency of a book's positions: its hedge's; None if that has no such name."""
    parsed = parse_name(book.hedge.instrument)
    return None if parsed is None else parsed.currency


def overlap(first: Book, second: Book) -> str | None:
    """Say what two books may share, or None if it is certain that they share nothing."""
    one, other = first.select, second.select
    if settles_in(first) != settles_in(second):
        return None
    shared_kinds = [kind for kind in one.kinds if kind in other.kinds]
    if one.underlying == other.underlying and shared_kinds and not _ranges_apart(one, other):
        kinds = " and ".join(f"{kind}s" for kind in shared_kinds)
        return f"{one.underlying} {kinds} with {_range(one, other)} belong to both"
    for book, another in ((first, second), (second, first)):
        for name in book.select.include:
            if may_hold(another, name):
                return f"{name}, which one includes by name, belongs to both"
    return None


def may_hold(book: Book, name: str) -> bool:
    """Whether a book could ever hold the instrument of this name, now or later."""
    select, parsed = book.select, parse_name(name)
    if parsed is not None and parsed.currency != settles_in(book):
        return False
    if name in select.include:
        return True
    if name in select.exclude:
        return False
    if parsed is None:
        return True
    if parsed.kind is Kind.PERPETUAL and select.expiry_days_max is not None:
        return False  # it never expires
    return parsed.underlying == select.underlying and parsed.kind in select.kinds


def _span(select: Select) -> tuple[float, float]:
    low = 0.0 if select.expiry_days_min is None else select.expiry_days_min
    high = float("inf") if select.expiry_days_max is None else select.expiry_days_max
    return low, high


def _ranges_apart(first: Select, second: Select) -> bool:
    (low, high), (other_low, other_high) = _span(first), _span(second)
    return high <= other_low or other_high <= low


def _range(first: Select, second: Select) -> str:
    (low, high), (other_low, other_high) = _span(first), _span(second)
    low, high = max(low, other_low), min(high, other_high)
    return (
        f"{low:g} days to expiry or more"
        if high == float("inf")
        else f"{low:g} to {high:g} days to expiry"
    )
