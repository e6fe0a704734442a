"""The loop behind `svi`: the least of Durrleman's function over all strikes of a slice.

A slice is worked on as (a, right, left, m, sigma): its two wing slopes instead of b and rho,

    w(k) = a + right (r + h)/2 + left (r - h)/2,     h = k - m,  r = sqrt(h*h + sigma*sigma),

so that every bound is a bound of one parameter. At k = m + sigma sinh(u) all of it is elementary,

    w = a + sigma (right e**u + left e**-u)/2,   w' = right (1 + tanh u)/2 - left (1 - tanh u)/2,
    w'' = (right + left) / (2 sigma cosh(u)**3),

and a table of fixed u serves every slice.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import OPTIONS, use_widest_vectors

FloatArray = NDArray[np.float64]

PARAMETERS = 5
A, RIGHT, LEFT, M, SIGMA = range(PARAMETERS)
UP, DOWN, UPPER, LOWER, BEND, SINH, AT = range(7)  # rows of the table of nodes
ROWS = 7
REFINEMENTS = 3
REFINED = 8  # nodes to either side, and how much denser each refinement is
VALUE_MIN = 1e-300


@njit(**OPTIONS)
def variance_at(p: FloatArray, k: float) -> float:
    """Total variance of a slice at log-moneyness k."""
    h = k - p[M]
    r = math.sqrt(h * h + p[SIGMA] * p[SIGMA])
    return float(p[A] + 0.5 * (p[RIGHT] * (r + h) + p[LEFT] * (r - h)))


@njit(**OPTIONS)
def durrleman_at(p: FloatArray, nodes: FloatArray, i: int) -> float:
    """Durrleman's g of a slice at one node; -inf where its variance is not positive."""
    sigma = p[SIGMA]
    w = p[A] + sigma * (p[RIGHT] * nodes[UP, i] + p[LEFT] * nodes[DOWN, i])
    slope = p[RIGHT] * nodes[UPPER, i] - p[LEFT] * nodes[LOWER, i]
    bend = (p[RIGHT] + p[LEFT]) * nodes[BEND, i] / sigma
    k = p[M] + sigma * nodes[SINH, i]
    inverse = 1.0 / max(w, VALUE_MIN)
    drift = 1.0 - 0.5 * k * slope * inverse
    g = drift * drift - 0.25 * slope * slope * (inverse + 0.25) + 0.5 * bend
    return g if w > VALUE_MIN else -math.inf


@njit(**OPTIONS)
def _fill_node(nodes: FloatArray, i: int, u: float) -> None:
    """What a slice needs to know of u."""
    up, down = 0.5 * math.exp(u), 0.5 * math.exp(-u)
    cosh = up + down
    nodes[UP, i], nodes[DOWN, i] = up, down
    nodes[UPPER, i], nodes[LOWER, i] = up / cosh, down / cosh
    nodes[BEND, i] = 0.5 / (cosh * cosh * cosh)
    nodes[SINH, i], nodes[AT, i] = up - down, u


@njit(**OPTIONS)
def fill_g(p: FloatArray, nodes: FloatArray, g: FloatArray) -> int:
    """The node with the least g; fills `g` at every node."""
    use_widest_vectors()
    for i in range(nodes.shape[1]):
        g[i] = durrleman_at(p, nodes, i)
    worst = 0
    for i in range(1, nodes.shape[1]):
        if g[i] < g[worst]:
            worst = i
    return worst


@njit(**OPTIONS)
def worst_of(
    p: FloatArray, nodes: FloatArray, near: FloatArray, g: FloatArray
) -> tuple[float, float]:
    """The least g of a slice over all strikes, and its k; `near` and `g` are scratch.

    The table's worst node is looked at ever closer; beyond the table g tends monotonically to
    (1 - (slope / 2)**2) / 4.
    """
    at = fill_g(p, nodes, g)
    worst, worst_u = g[at], nodes[AT, at]
    step = nodes[AT, 1] - nodes[AT, 0]
    for _ in range(REFINEMENTS):
        for j in range(near.shape[1]):
            _fill_node(near, j, worst_u + step * (j - REFINED) / REFINED)
        at = fill_g(p, near, g)
        if g[at] < worst:
            worst, worst_u = g[at], near[AT, at]
        step /= REFINED
    worst_k = p[M] + p[SIGMA] * math.sinh(worst_u)
    for slope, end in ((p[RIGHT], math.inf), (p[LEFT], -math.inf)):
        limit = 0.25 - slope * slope / 16.0
        if limit < worst:
            worst, worst_k = limit, end
    return worst, worst_k
