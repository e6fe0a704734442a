"""`run`: the daemon, until it is told to end."""

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.configured import ConfigFile, Overrides, Understood, confirm_live, load, uncalled

if TYPE_CHECKING:
    from bot.runtime import daemon
    from bot.settings import Settings
    from bot.wiring.daemon import Secrets, System


def run(
    config: ConfigFile,
    overrides: Overrides = None,
    i_understand_live: Understood = False,
    as_json: AsJson = False,
) -> None:
    """Hedge the books of a configuration until SIGTERM, Ctrl-C or its terminal closes.

    Starting and starting again after a crash are the same: the venue is asked first. Exit code 3
    means that it ended halted.
    """

    def work() -> Answer:
        gc.disable()  # until the daemon settles: what is loaded on the way there stays anyway
        settings = load(config, overrides or ())
        confirm_live(settings, understood=i_understand_live, why="trades real money")
        return asyncio.run(_run(settings, _secrets(settings)))

    deliver(work, as_json=as_json)


def _secrets(settings: "Settings") -> "Secrets":
    from bot.settings import ConfigError
    from bot.wiring.daemon import configure_logging, secrets_of

    try:
        secrets = secrets_of(settings)
    except ConfigError as error:
        raise VerbError(str(error), exit_code=Exit.USAGE) from error
    configure_logging(settings, secrets)
    return secrets


async def _run(settings: "Settings", secrets: "Secrets") -> Answer:
    from bot.dashboard.serve import PortTakenError
    from bot.runtime.account_lock import AccountTakenError
    from bot.runtime.daemon import run_daemon
    from bot.runtime.halting import flag_on_signal
    from bot.runtime.journal import JournalFailedError, LedgerRefusedError
    from bot.runtime.stopcock import halt_path
    from bot.venues.port import VenueRefusedError, VenueUnreachableError
    from bot.wiring.daemon import build_daemon

    flag_on_signal(halt_path(Path(settings.journal.path)))
    try:
        async with build_daemon(settings, secrets) as system:
            _greet(settings, system)
            ended = await run_daemon(system.daemon)
            return _ended(settings, system, ended)
    except (
        AccountTakenError,
        JournalFailedError,
        LedgerRefusedError,
        OSError,
        PortTakenError,
        VenueRefusedError,
    ) as error:
        raise VerbError(f"run: {error}") from error
    except VenueUnreachableError as error:
        raise VerbError(f"run: {error}{_first_of_all(settings)}") from error


def _first_of_all(settings: "Settings") -> str:
    """Say what a rehearsal wants to be started before it; nothing where a venue is far away."""
    from urllib.parse import urlsplit

    from bot.settings import RunMode

    if settings.mode is not RunMode.REHEARSAL:
        return ""
    port = urlsplit(settings.venue.rest_url).port
    return f"; a rehearsal wants its exchange first: `deltaband exchange --port {port}`"


def _greet(settings: "Settings", system: "System") -> None:
    complain(
        f"mode {settings.mode}, {settings.venue.name} at {settings.venue.rest_url}, "
        f"ledger {settings.journal.path}, status at {system.url}/api/v1/status"
    )
    if note := uncalled(settings):
        complain(note)


def _ended(settings: "Settings", system: "System", ended: "daemon.Exit") -> Answer:
    from bot.cli import screens

    status = system.window.status()
    payload: dict[str, Any] = {
        "exit": ended.code.value,
        "reason": ended.reason,
        "mode": system.loop.state.mode.value,
        "journal": str(Path(settings.journal.path).absolute()),
        "rows": system.ledger.head.seq,
        "config_digest": settings.digest(),
        "counts": status.counts.model_dump() if status else None,
        "open_orders": len(status.open_orders) if status else 0,
        "unknown_orders": status.unknown_orders if status else 0,
    }
    orders, unknown = payload["open_orders"], payload["unknown_orders"]
    said = f"ended: {ended.reason}; {orders} orders open, {unknown} of unknown fate"
    return Answer(payload=payload, screen=screens.plain([said]), exit_code=Exit(ended.code.value))
