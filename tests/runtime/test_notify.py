"""What the service manager hears, through a real socket: readiness, a heartbeat, and the end."""

import asyncio
import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
import structlog

from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.runtime.daemon import run_daemon
from bot.runtime.notify import Herald, herald_of
from tests.runtime.desk import House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")

PID = 4711


class Supervisor:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[list[str]] = []

    def listen(self) -> list[list[str]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self.sock.recv(4096).decode().split("\n"))
        return self.heard

    def count(self, word: str) -> int:
        return sum(words.count(word) for words in self.listen())


@pytest.fixture
def manager(tmp_path):
    made = Supervisor(str(tmp_path / "notify"))
    yield made
    made.sock.close()


@contextlib.asynccontextmanager
async def running(house: House, herald: Herald):
    house.loop.watch(herald.on_step)
    daemon = house.daemon(on_leaving=herald.on_leaving)
    task = asyncio.create_task(run_daemon(daemon))
    try:
        yield task
    finally:
        daemon.stop.set()
        await asyncio.wait((task,), timeout=60)


def herald(manager: Supervisor, **environ: str) -> Herald:
    return herald_of({"NOTIFY_SOCKET": manager.sock.getsockname(), **environ}, PID)


async def test_a_daemon_is_ready_once_it_has_read_the_account_and_says_when_it_ends(
    tmp_path, manager
):
    async with House(tmp_path) as house:
        async with running(house, herald(manager)):
            await until(lambda: manager.count("READY=1"))
            assert house.loop.state.mode is Mode.RUN
            assert manager.count("STOPPING=1") == 0
        words = [word for told in manager.listen() for word in told]

    assert words.count("READY=1") == 1
    assert words.count("STOPPING=1") == 1
    assert any(word.startswith("STATUS=run: ") for word in words)


async def test_a_start_that_waits_for_the_venue_asks_for_more_time_and_is_not_ready(
    tmp_path, manager
):
    async with House(tmp_path) as house:
        house.desk.account = lambda: ()  # type: ignore[method-assign]  # it never answers whole
        async with running(house, herald(manager)):
            await until(lambda: manager.count("EXTEND_TIMEOUT_USEC=60000000"))
            await asyncio.sleep(0.05)
    assert house.loop.state.mode is Mode.RECONCILING
    assert manager.count("READY=1") == 0


async def test_a_daemon_that_starts_halted_is_ready_too(tmp_path, manager):
    async with House(tmp_path) as house:
        house.inbox.admit(
            CommandGiven(command=Command.HALT, command_id="1", actor="a person", note="stop")
        )
        async with running(house, herald(manager)):
            await until(lambda: manager.count("READY=1"))
            assert house.loop.state.mode is Mode.HALT


async def test_a_loop_that_stands_still_gives_the_watchdog_nothing(tmp_path, manager):
    stuck, waits = asyncio.Event(), asyncio.Event()

    async with House(tmp_path) as house:
        durable = house.ledger.append

        async def held_back(rows):
            waits.set()
            await stuck.wait()
            await durable(rows)

        async with running(house, herald(manager, WATCHDOG_USEC="30000", WATCHDOG_PID=str(PID))):
            await until(lambda: manager.count("WATCHDOG=1") > 4)

            house.ledger.append = held_back  # type: ignore[method-assign]  # a disk that hangs
            house.desk.somebody_trades(50_000)
            await waits.wait()
            before = manager.count("WATCHDOG=1")
            await asyncio.sleep(0.3)
            assert manager.count("WATCHDOG=1") == before

            stuck.set()
            await until(lambda: manager.count("WATCHDOG=1") > before)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 10.0),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": str(PID)}, 2.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}, 10.0),
        ({"WATCHDOG_USEC": "soon"}, 10.0),
    ],
)
def test_words_come_three_times_in_the_time_that_the_watchdog_allows(environ, seconds):
    assert herald_of(environ, PID).word_ns == pytest.approx(seconds * 1e9)


def test_an_abstract_socket_is_reached():
    manager = Supervisor(f"@deltaband-test-{os.getpid()}-{time.monotonic_ns()}")
    address = "@" + manager.sock.getsockname()[1:].decode()

    herald_of({"NOTIFY_SOCKET": address}, PID).on_leaving()

    assert manager.count("STOPPING=1") == 1
    manager.sock.close()


def test_a_manager_that_went_away_is_mentioned_once_and_stops_nothing(tmp_path: Path):
    herald = herald_of({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, PID)

    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            herald.on_leaving()

    assert [line["event"] for line in told] == ["the service manager was not told"]
