"""How the synthetic coins move: spots that move together, and the noises of their markets.

Each coin's spot and surface move by a law of `bot.quant.processes.surface`; ETH follows BTC's
moves, amplified, and adds its own. A coin draws from its own streams only, so a seed alone
determines the path.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.exchange.market import FloatArray
from bot.quant.processes import (
    LOG_SPOT,
    YEAR_MS,
    Factor,
    Hawkes,
    Paths,
    Perpetual,
    Reversion,
    ReversionPath,
    SurfaceMarket,
)
from bot.quant.processes.surface import DAY_YEARS, LEVEL, RUN, SKEW, SLOPE

STEP_MS: Final = 1000
STEP_YEARS: Final = STEP_MS / YEAR_MS

# About 73 % a year at first and in the middle, small jumps included: four a day, in clusters. Five
# minutes move the 9, 30 and 90-day volatilities by 0.16, 0.09 and 0.05 points, as on a recorded
# evening of BTC at 67 %, and a day the 30-day one with a correlation of -0.59 to the spot (recorded
# over months: -0.57). Nearly all of that is the smile's, which is held in strike; over a day the
# 7, 30 and 90-day volatilities move 2.4, 1.3 and 0.7 points, half as much as over those months.
BTC_LAW: Final = SurfaceMarket(
    vol=0.70,
    jumps=Hawkes(
        up_per_year=330.0,
        down_per_year=400.0,
        branching_self=0.35,
        branching_cross=0.15,
        half_life_years=0.25 * DAY_YEARS,
        up_mean=0.003,
        down_mean=0.003,
    ),
    level=Factor(noise=0.2, half_life_years=60 * DAY_YEARS, correlation=-0.05, jump_response=-0.01),
    slope=Factor(
        noise=0.45, half_life_years=8.2 * DAY_YEARS, correlation=-0.05, jump_response=-0.03
    ),
    skew=Factor(noise=1.27, half_life_years=2 * DAY_YEARS, correlation=0.3, mean=-0.25),
)
# ETH's own moves: about 48 % a year, which with 1.15 times BTC's makes 97 %, correlated by 0.87.
ETH_OWN_LAW: Final = SurfaceMarket(
    vol=0.46,
    jumps=Hawkes(
        up_per_year=180.0,
        down_per_year=180.0,
        branching_self=0.35,
        branching_cross=0.15,
        half_life_years=0.25 * DAY_YEARS,
        up_mean=0.003,
        down_mean=0.003,
    ),
    level=Factor(noise=0.2, half_life_years=60 * DAY_YEARS, correlation=0.0),
    slope=Factor(noise=0.4, half_life_years=8.2 * DAY_YEARS, correlation=0.0),
    skew=Factor(noise=1.27, half_life_years=2 * DAY_YEARS, correlation=0.3, mean=-0.25),
)

PERPETUAL: Final = Perpetual()
NOISES: Final = (
    PERPETUAL.premium,
    Reversion(mean=0.04, deviation=0.02, half_life_years=5.0 * DAY_YEARS),  # carry, short end
    Reversion(mean=0.065, deviation=0.01, half_life_years=20.0 * DAY_YEARS),  # carry, long end
    Reversion(mean=0.0, deviation=0.25, half_life_years=DAY_YEARS / 24.0),  # log displayed size
)
SEEDS: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinLaw:
    """A coin's own law, how strongly it follows its leader's moves, and where it may start."""

    own: SurfaceMarket
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
    """One coin's spot, its surface, and the slow noises of its markets, stepped in place."""

    def __init__(
        self, law: CoinLaw, rng: np.random.Generator, leader: "CoinPath | None" = None
    ) -> None:
        self._law = law
        self._leader = leader
        self._spot_start_usd = rng.uniform(*law.spot_start_usd)
        self._own = Paths(law.own, step_years=STEP_YEARS, seed=int(rng.integers(SEEDS)))
        self._state: FloatArray = self._own.state[:, 0]
        self._scatter(rng)
        self._noise = ReversionPath(NOISES, STEP_YEARS)
        self._noise.scatter(rng)
        self._noise_rng = rng
        self.log_return = 0.0
        self._asked = b""
        self._settle()
        led = 0.0 if leader is None else law.beta**2 * leader.variance_usual
        self._variance_usual = float(law.own.variance(np.array(law.own.start))) + led

    def _scatter(self, rng: np.random.Generator) -> None:
        """Start where the law may be found: the short end within bounds, the rest as it is."""
        own = self._law.own
        short = 0.5 * math.log(rng.uniform(*self._law.variance_start) / own.vol**2)
        slope, skew = rng.standard_normal(2)
        self._state[SLOPE] = own.slope.deviation * slope
        self._state[LEVEL] = short - self._state[SLOPE]
        self._state[SKEW] += own.skew.deviation * skew

    @property
    def spot_usd(self) -> float:
        """The coin in USD."""
        return self._spot_start_usd * math.exp(self._state[LOG_SPOT])

    @property
    def noises(self) -> FloatArray:
        """Premium, carry short and long, log displayed size."""
        return self._noise.values

    @property
    def variance(self) -> float:
        """Variance of the log spot a year at this moment, jumps included."""
        return self._variance

    @property
    def variance_usual(self) -> float:
        """The same in the middle of the law."""
        return self._variance_usual

    @property
    def stress(self) -> float:
        """The volatility of this moment over its usual level."""
        return math.sqrt(self.variance / self._variance_usual)

    def expected_variance(self, years: FloatArray) -> FloatArray:
        """Total variance of the log spot expected over the next `years`: the smile's middle.

        Asked for the same expiries by each pair of the coin, and by who follows it: once a step.
        """
        asked = years.tobytes()
        if asked != self._asked:
            self._asked, self._expected = asked, self._law.own.expected_variance(self._state, years)
            if self._leader is not None:
                led = self._leader.expected_variance(years)
                self._expected = self._expected + self._law.beta**2 * led
        return self._expected

    def smile(self, phi: FloatArray, log_strike: FloatArray) -> FloatArray:
        """Total variance over that of the middle, at `log_strike` = ln(K/F)."""
        return self._law.own.smile.shape(phi, self._state[SKEW], self._state[RUN], log_strike)

    def phi(self, theta: FloatArray) -> FloatArray:
        """How fast the smile curves, by total variance in the middle."""
        return self._law.own.smile.phi(theta)

    def step(self) -> None:
        """Advance by one market second; the leader must have stepped before."""
        before = float(self._state[LOG_SPOT])
        self._own.step()
        self._settle()
        self._noise.step(self._noise_rng)
        if self._leader is not None:
            beta, variance = self._law.beta, self._leader.variance
            drift = -0.5 * beta * (beta - 1.0) * variance * STEP_YEARS  # keeps it a martingale
            self._displace(beta * self._leader.log_return + drift)
        self.log_return = float(self._state[LOG_SPOT]) - before

    def _settle(self) -> None:
        """Work out what is asked for many times between steps."""
        own = float(self._law.own.variance(self._state))
        led = 0.0 if self._leader is None else self._law.beta**2 * self._leader.variance
        self._variance = own + led
        self._asked = b""
        self._expected = np.empty(0)

    def shock(self, move: float) -> None:
        """Move this coin alone, now; no other follows."""
        self._displace(math.log1p(move))

    def _displace(self, log_move: float) -> None:
        """Move the spot; the smile stays behind as after any move."""
        self._state[LOG_SPOT] += log_move
        self._state[RUN] += log_move
