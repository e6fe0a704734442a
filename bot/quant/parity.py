"""The forward and the discount factor that the options of one expiry imply.

Put-call parity ties each strike's call and put to both, whatever the smile:

| options | price in       | C - P                | in units of         |
|---------|----------------|----------------------|---------------------|
| linear  | quote currency | df (F - K)           | quote currency      |
| inverse | coin           | df (1 - K/F)         | coin (df is near 1) |

Either is a straight line in K. Its slope and level are estimated robustly: the weighted median of
the slopes between all pairs of strikes (P. K. Sen, 1968), then Tukey's biweight around it, so that
a quarter of the quotes may be stale or wild. Where the factor is known, as for inverse options that
pay in the coin in which they are priced, the weighted median of what each strike says of the
forward is taken.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

STRIKES_MIN: Final = 4  # to tell a line from two odd quotes
REWEIGHTINGS: Final = 8
SETTLED: Final = 1e-12  # relative change of the slope
TUKEY: Final = 4.685  # deviations from which a quote no longer counts: 95 % efficient if normal
MAD: Final = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What one expiry implies: the forward in quote currency, the discount factor.

    `error` is the median distance of call less put from the line, in the options' own unit, and
    `strikes` how many had both.
    """

    forward: float
    discount: float
    error: float
    strikes: int

    def rate(self, years: float) -> float:
        """The continuously compounded rate a year, a decimal."""
        return -math.log(self.discount) / years


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParity:
    """No forward, and why."""

    reason: str


def pairs(
    strike: FloatArray, is_call: BoolArray, price: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Strikes in order that have both a call and a put, and their prices, of one expiry's columns.

    Of several prices for one option the first is taken.
    """
    both, at_call, at_put = np.intersect1d(strike[is_call], strike[~is_call], return_indices=True)
    return both, price[is_call][at_call], price[~is_call][at_put]


def imply(
    strike: FloatArray,
    call: FloatArray,
    put: FloatArray,
    *,
    weight: FloatArray | None = None,
    in_coin: bool = False,
    discount: float | None = None,
) -> Parity | NoParity:
    """The forward and, unless it is given, the discount factor of one expiry.

    Arrays of shape (n,), one element a strike; `weight` is what a strike counts, 1 / (the sum of
    the two half-spreads) say, and equally much if it is not given. Strikes whose prices are not
    finite, or whose weight is 0 or not finite, do not count. `in_coin`: prices of inverse options.

    With a known `discount`, positive and finite, one strike is enough; else `STRIKES_MIN`.
    """
    weights = np.ones(len(strike)) if weight is None else weight
    good = np.isfinite(call) & np.isfinite(put) & (strike > 0.0) & np.isfinite(strike)
    good &= np.isfinite(weights) & (weights > 0.0)
    k, spread, share = strike[good], call[good] - put[good], weights[good]
    needed = STRIKES_MIN if discount is None else 1
    if len(np.unique(k)) < needed:
        return NoParity(reason=f"{len(np.unique(k))} strikes with a call and a put, of {needed}")
    if discount is not None:
        if not 0.0 < discount < math.inf:
            return NoParity(reason=f"{discount} is no discount factor")
        return _known(k, spread, share, in_coin=in_coin, discount=discount)
    slope, level = _line(k, spread, share)
    # level + slope K is df F - df K, or df - (df / F) K of coin prices
    factor = level if in_coin else -slope
    forward = -level / slope if slope < 0.0 else math.nan
    if not (factor > 0.0 and 0.0 < forward < math.inf):
        return NoParity(reason="call less put does not fall with the strike")
    error = float(np.median(np.abs(level + slope * k - spread)))
    return Parity(forward=forward, discount=factor, error=error, strikes=len(k))


def _known(
    k: FloatArray, spread: FloatArray, share: FloatArray, *, in_coin: bool, discount: float
) -> Parity | NoParity:
    """The forward where the discount factor is known."""
    paid = spread / discount
    if in_coin:
        # Of 1/F, of which a coin price is a straight line: no strike states it as infinite.
        inverse = _weighted_median((1.0 - paid) / k, share * k)
        forward = 1.0 / inverse if inverse > 0.0 else math.inf
    else:
        forward = _weighted_median(k + paid, share)
    if not 0.0 < forward < math.inf:
        return NoParity(reason=f"calls and puts state a forward of {forward:.6g}")
    line = discount * (1.0 - k / forward) if in_coin else discount * (forward - k)
    error = float(np.median(np.abs(line - spread)))
    return Parity(forward=forward, discount=discount, error=error, strikes=len(k))


def _line(x: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Slope and level of a straight line through most points."""
    first, second = np.triu_indices(len(x), k=1)
    run = x[second] - x[first]
    apart = run != 0.0
    rise = (y[second] - y[first])[apart]
    # Not by distance as well: a few wild quotes at one end would then outweigh the rest.
    root = np.sqrt(weight)
    trust = (root[first] * root[second])[apart]
    slope = _weighted_median(rise / run[apart], trust)
    level = _weighted_median(y - slope * x, weight)
    for _ in range(REWEIGHTINGS):
        off = (y - level - slope * x) * np.sqrt(weight)
        bound = TUKEY * MAD * float(np.median(np.abs(off)))
        if bound == 0.0:
            break
        share = weight * np.maximum(1.0 - (off / bound) ** 2, 0.0) ** 2
        total = float(share.sum())
        at, mean = float(share @ x) / total, float(share @ y) / total
        wide = float(share @ (x - at) ** 2)
        if wide == 0.0:
            break
        before, slope = slope, float(share @ ((x - at) * (y - mean))) / wide
        level = mean - slope * at
        if abs(slope - before) <= SETTLED * abs(slope):
            break
    return slope, level


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])])
