"""Black's 1976 formula for options on a forward, with its Greeks.

Source: F. Black, "The pricing of commodity contracts" (1976). With x = vol sqrt(years),
d1 = ln(F/K)/x + x/2, d2 = d1 - x, n and N the normal density and distribution, df the discount
factor, and F the forward of the option's own expiry:

| row   | value (call; put where it differs)              | unit                               |
|-------|-------------------------------------------------|------------------------------------|
| price | df (F N(d1) - K N(d2))                          | quote currency per coin            |
| delta | df N(d1); put df (N(d1) - 1)                    | price per unit of forward          |
| gamma | df n(d1) / (F x)                                | per squared unit of forward        |
| vega  | df F n(d1) sqrt(years)                          | per 1.00 of volatility             |
| theta | -df F n(d1) vol / (2 sqrt(years))               | per year, forward and df held      |
| rho   | years (F delta - price)                         | per 1.00 of rate, the spot held    |
| vanna | -df n(d1) d2 / vol                              | delta per 1.00 of volatility       |
| volga | vega d1 d2 / vol                                | vega per 1.00 of volatility        |
| charm | df n(d1) d2 / (2 years)                         | delta per year that passes         |

Rho: with F = S exp(r T) and df = exp(-r T), a higher rate lifts the forward and discounts more;
holding S, dV/dr = T F dV/dF - T V. For a call that is T K df N(d2), what venues publish (per 1 %).

Limits: where years, vol or the strike is 0, or the forward is 0, the price is the discounted
intrinsic value and delta its slope (half of df exactly at the money); all else is 0, except that
vega keeps its finite limit at the money when only the volatility is 0. Negative, infinite or nan
inputs give nan in every row: an unpriceable option is never priced.

Accuracy, against 50-digit arithmetic within 8 deviations and |ln(F/K)| <= 5: price to 1e-15 of the
larger of F and K, Greeks to 3e-14 relative. The loops are in `black76_kernels`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, FiveNumbers, broadcast, compile_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ROW_COUNT: Final = 6  # price, delta, gamma, vega, theta, rho: the order of `out`'s rows
ROW_COUNT_FULL: Final = 9  # and vanna, volga, charm


class Greeks(NamedTuple):
    """Arrays of the broadcast shape of the inputs; units as in the module's table."""

    price: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray


class GreeksFull(NamedTuple):
    """`Greeks` and three of second order; arrays of the broadcast shape of the inputs."""

    price: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray
    vanna: FloatArray
    volga: FloatArray
    charm: FloatArray


Kernel = Callable[
    [FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, BoolArray, FloatArray], None
]


@cache
def _kernels() -> Mapping[int, Kernel]:
    """The machine code by the number of rows that it fills."""
    from bot.quant import black76_kernels

    floats = (Argument.INPUT,) * 4
    arguments = (Argument.ROWS, *floats, Argument.FLAGS, Argument.INPUT)
    return {
        ROW_COUNT: compile_kernel(black76_kernels.greeks_rows, arguments),
        ROW_COUNT_FULL: compile_kernel(black76_kernels.greeks_full_rows, arguments),
    }


def warm() -> None:
    """Compile the kernels, or load them from the cache, now: seconds once, off the tick path."""
    _kernels()


def greeks_into(  # noqa: PLR0917 (the kernel's own order)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Fill the rows of `out`, in the order of the module's table; allocates nothing.

    `out` is C-ordered float64 of shape (6, n), or (9, n) for vanna, volga and charm as well. Inputs
    are contiguous arrays of length n, float64 and bool, read-only or not. TypeError for any other
    type; ValueError for another number of rows, or if the lengths differ.
    """
    rows, n = out.shape
    kernel = _kernels().get(rows)
    if kernel is None or not (
        len(forward) == len(strike) == len(years) == len(vol) == len(is_call) == len(discount) == n
    ):
        raise ValueError(f"greeks_into: out is {out.shape} and the inputs differ from length {n}")
    kernel(out, forward, strike, years, vol, is_call, discount)


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Greeks:
    """Price and Greeks, inputs broadcast against each other; units as in the module's table.

    TypeError if `is_call` is neither true or false nor a number: "put" would be true as well.
    """
    row = _rows(ROW_COUNT, (forward, strike, years, vol, discount), is_call)
    return Greeks(row[0], row[1], row[2], row[3], row[4], row[5])


def greeks_full(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> GreeksFull:
    """`greeks`, and vanna, volga and charm from the same pass."""
    return GreeksFull(*_rows(ROW_COUNT_FULL, (forward, strike, years, vol, discount), is_call))


def _rows(count: int, numbers: FiveNumbers, is_call: ArrayLike) -> FloatArray:
    """`count` rows of the inputs' broadcast shape."""
    shape, columns, flags = broadcast(numbers, is_call)
    out = np.empty((count, len(flags)))
    f, k, t, s, df = columns
    _kernels()[count](out, f, k, t, s, flags, df)
    if not shape:
        return out.ravel()
    return out if len(shape) == 1 else out.reshape((count, *shape))
