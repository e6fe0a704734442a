"""Proof that two books cannot hold one position.

Time passes and instruments are listed: what counts is what the selectors say, not what is open.
"""

import re
from dataclasses import dataclass

from bot.core.instruments import Kind
from bot.settings.models import Select

_PARTS = re.compile(
    r"^([A-Z0-9]+)(?:_[A-Z]+)?-(PERPETUAL|[0-9]{1,2}[A-Z]{3}[0-9]{2})(-[0-9d]+-[CP])?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What an instrument's name tells."""

    underlying: str
    kind: Kind


def parse_name(name: str) -> Parsed | None:
    """Read a name as Deribit writes it: BTC-PERPETUAL, BTC-26DEC25, BTC-26DEC25-100000-C."""
    match = _PARTS.match(name)
    if match is None:
        return None
    underlying, expiry, option = match.groups()
    if expiry == "PERPETUAL":
        return None if option else Parsed(underlying=underlying, kind=Kind.PERPETUAL)
    return Parsed(underlying=underlying, kind=Kind.OPTION if option else Kind.FUTURE)


def overlap(first: Select, second: Select) -> str | None:
    """Say what two selectors may share, or None if it is certain that they share nothing."""
    shared_kinds = [kind for kind in first.kinds if kind in second.kinds]
    if first.underlying == second.underlying and shared_kinds and not _ranges_apart(first, second):
        kinds = " and ".join(f"{kind}s" for kind in shared_kinds)
        return f"{first.underlying} {kinds} with {_range(first, second)} belong to both"
    for one, other in ((first, second), (second, first)):
        for name in one.include:
            if may_hold(other, name):
                return f"{name}, which one includes by name, belongs to both"
    return None


def may_hold(select: Select, name: str) -> bool:
    """Whether a selector could ever hold the instrument of this name, now or later."""
    if name in select.include:
        return True
    if name in select.exclude:
        return False
    parsed = parse_name(name)
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
