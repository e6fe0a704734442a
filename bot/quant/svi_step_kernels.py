"""Levenberg and Marquardt's descent over the five parameters of an SVI slice.

The normal equations are gathered in (a, right, left, m, ln sigma). Wings, level and sigma trade off
along a curved valley, in which steps would be short; level, slope and curvature of w at one strike
do not. Steps are therefore taken in (w, w', w'' at the quotes' centre, m, ln sigma), except while a
wing is held at its bound.
"""

import math

import numpy as np
from numba import njit

from bot.quant.elementary import OPTIONS
from bot.quant.svi_kernels import (
    BEND,
    DOWN,
    LEFT,
    LOWER,
    PARAMETERS,
    RIGHT,
    SIGMA,
    SINH,
    UP,
    UPPER,
    VALUE_MIN,
    A,
    M,
    fill_g,
    variance_at,
)
from bot.quant.svi_start_kernels import VOL, WEIGHT, FloatArray, K, Scratch, copy, hold, solve

MOST, CENTRE = PARAMETERS, PARAMETERS + 1  # rows after those of the parameters: strikes, quotes
BOUNDS = PARAMETERS + 2
LOW, HIGH = 0, 1  # of CENTRE: its log-moneyness, and the sum of weights

STEPS_MAX = 40
SETTLED = 1e-7  # relative decrease of the cost
EXACT = 1e-18  # mean squared error that needs no further step
DAMPING_START, DAMPING_MIN, DAMPING_MAX = 1e-2, 1e-12, 1e10
DAMPING_LESS, DAMPING_MORE = 0.1, 8.0
LOG_STEP_MAX = 1.0  # of sigma
G_MARGIN = 2e-3  # of Durrleman's g: less is penalised


@njit(**OPTIONS)
def _error(p: FloatArray, quotes: FloatArray, robust: FloatArray, years: float) -> float:
    """The weighted sum of squares; infinite where some quote would have no variance."""
    total = 0.0
    for i in range(quotes.shape[1]):
        w = variance_at(p, quotes[K, i])
        off = math.sqrt(max(w, 0.0) / years) - quotes[VOL, i]
        total += quotes[WEIGHT, i] * robust[i] * off * off if w > VALUE_MIN else math.inf
    return total


@njit(**OPTIONS)
def _lack(p: FloatArray, nodes: FloatArray, g: FloatArray) -> float:
    """The sum of squares of what g lacks at the nodes; fills `g`."""
    fill_g(p, nodes, g)
    total = 0.0
    for i in range(nodes.shape[1]):
        lack = max(G_MARGIN - g[i], 0.0)
        total += lack * lack
    return total


@njit(**OPTIONS)
def _clear(into: Scratch) -> None:
    """Empty the normal equations."""
    for i in range(PARAMETERS):
        into[1][i] = 0.0
        for j in range(PARAMETERS):
            into[0][i, j] = 0.0


@njit(**OPTIONS)
def _add(normal: FloatArray, gradient: FloatArray, row: FloatArray, off: float, by: float) -> None:
    """Add one residual with its derivatives to the normal equations."""
    for i in range(PARAMETERS):
        gradient[i] += by * row[i] * off
        for j in range(PARAMETERS):
            normal[i, j] += by * row[i] * row[j]


@njit(**OPTIONS)
def _add_quotes(
    p: FloatArray,
    quotes: FloatArray,
    robust: FloatArray,
    years: float,
    into: Scratch,
) -> None:
    """Add the quotes, in terms of volatility, to the normal equations."""
    normal, gradient, row = into
    sigma = p[SIGMA]
    for i in range(quotes.shape[1]):
        h = quotes[K, i] - p[M]
        r = math.sqrt(h * h + sigma * sigma)
        up, down = 0.5 * (r + h), 0.5 * (r - h)
        vol = math.sqrt((p[A] + p[RIGHT] * up + p[LEFT] * down) / years)
        scale = 0.5 / (years * vol)
        row[A], row[RIGHT], row[LEFT] = scale, scale * up, scale * down
        row[M] = scale * (p[LEFT] * down - p[RIGHT] * up) / r
        row[SIGMA] = scale * 0.5 * (p[RIGHT] + p[LEFT]) * sigma * sigma / r
        _add(normal, gradient, row, vol - quotes[VOL, i], quotes[WEIGHT, i] * robust[i])


@njit(**OPTIONS)
def _add_lack(
    p: FloatArray,
    nodes: FloatArray,
    g: FloatArray,
    penalty: float,
    into: Scratch,
) -> None:
    """Add what g lacks at the nodes, each at its u, to the normal equations."""
    normal, gradient, row = into
    sigma, both = p[SIGMA], p[RIGHT] + p[LEFT]
    for i in range(nodes.shape[1]):
        if not -math.inf < g[i] < G_MARGIN:
            continue
        rest = sigma * (p[RIGHT] * nodes[UP, i] + p[LEFT] * nodes[DOWN, i])
        w, slope = p[A] + rest, p[RIGHT] * nodes[UPPER, i] - p[LEFT] * nodes[LOWER, i]
        k, bend = p[M] + sigma * nodes[SINH, i], 0.5 * nodes[BEND, i] / sigma
        drift = 1.0 - 0.5 * k * slope / w
        by_w = (drift * k * slope + 0.25 * slope * slope) / (w * w)
        by_slope = -drift * k / w - 0.5 * slope * (1.0 / w + 0.25)
        by_k = -drift * slope / w
        row[A], row[M] = by_w, by_k
        row[RIGHT] = by_w * sigma * nodes[UP, i] + by_slope * nodes[UPPER, i] + bend
        row[LEFT] = by_w * sigma * nodes[DOWN, i] - by_slope * nodes[LOWER, i] + bend
        row[SIGMA] = by_w * rest + by_k * sigma * nodes[SINH, i] - both * bend
        _add(normal, gradient, row, g[i] - G_MARGIN, penalty)


@njit(**OPTIONS)
def _fill_turn(p: FloatArray, k: float, turn: FloatArray) -> None:
    """Fill d(a, right, left, m, ln sigma) / d(w(k), w'(k), w''(k), m, ln sigma), where not 0."""
    h, square = k - p[M], p[SIGMA] * p[SIGMA]
    b, tilt = 0.5 * (p[RIGHT] + p[LEFT]), 0.5 * (p[RIGHT] - p[LEFT])
    r = math.sqrt(h * h + square)
    slope, bend = h / r, square / (r * r * r)  # of r itself
    turn[A, 0], turn[M, M], turn[SIGMA, SIGMA] = 1.0, 1.0, 1.0
    turn[A, 1], turn[RIGHT, 1], turn[LEFT, 1] = -h, 1.0, -1.0
    of_b = 1.0 / bend, -b * 3.0 * h / (r * r), -b * (2.0 - 3.0 * square / (r * r))
    of_slope = 0.0, -bend, -slope * square / (r * r)
    of_r = 0.0, -slope, square / r
    for i in range(3):
        of_tilt = -of_b[i] * slope - b * of_slope[i]
        turn[RIGHT, 2 + i], turn[LEFT, 2 + i] = of_b[i] + of_tilt, of_b[i] - of_tilt
        turn[A, 2 + i] = -of_tilt * h - of_b[i] * r - b * of_r[i]
    turn[A, M] += tilt


@njit(**OPTIONS)
def _fill_turned(into: Scratch, turn: FloatArray, matrix: FloatArray) -> None:
    """Fill `matrix` and the third of `into` with the equations in the turned parameters."""
    normal, gradient, right = into
    for j in range(PARAMETERS):
        total = 0.0
        for i in range(PARAMETERS):
            total -= turn[i, j] * gradient[i]
        right[j] = total
        for q in range(j + 1):
            total = 0.0
            for i in range(PARAMETERS):
                part = 0.0
                for o in range(PARAMETERS):
                    part += normal[i, o] * turn[o, q]
                total += turn[i, j] * part
            matrix[j, q] = total


@njit(**OPTIONS)
def _step(p: FloatArray, trial: FloatArray, step: FloatArray, k: float, straight: bool) -> None:
    """Fill `trial` with `p` after a step, in level, slope and curvature at k if `straight`."""
    log_step = min(max(step[SIGMA], -LOG_STEP_MAX), LOG_STEP_MAX)
    trial[M], trial[SIGMA] = p[M] + step[M], p[SIGMA] * math.exp(log_step)
    h, sigma = k - p[M], p[SIGMA]
    r = math.sqrt(h * h + sigma * sigma)
    b, tilt = 0.5 * (p[RIGHT] + p[LEFT]), 0.5 * (p[RIGHT] - p[LEFT])
    level = p[A] + tilt * h + b * r + step[0]
    slope = tilt + b * h / r + step[1]
    bend = b * sigma * sigma / (r * r * r) + step[2]
    h, sigma = k - trial[M], trial[SIGMA]
    r = math.sqrt(h * h + sigma * sigma)
    b = bend * r * r * r / (sigma * sigma)
    tilt = slope - b * h / r
    trial[A] = level - tilt * h - b * r if straight else p[A] + step[A]
    trial[RIGHT] = b + tilt if straight else p[RIGHT] + step[RIGHT]
    trial[LEFT] = b - tilt if straight else p[LEFT] + step[LEFT]


@njit(**OPTIONS)
def _is_held(value: float, bounds: FloatArray, push: float) -> bool:
    """Whether a parameter is at a bound and pushed against it."""
    return (value <= bounds[LOW] and push < 0.0) or (value >= bounds[HIGH] and push > 0.0)


@njit(**OPTIONS)
def _propose(
    p: FloatArray,
    trial: FloatArray,
    bounds: FloatArray,
    damping: float,
    into: Scratch,
) -> None:
    """Fill `trial` with Marquardt's step within the bounds, or leave it where there is none."""
    _, gradient, right = into
    matrix, turn = np.empty((PARAMETERS, PARAMETERS)), np.zeros((PARAMETERS, PARAMETERS))
    step = np.empty(PARAMETERS)
    held_right = _is_held(p[RIGHT], bounds[RIGHT], -gradient[RIGHT])
    held_left = _is_held(p[LEFT], bounds[LEFT], -gradient[LEFT])
    straight = not (held_right or held_left)
    if straight:
        _fill_turn(p, bounds[CENTRE, LOW], turn)
    else:
        for i in range(PARAMETERS):
            turn[i, i] = 1.0
    _fill_turned(into, turn, matrix)
    for i in range(PARAMETERS):
        held = (i == RIGHT and held_right) or (i == LEFT and held_left)
        held |= (i >= M and _is_held(p[i], bounds[i], right[i])) or not matrix[i, i] > VALUE_MIN
        matrix[i, i] *= 1.0 + damping
        if held:
            hold(matrix, right, i, 0.0)
    if solve(matrix, right, step):
        _step(p, trial, step, bounds[CENTRE, LOW], straight)
        for i in range(PARAMETERS):
            trial[i] = min(max(trial[i], bounds[i, LOW]), bounds[i, HIGH])


@njit(**OPTIONS)
def descend(  # noqa: PLR0917 (a kernel's arguments are positional)
    p: FloatArray,
    quotes: FloatArray,
    robust: FloatArray,
    bounds: FloatArray,
    years: float,
    nodes: FloatArray,
    penalty: float,
) -> int:
    """Take `p` to the least cost nearby; the number of steps tried."""
    into = np.empty((PARAMETERS, PARAMETERS)), np.empty(PARAMETERS), np.empty(PARAMETERS)
    trial, g = p.copy(), np.empty(nodes.shape[1])
    exact = EXACT * bounds[CENTRE, HIGH]
    cost, damping = math.inf, DAMPING_START
    for step in range(STEPS_MAX):
        new = _error(trial, quotes, robust, years)
        new += penalty * _lack(trial, nodes, g) if penalty > 0.0 else 0.0
        if new < cost:
            settled = cost - new <= SETTLED * new or new <= exact
            copy(trial, p)
            if settled:
                return step
            cost, damping = new, max(DAMPING_LESS * damping, DAMPING_MIN)
            _clear(into)
            _add_quotes(p, quotes, robust, years, into)
            if penalty > 0.0:
                _add_lack(p, nodes, g, penalty, into)
        else:
            damping *= DAMPING_MORE
            if damping > DAMPING_MAX:
                return step
        _propose(p, trial, bounds, damping, into)
    return STEPS_MAX
