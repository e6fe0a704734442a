"""Seven traps of ccxt under a hedger: in each, the naive way falls in and the edge does not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest

from bot.core.actions import Watch
from bot.core.events import BadMessage, BalanceSeen, FillSeen, OrderUnknown, QuoteSeen
from bot.venues import deribit_translate
from bot.venues.deribit_line import TappedDeribit
from tests.venues.deribit_server import Server, Vanish, serving
from tests.venues.edge import one, running, submit, until, venue
from tests.venues.payloads import CALL, NOW_MS, PERPETUAL, position, summary, ticker, trade

# Reading the certificates costs more than the rest of a test, and loopback has no use for them.
TLS = ssl.create_default_context()

SYMBOL = "BTC/USD:BTC"


@contextlib.asynccontextmanager
async def naive(server: Server) -> AsyncIterator[Any]:
    """An unmodified ccxt.pro Deribit; only its two addresses are set."""
    exchange = ccxt.pro.deribit({"apiKey": "demo", "secret": "demo-secret"})
    exchange.urls["api"] = {"rest": server.rest_url, "ws": server.ws_url}
    exchange.timeout_on_exit = 0
    exchange.ssl_context = TLS
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_trap_1_two_strings_are_all_that_an_unmodified_ccxt_needs():
    async with serving() as server, naive(server) as exchange:
        markets = await exchange.load_markets()
        assert {market["id"] for market in markets.values()} >= {PERPETUAL, CALL}
        assert (await exchange.fetch_ticker(SYMBOL))["bid"] == server.bid

        waiting = asyncio.ensure_future(exchange.watch_ticker(SYMBOL))
        channel = f"ticker.{PERPETUAL}.100ms"
        await until(lambda: channel in server.subscribed())
        await server.push(channel, ticker(PERPETUAL, 5.0))
        assert (await waiting)["bid"] == 5.0


async def test_trap_2_a_lost_answer_doubles_the_order_of_ccxt_but_not_ours():
    async with serving() as server:

        def accept_and_vanish(params: dict[str, Any]) -> Any:
            answer = server.trade(params, "buy")
            return Vanish() if len(server.orders) == 1 else answer

        server.rules["private/buy"] = accept_and_vanish
        async with naive(server) as exchange:
            await exchange.load_markets()
            await exchange.create_order(SYMBOL, "limit", "buy", 100, 100_100)
        assert [request.transport for request in server.placed] == ["http", "http"]
        assert len(server.orders) == 2

        server.heard.clear()
        server.orders.clear()
        async with running(edge := venue(server)):
            result = await edge.perform(submit())
            await asyncio.sleep(0.1)
        assert one(result, OrderUnknown).order_id == "db-1"
        assert [request.transport for request in server.placed] == ["ws"]
        assert len(server.orders) == 1


async def test_trap_3_a_busy_consumer_loses_fills_of_ccxt_but_not_of_ours():
    async with serving() as server:

        async def ten_fills(channel: str, wrap: Any) -> None:
            await until(lambda: channel in server.subscribed())
            for number in range(10):
                await server.push(channel, wrap(trade(trade_id=str(number))))
                await asyncio.sleep(0.01)

        async with naive(server) as exchange:
            await exchange.load_markets()
            filling = asyncio.ensure_future(
                ten_fills("user.trades.any.any.raw", lambda deal: [deal])
            )
            seen: set[str] = set()
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(0.3):
                        seen |= {deal["id"] for deal in await exchange.watch_my_trades()}
                    await asyncio.wait({filling})  # busy, until all have come
                    await asyncio.sleep(0.05)
            await filling
        assert len(seen) < 10

        async with running(venue(server)) as facts:
            await ten_fills(
                "user.changes.any.any.raw",
                lambda deal: {"trades": [deal], "orders": [], "position": []},
            )
            await until(lambda: len(facts.of(FillSeen)) >= 10)
        assert [fact.trade_id for fact in facts.of(FillSeen)] == [str(n) for n in range(10)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_trap_4_one_error_frame_freezes_ccxt_but_not_ours():
    error = '{"jsonrpc":"2.0","id":4711,"error":{"code":10028,"message":"too_many_requests"}}'
    async with serving() as server:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # ccxt raises into it
        async with naive(server) as exchange:
            await exchange.load_markets()
            channel = f"ticker.{PERPETUAL}.100ms"
            waiting = asyncio.ensure_future(exchange.watch_ticker(SYMBOL))
            await until(lambda: channel in server.subscribed())
            await server.say(error)
            for _ in range(5):
                await server.push(channel, ticker(PERPETUAL, 5.0))
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            waiting.cancel()

        async with running(edge := venue(server)) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            facts.clear()
            await server.say(error)
            for number in range(1, 21):
                await server.push(f"ticker.{PERPETUAL}.raw", ticker(PERPETUAL, float(number)))
            await until(lambda: len(facts.of(QuoteSeen)) == 20)
            assert "too_many_requests" in facts.of(BadMessage)[0].reason


def book(bid: float, change_id: int) -> dict[str, Any]:
    return {
        "type": "snapshot",
        "timestamp": NOW_MS,
        "instrument_name": PERPETUAL,
        "change_id": change_id,
        "bids": [["new", bid, 100.0]],
        "asks": [["new", bid + 1.0, 100.0]],
    }


async def test_trap_5_a_reconnect_crosses_the_book_of_ccxt_but_not_our_quote():
    async with serving() as server:
        async with naive(server) as exchange:
            await exchange.load_markets()
            channel = f"book.{PERPETUAL}.100ms"
            waiting = asyncio.ensure_future(exchange.watch_order_book(SYMBOL))
            await until(lambda: channel in server.subscribed())
            await server.push(channel, book(64_999.0, 1))
            await waiting
            with contextlib.suppress(ccxt.NetworkError):
                waiting = asyncio.ensure_future(exchange.watch_order_book(SYMBOL))
                await asyncio.sleep(0)
                server.cut()
                await waiting
            waiting = asyncio.ensure_future(exchange.watch_order_book(SYMBOL))
            await until(lambda: channel in server.subscribed())
            await server.push(channel, book(63_000.0, 2))
            crossed = await waiting
            assert crossed["bids"][0][0] > crossed["asks"][0][0]

        server.bid = 64_999.0
        async with running(edge := venue(server)) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            server.bid = 63_000.0
            server.cut()
            await until(lambda: facts.of(QuoteSeen)[-1].bid == 63_000.0)
            assert facts.of(QuoteSeen)[-1].ask == 63_001.0


class Notes:
    """A listener that keeps what it hears, and breaks on request."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.failures: list[str] = []

    def connected(self, client: Any) -> None:
        """Say nothing."""

    def disconnected(self, client: Any, reason: str) -> None:
        """Say nothing."""

    def took(self, message: Any) -> None:
        if message.get("break"):
            raise KeyError("planted")
        self.taken.append(message)

    def failed(self, reason: str) -> None:
        self.failures.append(reason)


async def test_trap_6_the_tap_hears_what_ccxt_refuses_and_outlives_what_breaks():
    frame = {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {"channel": "user.changes.any.any.raw", "data": {}},
    }
    plain = ccxt.pro.deribit()
    with pytest.raises(ccxt.NotSupported):
        plain.handle_message(None, frame)

    tapped = TappedDeribit()
    tapped.timeout_on_exit = 0
    tapped.ssl_context = TLS
    tapped.listener = notes = Notes()
    client = tapped.client("ws://127.0.0.1:9")
    client.handle_text_or_binary_message('{"break": true}')
    client.handle_text_or_binary_message("{not json")
    client.handle_text_or_binary_message(ccxt.Exchange.json(frame))
    await tapped.close()

    assert notes.taken == [frame]
    assert "planted" in notes.failures[0]
    assert "JSONDecodeError" in notes.failures[1]


async def test_trap_7_the_venues_delta_is_net_of_marks_and_is_passed_on_as_it_is():
    black, mark = 0.3198656857, 0.0327026050
    calls, hedge_coin = -10.0, 1.2
    net = calls * (black - mark) + hedge_coin
    rows = [position(CALL, calls, delta=calls * black), position(PERPETUAL, 120_000.0, delta=1.2)]
    naive_delta = sum(row["delta"] for row in rows)

    seen = deribit_translate.balance(summary(delta_total=net), arrived_ns=1)

    assert isinstance(seen, BalanceSeen)
    assert seen.delta_total_coin == net
    assert abs(naive_delta - net) > 0.3  # what hedging by Black's delta would leave open
