"""The loops behind `slices`: least squares under constraints, one expiry at a time, in sweeps.

A slice is linear in its coefficients (see `slices`). For fixed hyperbolas least squares is a
quadratic form, and so is being below the slice before or above the one after: where that happens on
the grid the violation is penalised by its square. Only butterfly arbitrage is not linear;
Durrleman's g is linearised at each step. Newton's steps on the sum, halved until it falls.

The slices take turns, each looking at what its neighbours are now, under penalties that grow from
sweep to sweep: soft at first, so that both sides of a crossing give way by what it costs them.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import OPTIONS

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uint64]

HYPERBOLAS = 8  # that a slice is a sum of: its own and the knots
SIZE = HYPERBOLAS + 2
STEPS_MAX = 12
HALVINGS_MAX = 5
SETTLED = 1e-5  # relative fall of the cost: the next step is not worth its time
RIDGE = 0.018  # against what the knots add, in units of the data's weight and the money's deviation
DAMPING = 1e-9  # relative: keeps the normal matrix positive
G_TARGET = 0.02  # aimed at, so that g is still positive between the nodes of the grid
GAP_TARGET = 1e-3  # relative, of one slice over the one before
SLOPE_MAX = 1.9  # of a wing: Lee's bound of 2 with room
FLOOR = 0.02  # of the first slice's variance at the money: it has no slice below


@njit(**OPTIONS)
def _fill_basis(row: FloatArray, k: float, shapes: FloatArray, order: int) -> None:
    """Fill the functions that a slice is a sum of, at k, or their first or second derivatives."""
    row[0] = 1.0 if order == 0 else 0.0
    row[1] = k if order == 0 else 2.0 - order
    for h in range(HYPERBOLAS):
        x, s = k - shapes[0, h], shapes[1, h]
        root = math.sqrt(x * x + s * s)
        if order == 0:
            row[2 + h] = root
        elif order == 1:
            row[2 + h] = x / root
        else:
            row[2 + h] = s * s / (root * root * root)


@njit(**OPTIONS)
def _dot(row: FloatArray, c: FloatArray) -> float:
    total = 0.0
    for u in range(SIZE):
        total += row[u] * c[u]
    return total


@njit(**OPTIONS)
def _add_square(
    normal: FloatArray, gradient: FloatArray, row: FloatArray, miss: float, price: float
) -> None:
    """Add the square of `miss`, times `price`, whose derivatives in the coefficients are `row`."""
    for u in range(SIZE):
        slope = row[u] * price
        gradient[u] += slope * miss
        for v in range(u + 1):
            normal[u, v] += slope * row[v]


@njit(**OPTIONS)
def _crossing(
    c: FloatArray, lines: FloatArray, walls: FloatArray, price: float,
    normal: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """What being under the wall below, or over the one above, costs."""
    cost = 0.0
    for j in range(lines.shape[0]):
        w = _dot(lines[j], c)
        low, high = walls[0, j], walls[1, j]
        wall = low if w < low else high
        if w < low or w > high:
            scaled = price / (wall * wall)
            miss = w - wall
            cost += miss * miss * scaled
            _add_square(normal, gradient, lines[j], miss, scaled)
    return cost


@njit(**OPTIONS)
def _steepness(
    c: FloatArray, ends: FloatArray, price: float,
    normal: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """What wings outside of their bounds cost; ends[side] = (low, high)."""
    cost = 0.0
    row = np.empty(SIZE)
    for u in range(SIZE):
        row[u] = 1.0 if u > 1 else 0.0
    for side in range(2):
        row[1] = 1.0 if side == 1 else -1.0
        slope = _dot(row, c)
        low, high = ends[side, 0], ends[side, 1]
        wall = low if slope < low else high
        if slope < low or slope > high:
            scaled = price / max(wall * wall, 1e-4)
            miss = slope - wall
            cost += miss * miss * scaled
            _add_square(normal, gradient, row, miss, scaled)
    return cost


@njit(**OPTIONS)
def _butterfly(  # noqa: PLR0917 (a kernel's arguments are positional)
    c: FloatArray, k: FloatArray, lines: FloatArray, slopes: FloatArray,
    bends: FloatArray, price: float, normal: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """What a negative density costs."""
    cost = 0.0
    row = np.empty(SIZE)
    for j in range(k.size):
        w = _dot(lines[j], c)
        if w <= 0.0:
            continue  # the wall below is dear there
        first, second = _dot(slopes[j], c), _dot(bends[j], c)
        drift = 1.0 - 0.5 * k[j] * first / w
        g = drift * drift - 0.25 * first * first * (1.0 / w + 0.25) + 0.5 * second
        if g < G_TARGET:
            by_w = (drift * k[j] * first + 0.25 * first * first) / (w * w)
            by_first = -drift * k[j] / w - 0.5 * first * (1.0 / w + 0.25)
            for u in range(SIZE):
                row[u] = by_w * lines[j, u] + by_first * slopes[j, u] + 0.5 * bends[j, u]
            miss = g - G_TARGET
            cost += miss * miss * price
            _add_square(normal, gradient, row, miss, price)
    return cost


@njit(**OPTIONS)
def _solve(normal: FloatArray, gradient: FloatArray, step: FloatArray) -> None:
    """Newton's step, -normal^-1 gradient, by Cholesky; `normal` is overwritten."""
    for u in range(SIZE):
        for v in range(u + 1):
            total = normal[u, v] * (1.0 + DAMPING) if u == v else normal[u, v]
            for z in range(v):
                total -= normal[u, z] * normal[v, z]
            if u == v:
                normal[u, u] = math.sqrt(max(total, 1e-12 * normal[u, u] + 1e-300))
            else:
                normal[u, v] = total / normal[v, v]
    for u in range(SIZE):
        total = -gradient[u]
        for z in range(u):
            total -= normal[u, z] * step[z]
        step[u] = total / normal[u, u]
    for u in range(SIZE - 1, -1, -1):
        total = step[u]
        for z in range(u + 1, SIZE):
            total -= normal[z, u] * step[z]
        step[u] = total / normal[u, u]


@njit(**OPTIONS)
def _cost(  # noqa: PLR0917 (a kernel's arguments are positional)
    c: FloatArray, form: FloatArray, k: FloatArray, bases: FloatArray, walls: FloatArray,
    ends: FloatArray, price: float, normal: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """The cost of coefficients `c`, its gradient and its normal matrix (below the diagonal)."""
    cost: float = 0.0
    for u in range(SIZE):
        total = 0.0
        for v in range(SIZE):
            total += form[u, v] * c[v]
            normal[u, v] = form[u, v]
        gradient[u] = total - form[SIZE, u]
        cost += c[u] * (total - 2.0 * form[SIZE, u])
    cost += _crossing(c, bases[0], walls, price, normal, gradient)
    cost += _steepness(c, ends, price, normal, gradient)
    cost += _butterfly(c, k, bases[0], bases[1], bases[2], price, normal, gradient)
    return cost


@njit(**OPTIONS)
def _refit(  # noqa: PLR0917 (a kernel's arguments are positional)
    c: FloatArray, form: FloatArray, k: FloatArray, bases: FloatArray, walls: FloatArray,
    ends: FloatArray, price: float,
) -> None:  # fmt: skip
    """Move `c` to where the cost is least."""
    normal, gradient = np.empty((SIZE, SIZE)), np.empty(SIZE)
    step, trial = np.empty(SIZE), np.empty(SIZE)
    cost = _cost(c, form, k, bases, walls, ends, price, normal, gradient)
    for _ in range(STEPS_MAX):
        _solve(normal, gradient, step)
        size, before = 1.0, cost
        for _ in range(HALVINGS_MAX):
            for u in range(SIZE):
                trial[u] = c[u] + size * step[u]
            cost = _cost(trial, form, k, bases, walls, ends, price, normal, gradient)
            if cost < before:
                break
            size *= 0.3
        if cost >= before:
            return
        for u in range(SIZE):
            c[u] = trial[u]
        if before - cost < SETTLED * (abs(form[SIZE, SIZE] + cost) + 1e-3):
            return


@njit(**OPTIONS)
def _add_quote(form: FloatArray, basis: FloatArray, w: float, weight: float) -> None:
    """Add a quote to least squares as c A c - 2 r c + s: A in the first rows, then (r, s)."""
    square = weight * weight
    form[SIZE, SIZE] += w * w * square
    for u in range(SIZE):
        form[SIZE, u] += basis[u] * w * square
        for v in range(SIZE):
            form[u, v] += basis[u] * basis[v] * square
    for u in range(3, SIZE):
        form[u, u] += RIDGE * RIDGE * basis[SIZE] * square


@njit(**OPTIONS)
def _fill_walls(walls: FloatArray, now: FloatArray, i: int, floor: float, alone: bool) -> None:
    """The total variances between which slice i has to lie, on the grid."""
    for j in range(now.shape[1]):
        walls[0, j], walls[1, j] = floor, math.inf
        if i > 0 and not alone:
            walls[0, j] = max(now[i - 1, j] * (1.0 + GAP_TARGET), floor)
        if i + 1 < now.shape[0] and not alone:
            walls[1, j] = max(now[i + 1, j] * (1.0 - GAP_TARGET), floor)


@njit(**OPTIONS)
def _steep(c: FloatArray, sign: float) -> float:
    """How steeply a wing rises outwards: the right one's for sign 1, the left one's for -1."""
    slope: float = sign * c[1]
    for h in range(2, SIZE):
        slope += c[h]
    return slope


@njit(**OPTIONS)
def _fill_ends(ends: FloatArray, out: FloatArray, i: int, alone: bool) -> None:
    """The slopes between which the wings of slice i have to lie: left, right."""
    for side in range(2):
        sign = 1.0 if side == 1 else -1.0
        ends[side, 0], ends[side, 1] = 0.0, SLOPE_MAX
        if i > 0 and not alone:
            below = _steep(out[i - 1], sign)
            ends[side, 0] = max(below * (1.0 + GAP_TARGET), 0.0)
        if i + 1 < out.shape[0] and not alone:
            above = _steep(out[i + 1], sign)
            ends[side, 1] = max(min(above * (1.0 - GAP_TARGET), SLOPE_MAX), ends[side, 0])


def slice_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    shapes: FloatArray,
    unit: FloatArray,
    edges: IndexArray,
    k: FloatArray,
    w: FloatArray,
    weight: FloatArray,
    grid: FloatArray,
    prices: FloatArray,
) -> None:
    """Fit the coefficients in `out`, which come with a start, under the penalties of `prices`.

    `shapes[i]` holds the hyperbolas' centres of expiry i, then their widths; `unit[i]`, its
    variance at the money, is the square of the unit in which the ridge is measured. One sweep a
    price: the first of them without regard to other expiries.
    """
    count, nodes = out.shape[0], grid.size
    forms = np.zeros((count, SIZE + 1, SIZE + 1))
    bases = np.empty((count, 3, nodes, SIZE))
    now, basis = np.empty((count, nodes)), np.empty(SIZE + 1)
    walls, ends = np.empty((2, nodes)), np.empty((2, 2))
    for i in range(count):
        basis[SIZE] = unit[i]
        for j in range(edges[i], edges[i + 1]):
            _fill_basis(basis, k[j], shapes[i], 0)
            _add_quote(forms[i], basis, w[j], weight[j])
        for order in range(3):
            for j in range(nodes):
                _fill_basis(bases[i, order, j], grid[j], shapes[i], order)
    for sweep in range(prices.size):
        for i in range(count):
            _fill_walls(walls, now, i, FLOOR * unit[0], sweep == 0)
            _fill_ends(ends, out, i, sweep == 0)
            _refit(out[i], forms[i], grid, bases[i], walls, ends, prices[sweep])
            for j in range(nodes):
                now[i, j] = _dot(bases[i, 0, j], out[i])
