"""A person halts a running daemon: by a file, by a signal, by the page. It stays halted."""

import asyncio
import contextlib
import os
import sqlite3

import pytest

from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.runtime import records
from bot.runtime.daemon import ExitCode, run_daemon
from bot.runtime.halting import HALT_SIGNAL, giver
from bot.runtime.journal import entries, since_last
from bot.runtime.stopcock import halt_path, read_flag
from tests.runtime.desk import House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")


@contextlib.asynccontextmanager
async def running(house: House):
    daemon = house.daemon()
    task = asyncio.create_task(run_daemon(daemon))
    try:
        await until(lambda: house.loop.state.mode is Mode.RUN or task.done())
        yield task
    finally:
        daemon.stop.set()
        await asyncio.wait((task,), timeout=60)


def resume(house: House, command_id: str = "r") -> None:
    house.inbox.admit(
        CommandGiven(
            command=Command.RESUME, command_id=command_id, actor="somebody", note="it was a drill"
        )
    )


def commands(house: House) -> list[str]:
    """Return the commands in the ledger, as their rows."""
    return [row.body for row in entries(house.ledger.path) if row.kind == "command"]


async def test_a_halt_file_halts_nothing_is_sent_and_a_resume_takes_it_away(tmp_path):
    async with House(tmp_path) as house:
        flag = halt_path(house.ledger.path)
        async with running(house):
            flag.write_text("margin call, all stop\n")
            await until(lambda: house.loop.state.mode is Mode.HALT)
            assert "by the file journal.db.halt: margin call" in house.loop.state.mode_reason
            house.desk.somebody_trades(50_000)
            await asyncio.sleep(0.1)
            assert house.desk.requests == []
            resume(house)
            await until(lambda: house.loop.state.mode is Mode.RUN)
            assert not flag.exists()
            await until(lambda: house.desk.requests)
        assert any("margin call" in row for row in commands(house))


async def test_a_signal_halts_and_says_who_in_ledger_and_flag(tmp_path):
    async with House(tmp_path) as house:
        async with running(house) as task:
            os.kill(os.getpid(), HALT_SIGNAL)
            await until(lambda: house.loop.state.mode is Mode.HALT)
            assert "by signal SIGUSR1" in house.loop.state.mode_reason
        assert task.result().code is ExitCode.HALTED
        assert read_flag(halt_path(house.ledger.path)) == (
            f"signal SIGUSR1 to process {os.getpid()}"
        )
        assert any("signal SIGUSR1" in row for row in commands(house))


async def test_a_halt_on_its_way_to_the_loop_stops_orders_already(tmp_path):
    async with House(tmp_path) as house, running(house):
        command = CommandGiven(command=Command.HALT, command_id="c" * 8, actor="the page")
        giver(house.inbox, house.outbox.stopcock)(command)
        assert house.outbox.stopcock.reason == "halted by the page"
        await until(lambda: house.loop.state.mode is Mode.HALT)


async def test_a_start_into_a_halt_sends_nothing_until_resumed_by_ledger_or_by_flag(tmp_path):
    async with House(tmp_path) as house, running(house):
        halt_path(house.ledger.path).write_text("stop\n")
        await until(lambda: house.loop.state.mode is Mode.HALT)
    rows = since_last(house.ledger.path, *records.STANDING_KINDS)
    standing = records.latest_standing(rows)
    for known, flagged in ((standing, False), (None, True), (standing, True)):
        halt_path(house.ledger.path).unlink(missing_ok=True)
        if flagged:
            halt_path(house.ledger.path).write_text("stop\n")
        async with House(tmp_path, standing=known) as again:
            again.desk.position += 50_000
            again.outbox.stopcock.latch(again.begun.standing.halt_reason)
            task = asyncio.create_task(run_daemon(daemon := again.daemon()))
            await until(lambda: again.loop.state.mode is Mode.HALT)
            await asyncio.sleep(0.05)
            assert again.desk.requests == []
            assert halt_path(again.ledger.path).exists()
            daemon.stop.set()
            await task


async def test_a_halt_of_the_core_s_own_stops_orders_before_the_disk_has_its_row(
    tmp_path, monkeypatch
):
    async with House(tmp_path) as house:
        shut_while_written: list[str] = []
        append = house.ledger.append

        async def slowly(rows):
            if any(row.kind == "command" for row in rows):
                shut_while_written.append(house.outbox.stopcock.reason)
            await append(rows)

        monkeypatch.setattr(house.ledger, "append", slowly)
        async with running(house):
            halt = CommandGiven(command=Command.HALT, command_id="c" * 8, actor="the core")
            house.inbox.admit(halt)  # past whoever would shut the tap on its way
            await until(lambda: house.loop.state.mode is Mode.HALT)
        assert shut_while_written == ["halted by the core"]


async def test_a_daemon_that_was_told_to_end_sends_nothing_that_it_had_decided(tmp_path):
    async with House(tmp_path) as house:
        async with running(house):
            assert house.outbox.stopcock.reason == ""
        assert house.outbox.stopcock.reason == "the daemon is stopping"


async def test_a_halt_that_the_disk_keeps_waiting_is_left_for_the_next_start(tmp_path):
    """Once a halt was answered with "accepted", and a kill before its row was durable undid it."""
    async with House(tmp_path) as house, running(house):
        shell = sqlite3.connect(house.ledger.path, isolation_level=None, timeout=60.0)
        shell.execute("BEGIN IMMEDIATE")
        command = CommandGiven(command=Command.HALT, command_id="c" * 8, actor="the page")
        giver(house.inbox, house.outbox.stopcock)(command)
        flag = halt_path(house.ledger.path)
        with contextlib.suppress(TimeoutError):
            await until(flag.exists, seconds=10)
        left, written = read_flag(flag), commands(house)
        shell.execute("ROLLBACK")  # or whoever leaves the house waits for it
        shell.close()
        assert left == "halted by the page"
        assert written == []
        await until(lambda: house.loop.state.mode is Mode.HALT)
        resume(house)
        await until(lambda: house.loop.state.mode is Mode.RUN)
        assert not flag.exists()
