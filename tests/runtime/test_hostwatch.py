"""The host is measured, told to the core, and left in order when it is in trouble."""

import asyncio
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest

from bot.core.events import Fact, HostMeasured
from bot.core.state import Mode
from bot.core.units import NS_PER_MS, NS_PER_SECOND
from bot.runtime.clock import SystemMarketClock, TimeSample, WireClock
from bot.runtime.daemon import ExitCode, run_daemon
from bot.runtime.host import ProcessHost, Used
from bot.runtime.hostwatch import HostWatch, LoopStandsError, ProcessLimits, Responses
from tests.runtime.desk import Desk, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")

STALL = """
import re
from bot.runtime.host import ProcessHost
with open({trace!r}, "w") as file:
    host = ProcessHost(stall_seconds=1.0, trace=file.fileno())
    host.beat()
    re.match(r"(a+)+$", "a" * 64 + "b")  # holds the interpreter for longer than anybody waits
"""


@dataclass
class Bench:
    """A host on a bench: its clocks are set by hand, and its loop folds when it is told to."""

    now_ns: int = 1_000 * NS_PER_SECOND
    calendar_ms: int = 1_790_000_000_000
    folds: int = 0
    using: Used = field(default_factory=Used)
    facts: list[Fact] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    redialled: list[str] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    beats: int = 0

    beat_seconds = 0.0
    look_seconds = 0.0
    heeds_steps = True

    def __post_init__(self) -> None:
        self.ended = asyncio.Event()
        self.wire = WireClock(monotonic_ns=lambda: self.now_ns, epoch_ms=lambda: self.calendar_ms)
        self.market = SystemMarketClock(self.wire)
        self.market.observe(TimeSample(asked_ns=0, answered_ns=0, venue_ms=self.market._at(0)))

    def used(self) -> Used:
        return self.using

    def beat(self) -> None:
        """Nobody kills a bench."""
        self.beats += 1

    def settle(self) -> None:
        """It is as it is."""

    leave = settle

    async def redial(self, reason: str) -> None:
        self.redialled.append(reason)

    def watch(self) -> HostWatch:
        return HostWatch(
            host=self,
            wire=self.wire,
            market=self.market,
            loop=self,  # type: ignore[arg-type]  # its folds and its end are all that is looked at
            limits=ProcessLimits(stall_seconds=30.0),
            responses=Responses(
                on_lag=self.lags.append,
                post=self.facts.append,
                redial=self.redial,
                restart=self.restarts.append,
            ),
        )

    async def passes(self, watch: HostWatch, seconds: float, *, folding: bool = True) -> None:
        """Let time pass in steps of a tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.now_ns += NS_PER_SECOND // 10
            self.calendar_ms += 100
            self.folds += folding
            watch._beat()
            watch._check_loop(self.now_ns)
            await watch._check_clocks()
        watch._say(self.now_ns)
        watch._check_budget()


async def test_a_quiet_host_is_told_once_and_trouble_until_it_is_over():
    bench = Bench()
    watch = bench.watch()
    for _ in range(3):
        await bench.passes(watch, 1.0)
    assert len(bench.facts) == 1
    watch._lagged(700 * NS_PER_MS, bench.now_ns)
    for _ in range(4):
        await bench.passes(watch, 1.0)
    told = [fact.loop_lag_ns for fact in bench.facts if isinstance(fact, HostMeasured)]
    assert told == [0, 700 * NS_PER_MS, 0]
    assert bench.lags == [0.7]


async def test_the_loop_puts_its_deadline_off_no_more_than_once_a_second():
    bench = Bench()
    watch = bench.watch()
    await bench.passes(watch, 0.1)
    assert bench.beats == 1
    await bench.passes(watch, 10.0)
    assert bench.beats == 11


async def test_a_calendar_that_is_set_or_a_machine_that_slept_has_everything_read_afresh():
    bench = Bench()
    watch = bench.watch()
    await bench.passes(watch, 1.0)
    bench.calendar_ms += 3_600_000
    assert watch.stepped_ms() == pytest.approx(3_600_000)
    await bench.passes(watch, 1.0)
    (reason,) = bench.redialled
    assert "moved by +3600.0 s" in reason
    assert watch.stepped_ms() == pytest.approx(0)
    last = bench.facts[-1]
    assert isinstance(last, HostMeasured)
    assert last.clock_skew_ms == pytest.approx(3_600_000, abs=1)


async def test_a_loop_that_stands_ends_the_process_but_not_while_a_ledger_may_be_locked():
    bench = Bench()
    watch = bench.watch()
    await bench.passes(watch, 39.0, folding=False)
    with pytest.raises(LoopStandsError, match="the loop has not folded for 40 s"):
        await bench.passes(watch, 2.0, folding=False)


@pytest.mark.parametrize(
    ("using", "said"),
    [
        (Used(memory_bytes=1_600_000_000), "memory 1,600 MB is over 1,500 MB"),
        (Used(files=513), "513 open files are over 512"),
        (Used(tasks=2_001), "2,001 tasks are over 2,000"),
        (Used(memory_bytes=1_500_000_000, files=512, tasks=2_000), None),
    ],
)
async def test_a_process_that_has_grown_too_large_is_started_again(using, said):
    bench = Bench(using=using)
    await bench.passes(bench.watch(), 1.0)
    assert bench.restarts == ([] if said is None else [said])


async def test_a_daemon_over_its_means_leaves_in_order_with_a_code_that_has_it_started_again(
    tmp_path,
):
    async with House(tmp_path) as house:
        daemon = house.daemon()
        object.__setattr__(daemon, "limits", ProcessLimits(memory_max_bytes=1))
        result = await asyncio.wait_for(run_daemon(daemon), 60)
    assert result.code is ExitCode.FAILED
    assert re.fullmatch(r"memory [\d,]+ MB is over 0 MB: to be started again", result.reason)
    assert house.loop.ended.is_set(), "it left in order"


async def test_an_order_decided_on_what_a_slept_machine_still_holds_is_held_back(tmp_path):
    apart_ms = 0
    wire = WireClock(epoch_ms=lambda: time.time_ns() // NS_PER_MS + apart_ms)
    async with House(tmp_path, desk=Desk(wire=wire)) as house:
        daemon = house.daemon()
        task = asyncio.create_task(run_daemon(daemon))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        assert house.outbox.stopcock.reason == ""
        apart_ms = 3_600_000
        assert "the host's clock stepped by +3" in house.outbox.stopcock.reason
        await until(lambda: house.desk.redialled)
        assert house.outbox.stopcock.reason == ""
        daemon.stop.set()
        await task


async def test_this_process_knows_what_it_uses():
    used = ProcessHost().used()
    assert used.memory_bytes > 10_000_000
    assert used.files > 3
    assert used.tasks >= 1


async def test_a_stalled_event_loop_is_measured_and_the_core_is_told(tmp_path):
    lags: list[float] = []
    async with House(tmp_path) as house:
        daemon = house.daemon()
        object.__setattr__(daemon, "on_lag", lags.append)
        task = asyncio.create_task(run_daemon(daemon))
        await until(lambda: lags)
        time.sleep(0.3)  # noqa: ASYNC251  the stall itself
        await until(lambda: max(lags) > 0.1)
        await until(
            lambda: (
                house.loop.state.host is not None
                and house.loop.state.host.loop_lag_ns > 100 * NS_PER_MS
            )
        )
        daemon.stop.set()
        await task


def test_a_call_that_holds_the_interpreter_is_ended_from_outside_of_it_with_a_trace(tmp_path):
    trace = tmp_path / "ledger.db.stall"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STALL.format(trace=str(trace))], check=False, timeout=200
    )
    assert done.returncode == 1
    assert time.monotonic() - began >= 1.0
    assert "Timeout (0:00:01)!" in trace.read_text()
    assert "re" in trace.read_text()
