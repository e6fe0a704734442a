"""The loops behind `black76`: price and Greeks of a whole chain in one pass, without branches.

With a = |d1|, b = |d2| and M(a) = N(-a) exp(a*a/2), all four tails of an option share one
exponential, since F n(d1) = K n(d2):

    F N(-a) = g M(a),    K N(-b) = g M(b),    g = F exp(-a*a/2)

The out-of-the-money value is a difference of tails and keeps its digits; the other side follows by
parity. Where there is no volatility left (or no forward, or no strike) the tails are taken so far
out that they are the limits of the module `black76`. Each condition selects between two numbers
that are there already: what is computed under a condition becomes a branch. Imported only when the
first kernel is wanted.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import (
    INLINED,
    exponential,
    log_ratio,
    mills_terms,
    two_abreast,
    use_widest_vectors,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
NORMAL_MIN = 2.2250738585072014e-308  # below it a double has no exponent of its own: taken as zero
TOTAL_VOL_MIN = 1e-140  # less than this is no volatility
DEVIATIONS_MAX = 37.5  # exp(-d*d/2) is 6e-306 there, and nothing beyond
FAR = 50.0  # deviations: beyond them


@njit(**INLINED)
def checked(f: float, k: float, t: float, s: float, df: float) -> float:
    """The discount factor if every input is finite and none negative, else nan.

    Every output is a multiple of it: a store under a condition would not be vectorised.
    """
    valid = (f >= 0.0) & (k >= 0.0) & (t >= 0.0) & (s >= 0.0) & (df >= 0.0)
    return df if valid & (f + k + t + s + df < math.inf) else math.nan


@njit(**INLINED)
def _tails(f: float, d1: float, d2: float) -> tuple[float, float, float]:
    """n(d1) sqrt(2 pi), N(-|d1|) and K N(-|d2|)."""
    a, b = min(abs(d1), DEVIATIONS_MAX), min(abs(d2), DEVIATIONS_MAX)
    reached = exponential(-0.5 * a * a)
    bell = reached if a < DEVIATIONS_MAX else 0.0
    (above_a, below_a), (above_b, below_b) = mills_terms(a), mills_terms(b)
    # A division takes the time of thirty products: one for both.
    inverse = 1.0 / (below_a * below_b)
    return bell, bell * (above_a * (below_b * inverse)), f * bell * (above_b * (below_a * inverse))


@njit(**INLINED)
def priced(
    f: float, k: float, log_ahead: float, s: float, root: float, is_call: bool
) -> tuple[float, float, float, float, float, float, float]:
    """Undiscounted value, N(d1), K N(d2) (of a put: N(-d1), K N(-d2)), n(d1), d1, d2, 1/(F x).

    `log_ahead` is ln(F/K), `root` the square root of the years left. Where no volatility is left
    d1 and d2 are so far out, on their side of the money, that the limits follow by themselves;
    the last one is 0.
    """
    ahead, x = f - k, s * root
    moves = (x >= TOTAL_VOL_MIN) & (f * x >= NORMAL_MIN) & (f >= NORMAL_MIN) & (k >= NORMAL_MIN)
    inverse = 1.0 / (f * x if moves else 1.0)
    level = 0.0 if ahead == 0.0 else -FAR
    gone = FAR if ahead > 0.0 else level
    reached = log_ahead * (inverse * f) + 0.5 * x
    d1 = reached if moves else gone
    d2 = d1 - x
    bell, near, far = _tails(f, d1, d2)
    rest, strike_rest = 1.0 - near, k - far
    # A call is out of the money up to the strike, a put above it.
    low, up, strike_up = ahead <= 0.0, d1 >= 0.0, d2 >= 0.0
    first = f * (rest if low & up else near)
    second = far if low | strike_up else strike_rest
    above, below = first - second, second - first
    out = max(above if low else below, 0.0)
    value = out + max(ahead if is_call else -ahead, 0.0)
    own = rest if up == is_call else near
    strike_own = strike_rest if strike_up == is_call else far
    return value, own, strike_own, INV_SQRT_2PI * bell, d1, d2, inverse if moves else 0.0


@njit(**INLINED)
def _first_order(
    out: FloatArray, i: int, terms: tuple[float, float, float, float, float, bool]
) -> tuple[float, float, float, float, float, float, float]:
    """Fill price, delta, gamma, vega and theta of option `i`.

    `terms` are forward, strike, years, vol, discount factor (nan: no option) and whether it is a
    call. Returns rho, which the loop itself must store (see `two_abreast`), and what the second
    order needs: df n(d1), d1, d2, vega, sqrt(years), 1/x.
    """
    f, k, t, s, df, is_call = terms
    root = math.sqrt(max(t, 0.0))
    value, own, strike_own, density, d1, d2, inverse = priced(
        f, k, log_ratio(f, k), s, root, is_call
    )
    bell, signed = df * density, df if is_call else -df
    gamma, vega = bell * inverse, bell * f * root
    out[0, i] = df * value
    out[1, i] = signed * own
    out[2, i] = gamma
    out[3, i] = vega
    out[4, i] = -0.5 * (gamma * (f * s)) * (f * s)
    return t * signed * strike_own, bell, d1, d2, vega, root, inverse * f


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
        rho = _first_order(out, i, (f, k, t, s, checked(f, k, t, s, discount[i]), is_call[i]))[0]
        out[5, i] = rho
    two_abreast()


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
        out[5, i], bell, d1, d2, vega, root, over = _first_order(out, i, terms)
        # sqrt(t)/x is 1/vol and vol/x is 1/sqrt(t), both 0 where no volatility is left.
        per_vol, per_root_year = root * over, s * over
        out[6, i] = -bell * d2 * per_vol
        out[7, i] = vega * d1 * d2 * per_vol
        out[8, i] = 0.5 * bell * d2 * per_root_year * per_root_year
    two_abreast()
