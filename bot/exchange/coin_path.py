"""How the synthetic coins move: spots that move together, and the noises of their markets.

BTC has stochastic variance with jumps. ETH follows BTC's moves, amplified, and adds its own. The
numbers drawn in a step are the same whatever happens, so a seed alone determines the path.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.exchange.market import FloatArray
from bot.quant.processes import YEAR_MS, JumpDiffusion, Reversion, ReversionPath, SpotPath

STEP_MS: Final = 1000
STEP_YEARS: Final = STEP_MS / YEAR_MS
DAY_YEARS: Final = 1.0 / 365.0

# About 73 % a year in the long run, jumps included. Speed and vol of variance let the 9, 30 and 90
# day volatilities move 0.15, 0.11 and 0.06 points in five minutes, much as on a recorded evening of
# BTC at 67 % (0.16, 0.09, 0.05; correlation with the spot -0.6 to -0.8).
BTC_LAW: Final = JumpDiffusion(
    speed=15.0,
    variance_mean=0.36,
    vol_of_variance=0.5,
    correlation=-0.3,
    jumps_per_year=1460.0,
    jump_mean=0.003,
    jump_down_share=0.55,
    variance_jump_mean=0.0015,
)
# ETH's own moves: about 45 % a year, which with 1.15 times BTC's makes 95 %, correlated by 0.88.
ETH_OWN_LAW: Final = JumpDiffusion(
    speed=12.0,
    variance_mean=0.16,
    vol_of_variance=0.4,
    correlation=0.0,
    jumps_per_year=730.0,
    jump_mean=0.003,
    jump_down_share=0.5,
    variance_jump_mean=0.001,
)

NOISES: Final = (
    Reversion(mean=0.0, deviation=2.0e-4, half_life_years=DAY_YEARS / 144.0),  # perpetual's premium
    Reversion(mean=0.04, deviation=0.02, half_life_years=5.0 * DAY_YEARS),  # carry, short end
    Reversion(mean=0.065, deviation=0.01, half_life_years=20.0 * DAY_YEARS),  # carry, long end
    Reversion(mean=0.0, deviation=0.01, half_life_years=3.0 * DAY_YEARS),  # log level of the smile
    Reversion(mean=-0.25, deviation=0.08, half_life_years=2.0 * DAY_YEARS),  # skew
    Reversion(mean=0.0, deviation=0.25, half_life_years=DAY_YEARS / 24.0),  # log displayed size
)
# Over hours the smile is held in strike, as recorded chains show: the volatility at the money moves
# along the skew when the spot moves. It drifts back to the money within days.
ANCHOR_DECAY: Final = math.exp(-math.log(2.0) * STEP_YEARS / DAY_YEARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinLaw:
    """A coin's own law, how strongly it follows its leader's moves, and where it may start."""

    own: JumpDiffusion
    spot_start_usd: tuple[float, float]
    variance_start: tuple[float, float]
    beta: float = 0.0


BTC_COIN: Final = CoinLaw(
    own=BTC_LAW, spot_start_usd=(80_000.0, 100_000.0), variance_start=(0.38, 0.60)
)
ETH_COIN: Final = CoinLaw(
    own=ETH_OWN_LAW,
    spot_start_usd=(2_600.0, 3_400.0),
    variance_start=(0.15, 0.30),
    beta=1.15,
)


class CoinPath:
    """One coin's spot, variance, and the slow noises of its markets, stepped in place."""

    def __init__(
        self, law: CoinLaw, rng: np.random.Generator, leader: "CoinPath | None" = None
    ) -> None:
        self._law = law
        self._rng = rng
        self._leader = leader
        self._own = SpotPath(
            law=law.own,
            spot=rng.uniform(*law.spot_start_usd),
            variance=rng.uniform(*law.variance_start),
        )
        self._noise = ReversionPath(NOISES, STEP_YEARS)
        self._noise.scatter(rng)
        self._anchor_log_usd = math.log(self._own.spot)
        self.log_return = 0.0

    @property
    def spot_usd(self) -> float:
        """The coin in USD."""
        return self._own.spot

    @property
    def noises(self) -> FloatArray:
        """Premium, carry short and long, level and skew of the smile, log displayed size."""
        return self._noise.values

    @property
    def run(self) -> float:
        """How far, in logs, the spot has run from where the smile is anchored."""
        return math.log(self._own.spot) - self._anchor_log_usd

    @property
    def variance(self) -> float:
        """Variance a year of the diffusion at this moment."""
        led = 0.0 if self._leader is None else self._law.beta**2 * self._leader.variance
        return self._own.variance + led

    @property
    def stress(self) -> float:
        """The volatility of this moment over its long-run level."""
        return math.sqrt(self.variance / self._variance_long_run)

    @property
    def _variance_long_run(self) -> float:
        own = self._law.own.variance_long_run
        if self._leader is None:
            return own
        return own + self._law.beta**2 * self._leader._variance_long_run  # noqa: SLF001 (its own kind)

    def expected_variance(self, years: FloatArray) -> FloatArray:
        """Total variance of the log spot expected over the next `years`."""
        own = self._law.own.expected_variance(self._own.variance, years)
        if self._leader is None:
            return own
        return own + self._law.beta**2 * self._leader.expected_variance(years)

    def step(self) -> None:
        """Advance by one market second; the leader must have stepped before."""
        before = self._own.spot
        self._own.step(self._rng, STEP_YEARS)
        self._noise.step(self._rng)
        if self._leader is not None:
            beta, variance = self._law.beta, self._leader.variance
            drift = -0.5 * beta * (beta - 1.0) * variance * STEP_YEARS  # keeps it a martingale
            self._own.spot *= math.exp(beta * self._leader.log_return + drift)
        log_usd = math.log(self._own.spot)
        self.log_return = log_usd - math.log(before)
        self._anchor_log_usd += (log_usd - self._anchor_log_usd) * (1.0 - ANCHOR_DECAY)

    def shock(self, move: float) -> None:
        """Move this coin alone, now; no other follows."""
        self._own.spot *= 1.0 + move
