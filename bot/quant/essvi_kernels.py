"""The search behind `essvi.calibrate`: expiry by expiry, each within what the last allows.

For a given correlation the bounds on psi are an interval, and for given rho and psi so are those on
theta; the error is smooth and has one valley in each. Nested line searches then need no
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
ROUNDS = 3
STEPS = 12  # of a golden section: the interval shrinks by 300
REFINEMENTS = 3  # of the sweep over rho, each four times as dense
RHO_MAX = 0.95
# Strictly inside every bound, so that a blend towards this surface opens a gap. Each must leave
# room for the next: sqrt(1 + THETA_SLACK) > 1 + PSI_SLACK.
THETA_SLACK = 4e-4
PSI_SLACK = 1e-4
BUTTERFLY_SLACK = 1e-3
PSI_MIN = 1e-6
THETA_MIN = 1e-10
# What it costs to change rho by 1, or psi / sqrt(theta) by itself, since the expiry before: decides
# what too few quotes leave open, and is lost among many.
PULL = 0.5
THETA_SPAN = 3.0  # theta is sought within this factor of the variance nearest the money


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
def _psi_bounds(theta: float, rho: float, last: FloatArray) -> tuple[float, float]:
    """Where psi has to be; the interval is empty if rho is not possible after `last`."""
    steep = 1.0 + abs(rho)
    most = min(4.0 / steep, 2.0 * math.sqrt(theta / steep)) * (1.0 - BUTTERFLY_SLACK)
    if last[0] <= 0.0:
        return PSI_MIN, most
    rise = max((1.0 + last[1]) / (1.0 + rho), (1.0 - last[1]) / (1.0 - rho))
    return last[2] * rise * (1.0 + PSI_SLACK), min(most, last[2] * theta / last[0])


@njit(**OPTIONS)
def _best_psi(
    k: FloatArray, w: FloatArray, weight: FloatArray, theta: float, rho: float, last: FloatArray
) -> tuple[float, float]:
    """The psi of least error at this theta and rho, and that error (infinite if there is none)."""
    low, high = _psi_bounds(theta, rho, last)
    if low > high:
        return low, math.inf
    left, right = high - GOLD * (high - low), low + GOLD * (high - low)
    at_left = _error(k, w, weight, theta, rho, left, last)
    at_right = _error(k, w, weight, theta, rho, right, last)
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLD * (high - low)
            at_left = _error(k, w, weight, theta, rho, left, last)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLD * (high - low)
            at_right = _error(k, w, weight, theta, rho, right, last)
    return (left, at_left) if at_left < at_right else (right, at_right)


@njit(**OPTIONS)
def _best_rho(
    k: FloatArray, w: FloatArray, weight: FloatArray, theta: float, last: FloatArray
) -> tuple[float, float]:
    """The rho and psi of least error at this theta.

    A coarse sweep first: what `last` allows is an interval around its own rho, outside of which
    there is no error to compare.
    """
    home = last[1] if last[0] > 0.0 else 0.0
    best_rho, best_psi, least = home, PSI_MIN, math.inf
    step = 0.1
    for refinement in range(REFINEMENTS):
        centre = best_rho
        reach = 10 if refinement == 0 else 3
        for j in range(-reach, reach + 1):
            rho = min(max(centre + step * j, -RHO_MAX), RHO_MAX)
            psi, error = _best_psi(k, w, weight, theta, rho, last)
            if error < least:
                best_rho, best_psi, least = rho, psi, error
        step *= 0.25
    return best_rho, best_psi if least < math.inf else last[2] * (1.0 + PSI_SLACK)


@njit(**OPTIONS)
def _best_theta(
    k: FloatArray, w: FloatArray, weight: FloatArray, at: FloatArray, last: FloatArray
) -> float:
    """The theta of least error at the rho and psi of `at`."""
    rho, psi = at[1], at[2]
    low = max(psi * psi * (1.0 + abs(rho)) / 4.0 * (1.0 + 3.0 * BUTTERFLY_SLACK), THETA_MIN)
    low = max(low, at[0] / THETA_SPAN)
    if last[0] > 0.0:
        low = max(low, last[0] * (1.0 + THETA_SLACK), last[0] * psi / last[2])
    high = max(low, at[0] * THETA_SPAN)
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
    """Fill (theta, rho, psi) of each expiry; those of expiry i lie in edges[i] to edges[i + 1]."""
    last = np.zeros(3)
    for i in range(out.shape[0]):
        first, end = edges[i], edges[i + 1]
        x, y, z = k[first:end], w[first:end], weight[first:end]
        at = out[i]
        at[0] = max(y[np.argmin(np.abs(x))], THETA_MIN)
        if last[0] > 0.0:
            at[0] = max(at[0], last[0] * (1.0 + THETA_SLACK))
        for _ in range(ROUNDS):
            at[1], at[2] = _best_rho(x, y, z, at[0], last)
            at[0] = _best_theta(x, y, z, at, last)
        last = at
