"""The loops behind `black76`: price and Greeks of a whole chain in one pass, without branches.

With a = |d1|, b = |d2| and M(a) = N(-a) exp(a*a/2), all four tails of an option share one
exponential, since F n(d1) = K n(d2):

    F N(-a) = g M(a),    K N(-b) = g M(b),    g = F exp(-a*a/2)

The out-of-the-money value is a difference of tails and keeps its digits; the other side follows by
parity. Where there is no volatility left (or no forward, or no strike) the limits of the
module `black76` take over by selection. Imported only when the first kernel is wanted.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, exponential, log_ratio, mills, use_widest_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
NORMAL_MIN = 2.2250738585072014e-308  # below it a double has no exponent of its own: taken as zero
TOTAL_VOL_MIN = 1e-140  # less than this is no volatility
DEVIATIONS_MAX = 37.5  # exp(-d*d/2) is 6e-306 there, and nothing beyond


@njit(**INLINED)
def checked(f: float, k: float, t: float, s: float, df: float) -> float:
    """The discount factor if every input is finite and none negative, else nan.

    Every output is a multiple of it: a store under a condition would not be vectorised.
    """
    valid = (f >= 0.0) & (k >= 0.0) & (t >= 0.0) & (s >= 0.0) & (df >= 0.0)
    return df if valid & (f + k + t + s + df < math.inf) else math.nan


@njit(**INLINED)
def _tails(f: float, k: float, d1: float, d2: float) -> tuple[float, float, float, float, float]:
    """n(d1) sqrt(2 pi), then N(d1), N(-d1), K N(d2), K N(-d2)."""
    a, b = min(abs(d1), DEVIATIONS_MAX), min(abs(d2), DEVIATIONS_MAX)
    reached = exponential(-0.5 * a * a)
    bell = reached if a < DEVIATIONS_MAX else 0.0
    near, far = bell * mills(a), f * bell * mills(b)
    up = 1.0 - near if d1 >= 0.0 else near
    down = near if d1 >= 0.0 else 1.0 - near
    strike_up = k - far if d2 >= 0.0 else far
    strike_down = far if d2 >= 0.0 else k - far
    return bell, up, down, strike_up, strike_down


@njit(**INLINED)
def log_moneyness(f: float, k: float) -> float:
    """ln(F/K), or 0 where one of them is nothing."""
    both = (f >= NORMAL_MIN) & (k >= NORMAL_MIN)
    ahead: float = log_ratio(f if both else 1.0, k if both else 1.0)
    return ahead


@njit(**INLINED)
def priced(
    f: float, k: float, log_ahead: float, s: float, root: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Undiscounted call and put, N(d1), N(-d1), K N(d2), K N(-d2), n(d1), d1, d2, 1/(F x).

    `log_ahead` is `log_moneyness`, `root` the square root of the years left. The last three are 0
    where no volatility is left.
    """
    x = s * root
    moves = (x >= TOTAL_VOL_MIN) & (f * x >= NORMAL_MIN) & (f >= NORMAL_MIN) & (k >= NORMAL_MIN)
    total = x if moves else 1.0
    inverse = 1.0 / ((f if moves else 1.0) * total)
    d1 = log_ahead * (inverse * (f if moves else 1.0)) + 0.5 * total
    d2 = d1 - total
    bell, up, down, strike_up, strike_down = _tails(f, k, d1, d2)
    ahead = f - k
    out_call, out_put = max(f * up - strike_up, 0.0), max(strike_down - f * down, 0.0)
    call = out_call if ahead <= 0.0 else out_put + ahead
    put = out_call - ahead if ahead <= 0.0 else out_put
    step = 1.0 if ahead > 0.0 else (0.5 if ahead == 0.0 else 0.0)
    call, put = call if moves else max(ahead, 0.0), put if moves else max(-ahead, 0.0)
    up, down = up if moves else step, down if moves else 1.0 - step
    strike_up = strike_up if moves else k * step
    strike_down = strike_down if moves else k * (1.0 - step)
    at_the_money = INV_SQRT_2PI if ahead == 0.0 else 0.0
    density = INV_SQRT_2PI * bell if moves else at_the_money
    d1, d2 = d1 if moves else 0.0, d2 if moves else 0.0
    inverse = inverse if moves else 0.0
    return call, put, up, down, strike_up, strike_down, density, d1, d2, inverse


@njit(**INLINED)
def _first_order(
    out: FloatArray, i: int, terms: tuple[float, float, float, float, float, bool]
) -> tuple[float, float, float, float, float]:
    """Fill price, delta, gamma, vega, theta and rho of option `i`.

    `terms` are forward, strike, years, vol, discount factor (nan: no option) and whether it is a
    call. Returns what the second order needs: df n(d1), d1, d2, vega, sqrt(years)/x.
    """
    f, k, t, s, df, is_call = terms
    root = math.sqrt(max(t, 0.0))
    call, put, up, down, k_up, k_down, density, d1, d2, inverse = priced(
        f, k, log_moneyness(f, k), s, root
    )
    bell, over_x = df * density, inverse * f
    vega = bell * f * root
    out[0, i] = df * (call if is_call else put)
    out[1, i] = df * (up if is_call else -down)
    out[2, i] = bell * inverse
    out[3, i] = vega
    out[4, i] = -0.5 * bell * f * s * s * over_x
    out[5, i] = t * df * (k_up if is_call else -k_down)
    return bell, d1, d2, vega, root * over_x


def greeks_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Fill price, delta, gamma, vega, theta, rho."""
    use_widest_vectors()
    for i in range(out.shape[1]):
        f, k, t, s = forward[i], strike[i], years[i], vol[i]
        _first_order(out, i, (f, k, t, s, checked(f, k, t, s, discount[i]), is_call[i]))


def greeks_full_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Fill price, delta, gamma, vega, theta, rho, vanna, volga, charm."""
    use_widest_vectors()
    for i in range(out.shape[1]):
        f, k, t, s = forward[i], strike[i], years[i], vol[i]
        terms = (f, k, t, s, checked(f, k, t, s, discount[i]), is_call[i])
        bell, d1, d2, vega, per_vol = _first_order(out, i, terms)
        # sqrt(t)/x is 1/vol, and 0 where no volatility is left; (vol/x)**2 is 1/years.
        per_root_year = per_vol * s / math.sqrt(t) if t > 0.0 else 0.0
        out[6, i] = -bell * d2 * per_vol
        out[7, i] = vega * d1 * d2 * per_vol
        out[8, i] = 0.5 * bell * d2 * per_root_year * per_root_year
