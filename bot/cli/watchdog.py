"""`watchdog`: a process beside the daemon that cancels what a silent one left resting."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.configured import ConfigFile, Overrides, Understood, confirm_live, load
from bot.cli.leaving import on_signals

if TYPE_CHECKING:
    from bot.settings import AlertSecrets, Credentials, Settings
    from bot.wiring.watchdog import WatchSystem


def watchdog(
    config: ConfigFile,
    overrides: Overrides = None,
    i_understand_live: Understood = False,
    as_json: AsJson = False,
) -> None:
    """Watch the daemon of a configuration until SIGTERM or Ctrl-C. Never trades.

    It has a key of its own (section `watchdog`), proves again and again that it could cancel, and
    cancels the daemon's own orders when its heartbeat stops. Runs beside the ledger.
    """

    def work() -> Answer:
        settings = load(config, overrides or ())
        confirm_live(settings, understood=i_understand_live, why="cancels orders of real money")
        _see_that_there_is_one(Path(settings.journal.path))
        return asyncio.run(_run(settings, *_keys(settings)))

    deliver(work, as_json=as_json)


def _see_that_there_is_one(journal: Path) -> None:
    """Refuse to watch over nobody. A supervisor tries again, so a first daemon may come later.

    Raises:
        VerbError: no daemon has ever run on that ledger.
    """
    from bot.runtime.beat import beat_path

    if not (journal.is_file() or beat_path(journal).is_file()):
        raise VerbError(
            f"watchdog: there is no ledger {journal.absolute()}, so NOTHING WOULD BE WATCHED: no "
            "daemon has run on it yet. Is journal.path the daemon's own?"
        )


def _keys(settings: "Settings") -> "tuple[Credentials, AlertSecrets]":
    from bot.settings import ConfigError
    from bot.wiring.daemon import Secrets, configure_logging

    try:
        credentials, alerts = settings.watchdog_credentials(), settings.alert_secrets()
    except ConfigError as error:
        raise VerbError(str(error), exit_code=Exit.USAGE) from error
    if credentials is None:
        raise VerbError(
            f"{settings.file}: watchdog.key and watchdog.secret: required for a watchdog in mode "
            f"{settings.mode}: an API key of its own, with trade:read_write and no more",
            exit_code=Exit.USAGE,
        )
    configure_logging(settings, Secrets(credentials=credentials, token="", alerts=alerts))
    return credentials, alerts


async def _run(settings: "Settings", credentials: "Credentials", alerts: "AlertSecrets") -> Answer:
    from bot.venues.port import CannotCancelError
    from bot.wiring.watchdog import build_watchdog

    stop = asyncio.Event()
    try:
        async with build_watchdog(settings, credentials, alerts) as system:
            complain(
                f"watching the daemon of {settings.journal.path}, mode {settings.mode}; can cancel "
                f"at {settings.venue.rest_url}"
            )
            with on_signals(stop):
                await _watched(system, stop)
            return _ended(system)
    except CannotCancelError as error:
        raise VerbError(f"watchdog: it cannot cancel: {error}") from error


async def _watched(system: "WatchSystem", stop: asyncio.Event) -> None:
    """Watch until told to stop; a watchdog that dies takes the process with it."""
    tasks = {asyncio.create_task(system.run()), asyncio.create_task(stop.wait())}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def _ended(system: "WatchSystem") -> Answer:
    from bot.cli import screens

    dog = system.watchdog
    payload: dict[str, Any] = {
        "exit": Exit.DONE.value,
        "watch": dog.watch.value,
        "proofs": dog.proofs,
        "sweeps": dog.sweeps,
        "cancelled": dog.cancelled,
    }
    said = f"ended: {dog.said}; cancelled {dog.cancelled} orders in {dog.sweeps} sweeps"
    return Answer(payload=payload, screen=screens.plain([said]))
