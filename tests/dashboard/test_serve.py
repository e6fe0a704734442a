"""The interface on a real port: where it says it is, and how it leaves."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.dashboard import address, app, serve
from bot.dashboard.guard import Rules
from tests.dashboard.scenes import running

TOKEN = "a-token-for-tests"
LEAVES_SECONDS = 60  # on a busy machine; whoever waits for such a client never leaves
RULES = Rules(hosts=frozenset({"127.0.0.1"}), token=TOKEN, token_to_read=False)


@asynccontextmanager
async def served(journal: Path) -> AsyncIterator[address.Address]:
    scene = running()
    pages = app.build(scene.window, lambda _: None, RULES)
    sock = serve.bind("127.0.0.1", 0)
    task = asyncio.create_task(serve.serve(pages, sock, journal, TOKEN))
    where = address.find(journal)
    while where is None:
        await asyncio.sleep(0.01)
        where = address.find(journal)
    try:
        yield where
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_verbs_find_port_and_token_beside_the_ledger_and_nobody_else_can_read_them(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "ledger.db"
    async with served(journal) as where:
        assert where.token == TOKEN
        assert mode(address.port_path(journal)) == 0o600
        assert mode(address.token_path(journal)) == 0o600
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{where.url}/api/v1/status")
        assert answer.json()["mode"]["name"] == "run"
        assert "server" not in answer.headers

    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  nothing is left behind


async def test_a_client_that_hangs_on_does_not_keep_the_daemon_from_leaving(tmp_path: Path) -> None:
    async with asyncio.timeout(LEAVES_SECONDS), served(tmp_path / "ledger.db") as where:
        _, hanging = await asyncio.open_connection(where.host, where.port)
        hanging.write(b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        await hanging.drain()
    hanging.close()


def test_a_taken_port_is_named_before_anything_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(serve.PortTakenError, match=f"port {port} on 127.0.0.1 is in use"):
            serve.bind("127.0.0.1", port)


@pytest.mark.parametrize("place", ["", "port", "0", "70000", "-1", "host:", "٣٣"])
def test_a_port_file_that_makes_no_sense_names_no_daemon(tmp_path: Path, place: str) -> None:
    journal = tmp_path / "ledger.db"
    address.write_private(address.port_path(journal), place)
    address.write_private(address.token_path(journal), TOKEN)

    assert address.find(journal) is None


def test_an_unusual_bind_is_remembered_with_its_host(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    with address.published(journal, address.reached_at("::1", 8000, TOKEN)):
        found = address.find(journal)

    assert found is not None
    assert found.url == "http://[::1]:8000"
    assert address.reached_at("0.0.0.0", 8000, TOKEN).url == "http://127.0.0.1:8000"


async def test_a_listener_hears_the_mode_at_once_and_does_not_keep_the_daemon_from_leaving(
    tmp_path: Path,
) -> None:
    async with (
        asyncio.timeout(LEAVES_SECONDS),
        served(tmp_path / "ledger.db") as where,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        request = client.build_request("GET", f"{where.url}/api/v1/stream")
        answer = await client.send(request, stream=True)
        lines = answer.aiter_lines()
        first = [await anext(lines) for _ in range(3)]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first[0] == "event: mode"
    assert '"name":"run"' in first[2]
