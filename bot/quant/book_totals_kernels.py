"""The loop behind `book_totals`: options valued and added up in one pass, none of them kept.

Imported only when the kernel is wanted.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.black76_kernels import checked, priced
from bot.quant.conventions import SETTLEMENT_WINDOW_MS
from bot.quant.elementary import INLINED, OPTIONS, log_ratio, two_abreast, use_widest_vectors

FloatArray = NDArray[np.float64]
StampArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MS_PER_YEAR = 365.0 * 86_400_000.0
WINDOW_MS = float(SETTLEMENT_WINDOW_MS)
# Sums may be regrouped, so that they are taken a vector at a time. How depends on the number of
# options alone: the same columns always give the same totals.
SUMS = {**OPTIONS, "fastmath": {"nsz", "contract", "reassoc"}}


@njit(**INLINED)
def _terms(
    f: float, k: float, s: float, df: float, left_ms: float, marks: tuple[bool, bool]
) -> tuple[float, float, float, float, float]:
    """Value, delta, gamma, vega and theta of one coin of an option.

    As `book_totals` defines them. `marks` are whether it is a call, and whether it settles in
    dollars.
    """
    is_call, is_linear = marks
    t, weight = left_ms / MS_PER_YEAR, min(left_ms / WINDOW_MS, 1.0)
    root = math.sqrt(t)
    undiscounted, own, _, density, _, _, over = priced(f, k, log_ratio(f, k), s, root, is_call)
    df = checked(f, k, t, s, df)
    bell = df * density
    price, delta = df * undiscounted, (df if is_call else -df) * own
    value = price if is_linear else price / f
    moving = delta * f if is_linear else delta - value
    bend = bell * over * f * (f if is_linear else 1.0)
    theta = -0.5 * bell * f * s * s * over * f
    return value, weight * moving, weight * weight * bend, bell * f * root, theta


@njit(**SUMS)
def _added(
    out: FloatArray,
    columns: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    is_call: BoolArray,
    stamps: tuple[StampArray, StampArray],
    moment: tuple[int, int, bool],
) -> None:
    use_widest_vectors()
    size, strike, forward, vol, discount = columns
    expiry_ms, quoted_ns = stamps
    now_ms, oldest_ns, is_linear = moment
    value, delta, gamma, vega, theta, stale = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(size)):
        q, left_ms = size[i], float(max(expiry_ms[i] - now_ms, 0))
        one = _terms(forward[i], strike[i], vol[i], discount[i], left_ms, (is_call[i], is_linear))
        value += q * one[0]
        delta += q * one[1]
        gamma += q * one[2]
        vega += q * one[3]
        theta += q * one[4]
        stale += 1.0 if quoted_ns[i] < oldest_ns else 0.0
    two_abreast()
    out[0], out[1], out[2], out[3], out[4], out[5] = value, delta, gamma, vega, theta, stale


def totals(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    size: FloatArray,
    strike: FloatArray,
    expiry_ms: StampArray,
    is_call: BoolArray,
    forward: FloatArray,
    vol: FloatArray,
    discount: FloatArray,
    quoted_ns: StampArray,
    now_ms: int,
    oldest_ns: int,
    is_linear: bool,
) -> None:
    """Fill value, delta, gamma, vega, theta, and how many quotes are older than `oldest_ns`."""
    columns = (size, strike, forward, vol, discount)
    _added(out, columns, is_call, (expiry_ms, quoted_ns), (now_ms, oldest_ns, is_linear))
