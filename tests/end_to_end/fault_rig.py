"""One exchange and one daemon through many faults: arm, provoke, heal, and judge by the venue."""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.lab.books import differences, submitted
from bot.runtime import ledger_reading
from tests.end_to_end.processes import Daemon, Exchange, Shaker, daemon, exchange, standing, until

HEDGE = "BTC-PERPETUAL"
HEAL_SECONDS = 10.0
STRIKE_SECONDS = 15.0
SHAKE_SECONDS = 0.5


@dataclass
class Rig:
    """A running pair."""

    venue: Exchange
    running: Daemon
    journal: Path
    shaker: Shaker
    read_seq: int = 0
    facts: list[Any] = field(default_factory=list, repr=False)

    # ------------------------------------------------------------------ what each side says

    def status(self) -> Any:
        """What the daemon says of itself."""
        return self._asked("status")

    def decided(self, words: str) -> bool:
        """Whether one of the daemon's latest decisions has these words in its reason."""
        return any(words in each["reason"] for each in self._asked("decisions")["decisions"])

    def _asked(self, what: str) -> Any:
        port = self.journal.with_name(self.journal.name + ".port").read_text().strip()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{what}", timeout=5) as answer:
            return json.load(answer)

    def orders(self) -> int:
        """How many requests to trade reached the venue."""
        return len(self.venue.order_requests())

    def struck(self) -> int:
        """How often the armed faults struck."""
        return sum(fault["struck"] for fault in self.venue.ask("/sim/faults")["faults"])

    def struck_of(self, kind: str) -> int:
        """How often faults of one kind struck."""
        faults = self.venue.ask("/sim/faults")["faults"]
        return sum(fault["struck"] for fault in faults if fault["kind"] == kind)

    def told(self, fact: str, words: str = "") -> int:
        """How many facts of a kind, with such words in them, the ledger holds."""
        return sum(1 for each in self._facts() if each["$"] == fact and words in json.dumps(each))

    def times_up(self, link: str) -> int:
        """How often a connection came up."""
        return self.told("LinkUp", f'"{link}"')

    def fills_there(self) -> list[str]:
        """Return the id of every trade at the venue."""
        return [row["trade_id"] for row in self.venue.ledger()["fills"] if row["cause"] == "trade"]

    def trades_here(self) -> list[str]:
        """Return the id of every trade that the daemon took over, in order."""
        return [fact["trade_id"] for fact in self._facts() if fact["$"] == "FillSeen"]

    def _facts(self) -> list[Any]:
        for entry in ledger_reading.entries(self.journal, self.read_seq + 1):
            self.read_seq = entry.seq
            if entry.kind == "facts":
                self.facts += json.loads(entry.body)["facts"]
        return self.facts

    # ------------------------------------------------------------------ what is done to them

    def arm(self, kind: str, **how: object) -> None:
        """Arm a fault."""
        self.venue.ask("/sim/faults", {"kind": kind, **how})

    def clear(self) -> None:
        """Disarm all."""
        self.venue.ask("/sim/faults", {"kind": "clear"})

    def shaken(self, what: str, holds: Callable[[], bool], seconds: float = STRIKE_SECONDS) -> None:
        """Shake the market, so that there is something to hedge, until something holds."""

        def looked() -> bool:
            self.shaker.shake()
            assert self.running.process.poll() is None, self.running.said()
            return holds()

        until(what, looked, seconds, self.running.said)

    def struck_by(self, kind: str, times: int = 1, **how: object) -> None:
        """Arm a fault and shake until it has struck."""
        self.arm(kind, **how)
        self.shaken(f"{kind} strikes", lambda: self.struck() >= times)

    def hedges_again(self) -> None:
        """Shake until one more order reached the venue, and all is well."""
        before = self.orders()
        self.shaken("one more order", lambda: self.orders() > before)
        until("all is well again", self._is_well, HEAL_SECONDS, self._why)

    def stays(self, seconds: float, holds: Callable[[], bool]) -> None:
        """Assert that something holds for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert holds(), self._why()
            time.sleep(0.1)

    # ------------------------------------------------------------------ what must be true

    def healed(self) -> float:
        """Disarm, and wait until all is well; return the seconds that took."""
        self.clear()
        began = time.monotonic()
        until("all is well again", self._is_well, HEAL_SECONDS, self._why)
        self.assert_sound()
        return time.monotonic() - began

    def _is_well(self) -> bool:
        shown = self.status()
        if shown["mode"]["name"] != "run" or shown["open_orders"] or shown["unknown_orders"]:
            return False
        for book in shown["books"]:
            low, high = book["band_coin"]
            away = book["deviation_coin"]
            if away is None or not low <= away <= high:
                return False
        return not differences(self.venue.ledger(), standing(self.journal))

    def _why(self) -> str:
        shown = self.status()
        parts = {key: shown[key] for key in ("mode", "open_orders", "links", "books")}
        held = differences(self.venue.ledger(), standing(self.journal))
        return json.dumps({**parts, "differences": held}, indent=1) + self.running.said()

    def assert_sound(self) -> None:
        """Assert one request an attempt, no label twice, no fill lost, none counted twice."""
        labels = Counter(row["label"] for row in self.venue.order_requests())
        assert [label for label, times in labels.items() if times != 1] == []
        assert set(labels) <= set(submitted(self.journal)), "an order left without a ledger row"
        there = set(self.fills_there())  # the last of them may still be on its way
        until("every fill is here", lambda: there <= set(self.trades_here()), 5, self._why)

    def why_it_held(self) -> str:
        """The daemon's present reason for what it does, in its own words."""
        shown = self.status()
        reasons = [book["decision"]["reason"] for book in shown["books"] if book["decision"]]
        return "; ".join([shown["mode"]["reason"], *reasons])


@contextmanager
def rig(folder: Path, *options: str) -> Iterator[Rig]:
    """Run an exchange and a daemon until the block ends; the daemon must leave in peace."""
    journal = folder / "ledger.sqlite3"
    with (
        exchange("--seed", "7", "--speed", "60", *options) as venue,
        daemon(venue.rest_url, venue.ws_url, journal) as running,
    ):
        pair = Rig(venue, running, journal, Shaker(venue, every_seconds=SHAKE_SECONDS))
        port = journal.with_name(journal.name + ".port")
        until("the daemon answers", port.exists, 30, running.said)
        until("the daemon trades", pair._is_well, 30, running.said)
        yield pair
        assert running.leave() == 0, running.said()
