"""Quotes on the venue's price steps: a bid is rounded down, an ask up, and they never meet."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from bot.exchange.contracts import TERMS, Contract, Pair
from bot.exchange.market import FloatArray

# Dividing a price that is on its step by the step misses the integer by a few units in the last
# place; a ten-millionth of a step is far above that and far below what anyone could mean.
STEP_TOLERANCE: Final = 1e-7
USD_DECIMALS: Final = 6  # finer than any step: takes the binary tail off


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTicks:
    """The price steps of a pair's options as floats: `high` above `above`, `low` up to it."""

    low: float
    high: float
    above: float
    decimals: int

    def at(self, price: FloatArray) -> FloatArray:
        """The price step at each price."""
        return np.where(price > self.above, self.high, self.low)

    def floor(self, price: FloatArray) -> FloatArray:
        """The highest valid price at or below each; nan where that is not positive."""
        tick = self.at(price)
        floored = np.round(np.floor(price / tick + STEP_TOLERANCE) * tick, self.decimals)
        return np.where(floored > 0.0, floored, np.nan)

    def ceil(self, price: FloatArray) -> FloatArray:
        """The lowest valid price at or above each, one step at least; nan stays nan."""
        tick = self.at(price)
        ceiled = np.round(np.ceil(price / tick - STEP_TOLERANCE) * tick, self.decimals)
        return np.maximum(ceiled, self.low)


@cache
def option_ticks(pair: Pair) -> OptionTicks:
    """The steps that the venue sets for a pair's options."""
    terms = TERMS[pair]
    (step,) = terms.option_tick_steps
    return OptionTicks(
        low=float(terms.option_tick),
        high=float(step.tick_size),
        above=float(step.above_price),
        decimals=max(-int(terms.option_tick.as_tuple().exponent), 0),
    )


def option_quotes(
    bid: FloatArray, ask: FloatArray, ticks: OptionTicks
) -> tuple[FloatArray, FloatArray]:
    """Both sides on valid prices and apart: an ask that is not above its bid goes one step over.

    nan stands for no quote on that side; a bid that is not positive becomes one.
    """
    bid, ask = ticks.floor(bid), ticks.ceil(ask)
    # fmax: without a bid the comparison is with nan and the ask stays.
    step = np.where(bid >= ticks.above, ticks.high, ticks.low)
    above = np.round(bid + step, ticks.decimals)
    return bid, np.where(np.isnan(ask), ask, np.fmax(ask, above))


def future_quotes(
    contract: Contract, mark_usd: float, half_spread_usd: float
) -> tuple[float, float]:
    """Bid and ask of a perpetual or future around its mark, on its steps, one step apart."""
    tick = float(contract.tick_size)
    bid = math.floor((mark_usd - half_spread_usd) / tick + STEP_TOLERANCE) * tick
    ask = math.ceil((mark_usd + half_spread_usd) / tick - STEP_TOLERANCE) * tick
    return round(bid, USD_DECIMALS), round(max(ask, bid + tick), USD_DECIMALS)
