"""Smiles: the quotes of an expiry fitted by one slice."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bot.lab.bench.chain import SEED
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Measured
from bot.quant import svi_fit
from bot.quant.svi import Svi

STRIKES: Final = 30
YEARS: Final = 30 / 365
# A month of BTC: 60 % at the money, puts dearer than calls, quotes off by half a vol point.
TRUE: Final = Svi(a=0.008, b=0.06, rho=-0.2, m=0.02, sigma=0.25)
NOISE: Final = 0.005
SLICE_TARGET_US: Final = 500.0
TURNS: Final = 5  # in a round


def smiles(rounds: int, now_ns: Callable[[], int]) -> list[Measured]:
    """Measure the fit of one expiry, free of butterfly arbitrage."""
    svi_fit.warm()
    rng = np.random.default_rng(SEED)
    k = np.linspace(-0.6, 0.6, STRIKES)
    vol = np.sqrt(TRUE.variance(k) / YEARS) + rng.normal(0.0, NOISE, STRIKES)
    half_spread = np.full(STRIKES, NOISE)
    name = f"smile of an expiry, {STRIKES} strikes"
    took_ns = contest(
        {name: lambda: svi_fit.fit_slice(k, vol, YEARS, half_spread=half_spread)},
        rounds * TURNS,
        now_ns,
    )[name]
    return [
        Measured(
            name=name,
            unit="us",
            rounds=tuple(took / 1_000 for took in took_ns),
            more_is_better=False,
            target=SLICE_TARGET_US,
            note="SVI from nothing, with its report, free of butterfly arbitrage",
        )
    ]
