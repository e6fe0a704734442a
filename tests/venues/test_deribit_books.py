"""Order books of the hedges over the edge: depth while a book is whole, none while it is not."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.actions import Watch
from bot.core.events import BadMessage, QuoteSeen
from tests.venues.deribit_server import Server, serving
from tests.venues.edge import QUICK, Facts, HandClock, both_up, running, until, venue
from tests.venues.payloads import CALL, NOW_MS, PERPETUAL, ticker

BOOK = f"book.{PERPETUAL}.100ms"
TICKER = f"ticker.{PERPETUAL}.raw"


def snapshot(change_id: int, bid: float = 99.5, ask: float = 100.0) -> dict[str, Any]:
    return {
        "type": "snapshot",
        "timestamp": NOW_MS,
        "instrument_name": PERPETUAL,
        "change_id": change_id,
        "bids": [["new", bid, 70.0], ["new", bid / 2, 1_000.0]],
        "asks": [["new", ask, 40.0]],
    }


def change(before: int, after: int, bid: float) -> dict[str, Any]:
    return {
        "type": "change",
        "timestamp": NOW_MS,
        "instrument_name": PERPETUAL,
        "prev_change_id": before,
        "change_id": after,
        "bids": [["new", bid, 10.0]],
        "asks": [],
    }


async def quoted(server: Server, facts: Facts, bid: float = 99.5) -> QuoteSeen:
    """Push a quote and return what became of it."""
    before = len(facts.of(QuoteSeen))
    await server.push(TICKER, ticker(PERPETUAL, bid))
    await until(lambda: len(facts.of(QuoteSeen)) > before)
    return facts.of(QuoteSeen)[-1]


async def test_a_hedge_is_quoted_with_the_depth_of_its_book_and_an_option_has_none():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))
        assert BOOK in server.subscribed()
        assert f"book.{CALL}.100ms" not in server.subscribed()
        assert (await quoted(server, facts)).bid_depth_native is None

        await server.push(BOOK, snapshot(1))
        await server.push(BOOK, change(1, 2, 99.45))
        seen = await quoted(server, facts)

        assert (seen.bid_depth_native, seen.ask_depth_native) == (80.0, 40.0)
        assert facts.of(BadMessage) == []


async def test_a_lost_change_costs_the_depth_until_a_new_snapshot_came():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        await server.push(BOOK, snapshot(1))
        asked = len(server.methods("public/subscribe"))

        await server.push(BOOK, change(2, 3, 99.45))
        assert (await quoted(server, facts)).bid_depth_native is None
        (bad,) = facts.of(BadMessage)
        assert (bad.source, bad.reason) == (
            BOOK,
            "book dropped: gap: change 3 follows 2, the book is at 1",
        )

        await until(lambda: len(server.methods("public/subscribe")) > asked)
        assert server.methods("public/unsubscribe")[-1].params == {"channels": [BOOK]}
        await server.push(BOOK, snapshot(9))
        assert (await quoted(server, facts)).bid_depth_native == 70.0


@pytest.mark.parametrize("bid", [100.0, 100.5])
async def test_a_crossed_or_locked_book_gives_no_depth(bid: float):
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        await server.push(BOOK, snapshot(1))
        await server.push(BOOK, change(1, 2, bid))

        assert (await quoted(server, facts)).ask_depth_native is None
        assert "book dropped" in facts.of(BadMessage)[0].reason


async def test_a_book_is_never_carried_over_a_reconnect():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        await server.push(BOOK, snapshot(1))
        assert (await quoted(server, facts)).bid_depth_native == 70.0

        facts.clear()
        server.cut()
        await until(lambda: both_up(facts))
        assert (await quoted(server, facts)).bid_depth_native is None
        await server.push(BOOK, change(1, 2, 99.45))  # would have followed the old book
        assert (await quoted(server, facts)).bid_depth_native is None


async def test_a_quiet_book_is_begun_anew_and_takes_no_line_down():
    async with serving() as server:
        clock = HandClock()
        limits = replace(QUICK, stall_after_s=15.0, silence_max_s=1e6)
        edge = venue(server, limits, monotonic_ns=clock.read)
        async with running(edge) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            lines = len(server.sockets)
            while len(server.methods("public/unsubscribe")) < 3:
                await quoted(server, facts)
                clock.pass_s(8.0)
                await asyncio.sleep(0.03)

            again = [item.params["channels"] for item in server.methods("public/unsubscribe")]
            assert again[:2] == [[BOOK], [BOOK]]
            assert len(server.sockets) == lines
            assert facts.of(BadMessage) == []
