"""An unmodified `ccxt.async_support.deribit` against the embedded exchange."""

import math
from typing import Any

import pytest
from ccxt.base.errors import AuthenticationError, InsufficientFunds, InvalidOrder, OrderNotFound

from bot.quant.black76 import greeks as black76
from tests.exchange.ccxt_clients import SWAP, an_option, ledger_of, rest_client
from tests.exchange.wire import PERPETUAL, line_to, serving

YEAR_MS = 365 * 86_400_000
MINUTE_MS = 60_000


async def test_ccxt_reads_the_market_and_the_account() -> None:
    async with serving(book="demo", equity_coin=None) as server, rest_client(server) as exchange:
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
    assert len(markets) >= 500
    assert (swap["id"], swap["inverse"], swap["contractSize"]) == (PERPETUAL, True, 10)
    assert (swap["precision"]["amount"], swap["precision"]["price"]) == (10, 0.5)
    assert markets[option]["settle"] == "BTC"
    assert ticker["bid"] < ticker["markPrice"] < ticker["ask"]
    assert 0.3 < greeks["delta"] < 0.7
    assert 5 < greeks["markImpliedVolatility"] < 500
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert set(chain) == {
        symbol for symbol, each in markets.items() if each["option"] and each["settle"] == "BTC"
    }
    assert balance["BTC"]["total"] > balance["BTC"]["free"] > 0
    assert len(positions) == 6
    assert {position["side"] for position in positions} == {"short"}
    assert all(position["info"]["size"] < 0 for position in positions)
    assert abs(time_ms - ticker["timestamp"]) < 60_000


async def test_ccxt_reads_what_happened_and_what_things_cost() -> None:
    async with serving(speed=60.0) as server, rest_client(server) as exchange:
        markets = await exchange.load_markets()
        index = (await exchange.fetch_ticker(SWAP))["indexPrice"]
        option = an_option(markets, index)
        await exchange.create_order(SWAP, "market", "buy", 500)
        tickers = await exchange.fetch_tickers([SWAP, option])
        trades = await exchange.fetch_trades(SWAP, None, 1_000)
        funding = await exchange.fetch_funding_rate(SWAP)
        interest = await exchange.fetch_open_interest(option)
        quote = await exchange.fetch_option(option)
        currencies = await exchange.fetch_currencies()
        fees = await exchange.fetch_trading_fees()
        status = await exchange.fetch_status()
        now_ms = await exchange.fetch_time()
        candles = await exchange.fetch_ohlcv(SWAP, "1m", now_ms - 10 * MINUTE_MS, 20)
        deposits = await exchange.fetch_deposits("BTC")
        empty = [
            await exchange.fetch_withdrawals("BTC"),
            await exchange.fetch_funding_rate_history(SWAP),
            await exchange.fetch_liquidations(SWAP),
        ]

    assert set(tickers) == {SWAP, option}
    assert 500 in [trade["amount"] for trade in trades]
    assert abs(funding["fundingRate"]) < 0.005
    assert interest["openInterestAmount"] == 0
    assert quote["info"]["mark_iv"] > 5
    assert {"BTC", "ETH", "USDC"} <= set(currencies)
    assert fees[SWAP]["taker"] == 0.0005
    assert status["status"] == "ok"
    assert candles
    assert all(low <= opened <= high for _, opened, high, low, _, _ in candles)
    assert candles[-1][4] == pytest.approx(index, rel=0.05)
    assert [(each["amount"], each["status"]) for each in deposits] == [(10.0, "ok")]
    assert empty == [[]] * len(empty)


async def test_the_greeks_on_the_wire_are_black_76s() -> None:
    async with serving(speed=0.001) as server, rest_client(server) as exchange:
        await exchange.load_markets()
        option_markets = [market for market in exchange.markets.values() if market["option"]]
        checked = option_markets[:: max(len(option_markets) // 60, 1)]
        assert {market["settle"] for market in checked} == {"BTC", "ETH", "USDC"}
        tickers = [await exchange.fetch_greeks(market["symbol"]) for market in checked]

    assert len(tickers) >= 50
    for market, ticker in zip(checked, tickers, strict=True):
        info = ticker["info"]
        years = (market["expiry"] - ticker["timestamp"]) / YEAR_MS
        exact = black76(
            info["underlying_price"],
            market["strike"],
            years,
            info["mark_iv"] / 100,
            market["optionType"] == "call",
            math.exp(-info["interest_rate"] * years),
        )
        assert ticker["delta"] == pytest.approx(float(exact.delta), abs=1e-4)
        assert ticker["gamma"] == pytest.approx(float(exact.gamma), rel=1e-3, abs=1e-7)
        assert ticker["vega"] == pytest.approx(float(exact.vega) / 100, rel=1e-3, abs=0.01)
        # The venue's theta is a day's, or a shorter life's, and no more than there is to lose.
        theta = max(float(exact.theta) * min(1 / 365, years), -float(exact.price))
        assert ticker["theta"] == pytest.approx(theta, rel=1e-3, abs=0.01)
        assert ticker["rho"] == pytest.approx(float(exact.rho) / 100, rel=1e-3, abs=0.01)


async def test_ccxt_places_finds_edits_and_cancels_orders_as_the_venue_saw_them() -> None:
    async with serving() as server, rest_client(server) as exchange:
        await exchange.load_markets()
        floor_usd = float((await exchange.fetch_ticker(SWAP))["info"]["min_price"])
        taken = await exchange.create_order(SWAP, "market", "sell", 100, None, {"label": "h-1"})
        post_only = {"postOnly": True, "label": "h-2"}
        resting = await exchange.create_order(SWAP, "limit", "buy", 50, floor_usd, post_only)
        edited = await exchange.edit_order(resting["id"], SWAP, "limit", "buy", 60, floor_usd + 1)
        ioc = {"timeInForce": "IOC", "reduceOnly": True}
        closing = await exchange.create_order(SWAP, "limit", "buy", 40, 200_000, ioc)
        found = await exchange.fetch_open_orders()
        one = await exchange.fetch_order(resting["id"])
        cancelled = await exchange.cancel_order(resting["id"], SWAP)
        closed = await exchange.fetch_closed_orders(SWAP)
        trades = await exchange.fetch_my_trades()
        position = (await exchange.fetch_positions())[0]
        by_label = await exchange.private_get_get_order_state_by_label(
            {"currency": "BTC", "label": "h-1"}
        )
        ledger = await ledger_of(server)

    assert (taken["status"], taken["filled"], taken["info"]["label"]) == ("closed", 100, "h-1")
    assert (resting["status"], resting["postOnly"]) == ("open", True)
    assert (edited["id"], edited["amount"], edited["price"]) == (resting["id"], 60, floor_usd + 1)
    assert (closing["status"], closing["timeInForce"]) == ("closed", "IOC")
    assert [order["id"] for order in found] == [resting["id"]]
    assert (one["id"], one["amount"]) == (resting["id"], 60)
    assert cancelled["status"] == "canceled"
    assert {order["id"] for order in closed} >= {taken["id"], closing["id"]}
    assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
    assert position["info"]["size"] == -60
    assert [order["order_id"] for order in by_label["result"]] == [taken["id"]]
    agree_with_ledger(trades, [taken, cancelled, closing], ledger)


def agree_with_ledger(
    trades: list[dict[str, Any]], orders: list[dict[str, Any]], ledger: dict[str, Any]
) -> None:
    """The client's trades, orders and position are the venue's."""
    assert {
        (trade["id"], trade["order"], trade["side"], trade["amount"], trade["price"])
        for trade in trades
    } == {
        (fill["trade_id"], fill["order_id"], fill["direction"], fill["amount"], fill["price"])
        for fill in ledger["fills"]
    }
    states = {"closed": "filled", "canceled": "cancelled", "open": "open"}
    assert [
        (order["id"], order["side"], order["amount"], order["filled"], states[order["status"]])
        for order in orders
    ] == [
        (
            order["order_id"],
            order["direction"],
            order["amount"],
            order["filled_amount"],
            order["state"],
        )
        for order in ledger["orders"]
    ]
    signed = sum(t["amount"] if t["side"] == "buy" else -t["amount"] for t in trades)
    assert ledger["positions"] == {PERPETUAL: signed}


async def test_ccxt_trades_every_kind_of_contract_in_its_own_units() -> None:
    async with serving() as server, rest_client(server) as exchange:
        markets = await exchange.load_markets()
        swaps = [market["symbol"] for market in markets.values() if market["swap"]]
        indices = {symbol: (await exchange.fetch_ticker(symbol))["indexPrice"] for symbol in swaps}
        options = [
            an_option(markets, indices[symbol], markets[symbol]["settle"], markets[symbol]["base"])
            for symbol in swaps
        ]
        bought = {}
        for symbol in (*swaps, *options):
            least = markets[symbol]["limits"]["amount"]["min"]
            bought[symbol] = await exchange.create_order(symbol, "market", "buy", 3 * least)
            await exchange.create_order(symbol, "market", "sell", least, None, {"reduceOnly": True})
        positions = {each["symbol"]: each for each in await exchange.fetch_positions()}
        trades = {symbol: await exchange.fetch_my_trades(symbol) for symbol in bought}
        balance = await exchange.fetch_balance()
        ledger = await ledger_of(server)

    assert set(swaps) == {"BTC/USD:BTC", "ETH/USD:ETH", "BTC/USDC:USDC", "ETH/USDC:USDC"}
    assert {markets[symbol]["linear"] for symbol in swaps if "USDC" in symbol} == {True}
    for symbol, order in bought.items():
        least = markets[symbol]["limits"]["amount"]["min"]
        held = ledger["positions"][markets[symbol]["id"]]
        assert order["filled"] == pytest.approx(3 * least)
        assert held == pytest.approx(2 * least)
        assert positions[symbol]["info"]["size"] == held
        assert {trade["fee"]["currency"] for trade in trades[symbol]} == {markets[symbol]["settle"]}
        assert sum(trade["amount"] for trade in trades[symbol]) == pytest.approx(4 * least)
    assert all(
        balance[code]["total"] > balance[code]["free"] > 0 for code in ("BTC", "ETH", "USDC")
    )


async def test_ccxt_understands_why_it_is_refused() -> None:
    async with (
        serving() as server,
        rest_client(server) as exchange,
        rest_client(server, secret="wrong") as stranger,
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


async def test_an_order_over_a_websocket_is_seen_by_ccxt_over_http() -> None:
    async with serving() as server, rest_client(server) as exchange, line_to(server) as line:
        await line.login()
        placed = await line.call(
            "private/buy", instrument_name=PERPETUAL, amount=30, type="market", label="json-rpc"
        )
        await exchange.load_markets()
        trades = await exchange.fetch_my_trades(SWAP)

    assert {trade["order"] for trade in trades} == {placed["order"]["order_id"]}
