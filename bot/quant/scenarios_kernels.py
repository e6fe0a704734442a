"""The loop behind `scenarios`: a book at every node of a grid, summed by expiry as it goes.

Each node fills one short column per figure and adds it up; nothing is kept per option. The
logarithm of moneyness is taken once an option and shifted by ln(1 + move).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.black76_kernels import priced
from bot.quant.elementary import INLINED, OPTIONS, log_ratio, two_abreast, use_widest_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.uint64]  # unsigned: a loop over an index that may be negative stays scalar

FIGURES = 4  # profit, delta, gamma, vega: the order of the result's first axis
# Sums may be regrouped, so that they are taken a vector at a time; each has a few hundred terms.
SUMS = {**OPTIONS, "fastmath": {"nsz", "contract", "reassoc"}}


@njit(**SUMS)
def _total(node: FloatArray, figure: int, start: int, stop: int) -> float:
    """The sum of one figure over the options of one expiry."""
    use_widest_vectors()
    total = 0.0
    for i in range(start, stop):
        total += node[figure, i]
    return total


@njit(**INLINED)
def _figures(
    f: float, k: float, log_ahead: float, s: float, root: float, marks: tuple[float, bool, bool]
) -> tuple[float, float, float, float]:
    """Value in the settlement currency, delta in coins, gamma and vega in quote currency.

    `marks` are the discount factor, whether it is a call, and whether it settles in coin.
    """
    df, is_call, is_inverse = marks
    value, own, _, density, _, _, over = priced(f, k, log_ahead, s, root, is_call)
    price, delta = df * value, (df if is_call else -df) * own
    coin = price / f
    value, delta = coin if is_inverse else price, delta - coin if is_inverse else delta
    return value, delta, df * density * over, df * f * density * root


@njit(**INLINED)
def _node(
    node: FloatArray,
    known: FloatArray,
    book: FloatArray,
    flags: BoolArray,
    span: tuple[int, int],
    at: tuple[float, float, float, float, float, float],
) -> None:
    """Fill the columns of `node` for the options of one expiry at one node of the grid."""
    use_widest_vectors()
    grow, shift, root, scale, plus, least = at
    for i in range(span[0], span[1]):
        size = book[0, i]
        value, delta, gamma, vega = _figures(
            book[1, i] * grow,
            book[2, i],
            known[0, i] + shift,
            max(book[3, i] * scale + plus, least),
            root,
            (book[4, i], flags[0, i], flags[1, i]),
        )
        node[0, i] = size * (value - known[1, i])
        node[1, i] = size * delta
        node[2, i] = size * gamma
        node[3, i] = size * vega
    two_abreast()


@njit(**INLINED)
def _known(
    known: FloatArray,
    book: FloatArray,
    flags: BoolArray,
    span: tuple[int, int],
    root: float,
) -> None:
    """Fill the logarithm of moneyness and the value as the book stands."""
    use_widest_vectors()
    for i in range(span[0], span[1]):
        f, k = book[1, i], book[2, i]
        ahead = log_ratio(f, k)
        marks = (book[4, i], flags[0, i], flags[1, i])
        known[0, i] = ahead
        known[1, i] = _figures(f, k, ahead, book[3, i], root, marks)[0]
    two_abreast()


def grid_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    node: FloatArray,
    known: FloatArray,
    book: FloatArray,
    flags: BoolArray,
    edges: IndexArray,
    roots: FloatArray,
    moves: FloatArray,
    vols: FloatArray,
) -> None:
    """Fill `out`, of shape (figures, times, vols, moves, expiries).

    `node` (figures, n) and `known` (2, n) are scratch. `book` (5, n): size, forward, strike, vol,
    discount, sorted by expiry; `flags` (2, n): is a call, is inverse; `edges` (expiries + 1,):
    where each expiry begins; `roots` (1 + times, expiries): square root of the years left, now and
    at each time; `vols` (3, vols, expiries): what a volatility is multiplied by, what is added to
    it, the least it may be.
    """
    use_widest_vectors()
    for expiry in range(len(edges) - 1):
        _known(known, book, flags, (edges[expiry], edges[expiry + 1]), roots[0, expiry])
    for time in range(len(roots) - 1):
        for vol in range(vols.shape[1]):
            for move in range(len(moves)):
                grow = 1.0 + moves[move]
                shift = math.log(grow)
                for expiry in range(len(edges) - 1):
                    root, scale = roots[1 + time, expiry], vols[0, vol, expiry]
                    plus, least = vols[1, vol, expiry], vols[2, vol, expiry]
                    first, last = edges[expiry], edges[expiry + 1]
                    at = (grow, shift, root, scale, plus, least)
                    _node(node, known, book, flags, (first, last), at)
                    for figure in range(FIGURES):
                        total = _total(node, figure, first, last)
                        out[figure, time, vol, move, expiry] = total
