"""The composition root: what it puts together, and what it refuses in one clear line."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot import settings
from bot.core.state import Mode
from bot.dashboard import address, serve
from bot.runtime import journal
from bot.runtime.account_lock import AccountTakenError
from bot.runtime.daemon import Exit, ExitCode, run_daemon
from bot.settings import Settings
from bot.venues.port import VenueRefusedError, VenueUnreachableError
from bot.wiring.daemon import System, build_daemon, secrets_of
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.runtime.desk import until

DEMO = Path(__file__).parent.parent / "config" / "demo.yaml"


@pytest.fixture
async def exchange() -> AsyncIterator[str]:
    """Serve the embedded exchange in this process; the setting of its addresses."""
    server = build_exchange(ExchangeOptions(port=0, seed=3), lambda _: None)
    port = await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop()


def configured(place: str, ledger: Path, *more: str) -> Settings:
    return settings.load(
        DEMO,
        (
            f"venue.rest_url=http://{place}",
            f"venue.ws_url=ws://{place}/ws/api/v2",
            f"journal.path={ledger}",
            *more,
        ),
    )


@asynccontextmanager
async def running(config: Settings) -> AsyncIterator[System]:
    """Run a daemon for as long as the block lasts, from its first RUN on."""
    async with build_daemon(config, secrets_of(config)) as system:
        task: asyncio.Task[Exit] = asyncio.create_task(run_daemon(system.daemon))
        try:
            assert await system.window.until(lambda step: step.state.mode is Mode.RUN, 60.0)
            yield system
        finally:
            system.daemon.stop.set()
            ended = await task
        assert ended.code is ExitCode.DONE


async def status(system: System) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{system.url}/api/v1/status")).json()


async def test_a_daemon_comes_up_answers_and_goes_on_from_its_ledger(
    exchange: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    config = configured(exchange, ledger)
    async with running(config) as system:
        told = await status(system)
        assert {link["link"]: link["guard"] for link in told["links"]} == {
            "market": "",
            "trading": "cancel-on-disconnect",
        }
        assert (told["alerts"]["unheard"], told["alerts"]["channels"]) == (0, [])
        first = system.loop.state.standing
        other = configured(exchange, tmp_path / "another.db")
        for same_account in (config, other):
            said = await refusal(same_account, AccountTakenError)
            assert f"process {os.getpid()}, since 20" in said
            assert not (tmp_path / "another.db").exists()
        port = system.url.rpartition(":")[2]
        other = configured(exchange, tmp_path / "b.db", f"dashboard.port={port}")
        assert f"port {port} on 127.0.0.1 is in use" in await refusal(other, serve.PortTakenError)
    async with running(config) as system:
        second = system.loop.state.standing

    assert told["mode"]["name"] == "run"
    assert told["about"]["config_digest"] == config.digest()
    assert len(told["positions"]) == 6
    assert second.instance == first.instance
    assert second.positions.keys() >= first.positions.keys()
    assert isinstance(journal.verify(ledger), journal.Verified)
    assert journal.counts(ledger)["run"] == 2
    assert address.find(ledger) is None
    assert not (tmp_path / "b.db").exists()


async def refusal(config: Settings, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        async with build_daemon(config, secrets_of(config)):
            pass
    return str(caught.value)


async def test_a_start_that_is_refused_leaves_nothing_behind(
    exchange: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "A_KEY", "nobody")
    monkeypatch.setitem(os.environ, "A_SECRET", "not-the-secret")
    ledger = tmp_path / "ledger.db"
    tasks = asyncio.all_tasks()

    stranger = configured(
        exchange, ledger, "venue.key={env: A_KEY}", "venue.secret={env: A_SECRET}"
    )
    unknown = configured(exchange, ledger, "books.0.hedge.instrument=BTC-5JAN20")

    assert "does not accept API key" in await refusal(stranger, VenueRefusedError)
    assert "BTC-5JAN20 is not listed" in await refusal(unknown, VenueRefusedError)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240

    def ours() -> set[str]:
        names = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - tasks}  # type: ignore[union-attr]
        return {name for name in names if name.startswith(("Line", "DeribitVenue"))}

    with contextlib.suppress(TimeoutError):
        await until(lambda: not ours())  # sockets say goodbye in tasks of their own
    assert ours() == set()


async def test_a_venue_that_nobody_serves_is_named(tmp_path: Path) -> None:
    sock = serve.bind("127.0.0.1", 0)
    place = f"127.0.0.1:{sock.getsockname()[1]}"
    sock.close()

    said = await refusal(configured(place, tmp_path / "ledger.db"), VenueUnreachableError)

    assert said.endswith(f"nobody answers at http://{place}: cannot connect to {place}")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240
