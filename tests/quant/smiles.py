"""Surfaces and quotes for tests: a plausible crypto market in eSSVI, with waves on it if asked."""

import math
from dataclasses import replace

import numpy as np

from bot.quant.essvi import Essvi
from bot.quant.smile import Fit, FitPolicy, Quotes, fit
from bot.quant.svi import durrleman

FORWARD = 90_000.0
NEAR = np.sinh(np.linspace(-10.0, 10.0, 1501)) / math.sinh(10.0) * 6.0
WIDE = np.concatenate(([-300.0, -60.0], NEAR, [60.0, 300.0]))
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


def arbitrage(surface, times, k=WIDE):
    """The least of Durrleman's g and of the rise of variance, by the surface's own derivatives."""
    g, rise, last = math.inf, math.inf, 0.0
    for years in times:
        strike = FORWARD * np.exp(k)
        at = surface.local(strike, FORWARD, years)
        by_k = at.by_strike * strike
        by_k_twice = at.by_strike_twice * strike * strike + by_k
        w = at.vol**2 * years
        first, second = 2.0 * years * at.vol * by_k, 2.0 * years * (by_k**2 + at.vol * by_k_twice)
        g = min(g, durrleman(k, w, first, second).min())
        rise = min(rise, ((w - last) / w).min())
        last = w
    return g, rise


def every_day(until_years):
    """Expiries, and times before the first, between and after the last."""
    return np.sort(np.concatenate((YEARS, np.geomspace(YEARS[0] / 20.0, until_years, 25))))
