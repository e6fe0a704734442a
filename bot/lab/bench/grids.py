"""Scenarios: a book revalued over a grid of moves and shocks."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bot.lab.bench.chain import FORWARD_USD, SEED
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Measured, slack
from bot.quant import scenarios
from bot.quant.scenarios import Holdings, VolShock

Clock = Callable[[], int]

OPTIONS: Final = 1_000
EXPIRIES: Final = 10
MOVES: Final = np.linspace(-0.16, 0.16, 9)
SHOCKS: Final = (VolShock(relative=-0.25), VolShock(), VolShock(relative=0.5))
GRID_TARGET_US: Final = 300.0
TURNS: Final = 5  # in a round


def grids(rounds: int, now_ns: Clock) -> list[Measured]:
    """Measure a book of 1,000 options at 27 nodes."""
    book = scenarios.prepare(_held())
    name = f"scenarios, {OPTIONS:,} options x {len(MOVES) * len(SHOCKS)} nodes"
    took_ns = contest(
        {name: lambda: scenarios.revalue(book, MOVES, SHOCKS)}, rounds * TURNS, now_ns
    )[name]
    return [
        Measured(
            name=name,
            unit="us",
            rounds=tuple(took / 1_000 for took in took_ns),
            more_is_better=False,
            target=slack() * GRID_TARGET_US,
            note="profit, delta, gamma and vega of each expiry at each node",
        )
    ]


def _held() -> Holdings:
    rng = np.random.default_rng(SEED)
    expiry = np.sort(rng.integers(0, EXPIRIES, OPTIONS))
    return Holdings(
        size=rng.normal(size=OPTIONS),
        forward=np.full(OPTIONS, FORWARD_USD),
        strike=FORWARD_USD * np.exp(rng.normal(0.0, 0.2, OPTIONS)),
        years=(np.arange(1.0, EXPIRIES + 1.0) / 20.0)[expiry],
        vol=rng.uniform(0.3, 0.9, OPTIONS),
        discount=np.ones(OPTIONS),
        is_call=rng.random(OPTIONS) < 0.5,
        is_inverse=np.ones(OPTIONS, dtype=np.bool_),
        expiry=expiry,
    )
