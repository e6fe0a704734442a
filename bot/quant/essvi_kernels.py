"""The search behind `essvi.calibrate`: expiry by expiry, each within what the last allows.

For a given rho the bounds on psi are an interval, and for given rho and psi there is a least theta;
the error is smooth and has one valley in each. Nested line searches then need no
derivatives and cannot leave the bounds.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, OPTIONS

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uint64]

GOLD = 0.5 * (math.sqrt(5.0) - 1.0)
ROUNDS = 2
STEPS = 14  # of a golden section: the interval shrinks by 800
REFINEMENTS = 3  # of the sweep over rho, each four times as dense
RHO_MAX = 0.95
# Strictly inside every bound, so that a blend towards this surface opens a gap. Each must leave
# room for the next: sqrt(1 + THETA_SLACK) > 1 + PSI_SLACK.
THETA_SLACK = 2e-3
PSI_SLACK = 5e-4
BUTTERFLY_SLACK = 1e-3
PSI_MIN = 1e-3  # of the most: as good as flat
# What it costs to change rho by 1, or psi / sqrt(theta) by itself, since the expiry before: decides
# what too few quotes leave open, and is lost among many.
PULL = 0.5
THETA_SPAN = 3.0  # theta is sought within this factor of a good guess


@njit(**INLINED)
def essvi_variance(k: float, theta: float, rho: float, psi: float) -> float:
    """w(k) = (theta + rho psi k + sqrt((psi k + theta rho)**2 + theta**2 (1 - rho**2))) / 2."""
    shifted = psi * k + theta * rho
    root = math.sqrt(shifted * shifted + theta * theta * (1.0 - rho * rho))
    return 0.5 * (theta + rho * psi * k + root)


@njit(**OPTIONS)
def _error(  # noqa: PLR0917 (a kernel's arguments are positional)
    k: FloatArray, w: FloatArray, weight: FloatArray,
    theta: float, rho: float, psi: float, last: FloatArray,
) -> float:  # fmt: skip
    total = 0.0
    for i in range(k.size):
        miss = (essvi_variance(k[i], theta, rho, psi) - w[i]) * weight[i]
        total += miss * miss
    if last[0] > 0.0:
        turn = rho - last[1]
        growth = psi / last[2] * math.sqrt(last[0] / theta) - 1.0
        total += PULL * (turn * turn + growth * growth)
    return total


@njit(**OPTIONS)
def _psi_bounds(w: float, rho: float, last: FloatArray) -> tuple[float, float]:
    """Where psi has to be; the interval is empty if rho is not possible after `last`."""
    steep = 1.0 + abs(rho)
    most = 4.0 / steep * (1.0 - BUTTERFLY_SLACK)
    sane = min(most, 2.0 * math.sqrt(THETA_SPAN * w / steep))
    if last[0] <= 0.0:
        return PSI_MIN * sane, sane
    rise = max((1.0 + last[1]) / (1.0 + rho), (1.0 - last[1]) / (1.0 - rho))
    low = last[2] * rise * (1.0 + PSI_SLACK)
    return low, max(min(low, most), sane)


@njit(**OPTIONS)
def _theta_least(rho: float, psi: float, last: FloatArray) -> float:
    """The least theta that goes with this rho and psi."""
    low = psi * psi * (1.0 + abs(rho)) / 4.0 * (1.0 + 3.0 * BUTTERFLY_SLACK)
    if last[0] > 0.0:
        low = max(low, last[0] * (1.0 + THETA_SLACK), last[0] * psi / last[2])
    return low


@njit(**OPTIONS)
def _theta_through(k: float, w: float, rho: float, psi: float) -> float:
    """The theta of the slice that has variance w at k."""
    across = psi * k
    return w - rho * across - across * across * (1.0 - rho * rho) / (4.0 * w)


@njit(**OPTIONS)
def _error_at(  # noqa: PLR0917 (a kernel's arguments are positional)
    k: FloatArray, w: FloatArray, weight: FloatArray,
    anchor: FloatArray, rho: float, psi: float, last: FloatArray,
) -> float:  # fmt: skip
    """The error where theta is that of the anchor (k, w), or the nearest that is allowed."""
    theta = _theta_through(anchor[0], anchor[1], rho, psi)
    allowed = max(theta, _theta_least(rho, psi, last))
    error: float = _error(k, w, weight, allowed, rho, psi, last)
    return error


@njit(**OPTIONS)
def _best_psi(
    k: FloatArray, w: FloatArray, weight: FloatArray,
    anchor: FloatArray, rho: float, last: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """The psi of least error at this rho, and that error (infinite if there is none)."""
    low, high = _psi_bounds(anchor[1], rho, last)
    if low > high:
        return low, math.inf
    low, high = math.log(low), math.log(high)
    left, right = high - GOLD * (high - low), low + GOLD * (high - low)
    at_left = _error_at(k, w, weight, anchor, rho, math.exp(left), last)
    at_right = _error_at(k, w, weight, anchor, rho, math.exp(right), last)
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLD * (high - low)
            at_left = _error_at(k, w, weight, anchor, rho, math.exp(left), last)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLD * (high - low)
            at_right = _error_at(k, w, weight, anchor, rho, math.exp(right), last)
    best, least = (left, at_left) if at_left < at_right else (right, at_right)
    return math.exp(best), least


@njit(**OPTIONS)
def _best_rho(
    k: FloatArray, w: FloatArray, weight: FloatArray, anchor: FloatArray, last: FloatArray
) -> tuple[float, float]:
    """The rho and psi of least error.

    A coarse sweep first: what `last` allows is an interval around its own rho, outside of which
    there is no error to compare.
    """
    home = last[1] if last[0] > 0.0 else 0.0
    best_rho, best_psi, least = home, last[2] * (1.0 + PSI_SLACK), math.inf
    step = 0.1
    for refinement in range(REFINEMENTS):
        centre = best_rho
        reach = 10 if refinement == 0 else 3
        for j in range(-reach, reach + 1):
            rho = min(max(centre + step * j, -RHO_MAX), RHO_MAX)
            psi, error = _best_psi(k, w, weight, anchor, rho, last)
            if error < least:
                best_rho, best_psi, least = rho, psi, error
        step *= 0.25
    return best_rho, best_psi


@njit(**OPTIONS)
def _best_theta(
    k: FloatArray, w: FloatArray, weight: FloatArray, at: FloatArray, last: FloatArray
) -> float:
    """The theta of least error at the rho and psi of `at`, near the one there."""
    rho, psi = at[1], at[2]
    least = _theta_least(rho, psi, last)
    low = max(least, at[0] / THETA_SPAN)
    high = max(least, at[0] * THETA_SPAN)
    for _ in range(2 * STEPS):
        left, right = high - GOLD * (high - low), low + GOLD * (high - low)
        at_left = _error(k, w, weight, left, rho, psi, last)
        if at_left < _error(k, w, weight, right, rho, psi, last):
            high = right
        else:
            low = left
    best: float = high
    return best  # inside the bounds, as both ends are


def essvi_rows(
    out: FloatArray, edges: IndexArray, k: FloatArray, w: FloatArray, weight: FloatArray
) -> None:
    """Fill (theta, rho, psi) of each expiry; those of expiry i lie in edges[i] to edges[i + 1].

    While rho and psi are sought theta follows, so that the slice keeps its level where the quote
    nearest to the money is; then the level is sought, and so on.
    """
    last, anchor = np.zeros(3), np.empty(2)
    for i in range(out.shape[0]):
        first, end = edges[i], edges[i + 1]
        x, y, z = k[first:end], w[first:end], weight[first:end]
        nearest = np.argmin(np.abs(x))
        anchor[0], anchor[1] = x[nearest], y[nearest]
        at = out[i]
        for _ in range(ROUNDS):
            at[1], at[2] = _best_rho(x, y, z, anchor, last)
            through = _theta_through(anchor[0], anchor[1], at[1], at[2])
            at[0] = max(through, _theta_least(at[1], at[2], last))
            at[0] = _best_theta(x, y, z, at, last)
            anchor[1] = essvi_variance(anchor[0], at[0], at[1], at[2])
        last = at
