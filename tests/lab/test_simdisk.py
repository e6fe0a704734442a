"""The simulated disk keeps what was committed, may lose the rest, and fails when it is told to."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.lab.simdisk import SimDisk
from bot.lab.simhost import HEADER, HostClock
from bot.lab.simloop import SimLoop
from bot.runtime.journal import JournalFailedError, Ledger, LedgerRefusedError, Row, entries

ROW = Row(kind="facts", at_ms=1, body='{"fold":1}')


class Rig:
    """A loop, a disk on it, and whoever opens a ledger there."""

    def __init__(self, folder: Path) -> None:
        self.loop = SimLoop(random.Random(1))
        self.disk = SimDisk(self.loop, random.Random(2), folder)
        self.clock = HostClock(self.loop)

    def open(self) -> Ledger:
        return Ledger.open(
            self.disk.path, HEADER, self.clock.wire(), run_id="life", disk=self.disk.mounted()
        )

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.loop.run_until_complete(work())

    def rows(self) -> int:
        return sum(1 for entry in entries(self.disk.path) if entry.kind == "facts")


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.loop.bury()


def test_what_was_waited_for_survives_a_crash(rig):
    async def work() -> None:
        ledger = rig.open()
        await ledger.append([ROW])
        assert rig.loop.now_ns > 0, "a write takes its time"
        rig.disk.crash(ledger)

    rig.run(work)
    assert rig.rows() == 1


def test_what_was_only_handed_over_may_be_there_or_not(rig):
    seen: set[int] = set()

    async def work() -> None:
        for _ in range(20):
            before = rig.rows() if rig.disk.path.exists() else 0
            ledger = rig.open()
            ledger.post([ROW])
            rig.disk.crash(ledger)
            seen.add(rig.rows() - before)

    rig.run(work)
    assert seen == {0, 1}


def test_a_write_that_fails_is_final_and_said_to_whoever_waits(rig):
    async def work() -> None:
        ledger = rig.open()
        rig.disk.trouble.error, rig.disk.trouble.error_writes = "disk I/O error", 1
        with pytest.raises(JournalFailedError, match="disk I/O error"):
            await ledger.append([ROW])
        with pytest.raises(JournalFailedError):
            ledger.post([ROW])
        rig.disk.crash(ledger)

    rig.run(work)
    assert rig.rows() == 0


def test_a_file_that_is_locked_for_a_moment_is_written_after_all(rig):
    async def work() -> None:
        ledger = rig.open()
        rig.disk.trouble.error, rig.disk.trouble.error_writes = "database is locked", 2
        await ledger.append([ROW])
        ledger.close()

    rig.run(work)
    assert rig.rows() == 1


def test_a_ledger_may_be_backed_up_twice_in_one_step(rig):
    """Once the second copy found the first one's name taken, and the lab itself fell over."""

    async def work() -> None:
        ledger = rig.open()
        await ledger.append([ROW])
        assert rig.disk.back_up() != rig.disk.back_up()
        ledger.close()

    rig.run(work)


@pytest.mark.parametrize("harm", ["flip", "restore"])
def test_a_ledger_that_is_not_what_was_written_is_refused(rig, harm):
    async def work() -> None:
        ledger = rig.open()
        await ledger.append([ROW])
        copy = rig.disk.back_up()
        for _ in range(20):
            await ledger.append([ROW])
            await asyncio.sleep(1.0)
        rig.disk.crash(ledger)
        if harm == "flip":
            assert rig.disk.flip()
        else:
            rig.disk.restore(copy)
        with pytest.raises(LedgerRefusedError, match="damaged"):
            rig.open()

    rig.run(work)
