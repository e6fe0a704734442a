"""Which delta: a convention is the equity that must not move.

Notation, as in the design: option size q (coin, signed), undiscounted Black delta D per unit of
forward, coin mark m = C/F, spot index S, forward F, elasticity e = (S/F) dF/dS, perpetual of N USD
(inverse) or n coins (linear) at perpetual mark P, account equity E, collateral share a.

| convention | inverse (coin-settled)       | linear (USD-settled)        | zero keeps flat      |
|------------|------------------------------|-----------------------------|----------------------|
| coin       | sum q (D - m) e + N/P        | `usd` delta - a E/S         | equity in coin       |
| usd        | `coin` delta + a E           | sum q df D (F/S) e + n P/S  | equity in USD        |
| book       | sum q (m + (D - m) e) + N/P  | as `usd`                    | the book, in USD     |

A delta is in coins: the change of that equity for a relative move of the spot, per unit of it.
Where the option's mark is m coins, a move of ln S by h moves ln F by e h and m by (D - m) e h: the
net, premium-adjusted delta. In USD the m coins themselves gain m h.

In the 30 minutes before expiry the venue settles on the average index, of which a part is already
known; only the rest, `weight`, still moves with the spot, so it multiplies dF and nothing else.

D may as well be a delta that takes the smile's move along (`smile_deltas`, `minimum_variance`). How
these deltas change in turn is in `convention_gammas`, an option's other Greeks in coin are in
`coin_greeks`. Every function takes scalars or arrays, and is pure arithmetic.
"""

from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

SETTLEMENT_WINDOW_MS: Final = 30 * 60 * 1000  # the venue averages its index over 07:30-08:00 UTC


class Convention(StrEnum):
    """The equity to keep still: in coin, in USD, or the USD value of the book alone."""

    COIN = "coin"
    USD = "usd"
    BOOK = "book"


def expiry_weight(now_ms: ArrayLike, expiry_ms: ArrayLike) -> FloatArray:
    """Share of the settlement average still to come: 1 until 30 minutes before, 0 at expiry."""
    left_ms = np.asarray(expiry_ms, dtype=np.float64) - np.asarray(now_ms, dtype=np.float64)
    return np.clip(left_ms / SETTLEMENT_WINDOW_MS, 0.0, 1.0)


def elasticity(
    index_usd: ArrayLike, forward_usd: ArrayLike, forward_slope: ArrayLike
) -> FloatArray:
    """(S/F) dF/dS from the slope dF/dS: 1 for a proportional basis, S/F for an additive one."""
    index, forward, slope = (_floats(value) for value in (index_usd, forward_usd, forward_slope))
    return index / forward * slope


def option_delta_coin(
    convention: Convention,
    size: ArrayLike,
    black_delta: ArrayLike,
    mark_coin: ArrayLike,
    elasticity: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
) -> FloatArray:
    """Each inverse option's delta in coins, its own sign and size included.

    `black_delta` is D = dC/dF per unit (r = 0 on inverse options, so there is no df to take out),
    `mark_coin` is m. Sum over a book, add the perpetual and `equity_term`.
    """
    q, d, m = _floats(size), _floats(black_delta), _floats(mark_coin)
    net = (d - m) * _floats(elasticity) * _floats(weight)
    match convention:
        case Convention.COIN | Convention.USD:
            return _floats(q * net)
        case Convention.BOOK:
            return _floats(q * (m + net))
        case _:
            assert_never(convention)


def inverse_perp_delta_coin(notional_usd: ArrayLike, mark_usd: ArrayLike) -> FloatArray:
    """Coins of delta N/P in an inverse perpetual of `notional_usd` at the perpetual's mark."""
    return _floats(notional_usd) / _floats(mark_usd)


def equity_term(convention: Convention, share: float, equity_coin: float) -> float:
    """What the coin collateral adds to an inverse book's delta: a E under `usd`, else nothing."""
    match convention:
        case Convention.COIN | Convention.BOOK:
            return 0.0
        case Convention.USD:
            return share * equity_coin
        case _:
            assert_never(convention)


def hedge_notional_usd(delta_coin: ArrayLike, perp_mark_usd: ArrayLike) -> FloatArray:
    """The inverse perpetual order (USD, signed) that cancels `delta_coin`: N = -x P.

    At the perpetual's own mark, not the index and not a forward. Not yet rounded to lots.
    """
    return -_floats(delta_coin) * _floats(perp_mark_usd)


def linear_option_delta_coin(
    size: ArrayLike,
    black_delta: ArrayLike,
    forward_usd: ArrayLike,
    index_usd: ArrayLike,
    elasticity: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
) -> FloatArray:
    """Each linear option's delta in coins, q df D (F/S) e; the same under every convention.

    `black_delta` here is df D, what `black76.greeks().delta` gives with its discount factor.
    """
    return (
        _floats(size)
        * _floats(black_delta)
        * (_floats(forward_usd) / _floats(index_usd))
        * _floats(elasticity)
        * _floats(weight)
    )


def linear_perp_delta_coin(
    size_coin: ArrayLike, mark_usd: ArrayLike, index_usd: ArrayLike
) -> FloatArray:
    """Coins of delta n P/S: a relative move of the index moves the position by n P times it."""
    return _floats(size_coin) * _floats(mark_usd) / _floats(index_usd)


def linear_equity_term(
    convention: Convention, share: float, equity_usd: float, index_usd: float
) -> float:
    """What USD collateral adds to a linear book's delta: -a E/S under `coin`, else nothing."""
    match convention:
        case Convention.COIN:
            return -share * equity_usd / index_usd
        case Convention.USD | Convention.BOOK:
            return 0.0
        case _:
            assert_never(convention)


def linear_hedge_size_coin(
    delta_coin: ArrayLike, perp_mark_usd: ArrayLike, index_usd: ArrayLike
) -> FloatArray:
    """The linear perpetual order (coins, signed) that cancels `delta_coin`: n = -x S/P."""
    return -_floats(delta_coin) * _floats(index_usd) / _floats(perp_mark_usd)


def _floats(value: ArrayLike) -> FloatArray:
    return np.asarray(value, dtype=np.float64)
