"""Watches the host: how late the loop wakes, how slow the disk is, clocks that step, what is used.

What it measures the core is told (`HostMeasured`), which trades less or not at all on a host in
trouble. A loop that no longer folds ends the process; a process that has grown too large is ended
in order, to be started again. When the host's calendar runs off from its monotonic clock (it was
set, or the machine slept and no clock of ours noticed), both connections are dialled afresh and the
account is read again: what we hold may be hours old and look new.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from bot.core.events import Fact, HostMeasured
from bot.core.units import MS_PER_HOUR, NS_PER_MS, NS_PER_SECOND
from bot.runtime.clock import MarketClock, WireClock, wire_seconds
from bot.runtime.host import Host, Used
from bot.runtime.loop import Loop, Stepped

BEAT_NS: Final = NS_PER_SECOND  # so much sooner than it says a stall may be ended
LAG_SECONDS_LOUD: Final = 1.0
SAY_NS: Final = NS_PER_SECOND
LAG_NOTABLE_NS: Final = 100 * NS_PER_MS  # less is told once, when it has become less
JOURNAL_NOTABLE_NS: Final = 50 * NS_PER_MS
SKEW_NOTABLE_MS: Final = 100.0
SKEW_UNSURE_MS: Final = 500.0  # a market clock known no better says nothing about ours
RATE_OF_OURS: Final = 0.001  # how far from 1 a market's speed may be to be compared with ours
STEP_MS_MAX: Final = 1_000.0
READS_MAX: Final = 3
READ_NS_MAX: Final = 20 * NS_PER_MS
BUDGET_NS: Final = 5 * NS_PER_SECOND
MEGABYTE: Final = 1_000_000
LEDGER_SECONDS: Final = 10.0  # a ledger that somebody locks has half a minute, and then halts

log = structlog.get_logger(__name__)


class LoopStandsError(Exception):
    """The loop has not folded for too long, though the process lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """What the process may take: time to leave and to stand still (wire), and the host's means."""

    leave_seconds: float = 10.0
    stall_seconds: float = 30.0
    memory_max_bytes: int = 1_500 * MEGABYTE
    files_max: int = 512
    tasks_max: int = 2_000

    def trouble(self, used: Used) -> str:
        """Say which limit what is used has passed, empty if none."""
        if used.memory_bytes > self.memory_max_bytes:
            limit_mb = self.memory_max_bytes // MEGABYTE
            return f"memory {used.memory_bytes // MEGABYTE:,} MB is over {limit_mb:,} MB"
        if used.files > self.files_max:
            return f"{used.files:,} open files are over {self.files_max:,}"
        if used.tasks > self.tasks_max:
            return f"{used.tasks:,} tasks are over {self.tasks_max:,}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """Who is told: of each late wake-up in seconds, of facts, of what only another start mends."""

    on_lag: Callable[[float], None]
    post: Callable[[Fact], None]
    redial: Callable[[str], Awaitable[None]]
    restart: Callable[[str], None]


class HostWatch:
    """Looks at the host with every beat. `on_step` is an observer of the loop."""

    def __init__(
        self,
        *,
        host: Host,
        wire: WireClock,
        market: MarketClock,
        loop: Loop,
        limits: ProcessLimits,
        responses: Responses,
    ) -> None:
        """Begin with a host that is well.

        Args:
            host: The process.
            wire: The host's clocks.
            market: The venue's, as far as it is known.
            loop: Whose folds show that it lives.
            limits: What it may take.
            responses: Who is told.
        """
        self._host = host
        self._wire = wire
        self._market = market
        self._loop = loop
        self._limits = limits
        self._to = responses
        now_ns = wire.monotonic_ns()
        self._lag_ns = self._journal_ns = 0
        self._said_ns = self._folded_ns = self._budget_ns = now_ns
        self._beaten_ns: int | None = None
        self._folds = loop.folds
        self._apart_ms = self._calendar_less_monotonic_ms()
        self._told: HostMeasured | None = None
        self._base_ms: float | None = None

    def on_step(self, stepped: Stepped) -> None:
        """Note how long a fold waited for the disk."""
        if stepped.journal_ns is not None:
            self._journal_ns = max(self._journal_ns, stepped.journal_ns)

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            LoopStandsError: the loop has not folded for too long.
        """
        while True:
            self._beat()
            asleep_ns = self._wire.monotonic_ns()
            await asyncio.sleep(self._host.beat_seconds)
            now_ns = self._wire.monotonic_ns()
            self._lagged(now_ns - asleep_ns, now_ns)
            self._check_loop(now_ns)
            await self._check_clocks()
            if now_ns - self._said_ns >= SAY_NS:
                self._said_ns = now_ns
                self._say(now_ns)
            if now_ns - self._budget_ns >= BUDGET_NS:
                self._budget_ns = now_ns
                self._check_budget()

    def _beat(self) -> None:
        """Beat, but seldom: the thread that kept the deadline before is waited for each time."""
        now_ns = self._wire.monotonic_ns()
        if self._beaten_ns is None or now_ns - self._beaten_ns >= BEAT_NS:
            self._beaten_ns = now_ns
            self._host.beat()

    def stepped_ms(self) -> float:
        """Return by how much the calendar ran off from the monotonic clock since it was checked."""
        return self._calendar_less_monotonic_ms() - self._apart_ms

    def _calendar_less_monotonic_ms(self) -> float:
        """Read both clocks at one moment: again if the process was put aside between them."""
        tries = 0
        while True:
            before_ns = self._wire.monotonic_ns()
            calendar_ms = self._wire.epoch_ms()
            after_ns = self._wire.monotonic_ns()
            tries += 1
            if after_ns - before_ns < READ_NS_MAX or tries == READS_MAX:
                return calendar_ms - (before_ns + after_ns) / 2 / NS_PER_MS

    def _lagged(self, slept_ns: int, now_ns: int) -> None:
        lag = max(0.0, wire_seconds(slept_ns) - self._host.beat_seconds)
        self._to.on_lag(lag)
        self._lag_ns = max(self._lag_ns, int(lag * NS_PER_SECOND))
        if lag > LAG_SECONDS_LOUD:
            log.warning("event loop stalled", lag_seconds=round(lag, 3))
            self._folded_ns = now_ns  # the loop could not fold: it was not given a chance

    def _check_loop(self, now_ns: int) -> None:
        if self._loop.folds != self._folds or self._loop.ended.is_set():
            self._folds, self._folded_ns = self._loop.folds, now_ns
            return
        stood = wire_seconds(now_ns - self._folded_ns)
        if stood > self._limits.stall_seconds + LEDGER_SECONDS:
            raise LoopStandsError(f"the loop has not folded for {stood:.0f} s")

    async def _check_clocks(self) -> None:
        if not self._host.heeds_steps:
            return
        stepped_ms = self.stepped_ms()
        self._apart_ms += stepped_ms
        if abs(stepped_ms) <= STEP_MS_MAX:
            return
        reason = (
            f"the host's calendar moved by {stepped_ms / 1_000:+.1f} s against its monotonic clock"
        )
        log.warning("everything is read afresh", reason=reason)
        await self._to.redial(reason)

    def _say(self, now_ns: int) -> None:
        """Tell the core what is notable, and once that it no longer is."""
        measured = HostMeasured(
            loop_lag_ns=self._lag_ns,
            journal_ns=self._journal_ns,
            clock_skew_ms=self._skew_ms(),
            arrived_ns=now_ns,
        )
        self._lag_ns = self._journal_ns = 0
        told = self._told
        if told is None or is_notable(measured) or is_notable(told) or _skewed(told, measured):
            self._told = measured
            self._to.post(measured)

    def _skew_ms(self) -> float | None:
        """Return by how much the host's calendar is ahead of the venue's, None if nobody knows.

        A rehearsal may be on another day: there only the drift since the start counts.
        """
        market = self._market
        if abs(market.rate - 1.0) > RATE_OF_OURS or market.uncertainty_ms > SKEW_UNSURE_MS:
            return None
        ahead_ms = float(self._wire.epoch_ms() - market.now_ms())
        if self._base_ms is None:
            self._base_ms = ahead_ms if abs(ahead_ms) > MS_PER_HOUR else 0.0
        return ahead_ms - self._base_ms

    def _check_budget(self) -> None:
        if trouble := self._limits.trouble(self._host.used()):
            self._to.restart(trouble)


def is_notable(measured: HostMeasured) -> bool:
    """Whether a host that measures so is worth a word every second."""
    return measured.loop_lag_ns >= LAG_NOTABLE_NS or measured.journal_ns >= JOURNAL_NOTABLE_NS


def _skewed(before: HostMeasured, after: HostMeasured) -> bool:
    old, new = before.clock_skew_ms, after.clock_skew_ms
    if old is None or new is None:
        return old is not new
    return abs(new - old) >= SKEW_NOTABLE_MS
