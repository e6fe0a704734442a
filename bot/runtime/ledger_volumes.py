"""A ledger that is kept in volumes, so that a year of it neither grows one file nor fills the disk.

A full volume is given a number (`LEDGER.0001`), and a new file takes the ledger's name. Its first
row continues the chain and names the volume before. Closed volumes are compressed, and deleted when
they are older than they are to be kept. The ledger's own file is there at every moment: the new one
replaces it in one step, after the old one was given its second name.
"""

import asyncio
import gzip
import os
import shutil
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import structlog

from bot.core.units import MS_PER_DAY, NS_PER_MS
from bot.runtime import ledger_file, ledger_reading
from bot.runtime.ledger_file import (
    EMPTY_HEAD,
    Broken,
    Entry,
    Head,
    LedgerRefusedError,
    Verified,
    check_chain,
)

PACKED: Final = ".gz"
PACK_LEVEL: Final = 6
TIDY_EVERY_SECONDS: Final = 3_600.0

log = structlog.get_logger(__name__)


def volumes(path: Path) -> list[Path]:
    """Return the closed volumes of a ledger, oldest first.

    Each once, and the ledger itself not among them, though a crash may have left a volume both
    plain and compressed, or the ledger with a second name.
    """
    found: dict[int | None, Path] = {}
    for one in _numbered(path):
        if one.suffix == PACKED or not _is_same(one, path):
            found[_number(path, one)] = one  # the compressed one comes last, and is whole
    return list(found.values())


def _numbered(path: Path) -> list[Path]:
    found = [one for one in path.parent.glob(f"{path.name}.*") if _number(path, one) is not None]
    return sorted(found, key=lambda one: (_number(path, one) or 0, one.suffix == PACKED))


def _is_same(volume: Path, path: Path) -> bool:
    return path.exists() and volume.samefile(path)


def _number(path: Path, volume: Path) -> int | None:
    digits = volume.name.removeprefix(f"{path.name}.").removesuffix(PACKED)
    return int(digits) if digits.isdigit() else None


# Turning to a new volume: the scribe's business -------------------------------------------------


def turned(
    path: Path,
    connection: sqlite3.Connection,
    head: Head,
    begin: Callable[[Head, str], Sequence[Entry]],
) -> tuple[sqlite3.Connection, Head] | None:
    """Close the volume that ends at `head`, and go on in a new one; None if someone reads it now.

    Args:
        path: The ledger.
        connection: The writing one; closed unless the answer is None.
        head: Its last row.
        begin: Makes the first rows of the new volume from that head and the closed one's name.

    Raises:
        OSError: the disk does not take the new volume.
        sqlite3.Error: likewise.
    """
    closed = _next_volume(path)
    if not _let_go(connection):
        return None
    connection.close()
    ledger_file.write_high(path, head)
    fresh = path.with_name(path.name + ".next")
    fresh.unlink(missing_ok=True)
    entries = begin(head, closed.name)
    with closing(ledger_file.create(fresh)) as target:
        target.execute("BEGIN IMMEDIATE")
        target.executemany(ledger_file.INSERT, (entry.stored for entry in entries))
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode = DELETE")
    os.link(path, closed)
    fresh.rename(path)
    ledger_file.sync_folder(path.parent)
    begun = Head(seq=entries[-1].seq, hash=entries[-1].hash)
    ledger_file.write_high(path, begun)
    return ledger_file.create(path, type(connection)), begun


def _let_go(connection: sqlite3.Connection) -> bool:
    """Leave write-ahead mode, so that nothing of the old file lies beside the new one's name.

    It takes the file for itself: while somebody reads, it cannot be done.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if not ledger_file.is_busy(error):
            raise  # a flush that failed is final, here as anywhere
        mode = ""
    connection.execute(f"PRAGMA busy_timeout = {int(patience)}")
    return bool(mode == "delete")


def _next_volume(path: Path) -> Path:
    closed = _numbered(path)
    if closed and _is_same(closed[-1], path):  # a crash came before the new file took its name
        closed.pop().unlink()
    number = (_number(path, closed[-1]) or 0) + 1 if closed else 1
    return path.with_name(f"{path.name}.{number:04d}")


# Keeping closed volumes --------------------------------------------------------------------------


def tidy(path: Path, *, keep_days: int, epoch_ms: int) -> None:
    """Compress closed volumes and delete those that ended longer than `keep_days` ago.

    A disk that does not take it loses nothing: the volume stays as it is.
    """
    for volume in _numbered(path):
        try:
            ended_ms = volume.stat().st_mtime_ns // NS_PER_MS
            if epoch_ms - ended_ms > keep_days * MS_PER_DAY:
                volume.unlink()
                log.info("old volume of the ledger deleted", volume=volume.name)
            elif volume.suffix != PACKED and not _is_same(volume, path):
                _pack(volume)
        except OSError as error:
            log.warning("volume of the ledger not tidied", volume=volume.name, error=str(error))


async def keep_tidy(path: Path, keep_days: int, epoch_ms: Callable[[], int]) -> None:
    """Tidy now and every hour, in a thread that nobody waits for: what it leaves is a `.part`."""
    while True:
        kept = {"keep_days": keep_days, "epoch_ms": epoch_ms()}
        threading.Thread(target=tidy, args=(path,), kwargs=kept, daemon=True).start()
        await asyncio.sleep(TIDY_EVERY_SECONDS)


def _pack(volume: Path) -> None:
    target = volume.with_name(volume.name + PACKED)
    part = volume.with_name(volume.name + ".part")
    with volume.open("rb") as source, part.open("wb") as raw:
        part.chmod(ledger_file.FILE_MODE)
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=PACK_LEVEL) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
        raw.flush()
        os.fsync(raw.fileno())
    ended = volume.stat().st_mtime_ns
    os.utime(part, ns=(ended, ended))
    part.rename(target)
    ledger_file.sync_folder(volume.parent)
    volume.unlink()


# Reading all of them -----------------------------------------------------------------------------


def all_entries(path: Path) -> Iterator[Entry]:
    """Yield every row of every volume that is still kept, oldest first, up to the first broken one.

    Raises:
        LedgerRefusedError: there is no ledger, a volume cannot be read as one, or the next row does
            not follow from the one before.
    """
    head: Head | None = None
    for volume in _in_turn(path):
        with _unpacked(volume) as file:
            for entry in ledger_reading.entries(file):
                head = _followed(volume, entry, head)
                yield entry


def _in_turn(path: Path) -> Iterator[Path]:
    """Yield the volumes and then the ledger itself; what a daemon closes meanwhile among them."""
    last = 0
    while later := [one for one in volumes(path) if (_number(path, one) or 0) > last]:
        last = _number(path, later[0]) or 0
        yield later[0]
    yield path


def _followed(volume: Path, entry: Entry, before: Head | None) -> Head:
    if before is None:  # the first that is kept
        goes_on = entry.kind == ledger_file.VOLUME
        before = Head(seq=entry.seq - 1, hash=entry.prev_hash) if goes_on else EMPTY_HEAD
    head = check_chain([entry], before)
    if isinstance(head, Broken):
        raise LedgerRefusedError(
            f"{volume}: row {head.seq} {head.reason}; nothing from it on is read. `deltaband "
            "journal verify` says what that means"
        )
    return head


def all_runs(path: Path) -> tuple[str, ...]:
    """Return the ids of the runs that wrote the volumes, in their order.

    Raises:
        LedgerRefusedError: there is no ledger, or a volume cannot be read as one.
    """
    found: dict[str, None] = {}
    for volume in _in_turn(path):
        with _unpacked(volume) as file:
            found |= dict.fromkeys(ledger_reading.runs(file))
    return tuple(found)


def verify_all(path: Path) -> Verified | tuple[Path, Broken]:
    """Follow the chain through all volumes, and compare its end with the high-water mark.

    Raises:
        LedgerRefusedError: there is no ledger, or a volume cannot be read as one at all.
    """
    head: Head | None = None
    rows = 0
    for volume in _in_turn(path):
        asked = ledger_reading.verify if volume == path else ledger_reading.verify_closed
        with _unpacked(volume) as file:
            found = asked(file, head)
        if isinstance(found, Broken):
            return volume, found
        head, rows = found.head, rows + found.rows
    assert head is not None, "the ledger itself was asked last"
    return Verified(rows=rows, head=head)


@contextmanager
def _unpacked(volume: Path) -> Iterator[Path]:
    """Lend a volume as a plain file; what is beside it when it was written belongs to it.

    Raises:
        LedgerRefusedError: it is compressed, and cannot be unpacked any more.
    """
    if volume.suffix != PACKED:
        yield volume
        return
    with tempfile.TemporaryDirectory(prefix="deltaband-volume-") as folder:
        plain = Path(folder) / volume.stem
        try:
            with gzip.open(volume, "rb") as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, EOFError, zlib.error) as error:
            raise LedgerRefusedError(f"volume {volume} cannot be unpacked: {error}") from error
        yield plain
