"""The line is cut right after the venue accepted every second order."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.lab.books import submitted
from tests.end_to_end.middleman import Middleman
from tests.end_to_end.processes import Shaker, assert_books_agree, daemon, exchange, until

CUTS_WANTED = 4


@contextmanager
def between(rest_url: str, ws_url: str) -> Iterator[Middleman]:
    """Run the middleman in a thread of his own."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    man = Middleman(rest_url=rest_url, ws_url=ws_url)

    async def serve() -> None:
        async with man:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield man
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.mark.timeout(150)
def test_no_order_is_sent_twice_when_its_answer_is_lost(tmp_path: Path) -> None:
    """One request for every attempt, no label twice, the same position here and there."""
    journal = tmp_path / "ledger.sqlite3"
    with exchange("--seed", "7", "--speed", "60") as venue:
        with between(venue.rest_url, venue.ws_url) as man:
            urls = (f"http://127.0.0.1:{man.port}", f"ws://127.0.0.1:{man.port}/ws/api/v2")
            with daemon(*urls, journal) as running:
                shaker = Shaker(venue)

                def cut_often() -> bool:
                    shaker.shake()
                    assert running.process.poll() is None, running.said()
                    return man.cuts >= CUTS_WANTED

                until("orders whose answer was lost", cut_often, 90, running.said)
                man.cutting = False
                sent = man.orders

                def answered() -> bool:
                    shaker.shake()
                    return man.orders > sent

                until("one more order, answered", answered, 30, running.said)
                assert running.leave() == 0, running.said()
        assert_books_agree(venue, journal)
        labels = sorted(row["label"] for row in venue.order_requests())
        attempts = submitted(journal)
        assert labels == sorted(attempts), json.dumps({"venue": labels, "ledger": attempts})
        assert len(labels) >= 2 * CUTS_WANTED
