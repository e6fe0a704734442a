"""Two links that come back by themselves, and frames that make no sense."""

from dataclasses import replace

import pytest

from bot.core.actions import (
    Watch,
)
from bot.core.events import (
    BadMessage,
    Link,
    LinkDown,
    LinkUp,
    QuoteSeen,
)
from tests.venues.deribit_server import Failure, serving
from tests.venues.edge import QUICK, running, until, venue
from tests.venues.payloads import PERPETUAL, ticker

CHANGES = "user.changes.any.any.raw"


async def test_both_links_come_back_after_a_cut_with_everything_subscribed():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        facts.clear()

        server.cut()
        await until(lambda: len(facts.of(LinkUp)) == 2)

        assert {fact.link for fact in facts.of(LinkDown)} == set(Link)
        assert facts.index(facts.of(LinkDown)[0]) < facts.index(facts.of(LinkUp)[0])
        assert server.subscribed() == {
            f"ticker.{PERPETUAL}.raw",
            CHANGES,
            "user.portfolio.BTC",
        }
        market_up = facts.index(LinkUp(link=Link.MARKET))
        assert any(isinstance(fact, QuoteSeen) for fact in facts[:market_up])


async def test_orders_of_the_trading_line_die_with_it():
    async with serving() as server, running(venue(server)):
        asked = server.methods("private/enable_cancel_on_disconnect")

        assert [request.params for request in asked] == [{"scope": "connection"}]


async def test_a_test_request_is_answered():
    async with serving() as server, running(venue(server)) as facts:
        await server.say('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
        await until(lambda: len(server.methods("public/test")) == 2)

        assert facts.of(BadMessage) == []
        assert len(server.methods("public/set_heartbeat")) == 2


async def test_a_line_on_which_even_heartbeats_stop_is_given_up():
    async with serving() as server:
        limits = replace(QUICK, silence_max_s=0.15)
        async with running(venue(server, limits)) as facts:
            await until(lambda: len(facts.of(LinkUp)) >= 4)

            assert "no frame" in facts.of(LinkDown)[0].reason


async def test_a_login_is_renewed_before_its_token_ends():
    async with serving() as server:
        server.expires_in = 0.25
        async with running(venue(server)) as facts:
            await until(lambda: len(server.methods("public/auth")) >= 6)

            assert facts.of(LinkDown) == []


async def test_a_venue_that_stays_away_is_told_once_and_dialled_with_growing_waits():
    async with serving() as server, running(venue(server)) as facts:
        server.rules["public/auth"] = lambda _: Failure(code=13004, message="invalid_credentials")
        facts.clear()
        server.cut()
        await until(lambda: len(server.methods("public/auth")) >= 10)

        told = [fact for fact in facts.of(LinkDown) if fact.link is Link.TRADING]
        assert len(told) <= 2
        assert facts.of(LinkUp) == []


@pytest.mark.parametrize(
    "frame",
    [
        "{broken",
        "[1,2]",
        "null",
        "{}",
        '{"jsonrpc":"2.0","method":"subscription"}',
        '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.X.raw","data":null}}',
        '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"what.is.this","data":{}}}',
        '{"jsonrpc":"2.0","id":77777,"error":{"code":10028,"message":"too_many_requests"}}',
        '{"jsonrpc":"2.0","error":"odd"}',
    ],
)
async def test_a_frame_that_makes_no_sense_is_counted_and_the_stream_goes_on(frame):
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        before = len(facts.of(QuoteSeen))

        await server.say(frame)
        await server.push(f"ticker.{PERPETUAL}.raw", ticker(PERPETUAL, 77.0))
        await until(lambda: len(facts.of(QuoteSeen)) > before)

        assert facts.of(QuoteSeen)[-1].bid == 77.0
        assert len(facts.of(BadMessage)) == 2  # one a connection
        assert facts.of(LinkDown) == []
