"""Repair: keep what is whole of a damaged ledger, put the rest aside, and say what was lost.

Nothing is thrown away: the damaged file is renamed, and every row that can still be read from the
first broken one on is written out beside it. The next start halts until a person has compared the
account with the venue: what was lost may have been orders.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from bot.core import codec
from bot.core.standing import Standing
from bot.core.units import MS_PER_SECOND
from bot.runtime import ledger_file, ledger_reading, records
from bot.runtime.clock import WireClock
from bot.runtime.ledger_file import (
    MEANS_OLD,
    STANDING,
    Broken,
    Entry,
    Head,
    LedgerRefusedError,
    chained,
    check_chain,
)
from bot.runtime.ledger_lock import kept_away
from bot.runtime.stopcock import halt_path, raise_flag

BATCH_ROWS: Final = 5_000
SIDE_FILES: Final = ("-wal", "-shm")
NOT_THERE: Final = "not there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was kept, what was lost, and where the rest lies.

    `lost_rows` were still readable and are in `side_file`; rows up to `lost_to` are known to have
    been there once, None where nothing says how far they went.
    """

    broken: Broken
    kept_rows: int
    lost_rows: int
    lost_to: int | None
    lost_kinds: dict[str, int]
    side_file: Path
    damaged: Path

    @property
    def words(self) -> str:
        """One sentence for a person."""
        span = f"from row {self.broken.seq}" + (f" to {self.lost_to}" if self.lost_to else " on")
        return (
            f"ledger repaired: rows {span} were lost ({self.broken.reason}); {self.kept_rows} were "
            f"kept, {self.lost_rows} that could still be read are in {self.side_file.name}"
        )

    @property
    def halting(self) -> str:
        """Why the next start halts, and until when."""
        return f"{self.words}; compare positions and trades with the venue, then resume"


def repair(path: Path, code_version: str, wire: WireClock) -> Repaired | None:
    """Cut a damaged ledger before its first broken row; None if there is nothing to repair.

    Raises:
        LedgerRefusedError: a daemon runs on it, or nothing of it can be read.
        OSError: the disk does not take the repaired file; the damaged one is where it was.
    """
    with kept_away(path):
        try:
            return _repaired(path, code_version, wire)
        except sqlite3.Error as error:
            raise LedgerRefusedError(f"{path} could not be repaired: {error}") from error


def _repaired(path: Path, code_version: str, wire: WireClock) -> Repaired | None:
    high = _high(path)
    verdict = _verdict(path, high)
    if verdict is None:
        return None
    epoch_ms = wire.epoch_ms()
    began = datetime.fromtimestamp(epoch_ms // MS_PER_SECOND, UTC)
    stamp = f"{began:%Y%m%dT%H%M%S}-{epoch_ms % MS_PER_SECOND:03d}"
    side_file = path.with_name(f"{path.name}.lost-{stamp}.jsonl")
    damaged = path.with_name(f"{path.name}.damaged-{stamp}")
    fresh = path.with_name(path.name + ".repaired")
    _discard(fresh)
    with closing(ledger_file.create(fresh)) as target:
        head = _copy(path, target, verdict.seq)
        lost, kinds = _put_aside(path, verdict.seq, side_file)
        told = Repaired(
            broken=verdict,
            kept_rows=verdict.seq - 1,
            lost_rows=lost,
            lost_to=high.seq if isinstance(high, Head) and high.seq >= verdict.seq else None,
            lost_kinds=kinds,
            side_file=side_file,
            damaged=damaged,
        )
        head = _sign(target, head, told, code_version, wire)
        if ledger_file.last_of(target, STANDING) is None:  # it cannot hold the latch itself
            _flag(path, told)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _swap(path, fresh, damaged, head)
    return told


def _high(path: Path) -> Head | str:
    """Return the mark, or what became of it."""
    try:
        return ledger_file.read_high(path) or NOT_THERE
    except LedgerRefusedError:
        return "unreadable"


def _verdict(path: Path, high: Head | str) -> Broken | None:
    with ledger_reading.reading(path) as connection:
        begin = ledger_file.origin(connection)
        head = ledger_reading.followed(connection, begin)
        broken = head if isinstance(head, Broken) else _unlike_mark(connection, head, high)
        kept = () if broken is None else ledger_file.rows_from(connection, 1, broken.seq)
        if broken is not None and not any(row.kind == "run" for row in kept):
            raise LedgerRefusedError(
                f"{path}: no run's first row before row {broken.seq} is whole, so nothing can be "
                "kept: put a backup in its place, which then wants a repair"
            )
    return broken


def _unlike_mark(connection: sqlite3.Connection, head: Head, high: Head | str) -> Broken | None:
    """Say what a ledger that is whole lacks by its mark."""
    if isinstance(high, Head):
        return ledger_file.check_high(connection, high)
    if high == NOT_THERE and not ledger_file.wants_mark(connection):
        return None
    reason = f"may be missing from a ledger whose mark is {high}"
    return Broken(seq=head.seq + 1, reason=reason, means=MEANS_OLD)


def _copy(path: Path, target: sqlite3.Connection, end: int) -> Head:
    """Copy the rows before `end`, each asked once more."""
    with ledger_reading.reading(path) as source:
        head = ledger_file.origin(source)
        # By their count: on a page out of order a row behind the end may claim a small number.
        kept = islice(ledger_file.rows_from(source, 1), end - 1 - head.seq)
        for batch in _batches(kept):
            followed = check_chain(batch, head)
            assert isinstance(followed, Head), "these rows were just found whole"
            head = followed
            _insert(target, batch)
    return head


def _batches(rows: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    yield batch


def _put_aside(path: Path, first: int, side_file: Path) -> tuple[int, dict[str, int]]:
    """Write every row from `first` on that can be read to a side file; return how many of each."""
    kinds: dict[str, int] = {}
    with side_file.open("w") as file, ledger_reading.reading(path) as source:
        side_file.chmod(ledger_file.FILE_MODE)
        with suppress(sqlite3.DatabaseError):  # what cannot be read stays in the damaged file
            for row in ledger_file.rows_from(source, first):
                file.write(json.dumps(asdict(row), default=bytes.hex) + "\n")
                kind = str(row.kind)  # of a row that is bent it may be none
                kinds[kind] = kinds.get(kind, 0) + 1
    return sum(kinds.values()), kinds


def _sign(
    target: sqlite3.Connection, head: Head, told: Repaired, code_version: str, wire: WireClock
) -> Head:
    """Add the rows that tell of the repair and halt the next start."""
    run = ledger_file.last_of(target, "run")
    assert run is not None, "nothing is kept without one"
    (at_ms,) = target.execute("SELECT at_ms FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    header = json.dumps({**json.loads(run.body), "code_version": code_version}, sort_keys=True)
    rows = [("run", header), ("repair", json.dumps(_told(told), sort_keys=True))]
    known = _standing(target)
    epoch_ms = wire.epoch_ms()
    if known is not None:
        halted = replace(known, forgiven_counter=known.order_counter, halt_reason=told.halting)
        rows.append((STANDING, records.standing_text(0, halted).decode()))
    run_id = f"repair{epoch_ms:x}"
    made: list[Entry] = []
    for kind, text in rows:
        entry = chained(
            head, run_id=run_id, at_ms=at_ms, wire_epoch_ms=epoch_ms, kind=kind, body=text
        )
        made.append(entry)
        head = Head(seq=entry.seq, hash=entry.hash)
    _insert(target, made)
    return head


def _insert(target: sqlite3.Connection, rows: Sequence[Entry]) -> None:
    target.execute("BEGIN IMMEDIATE")
    target.executemany(ledger_file.INSERT, (entry.stored for entry in rows))
    target.execute("COMMIT")


def _told(told: Repaired) -> dict[str, object]:
    return {
        "row": told.broken.seq,
        "reason": told.broken.reason,
        "kept_rows": told.kept_rows,
        "lost_rows": told.lost_rows,
        "lost_to": told.lost_to,
        "lost_kinds": told.lost_kinds,
        "side_file": told.side_file.name,
        "damaged": told.damaged.name,
    }


def _standing(target: sqlite3.Connection) -> Standing | None:
    """Return the last standing that was kept, None if no run came so far.

    Raises:
        LedgerRefusedError: it was written by another version.
    """
    (last,) = target.execute("SELECT MAX(seq) FROM ledger WHERE kind = 'standing'").fetchone()
    if last is None:
        return None
    rows = ledger_file.rows_from(target, last)
    try:
        return records.latest_standing(row for row in rows if row.kind in records.STANDING_KINDS)
    except codec.CodecError as error:
        raise LedgerRefusedError(f"the standing is another version's: {error}") from error


def _flag(path: Path, told: Repaired) -> None:
    if failure := raise_flag(halt_path(path), told.halting):
        raise OSError(f"the halt file cannot be left for the next start: {failure}")


def _swap(path: Path, fresh: Path, damaged: Path, head: Head) -> None:
    """Put the repaired file in the place of the damaged one, which keeps another name.

    There is a ledger at every moment, and until the last it is not what its mark says: wherever
    this is ended, a start is refused and another repair goes on.
    """
    ledger_file.write_high(path, head)
    if os.geteuid() == 0:  # the daemon, which is not root, has to read them
        owner = path.stat()
        for made in (fresh, ledger_file.high_path(path)):
            os.chown(made, owner.st_uid, owner.st_gid)
    os.link(path, damaged)
    for suffix in SIDE_FILES:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(damaged.with_name(damaged.name + suffix))
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    fresh.rename(path)
    ledger_file.sync_folder(path.parent)


def _discard(fresh: Path) -> None:
    """Take away what a repair that was interrupted left behind: it was a copy."""
    for suffix in ("", *SIDE_FILES):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
