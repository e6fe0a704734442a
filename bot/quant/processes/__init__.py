"""Random processes: the laws that prices move by, and seeded paths of them."""

from bot.quant.processes.hawkes import Hawkes
from bot.quant.processes.laws import YEAR_MS, AffineLaw, Brownian, Heston, Merton, Svcj
from bot.quant.processes.paths import LOG_SPOT, VARIANCE, Law, Paths
from bot.quant.processes.perpetual import Perpetual, funding_rate_8h
from bot.quant.processes.reversion import Reversion, ReversionPath
from bot.quant.processes.surface import Factor, Smile, SurfaceMarket

__all__ = [
    "LOG_SPOT",
    "VARIANCE",
    "YEAR_MS",
    "AffineLaw",
    "Brownian",
    "Factor",
    "Hawkes",
    "Heston",
    "Law",
    "Merton",
    "Paths",
    "Perpetual",
    "Reversion",
    "ReversionPath",
    "Smile",
    "SurfaceMarket",
    "Svcj",
    "funding_rate_8h",
]
