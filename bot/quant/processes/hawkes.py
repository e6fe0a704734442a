"""Jumps that call more jumps: a Hawkes process of moves up and moves down.

Each side's intensity rises by a step at each jump, of either side, and decays to its base:

    a(t) = base + sum over jumps at s < t of branching x decay x exp(-decay (t - s))

with one branching ratio for jumps of the same side and one for jumps of the other: the number of
jumps that a jump calls forth directly. After A. Hawkes, "Spectra of some self-exciting and mutually
exciting point processes" (1971). Sizes are exponential on each side, after S. Kou (2002).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.processes.laws import require

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hawkes:
    """Intensities a year, mean sizes in logs (both positive), the half-life of an excitement.

    Six a year on each side, six in ten of them called by another, for half a day, of two or three
    percent: a choice for rehearsals, not an estimate.
    """

    up_per_year: float = 6.0
    down_per_year: float = 6.0
    branching_self: float = 0.4
    branching_cross: float = 0.2
    half_life_years: float = 0.5 / 365.0
    up_mean: float = 0.02
    down_mean: float = 0.03

    def __post_init__(self) -> None:
        require(min(self.up_per_year, self.down_per_year) >= 0.0, "an intensity is not negative")
        require(min(self.branching_self, self.branching_cross) >= 0.0, "jumps call, not prevent")
        require(self.branching < 1.0, "jumps that call one another or more never end")
        require(self.half_life_years > 0.0, "an excitement lasts a while")
        require(0.0 <= self.up_mean < 1.0, "the mean jump up must be finite")
        require(self.down_mean >= 0.0, "sizes are not negative")

    @property
    def branching(self) -> float:
        """How many jumps one calls forth directly: the matrix' largest eigenvalue."""
        return self.branching_self + self.branching_cross

    @property
    def decay(self) -> float:
        """Of an excitement, a year."""
        return math.log(2.0) / self.half_life_years

    @property
    def up_compensator(self) -> float:
        """E[exp(J) - 1] of a jump up."""
        return 1.0 / (1.0 - self.up_mean) - 1.0

    @property
    def down_compensator(self) -> float:
        """E[exp(-J) - 1] of a jump down."""
        return 1.0 / (1.0 + self.down_mean) - 1.0

    @property
    def intensities(self) -> tuple[float, float]:
        """Up and down jumps a year in the long run, called ones included."""
        both = (self.up_per_year + self.down_per_year) / (1.0 - self.branching)
        apart = self.branching_self - self.branching_cross
        more = (self.up_per_year - self.down_per_year) / (1.0 - apart)
        return 0.5 * (both + more), 0.5 * (both - more)

    def expected_counts(
        self, up: ArrayLike, down: ArrayLike, years: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Jumps up and down over the next `years`, from intensities a year of now; broadcast."""
        t, up_mean, down_mean = np.asarray(years, dtype=np.float64), *self.intensities
        above, below = np.asarray(up) - up_mean, np.asarray(down) - down_mean
        together = 0.5 * (above + below) * self._lasting(self.branching, t)
        apart = self.branching_self - self.branching_cross
        against = 0.5 * (above - below) * self._lasting(apart, t)
        return up_mean * t + together + against, down_mean * t + together - against

    def expected_variance(self, up: ArrayLike, down: ArrayLike, years: ArrayLike) -> FloatArray:
        """What the jumps of the next `years` add to the variance of the log: counts x E[J^2]."""
        ups, downs = self.expected_counts(up, down, years)
        total: FloatArray = 2.0 * (self.up_mean**2 * ups + self.down_mean**2 * downs)
        return total

    def _lasting(self, ratio: float, years: FloatArray) -> FloatArray:
        """For how long, within `years`, an excess intensity lasts that calls `ratio` of itself."""
        rate = self.decay * (1.0 - ratio)
        lasting: FloatArray = -np.expm1(-rate * years) / rate
        return lasting
