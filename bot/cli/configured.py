"""A configuration for a verb: read and, for real money, confirmed; or the verb ends with 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.answer import Exit, VerbError

if TYPE_CHECKING:
    from bot.settings import Settings

ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The configuration file (YAML).")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace one value, for example journal.path=/tmp/ledger.db; may be repeated.",
    ),
]

Understood = Annotated[
    bool,
    typer.Option("--i-understand-live", help="Confirm that mode live trades real money."),
]


def load(path: Path, overrides: Sequence[str] = ()) -> "Settings":
    """Return the settings of a file.

    Raises:
        VerbError: exit code 2, with every problem that was found, one a line.
    """
    from bot import settings

    try:
        return settings.load(path, overrides)
    except settings.ConfigError as error:
        raise VerbError(str(error), exit_code=Exit.USAGE) from error


def uncalled(settings: "Settings") -> str:
    """Say that nobody would be called where somebody should be; empty if somebody would."""
    from bot.settings import RunMode

    alerts = settings.alerts
    if settings.mode is RunMode.REHEARSAL or alerts.channels or alerts.heartbeat is not None:
        return ""
    return (
        "NOBODY IS CALLED when it stops hedging, or ends: `alerts` names no channel and no "
        "heartbeat (config/deribit-live.yaml shows how)"
    )


def confirm_live(settings: "Settings", *, understood: bool, why: str) -> None:
    """Let nothing happen with real money that nobody confirmed, nor a confirmation without it.

    Raises:
        VerbError: exit code 2; `why` says what the verb does in mode live.
    """
    from bot.settings import RunMode

    live = settings.mode is RunMode.LIVE
    if live and not understood:
        raise VerbError(
            f"{settings.file} says mode live, which {why}: confirm it with --i-understand-live",
            exit_code=Exit.USAGE,
        )
    if understood and not live:
        raise VerbError(
            f"--i-understand-live was given, but {settings.file} says mode {settings.mode}",
            exit_code=Exit.USAGE,
        )
