"""Black's 1976 formula for options on a forward, with its first-order Greeks.

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

Rho: with F = S exp(r T) and df = exp(-r T), a higher rate lifts the forward and discounts more;
holding S, dV/dr = T F dV/dF - T V. For a call that is T K df N(d2), what venues publish (per 1 %).

Limits: where years, vol or the strike is 0, or the forward is 0, the price is the discounted
intrinsic value and delta its slope (half of df exactly at the money); gamma, vega and theta are 0,
except that vega keeps its finite limit at the money when only the volatility is 0. Negative,
infinite or nan inputs give nan in every row: an unpriceable option is never priced.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ROW_COUNT: Final = 6  # price, delta, gamma, vega, theta, rho: the order of `out`'s rows
SQRT_HALF: Final = math.sqrt(0.5)
INV_SQRT_2PI: Final = 1.0 / math.sqrt(2.0 * math.pi)


class Greeks(NamedTuple):
    """Arrays of the broadcast shape of the inputs; units as in the module's table."""

    price: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray


def _greeks_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    for i in range(out.shape[1]):
        f, k, t, s, df = forward[i], strike[i], years[i], vol[i], discount[i]
        valid = f >= 0.0 and k >= 0.0 and t >= 0.0 and s >= 0.0 and df >= 0.0
        if not (valid and f + k + t + s + df < math.inf):
            for row in range(ROW_COUNT):
                out[row, i] = math.nan
            continue
        sqrt_t = math.sqrt(t)
        x = s * sqrt_t
        if x > 0.0 and f > 0.0 and k > 0.0:
            d1 = math.log(f / k) / x + 0.5 * x
            density = INV_SQRT_2PI * math.exp(-0.5 * d1 * d1)
            # Tails first: the out-of-the-money side is a difference of small numbers and keeps its
            # relative accuracy; the other side follows by parity.
            up, down = 0.5 * math.erfc(-d1 * SQRT_HALF), 0.5 * math.erfc(d1 * SQRT_HALF)
            if f <= k:
                call = max(f * up - k * 0.5 * math.erfc((x - d1) * SQRT_HALF), 0.0)
                put = call + (k - f)
            else:
                put = max(k * 0.5 * math.erfc((d1 - x) * SQRT_HALF) - f * down, 0.0)
                call = put + (f - k)
            gamma = density / (f * x)
            theta = -0.5 * f * density * s / sqrt_t
        else:
            call, put = max(f - k, 0.0), max(k - f, 0.0)
            up = 1.0 if f > k else (0.5 if f == k else 0.0)
            down = 1.0 - up
            density = INV_SQRT_2PI if f == k else 0.0
            gamma, theta = 0.0, 0.0
        price = df * (call if is_call[i] else put)
        delta = df * (up if is_call[i] else -down)
        out[0, i] = price
        out[1, i] = delta
        out[2, i] = df * gamma
        out[3, i] = df * f * density * sqrt_t
        out[4, i] = df * theta
        out[5, i] = t * (f * delta - price)


@cache
def _kernel() -> Callable[..., None]:
    floats = (Argument.INPUT,) * 4
    return compile_kernel(_greeks_rows, (Argument.ROWS, *floats, Argument.FLAGS, Argument.INPUT))


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: seconds once, off the tick path."""
    _kernel()


def greeks_into(  # noqa: PLR0917 (the kernel's own order)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Fill the rows of `out` (6, n): price, delta, gamma, vega, theta, rho. Allocates nothing.

    Inputs are contiguous arrays of length n, float64 and bool, read-only or not; `out` is C-ordered
    float64. TypeError for any other type; ValueError if the lengths differ.
    """
    n = forward.shape[0]
    if not (
        out.shape == (ROW_COUNT, n)
        and strike.shape[0] == years.shape[0] == vol.shape[0] == n
        and is_call.shape[0] == discount.shape[0] == n
    ):
        raise ValueError(f"greeks_into: out is {out.shape} and the inputs differ from length {n}")
    _kernel()(out, forward, strike, years, vol, is_call, discount)


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Greeks:
    """Price and Greeks, inputs broadcast against each other; units as in the module's table."""
    floats = (forward, strike, years, vol, discount)
    *numbers, flag = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in floats),
        np.asarray(is_call, dtype=np.bool_),
    )
    out = np.empty((ROW_COUNT, flag.size), dtype=np.float64)
    # Copies: numpy warns whoever asks a broadcast array whether it may be written, as numba does.
    f, k, t, s, df = (np.array(number, order="C").reshape(-1) for number in numbers)
    greeks_into(out, f, k, t, s, np.array(flag, order="C").reshape(-1), df)
    rows = out.reshape((ROW_COUNT, *flag.shape))
    return Greeks(*rows)
