"""The verbs that look at a running daemon and steer it."""

import getpass
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import client
from bot.cli.answer import Answer, AsJson, VerbError, deliver
from bot.cli.place import ConfigOption, JournalOption, journal_of
from bot.dashboard import address

Note = Annotated[str, typer.Option("--note", help="Why; it goes into the ledger.")]
NOTE_CHARS_MAX = 200


class Order(StrEnum):
    """What a person may order the daemon to do (the words of the HTTP interface)."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"


def status(
    journal: JournalOption = None, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Show what a running daemon sees and does."""

    def work() -> Answer:
        from bot.cli import screens

        answer = client.get(journal_of(journal=journal, config=config), "/api/v1/status")
        return Answer(payload=answer, screen=screens.status(answer))

    deliver(work, as_json=as_json)


def explain(
    journal: JournalOption = None, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Say what the last decision of each book was, and why."""

    def work() -> Answer:
        from bot.cli import screens

        ledger = journal_of(journal=journal, config=config)
        try:
            answer = client.get(ledger, "/api/v1/explain")
        except client.DaemonSilentError as error:
            if not ledger.exists():
                raise
            answer = _from_ledger(ledger, str(error))
        return Answer(payload=answer, screen=screens.explanation(answer))

    deliver(work, as_json=as_json)


def pause(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Stop hedging until `resume`; keep watching."""
    _command(Order.PAUSE, journal=journal, config=config, note=note, as_json=as_json)


def resume(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """End a pause or a halt."""
    _command(Order.RESUME, journal=journal, config=config, note=note, as_json=as_json)


def halt(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Cancel all orders and stop, across restarts, until `resume`.

    Works on a daemon that no longer answers too: it leaves a flag file that the daemon looks at.
    """
    _command(Order.HALT, journal=journal, config=config, note=note, as_json=as_json)


def _command(
    order: Order, *, journal: Path | None, config: Path | None, note: str, as_json: bool
) -> None:
    def work() -> Answer:
        from bot.cli import screens

        ledger = journal_of(journal=journal, config=config)
        body = {
            "command": order.value,
            "command_id": uuid.uuid4().hex,
            "actor": f"cli:{_user()}",
            "note": note[:NOTE_CHARS_MAX],
        }
        if order is Order.RESUME:
            _lower_flag(ledger)
        try:
            answer = client.post(ledger, "/api/v1/commands", body)
        except VerbError as error:
            if order is not Order.HALT:
                raise
            answer = _raise_flag(ledger, body, str(error))
        return Answer(payload=answer, screen=screens.command(answer))

    deliver(work, as_json=as_json)


def _raise_flag(journal: Path, body: dict[str, str], why: str) -> dict[str, Any]:
    """Leave the halt where the daemon finds it without HTTP, now or when it starts again."""
    from bot.runtime.daemon import halt_path

    flag = halt_path(journal)
    try:
        address.write_private(flag, f"{body['actor']} {body['note']}".strip() + "\n")
    except OSError as error:
        raise VerbError(f"halt: {why}; and {flag} cannot be written: {error.strerror}") from error
    return {
        "accepted": True,
        "command": body["command"],
        "command_id": body["command_id"],
        "flag_file": str(flag),
        "next": f"{why}; the file {flag} halts it within a second, or when it starts, and keeps "
        "it halted until `deltaband resume`",
    }


def _lower_flag(journal: Path) -> None:
    """Take the flag file away, so that a resumed daemon is not halted again by it."""
    from bot.runtime.daemon import halt_path

    try:
        halt_path(journal).unlink(missing_ok=True)
    except OSError as error:
        raise VerbError(f"{halt_path(journal)} cannot be removed: {error.strerror}") from error


def _from_ledger(journal: Path, why: str) -> dict[str, Any]:
    from bot.dashboard import history
    from bot.runtime.journal import LedgerRefusedError

    try:
        return history.explain(journal, why).model_dump(mode="json")
    except LedgerRefusedError as error:
        raise VerbError(str(error)) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
