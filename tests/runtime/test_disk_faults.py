"""What a bad disk does to the daemon (faults D1 to D6): nothing is sent that it did not take."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from bot.core.state import Mode
from bot.runtime import journal as journal_module
from bot.runtime.daemon import ExitCode, run_daemon
from bot.runtime.journal import (
    JournalFailedError,
    Ledger,
    LedgerRefusedError,
    Row,
    Verified,
    entries,
    verify,
)
from bot.runtime.ledger_disk import Disk
from bot.runtime.ledger_file import reserve_path
from bot.runtime.stopcock import halt_path
from tests.runtime.desk import HEADER, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")

ROW = Row(kind="step", at_ms=1, body='{"number": 1}')


class BadDisk(sqlite3.Connection):
    """Commits as `faults` say, one after the other: an error, or something that takes its time."""

    faults: ClassVar[list[sqlite3.Error | Callable[[], object]]] = []
    commits: ClassVar[int] = 0  # since the last error

    @override
    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            BadDisk.commits += 1
            fault = BadDisk.faults.pop(0) if BadDisk.faults else None
            if isinstance(fault, sqlite3.Error):
                BadDisk.commits = 0
                raise fault
            if fault is not None:
                fault()
        return super().execute(sql, *parameters)


@pytest.fixture
def bad_disk(monkeypatch) -> Disk:
    monkeypatch.setattr(BadDisk, "faults", [])
    monkeypatch.setattr(BadDisk, "commits", 0)
    return Disk(connection=BadDisk)


FULL_DISK = """
import asyncio, json, os, sys
from pathlib import Path
from bot.core.state import Mode
from bot.quant import black76
from bot.runtime.daemon import run_daemon
from bot.runtime.stopcock import halt_path
from bot.runtime.journal import Ledger, verify
from tests.runtime.desk import HEADER, House, until

async def main(folder):
    black76.greeks(100_000.0, 100_000.0, 0.1, 0.5, True)
    said = {}
    async with House(folder) as house:
        task = asyncio.create_task(run_daemon(house.daemon()))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        house.desk.somebody_trades(50_000)
        await until(lambda: house.desk.requests)
        await until(lambda: house.loop.state.standing.positions == {})
        with (folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(512))
            except OSError:
                pass
        for _ in range(40):
            house.desk.somebody_trades(-80_000)
            await asyncio.sleep(0.05)
            if task.done():
                break
        ended = await asyncio.wait_for(task, 60)
        said |= {"exit": ended.code.value, "reason": ended.reason, "mode": house.loop.state.mode}
        said["orders"] = len(house.desk.requests)
        said["halt_file"] = halt_path(house.ledger.path).read_text()
    rows = str(verify(folder / "journal.db"))
    again = Ledger.open(folder / "journal.db", HEADER)  # still full, but for what was given back
    again.close()
    print(json.dumps(said | {"verified": rows}))

asyncio.run(main(Path(sys.argv[1])))
"""


def on_small_disk(script: str, mount: Path, megabytes: int) -> dict[str, Any]:
    """Run a script with a folder that is a file system of its own, of so many megabytes."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no `unshare` here to mount a small file system with")
    command = f'mount -t tmpfs -o size={megabytes}m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    ran = subprocess.run(
        [unshare, "-Urm", "sh", "-c", command, "sh", str(mount), sys.executable, script],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    if "ermission denied" in ran.stderr or "not permitted" in ran.stderr:
        pytest.skip(f"no small file system can be mounted here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr[-3000:]
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


def test_d1_on_a_full_disk_nothing_more_is_sent_and_the_halt_still_finds_room(tmp_path):
    said = on_small_disk(FULL_DISK, tmp_path, 3)

    assert said["exit"] == ExitCode.HALTED
    assert said["mode"] == Mode.HALT
    assert "full" in said["reason"]
    assert said["orders"] == 1
    assert "full" in said["halt_file"]
    assert said["verified"].startswith("Verified(")


FULL_TAPE = """
import json, sys
from pathlib import Path
from bot.runtime.tape import Tape, TapeReader
from tests.runtime.test_tape import fold_of, quote

folder = Path(sys.argv[1])
tape = Tape(folder / "tape", bytes_max=1_000_000)
filler = folder / "filler"
for number in range(1, 41):
    if number == 11:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(512))
            except OSError:
                pass
    if number == 31:
        filler.unlink()
    tape.fold(fold_of(number, [quote(number * 1.1 + i * i) for i in range(300)]))
    tape.flush()
    [one.result() for one in tape._waiting]
tape.close()
reader = TapeReader(folder / "tape")
folds = [item.number for item in reader]
print(json.dumps({"folds": folds, "torn": len(reader.torn), "lost": tape.blocks_dropped}))
"""


def test_d1_a_disk_that_is_full_for_the_tape_leaves_no_empty_segments_and_it_goes_on_after(
    tmp_path,
):
    said = on_small_disk(FULL_TAPE, tmp_path, 1)

    assert said["lost"] > 10
    assert said["torn"] <= 1
    assert said["folds"][-10:] == list(range(31, 41))
    assert said["folds"][:10] == list(range(1, 11))


async def test_d2_while_somebody_holds_the_file_nothing_is_sent_and_then_all_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(journal_module, "LOCKED_TRIES_MAX", 1_000)
    async with House(tmp_path) as house:
        house.ledger._connection.execute("PRAGMA busy_timeout = 50")
        outbox = asyncio.create_task(house.outbox.run())
        loop = asyncio.create_task(house.loop.run())
        house.desk.quote()
        await until(lambda: house.loop.state.mode is Mode.RUN)
        shell = sqlite3.connect(house.ledger.path, isolation_level=None, timeout=60.0)
        shell.execute("BEGIN IMMEDIATE")  # somebody looks into the ledger, and types a write
        house.desk.quote()
        house.desk.somebody_trades(50_000)
        await asyncio.sleep(0.6)
        assert house.desk.requests == []
        assert not loop.done()
        shell.execute("ROLLBACK")
        shell.close()
        await house.desk.hedged()
        house.loop.stop()
        await loop
        outbox.cancel()
    assert isinstance(verify(house.ledger.path), Verified)


def test_d2_a_file_that_stays_locked_fails_for_good(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "LOCKED_TRIES_MAX", 2)
    ledger = Ledger.open(tmp_path / "l.db", HEADER)
    ledger._connection.execute("PRAGMA busy_timeout = 20")
    shell = sqlite3.connect(ledger.path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalFailedError, match="database is locked"):
        asyncio.run(ledger.append([ROW]))
    shell.execute("ROLLBACK")
    shell.close()
    with pytest.raises(JournalFailedError):
        ledger.post([ROW])
    ledger.close()


async def test_d3_a_flush_that_failed_is_never_tried_again_and_halts_across_restarts(
    tmp_path, bad_disk
):
    async with House(tmp_path, disk=bad_disk) as house:
        task = asyncio.create_task(run_daemon(house.daemon()))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        BadDisk.faults = [sqlite3.OperationalError("disk I/O error")]
        house.desk.somebody_trades(50_000)
        ended = await asyncio.wait_for(task, 60)
        assert BadDisk.commits == 0
    assert ended.code is ExitCode.HALTED
    assert "disk I/O error" in ended.reason
    assert house.desk.requests == []
    assert "disk I/O error" in halt_path(house.ledger.path).read_text()
    assert not reserve_path(house.ledger.path).exists()


def crashed(path: Path, rows: int) -> Path:
    """Return a folder with a ledger as a crash leaves it: rows in the write-ahead log, marked."""
    folder = path / "crashed"
    folder.mkdir()
    ledger = Ledger.open(path / "l.db", HEADER)
    for _ in range(rows):
        ledger._commit([ROW])
    ledger._mark_high()
    for file in path.glob("l.db*"):
        if not file.name.endswith((".lock", "-shm")):
            shutil.copy(file, folder / file.name)
    ledger.close()
    return folder


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_d4_a_flipped_bit_in_the_write_ahead_log_is_noticed_where_sqlite_says_nothing(
    tmp_path, share
):
    folder = crashed(tmp_path, 60)
    wal = folder / "l.db-wal"
    bent = bytearray(wal.read_bytes())
    bent[int(len(bent) * share)] ^= 8
    wal.write_bytes(bent)
    with pytest.raises(LedgerRefusedError, match="is damaged: row"):
        Ledger.open(folder / "l.db", HEADER)


def test_d5_a_backup_put_back_is_noticed_before_anything_is_traded_on_it(tmp_path):
    path = tmp_path / "l.db"
    ledger = Ledger.open(path, HEADER)
    ledger._commit([ROW] * 5)
    with sqlite3.connect(tmp_path / "backup.db") as backup, sqlite3.connect(path) as source:
        source.backup(backup)
    backup.close()
    source.close()
    ledger._commit([ROW] * 5)
    ledger.close()
    for file in tmp_path.glob("l.db-*"):
        file.unlink()
    (tmp_path / "backup.db").rename(path)
    with pytest.raises(LedgerRefusedError, match="ends at row 6, row 11 was once durable"):
        Ledger.open(path, HEADER)
    assert len(list(entries(path))) == 6  # and nothing was changed in it


async def test_d6_on_a_slow_disk_decisions_go_on_and_the_order_waits_for_its_row(
    tmp_path, bad_disk
):
    async with House(tmp_path, disk=bad_disk) as house:
        task = asyncio.create_task(run_daemon(house.daemon()))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        await house.ledger.append([])  # until the disk has all that was before
        requests: list[int] = []

        def flush_slowly() -> None:
            time.sleep(0.1)
            requests.append(len(house.desk.requests))

        BadDisk.faults = [flush_slowly] * 3
        house.desk.somebody_trades(50_000)
        await until(lambda: house.desk.requests)
        assert requests[0] == 0, "nothing was sent while its row was on its way to the disk"
        waited = house.loop.journal.quantiles()
        assert waited is not None
        assert waited.p99 > 50_000  # microseconds
        daemon_ends = house.loop.folds
        await until(lambda: house.loop.folds > daemon_ends + 5)
        task.cancel()
        await asyncio.wait((task,))
    assert isinstance(verify(house.ledger.path), Verified)
