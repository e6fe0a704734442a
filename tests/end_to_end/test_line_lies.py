"""Lines that swallow, hold back, repeat and reorder what they carry. Nobody else trades."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.runtime import ledger_reading
from tests.end_to_end.middleman import ORDER_METHODS, Middleman, Wire, between
from tests.end_to_end.processes import (
    PATIENCE,
    Daemon,
    Exchange,
    Shaker,
    assert_books_agree,
    exchange,
    left,
    supervised,
    until,
)

HEDGE = "BTC-PERPETUAL"
BY_HAND_USD = 70_000
MUTE = "not even an answer"
ManT = TypeVar("ManT", bound=Middleman)

pytestmark = pytest.mark.timeout(600)


@dataclass
class LatePushes(Middleman):
    """Passes on every push of orders, trades and positions twice, both times seconds late."""

    async def inward(self, wire: Wire, message: dict[str, Any], text: str) -> None:
        channel = message.get("params", {}).get("channel", "")
        if not (self.on and channel.startswith("user.changes")):
            await wire.near.send_str(text)
            return
        self.hits += 1
        for seconds in (2.0, 3.5):
            asyncio.get_running_loop().call_later(seconds, self._send, wire, text)

    def _send(self, wire: Wire, text: str) -> None:
        async def late() -> None:
            with suppress(ConnectionError):
                await wire.near.send_str(text)

        self._sending = asyncio.ensure_future(late())


@dataclass
class Freezer(Middleman):
    """Once told, takes the next order and passes nothing more on that line: no bytes, no end."""

    on: bool = False
    swallowed: str = ""
    labels: list[str] = field(default_factory=list)

    async def outward(self, wire: Wire, call: dict[str, Any], text: str) -> None:
        if call["method"] in ORDER_METHODS:
            self.labels.append(call["params"]["label"])
            if self.on:
                self.on, wire.frozen = False, True
                self.swallowed = self.labels[-1]
                return
        await wire.far.send_str(text)


@dataclass
class SlowOrders(Middleman):
    """Holds every order back for a moment."""

    async def outward(self, wire: Wire, call: dict[str, Any], text: str) -> None:
        if self.on and call["method"] in ORDER_METHODS:
            self.hits += 1
            await asyncio.sleep(0.5)
        await wire.far.send_str(text)


def shaken(
    venue: Exchange, running: Daemon, what: str, holds: Callable[[], bool], every: float
) -> None:
    """Shake the market until something holds."""
    shaker = Shaker(venue, every_seconds=every)

    def looked() -> bool:
        shaker.shake()
        assert running.process.poll() is None, running.said()
        return holds()

    until(what, looked, PATIENCE, running.said)


def adopted(journal: Path) -> list[str]:
    """Return every change of the hedge that the daemon put down to somebody else."""
    steps = [e.body for e in ledger_reading.entries(journal) if e.kind == "step"]
    notes = [note for body in steps for note in json.loads(body)["notes"]]
    return [json.dumps(note) for note in notes if note.get("instrument") == HEDGE]


def downs(journal: Path) -> list[str]:
    """Return why the trading connection was given up, each time."""
    rows = [json.loads(e.body) for e in ledger_reading.entries(journal) if e.kind == "facts"]
    facts = [fact for row in rows for fact in row["facts"] if fact["$"] == "LinkDown"]
    return [fact["reason"] for fact in facts if "trading" in json.dumps(fact["link"])]


@contextmanager
def hedged_through(kind: type[ManT], journal: Path) -> Iterator[tuple[Exchange, ManT, Daemon]]:
    """Run an exchange, a man in the middle, and a daemon; at the end, their books have to agree."""
    with exchange("--seed", "7", "--speed", "60") as venue:
        harm = kind(venue.rest_url, venue.ws_url)
        with between(harm) as man, supervised(man.urls, journal) as running:
            yield venue, man, running
            man.on = False
            sent = man.orders
            shaken(venue, running, "one more order", lambda: man.orders > sent, 0.8)
            assert running.leave() == 0, running.said()
        assert_books_agree(venue, journal)


def test_late_and_repeated_pushes_of_a_position_are_not_taken_for_somebody_elses_trades(
    tmp_path: Path,
) -> None:
    """The position of two seconds ago is no news; to believe it would hedge twice."""
    journal = tmp_path / "ledger.sqlite3"
    with hedged_through(LatePushes, journal) as (venue, man, running):
        shaken(venue, running, "pushes held back", lambda: man.hits >= 8, 0.8)
    assert adopted(journal) == []


def test_a_line_that_falls_silent_without_an_end_is_left_and_its_order_proved_absent(
    tmp_path: Path,
) -> None:
    """The order that it swallowed is never sent again; the next has a new label."""
    journal = tmp_path / "ledger.sqlite3"
    with hedged_through(Freezer, journal) as (venue, man, running):
        shaken(venue, running, "a first order", lambda: man.orders >= 1, 0.4)
        man.on = True
        shaken(venue, running, "an order swallowed", lambda: bool(man.swallowed), 0.4)
        before = len(venue.order_requests())
        shaken(venue, running, "trade again", lambda: len(venue.order_requests()) > before, 0.4)
    assert any(MUTE in why for why in downs(journal)), "only the heartbeat's absence was noticed"
    assert man.labels.count(man.swallowed) == 1
    assert man.labels == left(journal), "each attempt left once, and no other"


def test_a_position_changed_by_hand_while_an_order_is_on_its_way_is_taken_over_once(
    tmp_path: Path,
) -> None:
    """Three times the perpetual is changed behind the back of an order."""
    journal = tmp_path / "ledger.sqlite3"
    with hedged_through(SlowOrders, journal) as (venue, man, running):
        for times in (1, 2, 3):
            hits = man.hits
            shaken(venue, running, "an order", partial(passed, man, hits), 0.8)
            size = venue.ledger()["positions"].get(HEDGE, 0)
            venue.ask("/sim/position", {"instrument_name": HEDGE, "size": size + BY_HAND_USD})
            until(
                "a change taken over", partial(taken_over, journal, times), PATIENCE, running.said
            )
    assert len(adopted(journal)) == 3


def passed(man: Middleman, hits: int) -> bool:
    """Whether the middleman did harm once more."""
    return man.hits > hits


def taken_over(journal: Path, times: int) -> bool:
    """Whether so many changes were taken over."""
    return len(adopted(journal)) >= times
