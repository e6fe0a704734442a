"""A running daemon: one task group, and how it ends.

A task that dies takes the process down with its reason, and the restart reconciles: there is no
half-alive state.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import structlog

from bot.core.actions import CancelOrder
from bot.core.events import Link, LinkDown
from bot.core.standing import Standing
from bot.core.state import Mode
from bot.runtime.clock import WireClock
from bot.runtime.halting import HALT_SIGNAL, Halting
from bot.runtime.host import Host, ProcessHost
from bot.runtime.hostwatch import STEP_MS_MAX, HostWatch, ProcessLimits, Responses
from bot.runtime.inbox import Inbox
from bot.runtime.journal import JournalFailedError
from bot.runtime.loop import Loop
from bot.runtime.outbox import Outbox
from bot.runtime.sampler import ClockSampler
from bot.runtime.stopcock import halt_path, raise_flag
from bot.runtime.timers import Timers
from bot.venues.port import Venue

CANCEL_SECONDS: Final = 1.0  # between two tries to cancel what rests, once told to stop
CLOSE_SECONDS_MAX: Final = 3.0  # for the venue's good-bye

log = structlog.get_logger(__name__)

Job = Callable[[], Coroutine[Any, Any, object]]


class ExitCode(IntEnum):
    """How the process ended."""

    DONE = 0
    FAILED = 1
    HALTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the daemon ended, and why in one sentence."""

    code: ExitCode
    reason: str


@dataclass(slots=True)
class Ending:
    """Why the daemon ends itself, in order, for its supervisor to start it again; empty if not."""

    restart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """The parts of a running daemon, put together by the composition root.

    The venue is open, the market clock has settled, and the loop holds its first state. `extra` are
    further tasks by name (the dashboard's server); `stop` ends the daemon as a signal would, and
    `on_leaving` is called once when it does. `on_ended` is told how it ended, after the venue was
    left; it has to come back by itself and in time. `ending` says why it ends itself, if it does.
    """

    venue: Venue
    inbox: Inbox
    outbox: Outbox
    loop: Loop
    sampler: ClockSampler
    timers: Timers
    wire: WireClock
    journal_path: Path
    host: Host = field(default_factory=ProcessHost)
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    on_lag: Callable[[float], None] = lambda _: None
    on_leaving: Callable[[], None] = lambda: None
    on_ended: Callable[[Exit], Coroutine[Any, Any, object]] | None = None
    extra: Mapping[str, Job] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ending: Ending = field(default_factory=Ending)


class TaskDiedError(Exception):
    """A task of the daemon ended that never should."""


class _LeftError(Exception):
    """Not an error: ends the task group."""


async def run_daemon(daemon: Daemon) -> Exit:
    """Run until a signal, `stop` or the death of a task; then let go of the venue.

    On the first SIGTERM, SIGINT or SIGHUP no new order is decided and those under way are resolved,
    for at most `limits.leave_seconds`; a second of the first two ends that wait.
    """
    daemon.host.settle()
    halting = Halting(daemon.inbox, daemon.outbox.stopcock, daemon.wire)
    jobs: dict[str, Job] = {
        "outbox": daemon.outbox.run,
        "loop": daemon.loop.run,
        "venue": daemon.venue.run,
        "timers": daemon.timers.run,
        "clock": daemon.sampler.run,
        "halt file": lambda: halting.watch(_standing(daemon), daemon.host.look_seconds),
        "host": _host_watch(daemon).run,
        **daemon.extra,
    }
    hurry, ending = asyncio.Event(), asyncio.Event()
    with _Signals(daemon.stop, hurry, halting.by_signal):
        try:
            async with asyncio.TaskGroup() as group:
                for name, job in jobs.items():
                    group.create_task(_guarded(name, job, daemon, ending), name=name)
                group.create_task(_leave(daemon, hurry), name="leave")
                await _cancelled(ending)
        except BaseExceptionGroup as ended:
            result = _exit_of(ended, daemon)
        else:
            raise AssertionError("the task group ends by an error only")
        finally:
            daemon.host.leave()
            await _part(daemon.venue)
    log.info("ended", code=int(result.code), reason=result.reason)
    if daemon.on_ended is not None:
        await daemon.on_ended(result)
    return result


async def _cancelled(ending: asyncio.Event) -> None:
    """Wait until the group ends, by one of its tasks or from outside, and say so to the others."""
    try:
        await asyncio.Event().wait()
    finally:
        ending.set()


async def _guarded(name: str, job: Job, daemon: Daemon, ending: asyncio.Event) -> None:
    """Run one job; its end, however it comes, is the end of all.

    A group takes no notice of a task that was cancelled by itself; the daemon must not go on
    without it.
    """
    try:
        await job()
    except asyncio.CancelledError as error:
        if daemon.stop.is_set() or ending.is_set():
            raise
        ending.set()
        log.critical("task was cancelled", task=name)
        raise TaskDiedError(f"{name} was cancelled, and by nobody who may") from error
    except Exception as error:  # named and passed on: the group takes everything down with it
        ending.set()
        if isinstance(error, JournalFailedError):
            _latch(daemon.journal_path, str(error))
        else:
            log.exception("task died", task=name)
        raise TaskDiedError(f"{name} died: {type(error).__name__}: {error}") from error
    if not daemon.stop.is_set():
        ending.set()
        raise TaskDiedError(f"{name} ended by itself")


def _standing(daemon: Daemon) -> Callable[[], Standing]:
    return lambda: daemon.loop.state.standing


def _exit_of(ended: BaseExceptionGroup[BaseException], daemon: Daemon) -> Exit:
    died = ended.subgroup(TaskDiedError)
    if died is not None:
        first = died.exceptions[0]
        halted = isinstance(first.__cause__, JournalFailedError)
        code = ExitCode.HALTED if halted else ExitCode.FAILED
        return Exit(code=code, reason=str(first.__cause__ if halted else first))
    _, foreign = ended.split(_LeftError)
    if foreign is not None:
        raise foreign
    state = daemon.loop.state
    if state.mode is Mode.HALT:
        return Exit(code=ExitCode.HALTED, reason=state.mode_reason)
    if daemon.ending.restart:
        reason = f"{daemon.ending.restart}: to be started again"
        return Exit(code=ExitCode.FAILED, reason=reason)
    return Exit(code=ExitCode.DONE, reason="stopped")


def _latch(journal_path: Path, reason: str) -> None:
    """Halt the next start too: a ledger that cannot be written cannot hold the latch itself."""
    if failure := raise_flag(halt_path(journal_path), reason):
        # The disk that failed the ledger; the exit code still says halted.
        log.critical("the halt could not be left for the next start", error=failure)


async def _leave(daemon: Daemon, hurry: asyncio.Event) -> None:
    """Wait for the word, stop deciding, learn the fate of what is under way, end the group."""
    await daemon.stop.wait()
    log.info("stopping", in_flight=len(daemon.outbox.in_flight))
    daemon.on_leaving()
    daemon.outbox.stopcock.leave("the daemon is stopping")
    daemon.inbox.ignore_quotes()
    # Without quotes there is nothing to decide on; the core goes on minding the orders it has.
    daemon.inbox.admit(LinkDown(link=Link.MARKET, reason="the daemon is stopping"))
    quiet = asyncio.create_task(_settled(daemon))
    hurried = asyncio.create_task(hurry.wait())
    try:
        done, _ = await asyncio.wait(
            (quiet, hurried),
            timeout=daemon.limits.leave_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if quiet not in done:
            log.warning("left with orders unresolved; the next start asks for them")
    finally:
        quiet.cancel()
        hurried.cancel()
    daemon.loop.stop()
    await daemon.loop.ended.wait()
    raise _LeftError


async def _settled(daemon: Daemon) -> None:
    """Learn what became of every order, and cancel those that rest until none does."""
    await daemon.loop.quiet()
    while resting := daemon.loop.resting:
        daemon.outbox.perform(
            tuple(CancelOrder(order_id=o.order_id, instrument=o.instrument) for o in resting)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await daemon.loop.quiet(with_resting=True)


def _host_watch(daemon: Daemon) -> HostWatch:
    """Return who watches the host, and has it heard."""

    def restart(reason: str) -> None:
        if not daemon.stop.is_set():
            log.error("ending, to be started again", reason=reason)
            daemon.ending.restart = reason
            daemon.stop.set()

    watch = HostWatch(
        host=daemon.host,
        wire=daemon.wire,
        market=daemon.sampler.clock,
        loop=daemon.loop,
        limits=daemon.limits,
        responses=Responses(
            on_lag=daemon.on_lag,
            post=daemon.inbox.admit,
            redial=daemon.venue.redial,
            restart=restart,
        ),
    )
    daemon.loop.watch(watch.on_step)
    if daemon.host.heeds_steps:
        daemon.outbox.stopcock.doubt = lambda: _stepped(watch)
    return watch


def _stepped(watch: HostWatch) -> str:
    """Hold an order back that was decided before anybody noticed that the machine had slept."""
    by_ms = watch.stepped_ms()
    return "" if abs(by_ms) <= STEP_MS_MAX else f"the host's clock stepped by {by_ms:+.0f} ms"


async def _part(venue: Venue) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await venue.close()
    except Exception as error:  # noqa: BLE001  we are leaving anyway, and have our reason already
        log.warning("venue did not close cleanly", error=repr(error))


class _Signals:
    """SIGTERM and SIGINT stop the daemon, a second one hurries it; SIGUSR1 halts it.

    SIGHUP, of a terminal that closes, stops it and hurries nothing: shell and kernel both send it.
    """

    def __init__(self, stop: asyncio.Event, hurry: asyncio.Event, halt: Callable[[], None]) -> None:
        self._stop = stop
        self._hurry = hurry
        self._halt = halt

    def __enter__(self) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._told)
        # Never taken back: without it the signal would kill, and a halt while leaving be forgotten.
        running.add_signal_handler(HALT_SIGNAL, self._halt)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
            running.add_signal_handler(signal.SIGHUP, self._stop.set)

    def __exit__(self, *_: object) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.remove_signal_handler(number)

    def _told(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()
