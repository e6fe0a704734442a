"""Which daemon a verb means: the one that writes this ledger."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.answer import Exit, VerbError

JournalOption = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        help="The daemon's ledger file; its port and token lie beside it. "
        "Else as DELTABAND_JOURNAL says.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The daemon's configuration file (says where its ledger is). Else as DELTABAND_CONFIG "
        "says.",
    ),
]

SEARCHED = (".", "var", "data")


def journal_of(*, journal: Path | None, config: Path | None) -> Path:
    """Return the whole path of the ledger that is named, else of the only running daemon's nearby.

    What is typed counts before what the environment says: who halts one of two daemons by its
    configuration must not halt the other, whose ledger was exported.

    Raises:
        VerbError: the configuration is wrong, or nothing says which daemon is meant.
    """
    named = _named(journal, config) or _named(
        _exported("DELTABAND_JOURNAL"), _exported("DELTABAND_CONFIG")
    )
    found = (named or _only_one_near(Path.cwd())).absolute()
    if os.path.isdir(found):  # noqa: PTH112  Path.is_dir raises where another user's files lie
        raise VerbError(f"{found} is a directory; a ledger is a file", exit_code=Exit.USAGE)
    return found


def _exported(name: str) -> Path | None:
    text = os.environ.get(name)
    return Path(text) if text else None


def _named(journal: Path | None, config: Path | None) -> Path | None:
    if journal is not None or config is None:
        return journal
    from bot import settings

    try:
        return Path(settings.ledger_named(config))
    except settings.ConfigError as error:
        raise VerbError(
            f"{error}; --journal LEDGER names the ledger without it", exit_code=Exit.USAGE
        ) from error


def _only_one_near(here: Path) -> Path:
    found = sorted(port for room in SEARCHED for port in (here / room).glob("*.port"))
    if len(found) == 1:
        return found[0].with_suffix("")
    if not found:
        raise VerbError(
            f"no running daemon found in {here}; name its ledger with --journal or its --config",
            exit_code=Exit.FAILED,
        )
    names = ", ".join(os.path.relpath(port.with_suffix(""), here) for port in found)
    raise VerbError(
        f"several daemons run here, or were killed ({names}); choose one with --journal",
        exit_code=Exit.USAGE,
    )
