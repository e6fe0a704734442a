"""The verbs that look at a running daemon and steer it."""

import getpass
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
COMMANDS = "/api/v1/commands"
HEALTH = "/healthz"


class Order(StrEnum):
    """What a person may order the daemon to do (the words of the HTTP interface)."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    ACK = "ack"


def status(
    journal: JournalOption = None, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Show what a running daemon sees and does."""

    def work() -> Answer:
        from bot.cli import screens

        ledger = journal_of(journal=journal, config=config)
        try:
            answer = client.get(ledger, "/api/v1/status")
        except client.DaemonSilentError as error:
            waits = f"; {pending}" if (pending := _halt_waiting(ledger)) else ""
            reads = "; `deltaband explain` reads the ledger" if ledger.exists() else ""
            raise VerbError(f"{error}{waits}{reads}") from error
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
            pending = _halt_waiting(ledger)
            if not ledger.exists():
                raise VerbError("; ".join(filter(None, (str(error), pending)))) from error
            answer = _from_ledger(ledger, error.why, pending)
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


def ack(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Say that you have heard: critical alerts raised so far are not repeated.

    Nothing else changes, and what goes wrong after this calls again.
    """
    _command(Order.ACK, journal=journal, config=config, note=note, as_json=as_json)


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
        answer = _given(order, ledger, body)
        return Answer(payload=answer, screen=screens.command(answer))

    deliver(work, as_json=as_json)


def _given(order: Order, journal: Path, body: dict[str, str]) -> dict[str, Any]:
    match order:
        case Order.PAUSE | Order.ACK:
            return client.post(journal, COMMANDS, body)
        case Order.RESUME:
            return _resume(journal, body)
        case Order.HALT:
            return _halt(journal, body)


def _halt(journal: Path, body: dict[str, str]) -> dict[str, Any]:
    try:
        return client.post(journal, COMMANDS, body)
    except VerbError as error:
        return _raise_flag(journal, body, str(error))


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


def _resume(journal: Path, body: dict[str, str]) -> dict[str, Any]:
    """Resume a daemon that answers; one that does not stays as halted as it is."""
    try:
        client.get(journal, HEALTH)
    except client.DaemonSilentError as error:
        pending = _halt_waiting(journal)
        raise VerbError(f"resume: {'; '.join(filter(None, (str(error), pending)))}") from error
    except VerbError:
        pass  # it answers, if only that it is not well: the command itself will tell
    with _flag_lowered(journal):
        return client.post(journal, COMMANDS, body)


@contextmanager
def _flag_lowered(journal: Path) -> Iterator[None]:
    """Take the flag file away, so that it does not halt again; put it back if the block fails."""
    from bot.runtime.daemon import halt_path

    flag = halt_path(journal)
    try:
        note = flag.read_text(errors="replace") if flag.exists() else None
        flag.unlink(missing_ok=True)
    except OSError as error:
        raise VerbError(f"{flag} cannot be removed: {error.strerror}") from error
    try:
        yield
    except BaseException:  # Ctrl-C too: whatever ends the block, the halt must still stand
        if note is not None:
            address.write_private(flag, note)
        raise


def _halt_waiting(journal: Path) -> str:
    """Say that a flag file waits for a daemon that does not run; empty if there is none."""
    from bot.runtime.daemon import halt_path

    flag = halt_path(journal)
    if not flag.exists():
        return ""
    return f"the halt file {flag} is there: the next start halts, until `deltaband resume`"


def _from_ledger(journal: Path, why: str, pending: str) -> dict[str, Any]:
    from bot.dashboard import history
    from bot.runtime.journal import LedgerRefusedError

    try:
        return history.explain(journal, why, pending).model_dump(mode="json")
    except LedgerRefusedError as error:
        raise VerbError(str(error)) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
