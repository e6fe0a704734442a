"""An unmodified ccxt.pro against the embedded exchange: only the two addresses are ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro
import pytest
from ccxt.base.errors import AuthenticationError, InsufficientFunds, InvalidOrder, OrderNotFound

from bot.exchange.server import ExchangeServer
from tests.exchange.wire import PERPETUAL, line_to, serving

SWAP = "BTC/USD:BTC"


@asynccontextmanager
async def client_of(server: ExchangeServer, **credentials: str) -> AsyncIterator[Any]:
    login = {"apiKey": "demo", "secret": "demo-secret", **credentials}
    exchange = ccxt.pro.deribit({**login, "enableRateLimit": False, "timeout_on_exit": 0})
    here = f"127.0.0.1:{server.port}"
    exchange.urls["api"] = {"rest": f"http://{here}", "ws": f"ws://{here}/ws/api/v2"}
    try:
        yield exchange
    finally:
        await exchange.close()


def an_option(markets: dict[str, Any], spot_usd: float) -> str:
    """A call of the second expiry, near the money."""
    options = [each for each in markets.values() if each["option"]]
    expiry = sorted({each["expiry"] for each in options})[1]
    calls = [each for each in options if each["expiry"] == expiry and each["optionType"] == "call"]
    return str(min(calls, key=lambda each: abs(each["strike"] - spot_usd))["symbol"])


async def test_ccxt_reads_the_market_and_the_account() -> None:
    async with serving(book="demo", equity_coin=None) as server, client_of(server) as exchange:
        markets = await exchange.load_markets()
        ticker = await exchange.fetch_ticker(SWAP)
        option = an_option(markets, ticker["indexPrice"])
        greeks = await exchange.fetch_greeks(option)
        book = await exchange.fetch_order_book(SWAP, 5)
        chain = await exchange.fetch_option_chain("BTC")
        balance = await exchange.fetch_balance()
        positions = await exchange.fetch_positions()
        time_ms = await exchange.fetch_time()

    swap = markets[SWAP]
    assert (swap["id"], swap["inverse"], swap["contractSize"]) == (PERPETUAL, True, 10)
    assert (swap["precision"]["amount"], swap["precision"]["price"]) == (10, 0.5)
    assert markets[option]["settle"] == "BTC"
    assert ticker["bid"] < ticker["markPrice"] < ticker["ask"]
    assert 0.3 < greeks["delta"] < 0.7
    assert 5 < greeks["markImpliedVolatility"] < 500
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert len(chain) == len(markets) - 1
    assert balance["BTC"]["total"] > balance["BTC"]["free"] > 0
    assert len(positions) == 6
    assert {position["side"] for position in positions} == {"short"}
    assert all(position["info"]["size"] < 0 for position in positions)
    assert abs(time_ms - ticker["timestamp"]) < 60_000


async def test_ccxt_places_finds_and_cancels_orders_over_http() -> None:
    async with serving() as server, client_of(server) as exchange:
        await exchange.load_markets()
        floor_usd = (await exchange.fetch_ticker(SWAP))["info"]["min_price"]
        taken = await exchange.create_order(SWAP, "market", "sell", 100, None, {"label": "h-1"})
        resting = await exchange.create_order(
            SWAP, "limit", "buy", 50, float(floor_usd), {"postOnly": True, "label": "h-2"}
        )
        ioc = {"timeInForce": "IOC", "reduceOnly": True}
        closing = await exchange.create_order(SWAP, "limit", "buy", 40, 200_000, ioc)
        found = await exchange.fetch_open_orders()
        cancelled = await exchange.cancel_order(resting["id"], SWAP)
        trades = await exchange.fetch_my_trades()
        position = (await exchange.fetch_positions())[0]
        by_label = await exchange.private_get_get_order_state_by_label(
            {"currency": "BTC", "label": "h-1"}
        )

    assert (taken["status"], taken["filled"], taken["info"]["label"]) == ("closed", 100, "h-1")
    assert (resting["status"], resting["postOnly"]) == ("open", True)
    assert (closing["status"], closing["timeInForce"]) == ("closed", "IOC")
    assert [order["id"] for order in found] == [resting["id"]]
    assert cancelled["status"] == "canceled"
    assert {trade["order"] for trade in trades} == {taken["id"], closing["id"]}
    assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
    assert position["info"]["size"] == -60
    assert [order["order_id"] for order in by_label["result"]] == [taken["id"]]


async def test_ccxt_understands_why_it_is_refused() -> None:
    async with (
        serving() as server,
        client_of(server) as exchange,
        client_of(server, secret="wrong") as stranger,
    ):
        await exchange.load_markets()
        with pytest.raises(InsufficientFunds):
            await exchange.create_order(SWAP, "market", "buy", 100_000_000)
        with pytest.raises(InvalidOrder, match="10043"):
            await exchange.private_get_buy(
                {"instrument_name": PERPETUAL, "amount": 10, "type": "limit", "price": 90_000.3}
            )
        with pytest.raises(OrderNotFound):
            await exchange.cancel_order("BTC-1")
        with pytest.raises(AuthenticationError):
            await stranger.fetch_positions()
        with pytest.raises(AuthenticationError):
            await stranger.fetch_balance()


async def test_ccxt_watches_tickers_books_orders_and_fills() -> None:
    async with serving(speed=10.0) as server, client_of(server) as exchange:
        markets = await exchange.load_markets()
        option = an_option(markets, (await exchange.fetch_ticker(SWAP))["indexPrice"])
        orders = asyncio.create_task(exchange.watch_orders())
        fills = asyncio.create_task(exchange.watch_my_trades())
        ticker = await exchange.watch_ticker(SWAP)
        raw = await exchange.watch_ticker(option, {"interval": "raw"})
        book = await exchange.watch_order_book(SWAP)
        for _ in range(3):
            book = await exchange.watch_order_book(SWAP)
        quotes = await exchange.watch_bids_asks([SWAP, option])
        balance = await exchange.watch_balance()

        placed = await exchange.create_order(SWAP, "market", "buy", 100, None, {"label": "w-1"})
        heard = await asyncio.wait_for(orders, 5)
        filled = await asyncio.wait_for(fills, 5)

    assert ticker["bid"] < ticker["ask"]
    assert raw["info"]["greeks"]["vega"] > 0
    assert book["bids"][0][0] < book["asks"][0][0]
    assert set(quotes) <= {SWAP, option}
    assert balance["info"]["currency"] in {"BTC", "ETH", "USDC"}
    assert [order["info"]["label"] for order in heard] == ["w-1"]
    assert heard[0]["id"] == placed["id"]
    assert sum(fill["amount"] for fill in filled) == 100


async def test_an_order_over_a_websocket_is_seen_by_ccxt_over_http() -> None:
    async with serving() as server, client_of(server) as exchange, line_to(server) as line:
        await line.login()
        placed = await line.call(
            "private/buy", instrument_name=PERPETUAL, amount=30, type="market", label="json-rpc"
        )
        await exchange.load_markets()
        trades = await exchange.fetch_my_trades(SWAP)

    assert {trade["order"] for trade in trades} == {placed["order"]["order_id"]}
