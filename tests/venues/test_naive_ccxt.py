"""The same venue, the same fault, two clients: what stock ccxt loses, and what our edge does."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from bot.core.actions import QueryOrder
from bot.core.events import (
    BadMessage,
    FillSeen,
    LinkDown,
    LinkUp,
    OrderSeen,
    OrderUnknown,
    QuoteSeen,
)
from bot.exchange.server import ExchangeServer
from bot.venues.deribit import DeribitVenue
from tests.exchange.wire import PATIENCE_S
from tests.venues.edge import QUICK, Facts, both_up, running, until
from tests.venues.payloads import PERPETUAL
from tests.venues.test_embedded_exchange import edge_of, exchange, order, sim, watched_ask

TLS = ssl.create_default_context()
SYMBOL = "BTC/USD:BTC"
FILLS = 10
LATE = 0.8  # seconds after which nothing more can be expected of a channel that speaks ten times

# What happens | stock ccxt | our edge. Each cell is measured below, and the test fails if it is
# no longer so.
TABLE: dict[str, tuple[str, str]] = {
    "the answer to an order is lost": (
        "2 orders at the venue, 1 known here, no error",
        "1 order at the venue, unknown until asked for, then known",
    ),
    "ten fills come while the consumer works": (
        "fewer than 10 of 10 fills",
        "10 of 10 fills",
    ),
    "an error comes that answers nothing": (
        "no ticker ever after, no error",
        "tickers go on, the error is told",
    ),
    "the line breaks while the market falls": (
        "a book whose bid is above its ask",
        "a new book, bid below ask",
    ),
    "changes of the book are lost": (
        "goes on with a book that is wrong",
        "drops the book, and begins another",
    ),
    "a channel dies while pings are answered": (
        "waits, no error",
        "leaves the line, and tickers come again",
    ),
    "the login ends": (
        "no fill is heard of, no error",
        "logs in again, and fills are heard of",
    ),
}


@dataclass
class Stage:
    """A venue whose wire can be harmed."""

    server: ExchangeServer

    async def arm(self, kind: str, **how: Any) -> None:
        await self.lever("faults", {"kind": kind, **how})

    async def lever(self, name: str, body: dict[str, Any]) -> None:
        url = f"http://127.0.0.1:{self.server.port}/sim/{name}"
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def fall(self) -> None:
        await self.lever("shock", {"underlying": "BTC", "move": -0.03})

    def hang_up(self) -> None:
        """End every WebSocket."""
        for session in list(self.server.floor.sessions.values()):
            session.close("the line breaks")

    async def orders(self) -> int:
        return len((await sim(self.server, "ledger"))["requests"])

    @contextlib.asynccontextmanager
    async def naive(self, **options: Any) -> AsyncIterator[Any]:
        """An unmodified ccxt.pro Deribit; only its two addresses are set."""
        client = ccxt.pro.deribit({"apiKey": "demo", "secret": "demo-secret", **options})
        host = f"127.0.0.1:{self.server.port}"
        client.urls["api"] = {"rest": f"http://{host}", "ws": f"ws://{host}/ws/api/v2"}
        client.timeout_on_exit = 0
        client.ssl_context = TLS
        # ccxt raises into the loop what it raises in its receive loop.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        try:
            await client.load_markets()
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def ours(self, stall_after_s: float = 30.0) -> AsyncIterator[tuple[DeribitVenue, Facts]]:
        edge = edge_of(self.server, limits=replace(QUICK, stall_after_s=stall_after_s))
        async with running(edge) as facts:
            yield edge, facts


async def heard(waiting: Awaitable[Any], seconds: float = LATE) -> Any:
    """What comes in time; None if nothing does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await waiting
    return None


# ------------------------------------------------------------------------- what stock ccxt does


async def naive_answer(stage: Stage) -> str:
    async with stage.naive() as client:
        await stage.arm("drop_after_accept", method="private/buy")
        await client.create_order(SYMBOL, "market", "buy", 10)
        return f"{await stage.orders()} orders at the venue, 1 known here, no error"


async def naive_fills(stage: Stage) -> str:
    async with stage.naive() as client, stage.naive(enableRateLimit=False) as trader:
        seen: set[str] = set()
        waiting = asyncio.ensure_future(client.watch_my_trades())
        await asyncio.sleep(0.3)
        for _ in range(FILLS):
            await trader.create_order(SYMBOL, "market", "buy", 10)
        while (deals := await heard(waiting)) is not None:
            seen |= {deal["id"] for deal in deals}
            await asyncio.sleep(0.2)
            waiting = asyncio.ensure_future(client.watch_my_trades())
        return "10 of 10 fills" if len(seen) >= FILLS else "fewer than 10 of 10 fills"


async def naive_error(stage: Stage) -> str:
    async with stage.naive() as client:
        await client.watch_ticker(SYMBOL)
        await stage.arm("error_frame", channel="ticker.")
        told = ""
        try:
            while await heard(client.watch_ticker(SYMBOL), PATIENCE_S) is not None:
                pass
        except ccxt.BaseError as error:
            told = f"{type(error).__name__}, then "
        again = await heard(client.watch_ticker(SYMBOL))
        return f"{told}{'no ticker ever after, no error' if again is None else 'tickers go on'}"


async def naive_break(stage: Stage) -> str:
    async with stage.naive() as client:
        await client.watch_order_book(SYMBOL)
        stage.hang_up()
        with contextlib.suppress(ccxt.BaseError):
            while True:
                await client.watch_order_book(SYMBOL)
        await stage.fall()
        await asyncio.sleep(0.2)
        book = await client.watch_order_book(SYMBOL)
        is_crossed = book["bids"][0][0] >= book["asks"][0][0]
        return "a book whose bid is above its ask" if is_crossed else "a good book"


async def naive_gap(stage: Stage) -> str:
    async with stage.naive() as client:
        await client.watch_order_book(SYMBOL)
        await stage.arm("sequence_gap", count=3)
        await stage.fall()
        book: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while True:
                    book = await client.watch_order_book(SYMBOL)
        true = await client.fetch_order_book(SYMBOL)
        is_wrong = [row[0] for row in book["bids"]] != [row[0] for row in true["bids"]]
        return "goes on with a book that is wrong" if is_wrong else "a right book"


async def naive_stall(stage: Stage) -> str:
    async with stage.naive() as client:
        await client.watch_ticker(SYMBOL)
        await stage.arm("silent_stall", channel="ticker.", connection=1, window_ms=60_000)
        last: Any = 1
        while last is not None:
            last = await heard(client.watch_ticker(SYMBOL), 1.2)
        return "waits, no error"


async def naive_login(stage: Stage) -> str:
    async with stage.naive() as client, stage.naive(enableRateLimit=False) as trader:
        waiting = asyncio.ensure_future(client.watch_my_trades())
        await asyncio.sleep(0.3)
        await stage.arm("token_expiry")
        await trader.create_order(SYMBOL, "market", "buy", 10)
        deals = await heard(waiting)
        return "no fill is heard of, no error" if deals is None else "fills are heard of"


# ------------------------------------------------------------------------- what our edge does


async def our_answer(stage: Stage) -> str:
    async with stage.ours() as (edge, facts):
        ask = await watched_ask(edge, facts)
        before = await stage.orders()
        await stage.arm("drop_after_accept", method="private/buy")
        lost = await edge.perform(order(stage.server, "db-1", "10", ask * 1.001))
        assert any(isinstance(fact, OrderUnknown) for fact in lost)
        now_ms = stage.server.floor.market_clock.market_ms()
        await until(lambda: facts.of(LinkDown))
        asked = QueryOrder(order_id="db-1", instrument=PERPETUAL, requested_ms=now_ms - 60_000)
        found = await edge.perform(asked)
        known = [fact for fact in found if isinstance(fact, OrderSeen)]
        assert {fact.order_id for fact in known} == {"db-1"}
        count = await stage.orders() - before
        return f"{count} order at the venue, unknown until asked for, then known"


async def our_fills(stage: Stage) -> str:
    async with stage.ours() as (edge, facts), stage.naive(enableRateLimit=False) as trader:
        before = {fill["trade_id"] for fill in (await sim(stage.server, "ledger"))["fills"]}
        for _ in range(FILLS):
            await trader.create_order(SYMBOL, "market", "buy", 10)
        there = {fill["trade_id"] for fill in (await sim(stage.server, "ledger"))["fills"]}
        there -= before
        with contextlib.suppress(TimeoutError):
            await until(lambda: there <= {fact.trade_id for fact in facts.of(FillSeen)})
        seen = there & {fact.trade_id for fact in facts.of(FillSeen)}
        del edge
        return f"{len(seen)} of {len(there)} fills"


async def our_error(stage: Stage) -> str:
    async with stage.ours() as (edge, facts):
        await watched_ask(edge, facts)
        await stage.arm("error_frame", channel="ticker.")
        await until(lambda: facts.of(BadMessage))
        facts.clear()
        await until(lambda: len(facts.of(QuoteSeen)) >= 3)
        return "tickers go on, the error is told"


def has_fallen(quote: QuoteSeen, before: float) -> bool:
    return quote.bid_depth_native is not None and quote.ask is not None and quote.ask < before


async def our_break(stage: Stage) -> str:
    async with stage.ours() as (edge, facts):
        before = await watched_ask(edge, facts)
        stage.hang_up()
        await until(lambda: facts.of(LinkDown))
        await stage.fall()
        facts.clear()
        await until(lambda: both_up(facts) and facts.of(QuoteSeen))
        # The fall shows in the market's next frame, which may come after the line is up again.
        await until(lambda: has_fallen(facts.of(QuoteSeen)[-1], before))
        last = facts.of(QuoteSeen)[-1]
        assert last.bid is not None
        assert last.ask is not None
        return "a new book, bid below ask" if last.bid < last.ask else "a crossed book"


async def our_gap(stage: Stage) -> str:
    async with stage.ours() as (edge, facts):
        await watched_ask(edge, facts)
        await until(lambda: facts.of(QuoteSeen)[-1].bid_depth_native is not None)
        await stage.arm("sequence_gap", count=3)
        await stage.fall()
        await until(lambda: [f for f in facts.of(BadMessage) if "book dropped" in f.reason])
        facts.clear()
        await until(lambda: [f for f in facts.of(QuoteSeen) if f.bid_depth_native is not None])
        return "drops the book, and begins another"


async def our_stall(stage: Stage) -> str:
    async with stage.ours(stall_after_s=0.9) as (edge, facts):
        await watched_ask(edge, facts)
        await stage.arm("silent_stall", channel="ticker.", window_ms=600_000)
        await until(lambda: facts.of(LinkDown))
        await stage.arm("clear")
        facts.clear()
        await until(lambda: facts.of(QuoteSeen))
        return "leaves the line, and tickers come again"


async def our_login(stage: Stage) -> str:
    async with stage.ours() as (edge, facts), stage.naive(enableRateLimit=False) as trader:
        ask = await watched_ask(edge, facts)
        await stage.arm("token_expiry")
        await edge.perform(order(stage.server, "db-1", "10", ask * 1.001))
        facts.clear()
        await until(lambda: [fact for fact in facts.of(LinkUp) if fact.link == "trading"])
        await trader.create_order(SYMBOL, "market", "buy", 10)
        await until(lambda: facts.of(FillSeen))
        return "logs in again, and fills are heard of"


Measured = Callable[[Stage], Awaitable[str]]
MEASURES: dict[str, tuple[Measured, Measured]] = dict(
    zip(
        TABLE,
        [
            (naive_answer, our_answer),
            (naive_fills, our_fills),
            (naive_error, our_error),
            (naive_break, our_break),
            (naive_gap, our_gap),
            (naive_stall, our_stall),
            (naive_login, our_login),
        ],
        strict=True,
    )
)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", TABLE)
async def test_the_table_of_what_stock_ccxt_loses_and_our_edge_does_not_is_true(what: str) -> None:
    naive, ours = MEASURES[what]
    async with exchange(speed=20.0) as server:
        stage = Stage(server)
        found = await naive(stage)
        await stage.arm("clear")
        assert (found, await ours(stage)) == TABLE[what]
