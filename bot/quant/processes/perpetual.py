"""A perpetual swap beside its index: a premium that reverts, and the funding that holds it there.

Premium p = (mark - index) / index. Funding per eight hours, with dampener d, is

    clip(max(d, p) + min(-d, p), -cap, +cap)

which longs pay when it is positive: nothing while |p| <= d. Over dt a position pays its value
times rate x dt / 8 h. Source: Deribit, "Funding rate"; its dampener is 0.025 % now, was 0.05 %.
"""

from dataclasses import dataclass, field
from typing import Final

from bot.quant.processes.laws import require
from bot.quant.processes.reversion import Reversion

EIGHT_HOURS_YEARS: Final = 8.0 / (24.0 * 365.0)
# The rows of the state.
PREMIUM: Final = 0
FUNDING: Final = 1  # what a long of one unit of value has paid since the start


def funding_rate_8h(premium: float, dampener: float, cap_8h: float) -> float:
    """The rate per eight hours at `premium`; positive: longs pay shorts."""
    rate = max(dampener, premium) + min(-dampener, premium)
    return max(-cap_8h, min(cap_8h, rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Perpetual:
    """The law of a premium over its index, and what its funding comes to."""

    premium: Reversion = field(
        default_factory=lambda: Reversion(
            mean=0.0, deviation=2.0e-4, half_life_years=1.0 / (365.0 * 144.0)
        )
    )
    dampener: float = 0.00025
    cap_8h: float = 0.005

    def __post_init__(self) -> None:
        require(self.dampener >= 0.0, "a dampener is not negative")
        require(self.cap_8h >= 0.0, "a cap is not negative")
