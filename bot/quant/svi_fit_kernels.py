"""The loops behind `svi_fit`: five parameters to the quotes of one expiry.

The slice is that of `svi_kernels`: (a, right, left, m, sigma), each with bounds of its own. From
the start of `svi_start_kernels`, Levenberg and Marquardt's steps (`svi_step_kernels`) take down

    cost = sum weight robust (sqrt(w(k) / years) - vol)**2,

where `robust` lessens quotes that stand far out, anew after each descent. To be free of butterfly
arbitrage, what g lacks on a table of nodes joins the residuals, ever dearer; what still remains is
taken back along a straight line to a slice that is known to be free.
"""

import math

import numpy as np
from numba import njit

from bot.quant.elementary import OPTIONS
from bot.quant.svi_kernels import (
    LEFT,
    PARAMETERS,
    REFINED,
    RIGHT,
    ROWS,
    SIGMA,
    VALUE_MIN,
    A,
    M,
    variance_at,
    worst_of,
)
from bot.quant.svi_start_kernels import VOL, WEIGHT, FloatArray, K, copy, median, start
from bot.quant.svi_step_kernels import BOUNDS, CENTRE, HIGH, LOW, MOST, descend

YEARS, SLOPE_CAP, MUST_BE_FREE = range(3)  # settings
G_MIN, G_MIN_AT, STEPS, HOW_FREE = range(PARAMETERS, PARAMETERS + 4)  # results, after the slice
RESULTS = PARAMETERS + 4
AS_FITTED, BY_PENALTY, TAKEN_BACK = range(3)  # how it became free

DESCENTS_MAX = 6  # each with new weights
FAR_OUT = 6.0  # robust standard deviations from which a quote counts less
REWEIGHTED = 0.2  # a larger relative change of some quote's weight is worth another descent
MAD = 1.4826
ERROR_MIN = 1e-5  # of a volatility: a quote is not far out for less
PENALTY_START, PENALTY_GROWTH, PENALTIES_MAX = 0.05, 10.0, 5
PENALTY_STRIDE = 6  # of the table's nodes
G_SAFE = 1e-4  # what is accepted as free: the table's nodes are closer than that
BISECTIONS = 24
SKEW_MAX, WITHIN = 0.95, 0.98  # of the bounds of SSVI
SIGMA_LEAST, SIGMA_MOST = 2e-3, 10.0  # of the strikes' span


@njit(**OPTIONS)
def _fill_bounds(bounds: FloatArray, quotes: FloatArray, cap: float) -> None:
    """Fill the least and most of each parameter, and what is known of the strikes."""
    low, high, weight, centre = math.inf, -math.inf, 0.0, 0.0
    for i in range(quotes.shape[1]):
        low, high = min(low, quotes[K, i]), max(high, quotes[K, i])
        weight += quotes[WEIGHT, i]
        centre += quotes[WEIGHT, i] * quotes[K, i]
    span = high - low
    bounds[A, LOW], bounds[A, HIGH] = -math.inf, math.inf
    bounds[RIGHT, LOW], bounds[RIGHT, HIGH] = 0.0, cap
    bounds[LEFT, LOW], bounds[LEFT, HIGH] = 0.0, cap
    bounds[M, LOW], bounds[M, HIGH] = low - span, high + span
    bounds[SIGMA, LOW], bounds[SIGMA, HIGH] = SIGMA_LEAST * span, SIGMA_MOST * span
    bounds[MOST, LOW], bounds[MOST, HIGH] = low, high
    bounds[CENTRE, LOW], bounds[CENTRE, HIGH] = centre / weight, weight


@njit(**OPTIONS)
def _reweigh(
    p: FloatArray, quotes: FloatArray, robust: FloatArray, off: FloatArray, years: float
) -> float:
    """Weigh quotes down by how far out they stand; the largest relative change of a weight."""
    n, weight = quotes.shape[1], 0.0
    for i in range(n):
        vol = math.sqrt(max(variance_at(p, quotes[K, i]), 0.0) / years)
        off[0, i] = math.sqrt(quotes[WEIGHT, i]) * abs(vol - quotes[VOL, i])
        off[1, i] = off[0, i]
        weight += quotes[WEIGHT, i]
    bound = FAR_OUT * max(MAD * median(off[1]), ERROR_MIN * math.sqrt(weight / n))
    change = 0.0
    for i in range(n):
        ratio = min(bound / max(off[0, i], VALUE_MIN), 1.0)
        change = max(change, abs(ratio * ratio - robust[i]) / max(ratio * ratio, robust[i]))
        robust[i] = ratio * ratio
    return change


@njit(**OPTIONS)
def _fill_flat(p: FloatArray, quotes: FloatArray, bounds: FloatArray, years: float) -> None:
    """Fill `p` with the mean variance of the quotes, without a smile."""
    total = 0.0
    for i in range(quotes.shape[1]):
        total += quotes[WEIGHT, i] * quotes[VOL, i] * quotes[VOL, i]
    p[A], p[RIGHT], p[LEFT] = total * years / bounds[CENTRE, HIGH], 0.0, 0.0
    p[M], p[SIGMA] = bounds[CENTRE, LOW], 0.25 * (bounds[MOST, HIGH] - bounds[MOST, LOW])


@njit(**OPTIONS)
def _fill_free(p: FloatArray, free: FloatArray) -> bool:
    """Fill `free` with a slice of SSVI: the level of `p` at the money, its wings as far as free.

    False if `p` has no level there, or no wings.
    """
    theta, psi = variance_at(p, 0.0), p[RIGHT] + p[LEFT]
    if not (theta > VALUE_MIN and psi > 0.0):
        return False
    rho = min(max((p[RIGHT] - p[LEFT]) / psi, -SKEW_MAX), SKEW_MAX)
    steepest = 1.0 + abs(rho)
    psi = WITHIN * min(psi, 4.0 / steepest, 2.0 * math.sqrt(theta / steepest))
    free[A] = 0.5 * theta * (1.0 - rho * rho)
    free[RIGHT], free[LEFT] = 0.5 * psi * (1.0 + rho), 0.5 * psi * (1.0 - rho)
    free[M], free[SIGMA] = -rho * theta / psi, math.sqrt(1.0 - rho * rho) * theta / psi
    return True


@njit(**OPTIONS)
def _take_back(
    p: FloatArray,
    free: FloatArray,
    flat: FloatArray,
    scratch: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[float, float]:
    """Move `p` towards `free` until it is free itself; its least g and where it is.

    Should `free` not be free after all, the flat smile is. Sigma moves by its logarithm.
    """
    nodes, near, g = scratch
    far, trial = p.copy(), np.empty(PARAMETERS)
    low, high, worst, worst_k = 0.0, 1.0, 1.0, 0.0
    copy(flat, p)
    for turn in range(BISECTIONS):
        share = 0.5 * (low + high) if turn > 0 else 0.0
        for i in range(PARAMETERS):
            trial[i] = free[i] + share * (far[i] - free[i])
        trial[SIGMA] = free[SIGMA] * math.exp(share * math.log(far[SIGMA] / free[SIGMA]))
        g_min, at = worst_of(trial, nodes, near, g)
        if g_min >= G_SAFE:
            low, worst, worst_k = share, g_min, at
            copy(trial, p)
        elif turn == 0:
            copy(flat, free)
        else:
            high = share
    return worst, worst_k


@njit(**OPTIONS)
def _fill_coarse(nodes: FloatArray, coarse: FloatArray) -> None:
    """Fill with one node in six: enough to be penalised at."""
    for i in range(ROWS):
        for j in range(coarse.shape[1]):
            coarse[i, j] = nodes[i, j * PENALTY_STRIDE]


def fit_rows(out: FloatArray, quotes: FloatArray, nodes: FloatArray, settings: FloatArray) -> None:
    """Fill row 0 with the results, row 1 with how much each quote counted (1: in full).

    `quotes` (3, n): log-moneyness of at least two strikes, volatility, weight, the last two
    positive; `nodes`: see `svi_kernels`; `settings`: years, the steepest wing, whether the slice
    must be free of butterfly arbitrage.
    """
    n, years = quotes.shape[1], settings[YEARS]
    p, flat, free = np.empty(PARAMETERS), np.empty(PARAMETERS), np.empty(PARAMETERS)
    robust, off, bounds = np.ones(n), np.empty((2, n)), np.empty((BOUNDS, 2))
    near, g = np.empty((ROWS, 2 * REFINED + 1)), np.empty(nodes.shape[1])
    coarse = np.empty((ROWS, (nodes.shape[1] - 1) // PENALTY_STRIDE + 1))
    _fill_coarse(nodes, coarse)
    _fill_bounds(bounds, quotes, settings[SLOPE_CAP])
    _fill_flat(flat, quotes, bounds, years)
    copy(flat, p)
    start(p, quotes, (bounds[MOST, LOW], bounds[MOST, HIGH]), settings[SLOPE_CAP], years)
    change, steps, how, penalty = _reweigh(p, quotes, robust, off, years), 0, AS_FITTED, 0.0
    worst, worst_k = -math.inf, math.nan
    for descent in range(DESCENTS_MAX + PENALTIES_MAX):
        steps += descend(p, quotes, robust, bounds, years, coarse, penalty)
        if how == AS_FITTED:
            change = _reweigh(p, quotes, robust, off, years)
            if change >= REWEIGHTED and descent + 1 < DESCENTS_MAX:
                continue
        worst, worst_k = worst_of(p, nodes, near, g)
        if worst >= G_SAFE or settings[MUST_BE_FREE] == 0.0:
            break
        how = BY_PENALTY
        penalty = max(PENALTY_GROWTH * penalty, PENALTY_START * bounds[CENTRE, HIGH])
    if settings[MUST_BE_FREE] > 0.0 and not worst >= G_SAFE:
        how = TAKEN_BACK
        if not _fill_free(p, free):
            copy(flat, free)
        worst, worst_k = _take_back(p, free, flat, (nodes, near, g))
    for i in range(PARAMETERS):
        out[0, i] = p[i]
    out[0, G_MIN], out[0, G_MIN_AT], out[0, STEPS], out[0, HOW_FREE] = worst, worst_k, steps, how
    for i in range(n):
        out[1, i] = robust[i]
