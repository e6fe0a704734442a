"""Real processes on loopback, as the wire lab runs them, and what must be true of their books."""

import json
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

from bot.lab.books import differences, submitted
from bot.lab.wire import processes
from bot.lab.wire.processes import (
    DEMO,
    ROOT,
    Daemon,
    Exchange,
    Shaker,
    exchange,
    started,
    supervised,
    until,
)
from bot.lab.wire.rig import standing
from bot.runtime import ledger_reading
from bot.venues.port import NOT_SENT_CODE

__all__ = [
    "DEMO",
    "PATIENCE",
    "ROOT",
    "Daemon",
    "Exchange",
    "Shaker",
    "assert_books_agree",
    "daemon",
    "exchange",
    "left",
    "standing",
    "started",
    "supervised",
    "until",
]

PATIENCE = 90.0  # seconds for what must happen: many times what it takes on a quiet machine


def daemon(rest_url: str, ws_url: str, journal: Path) -> AbstractContextManager[Daemon]:
    """Run a daemon until the block ends."""
    return processes.daemon((rest_url, ws_url), journal)


def left(journal: Path) -> list[str]:
    """Return the id of every order that left a daemon, by its own account, in order.

    An order whose row was written when the daemon was told to end is never handed to a socket.
    """
    rows = (json.loads(row.body) for row in ledger_reading.entries(journal) if row.kind == "facts")
    held_back = {
        fact["order_id"]
        for row in rows
        for fact in row["facts"]
        if fact["$"] == "OrderRejected" and fact["code"] == NOT_SENT_CODE
    }
    return [order_id for order_id in submitted(journal) if order_id not in held_back]


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
