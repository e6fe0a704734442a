"""Margin: a portfolio report of a large account, and what it would be after a fill."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bot.core.margin import deribit_portfolio
from bot.core.margin.account import Account, Futures, Options, Pair
from bot.core.margin.deribit_charges import CoinParameters
from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_table import Grid, PairParameters
from bot.core.margin.modelling import DeribitPortfolio
from bot.core.margin.nodes import Subject, matrix
from bot.core.margin.picture import SPOTS, VOLS
from bot.lab.bench.chain import FORWARD_USD, SEED
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Measured, slack
from bot.quant import black76, scenario_values

Clock = Callable[[], int]

OPTIONS: Final = 490
FUTURES: Final = 10
POSITIONS: Final = OPTIONS + FUTURES
TURNS: Final = 20  # in a round
REPORT: Final = f"portfolio margin, {POSITIONS} positions"
WHAT_IF: Final = f"what-if after 2 fills, {POSITIONS} positions"
QUOTE: Final = f"portfolio margin after a quote, {POSITIONS} positions"
MATRIX: Final = f"a node of the stress matrix, {POSITIONS} positions"
TARGETS_US: Final = {REPORT: 1_000.0, WHAT_IF: 150.0}


def margins(rounds: int, now_ns: Clock) -> list[Measured]:
    """Measure Deribit's portfolio margin of 500 positions, in microseconds."""
    black76.warm()
    scenario_values.warm()
    account, parameters = _account(0.6), _parameters()
    valued = deribit_portfolio.value(account, parameters)
    quoted = _account(0.7)
    subject = Subject(
        account=account,
        model=DeribitPortfolio(parameters=parameters),
        balance=1e6,
        equity=1e6,
    )
    took_ns = contest(
        {
            REPORT: lambda: deribit_portfolio.report(account, parameters),
            WHAT_IF: lambda: deribit_portfolio.what_if(valued, {"F0": -3.0, "O7": 1.0}),
            QUOTE: lambda: deribit_portfolio.report_of(
                deribit_portfolio.value(quoted, parameters, valued)
            ),
            MATRIX: lambda: matrix(subject, (-0.3,), (0.2,)),
        },
        rounds * TURNS,
        now_ns,
    )
    notes = {
        REPORT: "every option at 35 scenarios, the charges, the report",
        WHAT_IF: "no option revalued",
        QUOTE: "one option revalued",
        MATRIX: f"the market moved, then the report; `stress` shows {len(SPOTS) * len(VOLS)} nodes",
    }
    return [
        Measured(
            name=name,
            unit="us",
            rounds=tuple(took / 1_000 for took in all_ns),
            more_is_better=False,
            target=slack() * TARGETS_US[name] if name in TARGETS_US else None,
            note=notes[name],
        )
        for name, all_ns in took_ns.items()
    ]


def _account(iv: float) -> Account:
    """An account of options over ten expiries; `iv` is one option's volatility."""
    rng = np.random.default_rng(SEED)
    vols = rng.uniform(0.3, 0.9, OPTIONS)
    vols[0] = iv
    years = (np.arange(10) + 1) / 20.0
    options = Options(
        names=tuple(f"O{at}" for at in range(OPTIONS)),
        size=rng.normal(size=OPTIONS),
        strike=FORWARD_USD * np.exp(rng.normal(0.0, 0.2, OPTIONS)),
        years=years[np.sort(rng.integers(0, 10, OPTIONS))],
        is_call=rng.random(OPTIONS) < 0.5,
        forward=np.full(OPTIONS, FORWARD_USD),
        iv=vols,
        mark=np.full(OPTIONS, 0.02),
        discount=np.ones(OPTIONS),
    )
    futures = Futures(
        names=tuple(f"F{at}" for at in range(FUTURES)),
        size_coin=rng.normal(size=FUTURES),
        mark_usd=np.full(FUTURES, FORWARD_USD),
        years=np.concatenate((np.zeros(1), years[1:])),
    )
    pair = Pair(
        index_name="btc_usd",
        underlying="BTC",
        is_linear=False,
        index_usd=FORWARD_USD,
        options=options,
        futures=futures,
    )
    return Account(currency="BTC", currency_usd=FORWARD_USD, pairs=(pair,))


def _parameters() -> Parameters:
    """What the venue had set for BTC in the summer of 2024."""
    pair = PairParameters(
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
    coin = CoinParameters(
        move_min=0.01, move_yearly=0.075, dampener_usd=100e3, offset=0.0, offset_max_usd=20e6
    )
    return Parameters(
        pairs={"btc_usd": pair}, coins={"BTC": coin}, maintenance_factor=0.8, grid=Grid()
    )
