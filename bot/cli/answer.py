"""What a verb answers, where it goes, and the exit code that goes with it.

Standard output carries the answer (text, or with `--json` one JSON object), standard error
everything else.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType


class Exit(IntEnum):
    """How a verb ended, for scripts."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HALTED = 3


class VerbError(Exception):
    """A verb cannot do what it was asked. One clear line for a person."""

    def __init__(self, message: str, *, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ToldError(VerbError):
    """A `VerbError` whose line is already on standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A verb's answer: the JSON object, and the same for a person."""

    payload: Mapping[str, Any]
    screen: "RenderableType"
    exit_code: Exit = Exit.DONE


AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on standard output; logs on standard error."),
]


def print_json(payload: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output, at once."""
    sys.stdout.write(json.dumps(payload, allow_nan=False, default=str) + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"deltaband: {message}\n")
    sys.stderr.flush()


def deliver(work: Callable[[], Answer | None], *, as_json: bool) -> None:
    """Do a verb's work, print its answer (None: it has said all already), leave with its code.

    Raises:
        typer.Exit: always, with the code.
    """
    try:
        answer = _worked(work)
    except VerbError as error:
        # In words first: a demo ends its exchange as soon as it has read the object.
        if not isinstance(error, ToldError):
            complain(str(error))
        if as_json:
            print_json({"error": str(error), "exit": error.exit_code.value})
        raise typer.Exit(error.exit_code) from error
    if answer is None:
        raise typer.Exit(Exit.DONE)
    if as_json:
        print_json(answer.payload)
    else:
        _show(answer.screen)
    raise typer.Exit(answer.exit_code)


def _worked(work: Callable[[], Answer | None]) -> Answer | None:
    try:
        return work()
    except OSError as error:  # of a file: what talks to others has words of its own
        raise VerbError(unreached(error)) from error


def unreached(error: OSError) -> str:
    """Say which file could not be had and why; of another user's, whose it is and what to do."""
    why = error.strerror or str(error)
    said = f"{error.filename}: {why}" if error.filename else why
    owner = _owner(Path(os.fsdecode(error.filename))) if error.filename else ""
    if not (owner and isinstance(error, PermissionError)):
        return said
    return f"{said} (it belongs to user {owner}: `sudo -u {owner} deltaband ...`, or be root)"


def _owner(path: Path) -> str:
    """Name the owner of a file, or of the first directory above it that can be looked at."""
    for place in (path, *path.absolute().parents):
        try:
            return place.owner()
        except KeyError:  # a user without a name
            return str(place.stat().st_uid)
        except OSError:
            continue
    return ""


def _show(screen: "RenderableType") -> None:
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(screen)
