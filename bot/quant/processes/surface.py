"""A spot and its volatility surface that move together: level, slope, skew, and jumps that cluster.

    dX     = -(s^2 / 2) dt + s dW + dJ - compensator,   s = vol exp(level + slope)
    dlevel = -speed level dt + noise dB + response dJ,  corr(dW, dB) = correlation

and likewise the slope, which is the quick factor and moves the short end, and the skew, around its
mean. J is a `Hawkes` process. The spot moves at the volatility that the surface shows at its short
end; further out a factor counts by how much of it is expected to last, w(x) = (1 - exp(-x)) / x:

    theta(T) = vol^2 exp(2 level w(level's speed T) + 2 slope w(slope's speed T)) T + jumps expected

which rises with T while |slope| < 1.6. In the strike it is SSVI around an anchor that follows the
spot with a delay: over hours a smile is held in strike, over days it drifts back to the money.
After L. Bergomi, "Smile dynamics II" (2005), for the factors; J. Gatheral and A. Jacquier,
"Arbitrage-free SVI volatility surfaces" (2014), for the smile.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.processes.hawkes import Hawkes
from bot.quant.processes.laws import require

FloatArray = NDArray[np.float64]

DAY_YEARS: Final = 1.0 / 365.0
# The rows of the state, below the log of the spot.
UP: Final = 1
DOWN: Final = 2
LEVEL: Final = 3
SLOPE: Final = 4
SKEW: Final = 5
RUN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor of the surface: `noise` per square root of a year, in the factor's own unit.

    The unit of level and slope is the log of volatility, of the skew SSVI's rho. `jump_response`
    is the factor's move for a jump of 1 in the log of the spot.
    """

    noise: float
    half_life_years: float
    correlation: float
    jump_response: float = 0.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        require(self.noise >= 0.0, "noise is not negative")
        require(self.half_life_years > 0.0, "a factor returns in time")
        require(abs(self.correlation) <= 1.0, "a correlation is within one")

    @property
    def speed(self) -> float:
        """Of its return to the mean, a year."""
        return math.log(2.0) / self.half_life_years

    @property
    def deviation(self) -> float:
        """In the long run, without jumps."""
        return self.noise / math.sqrt(2.0 * self.speed)

    def lasting(self, years: ArrayLike) -> FloatArray:
        """The share of a move of now that is expected on average over the next `years`."""
        x = self.speed * np.maximum(years, 1e-12)
        share: FloatArray = -np.expm1(-x) / x
        return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Smile:
    """SSVI's shape in the strike, with phi = curvature / sqrt(theta (1 + theta)).

    No butterfly arbitrage while curvature^2 (1 + skew_max) <= 4. The smile is left behind by the
    spot by `run_max` at most, in logs.
    """

    curvature: float = 0.75
    skew_max: float = 0.6
    run_max: float = 0.05
    anchor_half_life_years: float = DAY_YEARS

    def __post_init__(self) -> None:
        require(self.curvature**2 * (1.0 + self.skew_max) <= 4.0, "wings so steep are an arbitrage")
        require(0.0 <= self.skew_max < 1.0, "SSVI's rho is within one")
        require(min(self.run_max, self.anchor_half_life_years) > 0.0, "an anchor follows")

    def phi(self, theta: FloatArray) -> FloatArray:
        """How fast the smile curves in the log of the strike, by total variance at the money."""
        steep: FloatArray = self.curvature / np.sqrt(theta * (1.0 + theta))
        return steep

    def shape(
        self, phi: FloatArray, skew: ArrayLike, run: ArrayLike, log_strike: ArrayLike
    ) -> FloatArray:
        """Total variance over `theta` at `log_strike` = ln(K/F); all broadcast."""
        rho = np.minimum(np.maximum(skew, -self.skew_max), self.skew_max)
        behind = self.run_max * np.tanh(np.asarray(run) / self.run_max)
        arm = phi * (np.asarray(log_strike) + behind)
        shape: FloatArray = 0.5 * (1.0 + rho * arm + np.sqrt((arm + rho) ** 2 + 1.0 - rho * rho))
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceMarket:
    """The law: see the module. The numbers are BTC's of January to August 2026.

    A day moves the spot by 2.4 %, the 7, 30 and 90-day volatilities at the money by 4.4, 2.4 and
    1.3 points, the 30-day one with a correlation of -0.57 to the spot.
    """

    vol: float = 0.356
    jumps: Hawkes = field(default_factory=Hawkes)
    level: Factor = Factor(
        noise=0.815, half_life_years=60 * DAY_YEARS, correlation=-0.28, jump_response=-0.64
    )
    slope: Factor = Factor(
        noise=1.435, half_life_years=15.3 * DAY_YEARS, correlation=-0.28, jump_response=-1.13
    )
    skew: Factor = Factor(noise=0.8, half_life_years=5 * DAY_YEARS, correlation=0.3, mean=-0.25)
    smile: Smile = field(default_factory=Smile)

    def __post_init__(self) -> None:
        require(self.vol > 0.0, "a surface needs a volatility")

    @property
    def start(self) -> tuple[float, ...]:
        """The state in the middle of everything."""
        return (0.0, *self.jumps.intensities, self.level.mean, self.slope.mean, self.skew.mean, 0.0)

    def variance(self, state: FloatArray) -> FloatArray:
        """Of the log at this moment, a year, jumps included; shaped as a row of `state`."""
        diffused: FloatArray = self.vol**2 * np.exp(2.0 * (state[LEVEL] + state[SLOPE]))
        ups, downs = self.jumps.up_mean**2 * state[UP], self.jumps.down_mean**2 * state[DOWN]
        variance: FloatArray = diffused + 2.0 * (ups + downs)
        return variance

    def expected_variance(self, state: FloatArray, years: ArrayLike) -> FloatArray:
        """Total variance at the money until `years` ahead, theta(T): `state`'s tail x `years`."""
        t = np.asarray(years, dtype=np.float64)
        up, down, level, slope = (state[row][..., None] for row in (UP, DOWN, LEVEL, SLOPE))
        log = level * self.level.lasting(t) + slope * self.slope.lasting(t)
        total: FloatArray = self.vol**2 * np.exp(2.0 * log) * t
        return total + self.jumps.expected_variance(up, down, t)

    def implied_vol(self, state: FloatArray, years: float, log_strike: float = 0.0) -> FloatArray:
        """The surface's volatility `years` ahead at ln(K/F), for each path of `state`."""
        theta = self.expected_variance(state, np.array([years]))[..., 0]
        shape = self.smile.shape(self.smile.phi(theta), state[SKEW], state[RUN], log_strike)
        vol: FloatArray = np.sqrt(theta * shape / years)
        return vol
