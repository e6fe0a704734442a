"""One exchange and the daemon that trades there, as a person with the same account sees them."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.runtime import ledger_reading
from tests.end_to_end.processes import PATIENCE, Daemon, Exchange, Shaker, started, until

PERPETUAL = "BTC-PERPETUAL"
ORDER_USD_MAX = 200_000
CLIP_USD = ORDER_USD_MAX / 2  # the most of one order while it is careful
# Slower than the demo, which leaves a loaded machine some time, and as eager to hedge.
SPEED = "20"
SETS = (
    "books.0.hedge.interval_min_seconds=2",
    f"safety.order_max_usd={ORDER_USD_MAX}",
)


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

    def start(self, *sets: str) -> Daemon:
        """Start the daemon, if none runs, and wait until it answers; as a supervisor would."""
        if self.running is None or not self.running.lives:
            self.running = started(self.urls, self.journal, sets=(*SETS, *sets))
        return self.running

    def beside(self, name: str, *sets: str, verb: str = "run") -> Daemon:
        """Start one more process, which ends with the test."""
        other = Daemon(self.urls, self.folder / name, verb=verb, sets=sets)
        self.strangers.append(other)
        return other

    @property
    def page(self) -> str:
        """Where the daemon's pages are."""
        return f"http://127.0.0.1:{(self.folder / 'ledger.sqlite3.port').read_text().strip()}"

    def ask(self, path: str, body: dict[str, Any] | None = None, of: str = "ledger.sqlite3") -> Any:
        port = (self.folder / f"{of}.port").read_text().strip()
        token = (self.folder / f"{of}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
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
        """Have a daemon that hedges, whatever the test before left.

        It is resumed once, when it has come to rest: one that has just started may still be about
        to halt, as at the end of a flatten, and one that halts anew has a reason of its own.
        """
        running, found = self.start(), ""

        def rests() -> bool:
            nonlocal found
            found = self.mode()
            return found in {"run", "halt"}

        until("it hedges, or is halted", rests, PATIENCE, running.said)
        if found == "halt":
            self.command("resume", f"resume-{time.monotonic_ns()}", "the drill is over")
            until("it hedges", lambda: self.mode() == "run", PATIENCE, running.said)

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
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
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

    def closing(self) -> int:
        """Return how many orders of a flatten the venue saw: they alone are reduce-only."""
        rows = self.venue.order_requests()
        return sum(row["params"].get("reduce_only") in {True, "true"} for row in rows)

    def held(self) -> float:
        """Return the hedge that the venue has, in US dollars."""
        return float(self.venue.ledger()["positions"].get(PERPETUAL, 0))

    def open_labels(self) -> list[str]:
        return [row["label"] for row in self.venue.ledger()["orders"] if row["state"] == "open"]

    def commands(self) -> str:
        """Return every command in the ledger, as text."""
        rows = ledger_reading.entries(self.journal)
        return "\n".join(row.body for row in rows if row.kind == "command")

    def tidy(self) -> None:
        """End whoever stood beside the daemon, let it go on, and leave no order of a test."""
        for process in self.strangers:
            if process.lives:
                process.kill()
        self.strangers.clear()
        if self.running is not None and self.running.lives:
            self.running.send(signal.SIGCONT)
        with suppress(OSError):
            self.trade("cancel_all")

    def close(self) -> None:
        if self.running is not None and self.running.lives:
            self.running.kill()


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
