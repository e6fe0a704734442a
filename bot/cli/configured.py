"""Reading a configuration for a verb: what is wrong with it is said, and the verb ends with 2."""

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
