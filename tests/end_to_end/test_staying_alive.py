"""Real processes: a busy daemon is halted four ways, stopped, frozen, and joined by another."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.runtime import ledger_reading
from bot.runtime.beat import beat_path, read_beat
from tests.end_to_end.processes import (
    ROOT,
    Daemon,
    Exchange,
    Shaker,
    exchange,
    until,
)

GRACE_MS = 100  # after which no order may reach the venue any more
QUIET_SECONDS = 0.8
STARTS_MAX = 3  # on a machine so busy that the exchange does not answer in time
STOP_SECONDS_MAX = 15.0
PERPETUAL = "BTC-PERPETUAL"
MOVE = 0.05  # of the market, after which the hedge is several clips
CLIP_USD = 250_000  # the most of one order while it is careful: half of safety.order_max_usd
# Slower than the demo, which leaves a loaded machine some time, and as eager to hedge.
SPEED = "20"
SETS = ("books.0.hedge.interval_min_seconds=2",)


@dataclass
class House:
    """One exchange, and the daemon that runs against it at the moment."""

    venue: Exchange
    folder: Path
    running: Daemon | None = None
    strangers: list[Daemon] = field(default_factory=list)
    token: str = ""

    @property
    def urls(self) -> tuple[str, str]:
        return self.venue.rest_url, self.venue.ws_url

    @property
    def journal(self) -> Path:
        return self.folder / "ledger.sqlite3"

    @property
    def flag(self) -> Path:
        return self.folder / "ledger.sqlite3.halt"

    def start(self) -> Daemon:
        """Start the daemon, if none runs, and wait until it answers; as a supervisor would."""
        for _ in range(STARTS_MAX):
            running = self.running
            if running is None or not running.lives:
                running = self.running = Daemon(self.urls, self.journal, sets=SETS)
            until("it answers or ends", partial(self._answers, running), 90)
            if running.lives:
                return running
        raise AssertionError(f"it does not start: {self.running.said() if self.running else ''}")

    def _answers(self, running: Daemon) -> bool:
        return self.mode() != "" or not running.lives

    def beside(self, name: str, *sets: str, verb: str = "run") -> Daemon:
        """Start one more process, which ends with the test."""
        other = Daemon(self.urls, self.folder / name, verb=verb, sets=sets)
        self.strangers.append(other)
        return other

    def ask(self, path: str, body: dict[str, Any] | None = None, of: str = "ledger.sqlite3") -> Any:
        port = (self.folder / f"{of}.port").read_text().strip()
        token = (self.folder / f"{of}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def mode(self, of: str = "ledger.sqlite3") -> str:
        """Return a daemon's mode, empty while it does not answer."""
        try:
            return str(self.ask("/api/v1/status", of=of)["mode"]["name"])
        except (OSError, ValueError):
            return ""

    def command(self, command: str, command_id: str, note: str = "drill") -> None:
        body = {"command": command, "command_id": command_id, "actor": "a test", "note": note}
        self.ask("/api/v1/commands", body)

    def runs(self) -> None:
        """Have a daemon that hedges, whatever the test before left."""
        running = self.start()
        if self.mode() == "halt":
            self.command("resume", f"resume-{time.monotonic_ns()}", "the drill is over")
        until("it hedges", lambda: self.mode() == "run", 20, running.said)

    def trade(self, method: str, **params: str) -> Any:
        """Ask the venue something private, as a person with the same account would."""
        if not self.token:
            login = self.venue.ask(
                "/api/v2/public/auth?grant_type=client_credentials&client_id=demo"
                "&client_secret=demo-secret&scope=session:test"
            )
            self.token = login["result"]["access_token"]
        query = "&".join(f"{key}={value}" for key, value in params.items())
        request = urllib.request.Request(
            f"{self.venue.rest_url}/api/v2/private/{method}?{query}",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)["result"]

    def rests(self, label: str) -> None:
        """Put an order there that cannot fill."""
        ticker = self.venue.ask(f"/api/v2/public/ticker?instrument_name={PERPETUAL}")["result"]
        price = str(int(ticker["mark_price"] * 0.9))
        self.trade(
            "buy", instrument_name=PERPETUAL, amount="10", type="limit", price=price, label=label
        )

    def has_traded(self, more_than: int) -> bool:
        return len(self.venue.order_requests()) > more_than

    def held(self) -> float:
        """Return the hedge that the venue has, in US dollars."""
        return float(self.venue.ledger()["positions"].get(PERPETUAL, 0))

    def open_labels(self) -> list[str]:
        return [row["label"] for row in self.venue.ledger()["orders"] if row["state"] == "open"]

    def commands(self) -> str:
        """Return every command in the ledger, as text."""
        rows = ledger_reading.entries(self.journal)
        return "\n".join(row.body for row in rows if row.kind == "command")

    def close(self) -> None:
        for process in (*self.strangers, *([self.running] if self.running else [])):
            if process.process.poll() is None:
                os.kill(process.process.pid, signal.SIGCONT)
                process.kill()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with exchange("--seed", "7", "--speed", SPEED) as venue:
        made = House(venue, tmp_path_factory.mktemp("alive"))
        try:
            yield made
        finally:
            made.close()


@contextmanager
def busy(house: House) -> Iterator[None]:
    """Shake the market the whole time, so that there is always something to hedge."""
    over, shaker = threading.Event(), Shaker(house.venue, every_seconds=0.15)

    def shake() -> None:
        while not over.wait(0.02):
            with suppress(OSError):  # a busy machine, once more
                shaker.shake()

    thread = threading.Thread(target=shake)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def standing_still(daemon: Daemon) -> Iterator[None]:
    """Stop the process as a debugger would; it goes on afterwards whatever was seen."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def by_page(house: House) -> None:
    for _ in range(2):  # a double click
        house.command("halt", f"page-{house.journal.stat().st_ino}-{os.getpid()}")


def by_file(house: House) -> None:
    house.flag.write_text("by hand\n")


def by_signal(house: House) -> None:
    assert house.running is not None
    os.kill(house.running.process.pid, signal.SIGUSR1)


def by_verb(house: House) -> None:
    words = ["halt", "--journal", str(house.journal), "--reason", "drill", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "bot", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


WAYS: tuple[tuple[Callable[[House], None], str], ...] = (
    (by_page, "a test"),
    (by_file, "the file ledger.sqlite3.halt"),
    (by_signal, "signal SIGUSR1"),
    (by_verb, "cli:"),
)


@pytest.mark.timeout(240)
def test_four_ways_halt_a_busy_daemon_within_a_tenth_of_a_second_and_across_a_kill(
    house: House,
) -> None:
    late_ms: dict[str, int] = {}
    for way, who in WAYS:
        house.runs()
        with busy(house):
            before = len(house.venue.order_requests())
            until("it trades", partial(house.has_traded, before + 2), 20)
            way(house)
            told_ms = time.time_ns() // 1_000_000
            until("it is halted", lambda: house.mode() == "halt", 10)
            time.sleep(QUIET_SECONDS)
        last_ms = max(row["at_ms"] for row in house.venue.order_requests())
        late_ms[way.__name__] = last_ms - told_ms
        assert last_ms <= told_ms + GRACE_MS, late_ms
        assert house.open_labels() == []
        assert house.flag.exists()
        assert who in house.commands()
    print("last order after the halt, ms:", late_ms)  # noqa: T201  the figure of the report
    assert house.running is not None
    house.running.kill()
    before = len(house.venue.order_requests())
    house.start()
    with busy(house):
        until("the latch held", lambda: house.mode() == "halt", 10)
        time.sleep(QUIET_SECONDS)
    assert len(house.venue.order_requests()) == before
    house.runs()
    assert not house.flag.exists()
    sent = Counter(row["label"] for row in house.venue.order_requests())
    assert [label for label, times in sent.items() if times != 1] == []


@pytest.mark.timeout(240)
def test_a_flatten_goes_on_over_a_kill_until_no_hedge_is_held(house: House) -> None:
    """Killed after its first clip, and started again by its supervisor."""
    house.runs()
    assert house.running is not None
    house.venue.shock(MOVE)
    until("a large hedge", lambda: abs(house.held()) > CLIP_USD * 1.2, 30, house.running.said)
    before, held = len(house.venue.order_requests()), abs(house.held())
    body: dict[str, Any] = {"command": "flatten", "command_id": f"flatten-{time.monotonic_ns()}"}
    body |= {"actor": "a test", "note": "drill", "confirmed": True}
    house.ask("/api/v1/commands", body)
    until("its first clip", partial(house.has_traded, before), 20, house.running.said)
    house.running.kill()
    assert house.held(), "it was killed too late to show anything"
    running = house.start()
    until("it is flat and halted", lambda: house.mode() == "halt", 60, running.said)
    print(f"held {held:,.0f} USD, and {abs(house.held()):,.0f} in the end")  # noqa: T201  the report
    assert house.held() == 0
    assert "delta left open" in house.ask("/api/v1/status")["mode"]["reason"]
    sent = Counter(row["label"] for row in house.venue.order_requests())
    assert [label for label, times in sent.items() if times != 1] == []
    house.venue.shock(1.0 / (1.0 + MOVE) - 1.0)


@pytest.mark.timeout(240)
def test_a_watchdog_cancels_what_a_daemon_that_stands_still_left_and_nothing_else(
    house: House,
) -> None:
    house.runs()
    running, beat = house.start(), read_beat(beat_path(house.journal))
    assert beat is not None
    dog = house.beside("ledger.sqlite3", "watchdog.silent_seconds=1.5", verb="watchdog")
    note = house.folder / "ledger.sqlite3.watchdog"
    until("it watches", lambda: note.exists() and "alive" in note.read_text(), 30, dog.said)
    with standing_still(running):
        house.rests(f"{beat.labels}9999999")
        house.rests("by-hand")
        began = time.monotonic()
        until("it cancels", lambda: house.open_labels() == ["by-hand"], 20, dog.said)
        took = time.monotonic() - began
        until("it notes so", lambda: "silent" in note.read_text(), 20, dog.said)
        cancelled = f"cancelled 1 ({beat.labels}9999999)"  # said after the venue's answer
        until("it says so", lambda: cancelled in dog.said(), 20, dog.said)
        assert f"no heartbeat of process {running.process.pid}" in dog.said()
    until("the daemon reconciles", lambda: house.mode() in {"run", "halt"}, 20, running.said)
    until("it is heard again", lambda: "alive" in note.read_text(), 10, dog.said)
    house.trade("cancel_all")
    assert dog.leave() == 0
    print(f"cancelled {took:.1f} s after the daemon stood")  # noqa: T201  the figure of the report


@pytest.mark.timeout(240)
def test_a_second_daemon_on_the_account_is_refused_whatever_its_ledger(house: House) -> None:
    running = house.start()
    others = [house.beside(name) for name in ("ledger.sqlite3", "another.sqlite3")]
    for other in others:
        assert other.process.wait(60) == 1
        said = other.said()
        assert f"process {running.process.pid}, since 20" in said
        assert "stop that one first" in said
    assert not (house.folder / "another.sqlite3").exists()


@pytest.mark.skipif("DELTABAND_TWO_HOSTS" not in os.environ, reason="half a minute; by hand")
@pytest.mark.timeout(240)
def test_two_daemons_that_cannot_see_each_other_s_lock_both_halt_at_the_first_order(
    house: House,
) -> None:
    house.runs()
    key = house.trade(
        "create_api_key", max_scope="account:read_write%20trade:read_write", name="host2"
    )
    for name, text in (("key", key["client_id"]), ("secret", key["client_secret"])):
        (house.folder / name).write_text(text)
        (house.folder / name).chmod(0o600)
    other = house.beside(
        "host2.sqlite3",
        f"venue.key={{file: {house.folder / 'key'}}}",
        f"venue.secret={{file: {house.folder / 'secret'}}}",
        *SETS,
    )
    until(
        "the other runs too", lambda: house.mode("host2.sqlite3") in {"run", "halt"}, 40, other.said
    )
    with busy(house):
        until("one halts", lambda: "halt" in {house.mode(), house.mode("host2.sqlite3")}, 20)
        until("the other, too", lambda: house.mode("host2.sqlite3") == house.mode() == "halt", 20)
    for of in ("ledger.sqlite3", "host2.sqlite3"):
        reason = house.ask("/api/v1/status", of=of)["mode"]["reason"]
        assert "another deltaband trades this account" in reason
    assert other.leave() == 3
    assert house.running is not None
    house.running.kill()  # it would halt again until it is started afresh, and the other is gone


@pytest.mark.timeout(240)
def test_sigterm_ends_a_busy_daemon_in_time_though_somebody_hangs_on_its_page(house: House) -> None:
    house.runs()
    running = house.start()
    port = int((house.folder / "ledger.sqlite3.port").read_text())
    with socket.create_connection(("127.0.0.1", port)) as client, busy(house):
        client.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n")  # and no end of it
        began = time.monotonic()
        code = running.leave()
        took = time.monotonic() - began
    assert code == 0, running.said()
    assert took < STOP_SECONDS_MAX
    assert house.open_labels() == []
    rows = list(ledger_reading.entries(house.journal))
    assert rows[-1].kind == "end"
    beat = read_beat(beat_path(house.journal))
    assert beat is not None
    assert beat.ended == "stopped"
    print(f"left {took:.1f} s after SIGTERM")  # noqa: T201  the figure of the report
