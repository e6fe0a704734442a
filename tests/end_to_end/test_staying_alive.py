"""Real processes: a busy daemon is halted four ways, stopped, frozen, and joined by another."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from bot.runtime import ledger_reading
from bot.runtime.beat import beat_path, read_beat
from tests.end_to_end.house import CLIP_USD, SETS, SPEED, House, busy, standing_still
from tests.end_to_end.processes import PATIENCE, ROOT, exchange, until
from tests.end_to_end.witness import Witness

GRACE_MS = 100  # after which no order may reach the venue any more, of a machine that goes on
QUIET_SECONDS = 0.8
ROUNDS_MAX = 5  # of a flatten that is over before its daemon can be killed
STOP_SECONDS_MAX = 15.0
MOVE = 0.05  # of the market, after which the hedge is several clips
SLOWLY = "safety.orders_per_minute_max=1"  # of market time: three seconds from clip to clip

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def one_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with exchange("--seed", "7", "--speed", SPEED) as venue:
        made = House(venue, tmp_path_factory.mktemp("alive"))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def house(one_house: House) -> Iterator[House]:
    """The house, in order for the next test whatever becomes of this one."""
    try:
        yield one_house
    finally:
        one_house.tidy()


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


def halted(house: House, way: Callable[[House], None], who: str) -> int:
    """Halt a busy daemon one way; return how much later its last order came to the venue, ms.

    What the machine itself stood still meanwhile is added to what is allowed.
    """
    house.runs()
    places = (f"{house.venue.rest_url}/api/v2/public/test", f"{house.page}/healthz")
    with busy(house):
        before = len(house.venue.order_requests())
        until("it trades", partial(house.has_traded, before + 2), PATIENCE)
        with Witness(*places) as witness:
            way(house)
            told_ms = time.time_ns() // 1_000_000
            until("it is halted", lambda: house.mode() == "halt", PATIENCE)
            time.sleep(QUIET_SECONDS)
    late_ms: int = max(row["at_ms"] for row in house.venue.order_requests()) - told_ms
    allowed_ms = GRACE_MS + witness.stood_ms
    assert late_ms <= allowed_ms, f"{way.__name__}: {late_ms} ms, of {allowed_ms:.0f}"
    until("nothing is open", lambda: house.open_labels() == [], PATIENCE)
    until("it is flagged", house.flag.exists, PATIENCE)
    until("it is in the ledger", lambda: who in house.commands(), PATIENCE)
    return late_ms


WAYS: tuple[tuple[Callable[[House], None], str], ...] = (
    (by_page, "a test"),
    (by_file, "the file ledger.sqlite3.halt"),
    (by_signal, "signal SIGUSR1"),
    (by_verb, "cli:"),
)


def test_four_ways_halt_a_busy_daemon_within_a_tenth_of_a_second_and_across_a_kill(
    house: House,
) -> None:
    late_ms = {way.__name__: halted(house, way, who) for way, who in WAYS}
    print("last order after the halt, ms:", late_ms)  # noqa: T201  the figure of the report
    assert house.running is not None
    house.running.kill()
    before = len(house.venue.order_requests())
    house.start()
    with busy(house):
        until("the latch held", lambda: house.mode() == "halt", PATIENCE)
        time.sleep(QUIET_SECONDS)
    assert len(house.venue.order_requests()) == before
    house.runs()
    until("the flag is gone", lambda: not house.flag.exists(), PATIENCE)
    sent = Counter(row["label"] for row in house.venue.order_requests())
    assert [label for label, times in sent.items() if times != 1] == []


def test_a_flatten_goes_on_over_a_kill_until_no_hedge_is_held(house: House) -> None:
    """Killed after its first clip, and started again by its supervisor."""
    house.venue.shock(MOVE)
    try:
        held = next((held for _ in range(ROUNDS_MAX) if (held := amid_a_flatten(house))), 0.0)
        assert held, "it was killed too late to show anything, each time"
        running = house.start()
        until("it is flat and halted", lambda: house.mode() == "halt", PATIENCE, running.said)
        print(f"held {held:,.0f} USD, and {abs(house.held()):,.0f} in the end")  # noqa: T201  the report
        assert house.held() == 0
        assert "delta left open" in house.ask("/api/v1/status")["mode"]["reason"]
        sent = Counter(row["label"] for row in house.venue.order_requests())
        assert [label for label, times in sent.items() if times != 1] == []
    finally:
        house.venue.shock(1.0 / (1.0 + MOVE) - 1.0)


def amid_a_flatten(house: House) -> float:
    """Kill the daemon after its first closing clip.

    It may send one order a minute, so that it is far from the last clip if it, or we, stand still.

    Returns:
        What it had held, in US dollars; 0 if nothing of that was left when it was dead.
    """
    house.close()
    running = house.start(SLOWLY)
    house.runs()
    until("a large hedge", lambda: abs(house.held()) > CLIP_USD * 3, PATIENCE, running.said)
    before, held = house.closing(), abs(house.held())
    body: dict[str, Any] = {"command": "flatten", "command_id": f"flatten-{time.monotonic_ns()}"}
    body |= {"actor": "a test", "note": "drill", "confirmed": True}
    house.ask("/api/v1/commands", body)
    until("its first clip", lambda: house.closing() > before, PATIENCE, running.said)
    running.kill()
    return held if house.held() else 0.0


def test_a_watchdog_cancels_what_a_daemon_that_stands_still_left_and_nothing_else(
    house: House,
) -> None:
    house.runs()
    running, path = house.start(), beat_path(house.journal)
    until("it beats", lambda: read_beat(path) is not None, PATIENCE, running.said)
    beat = read_beat(path)
    assert beat is not None
    dog = house.beside("ledger.sqlite3", "watchdog.silent_seconds=1.5", verb="watchdog")
    note = house.folder / "ledger.sqlite3.watchdog"
    until("it watches", lambda: note.exists() and "alive" in note.read_text(), PATIENCE, dog.said)
    with standing_still(running):
        house.rests(f"{beat.labels}9999999")
        house.rests("by-hand")
        began = time.monotonic()
        until("it cancels", lambda: house.open_labels() == ["by-hand"], PATIENCE, dog.said)
        took = time.monotonic() - began
        until("it notes so", lambda: "silent" in note.read_text(), PATIENCE, dog.said)
        cancelled = f"cancelled 1 ({beat.labels}9999999)"  # said after the venue's answer
        until("it says so", lambda: cancelled in dog.told(), PATIENCE, dog.said)
        silent = f"no heartbeat of process {running.process.pid}"
        until("it says why", lambda: silent in dog.told(), PATIENCE, dog.said)
    until("the daemon reconciles", lambda: house.mode() in {"run", "halt"}, PATIENCE, running.said)
    until("it is heard again", lambda: "alive" in note.read_text(), PATIENCE, dog.said)
    assert dog.leave() == 0
    print(f"cancelled {took:.1f} s after the daemon stood")  # noqa: T201  the figure of the report


def test_a_second_daemon_on_the_account_is_refused_whatever_its_ledger(house: House) -> None:
    running = house.start()
    others = [house.beside(name) for name in ("ledger.sqlite3", "another.sqlite3")]
    for other in others:
        assert other.process.wait(PATIENCE) == 1
        said = other.told()
        assert f"process {running.process.pid}, since 20" in said
        assert "stop that one first" in said
    assert not (house.folder / "another.sqlite3").exists()


@pytest.mark.skipif("DELTABAND_TWO_HOSTS" not in os.environ, reason="half a minute; by hand")
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
        "the other runs too",
        lambda: house.mode("host2.sqlite3") in {"run", "halt"},
        PATIENCE,
        other.said,
    )
    with busy(house):
        until("one halts", lambda: "halt" in {house.mode(), house.mode("host2.sqlite3")}, PATIENCE)
        until(
            "the other, too",
            lambda: house.mode("host2.sqlite3") == house.mode() == "halt",
            PATIENCE,
        )
    for of in ("ledger.sqlite3", "host2.sqlite3"):
        reason = house.ask("/api/v1/status", of=of)["mode"]["reason"]
        assert "another deltaband trades this account" in reason
    assert other.leave() == 3
    assert house.running is not None
    house.running.kill()  # it would halt again until it is started afresh, and the other is gone


def test_sigterm_ends_a_busy_daemon_in_time_though_somebody_hangs_on_its_page(house: House) -> None:
    house.runs()
    running = house.start()
    port = int((house.folder / "ledger.sqlite3.port").read_text())
    with socket.create_connection(("127.0.0.1", port)) as client, busy(house):
        client.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n")  # and no end of it
        with Witness(f"{house.venue.rest_url}/api/v2/public/test") as witness:
            began = time.monotonic()
            code = running.leave()
            took = time.monotonic() - began
    assert code == 0, running.said()
    assert took < STOP_SECONDS_MAX + witness.stood_ms / 1_000
    until("nothing is open", lambda: house.open_labels() == [], PATIENCE)
    rows = list(ledger_reading.entries(house.journal))
    assert rows[-1].kind == "end"
    beat = read_beat(beat_path(house.journal))
    assert beat is not None
    assert beat.ended == "stopped"
    print(f"left {took:.1f} s after SIGTERM")  # noqa: T201  the figure of the report
