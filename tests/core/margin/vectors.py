"""Published margin figures: the third-party file where it is present, and builders of accounts."""

import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bot.core.margin.account import NO_FUTURES, NO_OPTIONS, Account, Futures, Options, Pair
from bot.core.margin.deribit_charges import CoinParameters
from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_table import Grid, PairParameters
from bot.core.margin.report import Evidence, Provenance

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
PUBLISHED = REFERENCE / "margin_vectors.json"

DAY = 1.0 / 365.0
KNOWN = Provenance(as_of=date(2026, 2, 15), source="a response", evidence=Evidence.RECOMPUTED)


@cache
def published() -> dict[str, Any]:
    """The vectors by their ids."""
    return {one["id"]: one for one in json.loads(PUBLISHED.read_text())["vectors"]}


def futures(*rows: tuple[str, float, float, float]) -> Futures:
    """Rows of name, signed coins, mark in USD, years to delivery."""
    names, size, mark, years = zip(*rows, strict=True)
    return Futures(
        names=names, size_coin=np.array(size), mark_usd=np.array(mark), years=np.array(years)
    )


def options(
    *rows: tuple[float, float, float, bool], forward: float, iv: float = 0.6, mark: float = 0.02
) -> Options:
    """Rows of signed coins, strike, days to expiry, is a call."""
    size, strike, days, is_call = zip(*rows, strict=True)
    count = len(rows)
    return Options(
        names=tuple(f"{k:g}{'C' if c else 'P'}{d:g}" for _, k, d, c in rows),
        size=np.array(size, dtype=float),
        strike=np.array(strike, dtype=float),
        years=np.array(days) * DAY,
        is_call=np.array(is_call, dtype=bool),
        forward=np.full(count, forward),
        iv=np.full(count, iv),
        mark=np.full(count, mark),
        discount=np.ones(count),
    )


def pair(
    *,
    options: Options = NO_OPTIONS,
    futures: Futures = NO_FUTURES,
    index: float = 100_000.0,
    linear: bool = False,
    underlying: str = "BTC",
) -> Pair:
    money = "usdc" if linear else "usd"
    return Pair(
        index_name=f"{underlying.lower()}_{money}",
        underlying=underlying,
        is_linear=linear,
        index_usd=index,
        options=options,
        futures=futures,
    )


def account(*pairs: Pair, currency: str = "BTC", **changes: Any) -> Account:
    worth = pairs[0].index_usd if currency == pairs[0].underlying else 1.0
    return Account(currency=currency, currency_usd=worth, pairs=pairs, **changes)


PAIR = PairParameters(
    price_range=0.16,
    vol_up=0.5,
    vol_down=0.25,
    vol_up_min=0.5,
    power_short=0.3,
    power_long=0.13,
    days_min=1.0,
    extended_factor=1.0,
    delta_per_coin=0.00005,
    delta_share_max=0.1,
    delta_threshold_usd=20e6,
)
COIN = CoinParameters(
    move_min=0.01, move_yearly=0.075, dampener_usd=100_000.0, offset=0.0, offset_max_usd=20e6
)


def parameters(
    pairs: dict[str, PairParameters] | None = None,
    coins: dict[str, CoinParameters] | None = None,
    correlated: Sequence[str] = (),
) -> Parameters:
    return Parameters(
        pairs=pairs or dict.fromkeys(("btc_usd", "eth_usd", "btc_usdc", "eth_usdc"), PAIR),
        coins=coins or {"BTC": COIN, "ETH": COIN},
        maintenance_factor=0.8,
        grid=Grid(),
        correlated=frozenset(correlated),
        provenance=(KNOWN,),
    )
