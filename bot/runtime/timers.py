"""Scheduled moments. A timer does one thing: it posts `TimerFired`.

Some moments belong to the wire clock (ask the venue again every so often), some to the market clock
(08:00 UTC of the venue's day, which in a rehearsal may be four wire seconds away). Neither is the
host's calendar: whoever sets that back by an hour must not stop the reconciling for an hour.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bot.core.events import TimerFired
from bot.core.units import MS_PER_DAY, MS_PER_HOUR
from bot.runtime.clock import MarketClock, to_wire_ns, wire_seconds
from bot.venues.port import Post

WAIT_SECONDS_MAX: Final = 3_600.0  # look again at least so often: a clock learned better by then
PAUSE_SECONDS_MIN: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerPlan:
    """What fires when: every so many wire seconds, or at a time of the market's day (UTC, ms)."""

    wire_seconds: Mapping[str, float]
    market_times_ms: Mapping[str, int]


DEFAULT_PLAN: Final = TimerPlan(
    wire_seconds={"reconcile": 30.0, "reload-instruments": 600.0},
    market_times_ms={"expiry-roll": 8 * MS_PER_HOUR, "daily-report": 0},
)


class Timers:
    """Posts `TimerFired` at the planned moments while `run` runs."""

    def __init__(self, *, post: Post, market: MarketClock, plan: TimerPlan = DEFAULT_PLAN) -> None:
        self._post = post
        self._market = market
        self._plan = plan
        self._retimed: dict[str, asyncio.Event] = {
            name: asyncio.Event() for name in plan.market_times_ms
        }

    async def run(self) -> None:
        """Keep the schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, seconds in self._plan.wire_seconds.items():
                group.create_task(self._repeat(name, seconds), name=f"timer {name}")
            for name in self._plan.market_times_ms:
                group.create_task(self._keep_time(name), name=f"timer {name}")
            await asyncio.Event().wait()

    def retime(self) -> None:
        """Look at the market's moments afresh: its clock jumped or learned another rate."""
        for retimed in self._retimed.values():
            retimed.set()

    def _fire(self, name: str) -> None:
        self._post(TimerFired(name=name))

    async def _repeat(self, name: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._fire(name)

    async def _keep_time(self, name: str) -> None:
        due_ms = self._next_ms(name)
        while True:
            left_ms = due_ms - self._market.now_ms()
            if left_ms <= 0:
                self._fire(name)
                due_ms = self._next_ms(name)
                continue
            await self._pause(name, wire_seconds(to_wire_ns(self._market, left_ms)))

    def _next_ms(self, name: str) -> int:
        """Return the next moment of this name, market time."""
        time_of_day_ms = self._plan.market_times_ms[name]
        days = (self._market.now_ms() - time_of_day_ms) // MS_PER_DAY + 1
        return days * MS_PER_DAY + time_of_day_ms

    async def _pause(self, name: str, seconds: float) -> None:
        """Sleep for so long, or until the market clock has learned something."""
        retimed = self._retimed[name]
        retimed.clear()
        try:
            async with asyncio.timeout(min(max(seconds, PAUSE_SECONDS_MIN), WAIT_SECONDS_MAX)):
                await retimed.wait()
        except TimeoutError:
            pass
