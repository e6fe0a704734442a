"""The loop behind `scenario_values`: each option's value at each node, nothing added up."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.black76_kernels import checked, priced
from bot.quant.elementary import INLINED, log_ratio, two_abreast, use_widest_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@njit(**INLINED)
def _node(
    out: FloatArray,
    book: FloatArray,
    flags: BoolArray,
    vols: FloatArray,
    at: tuple[int, float],
) -> None:
    """Fill one row of `out`."""
    use_widest_vectors()
    node, grow = at
    for i in range(out.shape[1]):
        f, k = book[0, i] + book[1, i] * grow, book[2, i]
        root, s = book[3, i], vols[node, i]
        df = checked(f, k, root, s, book[4, i])
        price = df * priced(f, k, log_ratio(f, k), s, root, flags[0, i])[0]
        coin = price / f
        out[node, i] = coin if flags[1, i] else price
    two_abreast()


def value_rows(
    out: FloatArray, book: FloatArray, flags: BoolArray, grow: FloatArray, vols: FloatArray
) -> None:
    """Fill `out`, of shape (nodes, n).

    `book` (5, n): the part of the forward that stands still, the part that moves, strike, square
    root of the years left, discount; `flags` (2, n): is a call, is inverse; `grow` (nodes,): what
    the moving part is multiplied by; `vols` (nodes, n).
    """
    use_widest_vectors()
    for node in range(len(grow)):
        _node(out, book, flags, vols, (node, grow[node]))
