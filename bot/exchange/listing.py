"""Which options are listed: the venue's calendar of expiries, and ladders of strikes.

Expiries are at 08:00 UTC: the next days, Fridays, ends of months (their last Friday) and ends of
quarters. A ladder keeps the step it was listed with and grows when the forward runs away from it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from bot.exchange.contracts import EXPIRY_HOUR_UTC, FRIDAY
from bot.exchange.market import FloatArray

DAYS_LISTED: Final = 3
FRIDAYS_LISTED: Final = 3
MONTHS_LISTED: Final = 2
QUARTERS_LISTED: Final = 4
LADDER_DEVIATIONS: Final = 2.8
LADDER_HALF_WIDTH_MIN: Final = 0.06
LADDER_HALF_WIDTH_MAX: Final = 0.65


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladders:
    """How a pair's strikes are laid: the steps to choose from, and how many a side of the money.

    A new ladder has `strikes_a_side`; it grows once fewer than `strikes_a_side_min` are left.
    """

    steps_usd: tuple[float, ...]
    strikes_a_side: int
    strikes_a_side_min: int


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


def strike_step_usd(rules: Ladders, forward_usd: float, deviation: float) -> float:
    """The step of a new ladder, for a forward whose log deviates by `deviation` until expiry."""
    half = min(max(LADDER_DEVIATIONS * deviation, LADDER_HALF_WIDTH_MIN), LADDER_HALF_WIDTH_MAX)
    wanted = half * forward_usd / rules.strikes_a_side
    return min(rules.steps_usd, key=lambda step: abs(np.log(step / wanted)))


def ladder(
    rules: Ladders, forward_usd: float, step_usd: float, listed: frozenset[float]
) -> frozenset[float]:
    """Strikes after looking at the forward: `listed` ones stay, missing ones near it are added."""
    middle, side = round(forward_usd / step_usd), rules.strikes_a_side
    full = {(middle + at) * step_usd for at in range(-side, side + 1)}
    full = {strike for strike in full if strike > 0.0}
    if not listed:
        return frozenset(full)
    strikes: FloatArray = np.array(sorted(listed))
    below = int(np.sum(strikes < forward_usd))
    if min(below, len(strikes) - below) >= rules.strikes_a_side_min:
        return listed
    lowest, highest = min(full | listed), max(full | listed)
    count = round((highest - lowest) / step_usd)
    return frozenset(lowest + at * step_usd for at in range(count + 1))
