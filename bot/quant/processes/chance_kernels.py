"""Random words as uniform, normal, exponential and Poisson numbers, for the loops of the paths.

Branch-free but for the Poisson count, so that a loop around them may be vectorised. Normals by
G. Box and M. Muller, "A note on the generation of random normal deviates" (1958); sine and cosine
are fdlibm's polynomials, on an eighth of the circle.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, log_ratio
from bot.quant.processes import streams

FloatArray = NDArray[np.float64]

STRIDE = streams.STRIDE
SIGN_BIT = np.uint64(1)
SWAP_BIT = np.uint64(2)
UNUSED_BITS = np.uint64(11)  # a double has 53 of the 64
UNIT = 2.0**-53

# Any: words are numbers inside a kernel, arrays outside.
scrambled: Any = njit(**INLINED)(streams.scrambled)


@njit(**INLINED)
def uniform(word: Any) -> float:
    """A number inside (0, 1): neither end is ever taken."""
    return (float(word >> UNUSED_BITS) + 0.5) * UNIT


@njit(**INLINED)
def exponential_variate(word: Any) -> float:
    """Exponential of mean 1."""
    wait: float = -log_ratio(uniform(word), 1.0)
    return wait


@njit(**INLINED)
def normals(first: Any, second: Any) -> tuple[float, float]:
    """Two independent standard normals.

    The angle is within 45 degrees of an axis; two bits that it does not use choose the axis.
    """
    radius = math.sqrt(-2.0 * log_ratio(uniform(first), 1.0))
    radius = radius if second & SIGN_BIT else -radius
    angle = (uniform(second) - 0.5) * (0.5 * math.pi)
    along, across = radius * _cosine(angle), radius * _sine(angle)
    swapped = second & SWAP_BIT
    return across if swapped else along, along if swapped else across


@njit(**INLINED)
def poisson(word: Any, chances: FloatArray) -> float:
    """How many events, given the chances of at most 0, 1, 2, ... of them."""
    u, count = uniform(word), 0.0
    for i in range(len(chances)):
        count += 1.0 if u > chances[i] else 0.0
    return count


@njit(**INLINED)
def _sine(x: float) -> float:
    """sin(x) for |x| <= pi/4."""
    z = x * x
    rest = (8.33333333332248946124e-03 + z * -1.98412698298579493134e-04) + z * z * (
        (2.75573137070700676789e-06 + z * -2.50507602534068634195e-08)
        + z * z * 1.58969099521155010221e-10
    )
    return x + x * z * (-1.66666666666666324348e-01 + z * rest)


@njit(**INLINED)
def _cosine(x: float) -> float:
    """cos(x) for |x| <= pi/4."""
    z = x * x
    rest = (4.16666666666666019037e-02 + z * -1.38888888888741095749e-03) + z * z * (
        (2.48015872894767294178e-05 + z * -2.75573143513906633035e-07)
        + z * z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
    )
    return 1.0 - 0.5 * z + z * z * rest
