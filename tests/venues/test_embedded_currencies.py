"""The edge in every currency of the embedded exchange: names, lots, ticks, books, long logins."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bot.core.actions import QueryOrder, ReadAccount, Watch
from bot.core.events import (
    BadMessage,
    BalanceSeen,
    FillSeen,
    InstrumentsSeen,
    LinkDown,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.core.instruments import Instrument, Kind, Settlement, cap_price, size_native
from bot.core.units import MS_PER_HOUR
from bot.exchange.auth import AuthPolicy
from bot.exchange.floor import ServerPolicy
from bot.exchange.server import ExchangeServer
from bot.venues import deribit_line
from bot.venues.deribit import DeribitVenue
from bot.venues.deribit_names import named
from tests.venues.edge import Facts, kinds, one, running, until
from tests.venues.payloads import PERPETUAL
from tests.venues.test_embedded_exchange import edge_of, exchange, order, sim, watched_ask

CURRENCIES = ("BTC", "ETH", "USDC")
PERPETUALS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL")


def listed(facts: Facts) -> Mapping[str, Instrument]:
    return {item.name: item for item in facts.of(InstrumentsSeen)[0].instruments}


async def test_a_name_says_what_the_list_says_of_every_instrument():
    async with (
        exchange() as server,
        running(edge_of(server, currencies=CURRENCIES)) as facts,
    ):
        terms = listed(facts)
        assert len(terms) >= 500
        assert {item.currency for item in terms.values()} == set(CURRENCIES)
        for name, item in terms.items():
            known = named(name)
            assert known is not None, name
            assert (known.kind, known.settlement) == (item.kind, item.settlement), name
            assert (known.underlying, known.currency) == (item.underlying, item.currency), name
            assert (known.expiry_ms, known.strike) == (item.expiry_ms, item.strike), name
            assert known.is_call == item.is_call, name
            assert item.index_name.startswith(f"{item.underlying.lower()}_usd"), name


async def traded(edge: DeribitVenue, server: ExchangeServer, item: Instrument, quote: QuoteSeen):
    """Buy about 0.02 coins, or the least that may be bought, five basis points over the ask."""
    assert quote.ask is not None
    assert quote.index_usd is not None
    is_option = item.kind is Kind.OPTION
    size = size_native(item, 0.02, quote.index_usd) or item.size_min
    limit = cap_price(item, quote.ask * (1.2 if is_option else 1.0005), +1)
    action = replace(order(server, f"db-{item.name}", str(size), 1.0), limit=limit)
    return size, await edge.perform(replace(action, instrument=item.name))


async def test_lots_and_ticks_of_every_kind_and_currency_are_taken_as_they_are_sent():
    async with (
        exchange() as server,
        running(edge := edge_of(server, currencies=CURRENCIES)) as facts,
    ):
        terms = listed(facts)
        kinds_of: dict[tuple[str, str, Kind], str] = {}
        for name, item in sorted(terms.items(), key=lambda row: row[1].expiry_ms or 0):
            far = (item.expiry_ms or 2**60) > server.floor.market_clock.market_ms() + MS_PER_HOUR
            if far and (item.is_call is not False):
                kinds_of.setdefault((item.underlying, item.currency, item.kind), name)
        chosen = frozenset({*kinds_of.values(), *PERPETUALS})
        await edge.perform(Watch(instruments=chosen))
        quotes = {fact.instrument: fact for fact in facts.of(QuoteSeen)}
        assert quotes.keys() == chosen
        for name in sorted(chosen):
            if quotes[name].ask is None:
                continue
            size, result = await traded(edge, server, terms[name], quotes[name])
            assert OrderRejected not in kinds(result), (name, result)
            seen = one(result, OrderSeen)
            assert (seen.instrument, seen.size_native) == (name, size)
        bought = {fact.instrument for fact in facts.of(PositionsSeen)[0].positions}
        assert bought
        read = await edge.perform(ReadAccount(reason="x", trades_since_ms=0))
        held = {row.instrument: row.size_native for row in one(read, PositionsSeen).positions}
        assert {fact.instrument for fact in read if isinstance(fact, FillSeen)} >= set(PERPETUALS)
        for name in PERPETUALS:
            settlement = Settlement.LINEAR if "USDC" in name else Settlement.INVERSE
            assert terms[name].settlement is settlement
            assert held[name] > 0
        balances = {fact.currency: fact for fact in read if isinstance(fact, BalanceSeen)}
        assert set(CURRENCIES) <= balances.keys()
        assert balances["USDC"].delta_total_map.keys() == {"btc_usdc", "eth_usdc"}
        assert facts.of(BadMessage) == []


async def test_a_daemon_of_one_currency_hears_nothing_of_the_others():
    async with (
        exchange() as server,
        running(edge_of(server, currencies=CURRENCIES)) as _,
        running(mine := edge_of(server)) as facts,
    ):
        other = edge_of(server, currencies=("ETH",))
        async with running(other) as theirs:
            await other.perform(Watch(instruments=frozenset({"ETH-PERPETUAL"})))
            ask = theirs.of(QuoteSeen)[-1].ask
            assert ask is not None
            action = order(server, "db-e", "100", ask * 1.002)
            action = replace(action, instrument="ETH-PERPETUAL", limit=Decimal(round(ask * 1.002)))
            assert one(await other.perform(action), OrderSeen).status is VenueStatus.FILLED
            await until(lambda: theirs.of(PositionsSeen))
        await asyncio.sleep(0.05)

        assert not {FillSeen, OrderSeen, PositionsSeen} & set(kinds(facts))
        read = await mine.perform(ReadAccount(reason="x", trades_since_ms=0))
        names = {row.instrument for row in one(read, PositionsSeen).positions}
        assert not any(name.startswith("ETH") for name in names)


async def test_hedges_are_quoted_with_the_depth_of_a_book_that_agrees_with_the_venues_own():
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        await watched_ask(edge, facts)
        await until(lambda: facts.of(QuoteSeen)[-1].bid_depth_native is not None)
        seen = facts.of(QuoteSeen)[-1]
        books = edge._feed.berth.session.books
        ours = books._books[PERPETUAL]
        await until(lambda: ours.is_good)
        asked = {"instrument_name": PERPETUAL, "depth": 1000}
        bids, asks = ours.levels()
        theirs = (await edge._market.socket.call("public/get_order_book", asked)).result

        assert seen.bid_depth_native is not None
        assert seen.bid_size_native is not None
        assert seen.bid_depth_native >= seen.bid_size_native
        assert bids[0][0] < asks[0][0]
        assert abs(bids[0][0] / theirs["best_bid_price"] - 1.0) < 0.001
        assert facts.of(BadMessage) == []


async def test_a_daemon_outlives_many_short_tokens_with_its_private_channels(monkeypatch):
    # A machine that stands still for a second does not outlast a token.
    monkeypatch.setattr(deribit_line, "TOKEN_SHARE", 0.25)
    short = ServerPolicy(auth=AuthPolicy(token_lifetime_s=2))
    async with exchange(short) as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)
        await asyncio.sleep(4.5)
        facts.clear()
        result = await edge.perform(order(server, "db-1", "120", ask * 1.01))

        assert one(result, OrderSeen).status is VenueStatus.FILLED
        await until(lambda: facts.of(PositionsSeen))
        assert [fact.order_id for fact in facts.of(FillSeen)][:1] == ["db-1"]
        assert facts.of(LinkDown) == []
        assert facts.of(BadMessage) == []


async def fault(server: ExchangeServer, **body: Any) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{server.port}/sim/faults", json=body) as response,
    ):
        assert response.status == 200, await response.text()


@pytest.mark.parametrize("kind", ["drop_after_accept", "drop_before"])
async def test_an_order_sent_before_a_disconnect_is_asked_for_after_it(kind: str):
    async with exchange() as server, running(edge := edge_of(server)) as facts:
        ask = await watched_ask(edge, facts)
        await fault(server, kind=kind, method="private/buy", count=1)
        now_ms = server.floor.market_clock.market_ms()
        facts.clear()
        result = await edge.perform(order(server, "db-1", "120", ask * 1.01))
        assert kinds(result) == [OrderSent, OrderUnknown]

        await until(lambda: edge._trading.is_ready)
        question = QueryOrder(order_id="db-1", instrument=PERPETUAL, requested_ms=now_ms)
        answer = await edge.perform(question)
        if kind == "drop_before":
            assert kinds(answer) == [OrderNotFound]
        else:
            assert kinds(answer) == [FillSeen] * (len(answer) - 1) + [OrderSeen]
            assert one(answer, OrderSeen).status is VenueStatus.FILLED
        requests = (await sim(server, "ledger"))["requests"]
        placed = [item for item in requests if item["method"] == "private/buy"]
        assert len(placed) == (0 if kind == "drop_before" else 1)  # and never a second one
