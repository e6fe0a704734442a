"""What keeps a daemon alone on its account, and seen to be alive: settings choose the limits."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.runtime import account_lock
from bot.runtime.account_lock import Account
from bot.runtime.beat import Heart, beat_path
from bot.runtime.clock import WireClock
from bot.runtime.daemon import Exit, ExitCode
from bot.runtime.loop import Loop
from bot.settings import Credentials, Settings
from bot.wiring.paging import Callers


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
