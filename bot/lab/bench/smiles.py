"""Smiles: the quotes of an expiry fitted by one slice, and those of all by one surface."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bot.lab.bench.chain import FORWARD_USD, SEED
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Measured
from bot.quant import smile, svi_fit
from bot.quant.smile import Quotes
from bot.quant.svi import FloatArray, Svi

STRIKES: Final = 30
YEARS: Final = 30 / 365
# A month of BTC: 60 % at the money, puts dearer than calls, quotes off by half a vol point.
TRUE: Final = Svi(a=0.008, b=0.06, rho=-0.2, m=0.02, sigma=0.25)
NOISE: Final = 0.005
SLICE_TARGET_US: Final = 500.0
EXPIRIES_YEARS: Final = np.array([1, 2, 3, 9, 16, 30, 58, 86, 149, 240, 331]) / 365
SURFACE_TARGET_US: Final = 15_000.0
TURNS: Final = 5  # in a round


def smiles(rounds: int, now_ns: Callable[[], int]) -> list[Measured]:
    """Measure the fit of one expiry, and of a whole underlying, free of arbitrage."""
    svi_fit.warm()
    smile.warm()
    k = np.linspace(-0.6, 0.6, STRIKES)
    vol, half_spread = np.sqrt(TRUE.variance(k) / YEARS) + _noise(STRIKES), np.full(STRIKES, NOISE)
    quotes = _quotes()
    count, strikes = len(EXPIRIES_YEARS), len(quotes.strike)
    one, whole = (
        f"smile, 1 expiry of {STRIKES} strikes",
        f"surface, {count} expiries, {strikes} strikes",
    )
    took_ns = contest(
        {
            one: lambda: svi_fit.fit_slice(k, vol, YEARS, half_spread=half_spread),
            whole: lambda: smile.fit(quotes),
        },
        rounds * TURNS,
        now_ns,
    )
    return [
        _figure(one, took_ns[one], SLICE_TARGET_US, "SVI from nothing, without butterflies"),
        _figure(whole, took_ns[whole], SURFACE_TARGET_US, "quotes cleaned, no arbitrage, report"),
    ]


def _figure(name: str, took_ns: tuple[float, ...], target_us: float, note: str) -> Measured:
    return Measured(
        name=name,
        unit="us",
        rounds=tuple(took / 1_000 for took in took_ns),
        more_is_better=False,
        target=target_us,
        note=note,
    )


def _noise(count: int) -> FloatArray:
    return np.random.default_rng(SEED).normal(0.0, NOISE, count)


def _quotes() -> Quotes:
    """Out-of-the-money quotes within 2.5 deviations, on a smile that flattens with time."""
    years = np.repeat(EXPIRIES_YEARS, STRIKES)
    x = np.tile(np.linspace(-2.5, 2.5, STRIKES), len(EXPIRIES_YEARS))
    vol = 0.5 - 0.03 * x + 0.02 * x**2 + _noise(len(x))
    strike = FORWARD_USD * np.exp(x * 0.5 * np.sqrt(years))
    return Quotes.of(
        strike=strike,
        years=years,
        forward=FORWARD_USD,
        is_call=strike >= FORWARD_USD,
        bid_vol=vol - NOISE,
        ask_vol=vol + NOISE,
        mark_vol=vol,
    )
