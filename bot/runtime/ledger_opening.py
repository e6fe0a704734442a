"""What a ledger is asked before a daemon writes to it, and what a run says of itself first."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from bot.runtime import ledger_file
from bot.runtime.ledger_file import (
    STANDING,
    VOLUME,
    Broken,
    Head,
    LedgerRefusedError,
    check_alone,
    last_of,
    rows_from,
)

KINDS: Final = frozenset(
    {
        *("run", "begin", "policy", "end", "crash", VOLUME, "repair"),
        *("facts", "command", "step", STANDING, "change"),
    }
)
SQLITE_START: Final = b"SQLite format 3\0"

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


def refuse_foreign(path: Path) -> None:
    """Refuse to write into a file that something else made, before anything is left beside it.

    Raises:
        LedgerRefusedError: it is a link, or is there, is not empty and holds no ledger.
    """
    if path.is_symlink():  # its log lies beside the file, its lock and its mark beside the link
        raise LedgerRefusedError(
            f"ledger {path} is a link to {path.resolve()}: name that as journal.path"
        )
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE_START))
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerRefusedError(f"ledger {path} cannot be read: {error.strerror}") from error
    if start and (start != SQLITE_START or not _holds_ledger(path)):
        raise LedgerRefusedError(
            f"{path} is no ledger of deltaband: name another journal.path, or move the file away"
        )


def _holds_ledger(path: Path) -> bool:
    query = "SELECT COUNT(*), SUM(name = 'ledger') FROM sqlite_schema WHERE type = 'table'"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            tables, ledgers = connection.execute(query).fetchone()
    except (sqlite3.Error, UnicodeError):
        return True  # busy or damaged: opening it as a ledger says which
    return not tables or bool(ledgers)


def checked(path: Path, connection: sqlite3.Connection, header: RunHeader) -> Head:
    """Return the ledger's head after asking whether it is whole and ours.

    Raises:
        LedgerRefusedError: it is damaged, cut, older than its mark, or of another account or mode.
    """
    high = ledger_file.read_high(path)
    if high is None and ledger_file.wants_mark(connection):
        raise LedgerRefusedError(
            f"ledger {path} is a copy: its mark {ledger_file.high_path(path)} is not there, so "
            "nobody knows what was sent since. Nothing is traded on it: `deltaband journal repair "
            f"{path}` takes it up as it is, halted until a person has compared it with the venue"
        )
    broken = None if high is None else ledger_file.check_high(connection, high)
    end = broken or ledger_file.check_end(connection)
    # The first says whose the ledger is as well as the last, which every start saw to.
    run = next((row for row in rows_from(connection, 1) if row.kind == "run"), None)
    if isinstance(end, Head) and run is not None:
        end = check_alone(run) or end
    if isinstance(end, Broken):
        raise LedgerRefusedError(
            f"ledger {path} is damaged: row {end.seq} {end.reason}. Nothing is traded on it: "
            f"`deltaband journal verify {path}` says what that means, `journal repair` keeps what "
            "is whole"
        )
    _refuse_unknown(path, connection)
    if run is not None:
        _refuse_others(path, header, json.loads(run.body))
    return end


def _refuse_unknown(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what a newer version added to what a start goes on from: it is not guessed at."""
    known = last_of(connection, STANDING)
    query = "SELECT DISTINCT kind FROM ledger NOT INDEXED WHERE seq >= ?"
    found = {kind for (kind,) in connection.execute(query, (known.seq if known else 1,))}
    if found - KINDS:
        raise LedgerRefusedError(
            f"ledger {path} holds rows of kind {', '.join(sorted(found - KINDS))}, which a newer "
            "version wrote: upgrade the program, or name another journal.path"
        )


def _refuse_others(path: Path, header: RunHeader, last: Mapping[str, object]) -> None:
    for what, asked in (("account", header.account), ("mode", header.mode)):
        if last[what] != asked:
            raise LedgerRefusedError(
                f"ledger {path} belongs to {what} {last[what]!r}, not {asked!r}: "
                "name another journal.path"
            )
