"""A volatility surface: volatility, and how it changes, for any strike, forward and time.

Total variance w = vol**2 T of each expiry is a sum of hyperbolas in k = ln(K/F) (see `slices`).
In time it is a straight line at fixed k:

* between two expiries from one slice to the other, so that order in time is kept;
* before the first in proportion to time, so that volatility at fixed k stays that of the first
  slice. For share x of the slice Durrleman's g is A + B x - C x**2 with A, C >= 0: concave in x,
  and non-negative at 0, so that it is nowhere below 0 if the slice itself is free;
* after the last with the forward variance at the money of the last expiries, the same for all k, so
  that the smile flattens as 1/T and wings never become steeper.

Between expiries order in time is exact; that no butterfly appears there is not a theorem: it is
measured, and reported by the fit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]


class Local(NamedTuple):
    """Volatility around options, arrays of their shape, each per 1.00 of volatility.

    `by_strike` and `by_strike_twice` are dvol/dK and d2vol/dK2; `by_forward` is dvol/dF with the
    surface moving along (sticky moneyness: -(K/F) dvol/dK); `by_years` is dvol/dT at fixed strike
    and forward; `local_variance` is Dupire's, (dw/dT) / g, per year.
    """

    vol: FloatArray
    by_strike: FloatArray
    by_strike_twice: FloatArray
    by_forward: FloatArray
    by_years: FloatArray
    local_variance: FloatArray


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import surface_kernels

    arguments = (Argument.ROWS, *(Argument.INPUT,) * 3, Argument.TABLE, Argument.INPUT)
    return compile_kernel(surface_kernels.surface_rows, arguments)


@cache
def _curve_kernel() -> Callable[..., None]:
    from bot.quant import surface_kernels

    arguments = (Argument.ROWS, Argument.TABLE, Argument.INPUT)
    return compile_kernel(surface_kernels.curve_rows, arguments)


def warm() -> None:
    """Compile the kernels, or load them from the cache, now."""
    _kernel()
    _curve_kernel()


def curves(rows: FloatArray, k: FloatArray) -> FloatArray:
    """w, w' and w'' of every slice at every k, of shape (slices, 3, k.size)."""
    out = np.empty((3 * rows.shape[0], k.size))
    _curve_kernel()(out, rows, k)
    return out.reshape(rows.shape[0], 3, k.size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """Slices by expiry, the earliest first, as rows of `surface_kernels`; never written.

    `tail_variance` is the forward variance a year beyond the last expiry.
    """

    rows: FloatArray
    tail_variance: float

    def __post_init__(self) -> None:
        assert self.rows.shape[0] > 0, "a surface has at least one expiry"
        assert np.all(np.diff(self.rows[:, 0]) > 0.0), "expiries come in order"
        self.rows.setflags(write=False)

    @property
    def years(self) -> FloatArray:
        """Years to each fitted expiry."""
        expiries: FloatArray = self.rows[:, 0]
        return expiries

    def vol(self, strike: ArrayLike, forward: ArrayLike, years: ArrayLike) -> FloatArray:
        """Implied volatility per square root of a year, inputs broadcast against each other.

        nan where strike, forward or years is not positive and finite.
        """
        return self.local(strike, forward, years).vol

    def local(self, strike: ArrayLike, forward: ArrayLike, years: ArrayLike) -> Local:
        """Volatility and its derivatives for every option; nan as in `vol`.

        At an expiry itself `by_years` and `local_variance` are those of the time before it.
        """
        given = [np.asarray(one, dtype=np.float64) for one in (strike, forward, years)]
        shape = np.broadcast(*given).shape
        columns = np.empty((3, *shape))
        for at, one in enumerate(given):
            columns[at, ...] = one
        out = np.empty((6, math.prod(shape)))
        _kernel()(out, *columns.reshape(3, -1), self.rows, np.array([self.tail_variance]))
        return Local(*out.reshape((6, *shape)))
