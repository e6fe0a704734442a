"""A ledger in volumes: one chain, one name, nothing lost at the seams."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from bot.core.state import Mode
from bot.core.units import MS_PER_DAY
from bot.lab.replay import replay
from bot.runtime import journal as journal_module
from bot.runtime import ledger_file, records
from bot.runtime.journal import (
    Broken,
    JournalFailedError,
    Ledger,
    LedgerRefusedError,
    Row,
    Verified,
    counts,
    entries,
    since_last,
    verify,
)
from bot.runtime.ledger_disk import Disk
from bot.runtime.ledger_volumes import all_entries, all_runs, tidy, verify_all, volumes
from tests.runtime.bent import bend
from tests.runtime.desk import HEADER, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")


def rows(first: int, count: int) -> list[Row]:
    return [
        Row(kind="step", at_ms=n, body=f'{{"number": {n}}}') for n in range(first, first + count)
    ]


class Killed(BaseException):
    """The process ends here."""


FIRST = [Row(kind="standing", at_ms=0, body='{"number": 0}')]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def three_volumes(path: Path) -> None:
    ledger = Ledger.open(path, HEADER, run_id="r")
    for number in range(3):
        ledger._commit(rows(10 * number, 10))
        if number < 2:
            ledger._turn_over(FIRST)
    ledger.close()


def steps(path: Path) -> list[int]:
    return [entry.at_ms for entry in all_entries(path) if entry.kind == "step"]


def test_the_chain_goes_on_from_volume_to_volume_and_every_row_is_in_one(path):
    three_volumes(path)
    assert [one.name for one in volumes(path)] == ["ledger.db.0001", "ledger.db.0002"]
    assert steps(path) == list(range(30))
    seqs = [entry.seq for entry in all_entries(path)]
    assert seqs == list(range(1, len(seqs) + 1))
    whole = verify_all(path)
    assert isinstance(whole, Verified)
    assert whole.rows == len(seqs)
    assert [entry.kind for entry in entries(path)][:3] == ["volume", "run", "standing"]
    assert all_runs(path) == ("r",)
    assert all(one.stat().st_mode & 0o77 == 0 for one in path.parent.iterdir())


def test_the_next_start_needs_the_last_volume_only(path):
    three_volumes(path)
    for one in volumes(path):
        one.unlink()
    Ledger.open(path, HEADER).close()
    assert isinstance(verify(path), Verified)
    assert len(since_last(path, "standing", "change")) == 1
    with pytest.raises(LedgerRefusedError, match="belongs to mode"):
        Ledger.open(path, journal_module.RunHeader(
            code_version="1", config_digest="c0ffee", account="demo", mode="live"
        ))  # fmt: skip


def test_whoever_reads_on_while_a_daemon_turns_misses_no_volume(path):
    three_volumes(path)
    reading = all_entries(path)
    read = [next(reading)]
    ledger = Ledger.open(path, HEADER)
    ledger._turn_over(FIRST)
    now_ms = volumes(path)[-1].stat().st_mtime_ns // 1_000_000
    read += [next(reading) for _ in range(15)]
    tidy(path, keep_days=30, epoch_ms=now_ms)
    ledger._commit(rows(30, 5))
    ledger.close()
    read += reading
    assert [entry.seq for entry in read] == list(range(1, len(read) + 1))
    assert [entry.at_ms for entry in read if entry.kind == "step"] == list(range(35))


def test_closed_volumes_are_compressed_and_read_as_before(path):
    three_volumes(path)
    before = list(all_entries(path))
    size = sum(one.stat().st_size for one in volumes(path))
    now_ms = max(one.stat().st_mtime_ns for one in volumes(path)) // 1_000_000
    tidy(path, keep_days=30, epoch_ms=now_ms)
    assert [one.name for one in volumes(path)] == ["ledger.db.0001.gz", "ledger.db.0002.gz"]
    assert sum(one.stat().st_size for one in volumes(path)) < size / 4
    assert list(all_entries(path)) == before
    assert isinstance(verify_all(path), Verified)
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("place", ["rename", "sync_folder", "unlink"])
def test_a_crash_while_a_volume_is_compressed_shows_no_row_twice(path, monkeypatch, place):
    three_volumes(path)
    before = list(all_entries(path))
    now_ms = max(one.stat().st_mtime_ns for one in volumes(path)) // 1_000_000

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as crash:
        crash.setattr(ledger_file if place == "sync_folder" else Path, place, killed)
        with pytest.raises(Killed):
            tidy(path, keep_days=30, epoch_ms=now_ms)
    assert list(all_entries(path)) == before
    assert isinstance(verify_all(path), Verified)
    tidy(path, keep_days=30, epoch_ms=now_ms)
    assert sorted(one.name for one in path.parent.glob("*.000*")) == [
        "ledger.db.0001.gz",
        "ledger.db.0002.gz",
    ]


@pytest.mark.parametrize("bent", [lambda raw: raw[:-20], lambda raw: raw[:40] + b"?" + raw[41:]])
def test_a_compressed_volume_that_is_damaged_is_named_in_words(path, bent):
    three_volumes(path)
    now_ms = max(one.stat().st_mtime_ns for one in volumes(path)) // 1_000_000
    tidy(path, keep_days=30, epoch_ms=now_ms)
    first = volumes(path)[0]
    first.write_bytes(bent(first.read_bytes()))
    for ask in (verify_all, all_runs, lambda ledger: list(all_entries(ledger))):
        with pytest.raises(LedgerRefusedError, match=r"0001\.gz cannot be unpacked"):
            ask(path)


class DiesWhileTurning(sqlite3.Connection):
    """Cannot flush what a volume needs to be closed."""

    @override
    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA journal_mode = DELETE":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return super().execute(sql, *parameters)


async def test_a_flush_that_fails_while_a_volume_is_closed_is_no_reader_and_is_final(path):
    ledger = Ledger.open(path, HEADER, disk=Disk(connection=DiesWhileTurning))
    ledger.turn(FIRST)
    with pytest.raises(JournalFailedError, match="disk I/O error"):
        await ledger.append(rows(0, 1))
    assert "disk I/O error" in ledger.failure
    ledger.close()


def test_old_volumes_are_deleted_and_what_is_left_is_still_whole(path):
    three_volumes(path)
    first, second = volumes(path)
    os.utime(first, ns=(0, 0))
    now_ms = second.stat().st_mtime_ns // 1_000_000 + 29 * MS_PER_DAY
    tidy(path, keep_days=30, epoch_ms=now_ms)
    assert [one.name for one in volumes(path)] == ["ledger.db.0002.gz"]
    assert steps(path) == list(range(10, 30))
    assert isinstance(verify_all(path), Verified)


def test_a_broken_row_in_a_closed_volume_is_found_and_named(path):
    three_volumes(path)
    first, second = volumes(path)
    bend(second, "UPDATE ledger SET at_ms = 7 WHERE seq = 18")
    found = verify_all(path)
    assert isinstance(found, tuple)
    assert (found[0], found[1].seq) == (second, 18)
    shutil.copy(first, second)
    assert isinstance(verify_all(path), tuple)


def test_a_missing_volume_in_the_middle_is_a_hole_in_the_chain(path):
    three_volumes(path)
    volumes(path)[1].unlink()
    found = verify_all(path)
    assert isinstance(found, tuple)
    assert "missing" in found[1].reason


def test_rows_cut_from_the_front_of_a_ledger_are_not_taken_for_an_older_volume(path):
    ledger = Ledger.open(path, HEADER)
    ledger._commit(rows(0, 10))
    ledger.close()
    bend(path, "DELETE FROM ledger WHERE seq < 4")
    broken = verify(path)
    assert isinstance(broken, Broken)
    assert broken.seq == 1


def test_while_somebody_reads_the_ledger_it_goes_on_in_the_same_volume(path):
    ledger = Ledger.open(path, HEADER)
    ledger._commit(rows(0, 10))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM ledger").fetchone() == (11,)
    ledger._turn_over(FIRST)
    ledger._commit(rows(10, 10))
    assert volumes(path) == []
    assert reader.execute("SELECT COUNT(*) FROM ledger").fetchone() == (11,)
    reader.close()
    ledger._turn_over(FIRST)
    ledger._commit(rows(20, 10))
    ledger.close()
    assert len(volumes(path)) == 1
    assert steps(path) == list(range(30))


@pytest.mark.parametrize("place", ["write_high", "create", "link", "rename", "sync_folder"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_between_two_volumes_loses_nothing(path, monkeypatch, place, after):
    ledger = Ledger.open(path, HEADER)
    ledger._commit(rows(0, 10))
    owner = {"link": os, "rename": Path}.get(place, ledger_file)
    right = getattr(owner, place)

    def killed(*args: object) -> object:
        if after:
            right(*args)
        raise Killed

    with monkeypatch.context() as crash:
        crash.setattr(owner, place, killed)
        with pytest.raises(Killed):
            ledger._turn_over(FIRST)
    os.close(ledger._lock)
    assert steps(path) == list(range(10))
    assert isinstance(verify_all(path), Verified)
    again = Ledger.open(path, HEADER)
    again._commit(rows(10, 5))
    again._turn_over(FIRST)
    again._commit(rows(15, 5))
    again.close()
    assert steps(path) == list(range(20))
    assert isinstance(verify_all(path), Verified)


async def test_a_busy_daemon_turns_without_losing_a_row_and_its_run_can_be_replayed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(journal_module, "HIGH_EVERY_NS", 0)
    house = House(tmp_path, volume_bytes=40_000)
    async with house:
        outbox = asyncio.create_task(house.outbox.run())
        loop = asyncio.create_task(house.loop.run())
        house.desk.quote()
        await until(lambda: house.loop.state.mode is Mode.RUN)
        for size in (50_000, -80_000):
            wanted = len(house.desk.requests) + 1
            house.desk.quote()
            house.desk.somebody_trades(size)
            await until(lambda wanted=wanted: len(house.desk.requests) >= wanted)
            await until(lambda: house.loop.state.standing.positions == {})
        await until(lambda: bool(volumes(house.ledger.path)))
        house.loop.stop()
        await asyncio.wait((loop,))
        outbox.cancel()
        await asyncio.wait((outbox,))
    path = house.ledger.path
    assert isinstance(verify_all(path), Verified)
    found = replay(path, tmp_path / "tape")
    assert found.difference is None
    (run,) = found.runs
    assert (run.folds, run.folds_untaped) == (house.loop.folds, 0)
    taken_up = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert taken_up == house.loop.state.standing
    assert counts(path)["policy"] == 1
