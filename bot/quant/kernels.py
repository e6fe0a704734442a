"""Every kernel of the mathematics, by the function that compiles it or loads it from the cache.

The daemon warms only what a tick needs. An image, or a run of the tests, compiles all of them once
instead of in the middle of whatever is timed.
"""

from collections.abc import Callable
from typing import Final

from bot.quant import (
    arbitrage,
    black76,
    book_totals,
    essvi,
    implied_vol,
    scenario_values,
    scenarios,
    slices,
    surface,
    svi_fit,
)
from bot.quant.processes import paths

# The slowest to compile come first, so that two processes at work on the list end together.
WARMERS: Final[tuple[Callable[[], None], ...]] = (
    slices.warm,
    paths.warm,
    black76.warm,
    essvi.warm,
    surface.warm,
    scenarios.warm,
    scenario_values.warm,
    svi_fit.warm,
    implied_vol.warm,
    arbitrage.warm,
    book_totals.warm,
)
