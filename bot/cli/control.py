"""The verbs that look at a running daemon and steer it."""

import getpass
import os
import re
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import client
from bot.cli.answer import Answer, AsJson, Exit, VerbError, deliver
from bot.cli.place import ConfigOption, JournalOption, journal_of

Note = Annotated[str, typer.Option("--reason", "--note", help="Why; it goes into the ledger.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
NOTE_CHARS_MAX = 200
USER_CHARS_MAX = 50
UNPLAIN = re.compile(r"[^A-Za-z0-9_.@-]")
UNHALTED = "NOTHING WAS HALTED"
COMMANDS = "/api/v1/commands"
STATUS = "/api/v1/status"


class Order(StrEnum):
    """What a person may order the daemon to do (the words of the HTTP interface)."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    ACK = "ack"
    FLATTEN = "flatten"


def status(
    journal: JournalOption = None, config: ConfigOption = None, as_json: AsJson = False
) -> None:
    """Show what a running daemon sees and does."""

    def work() -> Answer:
        from bot.cli import screens

        ledger = journal_of(journal=journal, config=config)
        try:
            answer = client.get(ledger, STATUS)
        except client.DaemonSilentError as error:
            waits = f"; {pending}" if (pending := _halt_waiting(ledger)) else ""
            reads = "; `deltaband explain` reads the ledger" if os.path.lexists(ledger) else ""
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
            if not os.path.lexists(ledger):
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
    """End a pause or a halt. It must say why, and who says so goes into the ledger.

    A flatten goes on: only `halt` calls it off, and a resume after that hedges again.
    """
    _command(Order.RESUME, journal=journal, config=config, note=note, as_json=as_json)


def halt(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Cancel all orders and stop, across restarts, until `resume`. It calls a flatten off.

    Works on a daemon that no longer answers too: it leaves a flag file that the daemon looks at.
    """
    _command(Order.HALT, journal=journal, config=config, note=note, as_json=as_json)


def flatten(
    journal: JournalOption = None,
    config: ConfigOption = None,
    note: Note = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Close the hedge positions of all books, then halt. Options stay, and so does their delta.

    What rests is cancelled; what is closed is closed with reduce-only orders, in clips, within the
    limits of price, size and rate. The halt is latched: `resume` ends it. Until then a `resume`
    clears what stands in the way and `pause` stays it; `halt` calls it off.
    """
    deliver(
        lambda: _flattened(
            journal_of(journal=journal, config=config), note, yes=yes, ask=not as_json
        ),
        as_json=as_json,
    )


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

        try:
            ledger = journal_of(journal=journal, config=config)
        except VerbError as error:
            if order is not Order.HALT:
                raise
            raise VerbError(f"halt: {UNHALTED}: {error}", exit_code=error.exit_code) from error
        answer = _given(order, ledger, _body(order, note))
        return Answer(payload=answer, screen=screens.command(answer))

    deliver(work, as_json=as_json)


def _body(order: Order, note: str) -> dict[str, Any]:
    return {
        "command": order.value,
        "command_id": uuid.uuid4().hex,
        "actor": f"cli:{_user()}",
        "note": note.encode(errors="replace").decode()[:NOTE_CHARS_MAX],
    }


def _given(order: Order, journal: Path, body: dict[str, Any]) -> dict[str, Any]:
    match order:
        case Order.PAUSE | Order.ACK | Order.FLATTEN:
            return client.post(journal, COMMANDS, body)
        case Order.RESUME:
            return _resume(journal, body)
        case Order.HALT:
            return _halt(journal, body)


def _flattened(journal: Path, note: str, *, yes: bool, ask: bool) -> Answer:
    from bot.cli import screens

    status = client.get(journal, STATUS)
    held, margin = _held(status), _margin(status)
    if not yes:
        if not ask:
            raise VerbError("flatten: --json needs --yes", exit_code=Exit.USAGE)
        question = f"Close {held} and halt? Options stay, and their delta is then open.{margin}"
        if not _confirmed(question):
            raise VerbError("flatten: nothing was done")
    body = _body(Order.FLATTEN, note) | {"confirmed": True}
    answer = _given(Order.FLATTEN, journal, body)
    return Answer(payload=answer, screen=screens.command(answer))


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, or nobody is there to answer
        typer.echo(err=True)  # the question's line is still open
        return False


def _margin(status: dict[str, Any]) -> str:
    """Say where margin use is now: a flatten may raise it, and is held back by nothing."""
    used = [
        f"{one['currency']} u {_percent(one['margin_use'])} now, "
        f"{_percent(one['stressed_use'])} under stress"
        for one in status.get("balances", [])
    ]
    if not used:
        return ""
    return (
        f" Margin does not hold it back ({'; '.join(used)}): without the hedge both may be higher; "
        "`explain` says by how much as soon as it closes."
    )


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _held(status: dict[str, Any]) -> str:
    """Say what a flatten would close."""
    held = [
        f"{book['hedge_native']:+,.10g} {book['hedge_instrument']} of book {book['name']}"
        for book in status["books"]
        if book["hedge_native"]
    ]
    return ", ".join(held) or "no hedge position (none is held)"


def _halt(journal: Path, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return client.post(journal, COMMANDS, body)
    except VerbError as error:
        return _raise_flag(journal, body, str(error))


def _raise_flag(journal: Path, body: dict[str, Any], why: str) -> dict[str, Any]:
    """Leave the halt where the daemon finds it without HTTP, now or when it starts again."""
    from bot.runtime.stopcock import halt_path, raise_flag

    flag = halt_path(journal)
    if failure := raise_flag(flag, f"{body['actor']} {body['note']}"):
        raise VerbError(
            f"halt: {UNHALTED}: {why}; and {flag} cannot be written: {failure}. "
            "`kill -USR1 PID` of the daemon halts it, too"
        )
    if not journal.is_file():
        raise VerbError(
            f"halt: NOTHING THAT RUNS WAS HALTED: {why}. {flag} was left for a daemon that starts "
            "there; delete it if none does"
        )
    return {
        "accepted": True,
        "command": body["command"],
        "command_id": body["command_id"],
        "flag_file": str(flag),
        "next": f"{why}; the file {flag} halts it within a second, or when it starts, and keeps "
        "it halted until `deltaband resume --reason WHY`",
    }


def _resume(journal: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Resume a daemon that answers; one that does not stays as halted as it is.

    The daemon itself takes the flag file away, once the ledger has the command.
    """
    if not body["note"].strip():
        raise VerbError("resume: say why, with --reason", exit_code=Exit.USAGE)
    try:
        return client.post(journal, COMMANDS, body)
    except client.DaemonSilentError as error:
        pending = _halt_waiting(journal)
        raise VerbError(f"resume: {'; '.join(filter(None, (str(error), pending)))}") from error


def _halt_waiting(journal: Path) -> str:
    """Say that a flag file waits for a daemon that does not run; empty if there is none."""
    from bot.runtime.stopcock import halt_path

    flag = halt_path(journal)
    if not os.path.lexists(flag):
        return ""
    until = "until `deltaband resume --reason WHY`"
    return f"the halt file {flag} is there: the next start halts, {until}"


def _from_ledger(journal: Path, why: str, pending: str) -> dict[str, Any]:
    from bot.dashboard import history
    from bot.runtime.journal import LedgerRefusedError

    try:
        return history.explain(journal, why, pending).model_dump(mode="json")
    except LedgerRefusedError as error:
        raise VerbError(str(error)) from error


def _user() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
    # The daemon takes plain letters only, and a domain's users bear a backslash.
    return UNPLAIN.sub("-", name)[:USER_CHARS_MAX]
