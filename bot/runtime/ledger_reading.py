"""Reading a ledger, closed or live, without ever writing to it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bot.runtime.ledger_file import (
    COLUMNS,
    MEANS_AROUND,
    MEANS_UNREADABLE,
    Broken,
    Entry,
    Head,
    LedgerRefusedError,
    Verified,
    check_alone,
    check_chain,
    check_high,
    entry_of,
    last_of,
    origin,
    read_high,
    rows_from,
)

TAIL_MAX: Final = 100_000  # more rows than this are for `entries`, one by one


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Lend a connection that sees one state of a ledger and can change nothing.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    if not path.is_file():
        raise LedgerRefusedError(f"there is no ledger at {path}")
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")  # one view of a file that a daemon may be writing
            yield connection
    except (sqlite3.Error, UnicodeError) as error:  # its words may be bent as well
        raise LedgerRefusedError(f"{path} cannot be read as a ledger: {error}") from error


def tail(path: Path, rows: int, kind: str | None = None) -> tuple[Entry, ...]:
    """Return the last rows, oldest first; of one kind if it is named.

    Raises:
        LedgerRefusedError: there is no ledger, the file cannot be read as one, or one of the rows
            is not what was written.
    """
    asked = min(max(rows, 0), TAIL_MAX)
    where = "" if kind is None else "WHERE kind = ?"
    query = f"SELECT {COLUMNS} FROM ledger {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608  constants only
    values = (asked,) if kind is None else (kind, asked)
    with reading(path) as connection:
        found = connection.execute(query, values).fetchall()
    last = tuple(entry_of(row) for row in reversed(found))
    broken = next(filter(None, map(check_alone, last)), None)
    if broken is not None:
        said = f"row {broken.seq} {broken.reason}. `deltaband journal verify` says what that means"
        raise LedgerRefusedError(f"{path}: {said}")
    return last


def entries(path: Path, first_seq: int = 1) -> Iterator[Entry]:
    """Yield every row from `first_seq` on, in one consistent view.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    with reading(path) as connection:
        yield from rows_from(connection, first_seq)


def runs(path: Path) -> tuple[str, ...]:
    """Return the ids of the runs that wrote the ledger, in their order.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    query = "SELECT run_id FROM ledger WHERE kind = 'run' ORDER BY seq"
    with reading(path) as connection:
        return tuple(dict.fromkeys(run_id for (run_id,) in connection.execute(query)))


def tape_named(path: Path) -> str:
    """Return where the last run put its tape, empty if it had none or does not say.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    found = tail(path, 1, "run")
    return str(json.loads(found[0].body).get("tape", "")) if found else ""


def counts(path: Path) -> dict[str, int]:
    """Return how many rows there are of each kind.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    with reading(path) as connection:
        return dict(
            connection.execute("SELECT kind, COUNT(*) FROM ledger GROUP BY kind ORDER BY kind")
        )


def since_last(path: Path, kind: str, *others: str) -> tuple[Entry, ...]:
    """Return the last row of `kind` and all later rows of the `others`, oldest first.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one.
    """
    kinds = (kind, *others)
    marks = ", ".join("?" * len(kinds))
    chosen = f"kind IN ({marks}) AND seq >= ? ORDER BY seq"
    query = f"SELECT {COLUMNS} FROM ledger NOT INDEXED WHERE {chosen}"  # noqa: S608  constants only
    with reading(path) as connection:
        last = last_of(connection, kind)
        if last is None:
            return ()
        return tuple(entry_of(row) for row in connection.execute(query, (*kinds, last.seq)))


def verify(path: Path, prev: Head | None = None) -> Verified | Broken:
    """Follow the whole chain of a file and compare its end with the high-water mark.

    Args:
        path: The ledger, or the last of its volumes.
        prev: The last row of the volume before, None if there is none or it is not asked.

    Raises:
        LedgerRefusedError: there is no ledger, or the file cannot be read as one at all.
    """
    high = read_high(path)  # before the rows: a live daemon moves both, and only ever forward
    with reading(path) as connection:
        begin = prev or origin(connection)
        head = followed(connection, begin)
        if isinstance(head, Broken):
            return head
        behind = None if high is None else check_high(connection, high)  # None: of a copy
    return behind or Verified(rows=head.seq - begin.seq, head=head)


def verify_closed(volume: Path, prev: Head | None) -> Verified | Broken:
    """Follow the whole chain of a closed volume, which no mark belongs to.

    Raises:
        LedgerRefusedError: the file cannot be read as a ledger at all.
    """
    with reading(volume) as connection:
        begin = prev or origin(connection)
        head = followed(connection, begin)
    return head if isinstance(head, Broken) else Verified(rows=head.seq - begin.seq, head=head)


def followed(connection: sqlite3.Connection, begin: Head) -> Head | Broken:
    """Follow the chain from `begin` to the last row, or to the first that cannot be read.

    What lies around the rows is asked about last: a page of the index may be damaged by itself.
    """
    reached = begin

    def noted() -> Iterator[Entry]:
        nonlocal reached
        for row in rows_from(connection, 1):
            yield row
            reached = Head(seq=row.seq, hash=row.hash)

    try:
        head = check_chain(noted(), begin)
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if isinstance(head, Broken) or said == "ok":
            return head
        reason = f"may be missing: the file around the rows is damaged ({said})"
        return Broken(seq=head.seq + 1, reason=reason, means=MEANS_AROUND)
    except sqlite3.DatabaseError as error:
        if reached is begin:
            raise
        return Broken(
            seq=reached.seq + 1, reason=f"cannot be read: {error}", means=MEANS_UNREADABLE
        )
