"""Unmodified clients of ccxt: only the two addresses are ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.async_support
import ccxt.pro

from bot.exchange.server import ExchangeServer

SWAP = "BTC/USD:BTC"


@asynccontextmanager
async def rest_client(server: ExchangeServer, **credentials: str) -> AsyncIterator[Any]:
    """`ccxt.async_support.deribit`."""
    exchange = ccxt.async_support.deribit(_options(credentials))
    async with _pointed_at(server, exchange):
        yield exchange


@asynccontextmanager
async def pro_client(server: ExchangeServer, **credentials: str) -> AsyncIterator[Any]:
    """`ccxt.pro.deribit`."""
    exchange = ccxt.pro.deribit(_options(credentials))
    async with _pointed_at(server, exchange):
        yield exchange


def _options(credentials: dict[str, str]) -> dict[str, Any]:
    login = {"apiKey": "demo", "secret": "demo-secret", **credentials}
    return {**login, "enableRateLimit": False, "timeout_on_exit": 0}


@asynccontextmanager
async def _pointed_at(server: ExchangeServer, exchange: Any) -> AsyncIterator[None]:
    here = f"127.0.0.1:{server.port}"
    exchange.urls["api"] = {"rest": f"http://{here}", "ws": f"ws://{here}/ws/api/v2"}
    try:
        yield
    finally:
        await exchange.close()


async def ledger_of(server: ExchangeServer) -> dict[str, Any]:
    """What the venue saw."""
    url = f"http://127.0.0.1:{server.port}/sim/ledger"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        ledger: dict[str, Any] = await response.json()
        return ledger


def an_option(
    markets: dict[str, Any], spot_usd: float, settle: str = "BTC", base: str = "BTC"
) -> str:
    """A call of the second expiry, near the money."""
    of_pair = [
        each for each in markets.values() if (each["settle"], each["base"]) == (settle, base)
    ]
    options = [each for each in of_pair if each["option"]]
    expiry = sorted({each["expiry"] for each in options})[1]
    calls = [each for each in options if each["expiry"] == expiry and each["optionType"] == "call"]
    return str(min(calls, key=lambda each: abs(each["strike"] - spot_usd))["symbol"])
