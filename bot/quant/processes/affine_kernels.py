"""The steps of Heston's law and of SVCJ: the quadratic-exponential scheme, jumps on either side.

Source: L. Andersen, "Simple and efficient simulation of the Heston stochastic volatility model"
(2008), sections 3.2 and 4.3: variance by a moment-matched square of a normal where it is large and
by an atom at zero and an exponential where it is small; the log spot with the correction that makes
each step a martingale exactly. The jumps of half a step's time are made before it and those of the
other half after it (Strang's splitting), which leaves an error of second order in the step.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bot.quant.elementary import INLINED, OPTIONS, log_ratio
from bot.quant.processes.chance_kernels import (
    STRIDE,
    exponential_variate,
    normals,
    scrambled,
    uniform,
)

FloatArray = NDArray[np.float64]
WordArray = NDArray[np.uint64]

PSI_MAX = 1.5  # squared variation of the variance's law up to which it is a squared normal


class Walker(NamedTuple):
    """One path: log of the spot, variance a year, and where its stream stands."""

    x: float
    v: float
    word: Any


class Step(NamedTuple):
    """What a step needs, from `bot.quant.processes.paths`; the field names are Andersen's."""

    decay: float  # of the variance's distance from its mean
    pull: float  # mean (1 - decay)
    spread_v: float  # the next variance's variance: spread_v v + spread
    spread: float
    k1: float
    k2: float
    k3: float
    k4: float
    a: float  # k2 + k4 / 2
    plain: float  # the drift of the log where the correction's moment does not exist
    compensator: float  # of the jumps, for the step
    jump_mean: float
    jump_deviation: float
    jump_tilt: float
    variance_jump_mean: float


@njit(**INLINED)
def _squared(m: float, psi: float, z: float, a: float, plain: float) -> tuple[float, float]:
    """The next variance as a (b + z)^2, and the log of E[exp(a v)] under that law."""
    twice = 2.0 / psi
    b2 = twice - 1.0 + math.sqrt(twice) * math.sqrt(twice - 1.0)
    scale = m / (1.0 + b2)
    room = 1.0 - 2.0 * a * scale
    grown = a * b2 * scale / room - 0.5 * math.log(room) if room > 0.0 else plain
    return scale * (math.sqrt(b2) + z) ** 2, grown


@njit(**INLINED)
def _atomic(m: float, psi: float, u: float, a: float, plain: float) -> tuple[float, float]:
    """The next variance as 0 or exponential, and the log of E[exp(a v)] under that law."""
    atom = (psi - 1.0) / (psi + 1.0)
    rate = (1.0 - atom) / m
    grown = math.log(atom + rate * (1.0 - atom) / (rate - a)) if a < rate else plain
    return 0.0 if u <= atom else log_ratio(1.0 - atom, 1.0 - u) / rate, grown


@njit(**OPTIONS)
def _diffused(at: Walker, step: Step) -> Walker:
    """One step without jumps."""
    word = at.word + STRIDE
    first = scrambled(word)
    word += STRIDE
    z, other = normals(first, scrambled(word))
    m = step.pull + step.decay * at.v
    psi = (step.spread + step.spread_v * at.v) / (m * m)
    unmatched = -(step.plain + (step.k1 + 0.5 * step.k3) * at.v)
    if psi <= PSI_MAX:
        v, grown = _squared(m, psi, other, step.a, unmatched)
    else:
        word += STRIDE
        v, grown = _atomic(m, psi, uniform(scrambled(word)), step.a, unmatched)
    x = at.x - step.compensator - grown - 0.5 * step.k3 * at.v
    x += step.k2 * v + math.sqrt(step.k3 * at.v + step.k4 * v) * z
    return Walker(x, v, word)


@njit(**OPTIONS)
def _jumped(at: Walker, step: Step, chances: FloatArray) -> Walker:
    """The jumps of half a step."""
    word = at.word + STRIDE
    u, x, v = uniform(scrambled(word)), at.x, at.v
    for i in range(len(chances)):
        if u <= chances[i]:
            break
        size = step.variance_jump_mean * exponential_variate(scrambled(word + STRIDE))
        word += STRIDE + STRIDE
        first = scrambled(word)
        word += STRIDE
        z, _ = normals(first, scrambled(word))
        x += step.jump_mean + step.jump_tilt * size + step.jump_deviation * z
        v += size
    return Walker(x, v, word)


def affine_rows(
    state: FloatArray, words: WordArray, chances: FloatArray, law: FloatArray, steps: WordArray
) -> None:
    """Move log spot and variance, `state` (2, paths), and the streams by `steps[0]` steps.

    `law` is a `Step` as an array; `chances` of at most 0, 1, ... jumps in half a step, empty if
    nothing jumps.
    """
    step = Step(
        law[0], law[1], law[2], law[3], law[4], law[5], law[6], law[7], law[8], law[9], law[10],
        law[11], law[12], law[13], law[14],
    )  # fmt: skip
    for i in range(len(words)):
        at = Walker(state[0, i], state[1, i], words[i])
        for _ in range(steps[0]):
            if len(chances):
                at = _jumped(at, step, chances)
            at = _diffused(at, step)
            if len(chances):
                at = _jumped(at, step, chances)
        state[0, i], state[1, i], words[i] = at.x, at.v, at.word
