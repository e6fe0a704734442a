import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.quant.black76 import greeks
from bot.quant.implied_vol import implied_vol


@given(
    st.floats(1.0, 500_000.0),
    st.floats(-3.0, 3.0),
    st.floats(1e-4, 3.0),
    st.floats(0.003, 4.0),
    st.floats(0.5, 1.0),
)
def test_a_price_leads_back_to_its_volatility(f, k, t, total_vol, df):
    strike, vol, is_call = f * math.exp(k), total_vol / math.sqrt(t), k >= 0
    value = greeks(f, strike, t, vol, is_call, df)
    assume(value.price > 1e-280)

    found = implied_vol(value.price, f, strike, t, is_call, df)

    assert found == pytest.approx(vol, rel=1e-10)


@given(st.floats(-1.0, 1.0), st.floats(0.1, 2.0), st.booleans())
def test_in_the_money_the_price_itself_is_met(k, vol, is_call):
    """Deep in the money the volatility hides in the last digits; the price must still be met."""
    f, t = 90_000.0, 0.1
    strike = f * math.exp(k)
    price = greeks(f, strike, t, vol, is_call).price

    found = implied_vol(price, f, strike, t, is_call)

    assert greeks(f, strike, t, found, is_call).price == pytest.approx(price, abs=1e-10 * f)


@pytest.mark.parametrize(
    ("price", "strike", "is_call"),
    [
        (19_999.0, 80_000.0, True),  # below intrinsic
        (19_999.0, 120_000.0, False),
        (100_000.0, 80_000.0, True),  # at and above the bound
        (100_001.0, 80_000.0, True),
        (120_000.0, 120_000.0, False),
        (-1.0, 100_000.0, True),
        (math.nan, 100_000.0, True),
        (math.inf, 100_000.0, True),
    ],
)
def test_a_price_outside_its_bounds_has_no_volatility(price, strike, is_call):
    assert math.isnan(implied_vol(price, 100_000.0, strike, 0.1, is_call))


@pytest.mark.parametrize("argument", [1, 2, 3, 4])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_inputs_that_are_not_positive_numbers_have_no_volatility(argument, bad):
    inputs = [5_000.0, 100_000.0, 100_000.0, 0.1, 1.0]
    inputs[argument] = bad
    price, forward, strike, years, discount = inputs

    assert math.isnan(implied_vol(price, forward, strike, years, True, discount))


def test_a_price_of_exactly_intrinsic_is_no_volatility_at_all():
    assert implied_vol(20_000.0, 100_000.0, 80_000.0, 0.1, True) == 0.0


def test_a_whole_chain_is_inverted_at_once():
    strikes = np.linspace(50_000.0, 150_000.0, 41)
    smile = 0.5 + 0.3 * np.log(strikes / 100_000.0) ** 2
    is_call = strikes > 100_000.0
    price = greeks(100_000.0, strikes, 0.25, smile, is_call, 0.99).price

    found = implied_vol(price, 100_000.0, strikes, 0.25, is_call, 0.99)

    assert found == pytest.approx(smile, rel=1e-11)
