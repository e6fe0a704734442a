"""Slices of a surface: near the quotes of their expiry, and in order with their neighbours.

With k = ln(K/F), total variance of one expiry is

    w(k) = a + c k + sum over h of b_h sqrt((k - m_h)**2 + s_h**2)

Raw SVI is the case of one hyperbola. Its five parameters leave 0.2 to 0.4 vol points on a liquid
crypto smile, half of what the spread allows; so five hyperbolas at fixed places, in units of the
standard deviation at the money, may add what SVI cannot follow, held to 0 by a small ridge. Centre
and width of the first are those of the expiry's eSSVI slice. That makes the fit linear in its
coefficients: no start to guess and no local minimum, and wings straight as SVI's.

A few quotes of small weight, read off the eSSVI slice, hold the wings where the market quotes none.

Order in time and positive density are penalties on a grid, raised from sweep to sweep until what is
left of a violation is smaller than the margin aimed at (`slices_kernels`). Not a proof: the result
is examined on a denser grid, and blended towards eSSVI where it fails (`arbitrage`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.quant.compiled import Argument, compile_kernel
from bot.quant.essvi import Essvi

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uint64]

# In standard deviations at the money.
KNOTS: Final = np.array([-5.0, -2.0, -1.0, 0.0, 1.0, 2.0, 5.0])
KNOT_WIDTHS: Final = np.array([1.5, 0.7, 0.7, 0.7, 0.7, 0.7, 1.5])
PRIOR_AT: Final = np.linspace(-4.0, 4.0, 9)
# The prior counts, at each of these places, as this share of an average quote.
PRIOR_SHARE: Final = 0.0005
# Of a violation, in squares of vol points of all quotes together. The first sweeps are each slice
# by itself; the last price leaves less than a tenth of the margin aimed at.
PRICES_ALONE: Final = np.array([1.0])
PRICES: Final = np.array([0.01, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e7])
GRID_NODES: Final = 201
REACH_DEVIATIONS: Final = 14.0  # of the last expiry: the outer knots are straight from there
REACH_QUOTES: Final = 1.5  # times the farthest strike quoted
COEFFICIENTS: Final = slice(1, 4 + KNOTS.size)  # columns of a row
FINE_NODES: Final = 1601
FAR: Final = np.array([2.0, 8.0, 64.0, 1e4])  # times that of the fine one: wings at infinity
FINE_REACH: Final = 2.0  # times that of the grid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Total variances quoted, grouped by expiry: those of expiry i are edges[i] to edges[i + 1].

    `weight` turns an error in total variance into one of vol points over its tolerance.
    """

    years: FloatArray
    edges: IndexArray
    k: FloatArray
    variance: FloatArray
    weight: FloatArray


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import slices_kernels

    inputs = (Argument.INPUT,) * 5
    arguments = (Argument.ROWS, Argument.CUBE, Argument.INPUT, Argument.INDICES, *inputs)
    return compile_kernel(slices_kernels.slice_rows, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now."""
    _kernel()


def grid(prior: tuple[Essvi, ...], k: FloatArray, *, fine: bool) -> FloatArray:
    """Log-moneyness from wing to wing: dense by the first expiry, wide by the last and the quotes.

    k = deviation / 2 sinh(u), evenly spaced in u.
    """
    narrow = 0.5 * math.sqrt(prior[0].theta)
    reach = max(
        REACH_DEVIATIONS * math.sqrt(prior[-1].theta), REACH_QUOTES * float(np.abs(k).max())
    )
    nodes, reach = (FINE_NODES, reach * FINE_REACH) if fine else (GRID_NODES, reach)
    u = math.asinh(reach / narrow)
    at: FloatArray = narrow * np.sinh(np.linspace(-u, u, nodes))
    if not fine:
        return at
    far = FAR * reach
    return np.concatenate((-far[::-1], at, far))


def with_prior(samples: Samples, prior: tuple[Essvi, ...]) -> Samples:
    """The samples with those of small weight read off the prior, expiry by expiry."""
    first = samples.edges[:-1].astype(np.intp)
    count = np.diff(samples.edges.astype(np.intp))
    # The same error in vol points weighs the same: dw = 2 sqrt(w T) dvol.
    quoted = np.add.reduceat(samples.weight**2 * samples.variance, first) / count
    places = np.sqrt([smile.theta for smile in prior])[:, np.newaxis] * PRIOR_AT
    w = np.stack([smile.svi().variance(k) for smile, k in zip(prior, places, strict=True)])
    weight = np.sqrt(PRIOR_SHARE * quoted[:, np.newaxis] / w)
    ends: NDArray[np.intp] = np.repeat(first + count, PRIOR_AT.size)
    return Samples(
        years=samples.years,
        edges=samples.edges + np.arange(first.size + 1, dtype=np.uint64) * np.uint64(PRIOR_AT.size),
        k=np.insert(samples.k, ends, places.ravel()),
        variance=np.insert(samples.variance, ends, w.ravel()),
        weight=np.insert(samples.weight, ends, weight.ravel()),
    )


def fit_slices(
    samples: Samples, prior: tuple[Essvi, ...], *, in_order: bool
) -> tuple[FloatArray, FloatArray]:
    """Rows of `surface_kernels`, one an expiry, of the fit and of the prior in the same terms.

    `in_order` asks for order in time as well; without it each expiry is fitted by itself.
    """
    count = len(prior)
    theta, rho, psi = (
        np.array([getattr(smile, name) for smile in prior]) for name in ("theta", "rho", "psi")
    )
    own_centre, own_width = -rho * theta / psi, np.sqrt(1.0 - rho * rho) * theta / psi
    shapes = np.zeros((count, 2, 1 + KNOTS.size))
    shapes[:, 0, 0], shapes[:, 1, 0] = own_centre, own_width
    deviation = np.sqrt(theta)[:, np.newaxis]
    shapes[:, 0, 1:], shapes[:, 1, 1:] = KNOTS * deviation, KNOT_WIDTHS * deviation
    start = np.zeros((count, 3 + KNOTS.size))
    start[:, 0], start[:, 1], start[:, 2] = 0.5 * theta, 0.5 * rho * psi, 0.5 * psi
    fitted = start.copy()
    held = with_prior(samples, prior)
    nodes = grid(prior, samples.k, fine=False)
    prices = PRICES if in_order else PRICES_ALONE
    _kernel()(fitted, shapes, theta, held.edges, held.k, held.variance, held.weight, nodes, prices)
    return _rows(samples.years, fitted, shapes), _rows(samples.years, start, shapes)


def _rows(years: FloatArray, coefficients: FloatArray, shapes: FloatArray) -> FloatArray:
    """Coefficients with the hyperbolas that they belong to."""
    return np.hstack((years[:, np.newaxis], coefficients, shapes[:, 0], shapes[:, 1]))


def blended(rows: FloatArray, prior: FloatArray, weights: FloatArray) -> FloatArray:
    """Each row moved by its weight towards the prior's, which has the same hyperbolas."""
    share = weights[:, np.newaxis]
    out = rows.copy()
    out[:, COEFFICIENTS] = (1.0 - share) * rows[:, COEFFICIENTS] + share * prior[:, COEFFICIENTS]
    return out
