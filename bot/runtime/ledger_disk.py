"""How a ledger's rows get to the disk: who writes them, and over which connection.

The shell that ships writes in a thread of its own, so that no decision waits for a flush. The fault
lab writes in virtual time, over a connection that fails when the seed says so.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol


class Scribe(Protocol):
    """Somebody who takes up the rows that wait, again and again, in a time of its own."""

    def start(self, write_all: Callable[[], None], write_waiting: Callable[[], None]) -> None:
        """Begin. `write_all` blocks, and returns after the last row; `write_waiting` does not."""

    def wake(self) -> None:
        """Take note that rows wait."""

    def finish(self, seconds_max: float) -> bool:
        """Wait until the last row was taken up; False if that took longer."""


class ThreadScribe:
    """Writes in a thread, which blocks where there is nothing to write."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, write_all: Callable[[], None], write_waiting: Callable[[], None]) -> None:  # noqa: ARG002  the thread may block
        """Begin."""
        self._thread = threading.Thread(target=write_all, name="ledger", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Do nothing: the thread waits for rows itself."""

    def finish(self, seconds_max: float) -> bool:
        """Wait for the thread's end."""
        assert self._thread is not None, "a scribe is started first"
        self._thread.join(seconds_max)
        return not self._thread.is_alive()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Who writes, and over what kind of connection."""

    scribe: Callable[[], Scribe] = ThreadScribe
    connection: type[sqlite3.Connection] = sqlite3.Connection


HOST_DISK = Disk()


def answer(waiting: "Sequence[asyncio.Future[None]]", error: Exception | None) -> None:
    """Wake those who wait for rows, each in its own event loop, one wake-up a loop."""
    for loop in {done.get_loop() for done in waiting}:
        mine = [done for done in waiting if done.get_loop() is loop]
        with suppress(RuntimeError):  # that loop has ended, and nobody waits in it any more
            loop.call_soon_threadsafe(_resolve, mine, error)


def _resolve(waiting: "Sequence[asyncio.Future[None]]", error: Exception | None) -> None:
    for future in waiting:
        if future.done():  # its caller was cancelled meanwhile
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
