"""Random processes in fixed steps: a spot with stochastic variance and jumps, and mean reversion.

Each step draws from a numpy Generator in a fixed order, so the path depends on the seed and the
number of steps alone. Time is in years of 365 days, variance and rates are per year.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpDiffusion:
    """Stochastic variance with jumps in both spot and variance (SVCJ), jumps double-exponential.

        d ln S = -(v / 2 + compensator) dt + sqrt(v) dW1 + J dN
        dv     = speed (variance_mean - v) dt + vol_of_variance sqrt(v) dW2 + Z dN

    with corr(dW1, dW2) = correlation, N of `jumps_per_year`, J exponential with mean size
    `jump_mean` and downward with probability `jump_down_share`, Z exponential with mean
    `variance_jump_mean`. The compensator makes S a martingale. After Duffie, Pan and Singleton
    (2000); double-exponential sizes after Kou (2002).
    """

    speed: float
    variance_mean: float
    vol_of_variance: float
    correlation: float
    jumps_per_year: float
    jump_mean: float
    jump_down_share: float
    variance_jump_mean: float

    @property
    def jump_variance(self) -> float:
        """Variance a year that the jumps add to ln S: intensity times E[J^2]."""
        return self.jumps_per_year * 2.0 * self.jump_mean**2

    @property
    def compensator(self) -> float:
        """Drift a year that E[exp(J) - 1] jumps would add."""
        up = 1.0 / (1.0 - self.jump_mean) - 1.0
        down = 1.0 / (1.0 + self.jump_mean) - 1.0
        share = self.jump_down_share
        return self.jumps_per_year * ((1.0 - share) * up + share * down)

    @property
    def variance_long_run(self) -> float:
        """Where the diffusive variance settles, its jumps included."""
        return self.variance_mean + self.jumps_per_year * self.variance_jump_mean / self.speed

    def expected_variance(self, variance: float, years: ArrayLike) -> FloatArray:
        """Total variance of ln S expected over the next `years`, jumps included, from `variance`.

        The at-the-money term structure: divide by `years` and take the root.
        """
        t = np.asarray(years, dtype=np.float64)
        decay = -np.expm1(-self.speed * t) / self.speed
        mean = self.variance_long_run
        total: FloatArray = mean * t + (variance - mean) * decay + self.jump_variance * t
        return total


@dataclass(slots=True, kw_only=True)
class SpotPath:
    """One path of a `JumpDiffusion`, stepped in place."""

    law: JumpDiffusion
    spot: float
    variance: float

    def step(self, rng: np.random.Generator, years: float) -> None:
        """Advance by `years` (full-truncation Euler; exact in law for the jumps, one a step)."""
        law, v = self.law, max(self.variance, 0.0)
        first, second = rng.standard_normal(2)
        chance = rng.random()
        root = math.sqrt(v * years)
        rho = law.correlation
        variance_noise = rho * first + math.sqrt(1.0 - rho * rho) * second
        drift = -(0.5 * v + law.compensator) * years
        log_return = drift + root * first
        variance = v + law.speed * (law.variance_mean - v) * years
        variance += law.vol_of_variance * root * variance_noise
        if chance < -math.expm1(-law.jumps_per_year * years):
            size = rng.exponential(law.jump_mean)
            log_return += -size if rng.random() < law.jump_down_share else size
            variance += rng.exponential(law.variance_jump_mean)
        self.spot *= math.exp(log_return)
        self.variance = max(variance, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversion:
    """Mean-reverting noise (Ornstein-Uhlenbeck): its mean, stationary deviation and half-life."""

    mean: float
    deviation: float
    half_life_years: float


class ReversionPath:
    """Several independent reversions stepped together, exactly, with one draw each."""

    def __init__(self, laws: tuple[Reversion, ...], step_years: float) -> None:
        decay = [math.exp(-math.log(2.0) * step_years / law.half_life_years) for law in laws]
        self._mean = np.array([law.mean for law in laws])
        self._decay = np.array(decay)
        self._noise = np.array(
            [law.deviation * math.sqrt(1.0 - d * d) for law, d in zip(laws, decay, strict=True)]
        )
        self._deviation = np.array([law.deviation for law in laws])
        self.values: FloatArray = self._mean.copy()

    def scatter(self, rng: np.random.Generator) -> None:
        """Start somewhere in the stationary law instead of at the mean."""
        self.values = self._mean + self._deviation * rng.standard_normal(len(self._mean))

    def step(self, rng: np.random.Generator) -> None:
        """Advance by the fixed step."""
        shocks = rng.standard_normal(len(self._mean))
        self.values = self._mean + (self.values - self._mean) * self._decay + self._noise * shocks
