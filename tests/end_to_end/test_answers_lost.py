"""The line is cut right after the venue accepted every second order."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.middleman import ORDER_METHODS, Middleman, Wire, between
from tests.end_to_end.processes import (
    PATIENCE,
    Shaker,
    assert_books_agree,
    exchange,
    left,
    supervised,
    until,
)

CUTS_WANTED = 4


@dataclass
class AnswerCutter(Middleman):
    """Cuts the line instead of passing on the answer to every second order.

    What the venue pushes of that order would give the answer away, so nothing passes until the
    answer itself shows that the venue accepted; then the line is cut.
    """

    doomed: set[tuple[Wire, object]] = field(default_factory=set)

    async def outward(self, wire: Wire, call: dict[str, Any], text: str) -> None:
        if self.on and call["method"] in ORDER_METHODS and self.orders % 2 == 0:
            self.doomed.add((wire, call["id"]))
        await wire.far.send_str(text)

    async def inward(self, wire: Wire, message: dict[str, Any], text: str) -> None:
        if (wire, message.get("id")) in self.doomed:
            self.hits += 1
            wire.cut()
        elif not any(owner is wire for owner, _ in self.doomed):
            await wire.near.send_str(text)


@pytest.mark.timeout(600)
def test_no_order_is_sent_twice_when_its_answer_is_lost(tmp_path: Path) -> None:
    """One request for every attempt, no label twice, the same position here and there."""
    journal = tmp_path / "ledger.sqlite3"
    with exchange("--seed", "7", "--speed", "60") as venue:
        cutter = AnswerCutter(venue.rest_url, venue.ws_url)
        with between(cutter) as man, supervised(man.urls, journal) as running:
            shaker = Shaker(venue)

            def cut_often() -> bool:
                shaker.shake()
                assert running.process.poll() is None, running.said()
                return man.hits >= CUTS_WANTED

            until("orders whose answer was lost", cut_often, 2 * PATIENCE, running.said)
            man.on = False
            sent = man.orders

            def answered() -> bool:
                shaker.shake()
                return man.orders > sent

            until("one more order, answered", answered, PATIENCE, running.said)
            assert running.leave() == 0, running.said()
        assert_books_agree(venue, journal)
        labels = sorted(row["label"] for row in venue.order_requests())
        attempts = left(journal)
        assert labels == sorted(attempts), json.dumps({"venue": labels, "ledger": attempts})
        assert len(labels) >= 2 * CUTS_WANTED
