"""The volatility at which Black's 1976 formula gives a price.

By parity a call and a put of one strike have the same value above intrinsic, so everything is
reduced to the out-of-the-money value. The loops are in `implied_vol_kernels`: a rational guess and
three steps for all options at once, and a bracketed search for those that did not settle.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, broadcast, compile_kernel

FloatArray = NDArray[np.float64]


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import implied_vol_kernels

    floats = (Argument.INPUT,) * 4
    arguments = (Argument.ROWS, *floats, Argument.FLAGS, Argument.INPUT)
    return compile_kernel(implied_vol_kernels.implied_rows, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: a second or two once."""
    _kernel()


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> FloatArray:
    """Volatility per square root of a year, inputs broadcast against each other.

    `price` is the discounted value in quote currency per coin, as `black76.greeks().price`; of an
    inverse option that is its coin price times its forward (`implied_vol_inverse`).

    nan where no volatility gives the price: outside the bounds intrinsic <= price / discount <
    forward (put: strike), with no time left, or for inputs that are not positive and finite. 0
    where the price is intrinsic: exactly so out of the money (a price of 0), and in the money
    within 2**-50 of the larger of forward and strike, which is what the price itself rounds away.
    Everywhere else the volatility found gives the price back to 4 units of that round-off.
    """
    shape, columns, flags = broadcast((price, forward, strike, years, discount), is_call)
    out = np.empty((2, len(flags)))
    p, f, k, t, df = columns
    _kernel()(out, p, f, k, t, flags, df)
    volatility: FloatArray = out[0].reshape(shape)
    return volatility


def implied_vol_inverse(
    price_coin: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
) -> FloatArray:
    """`implied_vol` of inverse options: prices in coin, no discounting."""
    price = np.asarray(price_coin, dtype=np.float64) * np.asarray(forward, dtype=np.float64)
    return implied_vol(price, forward, strike, years, is_call)
