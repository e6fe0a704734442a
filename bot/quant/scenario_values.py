"""Options one by one at every node of a list of scenarios: the table that margin models add up.

`scenarios` sums a book as it goes; here each option keeps its own row, so that a position may
change size, or one option its quote, and nothing else is valued again. At node j the forward of
option i is still_i + moving_i (1 + move_j) and its volatility vols_ji.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Options:
    """Terms and market of options, arrays of shape (n,).

    `moving` and `still` add up to the forward, in quote currency as the strike: `still` is the part
    of a settlement average that is known already, and no scenario moves it.
    """

    moving: FloatArray
    still: FloatArray
    strike: FloatArray
    years: FloatArray
    discount: FloatArray
    is_call: BoolArray
    is_inverse: BoolArray


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import scenario_values_kernels

    book = (Argument.TABLE, Argument.FLAG_TABLE)
    arguments = (Argument.ROWS, *book, Argument.INPUT, Argument.TABLE)
    return compile_kernel(scenario_values_kernels.value_rows, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: seconds once."""
    _kernel()


def values(options: Options, grow: FloatArray, vols: FloatArray) -> FloatArray:
    """Value of one coin of each option at each node, shape (nodes, n).

    In coins of the moved forward for inverse options, in quote currency for linear ones. `grow`
    (nodes,) is 1 + move; `vols` has shape (nodes, n), decimals. An option past its expiry
    (`years` at most 0) is worth its intrinsic value; one with an input that is nan, infinite or
    negative is worth nan.

    Raises:
        ValueError: the shapes do not fit together.
    """
    count = len(options.strike)
    if vols.shape != (len(grow), count):
        raise ValueError(f"vols must have shape ({len(grow)}, {count}), not {vols.shape}")
    book = np.stack(
        (
            options.still,
            options.moving,
            options.strike,
            np.sqrt(np.maximum(options.years, 0.0)),
            options.discount,
        )
    )
    flags = np.stack((options.is_call, options.is_inverse))
    out = np.empty(vols.shape)
    _kernel()(out, book, flags, grow, vols)
    return out
