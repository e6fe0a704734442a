"""Deltas that take the smile's own move along.

What an option gains when the forward moves, and its volatility with it, is

    smile delta = D + vega dvol/dF

`vol_slope` is dvol/dK at the option's strike and expiry, per USD of strike, from any smile. How the
volatility at a fixed strike follows the forward is an assumption:

| rule             | the smile is a function of              | dvol/dF        |
|------------------|-----------------------------------------|----------------|
| sticky strike    | the strike                              | 0              |
| sticky moneyness | the strike over the forward             | -(K/F) dvol/dK |
| local volatility | the path that reaches the strike (tree) | dvol/dK        |

Sticky moneyness is every scale-invariant model (Heston, SVCJ and Levy among them), whatever its
parameters: the price is then homogeneous in F and K, so D_SI = (C - K dC/dK)/F. Under local
volatility the implied one is near the mean of the local ones between forward and strike, so it
moves with either alike. Where volatility falls with the strike, sticky moneyness makes the delta
larger than Black's, local volatility smaller.

In coin the same shift is added to the net delta D - V, as vega is F times coin vega; so a smile
delta may take the place of Black's in every row of `bot.quant.conventions`, where the mark is then
subtracted.

Sources: E. Derman, "Regimes of volatility" (1999); C. Alexander and L. Nogueira, "Model-free hedge
ratios and scale-invariant models" (2007); C. Alexander and A. Imeraj, "Delta hedging bitcoin
options with a smile" (2023).
"""

from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


class SmileRule(StrEnum):
    """What the volatility at a fixed strike does when the forward moves."""

    STICKY_STRIKE = "sticky_strike"
    STICKY_MONEYNESS = "sticky_moneyness"
    LOCAL_VOL = "local_vol"


def vol_per_forward(
    rule: SmileRule, vol_slope: ArrayLike, forward: ArrayLike, strike: ArrayLike
) -> FloatArray:
    """Return dvol/dF at a fixed strike, per USD of forward."""
    slope = np.asarray(vol_slope, dtype=np.float64)
    moneyness = np.asarray(strike, dtype=np.float64) / np.asarray(forward, dtype=np.float64)
    slope, moneyness = np.broadcast_arrays(slope, moneyness)
    match rule:
        case SmileRule.STICKY_STRIKE:
            return np.zeros_like(slope)
        case SmileRule.STICKY_MONEYNESS:
            return -moneyness * slope
        case SmileRule.LOCAL_VOL:
            return slope.copy()
        case _:
            assert_never(rule)


def smile_delta(
    black_delta: ArrayLike, vega_usd: ArrayLike, vol_per_forward: ArrayLike
) -> FloatArray:
    """Return D + vega dvol/dF, as Black's delta is: USD per USD of forward, df included in both."""
    vega, moves = (np.asarray(x, dtype=np.float64) for x in (vega_usd, vol_per_forward))
    return np.asarray(black_delta, dtype=np.float64) + vega * moves


def smile_delta_coin(
    net_delta: ArrayLike, vega_coin: ArrayLike, forward: ArrayLike, vol_per_forward: ArrayLike
) -> FloatArray:
    """Return (D - V) + coin vega F dvol/dF, the net delta in coins with the smile's own move."""
    vega_usd = np.asarray(vega_coin, dtype=np.float64) * np.asarray(forward, dtype=np.float64)
    return smile_delta(net_delta, vega_usd, vol_per_forward)
