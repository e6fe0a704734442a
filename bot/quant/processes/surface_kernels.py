"""The steps of `SurfaceMarket`: the jumps exact, the spot a martingale exactly, factors exact.

The jumps are found by thinning: between jumps the intensities only fall, so that the one of now
bounds all to come. After Y. Ogata, "On Lewis' simulation method for point processes" (1981).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, OPTIONS
from bot.quant.processes.chance_kernels import (
    STRIDE,
    exponential_variate,
    normals,
    scrambled,
    uniform,
)

FloatArray = NDArray[np.float64]
WordArray = NDArray[np.uint64]

LAW_SIZE = 24


class Jumps(NamedTuple):
    """Intensities a year of now, what has been jumped, what the spot pays for it, the stream."""

    up: float
    down: float
    total: float
    paid: float
    word: Any


class Excitement(NamedTuple):
    """A `Hawkes` law as the loop needs it."""

    up: float
    down: float
    decay: float
    same: float  # an intensity's rise at a jump of its own side, a year
    other: float
    up_mean: float
    down_mean: float
    up_paid: float
    down_paid: float


@njit(**INLINED)
def _waited(at: Jumps, law: Excitement, years: float) -> Jumps:
    """Nothing jumps for so long: intensities fall towards their bases, and drift is paid."""
    gone = -math.expm1(-law.decay * years)
    lasting = gone / law.decay
    paid = law.up_paid * (law.up * years + (at.up - law.up) * lasting)
    paid += law.down_paid * (law.down * years + (at.down - law.down) * lasting)
    up = at.up + (law.up - at.up) * gone
    down = at.down + (law.down - at.down) * gone
    return Jumps(up, down, at.total, at.paid + paid, at.word)


@njit(**INLINED)
def _perhaps(at: Jumps, law: Excitement, bound: float) -> Jumps:
    """A jump that came at the rate `bound`: of either side, or none if the rate has fallen."""
    u = uniform(scrambled(at.word + STRIDE)) * bound
    word = at.word + STRIDE
    if u >= at.up + at.down:
        return Jumps(at.up, at.down, at.total, at.paid, word)
    size = exponential_variate(scrambled(word + STRIDE))
    word += STRIDE
    if u < at.up:
        total = at.total + law.up_mean * size
        return Jumps(at.up + law.same, at.down + law.other, total, at.paid, word)
    total = at.total - law.down_mean * size
    return Jumps(at.up + law.other, at.down + law.same, total, at.paid, word)


@njit(**OPTIONS)
def _jumped(at: Jumps, law: Excitement, years: float) -> Jumps:
    """Every jump of the next `years`."""
    left = years
    while True:
        bound = at.up + at.down
        wait = exponential_variate(scrambled(at.word + STRIDE)) / bound if bound > 0.0 else math.inf
        at = Jumps(at.up, at.down, at.total, at.paid, at.word + STRIDE)
        if not wait < left:
            done: Jumps = _waited(at, law, left)
            return done
        at = _perhaps(_waited(at, law, wait), law, bound)
        left -= wait


@njit(**INLINED)
def _moved(value: float, law: FloatArray, first: int, shocks: tuple[float, float, float]) -> float:
    """One factor after the step: `law` from `first` on is mean, decay, two noises, response."""
    z, own, jump = shocks
    back = law[first] + (value - law[first]) * law[first + 1]
    moved: float = back + law[first + 2] * z + law[first + 3] * own + law[first + 4] * jump
    return moved


def surface_rows(
    state: FloatArray, words: WordArray, scale: FloatArray, law: FloatArray, steps: WordArray
) -> None:
    """Move the rows of `state` (7, paths) and the streams by `steps[0]` steps.

    `scale`: years, variance a step at level and slope 0, the anchor's decay a step. `law`: an
    `Excitement`, then five numbers each of level, slope and skew, as `_moved` takes them.
    """
    excited = Excitement(law[0], law[1], law[2], law[3], law[4], law[5], law[6], law[7], law[8])
    years, variance, decay = scale[0], scale[1], scale[2]
    for i in range(len(words)):
        for _ in range(steps[0]):
            at = _jumped(Jumps(state[1, i], state[2, i], 0.0, 0.0, words[i]), excited, years)
            word = at.word
            z, own = normals(scrambled(word + STRIDE), scrambled(word + STRIDE + STRIDE))
            word += STRIDE + STRIDE
            second, third = normals(scrambled(word + STRIDE), scrambled(word + STRIDE + STRIDE))
            words[i] = word + STRIDE + STRIDE
            diffused = variance * math.exp(2.0 * (state[3, i] + state[4, i]))
            move = math.sqrt(diffused) * z - 0.5 * diffused + at.total - at.paid
            state[0, i] += move
            state[1, i], state[2, i] = at.up, at.down
            state[3, i] = _moved(state[3, i], law, 9, (z, own, at.total))
            state[4, i] = _moved(state[4, i], law, 14, (z, second, at.total))
            state[5, i] = _moved(state[5, i], law, 19, (z, third, at.total))
            state[6, i] = state[6, i] * decay + move
