"""A running daemon: one task group, and how it ends.

A task that dies takes the process down with its reason, and the restart reconciles: there is no
half-alive state.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import structlog

from bot.core.events import Command, CommandGiven, Link, LinkDown
from bot.core.state import Mode
from bot.runtime.clock import WireClock, wire_seconds
from bot.runtime.host import Host, ProcessHost
from bot.runtime.inbox import Inbox
from bot.runtime.journal import JournalFailedError
from bot.runtime.loop import Loop
from bot.runtime.outbox import Outbox
from bot.runtime.sampler import ClockSampler
from bot.runtime.timers import Timers
from bot.venues.port import Venue

LEAVE_SECONDS_MAX: Final = 8.0  # to learn what became of the orders under way, once told to stop
CLOSE_SECONDS_MAX: Final = 3.0  # for the venue's good-bye
HALT_LOOK_SECONDS: Final = 1.0
LAG_SECONDS_LOUD: Final = 1.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """The parts of a running daemon, put together by the composition root.

    The venue is open, the market clock has settled, and the loop holds its first state. `extra` are
    further tasks by name (the dashboard's server); `stop` ends the daemon as a signal would, and
    `on_leaving` is called once when it does. `on_ended` is told how it ended, after the venue was
    left; it has to come back by itself and in time.
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
    on_lag: Callable[[float], None] = lambda _: None
    on_leaving: Callable[[], None] = lambda: None
    on_ended: Callable[[Exit], Coroutine[Any, Any, object]] | None = None
    extra: Mapping[str, Job] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class TaskDiedError(Exception):
    """A task of the daemon ended that never should."""


class _LeftError(Exception):
    """Not an error: ends the task group."""


def halt_path(journal_path: Path) -> Path:
    """Where a file halts the daemon by being there; works when nothing else does."""
    return journal_path.with_name(journal_path.name + ".halt")


async def run_daemon(daemon: Daemon) -> Exit:
    """Run until a signal, `stop` or the death of a task; then let go of the venue.

    On the first SIGTERM or SIGINT no new order is decided and those under way are resolved, for at
    most `LEAVE_SECONDS_MAX`; a second signal ends that wait.
    """
    daemon.host.settle()
    jobs: dict[str, Job] = {
        "outbox": daemon.outbox.run,
        "loop": daemon.loop.run,
        "venue": daemon.venue.run,
        "timers": daemon.timers.run,
        "clock": daemon.sampler.run,
        "halt file": lambda: _watch_halt_file(daemon),
        "lag": lambda: _watch_lag(daemon),
        **daemon.extra,
    }
    hurry = asyncio.Event()
    with _Signals(daemon.stop, hurry):
        try:
            async with asyncio.TaskGroup() as group:
                for name, job in jobs.items():
                    group.create_task(_guarded(name, job, daemon), name=name)
                group.create_task(_leave(daemon, hurry), name="leave")
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


async def _guarded(name: str, job: Job, daemon: Daemon) -> None:
    """Run one job; its end, however it comes, is the end of all."""
    try:
        await job()
    except Exception as error:  # named and passed on: the group takes everything down with it
        if isinstance(error, JournalFailedError):
            _latch(daemon.journal_path, str(error))
        else:
            log.exception("task died", task=name)
        raise TaskDiedError(f"{name} died: {type(error).__name__}: {error}") from error
    if not daemon.stop.is_set():
        raise TaskDiedError(f"{name} ended by itself")


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
    return Exit(code=ExitCode.DONE, reason="stopped")


def _latch(journal_path: Path, reason: str) -> None:
    """Halt the next start too: a ledger that cannot be written cannot hold the latch itself."""
    try:
        halt_path(journal_path).write_text(f"{reason}\n")
    except OSError as error:  # the disk that failed the ledger; the exit code still says halted
        log.critical("the halt could not be left for the next start", error=str(error))


async def _leave(daemon: Daemon, hurry: asyncio.Event) -> None:
    """Wait for the word, stop deciding, learn the fate of what is under way, end the group."""
    await daemon.stop.wait()
    log.info("stopping", in_flight=len(daemon.outbox.in_flight))
    daemon.on_leaving()
    daemon.inbox.ignore_quotes()
    # Without quotes there is nothing to decide on; the core goes on minding the orders it has.
    daemon.inbox.admit(LinkDown(link=Link.MARKET, reason="the daemon is stopping"))
    quiet = asyncio.create_task(daemon.loop.quiet())
    hurried = asyncio.create_task(hurry.wait())
    try:
        done, _ = await asyncio.wait(
            (quiet, hurried), timeout=LEAVE_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED
        )
        if quiet not in done:
            log.warning("left with orders unresolved; the next start asks for them")
    finally:
        quiet.cancel()
        hurried.cancel()
    daemon.loop.stop()
    await daemon.loop.ended.wait()
    raise _LeftError


async def _part(venue: Venue) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await venue.close()
    except Exception as error:  # noqa: BLE001  we are leaving anyway, and have our reason already
        log.warning("venue did not close cleanly", error=repr(error))


async def _watch_halt_file(daemon: Daemon) -> None:
    """Halt while the file is there, however often someone resumes."""
    path = halt_path(daemon.journal_path)
    while True:
        note = _read_note(path)
        if note is not None and daemon.loop.state.mode is not Mode.HALT:
            command = CommandGiven(
                command=Command.HALT,
                command_id=f"halt-file-{daemon.wire.epoch_ms()}",
                actor=f"the file {path.name}",
                note=note,
            )
            daemon.inbox.admit(command)
        await asyncio.sleep(HALT_LOOK_SECONDS)


def _read_note(path: Path) -> str | None:
    """Return the first line of a file that is there, None if it is not."""
    try:
        with path.open(errors="replace") as file:
            return file.readline(200).strip()
    except FileNotFoundError:
        return None
    except OSError as error:  # it is there, and that is what counts
        return f"unreadable: {error.strerror}"


async def _watch_lag(daemon: Daemon) -> None:
    """Measure how late the event loop wakes, and have the process killed if it never does."""
    while True:
        daemon.host.beat()
        asleep_ns = daemon.wire.monotonic_ns()
        await asyncio.sleep(daemon.host.beat_seconds)
        lag = wire_seconds(daemon.wire.monotonic_ns() - asleep_ns) - daemon.host.beat_seconds
        daemon.on_lag(max(0.0, lag))
        if lag > LAG_SECONDS_LOUD:
            log.warning("event loop stalled", lag_seconds=round(lag, 3))


class _Signals:
    """SIGTERM and SIGINT stop the daemon; a second one hurries it."""

    def __init__(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        self._stop = stop
        self._hurry = hurry

    def __enter__(self) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._told)

    def __exit__(self, *_: object) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.remove_signal_handler(number)

    def _told(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()
