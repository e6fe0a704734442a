"""The one border between what a venue sees (exact) and what mathematics uses (floats).

Sizes are signed: positive is long. A *native* size is the venue's own unit for an instrument (USD
for an inverse perpetual, coin for an option), always a `Decimal`; `_coin` and `_usd` figures are
floats.
"""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

MS_PER_SECOND = 1_000
MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000
MS_PER_YEAR = 365 * MS_PER_DAY
NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000

ZERO = Decimal(0)


def exact(number: float) -> Decimal:
    """Return the shortest decimal that reads back as `number`: 0.1, not 0.10000000000000000555.

    Raises:
        ValueError: `number` is NaN or infinite.
    """
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {number}")
    return Decimal(repr(float(number)))


def to_lots(size: float | Decimal, lot: Decimal) -> Decimal:
    """Round a signed size toward zero to whole lots: rounding never trades more than asked.

    A size within a billionth of a lot below a whole lot counts as that lot: it is a float's
    round-off.
    """
    asked = size if isinstance(size, Decimal) else exact(size)
    whole = (abs(asked) / lot + Decimal("1e-9")).to_integral_value(rounding=ROUND_FLOOR)
    return (whole * lot).copy_sign(asked) if whole else ZERO


def floor_to(price: Decimal, tick: Decimal) -> Decimal:
    """Return the highest multiple of `tick` that is not above `price`."""
    return (price / tick).to_integral_value(rounding=ROUND_FLOOR) * tick


def ceil_to(price: Decimal, tick: Decimal) -> Decimal:
    """Return the lowest multiple of `tick` that is not below `price`."""
    return (price / tick).to_integral_value(rounding=ROUND_CEILING) * tick


def years_between(start_ms: int, end_ms: int) -> float:
    """Return the years of 365 days between two market stamps, negative if `end_ms` is first."""
    return (end_ms - start_ms) / MS_PER_YEAR


def wire_to_market_ms(duration_ns: int, rate: float) -> int:
    """Convert a wire duration into market milliseconds, rounded up."""
    return math.ceil(duration_ns * rate / NS_PER_MS)
