"""The loops behind `implied_vol`: a rational guess and three steps of fourth order.

With x = -|ln(F/K)|, s the total volatility, a = |x|/s - s/2, b = |x|/s + s/2 and Mills' ratio
M(y) = N(-y) exp(y*y/2), the normalised out-of-the-money value v and what it lacks of its bound
share one form:

    v            = sqrt(2 pi) n (M(a) - M(b))      where a >= 0, below the inflection s*s = 2 |x|
    exp(x/2) - v = sqrt(2 pi) n (M(-a) + M(b))     above it
    n = dv/ds    = exp(-(b*b - |x|)/2) / sqrt(2 pi)

so that their logarithms, and three derivatives of them, need no exponential and never underflow.
Below the inflection Householder's step is taken on 1/ln v, above it on ln(exp(x/2) - v), both
nearly straight (P. Jaeckel, "By Implication", 2006). The first guess is that of D. Stefanica and
R. Radoicic, "An explicit implied volatility formula" (2017), within 6 % wherever s is not extreme;
two steps then reach round-off and the third shows it. What did not settle
is left to a bracketed search.
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

SQRT_2PI = math.sqrt(2.0 * math.pi)
TWO_BY_PI = 2.0 / math.pi
HALF_PI = 0.5 * math.pi
NORMAL_MIN = 2.2250738585072014e-308
VALUE_MIN = 1e-300  # a smaller value has no logarithm that is worth a step
ARGUMENT_MAX = 38.0  # of Mills' ratio: v is 1e-315 there
DEEPEST = 37.0  # |x|/s of any value above VALUE_MIN
NOISE = 2.0**-50  # of the larger of forward and strike: what a price in the money rounds away
STEPS = 3
OVER_SQRT_2PI = 1.0 / SQRT_2PI
OVER_ARGUMENT_MAX = 1.0 / (ARGUMENT_MAX + 1.0)
SIXTH = 1.0 / 6.0
STRAIGHT_BELOW = 1e-8
SETTLED = 1e-7  # relative: the next step of fourth order would be far below round-off
ITERATIONS_MAX = 100  # the hardest seen take 20; bisection alone would need about 60
STRAIGHT = math.sqrt(0.5 * math.pi)  # half of ds/dv at the money, s small
STEP_MIN = 4e-16  # relative: two units in the last place
SQRT_HALF = math.sqrt(0.5)


# A vector division takes the time of thirty products, so that quotients share reciprocals here.


@njit(**INLINED)
def _guess(x: float, ratio: float, root: float, value: float, below: bool) -> float:
    """Stefanica and Radoicic's total volatility, for x <= 0, `ratio` = exp(x), `root` its root."""
    alpha = value * root
    lift = 2.0 * alpha - ratio + 1.0
    polya = exponential(TWO_BY_PI * x)
    both = 1.0 / (ratio * polya)
    over_ratio, over_polya = polya * both, ratio * both
    rest, over_rest = ratio * over_polya, polya * over_ratio
    spread = rest - over_rest
    a = spread * spread
    wing = (rest + over_rest) * (ratio * ratio + 1.0 - lift * lift)
    b = 4.0 * (polya + over_polya) - 2.0 * over_ratio * wing
    room = (ratio + 1.0) * (ratio + 1.0) - lift * lift
    c = 2.0 * alpha * (lift + 1.0 - ratio) * max(room, VALUE_MIN) * over_ratio * over_ratio
    beta = 2.0 * c / (b + math.sqrt(max(b * b + 4.0 * a * c, 0.0)))
    gamma = -HALF_PI * log_ratio(max(beta, VALUE_MIN), 1.0)
    outer, inner = math.sqrt(max(gamma - x, 0.0)), math.sqrt(max(gamma + x, 0.0))
    return outer - inner if below else outer + inner


@njit(**INLINED)
def _step(size: float, s: float, log_target: float, over_target: float, below: bool) -> float:
    """Householder's fourth-order step from `s`, for `size` = |x|; `over_target` = 1/log_target.

    Taken on q = 1/L below the inflection, where L = ln v, and on L = ln(bound - v) above it.
    """
    over_s = 1.0 / s
    h = size * over_s
    a, b = abs(h - 0.5 * s), h + 0.5 * s
    sign = 1.0 if below else -1.0
    above_a, under_a = mills_terms(min(a, ARGUMENT_MAX))
    above_b, under_b = mills_terms(min(b, ARGUMENT_MAX))
    tails, under = above_a * under_b - sign * above_b * under_a, under_a * under_b
    log_value = -0.5 * (b * b - size) + log_ratio(max(tails, NORMAL_MIN), under)
    both = 1.0 / (tails * under)
    # The slope of L and its inverse; second and third derivatives as multiples of the slope.
    slope = sign * OVER_SQRT_2PI * under * under * both
    over_slope = sign * SQRT_2PI * tails * tails * both
    curve, bend = h * h * over_s - 0.25 * s, -3.0 * h * h * over_s * over_s - 0.25
    second = curve - slope
    third = curve * curve + bend + slope * (2.0 * slope - 3.0 * curve)
    missing = (log_target - log_value) * over_slope
    by_log = slope / log_value
    newton = missing * log_value * over_target if below else missing
    halley = second - 2.0 * by_log if below else second
    house = third + 6.0 * by_log * (by_log - second) if below else third
    rise = 1.0 + newton * (halley + house * newton * SIXTH)
    step: float = newton * (1.0 + 0.5 * halley * newton) / rise
    return step


@njit(**INLINED)
def _rapid(x: float, ratio: float, root: float, value: float) -> tuple[float, float]:
    """The s with v(s) = `value`, and the last step's size relative to it (infinite at a bound).

    `ratio` is exp(x), `root` its square root.
    """
    size = -x
    inflection = math.sqrt(2.0 * size)
    above, under = mills_terms(min(inflection, ARGUMENT_MAX))
    below = value * under < root * (0.5 * under - above)
    rest = root - value
    log_target = log_ratio(max(value if below else rest, NORMAL_MIN), 1.0)
    over_target = 1.0 / log_target
    least = size * OVER_ARGUMENT_MAX if below else inflection
    most = inflection if below else 2.0 * ARGUMENT_MAX
    s = min(max(_guess(x, ratio, root, value, below), least), most)
    step = 0.0
    for _ in range(STEPS):
        step = _step(size, s, log_target, over_target, below)
        s = min(max(s + step, least), most)
    relative = abs(step) / s
    # Beyond `DEEPEST` both tails were cut to one, and their difference means nothing.
    moved = relative if (size < DEEPEST * s) & (s < most) else math.inf
    # Next to the money the value of so little volatility is a straight line, to round-off.
    straight = (not below) & (value < STRAIGHT_BELOW)
    s = SQRT_2PI * (value + 0.5 * size) if straight else s
    return s, 0.0 if straight else moved


@njit(error_model="numpy")
def _value(x: float, s: float) -> tuple[float, float, float]:
    """v(s), its distance from the bound exp(x/2), and its slope."""
    h = x / s
    upper = 0.5 * math.erfc(-(h + 0.5 * s) * SQRT_HALF)
    lower = 0.5 * math.erfc(-(h - 0.5 * s) * SQRT_HALF)
    rest = 0.5 * math.erfc((h + 0.5 * s) * SQRT_HALF)
    grow, shrink = math.exp(0.5 * x), math.exp(-0.5 * x)
    slope = math.exp(-0.5 * (h * h + 0.25 * s * s)) / SQRT_2PI
    return grow * upper - shrink * lower, grow * rest + shrink * lower, slope


@njit(error_model="numpy")
def _newton_step(below: bool, target: float, room: float, at: tuple[float, float, float]) -> float:
    """Newton's step on 1/ln v below the inflection, on ln(bound - v) above; nan if there is none.

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
def _careful(x: float, target: float) -> float:
    """The s with v(s) = target, for x <= 0 and 0 < target < exp(x/2).

    A bracket that only shrinks guards every step, so that it cannot fail to converge.
    """
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


@njit(**INLINED)
def _time_value(price: float, f: float, k: float, t: float, df: float, is_call: bool) -> float:
    """The normalised value above intrinsic; 0 where it is only round-off, nan without meaning."""
    small, large = min(f, k), max(f, k)
    fits = (min(small, t, df) > 0.0) & (f + k + t + df < math.inf)
    intrinsic = max(f - k, 0.0) if is_call else max(k - f, 0.0)
    above = price / df - intrinsic
    noise = NOISE * large if intrinsic > 0.0 else 0.0
    value = 0.0 if abs(above) <= noise else above / small * math.sqrt(small / large)
    return value if fits else math.nan


def implied_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    price: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Fill the volatility, and in a second row how far from settled the rapid steps left it."""
    use_widest_vectors()
    for i in range(out.shape[1]):
        f, k, t = forward[i], strike[i], years[i]
        value = _time_value(price[i], f, k, t, discount[i], is_call[i])
        small, large = min(f, k), max(f, k)
        ratio = small / large
        root = math.sqrt(ratio)
        inside = (value > 0.0) & (value < root)
        normal = inside & (value > VALUE_MIN) & (root > VALUE_MIN)
        x = log_ratio(small if normal else 1.0, large if normal else 1.0)
        ratio, root = ratio if normal else 1.0, root if normal else 1.0
        s, moved = _rapid(x, ratio, root, value if normal else 0.25)
        nothing = 0.0 if value == 0.0 else math.nan
        volatility = s / math.sqrt(t)
        out[0, i] = volatility if inside else nothing
        unsettled = math.inf if inside else 0.0
        out[1, i] = moved if normal else unsettled
    two_abreast()
    for i in range(out.shape[1]):
        if not out[1, i] <= SETTLED:
            f, k = forward[i], strike[i]
            value = _time_value(price[i], f, k, years[i], discount[i], is_call[i])
            out[0, i] = _careful(-abs(math.log(f / k)), value) / math.sqrt(years[i])
