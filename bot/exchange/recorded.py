"""A market played from a file of option chain snapshots (`bot.exchange.snapshots`).

Nothing interpolates: a snapshot holds until the next one, and is published again every market
second meanwhile. The index and the perpetual's mark are the median forward of the nearest unexpired
expiry; the perpetual's spread and all displayed sizes are parameters, since no chain file has them.
A file is of one pair, and so is the market; dated futures are not in it.

A gap of more than 15 market minutes is skipped: what is shown holds for five minutes, then the
market jumps to the next snapshot. After the last snapshot of the file the last one holds.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import numpy as np

from bot.exchange import quotes
from bot.exchange.contracts import TERMS, Pair, perpetual
from bot.exchange.market import FloatArray, FutureQuote, MarketFrame, Skipped, frozen
from bot.exchange.snapshots import Snapshot, SnapshotFile, utc
from bot.quant.black76 import greeks
from bot.quant.processes import YEAR_MS

STEP_MS: Final = 1000
GAP_MAX_MS: Final = 15 * 60_000
GAP_HOLD_MS: Final = 5 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """What a chain file does not hold: the perpetual's half spread, and the sizes on show.

    `perp_half_spread` is a fraction of the price; `perp_depth` is (distance from the best price in
    ticks, USD), for both sides.
    """

    perp_half_spread: float = 1.1e-5
    perp_depth: tuple[tuple[int, float], ...] = (
        (0, 60_000.0),
        (1, 40_000.0),
        (2, 50_000.0),
        (4, 80_000.0),
        (6, 100_000.0),
        (10, 150_000.0),
        (16, 200_000.0),
        (25, 300_000.0),
        (40, 400_000.0),
        (60, 600_000.0),
    )
    option_size_coin: float = 10.0


class RecordedMarket:
    """Snapshots played on the market clock. Implements `bot.exchange.market.Market`."""

    def __init__(
        self, *, snapshots: SnapshotFile, from_ms: int, displayed: Displayed | None = None
    ) -> None:
        self._snapshots = snapshots
        self._displayed = Displayed() if displayed is None else displayed
        self._perpetual = perpetual(snapshots.pair)
        self._scale = 1.0
        self._index = snapshots.index_at(from_ms)
        self._snapshot = snapshots.snapshot(self._index)
        self._start_ms = max(from_ms, self._snapshot.at_ms)
        self._shown_ms = self._start_ms
        self._changed = False
        self._frame = self._framed(self._start_ms)

    @classmethod
    def load(cls, path: Path, from_ms: int | None, displayed: Displayed | None = None) -> Self:
        """Open a chain file at market time `from_ms` (its beginning if None).

        The market starts with the last snapshot at or before `from_ms`, on the clock of `from_ms`;
        without one, with the first after it, on that snapshot's clock.

        Raises:
            ValueError: in one sentence, if this is not such a file or it ends before `from_ms`.
        """
        snapshots = SnapshotFile.read(path)
        first_ms, last_ms = snapshots.times_ms[0], snapshots.times_ms[-1]
        start_ms = first_ms if from_ms is None else from_ms
        if start_ms > last_ms + GAP_HOLD_MS:
            raise ValueError(
                f"{path} has nothing at {utc(start_ms)}: "
                f"it was recorded from {utc(first_ms)} to {utc(last_ms)}"
            )
        return cls(snapshots=snapshots, from_ms=start_ms, displayed=displayed)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The one pair of the file."""
        return (self._snapshots.pair,)

    @property
    def start_ms(self) -> int:
        """Market time of the first frame."""
        return self._start_ms

    def frame(self, pair: Pair) -> MarketFrame:
        """The latest frame. KeyError for another pair."""
        if pair != self._snapshots.pair:
            raise KeyError(pair.index_name)
        return self._frame

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame after the latest up to and including `to_ms`, one for each market second.

        A gap ends the list: a `Skipped` and the frame at its far side.
        """
        frames: list[MarketFrame | Skipped] = []
        while (step_ms := self._frame.at_ms + STEP_MS) <= to_ms:
            skip = self._gap_before(step_ms)
            self._move(step_ms if skip is None else skip.to_ms)
            if skip is not None:
                return [*frames, skip, self._frame]
            frames.append(self._frame)
        return frames

    def shock(self, underlying: str, move: float) -> None:
        """Move the underlying by the fraction `move`, here and in all later snapshots.

        Options keep their implied volatility, strike by strike: marks are repriced, and quotes move
        with their marks.
        """
        if not -1.0 < move < math.inf:
            raise ValueError(f"a shock of {move} leaves no price: it must be above -1")
        if underlying != self._snapshots.pair.base:
            raise ValueError(f"{underlying} is not traded here")
        self._scale *= 1.0 + move
        self._changed = True

    def _gap_before(self, step_ms: int) -> Skipped | None:
        """The jump to make instead of stepping to `step_ms`, if the recording has a hole here."""
        following = self._index + 1
        if following == len(self._snapshots.times_ms):
            return None
        next_ms = self._snapshots.times_ms[following]
        if step_ms >= next_ms or next_ms - self._snapshot.at_ms <= GAP_MAX_MS:
            return None
        if step_ms <= self._shown_ms + GAP_HOLD_MS:
            return None
        return Skipped(from_ms=self._frame.at_ms, to_ms=next_ms)

    def _move(self, to_ms: int) -> None:
        """Show the market of `to_ms`: the same again, unless something has changed."""
        index = self._snapshots.index_at(to_ms)
        for passed in range(self._index + 1, index + 1):
            latest = self._snapshots.snapshot(passed)
            before = self._snapshot.living(latest.at_ms)
            self._snapshot = with_absent(latest, before, self._snapshots.pair)
            self._shown_ms = to_ms
            self._changed = True
        self._index = index
        expired = bool(np.any(self._snapshot.expiry_ms <= to_ms))
        if self._changed or expired:
            self._changed = False
            self._frame = self._framed(to_ms)
        else:
            self._frame = replace(self._frame, at_ms=to_ms)

    def _framed(self, now_ms: int) -> MarketFrame:
        shown = self._snapshot = self._snapshot.living(now_ms)
        mark, bid, ask = self._prices(shown)
        pairs = zip(shown.expiry_ms.tolist(), shown.forward_usd.tolist(), strict=True)
        forwards = {expiry: forward * self._scale for expiry, forward in pairs}
        discounts = zip(shown.expiry_ms.tolist(), shown.discount.tolist(), strict=True)
        index_usd = self._index_usd(forwards)
        size_coin = self._displayed.option_size_coin
        return MarketFrame(
            pair=self._snapshots.pair,
            at_ms=now_ms,
            index_usd=index_usd,
            perpetual=self._perpetual_quote(index_usd),
            futures=(),
            forwards=MappingProxyType(forwards),
            discounts=MappingProxyType(dict(discounts)),
            contracts=shown.contracts,
            mark_price=frozen(mark),
            mark_iv=shown.mark_iv,
            bid_price=frozen(bid),
            ask_price=frozen(ask),
            bid_size_coin=frozen(np.where(np.isnan(bid), 0.0, size_coin)),
            ask_size_coin=frozen(np.where(np.isnan(ask), 0.0, size_coin)),
            is_call=shown.is_call,
            strike=shown.strike,
            expiry_ms=shown.expiry_ms,
        )

    def _perpetual_quote(self, mark_usd: float) -> FutureQuote:
        half_usd = self._displayed.perp_half_spread * mark_usd
        bid, ask = quotes.future_quotes(self._perpetual, mark_usd, half_usd)
        lot = float(TERMS[self._snapshots.pair].future_lot)
        lot_usd = lot * (mark_usd if self._snapshots.pair.is_linear else 1.0)
        depth = tuple(
            (at, max(round(usd / lot_usd), 1) * lot) for at, usd in self._displayed.perp_depth
        )
        return FutureQuote(
            contract=self._perpetual, mark_usd=mark_usd, bid_usd=bid, ask_usd=ask, depth=depth
        )

    def _index_usd(self, forwards: dict[int, float]) -> float:
        """The nearest forward; once the whole chain has expired, the last one there was."""
        if forwards:
            return round(forwards[min(forwards)], 2)
        return self._frame.index_usd

    def _prices(self, shown: Snapshot) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Marks, bids and asks: as recorded, or moved by the shocks there have been."""
        mark, pair = np.array(shown.mark_price), self._snapshots.pair
        moved = np.zeros_like(mark)
        if self._scale != 1.0:
            mark = np.maximum(mark + repricing(shown, self._scale, pair), 0.0)
            mark = np.round(mark, 6)
            moved = mark - shown.mark_price
        ticks = quotes.option_ticks(pair)
        bid, ask = quotes.option_quotes(shown.bid_price + moved, shown.ask_price + moved, ticks)
        return mark, bid, ask


def repricing(shown: Snapshot, scale: float, pair: Pair) -> FloatArray:
    """Change of each mark when all forwards are multiplied by `scale`, volatility held."""
    return model_prices(shown, shown.forward_usd * scale, pair) - model_prices(
        shown, shown.forward_usd, pair
    )


def model_prices(shown: Snapshot, forward_usd: FloatArray, pair: Pair) -> FloatArray:
    """Black-76 of the snapshot's volatilities on these forwards, native."""
    years = (shown.expiry_ms - shown.at_ms) / YEAR_MS
    usd = greeks(
        forward_usd, shown.strike, years, shown.mark_iv, shown.is_call, shown.discount
    ).price
    return usd if pair.is_linear else usd / forward_usd


def with_absent(latest: Snapshot, before: Snapshot, pair: Pair) -> Snapshot:
    """`latest`, and the living options of `before` that it lacks, without quotes.

    A recorder loses rows; an instrument does not stop existing for it. Its volatility holds and its
    mark follows the forward of its expiry.
    """
    known = {contract.name for contract in latest.contracts}
    absent = [at for at, contract in enumerate(before.contracts) if contract.name not in known]
    if not absent:
        return latest
    rest = before.taken(np.array(absent, dtype=np.int64))
    nearby = dict(zip(latest.expiry_ms.tolist(), latest.forward_usd.tolist(), strict=True))
    forward = np.array(
        [
            nearby.get(expiry, held)
            for expiry, held in zip(rest.expiry_ms.tolist(), rest.forward_usd, strict=True)
        ]
    )
    price = model_prices(replace(rest, at_ms=latest.at_ms), forward, pair)
    nothing = np.full(len(absent), np.nan)
    joined = Snapshot(
        at_ms=latest.at_ms,
        contracts=latest.contracts + rest.contracts,
        strike=np.concatenate((latest.strike, rest.strike)),
        is_call=np.concatenate((latest.is_call, rest.is_call)),
        expiry_ms=np.concatenate((latest.expiry_ms, rest.expiry_ms)),
        forward_usd=np.concatenate((latest.forward_usd, forward)),
        discount=np.concatenate((latest.discount, rest.discount)),
        mark_price=np.concatenate((latest.mark_price, np.round(price, 6))),
        mark_iv=np.concatenate((latest.mark_iv, rest.mark_iv)),
        bid_price=np.concatenate((latest.bid_price, nothing)),
        ask_price=np.concatenate((latest.ask_price, nothing)),
    )
    return joined.taken(np.lexsort((~joined.is_call, joined.strike, joined.expiry_ms)))
