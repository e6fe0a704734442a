"""What a ledger is asked before a daemon writes to it, and what a run says of itself first."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.runtime import ledger_file
from bot.runtime.ledger_file import Broken, Head, LedgerRefusedError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """What a run says of itself in its first row. One ledger belongs to one account in one mode.

    `tape` is where the run records its quotes, empty for nowhere.
    """

    code_version: str
    config_digest: str
    account: str
    mode: str
    tape: str = ""


def set_aside(path: Path) -> None:
    """Take the reserve, if there is room for it."""
    try:
        ledger_file.reserve(path)
    except OSError as error:
        log.warning("no space could be set aside beside the ledger", error=error.strerror)


def checked(path: Path, connection: sqlite3.Connection, header: RunHeader) -> Head:
    """Return the ledger's head after asking whether it is whole and ours.

    Raises:
        LedgerRefusedError: it is damaged, cut, older than its mark, or of another account or mode.
    """
    broken = ledger_file.check_high(connection, ledger_file.read_high(path))
    end = broken or ledger_file.check_end(connection)
    if isinstance(end, Broken):
        raise LedgerRefusedError(
            f"ledger {path} is damaged: row {end.seq} {end.reason}. Nothing is traded on it: "
            f"`deltaband journal verify {path}` says what that means, `journal repair` keeps what "
            "is whole"
        )
    query = "SELECT body FROM ledger WHERE kind = 'run' ORDER BY seq DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    if row is not None:
        last = json.loads(row[0])
        for what, asked in (("account", header.account), ("mode", header.mode)):
            if last[what] != asked:
                raise LedgerRefusedError(
                    f"ledger {path} belongs to {what} {last[what]!r}, not {asked!r}: "
                    "name another journal.path"
                )
    return end
