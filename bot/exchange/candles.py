"""Prices over market time, a candle a minute, for as long as a chart is asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

MINUTE_MS: Final = 60_000
KEPT_MINUTES: Final = 14 * 24 * 60  # two weeks
DROPPED_AT_ONCE: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """The course of a price from `start_ms` on."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float


@dataclass(slots=True)
class CandleSeries:
    """One price's candles, oldest first; a minute in which nobody looked has none."""

    _candles: list[Candle] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def observe(self, at_ms: int, price: float) -> None:
        """The price is `price` at `at_ms`; time does not go back."""
        start_ms = at_ms - at_ms % MINUTE_MS
        if self._starts and self._starts[-1] == start_ms:
            last = self._candles[-1]
            high, low = max(last.high, price), min(last.low, price)
            self._candles[-1] = Candle(
                start_ms=start_ms, open=last.open, high=high, low=low, close=price
            )
            return
        self._candles.append(
            Candle(start_ms=start_ms, open=price, high=price, low=price, close=price)
        )
        self._starts.append(start_ms)
        if len(self._starts) > KEPT_MINUTES + DROPPED_AT_ONCE:
            del self._candles[:DROPPED_AT_ONCE], self._starts[:DROPPED_AT_ONCE]

    def between(self, from_ms: int, to_ms: int) -> Sequence[Candle]:
        """Minutes that begin in the span, its ends included."""
        return self._candles[bisect_left(self._starts, from_ms) : bisect_right(self._starts, to_ms)]

    def at(self, at_ms: int) -> Candle | None:
        """The last minute that began by `at_ms`."""
        place = bisect_right(self._starts, at_ms) - 1
        return self._candles[place] if place >= 0 else None


def coarser(minutes: Sequence[Candle], step_ms: int) -> list[Candle]:
    """The same course in candles of `step_ms`, on multiples of it since the epoch."""
    merged: list[Candle] = []
    for each in minutes:
        start_ms = each.start_ms - each.start_ms % step_ms
        if merged and merged[-1].start_ms == start_ms:
            last = merged[-1]
            high, low = max(last.high, each.high), min(last.low, each.low)
            merged[-1] = replace(last, high=high, low=low, close=each.close)
        else:
            merged.append(replace(each, start_ms=start_ms))
    return merged
