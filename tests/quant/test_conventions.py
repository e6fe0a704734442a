"""Each cell of the convention table against the equity that it says must not move.

The equity is written out here from the contracts' own terms: coin options at their Black-76 mark,
the inverse perpetual's N (1/P0 - 1/P1) coins, the linear one's n (P1 - P0) USD. Moved 0.1 bp up and
down with the smile held in strike, a book hedged by its own delta must keep all but 1e-6 of what
the same book would have moved unhedged.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from bot.quant.black76 import greeks
from bot.quant.conventions import (
    Convention,
    FloatArray,
    elasticity,
    equity_term,
    expiry_weight,
    hedge_notional_usd,
    inverse_perp_delta_coin,
    linear_equity_term,
    linear_hedge_size_coin,
    linear_option_delta_coin,
    linear_perp_delta_coin,
    option_delta_coin,
)

INDEX = 95_000.0
PERP = 95_060.0
FORWARDS = np.array([95_300.0, 95_300.0, 97_100.0])
STRIKES = np.array([100_000.0, 90_000.0, 110_000.0])
YEARS = np.array([9 / 365, 9 / 365, 80 / 365])
VOLS = np.array([0.62, 0.66, 0.58])
IS_CALL = np.array([True, False, True])
SIZES = np.array([-12.0, -9.5, 4.0])
EQUITY_COIN = 37.0
EQUITY_USD = 3_000_000.0
BUMP = 1e-5  # 0.1 bp


def marks_usd(
    index: float, discount: ArrayLike, slope: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Option values when the index is `index`: forwards follow by `slope`, smile held in strike."""
    forward = FORWARDS + slope * (index - INDEX)
    return greeks(forward, STRIKES, YEARS, VOLS, IS_CALL, discount).price, forward


def inverse_equity(
    convention: Convention, index: float, notional_usd: float, slope: FloatArray
) -> float:
    """What the convention holds still, in USD, after the index has moved from INDEX to `index`."""
    price, forward = marks_usd(index, 1.0, slope)
    before, forward_before = marks_usd(INDEX, 1.0, slope)
    perp = PERP * index / INDEX
    perp_coin = notional_usd * (1.0 / PERP - 1.0 / perp)
    options_coin = float(np.sum(SIZES * (price / forward)))
    options_before = float(np.sum(SIZES * (before / forward_before)))
    match convention:
        case Convention.COIN:
            return (EQUITY_COIN + options_coin - options_before + perp_coin) * INDEX
        case Convention.USD:
            return (EQUITY_COIN + options_coin - options_before + perp_coin) * index
        case Convention.BOOK:
            return options_coin * index + perp_coin * index


def moved(equity: Callable[[float], float]) -> float:
    return (equity(INDEX * (1 + BUMP)) - equity(INDEX * (1 - BUMP))) / 2


@pytest.mark.parametrize("convention", Convention)
@pytest.mark.parametrize("additive", [False, True])
def test_an_inverse_book_hedged_by_its_delta_keeps_the_equity_it_names(convention, additive):
    slope = np.ones(3) if additive else FORWARDS / INDEX
    value = greeks(FORWARDS, STRIKES, YEARS, VOLS, IS_CALL)
    options = option_delta_coin(
        convention,
        SIZES,
        value.delta,
        value.price / FORWARDS,
        elasticity(INDEX, FORWARDS, slope),
    )
    delta = float(options.sum()) + equity_term(convention, 1.0, EQUITY_COIN)
    notional_usd = float(hedge_notional_usd(delta, PERP))

    assert delta + inverse_perp_delta_coin(notional_usd, PERP) == pytest.approx(0.0, abs=1e-12)
    unhedged = moved(lambda index: inverse_equity(convention, index, 0.0, slope))
    hedged = moved(lambda index: inverse_equity(convention, index, notional_usd, slope))
    assert unhedged == pytest.approx(delta * INDEX * BUMP, rel=1e-6)
    assert abs(hedged) < 1e-6 * abs(unhedged)


def linear_equity(
    convention: Convention, index: float, size_coin: float, slope: FloatArray
) -> float:
    """The same for USD options discounted at `DISCOUNT`, and a linear perpetual."""
    price, _ = marks_usd(index, DISCOUNT, slope)
    before, _ = marks_usd(INDEX, DISCOUNT, slope)
    gained = float(np.sum(SIZES * (price - before))) + size_coin * PERP * (index / INDEX - 1.0)
    match convention:
        case Convention.COIN:
            return (EQUITY_USD + gained) / index * INDEX
        case Convention.USD | Convention.BOOK:
            return gained


DISCOUNT = np.exp(-0.04 * YEARS)


@pytest.mark.parametrize("convention", Convention)
@pytest.mark.parametrize("additive", [False, True])
def test_a_linear_book_hedged_by_its_delta_keeps_the_equity_it_names(convention, additive):
    slope = np.ones(3) if additive else FORWARDS / INDEX
    value = greeks(FORWARDS, STRIKES, YEARS, VOLS, IS_CALL, DISCOUNT)
    options = linear_option_delta_coin(
        SIZES, value.delta, FORWARDS, INDEX, elasticity(INDEX, FORWARDS, slope)
    )
    delta = float(options.sum()) + linear_equity_term(convention, 1.0, EQUITY_USD, INDEX)
    size_coin = float(linear_hedge_size_coin(delta, PERP, INDEX))

    assert delta + linear_perp_delta_coin(size_coin, PERP, INDEX) == pytest.approx(0.0, abs=1e-12)
    unhedged = moved(lambda index: linear_equity(convention, index, 0.0, slope))
    hedged = moved(lambda index: linear_equity(convention, index, size_coin, slope))
    assert unhedged == pytest.approx(delta * INDEX * BUMP, rel=1e-6)
    assert abs(hedged) < 1e-6 * abs(unhedged)


def test_the_published_option_has_the_published_net_delta():
    value = greeks(100_000.0, 110_000.0, 30 / 365, 0.60, [True, False])
    mark = value.price / 100_000.0

    net = option_delta_coin(Convention.COIN, 1.0, value.delta, mark)
    book = option_delta_coin(Convention.BOOK, 1.0, value.delta, mark)

    assert net == pytest.approx([0.2871630806, -0.8128369194], abs=5e-11)
    assert book == pytest.approx(value.delta, abs=1e-15)
    assert (option_delta_coin(Convention.USD, 1.0, value.delta, mark) == net).all()


def test_only_the_convention_that_holds_usd_counts_coin_collateral():
    terms = {convention: equity_term(convention, 0.5, 30.0) for convention in Convention}
    linear = {c: linear_equity_term(c, 0.5, 300_000.0, 100_000.0) for c in Convention}

    assert terms == {Convention.COIN: 0.0, Convention.USD: 15.0, Convention.BOOK: 0.0}
    assert linear == {Convention.COIN: -1.5, Convention.USD: 0.0, Convention.BOOK: 0.0}


def test_a_short_delta_is_bought_back_at_the_perpetual_s_own_mark():
    assert hedge_notional_usd(-0.5, 95_000.0) == 47_500.0
    assert linear_hedge_size_coin(-0.5, 95_000.0, 94_000.0) == pytest.approx(0.5 * 94 / 95)


def test_delta_fades_over_the_last_half_hour():
    expiry = 1_767_600_000_000
    minutes = np.array([-45.0, -30.0, -15.0, -3.0, 0.0, 5.0])

    weight = expiry_weight(expiry + minutes * 60_000, expiry)

    assert weight == pytest.approx([1.0, 1.0, 0.5, 0.1, 0.0, 0.0])


@given(st.floats(0.0, 1.0), st.floats(-1.0, 1.0), st.floats(0.0, 0.5))
def test_a_fixed_settlement_leaves_the_book_convention_its_coins(weight, delta, mark):
    """What is settled in coins still moves in USD; only the forward's own share fades."""
    book = option_delta_coin(Convention.BOOK, 2.0, delta, mark, 1.0, weight)
    coin = option_delta_coin(Convention.COIN, 2.0, delta, mark, 1.0, weight)

    assert float(coin) == pytest.approx(weight * 2.0 * (delta - mark))
    assert float(book - coin) == pytest.approx(2.0 * mark)


def test_an_averaged_settlement_is_hedged_by_the_faded_delta():
    """Twelve minutes to go: 60 % of the average is known, so the forward moves 0.4 as much."""
    weight, known = 0.4, 95_200.0
    years, vol, size = 12 / (365 * 24 * 60), 0.5, -10.0

    def option_coin(index: float) -> tuple[float, float]:
        forward = weight * index + (1 - weight) * known
        price = greeks(forward, 95_000.0, years, vol, True).price
        return float(price / forward), forward

    mark, forward = option_coin(INDEX)
    black = greeks(forward, 95_000.0, years, vol, True).delta
    # The mark's own forward already holds the average, so its elasticity has the fading in it...
    slope = elasticity(INDEX, forward, weight)
    delta = float(option_delta_coin(Convention.COIN, size, black, mark, slope))
    up, down = (option_coin(INDEX * (1 + sign * BUMP))[0] for sign in (1, -1))
    assert delta == pytest.approx(size * (up - down) / (2 * BUMP), rel=1e-5)
    # ...which is the linear weight, up to the little that the average is away from the index.
    faded = float(option_delta_coin(Convention.COIN, size, black, mark, 1.0, weight))
    assert faded == pytest.approx(delta, rel=2 * abs(math.log(forward / INDEX)))
