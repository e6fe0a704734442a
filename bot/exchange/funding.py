"""Continuous funding of a perpetual, and an index's average that contracts settle on.

The rate is that of `bot.quant.processes.perpetual`. Over dt an inverse long of N USD pays
rate x N / index x dt / 8 h coins, a linear long of n coins rate x n x index x dt / 8 h USDC.
Source: Deribit, "Funding rate".
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from bot.exchange.market import MarketFrame
from bot.exchange.rules import FundingRules
from bot.quant.processes import perpetual

EIGHT_HOURS_MS: Final = 8 * 3_600_000
SAMPLE_MS: Final = 60_000  # the trailing eight-hour figure is kept to the minute


def funding_rate_8h(rules: FundingRules, mark_usd: float, index_usd: float) -> float:
    """The rate per eight hours that holds now; positive: longs pay shorts."""
    return perpetual.funding_rate_8h(
        (mark_usd - index_usd) / index_usd, rules.dampener, rules.cap_8h
    )


@dataclass(slots=True)
class FundingMeter:
    """What a long of one native unit has paid since the start: coins a USD, or USDC a coin.

    Between frames the last frame's rate holds; accruals restart from the frame, never from an
    earlier question, so that asking more often changes no digit.
    """

    rules: FundingRules
    is_linear: bool = False
    rate_8h: float = 0.0
    _index_usd: float = 1.0
    _base_ms: int = 0
    _base_paid: float = 0.0
    _base_rate_time: float = 0.0
    _samples: list[tuple[int, float]] = field(default_factory=list)

    def observe(self, frame: MarketFrame) -> None:
        """A new frame: the old rate held until now, the new one holds from here."""
        if self._base_ms:
            self._base_paid = self.paid_per_unit(frame.at_ms)
            self._base_rate_time += self.rate_8h * (frame.at_ms - self._base_ms) / EIGHT_HOURS_MS
        self._base_ms = frame.at_ms
        self._index_usd = frame.index_usd
        self.rate_8h = float(funding_rate_8h(self.rules, frame.perpetual.mark_usd, frame.index_usd))
        if not self._samples or frame.at_ms - self._samples[-1][0] >= SAMPLE_MS:
            self._samples.append((frame.at_ms, self._base_rate_time))
            while self._samples[0][0] < frame.at_ms - EIGHT_HOURS_MS:
                del self._samples[0]

    def skip(self, from_ms: int, to_ms: int) -> None:
        """Market time jumps: a hole in the data costs nobody funding."""
        self._base_paid = self.paid_per_unit(from_ms)
        self._base_rate_time += self.rate_8h * (from_ms - self._base_ms) / EIGHT_HOURS_MS
        self._base_ms = to_ms

    def paid_per_unit(self, now_ms: int) -> float:
        """Paid up to `now_ms` by a long of one unit; nothing accrues inside a skipped hole."""
        elapsed = max(now_ms - self._base_ms, 0) / EIGHT_HOURS_MS
        return self._base_paid + self.rate_8h * self._unit() * elapsed

    def interest_value(self, now_ms: int) -> float:
        """The same as a sum of rates, the index having been what it is: the venue's figure."""
        return self.paid_per_unit(now_ms) / self._unit()

    def _unit(self) -> float:
        """What one native unit is worth in the settlement currency."""
        return self._index_usd if self.is_linear else 1.0 / self._index_usd

    def trailing_8h(self) -> float:
        """The sum of funding over the last eight hours, as a rate, as far as history goes."""
        return self._base_rate_time - self._samples[0][1] if self._samples else 0.0


@dataclass(slots=True)
class IndexHistory:
    """The index as a step function of market time, as long as a settlement average needs."""

    keep_ms: int
    _times: list[int] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _areas: list[float] = field(default_factory=list)

    def observe(self, at_ms: int, index_usd: float) -> None:
        """From `at_ms` on, the index is `index_usd`."""
        area = 0.0
        if self._times:
            area = self._areas[-1] + self._values[-1] * (at_ms - self._times[-1])
        self._times.append(at_ms)
        self._values.append(index_usd)
        self._areas.append(area)
        if self._times[0] < at_ms - 2 * self.keep_ms:
            old = bisect_right(self._times, at_ms - self.keep_ms) - 1
            del self._times[:old], self._values[:old], self._areas[:old]

    def average(self, from_ms: int, to_ms: int) -> float:
        """Time-weighted average of the span as far as known; the value then, if it is empty."""
        assert self._times, "an average needs at least one observation"
        start = max(from_ms, self._times[0])
        if to_ms <= start:
            return self._values[max(bisect_right(self._times, to_ms) - 1, 0)]
        return (self._area(to_ms) - self._area(start)) / (to_ms - start)

    def _area(self, at_ms: int) -> float:
        step = bisect_right(self._times, at_ms) - 1
        return self._areas[step] + self._values[step] * (at_ms - self._times[step])
