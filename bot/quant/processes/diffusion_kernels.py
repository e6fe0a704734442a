"""The steps of the lognormal law and of Merton's: exact in law, however long a step is."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, use_widest_vectors
from bot.quant.processes.chance_kernels import STRIDE, normals, poisson, scrambled

FloatArray = NDArray[np.float64]
WordArray = NDArray[np.uint64]

BLOCK = 512  # paths whose state and streams stay in the nearest cache over all their steps
TWO, THREE = np.uint64(2), np.uint64(3)


@njit(**INLINED)
def _lognormal(
    state: FloatArray, words: WordArray, span: tuple[Any, Any], drift: float, deviation: float
) -> None:
    """One step of the paths of a block."""
    use_widest_vectors()
    for i in range(span[0], span[1]):
        word = words[i]
        z, _ = normals(scrambled(word + STRIDE), scrambled(word + TWO * STRIDE))
        state[0, i] += drift + deviation * z
        words[i] = word + TWO * STRIDE


@njit(**INLINED)
def _jumping(
    state: FloatArray,
    words: WordArray,
    span: tuple[Any, Any],
    chances: FloatArray,
    law: tuple[float, float, float, float],
) -> None:
    """One step of the paths of a block: given its jumps, each moves by one normal."""
    use_widest_vectors()
    drift, variance, jump_mean, jump_variance = law
    for i in range(span[0], span[1]):
        word = words[i]
        z, _ = normals(scrambled(word + STRIDE), scrambled(word + TWO * STRIDE))
        count = poisson(scrambled(word + THREE * STRIDE), chances)
        state[0, i] += drift + count * jump_mean + math.sqrt(variance + count * jump_variance) * z
        words[i] = word + THREE * STRIDE


def diffusion_rows(
    state: FloatArray, words: WordArray, chances: FloatArray, law: FloatArray, steps: WordArray
) -> None:
    """Move the logs of `state` (1, paths) and the streams `words` (paths,) by `steps[0]` steps.

    `law`: drift, variance, mean and variance of a jump, all of one step; `chances` as `poisson`
    takes them, empty if nothing jumps.
    """
    use_widest_vectors()
    paths = np.uint64(len(words))
    drift, variance, jump_mean, jump_variance = law[0], law[1], law[2], law[3]
    for start in range(np.uint64(0), paths, np.uint64(BLOCK)):
        span = (start, min(start + np.uint64(BLOCK), paths))
        for _ in range(steps[0]):
            if len(chances):
                each = (drift, variance, jump_mean, jump_variance)
                _jumping(state, words, span, chances, each)
            else:
                _lognormal(state, words, span, drift, math.sqrt(variance))
