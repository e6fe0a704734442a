"""A robust trend: how fast something grows, whatever a few of its points say.

Theil (1950) and Sen (1968): the slope is the median of the slopes of all pairs of points, which a
quarter of wild points does not move far. Sen's interval of confidence takes the points as
independent.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

POINTS_MIN = 3


class Trend(NamedTuple):
    """Growth of y for each unit of x, and the interval that holds it with the confidence asked."""

    slope: float
    low: float
    high: float


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64], confidence: float = 0.95) -> Trend:
    """Fit a trend through points of shape (n,); all NaN of fewer than three.

    Work and memory grow with n squared.
    """
    if len(x) < POINTS_MIN:
        return Trend(math.nan, math.nan, math.nan)
    from scipy.stats import theilslopes

    found = theilslopes(y, x, confidence)
    return Trend(float(found.slope), float(found.low_slope), float(found.high_slope))
