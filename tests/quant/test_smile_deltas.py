"""Each rule against a market that obeys it, moved a little.

Sticky moneyness is a smile in K/F; local volatility a displaced diffusion, dF = s (F + d) dW, which
has one of its own, a price in closed form and so a true delta.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import FloatArray, greeks, greeks_full
from bot.quant.coin_greeks import in_coin
from bot.quant.conventions import Convention, hedge_notional_usd, option_delta_coin
from bot.quant.implied_vol import implied_vol
from bot.quant.smile_deltas import SmileRule, smile_delta, smile_delta_coin, vol_per_forward

FORWARD = 95_000.0
STRIKES = FORWARD * np.array([0.8, 0.9, 0.97, 1.0, 1.05, 1.2])
IS_CALL = np.array([False, False, False, True, True, True])
YEARS = 25 / 365
STEP = FORWARD * 1e-4


def smile(log_moneyness: FloatArray) -> FloatArray:
    """A volatility that falls with the strike and smiles at the wings."""
    return np.asarray(0.55 - 0.25 * log_moneyness + 0.4 * log_moneyness**2)


def smile_slope(forward: float, strike: FloatArray) -> FloatArray:
    """Its dvol/dK."""
    return (-0.25 + 0.8 * np.log(strike / forward)) / strike


def moneyness_price(forward: float, strike: FloatArray = STRIKES) -> FloatArray:
    return greeks(forward, strike, YEARS, smile(np.log(strike / forward)), IS_CALL).price


def moved(price) -> FloatArray:
    return np.asarray((price(FORWARD + STEP) - price(FORWARD - STEP)) / (2 * STEP))


def at_the_smile():
    return greeks_full(FORWARD, STRIKES, YEARS, smile(np.log(STRIKES / FORWARD)), IS_CALL)


def test_a_smile_in_moneyness_moves_prices_by_the_sticky_moneyness_delta():
    value = at_the_smile()
    slope = smile_slope(FORWARD, STRIKES)

    follows = vol_per_forward(SmileRule.STICKY_MONEYNESS, slope, FORWARD, STRIKES)
    delta = smile_delta(value.delta, value.vega, follows)

    assert delta == pytest.approx(moved(moneyness_price), abs=1e-7)
    assert np.max(np.abs(delta - value.delta)) > 0.02
    # Homogeneous in F and K, whatever the smile: the strike's own slope says the same.
    up, down = (moneyness_price(FORWARD, STRIKES + sign * STEP) for sign in (1, -1))
    by_strike = (value.price - STRIKES * (up - down) / (2 * STEP)) / FORWARD
    assert delta == pytest.approx(by_strike, abs=1e-7)


def test_a_smile_held_in_strike_leaves_black_s_delta():
    value = at_the_smile()

    follows = vol_per_forward(SmileRule.STICKY_STRIKE, smile_slope(FORWARD, STRIKES), 1.0, STRIKES)

    assert follows.tolist() == [0.0] * len(STRIKES)
    assert (smile_delta(value.delta, value.vega, follows) == value.delta).all()


@pytest.mark.parametrize("displacement", [60_000.0, -20_000.0])
def test_in_a_local_volatility_world_its_delta_is_nearest_to_the_true_one(displacement):
    vol, near = 0.35, STRIKES[1:-1]
    is_call = IS_CALL[1:-1]

    def price(forward: float, strike: FloatArray = near) -> FloatArray:
        return greeks(forward + displacement, strike + displacement, YEARS, vol, is_call).price

    def implied(strike: FloatArray) -> FloatArray:
        return implied_vol(price(FORWARD, strike), FORWARD, strike, YEARS, is_call)

    true = greeks(FORWARD + displacement, near + displacement, YEARS, vol, is_call).delta
    slope = (implied(near + STEP) - implied(near - STEP)) / (2 * STEP)
    value = greeks(FORWARD, near, YEARS, implied(near), is_call)
    error = {
        rule: np.abs(
            smile_delta(value.delta, value.vega, vol_per_forward(rule, slope, FORWARD, near)) - true
        )
        for rule in SmileRule
    }

    assert (error[SmileRule.LOCAL_VOL] < 0.2 * error[SmileRule.STICKY_STRIKE]).all()
    # The other rule moves the smile the wrong way, and doubles the error.
    assert (error[SmileRule.STICKY_MONEYNESS] > 1.8 * error[SmileRule.STICKY_STRIKE]).all()


@pytest.mark.parametrize("rule", SmileRule)
def test_in_coin_the_same_move_of_the_smile_is_added_to_the_net_delta(rule):
    value = at_the_smile()
    coins = in_coin(value, FORWARD)
    follows = vol_per_forward(rule, smile_slope(FORWARD, STRIKES), FORWARD, STRIKES)

    in_coins = smile_delta_coin(coins.delta, coins.vega, FORWARD, follows)
    in_dollars = smile_delta(value.delta, value.vega, follows)

    assert in_coins == pytest.approx(in_dollars - coins.price, abs=1e-14)
    through = option_delta_coin(Convention.COIN, 1.0, in_dollars, coins.price)
    assert in_coins == pytest.approx(through, abs=1e-14)


def test_a_coin_book_hedged_by_the_smile_s_delta_keeps_its_coins():
    sizes = np.array([-3.0, 2.0, -5.0, -4.0, 6.0, 1.0])
    value = at_the_smile()
    follows = vol_per_forward(
        SmileRule.STICKY_MONEYNESS, smile_slope(FORWARD, STRIKES), FORWARD, STRIKES
    )
    delta = smile_delta(value.delta, value.vega, follows)

    def left(delta: FloatArray) -> float:
        """Coins gained over a basis point by the book and its hedge."""
        net = option_delta_coin(Convention.COIN, sizes, delta, value.price / FORWARD)
        notional = float(hedge_notional_usd(net.sum(), FORWARD))
        ends = FORWARD + STEP, FORWARD - STEP
        up, down = (sizes @ (moneyness_price(f) / f) - notional / f for f in ends)
        return float(up - down) / 2

    assert abs(left(delta)) < 1e-3 * abs(left(value.delta))


@given(st.sampled_from(SmileRule), st.floats(-1e-4, 1e-4), st.floats(1e3, 2e5), st.floats(1e3, 2e5))
def test_opposite_rules_cancel_at_the_money_and_every_rule_is_linear_in_the_slope(
    rule, slope, forward, strike
):
    once = vol_per_forward(rule, slope, forward, strike)

    assert vol_per_forward(rule, 3 * slope, forward, strike) == pytest.approx(float(3 * once))
    money = vol_per_forward(SmileRule.STICKY_MONEYNESS, slope, forward, forward)
    assert money + vol_per_forward(SmileRule.LOCAL_VOL, slope, forward, forward) == 0.0
    assert vol_per_forward(rule, [slope] * 3, forward, strike).shape == (3,)
    assert vol_per_forward(rule, slope, forward, [strike] * 2).shape == (2,)
