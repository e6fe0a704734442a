"""The laws that a price may move by, and what each needs to be known.

X = ln(F_t / F_0). Time is in years of 365 days; volatilities and variances are per year; sizes of
jumps are in logs. Every law but a `Brownian` with a drift makes F a martingale: what the jumps
would add on average is taken from the drift.
"""

import math
from dataclasses import dataclass
from typing import Final

YEAR_MS: Final = 365 * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Brownian:
    """dX = (drift - vol^2 / 2) dt + vol dW: the lognormal law of Black and Scholes."""

    vol: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        require(self.vol >= 0.0, "a volatility is not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merton:
    """dX = -(vol^2 / 2 + compensator) dt + vol dW + J dN, J normal. After Merton (1976)."""

    vol: float
    jumps_per_year: float
    jump_mean: float
    jump_deviation: float

    def __post_init__(self) -> None:
        require(self.vol >= 0.0, "a volatility is not negative")
        require(self.jumps_per_year >= 0.0, "an intensity is not negative")
        require(self.jump_deviation >= 0.0, "a deviation is not negative")

    @property
    def compensator(self) -> float:
        """Drift a year that E[exp(J) - 1] a jump would add."""
        return self.jumps_per_year * math.expm1(self.jump_mean + 0.5 * self.jump_deviation**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heston:
    """Stochastic variance. After Heston (1993).

    dX = -v / 2 dt + sqrt(v) dW1
    dv = speed (variance_mean - v) dt + vol_of_variance sqrt(v) dW2, corr(dW1, dW2) = correlation
    """

    speed: float
    variance_mean: float
    vol_of_variance: float
    correlation: float
    variance_start: float

    def __post_init__(self) -> None:
        require(self.speed > 0.0, "variance that never returns has no long run")
        require(self.vol_of_variance > 0.0, "variance without noise is Brownian's")
        require(self.variance_mean > 0.0, "variance must return to something")
        require(self.variance_start >= 0.0, "variance is not negative")
        require(abs(self.correlation) <= 1.0, "a correlation is within one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Svcj:
    """Heston's variance, and jumps in spot and variance at once. After Duffie, Pan, Singleton.

    dX = -(v / 2 + compensator) dt + sqrt(v) dW1 + Zy dN
    dv = speed (variance_mean - v) dt + vol_of_variance sqrt(v) dW2 + Zv dN

    with N of `jumps_per_year`, Zv exponential of mean `variance_jump_mean`, and Zy given Zv normal
    of mean `jump_mean + jump_tilt Zv` and deviation `jump_deviation`. Source: Duffie, Pan and
    Singleton, "Transform analysis and asset pricing for affine jump-diffusions" (2000).
    """

    heston: Heston
    jumps_per_year: float
    jump_mean: float
    jump_deviation: float
    jump_tilt: float
    variance_jump_mean: float

    def __post_init__(self) -> None:
        require(self.jumps_per_year >= 0.0, "an intensity is not negative")
        require(self.jump_deviation >= 0.0, "a deviation is not negative")
        require(self.variance_jump_mean >= 0.0, "variance jumps up only")
        require(self.jump_tilt * self.variance_jump_mean < 1.0, "the mean jump must be finite")

    @property
    def compensator(self) -> float:
        """Drift a year that E[exp(Zy) - 1] a jump would add."""
        normal = math.exp(self.jump_mean + 0.5 * self.jump_deviation**2)
        mean = normal / (1.0 - self.jump_tilt * self.variance_jump_mean) - 1.0
        return self.jumps_per_year * mean


AffineLaw = Brownian | Merton | Heston | Svcj


def require(holds: bool, what: str) -> None:
    """ValueError with `what` unless it holds; nan holds nothing."""
    if not holds:
        raise ValueError(what)
