"""Timers post facts at moments of the wire's or the market's day, at any speed."""

import asyncio
import contextlib
import time

from bot.core.events import Fact, TimerFired
from bot.core.units import MS_PER_DAY, MS_PER_HOUR
from bot.runtime.clock import WireClock
from bot.runtime.timers import TimerPlan, Timers
from tests.runtime.desk import until

DAY_MS = 20_000 * MS_PER_DAY


class FastMarket:
    """A market clock whose speed and jumps are the test's."""

    def __init__(self, start_ms: int, rate: float) -> None:
        self._wire = WireClock()
        self._origin_ns = self._wire.monotonic_ns()
        self._start_ms = start_ms
        self.rate = rate
        self.jumps = 0
        self.uncertainty_ms = 0.0

    def now_ms(self) -> int:
        passed_ns = self._wire.monotonic_ns() - self._origin_ns
        return self._start_ms + int(passed_ns * self.rate / 1e6)

    def observe(self, sample: object) -> None:
        pass

    def age_ns(self, venue_ms: int, arrived_ns: int) -> float:
        passed_ms = (arrived_ns - self._origin_ns) * self.rate / 1e6
        return (self._start_ms + passed_ms - venue_ms) / self.rate * 1e6

    def jump(self, by_ms: int) -> None:
        self._start_ms += by_ms
        self.jumps += 1


@contextlib.asynccontextmanager
async def ticking(market: FastMarket, plan: TimerPlan):
    fired: list[tuple[str, int]] = []

    def post(fact: Fact) -> None:
        assert isinstance(fact, TimerFired)
        fired.append((fact.name, market.now_ms()))

    timers = Timers(post=post, market=market, plan=plan)
    task = asyncio.create_task(timers.run())
    await asyncio.sleep(0)
    try:
        yield timers, fired
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


ROLL = TimerPlan(wire_seconds={}, market_times_ms={"expiry-roll": 8 * MS_PER_HOUR})


async def test_an_interval_on_the_wire_clock_repeats():
    market = FastMarket(DAY_MS, rate=1.0)
    plan = TimerPlan(wire_seconds={"reconcile": 0.02}, market_times_ms={})
    async with ticking(market, plan) as (_, fired):
        await until(lambda: len(fired) >= 3)
    assert {name for name, _ in fired} == {"reconcile"}


async def test_eight_oclock_of_a_fast_market_comes_once_a_market_day():
    rate = 36_000_000.0 / 100.0  # a market day in a quarter of a second
    market = FastMarket(DAY_MS + 8 * MS_PER_HOUR - 20 * 60_000, rate=rate)
    async with ticking(market, ROLL) as (_, fired):
        await until(lambda: len(fired) >= 3)
    days = [(at_ms - 8 * MS_PER_HOUR) // MS_PER_DAY for _, at_ms in fired]
    # A machine that stood still for longer than such a day has seen no eight o'clock of it.
    assert days == sorted(set(days))
    assert days[0] >= 20_000


class StandingMarket(FastMarket):
    """A market clock that only the test moves."""

    at_ms = DAY_MS

    def now_ms(self) -> int:
        return self.at_ms


async def test_eight_oclock_of_the_market_is_left_out_on_no_day():
    market = StandingMarket(DAY_MS, rate=1.0)
    async with ticking(market, ROLL) as (timers, fired):
        for day in range(3):
            market.at_ms = DAY_MS + day * MS_PER_DAY + 8 * MS_PER_HOUR - 1
            timers.retime()
            await asyncio.sleep(0.02)
            assert len(fired) == day
            market.at_ms += 1
            timers.retime()
            await until(lambda: len(fired) > day)  # noqa: B023
            assert len(fired) == day + 1


async def test_a_moment_that_the_market_jumped_to_fires_when_the_clock_tells():
    market = FastMarket(DAY_MS, rate=1.0)
    async with ticking(market, ROLL) as (timers, fired):
        await asyncio.sleep(0.02)
        timers.retime()
        assert fired == []
        market.jump(8 * MS_PER_HOUR)
        timers.retime()
        await until(lambda: fired)
        await asyncio.sleep(0.02)
    assert len(fired) == 1


async def test_a_clock_that_was_thought_faster_does_not_fire_early():
    market = FastMarket(DAY_MS + 8 * MS_PER_HOUR - 60, rate=1.0)
    async with ticking(market, ROLL) as (timers, fired):
        market.jump(-40)
        timers.retime()
        await until(lambda: fired)
    assert fired[0][1] >= DAY_MS + 8 * MS_PER_HOUR


async def test_a_host_whose_calendar_is_set_back_keeps_reconciling(monkeypatch):
    epoch_s = time.time()
    monkeypatch.setattr(time, "time", lambda: epoch_s - 3_600.0)
    monkeypatch.setattr(time, "time_ns", lambda: int((epoch_s - 3_600.0) * 1e9))
    market = FastMarket(DAY_MS, rate=1.0)
    plan = TimerPlan(wire_seconds={"reconcile": 0.02}, market_times_ms={})
    async with ticking(market, plan) as (_, fired):
        await until(lambda: len(fired) >= 3)
