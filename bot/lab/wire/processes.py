"""An exchange and a daemon as processes of this machine, and how to wait for what they do."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.lab.books import ORDER_METHODS
from bot.runtime.clock import WireClock, wire_seconds

ROOT: Final = Path(__file__).parents[3]
DEMO: Final = ROOT / "config" / "demo.yaml"
START_SECONDS_MAX: Final = 60.0  # a cold machine compiles kernels
LEAVE_SECONDS_MAX: Final = 60.0  # these guard against waiting for ever: a busy machine is no fault
ASK_SECONDS_MAX: Final = 60.0
STARTS_MAX: Final = 3  # on a machine so busy that the exchange does not answer in time
UNREACHED: Final = "nobody answers at"
LOOK_SECONDS: Final = 0.05
SAID_CHARACTERS: Final = 4_000

WIRE: Final = WireClock()


class WireLabError(Exception):
    """A process did not do in time what it has to. A person reads it."""


def pause(seconds: float) -> None:
    """Do nothing for a while."""
    threading.Event().wait(seconds)


def until(
    what: str,
    holds: Callable[[], bool],
    seconds: float = START_SECONDS_MAX,
    said: Callable[[], str] = str,
) -> float:
    """Wait until `holds()`; return the seconds that took.

    The last look begins when the time is up, so that nobody is judged by a machine that stood still
    between two looks.

    Raises:
        WireLabError: it does not hold in time; with `what` was waited for and what was `said()`.
    """
    began_ns = WIRE.monotonic_ns()
    is_last = False
    while not holds():
        if is_last:
            raise WireLabError(f"not within {seconds:g} s: {what}\n{said()}")
        pause(LOOK_SECONDS)
        is_last = wire_seconds(WIRE.monotonic_ns() - began_ns) > seconds
    return wire_seconds(WIRE.monotonic_ns() - began_ns)


def asked(url: str, body: Mapping[str, object] | None = None) -> Any:
    """GET what is at an address of this machine, or POST a body to it; return the JSON."""
    return json.loads(fetched(url, body))


def fetched(url: str, body: Mapping[str, object] | None = None) -> bytes:
    """GET what is at an address of this machine, or POST a body to it."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  our own child's
    with urllib.request.urlopen(request, timeout=ASK_SECONDS_MAX) as answer:  # noqa: S310  the same
        body_read: bytes = answer.read()
    return body_read


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A running exchange."""

    rest_url: str
    ws_url: str
    pid: int

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """GET a path, or POST a body to it."""
        return asked(self.rest_url + path, body)

    def ledger(self) -> Any:
        """Return what the venue saw."""
        return self.ask("/sim/ledger")

    def order_requests(self) -> list[dict[str, Any]]:
        """Return every request to trade, answered or not."""
        return [row for row in self.ledger()["requests"] if row["method"] in ORDER_METHODS]

    def shock(self, move: float) -> None:
        """Move the market by a share of its price."""
        self.ask("/sim/shock", {"underlying": "BTC", "move": move})


class Shaker:
    """Moves the market up and back again, so that a hedger has something to do and no trend.

    One for all that is done to a market: each begins upwards, and a hundred that are left while it
    is up have nearly doubled the price.
    """

    def __init__(self, venue: Exchange, move: float = 0.008, every_seconds: float = 0.4) -> None:
        """Move by `move`, a share of the price, every so many seconds at the most."""
        self._venue = venue
        self._move = move
        self._every_seconds = every_seconds
        self._is_up = False
        self._moved_ns = 0

    def shake(self) -> None:
        """Move the market if it is time to."""
        now_ns = WIRE.monotonic_ns()
        if wire_seconds(now_ns - self._moved_ns) < self._every_seconds:
            return
        self._moved_ns = now_ns
        self._venue.shock(1.0 / (1.0 + self._move) - 1.0 if self._is_up else self._move)
        self._is_up = not self._is_up


@contextmanager
def exchange(*options: str) -> Iterator[Exchange]:
    """Run an exchange on a free port until the block ends.

    Raises:
        WireLabError: it did not start; why is on standard error.
    """
    own = ["--port", "0", "--sim", "--json", "--with-parent", str(os.getpid())]
    command = [sys.executable, "-m", "bot", "exchange", *own, *options]
    # A session of its own: Ctrl-C is for us, and the exchange is needed until the daemon has ended.
    with subprocess.Popen(  # noqa: S603  our own program
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None, "standard output was asked for"
        try:
            line = process.stdout.readline()
            if not line or "error" in (ready := json.loads(line)):
                raise WireLabError(f"the exchange did not start: {line.strip()}")
            yield Exchange(rest_url=ready["rest_url"], ws_url=ready["ws_url"], pid=process.pid)
        finally:
            process.terminate()
            process.wait(LEAVE_SECONDS_MAX)


class Daemon:
    """A `run` of the demo configuration against an exchange, or another verb beside one."""

    def __init__(
        self,
        venue_urls: tuple[str, str],
        journal: Path,
        *,
        verb: str = "run",
        sets: Sequence[str] = (),
        log_folder: Path | None = None,
    ) -> None:
        """Start one.

        Args:
            venue_urls: Those of HTTP and WebSocket.
            journal: Its ledger.
            verb: What it does; `watchdog` watches the daemon of that ledger.
            sets: More of its settings.
            log_folder: Where its log goes, beside the ledger if None.
        """
        rest_url, ws_url = venue_urls
        settings = (
            f"venue.rest_url={rest_url}",
            f"venue.ws_url={ws_url}",
            f"journal.path={journal}",
            "safety.strain_rest_seconds=2",  # a lab waits ten seconds for all to be well again
            *sets,
        )
        words = [word for one in settings for word in ("--set", one)]
        command = [sys.executable, "-m", "bot", verb, str(DEMO), "--json", *words]
        self.journal = journal
        self.began_ns = WIRE.monotonic_ns()
        folder = journal.parent if log_folder is None else log_folder
        self.log = folder / f"{journal.stem}.{self.began_ns}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own program
                command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def is_served(self) -> bool:
        """Whether it says where its pages are."""
        return self._port.exists()

    @property
    def answers(self) -> bool:
        """Whether its page of status is there; the file may still be its forerunner's."""
        try:
            return self.lives and self.is_served and bool(self.status())
        except (OSError, ValueError):
            return False

    @property
    def _port(self) -> Path:
        return self.journal.with_name(self.journal.name + ".port")

    def page(self, path: str) -> bytes:
        """Return one of its pages, such as `/metrics`."""
        return fetched(f"http://127.0.0.1:{self._port.read_text().strip()}{path}")

    def status(self) -> Any:
        """Return what it says of itself."""
        return json.loads(self.page("/api/v1/status"))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(LEAVE_SECONDS_MAX)

    def leave(self) -> int:
        """Ask it to end and return its exit code."""
        if self.lives:
            self.send(signal.SIGTERM)
        return self.process.wait(LEAVE_SECONDS_MAX)

    def resume(self, reason: str) -> None:
        """Let it go on after a halt, as a person does who has a reason. WireLabError: refused."""
        words = ["resume", "--journal", str(self.journal), "--reason", reason]
        told = subprocess.run(  # noqa: S603  our own program
            [sys.executable, "-m", "bot", *words], cwd=ROOT, capture_output=True, check=False
        )
        if told.returncode != 0:
            raise WireLabError(f"it was not resumed: {told.stderr.decode()}")

    def said(self) -> str:
        """Return the end of its log."""
        return self.told()[-SAID_CHARACTERS:]

    def told(self) -> str:
        """Return its whole log."""
        return self.log.read_text(errors="replace")


@contextmanager
def daemon(
    venue_urls: tuple[str, str],
    journal: Path,
    *,
    sets: Sequence[str] = (),
    log_folder: Path | None = None,
) -> Iterator[Daemon]:
    """Run a daemon until the block ends."""
    running = Daemon(venue_urls, journal, sets=sets, log_folder=log_folder)
    try:
        yield running
    finally:
        if running.lives:
            running.kill()


def started(
    venue_urls: tuple[str, str],
    journal: Path,
    *,
    sets: Sequence[str] = (),
    log_folder: Path | None = None,
) -> Daemon:
    """Start a daemon and wait until it answers.

    One that did not reach the venue in time is started again, as a supervisor does.

    Raises:
        WireLabError: it does not answer, or it ended for another reason.
    """
    said = ""
    for _ in range(STARTS_MAX):
        running = Daemon(venue_urls, journal, sets=sets, log_folder=log_folder)
        _wait_until_up(running)
        if running.lives:
            return running
        said = running.said()
        if UNREACHED not in said:
            break
    raise WireLabError(f"it did not start\n{said}")


def _wait_until_up(running: Daemon) -> None:
    """Wait until it answers or ends; leave none behind that does neither."""
    try:
        until(
            "it answers or ends",
            lambda: running.answers or not running.lives,
            START_SECONDS_MAX,
            running.said,
        )
    except WireLabError:
        running.kill()
        raise


@contextmanager
def supervised(
    venue_urls: tuple[str, str], journal: Path, *, sets: Sequence[str] = ()
) -> Iterator[Daemon]:
    """Run a daemon that answers until the block ends. WireLabError: as `started` has it."""
    running = started(venue_urls, journal, sets=sets)
    try:
        yield running
    finally:
        if running.lives:
            running.kill()
