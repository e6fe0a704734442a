"""What a dollar at an option's expiry is worth today, learned from the venue's own marks.

A linear option's mark is df Black(forward, strike, time, volatility), and the venue tells all of it
but df. Each well-conditioned quote of an expiry therefore tells its discount factor; their weighted
median is taken, so that no single odd mark counts. On recorded linear chains (December 2025) it is
that of put-call parity to 3e-5 beyond a week, and to 3e-4 on the last days, where it matters least.
Inverse options pay in coin: their factor is 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bot.core import units
from bot.core.columns import Flags, Floats, Held, OptionTable, Stamps
from bot.core.immutable import remembered
from bot.quant import black76

REFRESH_NS = units.NS_PER_SECOND  # rates move in hours; a second saves the tick path the work
# The venue publishes volatilities in steps of 0.01 %, a mark in steps of a cent or less.
VOL_ERROR = 5e-5
MARK_ERROR_USD = 0.005
ERROR_MAX = 1e-3
RATE_MAX = 0.5  # a year; whatever says more is an odd mark, not a rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expiry:
    """The linear options of one underlying, currency and expiry that have been quoted."""

    family: tuple[str, str]
    years: float
    rows: Stamps


def learned(table: OptionTable, now_ms: int, now_ns: int) -> OptionTable:
    """Return the table with discount factors no older than `REFRESH_NS`, one for each quoted row.

    An expiry without a well-conditioned quote takes the rate of the nearest one that has it, and 1
    where no expiry of its underlying and currency does.
    """
    if not table.held.has_linear:
        return table
    if table.is_learned and now_ns - table.learned_ns < REFRESH_NS:
        return table
    quoted = np.isfinite(table.mark) & np.isfinite(table.forward_usd)
    discount = table.discount.copy()
    expiries = list(_expiries(table, quoted, now_ms))
    rates = [_rate(table, one) for one in expiries]
    for one, rate in zip(expiries, rates, strict=True):
        kept = _nearest(one, expiries, rates) if rate is None else rate
        discount[one.rows] = np.exp(-kept * one.years)
    discount.setflags(write=False)
    return replace(table, discount=discount, is_learned=True, learned_ns=now_ns)


def _expiries(table: OptionTable, quoted: Flags, now_ms: int) -> Iterator[_Expiry]:
    for (underlying, currency, expiry_ms), rows in _linear_rows(table.held):
        told = rows[quoted[rows]]
        if len(told):
            years = max(expiry_ms - now_ms, 0) / units.MS_PER_YEAR
            yield _Expiry(family=(underlying, currency), years=years, rows=told)


@remembered
def _linear_rows(held: Held) -> tuple[tuple[tuple[str, str, int], Stamps], ...]:
    """Return the rows of the linear options by underlying, currency and expiry."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row in held.is_linear.nonzero()[0].tolist():
        key = (held.underlyings[row], held.currencies[row], int(held.expiry_ms[row]))
        groups.setdefault(key, []).append(row)
    return tuple((key, np.array(rows, dtype=np.int64)) for key, rows in sorted(groups.items()))


def _rate(table: OptionTable, one: _Expiry) -> float | None:
    """Return the rate a year that an expiry's marks tell, None where they cannot."""
    if one.years <= 0.0:
        return 0.0
    rows = one.rows
    seen = black76.greeks(
        table.forward_usd[rows],
        table.held.strike[rows],
        one.years,
        table.iv[rows],
        table.held.is_call[rows],
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = table.mark[rows] / seen.price
        error = (seen.vega * VOL_ERROR + MARK_ERROR_USD) / seen.price
    bound = RATE_MAX * one.years
    good = (error < ERROR_MAX) & (np.abs(np.log(np.maximum(factor, 1e-9))) <= bound + error)
    if not good.any():
        return None
    return float(-np.log(_weighted_median(factor[good], 1.0 / error[good])) / one.years)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])])


def _nearest(one: _Expiry, expiries: list[_Expiry], rates: list[float | None]) -> float:
    known = [
        (abs(other.years - one.years), rate)
        for other, rate in zip(expiries, rates, strict=True)
        if rate is not None and other.family == one.family and other.years > 0.0
    ]
    return min(known)[1] if known else 0.0
