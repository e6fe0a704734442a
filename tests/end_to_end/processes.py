"""Real processes on loopback: an exchange, a daemon, and what each says it did."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.core.standing import Standing
from bot.lab.books import ORDER_METHODS, differences, submitted
from bot.runtime import ledger_reading, records

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "config" / "demo.yaml"
READY_SECONDS = 20.0
LEAVE_SECONDS = 10.0


@dataclass(frozen=True)
class Exchange:
    """A running exchange."""

    rest_url: str
    ws_url: str

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """GET a path, or POST a body to it."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.rest_url + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def ledger(self) -> Any:
        """What the venue saw."""
        return self.ask("/sim/ledger")

    def order_requests(self) -> list[dict[str, Any]]:
        """Every request to trade, answered or not."""
        return [row for row in self.ledger()["requests"] if row["method"] in ORDER_METHODS]

    def shock(self, move: float) -> None:
        """Move the market by a share of its price."""
        self.ask("/sim/shock", {"underlying": "BTC", "move": move})


class Shaker:
    """Moves the market up and back again, so that a hedger has something to do and no trend."""

    def __init__(self, venue: Exchange, move: float = 0.008, every_seconds: float = 0.4) -> None:
        self._venue = venue
        self._move = move
        self._every = every_seconds
        self._is_up = False
        self._moved = 0.0

    def shake(self) -> None:
        """Move the market if it is time to."""
        if time.monotonic() - self._moved < self._every:
            return
        self._moved = time.monotonic()
        self._venue.shock(1.0 / (1.0 + self._move) - 1.0 if self._is_up else self._move)
        self._is_up = not self._is_up


@contextmanager
def exchange(*options: str) -> Iterator[Exchange]:
    """Run an exchange on a free port until the block ends."""
    own = ["--port", "0", "--sim", "--json", "--with-parent", str(os.getpid())]
    command = [sys.executable, "-m", "bot", "exchange", *own, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield Exchange(rest_url=ready["rest_url"], ws_url=ready["ws_url"])
        finally:
            process.terminate()
            process.wait(LEAVE_SECONDS)


class Daemon:
    """A `run` of the demo configuration against an exchange."""

    def __init__(self, rest_url: str, ws_url: str, journal: Path) -> None:
        overrides = {
            "venue.rest_url": rest_url,
            "venue.ws_url": ws_url,
            "journal.path": str(journal),
        }
        sets = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "bot", "run", str(DEMO), *sets]
        self.log = journal.with_suffix(f".{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(LEAVE_SECONDS)

    def leave(self) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LEAVE_SECONDS)

    def said(self) -> str:
        """Return the end of its log, for the message of a failed test."""
        return self.log.read_text(errors="replace")[-4000:]


@contextmanager
def daemon(rest_url: str, ws_url: str, journal: Path) -> Iterator[Daemon]:
    """Run a daemon until the block ends."""
    running = Daemon(rest_url, ws_url, journal)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait(LEAVE_SECONDS)


def until(
    what: str,
    holds: Callable[[], bool],
    seconds: float = READY_SECONDS,
    said: Callable[[], str] = str,
) -> None:
    """Wait until `holds()`; fail with `what`, and what was `said()`, if that is not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}\n{said()}"
        time.sleep(0.05)


def standing(journal: Path) -> Standing:
    """Return the last standing in a ledger."""
    known = records.latest_standing(ledger_reading.since_last(journal, *records.STANDING_KINDS))
    assert known is not None, "the ledger holds no standing"
    return known


def assert_books_agree(venue: Exchange, journal: Path) -> None:
    """Assert that ledger and venue hold the same positions and saw the same orders, each once."""
    seen = venue.ledger()
    labels = Counter(row["label"] for row in venue.order_requests())
    assert [label for label, times in labels.items() if times != 1] == []
    assert set(labels) <= set(submitted(journal)), "an order was sent without a ledger row"
    assert differences(seen, standing(journal)) == {}
    filled = Counter[str]()
    for fill in seen["fills"]:
        filled[fill["trade_id"]] += 1
    assert max(filled.values(), default=1) == 1
