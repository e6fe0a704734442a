"""Mean reversion in fixed steps: several slow noises of a market at once.

Each step draws from a numpy Generator in a fixed order, so the path depends on the seed and the
number of steps alone. Time is in years of 365 days.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversion:
    """Mean-reverting noise (Ornstein-Uhlenbeck): its mean, stationary deviation and half-life."""

    mean: float
    deviation: float
    half_life_years: float

    def step(self, years: float) -> tuple[float, float]:
        """What is left of a distance from the mean after `years`, and the noise that has come."""
        decay = math.exp(-math.log(2.0) * years / self.half_life_years)
        return decay, self.deviation * math.sqrt(1.0 - decay * decay)


class ReversionPath:
    """Several independent reversions stepped together, exactly, with one draw each."""

    def __init__(self, laws: tuple[Reversion, ...], step_years: float) -> None:
        steps = np.array([law.step(step_years) for law in laws])
        self._mean = np.array([law.mean for law in laws])
        self._decay, self._noise = steps.T
        self._deviation = np.array([law.deviation for law in laws])
        self.values: FloatArray = self._mean.copy()

    def scatter(self, rng: np.random.Generator) -> None:
        """Start somewhere in the stationary law instead of at the mean."""
        self.values = self._mean + self._deviation * rng.standard_normal(len(self._mean))

    def step(self, rng: np.random.Generator) -> None:
        """Advance by the fixed step."""
        shocks = rng.standard_normal(len(self._mean))
        self.values = self._mean + (self.values - self._mean) * self._decay + self._noise * shocks
