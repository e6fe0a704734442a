"""The discount factor that a chain of linear options implies.

Put-call parity: C - P = df (F - K) at every strike, so that C - P falls with the strike at the rate
df, whatever the forward. The median of the slopes between all pairs of strikes (Theil and Sen's
estimator) does not mind a few marks that are stale.
"""

import math
from typing import Final

import numpy as np

from bot.exchange.market import BoolArray, FloatArray
from bot.quant.processes import YEAR_MS

STRIKES_MIN: Final = 4
RATE_MAX: Final = 0.25  # a year; recorded chains say 0.6 to 4.4 %, and noise more on the last days


def implied_discount(
    strike: FloatArray, is_call: BoolArray, mark: FloatArray, left_ms: int
) -> float:
    """The factor of one expiry, `left_ms` from now; between exp(-RATE_MAX T) and 1.

    1 where fewer than `STRIKES_MIN` strikes have both a call and a put.
    """
    both, at_call, at_put = np.intersect1d(strike[is_call], strike[~is_call], return_indices=True)
    if len(both) < STRIKES_MIN:
        return 1.0
    parity = mark[is_call][at_call] - mark[~is_call][at_put]
    first, second = np.triu_indices(len(both), k=1)
    slopes = (parity[first] - parity[second]) / (both[second] - both[first])
    floor = math.exp(-RATE_MAX * left_ms / YEAR_MS)
    return float(np.clip(np.median(slopes), floor, 1.0))
