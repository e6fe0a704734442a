import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import greeks
from bot.quant.surface import Surface
from tests.quant.smiles import FORWARD, YEARS, arbitrage, every_day, fitted, quotes

# The first test of a session compiles the kernels.
pytestmark = pytest.mark.timeout(300)


def variance(surface, k, years):
    vol = surface.vol(FORWARD * np.exp(k), FORWARD, years)
    return vol * vol * years


@pytest.fixture(scope="module")
def surface() -> Surface:
    found: Surface = fitted(quotes(bump=0.008)).surface
    return found


def test_a_surface_cannot_be_arbitraged_at_any_time(surface):
    g, rise = arbitrage(surface, every_day(5.0))

    assert g >= 0.0
    assert rise >= 0.0


@given(k=st.floats(-1.5, 1.5), years=st.floats(0.0005, 3.0))
def test_derivatives_are_those_of_the_volatility_itself(surface, k, years):
    years = years + 1e-4 * np.any(np.abs(YEARS - years) < 1e-5)  # a kink in time has two slopes
    strike = FORWARD * math.exp(k)
    at = surface.local(strike, FORWARD, years)

    def slope(of, size):
        return (of(size) - of(-size)) / (2.0 * size)

    step, moment = strike * 1e-5, years * 1e-6
    by_strike = slope(lambda h: surface.vol(strike + h, FORWARD, years), step)
    twice = slope(lambda h: surface.local(strike + h, FORWARD, years).by_strike, step)
    by_forward = slope(lambda h: surface.vol(strike, FORWARD + h, years), FORWARD * 1e-5)
    by_years = slope(lambda h: surface.vol(strike, FORWARD, years + h), moment)
    assert at.by_strike == pytest.approx(by_strike, rel=1e-4, abs=1e-6 / FORWARD)
    assert at.by_strike_twice == pytest.approx(twice, rel=1e-3, abs=1e-4 / FORWARD**2)
    assert at.by_forward == pytest.approx(by_forward, rel=1e-4, abs=1e-6 / FORWARD)
    assert at.by_years == pytest.approx(by_years, rel=1e-4, abs=1e-4)


@given(st.floats(0.5, 2.0), st.floats(0.001, 2.0))
def test_only_moneyness_counts(surface, scale, years):
    """Strike and forward together in any unit: K by_strike + F by_forward = 0."""
    strike = FORWARD * 1.1

    one, two = (
        surface.local(strike, FORWARD, years),
        surface.local(strike * scale, FORWARD * scale, years),
    )

    assert two.vol == pytest.approx(one.vol, rel=1e-12)
    assert strike * one.by_strike + FORWARD * one.by_forward == pytest.approx(0.0, abs=1e-12)


def test_local_variance_is_that_of_dupires_equation_on_prices(surface):
    """dC/dT = K**2 local variance d2C/dK2 / 2 on undiscounted calls, by finite differences."""
    strike = FORWARD * np.exp(np.linspace(-0.3, 0.3, 13))
    years, step, moment = 0.15, 60.0, 1e-5

    def call(k, t):
        return greeks(FORWARD, k, t, surface.vol(k, FORWARD, t), True).price

    by_years = (call(strike, years + moment) - call(strike, years - moment)) / (2.0 * moment)
    bend = (
        call(strike + step, years) - 2.0 * call(strike, years) + call(strike - step, years)
    ) / step**2
    expected = 2.0 * by_years / (strike**2 * bend)

    assert surface.local(strike, FORWARD, years).local_variance == pytest.approx(expected, rel=2e-3)


def test_before_the_first_expiry_volatility_at_fixed_moneyness_is_the_first_expirys(surface):
    k = np.linspace(-0.1, 0.1, 11)
    strike = FORWARD * np.exp(k)

    early = surface.vol(strike, FORWARD, YEARS[0] / 30.0)

    assert early == pytest.approx(surface.vol(strike, FORWARD, YEARS[0]), rel=1e-12)


def test_beyond_the_last_expiry_forward_variance_is_flat(surface):
    k = np.linspace(-1.0, 1.0, 11)

    first, second, third = (variance(surface, k, YEARS[-1] + later) for later in (0.0, 1.0, 2.0))

    assert second - first == pytest.approx(np.full(11, surface.tail_variance))
    assert third - second == pytest.approx(np.full(11, surface.tail_variance))
    assert surface.tail_variance == pytest.approx(0.25, abs=0.01)


def test_far_wings_are_straight_and_under_lees_bound(surface):
    k = np.array([-40.0, -20.0, -10.0, 10.0, 20.0, 40.0])
    for years in YEARS:
        w = variance(surface, k, years)
        slopes = np.diff(w) / np.diff(k)
        assert np.abs(slopes).max() < 2.0
        assert slopes[0] == pytest.approx(slopes[1], rel=0.02)
        assert slopes[-1] == pytest.approx(slopes[-2], rel=0.02)


def test_what_is_no_option_has_no_volatility(surface):
    nothing = surface.vol(
        [0.0, -1.0, math.nan, math.inf, FORWARD], FORWARD, [0.1, 0.1, 0.1, 0.1, 0.0]
    )

    assert np.all(np.isnan(nothing))


def test_inputs_broadcast_and_the_surface_cannot_be_written(surface):
    vol = surface.vol(np.linspace(80_000.0, 100_000.0, 5), FORWARD, YEARS[:, np.newaxis])

    assert vol.shape == (YEARS.size, 5)
    assert surface.vol(FORWARD, FORWARD, 0.1).shape == ()
    with pytest.raises(ValueError, match="read-only"):
        surface.rows[0, 0] = 1.0
