"""An unmodified `ccxt.pro.deribit` listens to the embedded exchange."""

import asyncio

from tests.exchange.ccxt_clients import SWAP, an_option, ledger_of, pro_client
from tests.exchange.wire import PERPETUAL, serving, until


async def test_ccxt_watches_tickers_books_and_money() -> None:
    async with serving(speed=10.0) as server, pro_client(server) as exchange:
        markets = await exchange.load_markets()
        option = an_option(markets, (await exchange.fetch_ticker(SWAP))["indexPrice"])
        ticker = await exchange.watch_ticker(SWAP)
        raw = await exchange.watch_ticker(option, {"interval": "raw"})
        tickers = await exchange.watch_tickers([SWAP, option])
        book = await exchange.watch_order_book(SWAP)
        for _ in range(3):
            book = await exchange.watch_order_book(SWAP)
        whole = await exchange.fetch_order_book(SWAP)
        quotes = await exchange.watch_bids_asks([SWAP, option])
        balance = await exchange.watch_balance()
        candles = await exchange.watch_ohlcv(SWAP, "1m")

    assert ticker["bid"] < ticker["ask"]
    assert raw["info"]["greeks"]["vega"] > 0
    assert set(tickers) <= {SWAP, option}
    assert book["bids"][0][0] < book["asks"][0][0]
    assert abs(book["bids"][0][0] / whole["bids"][0][0] - 1) < 0.01
    assert set(quotes) <= {SWAP, option}
    assert balance["info"]["currency"] in {"BTC", "ETH", "USDC"}
    assert balance["BTC"]["BTC"]["total"] > 0  # ccxt nests what each currency says
    assert candles[-1][3] <= candles[-1][2]


async def test_ccxt_hears_its_orders_fills_and_everybodys_trades_as_the_venue_saw_them() -> None:
    async with serving(speed=10.0) as server, pro_client(server) as exchange:
        await exchange.load_markets()
        listening = [
            asyncio.create_task(each)
            for each in (
                exchange.watch_orders(),
                exchange.watch_my_trades(),
                exchange.watch_trades(SWAP),
            )
        ]
        channels = {
            "user.orders.any.any.raw",
            "user.trades.any.any.raw",
            f"trades.{PERPETUAL}.100ms",
        }
        await until(
            lambda: any(channels <= each.channels for each in server.floor.sessions.values())
        )

        placed = await exchange.create_order(SWAP, "market", "buy", 100, None, {"label": "w-1"})
        heard, fills, trades = await asyncio.wait_for(asyncio.gather(*listening), 60)
        while {fill["id"] for fill in fills} - {trade["id"] for trade in trades}:
            trades += await asyncio.wait_for(exchange.watch_trades(SWAP), 60)
        ledger = await ledger_of(server)

    assert [order["info"]["label"] for order in heard] == ["w-1"]
    assert heard[0]["id"] == placed["id"]
    assert sum(fill["amount"] for fill in fills) == 100
    told = {fill["trade_id"] for fill in ledger["fills"]}
    assert {fill["id"] for fill in fills} == told <= {trade["id"] for trade in trades}
