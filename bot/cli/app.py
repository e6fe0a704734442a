"""The command line: which verbs there are. Each verb lives in a file of its own.

Nothing heavy is imported here or at the head of a verb's file, so that `--help` answers at once.
"""

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

import bot
from bot.cli import control, journal_files
from bot.cli.bench import bench
from bot.cli.chaos import chaos
from bot.cli.check import check
from bot.cli.demo import demo
from bot.cli.exchange import exchange
from bot.cli.journal import journal
from bot.cli.replay import replay
from bot.cli.run import run
from bot.cli.soak import soak
from bot.cli.stress import stress
from bot.cli.watchdog import watchdog

app = typer.Typer(
    name="deltaband",
    help="Keep a book of crypto options delta-neutral, and say why it did, or did not, hedge.",
    epilog="Exit codes: 0 done, 1 failed or not met, 2 bad usage or config, 3 halted by safety.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # the paragraphs of a docstring flow to the width of the terminal
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"deltaband {bot.__version__}")
        raise typer.Exit


@app.callback()
def deltaband(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
) -> None:
    """Keep a book of crypto options delta-neutral, and say why it did, or did not, hedge."""


app.command()(demo)
app.command()(run)
app.command()(watchdog)
app.command()(check)
app.command()(exchange)
app.command()(control.status)
app.command()(control.explain)
app.command()(control.pause)
app.command()(control.resume)
app.command()(control.halt)
app.command()(control.flatten)
app.command()(control.ack)
journal.command()(journal_files.export)
journal.command()(journal_files.repair)
app.add_typer(journal, name="journal")
app.command()(replay)
app.command()(chaos)
app.command()(soak)
app.command()(stress)
app.command()(bench)


def main() -> None:
    """Run the verb that the command line asks for, and leave with its exit code.

    What a verb opened it has closed by then, so the process ends at once: taking the interpreter
    and its compiled kernels down in order takes a second that a SIGTERM need not wait for.
    """
    try:
        app()
    except SystemExit as ended:
        with suppress(BrokenPipeError):  # of `| head`, which has read enough
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
