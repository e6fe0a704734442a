"""The loops behind `surface`: slices on a grid, and options between slices.

A slice is a row: years, then w(k) = a + c k + sum over h of b_h sqrt((k - m_h)**2 + s_h**2) as
(a, c, b_1 .. b_n, m_1 .. m_n, s_1 .. s_n).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, OPTIONS

FloatArray = NDArray[np.float64]

TERMS = 8
CENTRES = 3 + TERMS
WIDTHS = 3 + 2 * TERMS
COLUMNS = 3 + 3 * TERMS


@njit(**INLINED)
def curve(row: FloatArray, k: float) -> tuple[float, float, float]:
    """w(k), w'(k) and w''(k) of one slice."""
    w, first, second = row[1] + row[2] * k, row[2], 0.0
    for h in range(TERMS):
        x, s = k - row[CENTRES + h], row[WIDTHS + h]
        b, inverse = row[3 + h], 1.0 / math.sqrt(x * x + s * s)
        w += b * (x * x + s * s) * inverse
        first += b * x * inverse
        second += b * s * s * inverse * inverse * inverse
    return w, first, second


def curve_rows(out: FloatArray, rows: FloatArray, k: FloatArray) -> None:
    """Fill w, w' and w'' of slice i in rows 3 i, 3 i + 1 and 3 i + 2 of `out`."""
    for i in range(rows.shape[0]):
        for j in range(k.size):
            out[3 * i, j], out[3 * i + 1, j], out[3 * i + 2, j] = curve(rows[i], k[j])


@njit(**INLINED)
def density(k: float, w: float, first: float, second: float) -> float:
    """Durrleman's g; -inf where w is not positive."""
    drift = 1.0 - 0.5 * k * first / w
    g = drift * drift - 0.25 * first * first * (1.0 / w + 0.25) + 0.5 * second
    return g if w > 0.0 else -math.inf


def margin_rows(out: FloatArray, curves: FloatArray, k: FloatArray) -> None:
    """Fill, for each slice of `curves`, the least g and where, the least gap and where, g between.

    The gap is relative to the slice before, and g between half-way to it; see `arbitrage`.
    """
    for i in range(out.shape[0]):
        out[i] = math.inf
        for j in range(k.size):
            w, first, second = curves[3 * i, j], curves[3 * i + 1, j], curves[3 * i + 2, j]
            g, gap, between = density(k[j], w, first, second), 1.0, math.inf
            if i > 0:
                before, slope, bend = (
                    curves[3 * i - 3, j],
                    curves[3 * i - 2, j],
                    curves[3 * i - 1, j],
                )
                gap = (w - before) / before if before > 0.0 else -math.inf
                between = density(
                    k[j], 0.5 * (w + before), 0.5 * (first + slope), 0.5 * (second + bend)
                )
            if g < out[i, 0]:
                out[i, 0], out[i, 1] = g, k[j]
            if gap < out[i, 2]:
                out[i, 2], out[i, 3] = gap, k[j]
            out[i, 4] = min(out[i, 4], between)


@njit(**OPTIONS)
def _between(
    rows: FloatArray, forward_variance: float, k: float, t: float
) -> tuple[float, float, float, float]:
    """w, w', w'' in k and dw/dt at time t: linear between expiries, from 0 before the first."""
    count = rows.shape[0]
    after = 0
    while after < count and rows[after, 0] < t:
        after += 1
    if after == 0:
        w, first, second = curve(rows[0], k)
        share = t / rows[0, 0]
        return w * share, first * share, second * share, w / rows[0, 0]
    w, first, second = curve(rows[after - 1], k)
    left = t - rows[after - 1, 0]
    if after == count:
        return w + forward_variance * left, first, second, forward_variance
    later, later_first, later_second = curve(rows[after], k)
    width = rows[after, 0] - rows[after - 1, 0]
    share = left / width
    return (
        w + share * (later - w),
        first + share * (later_first - first),
        second + share * (later_second - second),
        (later - w) / width,
    )


def surface_rows(
    out: FloatArray,
    strike: FloatArray,
    forward: FloatArray,
    years: FloatArray,
    rows: FloatArray,
    tail: FloatArray,
) -> None:
    """Fill volatility, its derivatives (K, KK, F, T) and local variance; `tail` is one number."""
    for i in range(out.shape[1]):
        K, F, t = strike[i], forward[i], years[i]
        fits = (min(K, F, t) > 0.0) & (K + F + t < math.inf)
        K, F, t = K if fits else 1.0, F if fits else 1.0, t if fits else 1.0
        k = math.log(K / F)
        w, first, second, by_time = _between(rows, tail[0], k, t)
        vol = math.sqrt(w / t) if fits else math.nan
        half = 0.5 / (vol * t)
        slope = first * half
        bend = (second - 2.0 * t * slope * slope) * half
        g = density(k, w, first, second)
        out[0, i] = vol
        out[1, i] = slope / K
        out[2, i] = (bend - slope) / (K * K)
        out[3, i] = -slope / F
        out[4, i] = (by_time - vol * vol) * half
        out[5, i] = by_time / g if fits else math.nan
