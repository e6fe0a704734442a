"""Greeks in coin: published, in 50-digit arithmetic, and as slopes of the price in coin."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import greeks_full
from bot.quant.coin_greeks import CoinGreeks, in_coin, perpetual
from bot.quant.conventions import Convention, inverse_perp_delta_coin, option_delta_coin
from tests.quant.exact import domain, exact

FORWARD, STRIKE, YEARS, VOL = 100_000.0, 110_000.0, 30 / 365, 0.60

forwards = st.floats(1_000.0, 500_000.0)
log_moneyness = st.floats(-0.7, 0.7)
tenors = st.floats(0.02, 2.0)
vols = st.floats(0.2, 2.0)


def coin(forward, strike, years, vol, is_call) -> CoinGreeks:
    return in_coin(greeks_full(forward, strike, years, vol, is_call), forward)


def test_the_published_inverse_option_has_the_published_coin_greeks():
    value = coin(FORWARD, STRIKE, YEARS, VOL, [True, False])

    near = partial(pytest.approx, rel=0.0, abs=1e-10)
    assert value.price == near([0.032702605047, 0.132702605047])
    assert value.delta == near([0.2871630806, -0.8128369194])
    assert value.slope == near([0.2871630806e-5, -0.8128369194e-5])
    # Seven digits are printed of the call's, and of the dollar gamma that it comes from.
    assert value.bend[0] == pytest.approx(1.504265e-10, abs=5e-17)
    assert value.vega == near([0.1025058560] * 2)
    assert value.theta == near([-0.3741463744] * 2)
    assert value.rho == pytest.approx(YEARS * value.delta, rel=1e-13)


def test_coin_greeks_are_right_to_round_off_in_fifty_digits():
    options = domain(200, seed=11)
    found = coin(options.forward, options.strike, options.years, options.vol, options.is_call)

    for at in range(len(options)):
        known = exact(options, at)
        df, f = float(options.discount[at]), float(options.forward[at])
        true = known.greeks
        price, net = true.price / df / f, (true.delta - true.price / f) / df
        value = CoinGreeks(*(row[at] for row in found))
        # D - V of a deep call is a difference of near equals: right to the parts' own round-off.
        scale = max(abs(float(true.delta)) / df, float(price), 1.0)
        assert value.price == pytest.approx(float(price), rel=1e-13, abs=3e-15 * scale)
        assert value.delta == pytest.approx(float(net), rel=1e-13, abs=3e-15 * scale)
        assert value.vega == pytest.approx(float(true.vega / df / f), rel=1e-12, abs=1e-300)
        assert value.theta == pytest.approx(float(true.theta / df / f), rel=1e-12, abs=1e-300)
        assert value.volga == pytest.approx(float(true.volga / df / f), rel=1e-11, abs=1e-300)
        bend = (f * true.gamma / df - 2 * net) / f**2
        bound = 1e-12 * float(f * true.gamma / df + 2 * abs(net)) / f**2 + 6e-15 * scale / f**2
        assert value.bend == pytest.approx(float(bend), abs=bound)


def slope(of: Callable[[float], float], at: float, step: float) -> float:
    return (8 * (of(at + step) - of(at - step)) - (of(at + 2 * step) - of(at - 2 * step))) / (
        12 * step
    )


@given(forwards, log_moneyness, tenors, vols, st.booleans())
def test_each_coin_greek_is_the_slope_it_is_named_for(f, k, t, vol, is_call):
    strike = f * math.exp(k)
    value = coin(f, strike, t, vol, is_call)
    step = 1e-3 * min(1.0, vol * math.sqrt(t))

    def along(name: str, **moved: float) -> float:
        at = {"f": f, "t": t, "vol": vol, **moved}
        return float(getattr(coin(at["f"], strike, at["t"], at["vol"], is_call), name))

    def by_log(name: str) -> float:
        return slope(lambda x: along(name, f=f * math.exp(x)), 0.0, step)

    scale = max(1.0, math.exp(k))
    near = partial(pytest.approx, rel=1e-7, abs=1e-8 * scale)
    assert value.delta == near(by_log("price"))
    assert value.gamma == pytest.approx(by_log("delta"), rel=1e-6, abs=1e-7 * scale)
    assert value.slope * f == pytest.approx(value.delta, rel=1e-12)
    bend = slope(lambda x: along("slope", f=x), f, f * step)
    assert value.bend * f * f == pytest.approx(bend * f * f, rel=1e-6, abs=1e-7 * scale)
    assert value.vega == near(slope(lambda x: along("price", vol=x), vol, 1e-3))
    assert value.vanna == near(slope(lambda x: along("delta", vol=x), vol, 1e-3))
    assert value.volga == near(slope(lambda x: along("vega", vol=x), vol, 1e-3))
    theta = -slope(lambda x: along("price", t=x), t, t * 1e-3)
    charm = -slope(lambda x: along("delta", t=x), t, t * 1e-3)
    assert value.theta == near(theta)
    assert value.charm == pytest.approx(charm, rel=1e-6, abs=1e-6 * scale / min(t, 1.0))


@given(forwards, log_moneyness, tenors, vols)
def test_a_call_on_the_coin_is_a_put_on_the_dollar(f, k, t, vol):
    """In coin, K puts on 1/F struck at 1/K; their delta in 1/F is minus the net delta's part."""
    strike = f * math.exp(k)
    call, put = (coin(f, strike, t, vol, is_call) for is_call in (True, False))
    dollar_put, dollar_call = (
        greeks_full(1 / f, 1 / strike, t, vol, is_call) for is_call in (False, True)
    )

    near = partial(pytest.approx, rel=1e-11, abs=1e-13 * max(1.0, strike / f))
    assert call.price == near(strike * float(dollar_put.price))
    assert put.price == near(strike * float(dollar_call.price))
    # d/d ln F = -X d/dX at X = 1/F.
    assert call.delta == near(-strike / f * float(dollar_put.delta))
    assert put.delta == near(-strike / f * float(dollar_call.delta))
    assert call.vega == near(strike * float(dollar_put.vega))
    assert call.theta == near(strike * float(dollar_put.theta))


@given(forwards, log_moneyness, tenors, vols)
def test_coin_calls_less_puts_are_one_coin_less_the_strike_s_dollars(f, k, t, vol):
    strike = f * math.exp(k)
    call, put = (coin(f, strike, t, vol, is_call) for is_call in (True, False))

    near = partial(pytest.approx, abs=1e-13 * max(1.0, strike / f))
    assert call.price - put.price == near(1 - strike / f)
    assert call.delta - put.delta == near(strike / f)
    assert call.gamma - put.gamma == near(-strike / f, rel=1e-9)
    assert call.vega == put.vega


def test_the_perpetual_s_coins_bend_as_its_price_does():
    notional, price = 50_000.0, 100_000.0
    jet = perpetual(notional, price)

    def coins(p: float) -> float:
        return notional * (1 / price - 1 / p)

    step = price * 1e-3
    assert jet.delta == inverse_perp_delta_coin(notional, price) == 0.5
    assert jet.slope == pytest.approx(slope(coins, price, step), rel=1e-9)
    assert jet.slope == pytest.approx(notional / price**2)
    assert jet.bend == pytest.approx(
        (coins(price + step) + coins(price - step)) / step**2, rel=1e-5
    )
    assert jet.gamma == pytest.approx(slope(lambda p: notional / p, price, step) * price)


def test_a_hedged_call_s_gamma_is_the_dollar_gamma_of_its_delta():
    """Once the net delta is hedged, the perpetual's own bend leaves F Gamma."""
    dollars = greeks_full(FORWARD, STRIKE, YEARS, VOL, is_call=True)
    value = in_coin(dollars, FORWARD)
    hedge = perpetual(-value.delta * FORWARD, FORWARD)

    assert value.delta + hedge.delta == pytest.approx(0.0, abs=1e-15)
    assert value.gamma + hedge.gamma == pytest.approx(FORWARD * dollars.gamma, rel=1e-13)
    convention = option_delta_coin(Convention.COIN, 1.0, dollars.delta, value.price)
    assert value.delta == pytest.approx(convention, rel=1e-15)


def test_without_time_a_coin_option_is_its_payoff_and_moves_as_it_does():
    value = coin(120.0, 100.0, 0.0, 0.5, np.array([True, False]))

    assert value.price == pytest.approx([1 - 100 / 120, 0.0])
    assert value.delta == pytest.approx([100 / 120, 0.0])
    assert value.bend == pytest.approx([-2 * 100 / 120**3, 0.0])
    assert value.vega.tolist() == [0.0, 0.0]
