"""A small market for the fault lab: one coin, eighteen options, a frame every few market seconds.

The embedded exchange's own synthetic market quotes six hundred contracts a second, which is most of
what a rehearsal costs. This one has what faults need: a path drawn from the seed, an expiry within
the hour with its settlement average, a smile that is flat, and a `Weather` that can spoil it.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from bot.exchange import quotes
from bot.exchange.contracts import BTC_USD, Contract, Pair, option, perpetual
from bot.exchange.market import (
    BoolArray,
    FloatArray,
    FutureQuote,
    IntArray,
    MarketFrame,
    Skipped,
    frozen,
)
from bot.quant.black76 import greeks
from bot.quant.conventions import SETTLEMENT_WINDOW_MS, expiry_weight
from bot.quant.processes import YEAR_MS

DAY_MS: Final = 86_400_000
EXPIRY_OF_DAY_MS: Final = 8 * 3_600_000
STRIKE_STEP_USD: Final = 1_000.0
SPOT_USD: Final = 90_000.0
VOL: Final = 0.55
SIZE_COIN: Final = 10.0  # of every option's quotes
PREMIUM_MAX: Final = 3e-4
DEPTH_USD: Final = ((0, 60_000.0), (2, 90_000.0), (6, 250_000.0), (20, 900_000.0))
DAYS_TO_EXPIRY: Final = (0, 1, 9)


@dataclass(slots=True)
class Weather:
    """What spoils the market. All of it is 1, 0 or False in fair weather.

    `vol` and `spread` are factors of the path's deviation and the perpetual's half spread, `depth`
    of what rests; `divergence` is the perpetual's mark over the index, less one; `is_one_sided`
    takes the options' bids away, `swing` moves the index up and down by that fraction in turn.
    """

    vol: float = 1.0
    spread: float = 1.0
    depth: float = 1.0
    divergence: float = 0.0
    is_one_sided: bool = False
    swing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Listed:
    """The options that are listed, by column, with what is the same in every frame."""

    contracts: tuple[Contract, ...]
    strike: FloatArray
    expiry_ms: IntArray
    is_call: BoolArray
    vol: FloatArray
    size_coin: FloatArray
    expiries_ms: tuple[int, ...]

    @classmethod
    def of(cls, contracts: tuple[Contract, ...]) -> "_Listed":
        """Put contracts into columns."""
        return cls(
            contracts=contracts,
            strike=frozen(np.array([one.strike for one in contracts])),
            expiry_ms=frozen(np.array([one.expiry_ms for one in contracts])),
            is_call=frozen(np.array([bool(one.is_call) for one in contracts])),
            vol=frozen(np.full(len(contracts), VOL)),
            size_coin=frozen(np.full(len(contracts), SIZE_COIN)),
            expiries_ms=tuple(sorted({one.expiry_ms for one in contracts})),
        )


class LabMarket:
    """Everything from a seed; implements `bot.exchange.market.Market`."""

    def __init__(self, seed: int, *, start_ms: int, step_ms: int) -> None:
        self.weather = Weather()
        self.hedge = perpetual(BTC_USD)  # its terms, which the venue may change
        self._rng = random.Random(seed)
        self._step_ms = step_ms
        self._start_ms = self._now_ms = start_ms
        self._spot_usd = SPOT_USD * math.exp(0.05 * self._rng.gauss(0.0, 1.0))
        self._premium = 0.0
        self._turn = 1.0
        self._settling: list[float] = []
        self._listed = _Listed.of(_listing(start_ms, self._spot_usd))
        self._frame = self._framed()

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """One."""
        return (BTC_USD,)

    @property
    def start_ms(self) -> int:
        """Market time of the first frame."""
        return self._start_ms

    def frame(self, pair: Pair) -> MarketFrame:
        """The latest frame."""
        assert pair == BTC_USD, "there is one pair"
        return self._frame

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame after the latest up to and including `to_ms`."""
        frames: list[MarketFrame | Skipped] = []
        while self._now_ms + self._step_ms <= to_ms:
            self._now_ms += self._step_ms
            self._move()
            self._frame = self._framed()
            frames.append(self._frame)
        return frames

    def shock(self, underlying: str, move: float) -> None:
        """Move the coin by the fraction `move`; it shows in the next frame."""
        assert underlying == BTC_USD.base, "there is one coin"
        self._spot_usd *= 1.0 + move

    def _move(self) -> None:
        deviation = VOL * self.weather.vol * math.sqrt(self._step_ms / YEAR_MS)
        self._turn = -self._turn
        self._spot_usd *= math.exp(deviation * self._rng.gauss(0.0, 1.0))
        self._spot_usd *= 1.0 + self._turn * self.weather.swing
        drawn = 0.9 * self._premium + 1e-4 * self._rng.gauss(0.0, 0.3)
        self._premium = max(-PREMIUM_MAX, min(PREMIUM_MAX, drawn))
        left_ms = (EXPIRY_OF_DAY_MS - self._now_ms) % DAY_MS
        if 0 < left_ms < SETTLEMENT_WINDOW_MS:
            self._settling.append(self._spot_usd)
        else:
            self._settling.clear()

    def _forwards(self, expiries_ms: Sequence[int]) -> dict[int, float]:
        """The spot; in the settlement window, the settlement price to be expected."""
        forwards = dict.fromkeys(expiries_ms, round(self._spot_usd, 4))
        if self._settling:
            known = math.fsum(self._settling) / len(self._settling)
            for at_ms in expiries_ms:
                share = float(expiry_weight(self._now_ms, at_ms))
                forwards[at_ms] = round(share * self._spot_usd + (1.0 - share) * known, 4)
        return forwards

    def _framed(self) -> MarketFrame:
        if any(at_ms <= self._now_ms for at_ms in self._listed.expiries_ms):
            live = (one for one in self._listed.contracts if one.expiry_ms > self._now_ms)
            self._listed = _Listed.of(tuple(live))
        listed = self._listed
        forwards = self._forwards(listed.expiries_ms)
        forward = np.array([forwards[one.expiry_ms] for one in listed.contracts])
        years = (listed.expiry_ms - self._now_ms) / YEAR_MS
        price = greeks(forward, listed.strike, years, listed.vol, listed.is_call).price / forward
        mark = np.round(price, 6)
        half = 0.0003 + 0.01 * mark
        bid, ask = quotes.option_quotes(mark - half, mark + half, quotes.option_ticks(BTC_USD))
        if self.weather.is_one_sided:
            bid = np.full(len(bid), np.nan)
        return MarketFrame(
            pair=BTC_USD,
            at_ms=self._now_ms,
            index_usd=round(self._spot_usd, 2),
            perpetual=self._perpetual(),
            futures=(),
            forwards=MappingProxyType(forwards),
            discounts=MappingProxyType(dict.fromkeys(forwards, 1.0)),
            contracts=listed.contracts,
            mark_price=frozen(mark),
            mark_iv=listed.vol,
            bid_price=frozen(bid),
            ask_price=frozen(ask),
            bid_size_coin=frozen(np.where(np.isnan(bid), 0.0, SIZE_COIN)),
            ask_size_coin=listed.size_coin,
            is_call=listed.is_call,
            strike=listed.strike,
            expiry_ms=listed.expiry_ms,
        )

    def _perpetual(self) -> FutureQuote:
        weather, contract = self.weather, self.hedge
        mark_usd = round(self._spot_usd * (1.0 + self._premium + weather.divergence), 2)
        bid, ask = quotes.future_quotes(contract, mark_usd, 1.5e-5 * mark_usd * weather.spread)
        lot = float(contract.lot)
        depth = ((at, max(round(usd * weather.depth / lot), 1) * lot) for at, usd in DEPTH_USD)
        return FutureQuote(
            contract=contract,
            mark_usd=mark_usd,
            bid_usd=bid,
            ask_usd=ask,
            depth=tuple(depth),
        )


def _listing(start_ms: int, spot_usd: float) -> tuple[Contract, ...]:
    """Three strikes around the spot for the next settlement, the day after's and a later one."""
    first_ms = start_ms - start_ms % DAY_MS + EXPIRY_OF_DAY_MS
    first_ms += DAY_MS if first_ms <= start_ms else 0
    middle = round(spot_usd / STRIKE_STEP_USD) * STRIKE_STEP_USD
    steps = {0: 0.5, 1: 1.0, 9: 4.0}
    return tuple(
        option(
            BTC_USD,
            first_ms + days * DAY_MS,
            middle + at * max(1.0, steps[days]) * STRIKE_STEP_USD,
            is_call,
        )
        for days in DAYS_TO_EXPIRY
        for at in (-1, 0, 1)
        for is_call in (True, False)
    )
