"""`check`: what a configuration comes to, and with --online what the venue says to it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.runtime.journal import Ledger
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.cli.desk import HEADER, ROOT, told, verb

DEMO = str(ROOT / "config" / "demo.yaml")
LIVE = str(ROOT / "config" / "deribit-live.yaml")


@contextmanager
def exchange(**options: Any) -> Iterator[str]:
    """Serve the embedded exchange from a thread of its own: a verb runs a loop of its own."""
    ready, over, places = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        server = build_exchange(ExchangeOptions(port=0, seed=3, **options), lambda _: None)
        places.append(f"127.0.0.1:{await server.start()}")
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.01)
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield places[0]
    finally:
        over.set()
        thread.join()


def at(place: str, ledger: Path) -> list[str]:
    values = {
        "venue.rest_url": f"http://{place}",
        "venue.ws_url": f"ws://{place}/ws/api/v2",
        "journal.path": str(ledger),
    }
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def test_a_venue_that_is_as_it_must_be_is_told_item_by_item(tmp_path: Path) -> None:
    with exchange() as place:
        done = verb("check", DEMO, "--online", "--json", *at(place, tmp_path / "l.db"))

    answer = told(done)
    assert answer["counts"] == {"ok": len(answer["items"]), "failed": 0, "not checked": 0}
    assert (done.exit_code, answer["ok"]) == (0, True)
    assert len(answer["items"]) >= 15
    assert all(item["said"] for item in answer["items"])
    assert list(tmp_path.iterdir()) == []


def test_a_venue_that_is_not_there_fails_the_check(tmp_path: Path) -> None:
    done = verb("check", DEMO, "--online", *at("127.0.0.1:9", tmp_path / "l.db"))

    assert done.exit_code == 1
    assert "not checked" in done.stdout
    assert "2 failed" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", LIVE, "--online"), "confirm it with --i-understand-live"),
        (("check", DEMO, "--online", "--i-understand-live"), "says mode rehearsal"),
        (("check", DEMO, "--i-understand-live"), "is for --online"),
        (("check", str(ROOT / "README.md"), "--online"), "README.md"),
    ],
)
def test_nothing_is_asked_that_was_not_confirmed(
    words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIBIT_KEY", "a-key")
    monkeypatch.setenv("DERIBIT_SECRET", "a-secret")

    done = verb(*words)

    assert done.exit_code == 2
    assert says in done.stderr


def test_nothing_is_ordered_beside_a_daemon_that_it_would_halt(tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    words = ("check", DEMO, "--online", *at("127.0.0.1:9", ledger))

    daemon = Ledger.open(ledger, HEADER)
    beside = verb(*words)
    daemon.close()
    alone = verb(*words)

    assert beside.exit_code == 1
    assert "a daemon is running on ledger" in beside.stderr
    assert "stop it first" in beside.stderr
    assert "failed" in alone.stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((), "NOBODY IS CALLED when it stops hedging"),
        (("--set", "alerts.heartbeat={url: {env: BEAT}}"), ""),
        (("--set", "alerts.channels=[{name: desk, kind: slack, url: {env: BEAT}}]"), ""),
    ],
)
def test_real_money_that_calls_nobody_is_said_to(
    change: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DERIBIT_KEY", "DERIBIT_SECRET"):
        monkeypatch.setenv(name, "x" * 8)
    monkeypatch.setenv("BEAT", "https://beats.example/a")

    shown = verb("check", LIVE, *change)
    note = told(verb("check", LIVE, *change, "--json"))["note"]

    assert shown.exit_code == 0
    assert note.startswith(says)
    assert bool(note) == bool(says)
    assert shown.stdout.endswith(f"{note}\n")
    assert told(verb("check", DEMO, "--json"))["note"] == ""
