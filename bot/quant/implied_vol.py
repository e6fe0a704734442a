"""The volatility at which Black's 1976 formula gives a price.

By parity a call and a put of one strike have the same value above intrinsic, so everything is
reduced to the out-of-the-money value, normalised: with x = -|ln(F/K)| and s = vol sqrt(years),

    b(s) = exp(x/2) N(x/s + s/2) - exp(-x/2) N(x/s - s/2),     0 < b < exp(x/2),

rising from 0 to its bound with one inflection at s = sqrt(2 |x|). Below it Newton's method is
applied to 1/ln b, above it to ln(exp(x/2) - b): both are nearly straight there (P. Jaeckel, "By
Implication", 2006). A bracket that only shrinks guards every step, so it cannot fail to converge.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SQRT_HALF: Final = math.sqrt(0.5)
INV_SQRT_2PI: Final = 1.0 / math.sqrt(2.0 * math.pi)
ITERATIONS_MAX: Final = 100  # the hardest seen take 20; bisection alone would need about 60
STRAIGHT: Final = math.sqrt(0.5 * math.pi)  # half of ds/db at the money, s small
STEP_MIN: Final = 4e-16  # relative: two units in the last place


@njit(error_model="numpy")
def _value(x: float, s: float) -> tuple[float, float, float]:
    """b(s), its distance from the bound exp(x/2), and its slope."""
    h = x / s
    upper = 0.5 * math.erfc(-(h + 0.5 * s) * SQRT_HALF)
    lower = 0.5 * math.erfc(-(h - 0.5 * s) * SQRT_HALF)
    rest = 0.5 * math.erfc((h + 0.5 * s) * SQRT_HALF)
    grow, shrink = math.exp(0.5 * x), math.exp(-0.5 * x)
    slope = INV_SQRT_2PI * math.exp(-0.5 * (h * h + 0.25 * s * s))
    return grow * upper - shrink * lower, grow * rest + shrink * lower, slope


@njit(error_model="numpy")
def _newton_step(below: bool, target: float, room: float, at: tuple[float, float, float]) -> float:
    """Newton's step on 1/ln b below the inflection, on ln(bound - b) above; nan if there is none.

    `room` is the bound less `target`; `at` comes from `_value`.
    """
    value, rest, slope = at
    if slope <= 0.0:
        return math.nan
    if below and value > 0.0:
        log_value = math.log(value)
        return log_value * (1.0 - log_value / math.log(target)) * value / slope
    if not below and rest > 0.0:
        return math.log(rest / room) * rest / slope
    return math.nan


@njit(error_model="numpy")
def _total_vol(x: float, target: float) -> float:
    """The s with b(s) = target, for x <= 0 and 0 < target < exp(x/2)."""
    room = math.exp(0.5 * x) - target
    low, high = 0.0, math.inf
    s = inflection = math.sqrt(-2.0 * x)
    below = inflection > 0.0 and target < _value(x, inflection)[0]
    if below:
        high = inflection
    else:
        low = inflection
        s = max(inflection, target * STRAIGHT)
    for _ in range(ITERATIONS_MAX):
        at = _value(x, s)
        if at[0] > target:
            high = min(high, s)
        else:
            low = max(low, s)
        new = s + _newton_step(below, target, room, at)
        if abs(new - s) <= STEP_MIN * s:
            break
        if not (low < new < high):
            new = 0.5 * (low + high) if high < math.inf else 2.0 * s
        s = new
    return s


def _implied_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    price: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    for i in range(out.shape[1]):
        out[0, i] = math.nan
        f, k, t, df = forward[i], strike[i], years[i], discount[i]
        if not (min(f, k, t, df) > 0.0 and f + k + t + df < math.inf):
            continue
        undiscounted = price[i] / df
        intrinsic = max(f - k, 0.0) if is_call[i] else max(k - f, 0.0)
        x = -abs(math.log(f / k))
        target = (undiscounted - intrinsic) / math.sqrt(f * k)
        if target == 0.0:
            out[0, i] = 0.0
        elif 0.0 < target < math.exp(0.5 * x):
            out[0, i] = _total_vol(x, target) / math.sqrt(t)


@cache
def _kernel() -> Callable[..., None]:
    floats = (Argument.INPUT,) * 4
    return compile_kernel(_implied_rows, (Argument.ROWS, *floats, Argument.FLAGS, Argument.INPUT))


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

    `price` is the discounted value in quote currency per coin, as `black76.greeks().price`: a coin
    price times its forward. nan where no volatility gives the price: outside the bounds
    intrinsic <= price / discount < forward (put: strike), with no time left, or for inputs that are
    not positive and finite. A price of exactly intrinsic is volatility 0.
    """
    p, f, k, t, df, flag = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (price, forward, strike, years)),
        np.asarray(discount, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    out = np.empty((1, p.size), dtype=np.float64)
    flat = [np.ascontiguousarray(value).reshape(-1) for value in (p, f, k, t, flag, df)]
    _kernel()(out, *flat)
    volatility: FloatArray = out.reshape(p.shape)
    return volatility
