"""How a convention's delta changes as the spot moves: the second derivative of what must not move.

Notation and deltas as in `bot.quant.conventions`; with G = dD/dF, all marks moving with the spot,
the elasticity e and the expiry weight w held, and k = e w; in coins per relative move of the spot:

| gamma                    | inverse                     | linear                        |
|--------------------------|-----------------------------|-------------------------------|
| option, `coin` and `usd` | q k^2 (F G - (D - m))       | q k (F/S) (k F G + (k - 1) D) |
| option, `book`           | q k (D - m) + the above     | the same                      |
| perpetual                | -N/P                        | 0                             |
| collateral               | `usd`: a times `coin` delta | `coin`: a (E/S - `usd` delta) |

D and G of a linear option include its discount factor. At k = 1 the inverse option's `book` gamma
is q F G, and so is the `coin` gamma of a whole book that is hedged, where the perpetual gives back
what the premiums took. Collateral moves with the delta of the whole account.
"""

from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.conventions import Convention

FloatArray = NDArray[np.float64]


def option_gamma_coin(
    convention: Convention,
    size: ArrayLike,
    *,
    black_delta: ArrayLike,
    black_gamma: ArrayLike,
    mark_coin: ArrayLike,
    forward_usd: ArrayLike,
    elasticity: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
) -> FloatArray:
    """Return each inverse option's change of `option_delta_coin` per relative move of the spot."""
    q, d, g, m, f = (_floats(x) for x in (size, black_delta, black_gamma, mark_coin, forward_usd))
    k, net = _floats(elasticity) * _floats(weight), d - m
    coin = q * k * k * (f * g - net)
    match convention:
        case Convention.COIN | Convention.USD:
            return _floats(coin)
        case Convention.BOOK:
            return _floats(q * k * net + coin)
        case _:
            assert_never(convention)


def inverse_perp_gamma_coin(notional_usd: ArrayLike, mark_usd: ArrayLike) -> FloatArray:
    """Return -N/P: the dollars of an inverse perpetual become fewer coins as it rises."""
    return -_floats(notional_usd) / _floats(mark_usd)


def equity_gamma(convention: Convention, share: float, coin_delta: float) -> float:
    """Return the change of `equity_term`: coin collateral earns the account's `coin` delta."""
    match convention:
        case Convention.USD:
            return share * coin_delta
        case Convention.COIN | Convention.BOOK:
            return 0.0
        case _:
            assert_never(convention)


def linear_option_gamma_coin(
    size: ArrayLike,
    *,
    black_delta: ArrayLike,
    black_gamma: ArrayLike,
    forward_usd: ArrayLike,
    index_usd: ArrayLike,
    elasticity: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
) -> FloatArray:
    """Return each linear option's change of `linear_option_delta_coin` per relative move."""
    q, d, g, f = (_floats(x) for x in (size, black_delta, black_gamma, forward_usd))
    k = _floats(elasticity) * _floats(weight)
    return _floats(q * k * (f / _floats(index_usd)) * (k * f * g + (k - 1.0) * d))


def linear_equity_gamma(
    convention: Convention, share: float, equity_usd: float, index_usd: float, usd_delta: float
) -> float:
    """Return the change of `linear_equity_term`; `usd_delta` is the account's, in coins."""
    match convention:
        case Convention.COIN:
            return share * (equity_usd / index_usd - usd_delta)
        case Convention.USD | Convention.BOOK:
            return 0.0
        case _:
            assert_never(convention)


def _floats(value: ArrayLike) -> FloatArray:
    return np.asarray(value, dtype=np.float64)
