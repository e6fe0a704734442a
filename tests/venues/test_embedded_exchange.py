"""The Deribit edge against the embedded exchange: two independent readings of one protocol."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bot.core.actions import CancelOrder, QueryOrder, ReadAccount, TimeInForce, Watch
from bot.core.events import (
    AccountRead,
    BadMessage,
    BalanceSeen,
    FillSeen,
    InstrumentsSeen,
    Link,
    LinkUp,
    OpenOrdersSeen,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.core.instruments import Kind
from bot.exchange.clock import WireClocks
from bot.exchange.floor import ServerPolicy
from bot.exchange.server import ExchangeOptions, ExchangeServer, build
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit import DeribitOptions, DeribitVenue
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.port import VenueRefusedError
from tests.venues.edge import QUICK, Facts, kinds, one, running, submit, until
from tests.venues.payloads import PERPETUAL


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000


def edge_of(
    server: ExchangeServer,
    secret: str = "demo-secret",
    *,
    limits: VenueLimits = QUICK,
    **options: Any,
) -> DeribitVenue:
    return DeribitVenue(
        options=DeribitOptions(
            rest_url=f"http://127.0.0.1:{server.port}",
            ws_url=f"ws://127.0.0.1:{server.port}/ws/api/v2",
            network=Network.REHEARSAL,
            **options,
        ),
        credentials=Credentials(key="demo", secret=secret),
        clocks=Clocks(
            epoch_ms=epoch_ms,
            monotonic_ns=time.monotonic_ns,
            market_ms=server.floor.market_clock.market_ms,
        ),
        sleep=asyncio.sleep,
        chance=lambda: 0.5,
        limits=limits,
    )


@contextlib.asynccontextmanager
async def exchange(
    policy: ServerPolicy | None = None, **options: Any
) -> AsyncIterator[ExchangeServer]:
    clocks = WireClocks(epoch_ms=epoch_ms, monotonic_ns=time.monotonic_ns)
    server = build(ExchangeOptions(**{"seed": 7, "sim": True} | options), clocks, policy=policy)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def sim(server: ExchangeServer, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/sim/{path}") as response,
    ):
        return await response.json()


def order(server: ExchangeServer, order_id: str, size: str, price: float, **changes: Any) -> Any:
    return submit(
        order_id,
        size,
        limit=Decimal(str(round(price * 2) / 2)),
        valid_until_ms=server.floor.market_clock.market_ms() + 60_000,
        **changes,
    )


async def watched_ask(edge: DeribitVenue, facts: Facts) -> float:
    await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
    await until(lambda: facts.of(QuoteSeen))
    ask = facts.of(QuoteSeen)[-1].ask
    assert ask is not None
    return ask


async def test_a_listed_book_is_read_watched_and_traded():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        listed = facts.of(InstrumentsSeen)[0].instruments
        assert sum(item.kind is Kind.OPTION for item in listed) >= 6 * 20
        read = await edge.perform(ReadAccount(reason="start", trades_since_ms=0))
        assert kinds(read)[0] is OpenOrdersSeen
        assert kinds(read)[-1] is AccountRead
        held = one(read, PositionsSeen)
        assert held.positions

        names = frozenset(row.instrument for row in held.positions) | {PERPETUAL}
        await edge.perform(Watch(instruments=names))
        assert {fact.instrument for fact in facts.of(QuoteSeen)} == names
        quote = next(fact for fact in facts.of(QuoteSeen) if fact.instrument == PERPETUAL)
        assert quote.ask is not None

        result = await edge.perform(order(server, "db-1", "120", quote.ask * 1.002))
        assert kinds(result)[0] is OrderSent
        assert one(result, OrderSeen).status is VenueStatus.FILLED
        await until(lambda: facts.of(PositionsSeen))
        assert facts.of(PositionsSeen)[0].positions[0].size_native == 120

        ledger = await sim(server, "ledger")
        placed = [entry for entry in ledger["requests"] if entry["method"] == "private/buy"]
        assert [(entry["transport"], entry["label"]) for entry in placed] == [("ws", "db-1")]
        assert facts.of(BadMessage) == []


async def test_the_venues_delta_is_equity_neutral_net_of_marks():
    async with exchange() as server, running(edge := edge_of(server)):
        read = await edge.perform(ReadAccount(reason="start", trades_since_ms=0))
        net = black = 0.0
        for row in one(read, PositionsSeen).positions:
            result = (
                await edge._market.socket.call("public/ticker", {"instrument_name": row.instrument})
            ).result
            size = float(row.size_native)
            black += size * result["greeks"]["delta"]
            net += size * (result["greeks"]["delta"] - result["mark_price"])
        balance = next(
            fact for fact in read if isinstance(fact, BalanceSeen) and fact.currency == "BTC"
        )

        assert balance.delta_total_coin == pytest.approx(net, abs=0.01)
        assert abs(black - net) > 0.5  # what Black's delta would leave open


async def test_a_resting_order_is_cancelled_found_and_not_mistaken():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)
        passive = order(
            server, "db-2", "-100", ask * 1.01, time_in_force=TimeInForce.GTC, post_only=True
        )
        assert one(await edge.perform(passive), OrderSeen).status is VenueStatus.OPEN

        cancelled = await edge.perform(CancelOrder(order_id="db-2", instrument=PERPETUAL))
        assert one(cancelled, OrderSeen).status is VenueStatus.CANCELLED

        now_ms = server.floor.market_clock.market_ms()
        absent = await edge.perform(
            QueryOrder(order_id="db-9", instrument=PERPETUAL, requested_ms=now_ms)
        )
        assert kinds(absent) == [OrderNotFound]


async def test_the_exchanges_refusals_are_told_from_what_proves_nothing():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)

        half_lot = await edge.perform(order(server, "db-3", "105", ask))
        assert kinds(half_lot) == [OrderSent, OrderRejected]
        crossing = await edge.perform(
            order(server, "db-4", "100", ask + 50, time_in_force=TimeInForce.GTC, post_only=True)
        )
        assert one(crossing, OrderRejected).code == 11054
        too_large = await edge.perform(order(server, "db-5", "900000000", ask))
        assert one(too_large, OrderRejected).code == 10009
        late = submit("db-6", limit=Decimal(round(ask)), valid_until_ms=1)
        assert kinds(await edge.perform(late)) == [OrderSent, OrderUnknown]


async def test_resting_orders_die_with_the_trading_line_and_both_links_return():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)
        passive = order(
            server, "db-7", "-100", ask * 1.01, time_in_force=TimeInForce.GTC, post_only=True
        )
        await edge.perform(passive)
        facts.clear()

        for line in (edge._trading, edge._market):
            line.socket._client.connection._response.connection.transport.abort()
        await until(lambda: {fact.link for fact in facts.of(LinkUp)} == set(Link))

        now_ms = server.floor.market_clock.market_ms()
        found = await edge.perform(
            QueryOrder(order_id="db-7", instrument=PERPETUAL, requested_ms=now_ms)
        )
        assert one(found, OrderSeen).status is VenueStatus.CANCELLED
        before = facts.index(LinkUp(link=Link.MARKET))
        assert any(isinstance(fact, QuoteSeen) for fact in facts[:before])


async def test_trades_of_a_busy_hour_are_all_read_back():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)
        sent_from_ms = server.floor.market_clock.market_ms()
        sent: list[Any] = []
        for number in range(12):
            size = "10" if number % 2 else "-10"
            limit = ask * (1.01 if number % 2 else 0.99)
            sent += await edge.perform(order(server, f"db-{number}", size, limit))

        read = await edge.perform(ReadAccount(reason="check", trades_since_ms=sent_from_ms))

        told = {fact.trade_id for fact in sent if isinstance(fact, FillSeen)}
        assert len(told) >= 12
        assert {fact.trade_id for fact in read if isinstance(fact, FillSeen)} == told


async def test_a_wrong_secret_is_refused_by_name():
    async with exchange() as server:
        edge = edge_of(server, secret="guess")
        with pytest.raises(VenueRefusedError, match="does not accept API key 'demo'"):
            await edge.open(Facts().append)
