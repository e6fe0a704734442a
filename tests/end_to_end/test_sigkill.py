"""A busy daemon is killed ten times at random moments and started again."""

import random
import time
from pathlib import Path

import pytest

from bot.lab.replay import replay
from bot.runtime.tape import tape_beside
from tests.end_to_end.processes import (
    Daemon,
    Exchange,
    Shaker,
    assert_books_agree,
    daemon,
    exchange,
    until,
)

KILLS = 10
SEED = 20260105


def keep_busy(venue: Exchange, seconds: float) -> None:
    """Shake the market so that the daemon has to hedge, and look for two live orders meanwhile."""
    end = time.monotonic() + seconds
    shaker = Shaker(venue, every_seconds=0.2)
    while time.monotonic() < end:
        shaker.shake()
        live = [row for row in venue.ledger()["orders"] if row["state"] == "open"]
        names = [row["instrument_name"] for row in live]
        assert len(names) == len(set(names)), f"two live orders on one instrument: {live}"
        time.sleep(0.02)


def wait_for_orders(venue: Exchange, more_than: int, running: Daemon) -> None:
    """Wait until the daemon trades, shaking the market meanwhile."""

    shaker = Shaker(venue)

    def trades() -> bool:
        shaker.shake()
        assert running.process.poll() is None, running.said()
        return len(venue.order_requests()) > more_than

    until("an order", trades, 30, running.said)


@pytest.mark.timeout(240)
def test_ten_kills_lose_nothing_and_duplicate_nothing(tmp_path: Path) -> None:
    """No label twice, never two live orders on one instrument, the same books at the end."""
    journal = tmp_path / "ledger.sqlite3"
    chance = random.Random(SEED)
    with exchange("--seed", "11", "--speed", "60") as venue:
        for _ in range(KILLS):
            before = len(venue.order_requests())
            with daemon(venue.rest_url, venue.ws_url, journal) as running:
                wait_for_orders(venue, before, running)
                keep_busy(venue, chance.uniform(0.0, 1.0))
                running.kill()
        before = len(venue.order_requests())
        with daemon(venue.rest_url, venue.ws_url, journal) as running:
            wait_for_orders(venue, before, running)
            assert running.leave() == 0, running.said()
        assert_books_agree(venue, journal)
        assert len(venue.order_requests()) > KILLS
    again = replay(journal, tape_beside(journal))
    assert again.difference is None, again.difference
    assert len(again.runs) == KILLS + 1
    assert again.folds > 0
