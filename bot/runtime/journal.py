"""The ledger: what must be durable before anything is sent.

One thread owns the one writing connection and writes rows in the order in which they were handed
over. `append` waits until the disk has its rows, and so has all before them; `post` does not wait.
Rows of several callers share a commit. A write that fails is final: `failure` says so, the ledger
takes nothing more, and the loop must send nothing more.
"""

import asyncio
import json
import os
import queue
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Self

import structlog

from bot.core.units import NS_PER_SECOND
from bot.runtime import ledger_file, ledger_volumes
from bot.runtime.clock import WireClock
from bot.runtime.ledger_disk import HOST_DISK, Disk, answer
from bot.runtime.ledger_file import (
    SCHEMA_VERSION,
    VOLUME,
    Broken,
    Entry,
    Head,
    LedgerRefusedError,
    Verified,
)
from bot.runtime.ledger_lock import locked
from bot.runtime.ledger_opening import RunHeader, checked, refuse_foreign, set_aside
from bot.runtime.ledger_reading import counts, entries, since_last, tail, verify

__all__ = [
    "Broken",
    "Entry",
    "Head",
    "JournalFailedError",
    "Ledger",
    "LedgerRefusedError",
    "Row",
    "RunHeader",
    "Verified",
    "counts",
    "entries",
    "since_last",
    "tail",
    "verify",
]

BATCH_ROWS_MAX: Final = 1_000
HIGH_EVERY_NS: Final = 1_000_000_000  # the mark costs two more flushes, so rows share one
CLOSE_SECONDS_MAX: Final = 10.0
TURN_EVERY_NS: Final = 60_000_000_000  # between two tries to begin a new volume
LOCKED_TRIES_MAX: Final = 6  # SQLite waits five seconds in each


log = structlog.get_logger(__name__)


class JournalFailedError(Exception):
    """Rows could not be made durable. Nothing that depends on them may be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row to write. `at_ms` is market time; `body` is JSON in UTF-8."""

    kind: str
    at_ms: int
    body: bytes | str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    rows: Sequence[Row]
    done: "asyncio.Future[None] | None" = None  # None: nobody waits
    turns: bool = False  # to a new volume, which begins with these rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A file that was opened, is locked, and ends with `head`."""

    connection: sqlite3.Connection
    lock: int
    head: Head
    header: RunHeader


class Ledger:
    """An open ledger. `async with`, or `close` it; one daemon at a time has it."""

    def __init__(
        self,
        path: Path,
        opened: _Opened,
        *,
        wire: WireClock,
        run_id: str,
        disk: Disk,
        volume_bytes: int,
    ) -> None:
        """Take over an opened file; see `open`."""
        self.path = path
        self.run_id = run_id
        self.failure = ""
        self._connection = opened.connection
        self._lock = opened.lock
        self._header = opened.header
        self._volume_bytes = volume_bytes
        self._turn_ns = 0
        self._bytes = 0
        self._inode = path.stat().st_ino
        self._head = self._high = opened.head
        self._high_ns = wire.monotonic_ns()
        self._wire = wire
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._scribe = disk.scribe()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        header: RunHeader,
        wire: WireClock | None = None,
        *,
        run_id: str = "",
        disk: Disk = HOST_DISK,
        volume_bytes: int = 0,
    ) -> Self:
        """Open or make the ledger at `path` for one run, and write the run's header row durably.

        Args:
            path: The file.
            header: What the run says of itself.
            wire: Stamps rows and paces the high-water mark.
            run_id: Names the run in its rows; drawn if it is empty.
            disk: How rows get there.
            volume_bytes: From this size on the ledger `is_full`; 0: never.

        Raises:
            LedgerRefusedError: another daemon has it, it is no ledger, damaged or cut, newer, or of
                another account, or its directory takes no files.
            JournalFailedError: the disk does not take the header.
        """
        refuse_foreign(path)
        lock = locked(path)
        connection: sqlite3.Connection | None = None
        try:
            connection = ledger_file.create(path, disk.connection)
            head = checked(path, connection, header)
            ledger = cls(
                path,
                _Opened(connection=connection, lock=lock, head=head, header=header),
                wire=wire or WireClock(),
                run_id=run_id or secrets.token_hex(6),
                disk=disk,
                volume_bytes=volume_bytes,
            )
            ledger._begin_run()
            set_aside(path)
        except BaseException as error:
            if connection is not None:
                connection.close()
            os.close(lock)
            if isinstance(error, (sqlite3.Error, OSError, UnicodeError)):
                raise LedgerRefusedError(f"ledger {path} cannot be opened: {error}") from error
            raise
        ledger._scribe.start(ledger._write_all, ledger._write_waiting)
        return ledger

    @property
    def head(self) -> Head:
        """The last durable row."""
        return self._head

    async def append(self, rows: Sequence[Row]) -> None:
        """Write rows; returns when the disk has them and all that was posted before.

        Raises:
            JournalFailedError: they are not durable, and no later row will be.
        """
        self.check()
        done = asyncio.get_running_loop().create_future()
        self._orders.put(_Order(rows=rows, done=done))
        self._scribe.wake()
        await done

    def post(self, rows: Sequence[Row]) -> None:
        """Hand rows over to be written in their turn; returns at once.

        Raises:
            JournalFailedError: an earlier row is not durable, and these will not be.
        """
        self.check()
        self._orders.put(_Order(rows=rows))
        self._scribe.wake()

    @property
    def is_full(self) -> bool:
        """Whether it is time to `turn` to a new volume."""
        large = 0 < self._volume_bytes <= self._bytes and not self.failure
        return large and self._wire.monotonic_ns() >= self._turn_ns

    def turn(self, rows: Sequence[Row]) -> None:
        """Go on in a new volume, which begins with `rows`: what a start must know. Does not wait.

        Raises:
            JournalFailedError: an earlier row is not durable, and these will not be.
        """
        self.check()
        self._turn_ns = self._wire.monotonic_ns() + TURN_EVERY_NS
        self._orders.put(_Order(rows=rows, turns=True))
        self._scribe.wake()

    def check(self) -> None:
        """Say whether all that was handed over is durable, or may still become so.

        Raises:
            JournalFailedError: it will not.
        """
        if self._closed or self.failure:
            raise JournalFailedError(self.failure or "the ledger is closed")

    @property
    def waiting(self) -> int:
        """How many times rows were handed over that the writer has not taken up yet."""
        return self._orders.qsize()

    def close(self) -> None:
        """Write what waits, move the high-water mark, let the file go. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._orders.put(None)
        if not self._scribe.finish(CLOSE_SECONDS_MAX):
            self.failure = f"the disk did not answer within {CLOSE_SECONDS_MAX:g} s"
            return  # the process is about to end and the lock with it
        self._connection.close()
        ledger_file.reserve_path(self.path).unlink(missing_ok=True)
        os.close(self._lock)

    def abandon(self) -> None:
        """Let the file go as a process does that is killed: what waits is not written."""
        self._closed = True
        self._connection.close()
        os.close(self._lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    # The scribe --------------------------------------------------------------------------------

    def _write_all(self) -> None:
        open_for_more = True
        while open_for_more:
            orders, open_for_more = self._gather()
            self._write(orders)
        with suppress(
            OSError, sqlite3.Error
        ):  # the rows are durable; a mark that lags is checked anyway
            self._mark_high()

    def _write_waiting(self) -> None:
        """Write what waits, if anything does, in one commit at the most."""
        if not self._orders.empty():
            self._write(self._gather()[0])

    def _gather(self) -> tuple[list[_Order], bool]:
        """Wait for an order or until a mark is due; take all that waits, False after the last."""
        is_marked = self._high == self._head or bool(self.failure)
        try:
            first = self._orders.get(timeout=None if is_marked else HIGH_EVERY_NS / NS_PER_SECOND)
        except queue.Empty:
            return [], True
        orders: list[_Order] = []
        while first is not None:
            orders.append(first)
            if sum(len(order.rows) for order in orders) >= BATCH_ROWS_MAX or self._orders.empty():
                return orders, True
            first = self._orders.get()
        return orders, False

    def _write(self, orders: list[_Order]) -> None:
        if self.failure:
            _answer(orders, JournalFailedError(self.failure))
            return
        try:
            for turns, group in groupby(orders, key=lambda order: order.turns):
                rows = [row for order in group for row in order.rows]
                self._turn_over(rows) if turns else self._commit(rows)
            _answer(orders, None)
            if self._wire.monotonic_ns() - self._high_ns >= HIGH_EVERY_NS:
                self._mark_high()
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it is
            # Never again, even if the next write went well: what the disk dropped it does not tell.
            self.failure = f"cannot write {self.path}: {error}"
            ledger_file.reserve_path(self.path).unlink(missing_ok=True)
            _answer(orders, JournalFailedError(self.failure))

    def _turn_over(self, rows: list[Row]) -> None:
        """Begin a new volume; while somebody reads this one the rows go here instead."""

        def begin(head: Head, closed: str) -> list[Entry]:
            told = Row(kind=VOLUME, at_ms=rows[0].at_ms, body=json.dumps({"after": closed}))
            return self._chained([told, self._run_row(rows[0].at_ms), *rows], head)

        found = ledger_volumes.turned(self.path, self._connection, self._head, begin)
        if found is None:
            self._commit(rows)
            return
        self._connection, self._head = found
        self._high, self._bytes, self._inode = self._head, 0, self.path.stat().st_ino

    def _begin_run(self) -> None:
        """Write what the run says of itself, durably."""
        self._commit([self._run_row(self._wire.epoch_ms())])
        self._mark_high()

    def _run_row(self, at_ms: int) -> Row:
        told = {**asdict(self._header), "schema_version": SCHEMA_VERSION}
        return Row(kind="run", at_ms=at_ms, body=json.dumps(told, sort_keys=True))

    def _chained(self, rows: Sequence[Row], head: Head) -> list[Entry]:
        made: list[Entry] = []
        wire_epoch_ms = self._wire.epoch_ms()
        for row in rows:
            entry = ledger_file.chained(
                head,
                run_id=self.run_id,
                at_ms=row.at_ms,
                wire_epoch_ms=wire_epoch_ms,
                kind=row.kind,
                body=row.body if isinstance(row.body, str) else row.body.decode(),
            )
            made.append(entry)
            head = Head(seq=entry.seq, hash=entry.hash)
        return made

    def _commit(self, rows: Sequence[Row]) -> None:
        made = self._chained(rows, self._head)
        self._begin()
        try:
            self._connection.executemany(ledger_file.INSERT, (entry.stored for entry in made))
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        if made:
            self._head = Head(seq=made[-1].seq, hash=made[-1].hash)

    def _begin(self) -> None:
        """Begin to write; wait, and say so, while somebody else has the file locked."""
        for tries in range(1, LOCKED_TRIES_MAX + 1):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not ledger_file.is_busy(error) or tries == LOCKED_TRIES_MAX:
                    raise
                log.warning("ledger locked by another program: nothing is sent", tries=tries)
            else:
                return

    def _mark_high(self) -> None:
        if self.path.stat().st_ino != self._inode:  # what is written now has no name any more
            raise OSError("the file was replaced by another under its daemon")
        if self._high != self._head or not ledger_file.high_path(self.path).exists():
            ledger_file.write_high(self.path, self._head)
            self._high = self._head
        self._bytes = ledger_file.size(self.path)
        self._high_ns = self._wire.monotonic_ns()


def _answer(orders: list[_Order], error: JournalFailedError | None) -> None:
    answer([order.done for order in orders if order.done is not None], error)
