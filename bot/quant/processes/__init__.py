"""Random processes: the laws that prices move by, and seeded paths of them."""

from bot.quant.processes.laws import YEAR_MS, AffineLaw, Brownian, Heston, Merton, Svcj
from bot.quant.processes.paths import LOG_SPOT, VARIANCE, Paths
from bot.quant.processes.reversion import (
    FloatArray,
    JumpDiffusion,
    Reversion,
    ReversionPath,
    SpotPath,
)

__all__ = [
    "LOG_SPOT",
    "VARIANCE",
    "YEAR_MS",
    "AffineLaw",
    "Brownian",
    "FloatArray",
    "Heston",
    "JumpDiffusion",
    "Merton",
    "Paths",
    "Reversion",
    "ReversionPath",
    "SpotPath",
    "Svcj",
]
