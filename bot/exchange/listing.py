"""Which options are listed: the venue's calendar of expiries, and ladders of strikes.

Expiries are at 08:00 UTC: the next days, Fridays, ends of months (their last Friday) and ends of
quarters. A ladder keeps the step it was listed with and grows when the forward runs away from it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from bot.exchange.contracts import EXPIRY_HOUR_UTC
from bot.exchange.market import FloatArray

DAYS_LISTED: Final = 3
FRIDAYS_LISTED: Final = 3
MONTHS_LISTED: Final = 2
QUARTERS_LISTED: Final = 2
FRIDAY: Final = 4
STRIKES_A_SIDE: Final = 12
STRIKES_A_SIDE_MIN: Final = 8
STRIKE_STEPS_USD: Final = (250.0, 500.0, 1000.0, 2000.0, 2500.0, 5000.0, 10_000.0)
LADDER_DEVIATIONS: Final = 2.8
LADDER_HALF_WIDTH_MIN: Final = 0.06
LADDER_HALF_WIDTH_MAX: Final = 0.65


def expiries_at(now_ms: int) -> tuple[int, ...]:
    """Expiries (epoch milliseconds, ascending) listed at market time `now_ms`."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    today = now.date()
    first = today if now < _expiry(today) else today + timedelta(days=1)
    days = [first + timedelta(days=ahead) for ahead in range(DAYS_LISTED)]
    friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7)
    fridays = [friday + timedelta(weeks=ahead) for ahead in range(FRIDAYS_LISTED)]
    month_ends = [
        end
        for ahead in range(MONTHS_LISTED + 3 * QUARTERS_LISTED + 3)
        if (end := _last_friday(first.year, first.month + ahead)) >= first
    ]
    quarters = [end for end in month_ends if end.month % 3 == 0]
    listed = {*days, *fridays, *month_ends[:MONTHS_LISTED], *quarters[:QUARTERS_LISTED]}
    return tuple(sorted(int(_expiry(day).timestamp()) * 1000 for day in listed))


def _expiry(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, EXPIRY_HOUR_UTC, tzinfo=UTC)


def _last_friday(year: int, month: int) -> date:
    after = date(year + month // 12, month % 12 + 1, 1)  # the first of the month that follows
    return after - timedelta(days=(after.weekday() - FRIDAY - 1) % 7 + 1)


def strike_step_usd(forward_usd: float, deviation: float) -> float:
    """The step of a new ladder, for a forward whose log deviates by `deviation` until expiry."""
    half = min(max(LADDER_DEVIATIONS * deviation, LADDER_HALF_WIDTH_MIN), LADDER_HALF_WIDTH_MAX)
    wanted = half * forward_usd / STRIKES_A_SIDE
    return min(STRIKE_STEPS_USD, key=lambda step: abs(np.log(step / wanted)))


def ladder(forward_usd: float, step_usd: float, listed: frozenset[float]) -> frozenset[float]:
    """Strikes after looking at the forward: `listed` ones stay, missing ones near it are added.

    A new ladder has 12 strikes a side; a listed one grows once fewer than 8 are left on a side.
    """
    middle = round(forward_usd / step_usd)
    full = {(middle + at) * step_usd for at in range(-STRIKES_A_SIDE, STRIKES_A_SIDE + 1)}
    full = {strike for strike in full if strike > 0.0}
    if not listed:
        return frozenset(full)
    strikes: FloatArray = np.array(sorted(listed))
    below = int(np.sum(strikes < forward_usd))
    if min(below, len(strikes) - below) >= STRIKES_A_SIDE_MIN:
        return listed
    lowest, highest = min(full | listed), max(full | listed)
    count = round((highest - lowest) / step_usd)
    return frozenset(lowest + at * step_usd for at in range(count + 1))
