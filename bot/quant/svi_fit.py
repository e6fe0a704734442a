"""The SVI slice of one expiry that fits its quotes, with or without butterfly arbitrage.

Weighted least squares of volatilities over the five raw parameters; quotes that stand far out count
less, down to nothing. Started by the quasi-explicit method, descended by Levenberg and Marquardt's;
the loops are in `svi_fit_kernels` and take about a tenth of a millisecond.

Quotes are arrays of shape (n,): log-moneyness k = ln(K/F) on the expiry's own forward, volatility
per square root of a year, and optionally its half-spread, (ask - bid) / (2 vega), in the same unit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from bot.quant.compiled import Argument, compile_kernel
from bot.quant.svi import NODES, REACH, SLOPE_MAX, Butterfly, FloatArray, Svi

STRIKES_MIN: Final = 5  # as many as there are parameters
HALF_SPREAD_FLOOR: Final = 0.002  # of a volatility: a tighter quote says no more than this
SLOPE_FREE_MAX: Final = SLOPE_MAX * (1.0 - 1e-6)
SKEW_MAX: Final = 1.0 - 1e-9
# Beyond these a quote is an error: vols are decimals, a log-moneyness of 20 a factor of 5e8.
K_MAX: Final = 20.0
VOL_MIN, VOL_MAX = 1e-4, 50.0
YEARS_MIN, YEARS_MAX = 1e-7, 100.0  # three seconds
SPAN_MIN: Final = 1e-7  # of the strikes
WEIGHT_MIN: Final = 1e-9  # of the largest: less is nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class SviFit:
    """A slice and how well it fits the `quotes` that were used.

    Errors are in vol points (hundredths), unweighted, wild quotes included. `inside_share` is the
    share of quotes that it passes within the half-spread, nan if none has one. `wild` quotes are
    those that counted less than half. `bent` says that butterfly arbitrage had to be taken out.
    """

    svi: Svi
    years: float
    quotes: int
    wild: int
    rmse_vol_points: float
    worst_vol_points: float
    inside_share: float
    butterfly: Butterfly
    bent: bool
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """No slice, and why."""

    reason: str


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import svi_fit_kernels

    tables = (Argument.TABLE, Argument.TABLE)
    return compile_kernel(svi_fit_kernels.fit_rows, (Argument.ROWS, *tables, Argument.INPUT))


@cache
def _nodes() -> FloatArray:
    """What a slice needs to know of each u of the grid that it is examined on."""
    u = np.linspace(-REACH, REACH, NODES)
    up, down = 0.5 * np.exp(u), 0.5 * np.exp(-u)
    cosh = up + down
    return np.array([up, down, up / cosh, down / cosh, 0.5 / cosh**3, up - down, u])


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: seconds once."""
    _kernel()


def weights_of(half_spread: FloatArray) -> FloatArray:
    """What quotes count by their half-spread in volatility: 1 / (half-spread + floor).

    nan for nan, and for a crossed quote, whose half-spread is negative.

    Squared, a few tight quotes at the money would rule: on recorded chains that fits marks worse
    everywhere else, and no more of them within their spreads.
    """
    known = np.where(half_spread >= 0.0, half_spread, np.nan)
    weight: FloatArray = 1.0 / (known + HALF_SPREAD_FLOOR)
    return weight


def fit_slice(
    k: FloatArray,
    vol: FloatArray,
    years: float,
    *,
    half_spread: FloatArray | None = None,
    weight: FloatArray | None = None,
    free: bool = True,
) -> SviFit | Unfit:
    """Fit the quotes of one expiry; `free` of butterfly arbitrage, or as they come and flagged.

    A quote counts by its `weight`, by `weights_of` its half-spread if no weights are given, equally
    if neither is. It does not count at all where its weight is 0 or not finite (one-sided, stale),
    or where log-moneyness or volatility are no such thing. Any finite input is answered.

    Raises:
        ValueError: the arrays differ in length.
    """
    if weight is None:
        weight = np.ones(len(k)) if half_spread is None else weights_of(half_spread)
    lengths = {len(column) for column in (k, vol, weight, half_spread) if column is not None}
    if len(lengths) != 1:
        raise ValueError("k, vol, half_spread and weight must be of one length")
    good = (np.abs(k) <= K_MAX) & (vol >= VOL_MIN) & (vol <= VOL_MAX)
    good &= np.isfinite(weight) & (weight > 0.0)
    if not YEARS_MIN <= years <= YEARS_MAX:
        return Unfit(reason=f"no smile at {years:.3g} years to expiry")
    good &= weight >= WEIGHT_MIN * np.max(weight, where=good, initial=0.0)
    quotes = np.array([k[good], vol[good], weight[good]])
    strikes = len(np.unique(quotes[0]))
    if strikes < STRIKES_MIN:
        return Unfit(reason=f"{strikes} good strikes, of {STRIKES_MIN} that five parameters need")
    if np.ptp(quotes[0]) < SPAN_MIN:
        return Unfit(reason="all strikes are at one place")
    quotes[2] /= np.max(quotes[2])
    spread = None if half_spread is None else half_spread[good]
    return _fitted(quotes, spread, years, free)


def _fitted(quotes: FloatArray, half_spread: FloatArray | None, years: float, free: bool) -> SviFit:
    """The kernel's answer to good quotes, with the report on it."""
    n = quotes.shape[1]
    out = np.empty((2, max(n, 9)))
    settings = np.array([years, SLOPE_FREE_MAX if free else math.inf, float(free)])
    _kernel()(out, quotes, _nodes(), settings)
    a, right, left, m, sigma, g_min, g_min_at, steps, how = out[0, :9].tolist()
    both = right + left
    rho = min(max((right - left) / both, -SKEW_MAX), SKEW_MAX) if both > 0.0 else 0.0
    svi = Svi(a=a, b=0.5 * both, rho=rho, m=m, sigma=sigma)
    off = np.abs(svi.vol(quotes[0], years) - quotes[1])
    return SviFit(
        svi=svi,
        years=years,
        quotes=n,
        wild=int(np.count_nonzero(out[1, :n] < 0.5)),
        rmse_vol_points=100.0 * math.sqrt(float(off @ off) / n),
        worst_vol_points=100.0 * float(off.max()),
        inside_share=_inside_share(off, half_spread),
        butterfly=Butterfly(
            g_min=g_min,
            g_min_at=g_min_at,
            variance_min=svi.variance_min,
            slope_left=svi.slope_left,
            slope_right=svi.slope_right,
        ),
        bent=how > 0.0,
        steps=int(steps),
    )


def _inside_share(off: FloatArray, half_spread: FloatArray | None) -> float:
    if half_spread is None:
        return math.nan
    known = np.isfinite(half_spread)
    return float(np.mean(off[known] <= half_spread[known])) if known.any() else math.nan
