"""Notices at the first quote that the venue's time has jumped, rather than at the next question."""

from typing import Final

from bot.core.events import QuoteSeen
from bot.core.units import MS_PER_SECOND
from bot.runtime.clock import MarketClock
from bot.runtime.loop import Stepped
from bot.runtime.sampler import ClockSampler

AHEAD_SECONDS: Final = 0.5  # wire: quotes from further ahead than any latency explains


class JumpWatch:
    """An observer that has the venue's time asked for where quotes come from far ahead of ours."""

    def __init__(self, sampler: ClockSampler, market: MarketClock) -> None:
        self._sampler = sampler
        self._market = market

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one fold."""
        ahead_ms = AHEAD_SECONDS * MS_PER_SECOND * self._market.rate
        for fact in stepped.facts:
            if isinstance(fact, QuoteSeen) and fact.venue_ms - stepped.market_ms > ahead_ms:
                self._sampler.hurry()
                return
