"""Peers that take one option at a time, in a loop of Python's."""

import importlib
from typing import Any, Final

import numpy as np

from bot.lab.bench.chain import Chain
from bot.lab.bench.peers.asked import Asked, as_array, letters

LOOP: Final = "a loop of Python's"


def quantlib_greeks(module: Any, chain: Chain) -> Asked:
    """By BlackCalculator: its quickest way to a price and its Greeks from Python."""
    sides = [module.Option.Call if flag else module.Option.Put for flag in chain.is_call]
    deviation = (chain.vol * np.sqrt(chain.years)).tolist()
    numbers = (chain.strike.tolist(), chain.forward.tolist(), deviation, chain.years.tolist())
    rows = list(zip(sides, *numbers, strict=True))

    def one(side: Any, strike: float, forward: float, deviation: float, years: float) -> Any:
        payoff = module.PlainVanillaPayoff(side, strike)
        made = module.BlackCalculator(payoff, forward, deviation, 1.0)
        return (
            *(made.value(), made.deltaForward(), made.gammaForward(), made.vega(years)),
            *(made.theta(forward, years), made.rho(years)),
        )

    return Asked(
        call=lambda: [one(*row) for row in rows],
        read=lambda answer: as_array([row[0] for row in answer]),
        note=LOOP,
    )


def quantlib_implied(module: Any, chain: Chain) -> Asked:
    """By blackFormulaImpliedStdDev, at its default tolerance."""
    sides = [module.Option.Call if flag else module.Option.Put for flag in chain.is_out]
    numbers = (chain.strike.tolist(), chain.forward.tolist(), chain.price.tolist())
    rows, root = list(zip(sides, *numbers, strict=True)), np.sqrt(chain.years)
    solve = module.blackFormulaImpliedStdDev
    return Asked(
        call=lambda: [solve(*row) for row in rows],
        read=lambda answer: as_array(answer) / root,
        note=f"at its default tolerance; {LOOP}",
    )


def vollib_greeks(module: Any, chain: Chain) -> Asked:
    """Price and each Greek by its own function."""
    greeks = importlib.import_module("vollib.black.greeks.analytical")
    asked = (module.black, greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.rho)
    numbers = (chain.forward.tolist(), chain.strike.tolist(), chain.years.tolist())
    rows = [
        (flag, forward, strike, years, 0.0, vol)
        for flag, forward, strike, years, vol in zip(
            letters(chain.is_call).tolist(), *numbers, chain.vol.tolist(), strict=True
        )
    ]
    return Asked(
        call=lambda: [[figure(*row) for figure in asked] for row in rows],
        read=lambda answer: as_array([row[0] for row in answer]),
        note=LOOP,
    )


def vollib_implied(_module: Any, chain: Chain) -> Asked:
    """By Let's Be Rational in plain Python."""
    solve = importlib.import_module("vollib.black.implied_volatility").implied_volatility
    numbers = (chain.price.tolist(), chain.forward.tolist(), chain.strike.tolist())
    flags = letters(chain.is_out).tolist()
    rows = [
        (price, forward, strike, 0.0, years, flag)
        for price, forward, strike, years, flag in zip(
            *numbers, chain.years.tolist(), flags, strict=True
        )
    ]
    return Asked(call=lambda: [solve(*row) for row in rows], read=as_array, note=LOOP)
