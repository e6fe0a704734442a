"""Greeks of an inverse option in its own coin: Black's, with the coin as the unit of account.

Source: hedging in the coin numeraire, V = C/F, of V. Lucic and A. Sepp, "Valuation and hedging of
cryptocurrency inverse options" (2024). With Black's undiscounted value C and Greeks of
`bot.quant.black76` (r = 0 on inverse options, so df = 1), coin mark V = C/F and D = dC/dF:

| field | value in coin (call; put where it differs)    | unit                              |
|-------|-----------------------------------------------|-----------------------------------|
| price | V = N(d1) - (K/F) N(d2)                       | coins                             |
| delta | D - V = (K/F) N(d2); put -(K/F) N(-d2)        | coins per relative move of F      |
| slope | (D - V)/F                                     | coins per USD of forward          |
| bend  | Gamma/F - 2 (D - V)/F^2                       | coins per squared USD of forward  |
| gamma | F Gamma - (D - V)                             | delta per relative move of F      |
| vega  | n(d1) sqrt(years)                             | coins per 1.00 of volatility      |
| theta | -n(d1) vol / (2 sqrt(years))                  | coins per year, forward held      |
| rho   | years (D - V)                                 | coins per 1.00 of rate, spot held |
| vanna | dD/dvol - vega                                | delta per 1.00 of volatility      |
| volga | vega d1 d2 / vol                              | vega per 1.00 of volatility       |
| charm | -dD/dT - theta                                | delta per year that passes        |

`delta` is the net, premium-adjusted one. A put's is unbounded as F falls to 0: its coin price is.
An inverse perpetual of N USD, in coins at its price P: delta N/P, slope N/P^2, bend -2 N/P^3, gamma
-N/P; it has no other Greek (`perpetual`).

In units of coin a call on the dollar price F at K is K puts on the coin price of a dollar, 1/F, at
1/K; and USD price at today's forward is coin price times F. Both are laws that the tests hold to.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.black76 import GreeksFull

FloatArray = NDArray[np.float64]


class CoinGreeks(NamedTuple):
    """Arrays of the shape of the Greeks they come from; units as in the module's table."""

    price: FloatArray
    delta: FloatArray
    slope: FloatArray
    bend: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray
    vanna: FloatArray
    volga: FloatArray
    charm: FloatArray


class CoinJet(NamedTuple):
    """A contract's value in coin by its price alone: delta, slope, bend and gamma as above."""

    delta: FloatArray
    slope: FloatArray
    bend: FloatArray
    gamma: FloatArray


def in_coin(greeks: GreeksFull, forward: ArrayLike) -> CoinGreeks:
    """Return the coin Greeks of inverse options, from their Greeks in USD (discount 1)."""
    f = np.asarray(forward, dtype=np.float64)
    price = greeks.price / f
    net = greeks.delta - price
    jet = _jet(net, f * greeks.gamma - net, f)
    vega, theta = greeks.vega / f, greeks.theta / f
    return CoinGreeks(
        price=price,
        delta=jet.delta,
        slope=jet.slope,
        bend=jet.bend,
        gamma=jet.gamma,
        vega=vega,
        theta=theta,
        rho=greeks.rho / f,
        vanna=greeks.vanna - vega,
        volga=greeks.volga / f,
        charm=greeks.charm - theta,
    )


def perpetual(notional_usd: ArrayLike, price_usd: ArrayLike) -> CoinJet:
    """Return how N (1/P0 - 1/P) coins move with P, at P = `price_usd`; also of a dated future."""
    price = np.asarray(price_usd, dtype=np.float64)
    delta = np.asarray(notional_usd, dtype=np.float64) / price
    return _jet(delta, -delta, price)


def _jet(delta: FloatArray, gamma: FloatArray, price: FloatArray) -> CoinJet:
    """Derivatives per relative move, x = ln P, and per USD: V' = V_x/P, V'' = (V_xx - V_x)/P^2."""
    return CoinJet(delta=delta, slope=delta / price, bend=(gamma - delta) / price**2, gamma=gamma)
