"""Each gamma against the delta of its own convention, a little further up and down."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant import convention_gammas as gammas
from bot.quant import conventions
from bot.quant.black76 import FloatArray, greeks
from bot.quant.conventions import Convention

INDEX, PERP = 95_000.0, 95_060.0
FORWARDS = np.array([95_300.0, 95_300.0, 97_100.0])
STRIKES = np.array([100_000.0, 90_000.0, 110_000.0])
YEARS = np.array([9 / 365, 9 / 365, 80 / 365])
VOLS = np.array([0.62, 0.66, 0.58])
IS_CALL = np.array([True, False, True])
SIZES = np.array([-12.0, -9.5, 4.0])
DISCOUNT = np.exp(-0.04 * YEARS)
EQUITY_COIN, EQUITY_USD, SHARE = 37.0, 3_000_000.0, 0.6
NOTIONAL, PERP_COIN = -250_000.0, 2.5
STEP = 1e-5

moves = st.tuples(st.floats(0.9, 1.1), st.floats(0.1, 1.0))


def moved_forward(x: float, k: float) -> FloatArray:
    """Forwards that move k times as much as the spot, in logs."""
    return np.asarray(FORWARDS * np.exp(k * x))


def slope(delta: Callable[[float], float]) -> float:
    return (delta(STEP) - delta(-STEP)) / (2 * STEP)


def inverse_options(convention: Convention, x: float, e: float, w: float) -> float:
    forward = moved_forward(x, e * w)
    value = greeks(forward, STRIKES, YEARS, VOLS, IS_CALL)
    return float(
        conventions.option_delta_coin(
            convention, SIZES, value.delta, value.price / forward, e, w
        ).sum()
    )


def inverse_gamma(convention: Convention, e: float = 1.0, w: float = 1.0) -> float:
    value = greeks(FORWARDS, STRIKES, YEARS, VOLS, IS_CALL)
    mark = value.price / FORWARDS
    return float(
        gammas.option_gamma_coin(
            convention,
            SIZES,
            black_delta=value.delta,
            black_gamma=value.gamma,
            mark_coin=mark,
            forward_usd=FORWARDS,
            elasticity=e,
            weight=w,
        ).sum()
    )


def linear_gamma(e: float = 1.0, w: float = 1.0) -> float:
    value = greeks(FORWARDS, STRIKES, YEARS, VOLS, IS_CALL, DISCOUNT)
    return float(
        gammas.linear_option_gamma_coin(
            SIZES,
            black_delta=value.delta,
            black_gamma=value.gamma,
            forward_usd=FORWARDS,
            index_usd=INDEX,
            elasticity=e,
            weight=w,
        ).sum()
    )


@pytest.mark.parametrize("convention", Convention)
@given(moves)
def test_an_inverse_option_s_gamma_is_the_slope_of_its_own_delta(convention, move):
    e, w = move

    found = inverse_gamma(convention, e, w)

    assert found == pytest.approx(slope(lambda x: inverse_options(convention, x, e, w)), rel=1e-6)


@given(moves)
def test_a_linear_option_s_gamma_is_the_slope_of_its_own_delta(move):
    e, w = move

    def delta(x: float) -> float:
        forward = moved_forward(x, e * w)
        seen = greeks(forward, STRIKES, YEARS, VOLS, IS_CALL, DISCOUNT)
        index = INDEX * np.exp(x)
        return float(
            conventions.linear_option_delta_coin(SIZES, seen.delta, forward, index, e, w).sum()
        )

    found = linear_gamma(e, w)
    assert found == pytest.approx(slope(delta), rel=1e-6)


@pytest.mark.parametrize("convention", Convention)
def test_an_inverse_account_s_gamma_is_the_slope_of_everything_in_it(convention):
    """Options, a perpetual, and the collateral that both have moved."""

    def coins(x: float) -> float:
        """What the account has gained in coins."""
        forward = moved_forward(x, 1.0)
        value = greeks(forward, STRIKES, YEARS, VOLS, IS_CALL).price / forward
        return float(SIZES @ value + NOTIONAL * (1 - np.exp(-x)) / PERP)

    def delta(x: float) -> float:
        perp = conventions.inverse_perp_delta_coin(NOTIONAL, PERP * np.exp(x))
        equity = EQUITY_COIN + coins(x) - coins(0.0)
        term = conventions.equity_term(convention, SHARE, equity)
        return inverse_options(convention, x, 1.0, 1.0) + float(perp) + term

    coin_delta = inverse_options(Convention.COIN, 0.0, 1.0, 1.0) + NOTIONAL / PERP
    perp = float(gammas.inverse_perp_gamma_coin(NOTIONAL, PERP))
    equity = gammas.equity_gamma(convention, SHARE, coin_delta)
    found = inverse_gamma(convention) + perp + equity

    assert found == pytest.approx(slope(delta), rel=1e-6)


@pytest.mark.parametrize("convention", Convention)
def test_a_linear_account_s_gamma_is_the_slope_of_everything_in_it(convention):
    def options(x: float) -> tuple[float, float]:
        """Their value in USD and their delta in coins."""
        forward = moved_forward(x, 1.0)
        value = greeks(forward, STRIKES, YEARS, VOLS, IS_CALL, DISCOUNT)
        index = INDEX * np.exp(x)
        deltas = conventions.linear_option_delta_coin(SIZES, value.delta, forward, index)
        return float(SIZES @ value.price), float(deltas.sum())

    def delta(x: float) -> float:
        index, perp = INDEX * np.exp(x), PERP * np.exp(x)
        equity = EQUITY_USD + options(x)[0] - options(0.0)[0] + PERP_COIN * (perp - PERP)
        hedge = float(conventions.linear_perp_delta_coin(PERP_COIN, perp, index))
        term = conventions.linear_equity_term(convention, SHARE, equity, float(index))
        return options(x)[1] + hedge + term

    usd_delta = options(0.0)[1] + PERP_COIN * PERP / INDEX
    equity = gammas.linear_equity_gamma(convention, SHARE, EQUITY_USD, INDEX, usd_delta)

    assert linear_gamma() + equity == pytest.approx(slope(delta), rel=1e-6)


def test_the_book_convention_s_gamma_is_the_dollar_gamma():
    value = greeks(FORWARDS, STRIKES, YEARS, VOLS, IS_CALL)

    dollar = float(SIZES @ (FORWARDS * value.gamma))

    assert inverse_gamma(Convention.BOOK) == pytest.approx(dollar, rel=1e-12)
    # Hedged in coin, what the premiums take the perpetual gives back.
    hedge = -inverse_options(Convention.COIN, 0.0, 1.0, 1.0) * PERP
    whole = inverse_gamma(Convention.COIN) + gammas.inverse_perp_gamma_coin(hedge, PERP)
    assert float(whole) == pytest.approx(dollar, rel=1e-12)
