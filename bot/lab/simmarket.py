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
from bot.exchange.market import FutureQuote, MarketFrame, Skipped, frozen
from bot.quant.black76 import greeks
from bot.quant.conventions import SETTLEMENT_WINDOW_MS, expiry_weight
from bot.quant.processes import YEAR_MS

DAY_MS: Final = 86_400_000
EXPIRY_OF_DAY_MS: Final = 8 * 3_600_000
STRIKE_STEP_USD: Final = 1_000.0
SPOT_USD: Final = 90_000.0
VOL: Final = 0.55
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
        self._contracts = _listing(start_ms, self._spot_usd)
        self._strike = frozen(np.array([one.strike for one in self._contracts]))
        self._expiry_ms = frozen(np.array([one.expiry_ms for one in self._contracts]))
        self._is_call = frozen(np.array([bool(one.is_call) for one in self._contracts]))
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
        live = np.asarray(self._expiry_ms) > self._now_ms
        if not live.all():
            self._drop(live)
        forwards = self._forwards(sorted(set(self._expiry_ms.tolist())))
        forward = np.array([forwards[at_ms] for at_ms in self._expiry_ms.tolist()])
        years = (self._expiry_ms - self._now_ms) / YEAR_MS
        vol = np.full(len(self._contracts), VOL)
        price = greeks(forward, self._strike, years, vol, self._is_call).price / forward
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
            contracts=self._contracts,
            mark_price=frozen(mark),
            mark_iv=frozen(vol),
            bid_price=frozen(bid),
            ask_price=frozen(ask),
            bid_size_coin=frozen(np.where(np.isnan(bid), 0.0, 10.0)),
            ask_size_coin=frozen(np.full(len(ask), 10.0)),
            is_call=self._is_call,
            strike=self._strike,
            expiry_ms=self._expiry_ms,
        )

    def _drop(self, live: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Take what has expired off the list."""
        kept = zip(self._contracts, live.tolist(), strict=True)
        self._contracts = tuple(contract for contract, lives in kept if lives)
        self._strike = frozen(np.asarray(self._strike)[live])
        self._expiry_ms = frozen(np.asarray(self._expiry_ms)[live])
        self._is_call = frozen(np.asarray(self._is_call)[live])

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
