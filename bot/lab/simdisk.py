"""The daemon's disk in virtual time: what was committed survives a crash, the rest may not.

The file is a real SQLite ledger, written by the code that ships; only who writes, when, and what
the disk answers are simulated. Flushes to the machine's own disk are left out: a simulated crash
kills nothing but a life of the event loop, so what SQLite committed is there afterwards.
"""

import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from bot.core.units import NS_PER_MS
from bot.lab.simloop import SimLoop
from bot.runtime.journal import Ledger
from bot.runtime.ledger_disk import Disk
from bot.runtime.tape import Tape, tape_beside

P = ParamSpec("P")
R = TypeVar("R")

KIND: Final = 4  # columns of a row, as `ledger_file.COLUMNS` lists them
AT_MS: Final = 2
BODY: Final = 5
LOCKED: Final = "database is locked"
FOLD: Final = b'"fold":'
TAPE_BYTES_MAX: Final = 1 << 26
SUBMITS: Final = '"$":"SubmitOrder"'


@dataclass(slots=True)
class Trouble:
    """What is wrong with the disk: how slow it is, and the error of its next writes, if any."""

    write_ms: float = 0.4
    error: str = ""
    error_writes: int = 0
    on_error: Callable[[], None] | None = None  # told of every write that fails


@dataclass(slots=True)
class Durable:
    """What the disk has: how many rows, and the ids of orders that were to be sent.

    `is_rewritten` says that the file is no longer what was written to it, `was_rewritten` that this
    happened some time.
    """

    rows: int = 0
    is_rewritten: bool = False
    was_rewritten: bool = False
    order_ids: set[str] = field(default_factory=set)
    on_row: list[Callable[[str, int, str], None]] = field(default_factory=list)

    def keep(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take note of rows that were committed."""
        for row in rows:
            self.rows += 1
            kind, body = row[KIND], row[BODY]
            if kind == "step" and SUBMITS in body:
                self.order_ids.update(
                    act["order_id"]
                    for act in json.loads(body)["actions"]
                    if act["$"] == "SubmitOrder"
                )
            for told in self.on_row:
                told(kind, row[AT_MS], body)


class SimThread(Executor):
    """Does at once what a thread would do meanwhile."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Do it."""
        done: Future[R] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class SimDisk:
    """One disk, which outlives the daemons that write on it; with `is_taped` they keep a tape."""

    def __init__(
        self, loop: SimLoop, rng: random.Random, folder: Path, *, is_taped: bool = False
    ) -> None:
        self.is_taped = is_taped
        self.folder = str(folder)
        self.path = folder / "journal.sqlite3"
        self.trouble = Trouble()
        self.durable = Durable()
        self._loop = loop
        self._rng = rng
        self._copies = 0
        self._scribe: SimScribe | None = None

    def mounted(self) -> Disk:
        """Return what a ledger is opened with."""
        return Disk(scribe=self._hired, connection=connection_of(self))

    def tape(self) -> Tape | None:
        """Return the tape of a daemon that begins now, if it keeps one."""
        if not self.is_taped:
            return None
        return Tape(
            tape_beside(self.path),
            bytes_max=TAPE_BYTES_MAX,
            thread=SimThread(),
            rest=lambda: None,  # it is nobody's thread, and has no time of its own
        )

    def _hired(self) -> "SimScribe":
        self._scribe = SimScribe(self._loop, self._rng, self.trouble)
        return self._scribe

    def crash(self, ledger: Ledger) -> None:
        """End the life of a ledger: what waits is lost, or was just written, nobody knew of it."""
        assert self._scribe is not None, "a ledger has a scribe"
        if self._rng.random() < 0.5 and not ledger.failure:
            self._scribe.write_waiting()
        ledger.abandon()

    def back_up(self) -> Path:
        """Copy the ledger as a careful person does, and return where the copy lies."""
        self._copies += 1  # two may be made in one step of the loop
        copy = self.path.with_name(f"backup-{self._copies}.sqlite3")
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        return copy

    def restore(self, copy: Path) -> None:
        """Put an old copy in the ledger's place; nothing may have the ledger open."""
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        copy.replace(self.path)
        self.durable.is_rewritten = self.durable.was_rewritten = True

    def flip(self) -> bool:
        """Change one byte in the middle of what was written; False if there is nothing yet."""
        content = bytearray(self.path.read_bytes())
        at = content.find(FOLD, len(content) // 2)
        if at < 0:
            return False
        content[at + len(FOLD)] ^= 1
        self.path.write_bytes(content)
        self.durable.is_rewritten = self.durable.was_rewritten = True
        return True

    def fails_now(self) -> str:
        """Return the error of a write that begins now, "" if it goes well."""
        trouble = self.trouble
        if trouble.error and trouble.error_writes > 0:
            trouble.error_writes -= 1
            if trouble.on_error is not None:
                trouble.on_error()
            return trouble.error
        return ""


class SimScribe:
    """Writes what waits a moment after it was told, everything that came until then together."""

    def __init__(self, loop: SimLoop, rng: random.Random, trouble: Trouble) -> None:
        self._loop = loop
        self._rng = rng
        self._trouble = trouble
        self._is_called = False
        self._write_all: Callable[[], None] = _idle
        self.write_waiting: Callable[[], None] = _idle

    def start(self, write_all: Callable[[], None], write_waiting: Callable[[], None]) -> None:
        """Begin."""
        self._write_all, self.write_waiting = write_all, write_waiting

    def wake(self) -> None:
        """Write soon."""
        if not self._is_called:
            self._is_called = True
            took_ms = self._trouble.write_ms * (0.5 + self._rng.random())
            self._loop.call_later(took_ms * NS_PER_MS / 1e9, self._write)

    def _write(self) -> None:
        self._is_called = False
        self.write_waiting()

    def finish(self, seconds_max: float) -> bool:  # noqa: ARG002  nothing here takes long
        """Write everything now."""
        self._write_all()
        return True


def _idle() -> None:
    """Nothing was given to write yet."""


def _failed(text: str) -> sqlite3.OperationalError:
    """Return the error that SQLite would raise, with its code."""
    error = sqlite3.OperationalError(text)
    if text == LOCKED:
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def connection_of(disk: SimDisk) -> type[sqlite3.Connection]:
    """Return a connection that fails when the disk does, and tells it what was committed."""

    class Connection(sqlite3.Connection):
        pending: list[Sequence[Any]]

        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            if sql == "PRAGMA synchronous = FULL":
                return super().execute("PRAGMA synchronous = OFF")
            if sql == "BEGIN IMMEDIATE":
                self.pending = []
            if sql in ("BEGIN IMMEDIATE", "COMMIT"):
                error = disk.fails_now()
                if error:
                    raise _failed(error)
            done = super().execute(sql, parameters)
            if sql == "COMMIT":
                disk.durable.keep(self.pending)
            return done

        def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
            rows = list(parameters)
            self.pending.extend(rows)
            return super().executemany(sql, rows)

    return Connection
