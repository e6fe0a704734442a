"""A daemon that calls: from a mode of the core to a message at a service, and a beat at another."""

import asyncio
import io
import logging
from pathlib import Path

import httpx
import pytest

from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.runtime import pager
from bot.runtime.daemon import ExitCode, run_daemon
from bot.wiring.daemon import build_daemon, configure_logging, secrets_of
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.runtime.call_server import HANG, services
from tests.runtime.desk import until
from tests.test_wiring import configured

SECRET = "c0ffee-c0ffee"
CHANNELS = (
    "alerts.channels=[{name: phone, kind: webhook, severity: critical, fallback: desk, "
    "url: {env: PHONE_URL}}, {name: desk, kind: webhook, severity: fallback, url: {env: DESK_URL}}]"
)
AWAY = "books.0.hedge.target_coin=2"  # so that there is something to hedge at once
BEAT = "alerts.heartbeat={url: {env: BEAT_URL}, interval_seconds: 5}"


async def test_a_halt_reaches_the_phone_s_stand_in_the_dead_man_and_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = build_exchange(ExchangeOptions(port=0, seed=3), lambda _: None)
    place = f"127.0.0.1:{await exchange.start()}"
    said = io.StringIO()
    async with services(phone=404) as served:
        for name in ("phone", "desk", "beat"):
            monkeypatch.setenv(
                f"{name.upper()}_URL", f"http://127.0.0.1:{served.port}/{name}?key={SECRET}"
            )
        config = configured(place, tmp_path / "ledger.db", CHANNELS, BEAT)
        secrets = secrets_of(config)
        configure_logging(config, secrets, said)
        async with build_daemon(config, secrets) as system:
            task = asyncio.create_task(run_daemon(system.daemon))
            assert await system.window.until(lambda step: step.state.mode is Mode.RUN, 60.0)
            await until(lambda: any(at == "beat" for at, _ in served.heard))
            system.daemon.inbox.admit(
                CommandGiven(command=Command.HALT, command_id="halt-1", actor="ann", note="smoke")
            )
            await until(lambda: any(at == "desk" for at, _ in served.heard))
            await until(lambda: any(at == "beat/fail" for at, _ in served.heard))
            async with httpx.AsyncClient(trust_env=False) as client:
                numbers = (await client.get(f"{system.url}/metrics")).text
            system.daemon.stop.set()
            ended = await task
    await exchange.stop()

    told = [body for at, body in served.heard if at == "desk"]
    assert told[0]["what"].startswith("run -> halt: halted by ann: smoke; cleared by: a person")
    assert told[0]["head"] == "CRITICAL: halt (deltaband rehearsal deribit BTC db)"
    assert any(line.startswith("Book main: ") for line in told[0]["now"])
    assert told[-1]["what"].startswith("ended: halted by ann: smoke")
    assert ended.code is ExitCode.HALTED
    for number in (
        'deltaband_pages_delivered_total{channel="desk"} 1.0',
        'deltaband_pages_failed_total{channel="phone"} 1.0',
        'deltaband_page_channel_up{channel="phone"} 0.0',
        "deltaband_pages_unheard 1.0",
        "deltaband_heartbeats_sent_total ",
    ):
        assert number in numbers
    assert "alert not delivered" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_no_line_of_the_log_shows_where_a_channel_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("phone", "desk", "beat"):
        monkeypatch.setenv(f"{name.upper()}_URL", f"https://hooks.example/{name}/{SECRET}")
    config = configured("127.0.0.1:9", tmp_path / "ledger.db", CHANNELS, BEAT)
    said = io.StringIO()
    configure_logging(config, secrets_of(config), said)
    for name in ("phone", "desk", "beat"):
        logging.getLogger("httpx").error("POST https://hooks.example/%s/%s", name, SECRET)
        logging.getLogger("httpx").error("gone: /%s/%s", name, SECRET)

    assert said.getvalue().count("[redacted]") == 6
    assert SECRET not in said.getvalue()


async def test_a_daemon_whose_channels_all_hang_hedges_and_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pager, "FAREWELL_SECONDS", 1.0)
    exchange = build_exchange(ExchangeOptions(port=0, seed=3), lambda _: None)
    place = f"127.0.0.1:{await exchange.start()}"
    async with services(phone=HANG, desk=HANG, beat=HANG) as served:
        for name in ("phone", "desk", "beat"):
            monkeypatch.setenv(f"{name.upper()}_URL", f"http://127.0.0.1:{served.port}/{name}")
        loud = CHANNELS.replace("severity: critical", "severity: info")
        config = configured(place, tmp_path / "ledger.db", loud, BEAT, AWAY)
        async with build_daemon(config, secrets_of(config)) as system:
            task = asyncio.create_task(run_daemon(system.daemon))
            hedged = await system.window.until(
                lambda step: step.state.mode is Mode.RUN and step.state.counts.fills > 0, 60.0
            )
            await until(lambda: served.hanging >= 2)
            system.daemon.stop.set()
            ended = await asyncio.wait_for(task, 60)
    await exchange.stop()

    assert hedged, "no order went out"
    assert ended.code is ExitCode.DONE
    assert system.loop.observers_dropped == 0
