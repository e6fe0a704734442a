"""Opening the venue: what is refused, and in which words."""

import asyncio
import time

import pytest
from ccxt.async_support.base import throttler

from bot.venues.deribit_network import Network
from bot.venues.port import VenueRefusedError, VenueUnreachableError
from tests.venues.deribit_server import Failure, Server, serving
from tests.venues.edge import Facts, venue
from tests.venues.payloads import NOW_MS


async def refusal(server: Server, **changes) -> str:
    edge = venue(server, **changes)
    with pytest.raises((VenueRefusedError, VenueUnreachableError)) as caught:
        await edge.open(Facts().append)
    assert all(socket.closed for socket in server.sockets)
    assert "\n" not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_a_key_that_may_withdraw_is_refused():
    async with serving() as server:
        server.scope = "account:read_write trade:read_write wallet:read_write"

        assert "VenueRefusedError: the API key may withdraw" in await refusal(server)


async def test_a_key_that_may_not_trade_is_refused():
    async with serving() as server:
        server.scope = "account:read trade:read wallet:none"

        assert "lacks trade:read_write" in await refusal(server)


async def test_wrong_credentials_are_named_with_the_network():
    async with serving() as server:
        server.rules["public/auth"] = lambda _: Failure(code=13004, message="invalid_credentials")

        said = await refusal(server)

        assert "VenueRefusedError" in said
        assert "'demo'" in said
        assert "demo-secret" not in said
        assert "rehearsal" in said


async def test_a_testnet_answer_to_a_live_configuration_is_refused():
    async with serving() as server:
        server.testnet = False
        urls = {"rest_url": server.rest_url, "ws_url": server.ws_url}

        assert "testnet" in await refusal(server, network=Network.TESTNET, **urls)


async def test_addresses_of_two_networks_are_refused_before_anything_is_asked():
    async with serving() as server:
        said = await refusal(server, rest_url="https://www.deribit.com")

        assert "rest_url is live" in said
        assert server.heard == []


async def test_nobody_at_the_address_is_one_clear_sentence():
    async with serving() as server:
        gone = "http://127.0.0.1:9"

        said = await refusal(server, rest_url=gone)

        assert said.startswith(f"VenueUnreachableError: nobody answers at {gone}")


async def test_a_server_that_is_no_venue_is_one_clear_sentence():
    async with serving() as server:
        server.rules["public/get_instruments"] = lambda _: []

        said = await refusal(server)

        assert said.startswith(
            "VenueUnreachableError: public/get_instruments: no instrument at all"
        )


async def test_the_venues_time_is_asked_over_either_transport():
    async with serving() as server:
        edge = venue(server)
        assert await edge.market_time_ms() == NOW_MS
        await edge.open(Facts().append)
        assert await edge.market_time_ms() == NOW_MS
        await edge.close()
        assert [request.transport for request in server.methods("public/get_time")] == [
            "http",
            "ws",
        ]


async def test_leaving_twice_is_leaving():
    async with serving() as server:
        edge = venue(server)
        await edge.open(Facts().append)
        await edge.close()
        await edge.close()
        assert all(socket.closed for socket in server.sockets)


async def test_a_list_that_ccxt_cannot_read_is_one_clear_sentence():
    async with serving() as server:
        rows = server.public_get_instruments({})
        rows[1]["strike"] = None
        server.rules["public/get_instruments"] = lambda _: rows

        assert "does not list its instruments" in await refusal(server)


async def test_two_instances_share_their_markets_and_nothing_else():
    async with serving() as server:
        edge = venue(server)
        await edge.open(Facts().append)
        try:
            market, trading = edge._pair.market, edge._pair.trading
            assert trading.markets is market.markets
            for exchange in (market, trading):
                assert not exchange.enableRateLimit
                assert exchange.options.get("maxRetriesOnFailure", 0) == 0
            assert len(server.methods("public/get_instruments")) == 1
        finally:
            await edge.close()


async def test_questions_over_http_keep_no_time_by_the_hosts_calendar(monkeypatch):
    calendar_s = [time.time()]

    def set_back() -> float:
        calendar_s[0] -= 3_600.0
        return calendar_s[0]

    monkeypatch.setattr(throttler, "time", set_back)
    async with serving() as server:
        edge = venue(server)
        try:
            async with asyncio.timeout(30):
                told = await asyncio.gather(*(edge.market_time_ms() for _ in range(4)))
            assert told == [NOW_MS] * 4
        finally:
            await edge.close()
