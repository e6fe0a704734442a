"""The steps of a perpetual's premium, exact in law, and of the funding that it costs."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED
from bot.quant.processes import perpetual
from bot.quant.processes.chance_kernels import STRIDE, normals, scrambled

FloatArray = NDArray[np.float64]
WordArray = NDArray[np.uint64]

funding_rate_8h = njit(**INLINED)(perpetual.funding_rate_8h)


def perpetual_rows(
    state: FloatArray, words: WordArray, _: FloatArray, law: FloatArray, steps: WordArray
) -> None:
    """Move premium and funding paid, `state` (2, paths), and the streams by `steps[0]` steps.

    `law`: mean, decay and noise of the premium, dampener, cap, and how many times eight hours a
    step takes. The rate of a step's beginning holds until its end.
    """
    mean, decay, noise = law[0], law[1], law[2]
    dampener, cap, hours = law[3], law[4], law[5]
    for i in range(len(words)):
        premium, paid, word = state[0, i], state[1, i], words[i]
        for _step in range(steps[0]):
            paid += funding_rate_8h(premium, dampener, cap) * hours
            z, _other = normals(scrambled(word + STRIDE), scrambled(word + STRIDE + STRIDE))
            word += STRIDE + STRIDE
            premium = mean + (premium - mean) * decay + noise * z
        state[0, i], state[1, i], words[i] = premium, paid, word
