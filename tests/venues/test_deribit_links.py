"""Two links that come back by themselves, and frames that make no sense."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from bot.core.actions import (
    Watch,
)
from bot.core.events import (
    BadMessage,
    FillSeen,
    Link,
    LinkDown,
    LinkUp,
    OrderRejected,
    QuoteSeen,
)
from bot.venues.ccxt_socket import SocketLimits
from bot.venues.port import VenueUnreachableError
from tests.venues.deribit_server import Failure, Silent, serving
from tests.venues.edge import (
    QUICK,
    SOON_UNKNOWN,
    Facts,
    both_up,
    running,
    submit,
    until,
    venue,
)
from tests.venues.payloads import PERPETUAL, ticker, trade

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
            "instrument.state.any.any",
            f"book.{PERPETUAL}.100ms",
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


async def test_a_trading_line_whose_orders_would_outlive_it_is_never_called_up():
    async with serving() as server:
        server.cancels_on_disconnect = False
        edge, facts = venue(server), Facts()
        await edge.open(facts.append)
        task = asyncio.create_task(edge.run())
        await until(lambda: facts.of(LinkDown))
        server.cancels_on_disconnect = True
        await until(lambda: both_up(facts))
        task.cancel()
        await asyncio.wait({task})
        await edge.close()

    down = facts.index(facts.of(LinkDown)[0])
    assert "cancel-on-disconnect is not armed" in facts[down].reason
    assert LinkUp(link=Link.TRADING) not in facts[:down]


async def test_a_line_is_dialled_afresh_when_what_came_over_it_may_be_out_of_date():
    async with serving() as server, running(edge := venue(server)) as facts:
        facts.clear()
        await edge.redial("the host slept")
        await until(lambda: len(facts.of(LinkUp)) == 2)
        told = {(fact.link, fact.reason) for fact in facts.of(LinkDown)}
        assert told == {(link, "the host slept") for link in Link}


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


async def test_a_line_that_takes_an_order_and_says_nothing_is_given_up_before_its_silence_is_long():
    async with serving() as server:
        limits = replace(SOON_UNKNOWN, sockets=SocketLimits(mute_after_s=0.3))
        async with running(edge := venue(server, limits)) as facts:
            server.rules["private/buy"] = lambda _: Silent()
            facts.clear()
            await edge.perform(submit())
            await until(lambda: facts.of(LinkUp))

            assert "not even an answer" in facts.of(LinkDown)[0].reason
            assert {fact.link for fact in facts.of(LinkDown)} == {Link.TRADING}


async def test_a_line_that_leaves_an_order_unanswered_but_speaks_is_kept():
    async with serving() as server:
        limits = replace(QUICK, sockets=SocketLimits(mute_after_s=0.0))
        async with running(edge := venue(server, limits)) as facts:
            server.rules["private/buy"] = lambda _: Silent()
            facts.clear()
            sent = asyncio.get_running_loop().create_task(edge.perform(submit()))
            await until(lambda: server.methods("private/buy"))
            heard_ns = edge._trading.socket.last_frame_ns
            await server.push(CHANGES, {"trades": []})
            await until(lambda: edge._trading.socket.last_frame_ns > heard_ns)
            sent.cancel()  # the order is given up
            await asyncio.sleep(0.1)

            assert facts.of(LinkDown) == []


async def test_a_login_is_renewed_before_its_token_ends():
    async with serving() as server:
        server.expires_in = 0.25
        async with running(venue(server)) as facts:
            await until(lambda: len(server.methods("public/auth")) >= 6)

            assert facts.of(LinkDown) == []


@pytest.mark.parametrize(("life_s", "is_usable"), [(1e300, True), (0.0, False), (-1.0, False)])
async def test_a_login_that_says_an_odd_life_is_held_for_a_day_or_not_at_all(life_s, is_usable):
    async with serving() as server:
        server.expires_in = life_s
        edge = venue(server)
        try:
            if is_usable:
                await edge.open(Facts().append)
            else:
                with pytest.raises(VenueUnreachableError, match="expires_in"):
                    await edge.open(Facts().append)
        finally:
            await edge.close()


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
        await until(lambda: len(facts.of(BadMessage)) >= 2)
        assert len(facts.of(BadMessage)) == 2  # one a connection
        assert facts.of(LinkDown) == []


async def test_a_flood_of_frames_that_nobody_understands_is_told_in_numbers():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        facts.clear()
        for number in range(3_000):
            # A venue that writes its stamps as text from now on.
            odd = ticker(PERPETUAL, 77.0) | {"timestamp": str(number)}
            await server.push(f"ticker.{PERPETUAL}.raw", odd)
        await server.push(f"ticker.{PERPETUAL}.raw", ticker(PERPETUAL, 77.0))
        await until(lambda: facts.of(QuoteSeen))
        assert len(facts.of(BadMessage)) < 300

        told = facts.of(BadMessage)
        assert all("timestamp is" in fact.reason for fact in told)


class FullError(Exception):
    """There is no room for another fact."""


async def test_a_fact_that_cannot_be_taken_ends_the_run_instead_of_being_lost():
    async with serving() as server:
        edge = venue(server)
        facts = Facts()

        def post(fact) -> None:
            if isinstance(fact, FillSeen):
                raise FullError(fact.trade_id)
            facts.append(fact)

        await edge.open(post)
        run = asyncio.get_running_loop().create_task(edge.run())
        await until(lambda: CHANGES in server.subscribed())
        await server.push(CHANGES, {"trades": [trade()]})
        try:
            await asyncio.wait({run}, timeout=60.0)
            with pytest.raises(ExceptionGroup) as caught:
                run.result()
            assert caught.value.exceptions[0].args == ("1000",)
        finally:
            await edge.close()


async def test_a_line_is_not_dialled_for_ever():
    async with serving() as server:
        limits = replace(QUICK, sockets=replace(QUICK.sockets, dial_timeout_s=0.1))
        edge = venue(server, limits)
        writers: list[asyncio.StreamWriter] = []
        mute = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
        port = mute.sockets[0].getsockname()[1]
        edge._trading.socket._url = f"ws://127.0.0.1:{port}/ws/api/v2"
        try:
            with pytest.raises(VenueUnreachableError, match="no answer within"):
                await edge.open(Facts().append)
        finally:
            mute.close()
            await edge.close()
            for writer in writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


async def test_a_login_that_cannot_be_renewed_starts_over():
    async with serving() as server:
        server.expires_in = 0.2
        async with running(venue(server)) as facts:
            server.rules["public/auth"] = lambda _: Failure(code=13009, message="unauthorized")
            await until(lambda: {fact.link for fact in facts.of(LinkDown)} == set(Link))
            assert "could not be renewed" in facts.of(LinkDown)[0].reason

            facts.clear()
            server.expires_in = 900.0
            del server.rules["public/auth"]
            await until(lambda: {fact.link for fact in facts.of(LinkUp)} == set(Link))


async def test_a_trading_line_that_hears_nothing_of_the_account_is_not_up():
    async with serving() as server:
        edge = venue(server)
        facts = Facts()
        await edge.open(facts.append)
        server.rules["private/subscribe"] = lambda _: ["user.portfolio.BTC"]
        run = asyncio.get_running_loop().create_task(edge.run())
        try:
            await until(lambda: facts.of(LinkDown))
            assert facts.of(LinkDown)[0].reason == f"the venue did not subscribe {CHANGES}"
            assert LinkUp(link=Link.TRADING) not in facts
        finally:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run
            await edge.close()


async def test_a_halt_that_comes_while_an_order_waits_for_its_turn_keeps_it_here():
    async with serving() as server, running(edge := venue(server)):
        edge._desk._shut = lambda: "halted by somebody"
        (fact,) = await edge.perform(submit())
        assert isinstance(fact, OrderRejected)
        assert (fact.reason, fact.is_passing) == ("not sent: halted by somebody", True)
        assert server.methods("private/buy") == []
        edge._desk._shut = str
        await edge.perform(submit("db-2"))
        assert len(server.methods("private/buy")) == 1
