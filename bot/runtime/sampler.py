"""Asks the venue for its time, and lets the market clock learn from the answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bot.runtime.clock import MarketClock, TimeSample, WireClock

SAMPLE_SECONDS: Final = 1.0
ANSWER_SECONDS_MAX: Final = 5.0  # an answer slower than this says nothing about the time

log = structlog.get_logger(__name__)


class ClockSampler:
    """Asks the venue for its time, again and again, and lets the market clock learn."""

    def __init__(
        self,
        *,
        ask_ms: Callable[[], Awaitable[int]],
        clock: MarketClock,
        wire: WireClock,
        interval_seconds: float = SAMPLE_SECONDS,
        on_sample: Callable[[], None] = lambda: None,
    ) -> None:
        """Remember whom to ask.

        Args:
            ask_ms: One question to the venue, `Venue.market_time_ms`.
            clock: Who learns.
            wire: Stamps the question and the answer.
            interval_seconds: Pause between questions, unless someone is in a `hurry`.
            on_sample: Called after each answer, for those who plan ahead in market time.
        """
        self._ask_ms = ask_ms
        self.clock = clock
        self._wire = wire
        self._interval_seconds = interval_seconds
        self._on_sample = on_sample
        self._unanswered = 0  # in a row
        self._hurry = asyncio.Event()
        self.failures = 0

    async def settle(self, samples: int = 6, spacing_seconds: float = 0.03) -> bool:
        """Ask a few times in quick succession; True if the venue ever answered."""
        answers = 0
        for _ in range(samples):
            answers += await self._sample()
            await asyncio.sleep(spacing_seconds)
        return answers > 0

    async def run(self) -> None:
        """Keep asking until cancelled; a hurry is worth one question more in an interval."""
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._hurry.wait()
            except TimeoutError:  # the usual pace
                await self._learn()
                continue
            await self._learn()
            # A clock that cannot follow (this host's own) would be in a hurry for ever.
            await asyncio.sleep(self._interval_seconds)
            self._hurry.clear()

    async def _learn(self) -> None:
        if await self._sample():
            self._on_sample()

    def hurry(self) -> None:
        """Ask now: something the venue said shows that its time has jumped."""
        self._hurry.set()

    async def _sample(self) -> bool:
        asked_ns = self._wire.monotonic_ns()
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                venue_ms = await self._ask_ms()
        except Exception as error:  # noqa: BLE001  any failed question, of whatever type, is merely no sample
            self.failures += 1
            self._unanswered += 1
            if self._unanswered == 1:
                log.warning("venue does not tell its time", reason=_said(error))
            return False
        if self._unanswered:
            log.info("venue tells its time again", unanswered=self._unanswered)
            self._unanswered = 0
        self.clock.observe(
            TimeSample(asked_ns=asked_ns, answered_ns=self._wire.monotonic_ns(), venue_ms=venue_ms)
        )
        return True


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
