"""The ledger: what was acknowledged is there, whatever was killed, cut or bent."""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.runtime import journal as journal_module
from bot.runtime.journal import (
    Broken,
    JournalFailedError,
    Ledger,
    LedgerRefusedError,
    Row,
    RunHeader,
    Verified,
    counts,
    entries,
    since_last,
    tail,
    verify,
)
from bot.runtime.ledger_file import read_high
from bot.runtime.ledger_lock import kept_away
from tests.runtime.bent import bend
from tests.runtime.desk import until

HEADER = RunHeader(code_version="1", config_digest="c0ffee", account="demo", mode="rehearsal")


def row(number: int, kind: str = "step") -> Row:
    return Row(kind=kind, at_ms=1_000 + number, body=json.dumps({"number": number}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def write(path: Path, rows: int) -> None:
    async with Ledger.open(path, HEADER) as ledger:
        for number in range(rows):
            await ledger.append([row(number)])


async def test_rows_come_back_in_order_with_the_run_that_wrote_them(path):
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1), row(2)])
        await ledger.append([row(3, "facts")])
        run_id = ledger.run_id
    read = list(entries(path))
    assert [entry.kind for entry in read] == ["run", "step", "step", "facts"]
    assert {entry.run_id for entry in read} == {run_id}
    assert json.loads(read[0].body)["account"] == "demo"
    assert [entry.body for entry in tail(path, 2)] == ['{"number": 2}', '{"number": 3}']
    assert [entry.at_ms for entry in tail(path, 5, "step")] == [1_001, 1_002]
    assert counts(path) == {"facts": 1, "run": 1, "step": 2}
    assert verify(path) == Verified(rows=4, head=ledger.head)


async def test_a_row_is_on_disk_for_another_process_when_append_returns(path):
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1)])
        assert tail(path, 1)[0].body == '{"number": 1}'
        assert isinstance(verify(path), Verified)


async def test_rows_that_nobody_waits_for_are_on_disk_before_those_that_follow(path):
    async with Ledger.open(path, HEADER) as ledger:
        for number in range(20):
            ledger.post([row(number)])
        await ledger.append([row(20)])
        written = [json.loads(entry.body) for entry in entries(path) if entry.kind != "run"]
        assert written == [{"number": number} for number in range(21)]
        ledger.post([row(21)])
        await ledger.append([])
        assert counts(path)["step"] == 22


async def test_the_latest_standing_and_what_changed_since_are_found_after_a_restart(path):
    async with Ledger.open(path, HEADER) as ledger:
        assert since_last(path, "standing", "change") == ()
        await ledger.append([row(1, "standing"), row(2, "change"), row(3, "standing"), row(4)])
        await ledger.append([row(5, "change"), row(6, "change")])
    found = since_last(path, "standing", "change")
    assert [json.loads(entry.body)["number"] for entry in found] == [3, 5, 6]


async def test_many_callers_share_a_commit_and_each_keeps_its_own_order(path):
    async with Ledger.open(path, HEADER) as ledger:

        async def caller(name: int) -> None:
            for number in range(20):
                await ledger.append([row(1_000 * name + number)])

        async with asyncio.TaskGroup() as group:
            for name in range(10):
                group.create_task(caller(name))
    numbers = [json.loads(entry.body)["number"] for entry in entries(path, 2)]
    assert len(numbers) == 200
    for name in range(10):
        mine = [number for number in numbers if number // 1_000 == name]
        assert mine == sorted(mine)
    assert isinstance(verify(path), Verified)


async def test_a_second_daemon_on_the_same_ledger_is_refused(path):
    async with Ledger.open(path, HEADER):
        with pytest.raises(LedgerRefusedError, match="another daemon is running on ledger"):
            Ledger.open(path, HEADER)
    async with Ledger.open(path, HEADER):
        pass  # and the first one's lock went with it


async def test_a_ledger_of_another_account_or_mode_is_refused(path):
    await write(path, 1)
    other = RunHeader(code_version="1", config_digest="c0ffee", account="demo", mode="live")
    with pytest.raises(LedgerRefusedError, match="belongs to mode 'rehearsal', not 'live'"):
        Ledger.open(path, other)


async def test_a_ledger_of_a_newer_version_is_refused(path):
    await write(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerRefusedError, match="format 99; this version reads up to 1"):
        Ledger.open(path, HEADER)


def notes(path: Path) -> None:
    path.write_text("shopping list: milk, bread, three hundred puts\n" * 40)


def another_program_s_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


@pytest.mark.parametrize("made", [notes, another_program_s_database])
async def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path, made):
    made(path)
    before = path.read_bytes()

    with pytest.raises(LedgerRefusedError) as refused:
        Ledger.open(path, HEADER)

    assert f"{path} is no ledger of deltaband" in str(refused.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(LedgerRefusedError, match="cannot be read as a ledger"):
        tail(path, 1)


def test_a_directory_that_takes_no_files_is_named_in_one_sentence():
    with pytest.raises(LedgerRefusedError) as refused:
        Ledger.open(Path("/proc/ledger.sqlite3"), HEADER)

    assert "directory /proc takes no files" in str(refused.value)
    assert "Errno" not in str(refused.value)


def test_reading_a_ledger_that_is_not_there_makes_no_file(path):
    with pytest.raises(LedgerRefusedError, match="there is no ledger at"):
        verify(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE ledger SET body = '{\"number\": 9}' WHERE seq = 5", 5, "content does not match"),
        ("UPDATE ledger SET at_ms = 7 WHERE seq = 5", 5, "content does not match"),
        ("UPDATE ledger SET kind = 'facts' WHERE seq = 5", 5, "content does not match"),
        ("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 5", 5, "content does not match"),
        ("DELETE FROM ledger WHERE seq = 5", 5, "missing: row 4 is followed by row 6"),
        (
            "DELETE FROM ledger WHERE seq > 8",
            9,
            "the ledger ends at row 8, row 11 was once durable",
        ),
    ],
)
async def test_a_damaged_row_is_found_and_the_daemon_does_not_start_on_it(
    path, statement, seq, reason
):
    await write(path, 10)
    bend(path, statement)
    broken = verify(path)
    assert isinstance(broken, Broken)
    assert broken.seq == seq
    assert reason in broken.reason
    with pytest.raises(LedgerRefusedError, match="is damaged"):
        Ledger.open(path, HEADER)


async def test_a_rewritten_history_that_follows_from_itself_still_fails_the_high_water_mark(
    path, tmp_path
):
    await write(path, 10)
    other = tmp_path / "other.db"
    await write(other, 10)
    other.replace(path)
    broken = verify(path)
    assert isinstance(broken, Broken)
    assert (broken.seq, broken.reason) == (11, "is not the row that the high-water mark knows")
    assert "put back from a copy" in broken.means


async def test_a_copy_without_its_write_ahead_log_is_not_taken_for_an_empty_ledger(path):
    await write(path, 10)
    path.unlink()
    with pytest.raises(LedgerRefusedError, match="ends at row 0, row 11 was once durable"):
        Ledger.open(path, HEADER)


async def test_rows_can_neither_be_changed_nor_deleted_by_a_stray_statement(path):
    await write(path, 2)
    connection = sqlite3.connect(path)
    for statement in ("UPDATE ledger SET body = ''", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


async def test_the_ledger_and_all_that_lies_beside_it_is_for_its_owner_only(path, monkeypatch):
    monkeypatch.setattr(journal_module, "HIGH_EVERY_NS", 3_600 * 10**9)  # no file comes and goes
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1)])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"journal.db", "journal.db-wal", "journal.db.lock", "journal.db.high"}
    assert set(modes.values()) == {0o600}


async def test_a_write_that_fails_fails_all_that_wait_and_everything_after(path):
    ledger = Ledger.open(path, HEADER)
    await ledger.append([row(1)])
    ledger._connection.execute(
        "PRAGMA query_only = ON"
    )  # what a disk that went read-only looks like
    results = await asyncio.gather(
        ledger.append([row(2)]), ledger.append([row(3)]), return_exceptions=True
    )
    assert [type(result) for result in results] == [JournalFailedError, JournalFailedError]
    ledger._connection.execute("PRAGMA query_only = OFF")
    with pytest.raises(JournalFailedError, match="cannot write"):
        await ledger.append([row(4)])
    ledger.close()
    assert [entry.kind for entry in entries(path)] == ["run", "step"]


async def test_a_row_that_could_not_be_written_is_not_marked_and_the_next_start_needs_no_repair(
    path,
):
    """A mark that ran ahead of its row would say of a whole ledger that its end was lost."""
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1)])
        ledger._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalFailedError):
            await ledger.append([row(2)])
        high = read_high(path)
        assert high is not None
        assert high.seq <= 2
    async with Ledger.open(path, HEADER) as again:
        assert again.head.seq == 3, "a run, its row, and the next run"


async def test_a_closed_ledger_takes_nothing(path):
    ledger = Ledger.open(path, HEADER)
    ledger.close()
    ledger.close()
    with pytest.raises(JournalFailedError, match="closed"):
        await ledger.append([row(1)])


WRITER = """
import asyncio, sys
from pathlib import Path
from bot.runtime.journal import Ledger, Row, RunHeader
async def main():
    header = RunHeader(code_version="1", config_digest="c0ffee", account="demo", mode="rehearsal")
    ledger = Ledger.open(Path(sys.argv[1]), header)
    while True:
        rows = [Row(kind="step", at_ms=0, body="x" * 300), Row(kind="facts", at_ms=0, body="y")]
        await ledger.append(rows)
        print(ledger.head.seq, flush=True)
asyncio.run(main())
"""


def test_five_kills_in_mid_write_lose_no_acknowledged_row(path):
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = "".join(writer.stdout.readline() for _ in range(3))
        time.sleep(chance.uniform(0.01, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        said = (first + writer.stdout.read()).split("\n")
        writer.stdout.close()
        writer.wait()
        acknowledged = int(said[-2])  # the last whole line
        whole = verify(path)
        assert isinstance(whole, Verified)
        assert whole.rows >= acknowledged
    assert counts(path)["run"] == 5
    assert acknowledged > 5 * 3


async def test_whatever_ends_the_writing_is_said_to_all_that_wait_and_everything_after(path):
    ledger = Ledger.open(path, HEADER)
    impossible = Row(kind="step", at_ms=1 << 70, body="{}")  # no column holds it
    results = await asyncio.gather(
        ledger.append([row(1)]), ledger.append([impossible]), return_exceptions=True
    )
    assert isinstance(results[1], JournalFailedError)
    with pytest.raises(JournalFailedError, match="cannot write"):
        ledger.check()
    ledger.close()
    assert isinstance(verify(path), Verified)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_in_one_sentence(path, monkeypatch, number):
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(LedgerRefusedError, match=r"its directory .* knows no locks"):
        Ledger.open(path, HEADER)
    with pytest.raises(LedgerRefusedError, match="knows no locks"), kept_away(path):
        pass


async def test_the_last_row_before_a_long_silence_is_marked_too(path, monkeypatch):
    """A mark that moved with the next row only left the last order without one for hours."""
    monkeypatch.setattr(journal_module, "HIGH_EVERY_NS", 50_000_000)
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1)])
        await until(lambda: read_high(path) == ledger.head, seconds=60)


@pytest.mark.parametrize("put_back", [True, False])
async def test_a_ledger_that_is_replaced_or_deleted_under_its_daemon_halts_it(
    path, monkeypatch, put_back
):
    """Its rows would go on into a file that has no name any more, and be gone with the process."""
    monkeypatch.setattr(journal_module, "HIGH_EVERY_NS", 0)
    async with Ledger.open(path, HEADER) as ledger:
        await ledger.append([row(1)])
        backup = path.with_name("backup.db")
        shutil.copy(path, backup)
        backup.replace(path) if put_back else path.unlink()
        with contextlib.suppress(JournalFailedError):  # or the mark of the first has noticed it
            ledger.post([row(2)])
        await until(lambda: bool(ledger.failure), seconds=60)
        assert "replaced" in ledger.failure if put_back else "No such file" in ledger.failure
        with pytest.raises(JournalFailedError):
            ledger.check()
