"""What keeps a daemon alone on its account, and seen to be alive: settings choose the limits."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from bot.runtime import account_lock
from bot.runtime.account_lock import Account
from bot.runtime.beat import Heart, beat_path
from bot.runtime.clock import WireClock
from bot.runtime.daemon import Exit, ExitCode
from bot.runtime.host import ProcessHost
from bot.runtime.hostwatch import MEGABYTE, ProcessLimits
from bot.runtime.loop import Loop
from bot.settings import Credentials, Settings
from bot.wiring.paging import Callers

log = structlog.get_logger(__name__)


def alone(
    settings: Settings, credentials: Credentials, wire: WireClock
) -> AbstractContextManager[None]:
    """Return what keeps every other daemon of this machine from the account."""
    account = Account(
        venue=urlsplit(settings.venue.rest_url).netloc,
        key=credentials.key,
        currencies=settings.account.currencies,
    )
    return account_lock.alone(account, wire.epoch_ms())


def heart(settings: Settings, loop: Loop) -> Heart:
    """Return what beats for the watchdog, from before the first order can leave."""
    labels = f"{settings.account.label_prefix}{loop.state.standing.instance}"
    return Heart(beat_path(Path(settings.journal.path)), labels)


def farewells(
    heart: Heart, loop: Loop, callers: Callers
) -> Callable[[Exit], Coroutine[Any, Any, None]]:
    """Return who says how the daemon ended: to the watchdog unless it failed, then to people."""

    async def say(ended: Exit) -> None:
        if ended.code is not ExitCode.FAILED:
            heart.ended(loop.state.mode.value, ended.reason)
        await callers.on_ended(ended)

    return say


def process(settings: Settings, stack: ExitStack | AsyncExitStack) -> ProcessHost:
    """Return the process, whose stalls leave a trace beside the ledger; tell of an earlier one."""
    trace = stall_path(Path(settings.journal.path))
    if trace.exists() and (words := trace.read_text(errors="replace").strip()):
        log.error("the run before stood still, and was ended by its alarm", trace=words)
        trace.replace(trace.with_name(trace.name + ".last"))
    file = stack.enter_context(trace.open("w"))
    return ProcessHost(stall_seconds=settings.process.stall_max_seconds, trace=file.fileno())


def stall_path(journal_path: Path) -> Path:
    """Where the trace of a run lies that stood still until it was ended; empty while none did."""
    return journal_path.with_name(journal_path.name + ".stall")


def limits(settings: Settings) -> ProcessLimits:
    """Return what the process may take."""
    asked = settings.process
    return ProcessLimits(
        leave_seconds=asked.stop_seconds,
        stall_seconds=asked.stall_max_seconds,
        memory_max_bytes=asked.memory_max_mb * MEGABYTE,
        files_max=asked.files_max,
        tasks_max=asked.tasks_max,
    )
