"""Quotes on the venue's price steps: a bid is rounded down, an ask up, and they never meet."""

from typing import Final

import numpy as np

from bot.exchange.contracts import OPTION_TICK, OPTION_TICK_STEPS
from bot.exchange.market import FloatArray

TICK_LOW: Final = float(OPTION_TICK)
TICK_HIGH: Final = float(OPTION_TICK_STEPS[0].tick_size)
TICK_HIGH_ABOVE: Final = float(OPTION_TICK_STEPS[0].above_price)
PRICE_DECIMALS: Final = 4
# Dividing a price that is on its step by the step misses the integer by a few units in the last
# place; a ten-millionth of a step is far above that and far below what anyone could mean.
STEP_TOLERANCE: Final = 1e-7


def option_ticks(price_coin: FloatArray) -> FloatArray:
    """The price step at each price (coin)."""
    return np.where(price_coin > TICK_HIGH_ABOVE, TICK_HIGH, TICK_LOW)


def floor_option_prices(price_coin: FloatArray) -> FloatArray:
    """The highest valid price at or below each; nan where that is not positive."""
    tick = option_ticks(price_coin)
    price = np.round(np.floor(price_coin / tick + STEP_TOLERANCE) * tick, PRICE_DECIMALS)
    return np.where(price > 0.0, price, np.nan)


def ceil_option_prices(price_coin: FloatArray) -> FloatArray:
    """The lowest valid price at or above each, one step at least; nan stays nan."""
    tick = option_ticks(price_coin)
    price = np.round(np.ceil(price_coin / tick - STEP_TOLERANCE) * tick, PRICE_DECIMALS)
    return np.maximum(price, TICK_LOW)


def option_quotes(bid_coin: FloatArray, ask_coin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both sides on valid prices and apart: an ask that is not above its bid goes one step over.

    nan stands for no quote on that side; a bid that is not positive becomes one.
    """
    bid = floor_option_prices(bid_coin)
    ask = ceil_option_prices(ask_coin)
    # fmax: without a bid the comparison is with nan and the ask stays.
    above = np.round(bid + np.where(bid >= TICK_HIGH_ABOVE, TICK_HIGH, TICK_LOW), PRICE_DECIMALS)
    return bid, np.where(np.isnan(ask), ask, np.fmax(ask, above))


def perpetual_quotes(
    mark_usd: float, half_spread_usd: float, tick_usd: float
) -> tuple[float, float]:
    """Bid and ask of the perpetual around its mark, on its price steps, at least one step apart."""
    bid = np.floor((mark_usd - half_spread_usd) / tick_usd + STEP_TOLERANCE) * tick_usd
    ask = np.ceil((mark_usd + half_spread_usd) / tick_usd - STEP_TOLERANCE) * tick_usd
    return float(bid), float(max(ask, bid + tick_usd))
