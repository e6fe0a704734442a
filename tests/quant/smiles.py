"""Surfaces and quotes for tests: a plausible crypto market in eSSVI, with waves on it if asked."""

from dataclasses import replace

import numpy as np

from bot.quant.essvi import Essvi
from bot.quant.smile import Fit, FitPolicy, Quotes, fit

FORWARD = 90_000.0
YEARS = np.array([1.0, 2.0, 7.0, 30.0, 90.0, 270.0]) / 365.0


def smiles(vol=0.5, rho=-0.2, steepness=0.9):
    """eSSVI slices of constant skew, free of arbitrage, at `YEARS`."""
    theta = vol * vol * YEARS
    return [Essvi(theta=one, rho=rho, psi=steepness * np.sqrt(one)) for one in theta.tolist()]


def quotes(slices=None, half_spread=0.005, places=None, bump=0.0, years=YEARS):
    """Two-sided quotes around slices, calls above the money and puts below, marks in between.

    `bump` adds a wave that eSSVI cannot follow, in volatility.
    """
    at = np.linspace(-2.5, 2.5, 21) if places is None else places
    columns = []
    for smile, t in zip(slices or smiles(), years, strict=True):
        k = at * np.sqrt(smile.theta)
        vol = np.sqrt(smile.svi().variance(k) / t) + bump * np.cos(2.0 * at)
        columns.append((FORWARD * np.exp(k), np.full(k.size, t), vol))
    strike, time, vol = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Quotes.of(
        strike=strike,
        years=time,
        forward=FORWARD,
        is_call=strike >= FORWARD,
        bid_vol=vol - half_spread,
        ask_vol=vol + half_spread,
        mark_vol=vol,
    )


def fitted(given, policy=None):
    found = fit(given, policy or FitPolicy())
    assert isinstance(found, Fit), found
    return found


def changed(given, at, **columns):
    """The quotes with some columns overwritten at one place."""
    out = {}
    for name, value in columns.items():
        column = getattr(given, name).copy()
        column[at] = value
        out[name] = column
    return replace(given, **out)
