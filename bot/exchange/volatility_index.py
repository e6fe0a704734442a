"""A volatility index of thirty days, computed from the marks of a chain.

For an expiry with forward F in T years, the variance that its out-of-the-money options imply is

    s^2 = 2/T sum_i dK_i / K_i^2 Q(K_i) - 1/T (F / K_0 - 1)^2

with Q the undiscounted mark in USD (a put's below K_0, a call's above, their mean at it), K_0 the
highest strike not above F and dK half the distance between the neighbours. The two expiries around
thirty days are interpolated linearly in total variance s^2 T; outside them the nearest holds. The
index is 100 sqrt(variance of a year). Source: the published method of the Cboe VIX, which the
venue's DVOL follows in spirit; its own rounding and smoothing are not published in full. Strikes
end where the ladder ends, so that the far wings are missing: a point or so too low in wild markets.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.exchange.market import BoolArray, FloatArray, IntArray

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
TENOR_MS: Final = 30 * DAY_MS
EXPIRY_MS_MIN: Final = 2 * DAY_MS  # nearer ones say more about gamma than about volatility
STRIKES_MIN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """The marks of one coin's options, by column. `value_usd` is undiscounted, a coin's worth."""

    expiry_ms: IntArray
    strike: FloatArray
    is_call: BoolArray
    forward: FloatArray
    value_usd: FloatArray


def variance_of_expiry(chain: Chain, expiry_ms: int, at_ms: int) -> float | None:
    """The variance of a year that one expiry implies; None if its ladder is too short."""
    of_expiry = chain.expiry_ms == expiry_ms
    strikes = np.unique(chain.strike[of_expiry])
    if len(strikes) < STRIKES_MIN:
        return None
    forward = float(chain.forward[of_expiry][0])
    middle = int(np.searchsorted(strikes, forward, side="right")) - 1
    if middle < 0:
        return None
    pivot = float(strikes[middle])
    values = np.zeros(len(strikes))
    weights = np.zeros(len(strikes))
    rows = np.flatnonzero(of_expiry)
    for row, place in zip(rows, np.searchsorted(strikes, chain.strike[rows]), strict=True):
        if place == middle or bool(chain.is_call[row]) is bool(strikes[place] > pivot):
            values[place] += chain.value_usd[row]
            weights[place] += 1.0
    values /= np.maximum(weights, 1.0)
    years = (expiry_ms - at_ms) / YEAR_MS
    body = float(np.sum(np.gradient(strikes) / strikes**2 * values))
    return max(2.0 / years * body - (forward / pivot - 1.0) ** 2 / years, 0.0)


def _variances(chain: Chain, at_ms: int) -> Iterator[tuple[int, float]]:
    """(time to expiry, variance of a year) of the expiries that count, nearest first."""
    later = np.unique(chain.expiry_ms[chain.expiry_ms >= at_ms + EXPIRY_MS_MIN])
    place = int(np.searchsorted(later, at_ms + TENOR_MS))
    for expiry_ms in later[max(place - 1, 0) : place + 1]:
        variance = variance_of_expiry(chain, int(expiry_ms), at_ms)
        if variance is not None:
            yield int(expiry_ms) - at_ms, variance


def volatility_index(chain: Chain, at_ms: int) -> float | None:
    """The index in percent a year; None without an expiry that could say."""
    known = list(_variances(chain, at_ms))
    if not known:
        return None
    spans = np.array([span for span, _ in known], dtype=np.float64)
    totals = np.array([variance * span / YEAR_MS for span, variance in known])
    if len(known) == 1:
        return 100.0 * math.sqrt(known[0][1])
    slope = (TENOR_MS - spans[0]) / (spans[1] - spans[0])
    if not 0.0 <= slope <= 1.0:
        return 100.0 * math.sqrt(known[0][1])
    total = totals[0] + slope * (totals[1] - totals[0])
    return 100.0 * math.sqrt(float(total) * YEAR_MS / TENOR_MS)
