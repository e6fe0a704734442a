"""The ledger's file: its table, its hash chain and the high-water mark beside it.

Layout of one database: an append-only table whose rows are chained by hash, so that a damaged or
lost row shows; SQLite alone hides one (a flipped bit in the write-ahead log makes rows vanish
without an error).
"""

import hashlib
import json
import os
import sqlite3
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SCHEMA_VERSION: Final = 1
GENESIS: Final = bytes(32)
FILE_MODE: Final = 0o600
VOLUME: Final = "volume"  # the kind of a row that continues the chain of another file
STANDING: Final = "standing"  # the kind of a row that a start goes on from
RESERVE_BYTES: Final = 1_048_576
SEQ_END: Final = 2**62
HEAD_CHECKED_ROWS: Final = 10_000  # re-hashed at every start (a tenth of a second), or more

_DDL: Final = """
CREATE TABLE IF NOT EXISTS ledger (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    wire_epoch_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_by_kind ON ledger (kind, seq);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_words BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
COLUMNS: Final = "seq, run_id, at_ms, wire_epoch_ms, kind, body, prev_hash, hash"
INSERT: Final = f"INSERT INTO ledger ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants only


class LedgerRefusedError(Exception):
    """The ledger may not be opened. One sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger. `at_ms` is market time, `wire_epoch_ms` the host's."""

    seq: int
    run_id: str
    at_ms: int
    wire_epoch_ms: int
    kind: str
    body: str
    prev_hash: bytes
    hash: bytes

    @property
    def stored(self) -> tuple[int, str, int, int, str, str, bytes, bytes]:
        """The row in the order of `COLUMNS`."""
        return (
            self.seq,
            self.run_id,
            self.at_ms,
            self.wire_epoch_ms,
            self.kind,
            self.body,
            self.prev_hash,
            self.hash,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last row: its number and hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every row follows from the one before; the head stands at or after the high-water mark."""

    rows: int
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first row that is not what was written, in what way, and what that means."""

    seq: int
    reason: str
    means: str


EMPTY_HEAD: Final = Head(seq=0, hash=GENESIS)

MEANS_LOST: Final = "rows were deleted, or the disk lost a page: what they said is not here"
MEANS_MIXED: Final = "a row was put in another's place: nothing from it on is what we wrote then"
MEANS_BENT: Final = (
    "the row was changed after it was written, by a fault of the disk or by hand: neither it nor "
    "what follows can be relied on"
)
MEANS_OLD: Final = (
    "the file is older than its mark: a backup was put back, the -wal beside it was lost, or its "
    "last rows were; orders may have been sent that it does not know"
)
MEANS_OTHER: Final = (
    "the file was put back from a copy that had gone on by itself: orders may have been sent that "
    "it does not know"
)
MEANS_AROUND: Final = "every row that is there is whole, but no more can be written to this file"
MEANS_UNREADABLE: Final = "the database file is damaged: from this row on it cannot be read"


_NUMBERS: Final = struct.Struct("<3q")
_LENGTH: Final = struct.Struct("<Q")


def chained(
    prev: Head, *, run_id: str, at_ms: int, wire_epoch_ms: int, kind: str, body: str
) -> Entry:
    """Return the row that follows `prev`."""
    seq = prev.seq + 1
    return Entry(
        seq=seq,
        run_id=run_id,
        at_ms=at_ms,
        wire_epoch_ms=wire_epoch_ms,
        kind=kind,
        body=body,
        prev_hash=prev.hash,
        hash=_digest(prev.hash, (seq, at_ms, wire_epoch_ms), (run_id, kind, body)),
    )


def _digest(prev: bytes, numbers: tuple[int, int, int], texts: tuple[str, str, str]) -> bytes:
    run_id, kind, body = (text.encode() for text in texts)
    hashed = b"".join(
        (
            prev,
            _NUMBERS.pack(*numbers),
            _LENGTH.pack(len(run_id)),
            run_id,
            _LENGTH.pack(len(kind)),
            kind,
            _LENGTH.pack(len(body)),
            body,
        )
    )
    return hashlib.blake2b(hashed, digest_size=32).digest()


def check_chain(rows: Iterable[Entry], prev: Head) -> Head | Broken:
    """Follow the chain from `prev`; the last row's head, or the first row that breaks it."""
    for row in rows:
        if row.seq != prev.seq + 1:
            reason = f"missing: row {prev.seq} is followed by row {row.seq}"
            return Broken(seq=prev.seq + 1, reason=reason, means=MEANS_LOST)
        if row.prev_hash != prev.hash:
            reason = "does not follow from the row before it"
            return Broken(seq=row.seq, reason=reason, means=MEANS_MIXED)
        if not _is_whole(row):
            reason = "its content does not match its hash"
            return Broken(seq=row.seq, reason=reason, means=MEANS_BENT)
        prev = Head(seq=row.seq, hash=row.hash)
    return prev


def check_alone(row: Entry) -> Broken | None:
    """Say what is wrong with one row, whatever it follows; None if it is as it was written."""
    found = check_chain([row], Head(seq=row.seq - 1, hash=row.prev_hash))
    return found if isinstance(found, Broken) else None


def _is_whole(row: Entry) -> bool:
    numbers = (row.seq, row.at_ms, row.wire_epoch_ms)
    try:
        return _digest(row.prev_hash, numbers, (row.run_id, row.kind, row.body)) == row.hash
    except (AttributeError, TypeError, struct.error):  # what was text is none any more, or the like
        return False


def create(path: Path, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open the one writing connection, of this kind, making the file if it is new.

    Raises:
        sqlite3.Error: the file cannot be opened, or is no database.
        OSError: the file cannot be made.
        LedgerRefusedError: the file was written by a newer version.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
    # The writer thread owns the connection after this; nothing else touches it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=kind)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _refuse_newer(path, connection)
        connection.executescript(_DDL)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_newer(path: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise LedgerRefusedError(
            f"ledger {path} has format {version}; this version reads up to {SCHEMA_VERSION}: "
            "upgrade the program, or name another journal.path"
        )


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has the file locked, in whatever of SQLite's ways."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def read_head(connection: sqlite3.Connection) -> Head:
    """Return the last row's number and hash, `EMPTY_HEAD` in a new ledger."""
    row = connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    return EMPTY_HEAD if row is None else Head(seq=row[0], hash=row[1])


def last_of(connection: sqlite3.Connection, kind: str) -> Entry | None:
    """Return the last row of a kind, None without any.

    By the rows alone: no chain runs through the index of kinds, and a bit that flips there hides a
    row from whoever asks the index.
    """
    query = f"SELECT {COLUMNS} FROM ledger NOT INDEXED WHERE kind = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608  constants only
    row = connection.execute(query, (kind,)).fetchone()
    return None if row is None else entry_of(row)


def rows_from(connection: sqlite3.Connection, seq: int, end: int = SEQ_END) -> Iterable[Entry]:
    """Yield rows from number `seq` on, up to but not including `end`."""
    query = f"SELECT {COLUMNS} FROM ledger WHERE seq >= ? AND seq < ? ORDER BY seq"  # noqa: S608  constants only
    for row in connection.execute(query, (seq, end)):
        yield entry_of(row)


def entry_of(row: tuple[int, str, int, int, str, str, bytes, bytes]) -> Entry:
    """Return a row of `COLUMNS` by name."""
    seq, run_id, at_ms, wire_epoch_ms, kind, body, prev_hash, hashed = row
    return Entry(
        seq=seq,
        run_id=run_id,
        at_ms=at_ms,
        wire_epoch_ms=wire_epoch_ms,
        kind=kind,
        body=body,
        prev_hash=prev_hash,
        hash=hashed,
    )


def origin(connection: sqlite3.Connection) -> Head:
    """Return what the first row follows: nothing, or the last row of the volume before."""
    query = "SELECT seq, prev_hash, kind FROM ledger ORDER BY seq LIMIT 1"
    row = connection.execute(query).fetchone()
    if row is None or row[2] != VOLUME:
        return EMPTY_HEAD
    return Head(seq=row[0] - 1, hash=row[1])


def check_end(connection: sqlite3.Connection) -> Head | Broken:
    """Follow the chain over the last rows and over all that a start goes on from."""
    head = read_head(connection)
    prev = origin(connection)
    first = prev.seq + 1
    known = last_of(connection, STANDING)
    far = head.seq - HEAD_CHECKED_ROWS
    start = max(first, far if known is None else min(far, known.seq))
    if start > first:
        query = "SELECT seq, hash FROM ledger WHERE seq < ? ORDER BY seq DESC LIMIT 1"
        row = connection.execute(query, (start,)).fetchone()
        prev = prev if row is None else Head(seq=row[0], hash=row[1])
    return check_chain(rows_from(connection, start), prev)


def size(path: Path) -> int:
    """Return the bytes of a ledger, those of its write-ahead log among them."""
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def reserve_path(path: Path) -> Path:
    """Where the space lies that is given back when the disk is full."""
    return path.with_name(path.name + ".reserve")


def reserve(path: Path) -> None:
    """Take space that a full disk will give back: for the halt, and for the next start's rows.

    Raises:
        OSError: the disk is that full already.
    """
    file = os.open(reserve_path(path), os.O_WRONLY | os.O_CREAT, FILE_MODE)
    try:
        os.posix_fallocate(file, 0, RESERVE_BYTES)
    finally:
        os.close(file)


def high_path(path: Path) -> Path:
    """Where the high-water mark of a ledger lies."""
    return path.with_name(path.name + ".high")


def write_high(path: Path, head: Head) -> None:
    """Replace the high-water mark durably: a row up to it may never be missing again."""
    target = high_path(path)
    fresh = target.with_name(target.name + ".new")
    text = json.dumps({"seq": head.seq, "hash": head.hash.hex()}) + "\n"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(target)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file's name durable."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_high(path: Path) -> Head | None:
    """Return the high-water mark, None where there is none.

    Raises:
        LedgerRefusedError: it is there and unreadable.
    """
    target = high_path(path)
    try:
        told = json.loads(target.read_bytes())
        return Head(seq=int(told["seq"]), hash=bytes.fromhex(told["hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise LedgerRefusedError(f"high-water mark {target} cannot be read: {error}") from error


def wants_mark(connection: sqlite3.Connection) -> bool:
    """Whether it holds more than first rows of runs, which a start writes before it marks them."""
    query = "SELECT EXISTS (SELECT 1 FROM ledger NOT INDEXED WHERE kind != 'run')"
    return bool(connection.execute(query).fetchone()[0])


def check_high(connection: sqlite3.Connection, high: Head) -> Broken | None:
    """Compare the ledger with its high-water mark; None if nothing that was durable is missing."""
    if high.seq == 0:
        return None
    row = connection.execute("SELECT hash FROM ledger WHERE seq = ?", (high.seq,)).fetchone()
    if row is None:
        head = read_head(connection)
        if origin(connection) == high:  # a new volume began, and the mark was not moved yet
            return None
        return Broken(
            seq=head.seq + 1,
            reason=f"missing: the ledger ends at row {head.seq}, row {high.seq} was once durable",
            means=MEANS_OLD,
        )
    if row[0] != high.hash:
        reason = "is not the row that the high-water mark knows"
        return Broken(seq=high.seq, reason=reason, means=MEANS_OTHER)
    return None
