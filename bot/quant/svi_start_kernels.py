"""Where the fit of a slice starts: the best of a coarse grid of (m, sigma).

Given these two the other three parameters are a linear problem with bounds: Zeliade Systems,
"Quasi-explicit calibration of Gatheral's SVI model" (2009). It is solved for least absolute errors,
so that a wild quote does not choose where the smile bends.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import OPTIONS
from bot.quant.svi_kernels import LEFT, PARAMETERS, RIGHT, SIGMA, VALUE_MIN, A, M

FloatArray = NDArray[np.float64]
Scratch = tuple[FloatArray, FloatArray, FloatArray]

K, VOL, WEIGHT = range(3)  # rows of the quotes

LINEAR = 3  # a, right and left, given m and sigma
UP, DOWN, VARIANCE, SHARE, SCALE, OFF = range(6)  # rows of what is known of the quotes
STARTS_M, STARTS_SIGMA = 7, 6
SIGMA_LEAST = 1.0 / 40.0  # of the strikes' span
REWEIGHTINGS = 3
ERROR_MIN = 1e-5  # of a volatility: exact enough


@njit(**OPTIONS)
def copy(source: FloatArray, target: FloatArray) -> None:
    """Fill `target`; a slice assignment would do, and take far longer to compile."""
    for i in range(len(source)):
        target[i] = source[i]


@njit(**OPTIONS)
def median(values: FloatArray) -> float:
    """The middle one, or the upper of two; sorts in place, as there are few."""
    for i in range(1, len(values)):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return float(values[len(values) // 2])


@njit(**OPTIONS)
def solve(matrix: FloatArray, right: FloatArray, x: FloatArray) -> bool:
    """Solve matrix x = right by Cholesky's method, in place; False if it is not definite."""
    n = len(x)
    for j in range(n):
        for i in range(j, n):
            total = matrix[i, j]
            for q in range(j):
                total -= matrix[i, q] * matrix[j, q]
            if i == j:
                if not total > 0.0:
                    return False
                matrix[j, j] = math.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(n):
        total = right[i]
        for q in range(i):
            total -= matrix[i, q] * x[q]
        x[i] = total / matrix[i, i]
    for i in range(n - 1, -1, -1):
        total = x[i]
        for q in range(i + 1, n):
            total -= matrix[q, i] * x[q]
        x[i] = total / matrix[i, i]
    return True


@njit(**OPTIONS)
def hold(matrix: FloatArray, right: FloatArray, at: int, value: float) -> None:
    """Make the equations answer `value` for the unknown `at`."""
    for i in range(len(right)):
        matrix[i, at] = matrix[at, i] = 0.0
    matrix[at, at], right[at] = 1.0, value


@njit(**OPTIONS)
def _fill_sums(rows: FloatArray, full: FloatArray) -> None:
    """Fill the normal equations of a, right and left; the fourth column is the right-hand side."""
    for i in range(LINEAR):
        for j in range(LINEAR + 1):
            full[i, j] = 0.0
    for i in range(rows.shape[1]):
        up, down, w, weight = rows[UP, i], rows[DOWN, i], rows[VARIANCE, i], rows[SHARE, i]
        full[0, 0] += weight
        full[1, 0] += weight * up
        full[2, 0] += weight * down
        full[1, 1] += weight * up * up
        full[2, 1] += weight * up * down
        full[2, 2] += weight * down * down
        full[0, 3] += weight * w
        full[1, 3] += weight * w * up
        full[2, 3] += weight * w * down
    full[0, 1], full[0, 2], full[1, 2] = full[1, 0], full[2, 0], full[2, 1]


@njit(**OPTIONS)
def _solve_bounded(p: FloatArray, cap: float, full: FloatArray, scratch: Scratch) -> bool:
    """Fill a, right and left: a slope outside [0, cap] is put there and the rest solved again."""
    matrix, right, x = scratch
    held_right = held_left = math.nan
    for _ in range(LINEAR):
        for i in range(LINEAR):
            right[i] = full[i, LINEAR]
            right[i] -= full[i, 1] * held_right if held_right >= 0.0 else 0.0
            right[i] -= full[i, 2] * held_left if held_left >= 0.0 else 0.0
            for j in range(LINEAR):
                matrix[i, j] = full[i, j]
        if held_right >= 0.0:
            hold(matrix, right, 1, held_right)
        if held_left >= 0.0:
            hold(matrix, right, 2, held_left)
        if not solve(matrix, right, x):
            return False
        inside = 0.0 <= x[1] <= cap and 0.0 <= x[2] <= cap
        if not 0.0 <= x[1] <= cap:
            held_right = min(max(x[1], 0.0), cap)
        if not 0.0 <= x[2] <= cap:
            held_left = min(max(x[2], 0.0), cap)
        if inside:
            break
    p[A] = x[0]
    p[RIGHT], p[LEFT] = min(max(x[1], 0.0), cap), min(max(x[2], 0.0), cap)
    return True


@njit(**OPTIONS)
def _try(
    p: FloatArray,
    quotes: FloatArray,
    rows: FloatArray,
    full: FloatArray,
    cap: float,
    scratch: Scratch,
) -> float:
    """Fill a, right and left for the m and sigma of `p`; the mean absolute error of volatility.

    Infinite where there is no such slice with a variance at every quote. `rows`: see `start`.
    """
    n, error = quotes.shape[1], math.inf
    for i in range(n):
        h = quotes[K, i] - p[M]
        r = math.sqrt(h * h + p[SIGMA] * p[SIGMA])
        rows[UP, i], rows[DOWN, i] = 0.5 * (r + h), 0.5 * (r - h)
        rows[SHARE, i] = quotes[WEIGHT, i] * rows[SCALE, i] * rows[SCALE, i]
    for _ in range(1 + REWEIGHTINGS):
        _fill_sums(rows, full)
        if not _solve_bounded(p, cap, full, scratch):
            return math.inf
        total, weight = 0.0, VALUE_MIN
        for i in range(n):
            w = p[A] + p[RIGHT] * rows[UP, i] + p[LEFT] * rows[DOWN, i]
            rows[OFF, i] = abs(w - rows[VARIANCE, i]) * rows[SCALE, i] if w > 0.0 else math.inf
            total += quotes[WEIGHT, i] * rows[OFF, i]
            weight += quotes[WEIGHT, i]
        error = total / weight
        if not ERROR_MIN < error < math.inf:
            break
        # Least absolute errors by weights: one wild quote must not choose the start.
        for i in range(n):
            share = quotes[WEIGHT, i] * rows[SCALE, i] * rows[SCALE, i]
            rows[SHARE, i] = share / (rows[OFF, i] + 0.1 * error)
    return error


@njit(**OPTIONS)
def start(
    p: FloatArray, quotes: FloatArray, span: tuple[float, float], cap: float, years: float
) -> None:
    """Fill `p` with the best slice of the grid, if there is one.

    m lies within the `span` of the strikes, sigma between a fortieth of it and once; wings are no
    steeper than `cap`.
    """
    rows, trial, full = np.empty((6, quotes.shape[1])), np.empty(PARAMETERS), np.empty((3, 4))
    scratch = np.empty((LINEAR, LINEAR)), np.empty(LINEAR), np.empty(LINEAR)
    for i in range(quotes.shape[1]):
        rows[VARIANCE, i] = quotes[VOL, i] * quotes[VOL, i] * years
        rows[OFF, i] = quotes[VOL, i]
    usual = median(rows[OFF])
    for i in range(quotes.shape[1]):
        # Variance to volatility; a quote that is far too low must not count the more for it.
        rows[SCALE, i] = 0.5 / (years * max(quotes[VOL, i], usual))
    best, width = math.inf, span[1] - span[0]
    for i in range(STARTS_M):
        for j in range(STARTS_SIGMA):
            trial[M] = span[0] + width * (i + 0.5) / STARTS_M
            trial[SIGMA] = width * SIGMA_LEAST ** (1.0 - j / (STARTS_SIGMA - 1.0))
            error = _try(trial, quotes, rows, full, cap, scratch)
            if error < best:
                best = error
                copy(trial, p)
