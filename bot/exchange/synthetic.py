"""A market made from a seed: nothing recorded, everything alive.

Two coins move together (`coin_path`). Each has an inverse market in USD and a linear one in USDC
(`synthetic_pair`): an index, a perpetual around it, dated futures on a basis curve, and options on
a smile that follows the spot's variance.

The market moves in steps of one second of market time and draws the same numbers in each, so the
seed alone determines the path, however `advance` is portioned. `SyntheticMarket.shock` is the one
thing from outside that can move it.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from bot.exchange.coin_path import BTC_COIN, ETH_COIN, STEP_MS, CoinPath
from bot.exchange.contracts import BTC_USD, BTC_USDC, ETH_USD, ETH_USDC, PAIRS, Pair
from bot.exchange.market import MarketFrame, Skipped
from bot.exchange.synthetic_pair import SyntheticPair

START_MS: Final = 1_767_603_600_000  # Monday 2026-01-05T09:00Z
# Children of the seed, in the order they were introduced: later ones never move the earlier.
SEED_ORDER: Final = (
    "BTC",
    "BTC_USD listing",
    "ETH",
    "ETH_USD listing",
    "BTC_USDC listing",
    "ETH_USDC listing",
    "BTC_USDC noise",
    "ETH_USDC noise",
)


class SyntheticMarket:
    """Everything from a seed. See the module; implements `bot.exchange.market.Market`."""

    def __init__(
        self, seed: int, start_ms: int = START_MS, *, pairs: Sequence[Pair] = PAIRS
    ) -> None:
        children = np.random.SeedSequence(seed).spawn(len(SEED_ORDER))
        rng = dict(zip(SEED_ORDER, map(np.random.default_rng, children), strict=True))
        self._start_ms = start_ms
        self._now_ms = start_ms
        btc = CoinPath(BTC_COIN, rng["BTC"])
        self._coins = {"BTC": btc, "ETH": CoinPath(ETH_COIN, rng["ETH"], leader=btc)}
        self._pairs = {
            pair: SyntheticPair(
                pair=pair,
                coin=self._coins[pair.base],
                listing_rng=rng[f"{pair.base}_{pair.quote} listing"],
                noise_rng=rng.get(f"{pair.base}_{pair.quote} noise"),
                start_ms=start_ms,
            )
            for pair in (BTC_USD, ETH_USD, BTC_USDC, ETH_USDC)
            if pair in pairs
        }

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs there are frames of."""
        return tuple(self._pairs)

    @property
    def start_ms(self) -> int:
        """Market time of the first frames."""
        return self._start_ms

    def frame(self, pair: Pair) -> MarketFrame:
        """The pair's latest frame."""
        return self._pairs[pair].frame

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame after the latest up to and including `to_ms`, one a pair and second."""
        frames: list[MarketFrame | Skipped] = []
        while self._now_ms + STEP_MS <= to_ms:
            self._now_ms += STEP_MS
            for coin in self._coins.values():
                coin.step()
            frames += [pair.step(self._now_ms) for pair in self._pairs.values()]
        return frames

    def shock(self, underlying: str, move: float) -> None:
        """Move a coin by the fraction `move`; it shows in the next frames."""
        if not -1.0 < move < math.inf:
            raise ValueError(f"a shock of {move} leaves no price: it must be above -1")
        self._coins[underlying].shock(move)
        for pair, market in self._pairs.items():
            if pair.base == underlying:
                market.relist_next()
