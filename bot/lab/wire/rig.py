"""One exchange and one daemon: arm, provoke, heal, and judge by what the venue saw."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bot.core.standing import Standing, open_orders
from bot.lab.books import differences
from bot.lab.wire.processes import (
    WIRE,
    Daemon,
    Exchange,
    Shaker,
    WireLabError,
    exchange,
    pause,
    started,
    until,
)
from bot.runtime import ledger_reading, records
from bot.runtime.clock import wire_seconds

HEDGE: Final = "BTC-PERPETUAL"
HEAL_SECONDS: Final = 10.0  # what is promised of a machine that has the time for it
STRIKE_SECONDS: Final = 60.0
START_SECONDS: Final = 60.0
SHAKE_SECONDS: Final = 0.5
SETTLED_SECONDS: Final = 30.0
SPEED: Final = "60"


def standing(journal: Path) -> Standing:
    """Return the last standing in a ledger."""
    known = records.latest_standing(ledger_reading.since_last(journal, *records.STANDING_KINDS))
    assert known is not None, "the ledger holds no standing"
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Attempts in the ledger, requests at the venue, and the attempts that never came there."""

    orders: int
    requests: int
    lost: set[str]


@dataclass
class Rig:
    """A running pair. `running` may be replaced by the next daemon of the same ledger.

    `heal_seconds`: within which all has to be well again after anything.
    """

    venue: Exchange
    running: Daemon
    journal: Path
    shaker: Shaker
    heal_seconds: float = HEAL_SECONDS
    read_seq: int = 0
    facts: list[Any] = field(default_factory=list, repr=False)
    attempts: list[str] = field(default_factory=list, repr=False)
    lost: set[str] = field(default_factory=set)

    # ------------------------------------------------------------------ what each side says

    def status(self) -> Any:
        """Return what the daemon says of itself."""
        return self.running.status()

    def decided(self, words: str) -> bool:
        """Whether one of the daemon's latest decisions has these words in its reason."""
        told = json.loads(self.running.page("/api/v1/decisions"))
        return any(words in each["reason"] for each in told["decisions"])

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
        self._read()
        return sum(1 for each in self.facts if each["$"] == fact and words in json.dumps(each))

    def times_up(self, link: str) -> int:
        """How often a connection came up."""
        return self.told("LinkUp", f'"{link}"')

    def fills_there(self) -> list[str]:
        """Return the id of every trade at the venue."""
        return [row["trade_id"] for row in self.venue.ledger()["fills"] if row["cause"] == "trade"]

    def trades_here(self) -> list[str]:
        """Return the id of every trade that the daemon took over, in order."""
        self._read()
        return [fact["trade_id"] for fact in self.facts if fact["$"] == "FillSeen"]

    def submitted(self) -> list[str]:
        """Return the id of every order that the ledger says was to be sent, in order."""
        self._read()
        return self.attempts

    def _read(self) -> None:
        """Take over what the ledger has got since it was read last."""
        for entry in ledger_reading.entries(self.journal, self.read_seq + 1):
            self.read_seq = entry.seq
            if entry.kind == "facts":
                self.facts += json.loads(entry.body)["facts"]
            elif entry.kind == "step":
                actions = json.loads(entry.body)["actions"]
                self.attempts += [act["order_id"] for act in actions if act["$"] == "SubmitOrder"]

    def why_it_held(self) -> str:
        """Return the daemon's present reason for what it does, in its own words."""
        shown = self.status()
        reasons = [book["decision"]["reason"] for book in shown["books"] if book["decision"]]
        return "; ".join([shown["mode"]["reason"], *reasons])

    def tally(self, attempts: set[str] | None = None) -> Tally:
        """Count what the ledger says was sent, all of it if None, and what the venue saw of it."""
        if attempts is None:
            attempts = set(self.submitted())
        labels = [row["label"] for row in self.venue.order_requests()]
        known = [label for label in labels if label in attempts]  # not those sent just now
        return Tally(orders=len(attempts), requests=len(known), lost=attempts - set(labels))

    def rested(self) -> Tally:
        """Wait until no order is under way, and count: what is missing then is known as lost."""
        found = [self.tally()]

        def at_rest() -> bool:
            attempts = set(self.submitted())
            if not self.running.answers or open_orders(standing(self.journal).orders):
                return False
            found[0] = self.tally(attempts)  # all have ended: what is missing is lost
            return True

        until("no order is under way", at_rest, STRIKE_SECONDS, self.why)
        self.lost = found[0].lost
        return found[0]

    def tallied(self, lost: set[str], *, lost_max: int) -> Tally:
        """Count once every attempt has arrived, but for those `lost` and as many as may be.

        Raises:
            WireLabError: more are missing.
        """
        found = [self.tally()]

        def arrived() -> bool:
            found[0] = self.tally()
            return self.running.answers and len(found[0].lost - lost) <= lost_max

        until("every attempt has reached the venue", arrived, SETTLED_SECONDS, self.why)
        self.lost = found[0].lost
        return found[0]

    # ------------------------------------------------------------------ what is done to them

    def arm(self, kind: str, **how: object) -> None:
        """Arm a fault."""
        self.venue.ask("/sim/faults", {"kind": kind, **how})

    def strikes_until(self, times: int, kind: str, **how: object) -> bool:
        """Arm a kind anew if its time ran out too soon; return whether it has struck so often."""
        faults = [each for each in self.venue.ask("/sim/faults")["faults"] if each["kind"] == kind]
        if sum(each["struck"] for each in faults) >= times:
            return True
        if all(each["over"] for each in faults):
            self.arm(kind, **how)
        return False

    def clear(self) -> None:
        """Disarm all."""
        self.venue.ask("/sim/faults", {"kind": "clear"})

    def shaken(
        self, what: str, holds: Callable[[], bool], seconds: float = STRIKE_SECONDS
    ) -> float:
        """Shake the market, so that there is something to hedge, until something holds."""

        def looked() -> bool:
            self.shaker.shake()
            if not self.running.lives:
                raise WireLabError(f"the daemon ended\n{self.running.said()}")
            return holds()

        return until(what, looked, seconds, self.running.said)

    def struck_by(self, kind: str, times: int = 1, **how: object) -> None:
        """Arm a fault and shake until it has struck."""
        self.arm(kind, **how)
        self.shaken(f"{kind} strikes", lambda: self.strikes_until(times, kind, **how))

    def hedges_again(self) -> None:
        """Shake until one more order reached the venue, and all is well."""
        before = self.orders()
        self.shaken("one more order", lambda: self.orders() > before)
        self.gets_well("all is well again")

    def gets_well(self, what: str) -> float:
        """Wait until all is well; return the seconds that took. WireLabError: too many."""
        return until(what, self.is_well, self.heal_seconds, self.why)

    def stays(self, seconds: float, holds: Callable[[], bool]) -> None:
        """See that something holds for some time. WireLabError: it does not."""
        began_ns = WIRE.monotonic_ns()
        while wire_seconds(WIRE.monotonic_ns() - began_ns) < seconds:
            if not holds():
                raise WireLabError(f"it did not stay so for {seconds:g} s\n{self.why()}")
            pause(0.1)

    # ------------------------------------------------------------------ what must be true

    def started_again(self) -> float:
        """Start the next daemon of the same ledger.

        Returns:
            The seconds from when it had loaded and opened its ledger until all was well.

        Raises:
            WireLabError: that took too long, or it did not start.
        """
        urls = (self.venue.rest_url, self.venue.ws_url)
        self.running = started(urls, self.journal, log_folder=self.running.log.parent)
        return self.gets_well("all is well after a start")

    def healed(self) -> float:
        """Disarm, and wait until all is well; return the seconds that took."""
        self.clear()
        took_seconds = self.gets_well("all is well again")
        self.see_sound()
        return took_seconds

    def is_well(self) -> bool:
        """Whether it runs, knows every order's fate, is inside its bands and agrees with the venue.

        `OSError` of a daemon that does not serve its pages yet counts as not well.
        """
        try:
            shown = self.status()
        except OSError:
            return False
        if shown["mode"]["name"] != "run" or shown["open_orders"] or shown["unknown_orders"]:
            return False
        for book in shown["books"]:
            low, high = book["band_coin"]
            away = book["deviation_coin"]
            if away is None or not low <= away <= high:
                return False
        return not self.differences()

    def differences(self) -> dict[str, tuple[str, str]]:
        """Return, by instrument, the sizes (at the venue, in the ledger) that are not the same."""
        return differences(self.venue.ledger(), standing(self.journal))

    def why(self) -> str:
        """Return what a person needs to see why all is not well."""
        try:
            shown = self.status()
        except OSError:
            return self.running.said()
        parts = {key: shown[key] for key in ("mode", "open_orders", "links", "books")}
        told = json.dumps({**parts, "differences": self.differences()}, indent=1)
        return told + self.running.said()

    def see_sound(self) -> None:
        """See that each attempt left once at the most, and no fill was lost or counted twice.

        Raises:
            WireLabError: one did, or was.
        """
        labels = Counter(row["label"] for row in self.venue.order_requests())
        doubled = [label for label, times in labels.items() if times != 1]
        unknown = sorted(set(labels) - set(self.submitted()))
        if doubled or unknown:
            raise WireLabError(f"sent twice: {doubled}; left without a ledger row: {unknown}")
        there = set(self.fills_there())  # the last of them may still be on its way
        until(
            "every fill is here",
            lambda: there <= set(self.trades_here()),
            SETTLED_SECONDS,
            self.why,
        )


@contextmanager
def rig(
    folder: Path,
    *options: str,
    sets: Sequence[str] = (),
    log_folder: Path | None = None,
    heal_seconds: float = HEAL_SECONDS,
) -> Iterator[Rig]:
    """Run an exchange and a daemon until the block ends; the daemon must leave in peace.

    Args:
        folder: Where the ledger goes.
        options: The exchange's.
        sets: Settings of the daemon.
        log_folder: Where the daemon's log goes, beside the ledger if None.
        heal_seconds: Within which all has to be well again after anything.

    Raises:
        WireLabError: it did not start, or did not leave with exit code 0.
    """
    journal = folder / "ledger.sqlite3"
    with exchange("--seed", "7", "--speed", SPEED, *options) as venue:
        urls = (venue.rest_url, venue.ws_url)
        first = started(urls, journal, sets=sets, log_folder=log_folder)
        shaker = Shaker(venue, every_seconds=SHAKE_SECONDS)
        pair = Rig(venue, first, journal, shaker, heal_seconds)
        try:
            until("the daemon trades", pair.is_well, START_SECONDS, first.said)
            yield pair
            if pair.running.leave() != 0:
                raise WireLabError(f"it did not leave in peace\n{pair.running.said()}")
        finally:
            if pair.running.lives:
                pair.running.kill()
