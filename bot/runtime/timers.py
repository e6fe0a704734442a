"""Scheduled moments. A timer does one thing: it posts `TimerFired`.

Some moments belong to the wire clock (ask the venue again every so often), some to the market clock
(08:00 UTC of the venue's day, which in a rehearsal may be four wire seconds away).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.core.events import TimerFired
from bot.core.units import MS_PER_DAY, MS_PER_HOUR
from bot.runtime.clock import MarketClock, WireClock, to_wire_ns, wire_seconds
from bot.venues.port import Post

RETIMED_SECONDS: Final = 0.05  # a plan that is off by less is left alone
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

    def __init__(
        self, *, post: Post, market: MarketClock, wire: WireClock, plan: TimerPlan = DEFAULT_PLAN
    ) -> None:
        self._post = post
        self._market = market
        self._wire = wire
        self._plan = plan
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._due_ms: dict[str, int] = {}
        self._due_epoch_ms: dict[str, float] = {}

    async def run(self) -> None:
        """Keep the schedule until cancelled."""
        for name, seconds in self._plan.wire_seconds.items():
            self._scheduler.add_job(
                self._fire,
                "interval",
                seconds=seconds,
                args=(name,),
                id=name,
                coalesce=True,
                misfire_grace_time=None,
            )
        for name in self._plan.market_times_ms:
            self._aim(name)
        self._scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._scheduler.shutdown(wait=False)

    def retime(self) -> None:
        """Plan the market's moments afresh: the market clock jumped or learned another rate."""
        for name, due_ms in tuple(self._due_ms.items()):
            wanted = self._epoch_ms_of(due_ms)
            if abs(wanted - self._due_epoch_ms[name]) > RETIMED_SECONDS * 1_000:
                self._schedule(name)

    # Jobs are coroutines: APScheduler runs plain functions in a thread, and the inbox is not for
    # threads.
    async def _fire(self, name: str) -> None:
        self._post(TimerFired(name=name))

    def _aim(self, name: str) -> None:
        """Aim at the next moment of this name."""
        now_ms = self._market.now_ms()
        time_of_day_ms = self._plan.market_times_ms[name]
        self._due_ms[name] = (
            (now_ms - time_of_day_ms) // MS_PER_DAY + 1
        ) * MS_PER_DAY + time_of_day_ms
        self._schedule(name)

    def _schedule(self, name: str) -> None:
        at_ms = self._epoch_ms_of(self._due_ms[name])
        self._due_epoch_ms[name] = at_ms
        self._scheduler.add_job(
            self._arrive,
            "date",
            run_date=datetime.fromtimestamp(at_ms / 1_000, UTC),
            args=(name,),
            id=name,
            replace_existing=True,
            misfire_grace_time=None,
            max_instances=2,  # the next moment may come before the scheduler has filed this one
        )

    def _epoch_ms_of(self, market_ms: int) -> float:
        """Host time at which to look whether the market clock shows `market_ms`."""
        seconds = wire_seconds(to_wire_ns(self._market, market_ms - self._market.now_ms()))
        pause = min(max(seconds, PAUSE_SECONDS_MIN), WAIT_SECONDS_MAX)
        return self._wire.epoch_ms() + timedelta(seconds=pause) / timedelta(milliseconds=1)

    async def _arrive(self, name: str) -> None:
        if self._market.now_ms() < self._due_ms[name]:
            self._schedule(name)  # the clock learned meanwhile that it was too fast
            return
        await self._fire(name)
        self._aim(name)
