import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import ROW_COUNT, FloatArray, Greeks, greeks, greeks_into

# The published golden option: F = 100,000, K = 110,000, 30 days of a 365-day year, 60 %.
FORWARD, STRIKE, YEARS, VOL = 100_000.0, 110_000.0, 30 / 365, 0.60

forwards = st.floats(1_000.0, 500_000.0)
log_moneyness = st.floats(-1.5, 1.5)
tenors = st.floats(1 / 365 / 24, 3.0)
vols = st.floats(0.05, 3.0)
discounts = st.floats(0.5, 1.0)


def test_the_published_inverse_option_is_priced_to_the_last_printed_digit():
    value = greeks(FORWARD, STRIKE, YEARS, VOL, [True, False])

    coin = value.price / FORWARD
    assert coin == pytest.approx([0.032702605047, 0.132702605047], abs=5e-13)
    assert value.delta == pytest.approx([0.3198656857, 0.3198656857 - 1.0], abs=5e-11)
    assert value.delta - coin == pytest.approx([0.2871630806, -0.8128369194], abs=5e-11)
    assert value.gamma == pytest.approx([2.078591e-05] * 2, abs=5e-12)
    assert value.vega / FORWARD == pytest.approx([0.1025058560] * 2, abs=5e-11)
    assert value.theta / FORWARD == pytest.approx([-0.3741463744] * 2, abs=5e-11)


def test_a_venue_s_own_ticker_gives_the_same_greeks():
    """BTC-27SEP24-40000-C at F = 38992.71, 61.27 %, 0.88297 years: price, Greeks, rho per 1 %."""
    value = greeks(38_992.71, 40_000.0, 0.88297, 0.6127, True)

    assert value.price / 38_992.71 == pytest.approx(0.21678, abs=1e-5)
    assert value.delta == pytest.approx(0.59622, abs=1e-5)
    assert value.vega / 100 == pytest.approx(141.901, abs=1e-2)
    assert value.theta / 365 == pytest.approx(-13.4885, abs=1e-3)
    assert value.rho / 100 == pytest.approx(130.638, abs=1e-2)


@given(forwards, log_moneyness, tenors, vols, discounts)
def test_a_call_less_a_put_is_the_discounted_forward_less_the_strike(f, k, t, vol, df):
    strike = f * math.exp(k)

    call, put = (greeks(f, strike, t, vol, is_call, df) for is_call in (True, False))

    assert call.price - put.price == pytest.approx(df * (f - strike), abs=1e-10 * f)
    assert call.delta - put.delta == pytest.approx(df, abs=1e-12)
    assert call.gamma == put.gamma
    assert call.vega == put.vega
    assert call.theta == put.theta
    assert call.rho - put.rho == pytest.approx(t * df * strike, abs=1e-10 * f)


@given(forwards, log_moneyness, tenors, vols, st.booleans())
def test_a_price_rises_with_volatility_and_stays_within_its_bounds(f, k, t, vol, is_call):
    strike = f * math.exp(k)

    prices = greeks(f, strike, t, [vol, vol * 1.01], is_call).price

    intrinsic = max(f - strike, 0.0) if is_call else max(strike - f, 0.0)
    assert intrinsic <= prices[0] <= prices[1] <= (f if is_call else strike)


def difference(price: Callable[[float], float], at: float, step: float) -> float:
    return (price(at + step) - price(at - step)) / (2 * step)


@given(forwards, st.floats(-0.5, 0.5), st.floats(0.02, 2.0), st.floats(0.2, 2.0), st.booleans())
def test_each_greek_is_the_slope_it_is_named_for(f, k, t, vol, is_call):
    strike, df, rate = f * math.exp(k), math.exp(-0.04 * t), 0.04
    spot = f * df
    value = greeks(f, strike, t, vol, is_call, df)

    def price(*, f: float = f, t: float = t, vol: float = vol, df: float = df) -> float:
        return float(greeks(f, strike, t, vol, is_call, df).price)

    def slope(f: float) -> float:
        return float(greeks(f, strike, t, vol, is_call, df).delta)

    def with_rate(rate: float) -> float:
        return price(f=spot * math.exp(rate * t), df=math.exp(-rate * t))

    near = {"rel": 2e-5, "abs": 2e-7 * f}
    assert value.delta == pytest.approx(difference(lambda x: price(f=x), f, f * 1e-5), abs=1e-7)
    assert value.gamma * f == pytest.approx(difference(slope, f, f * 1e-5) * f, abs=1e-5)
    assert value.vega == pytest.approx(difference(lambda x: price(vol=x), vol, 1e-5), **near)
    assert value.theta == pytest.approx(-difference(lambda x: price(t=x), t, t * 1e-5), **near)
    assert value.rho == pytest.approx(difference(with_rate, rate, 1e-5), **near)


@pytest.mark.parametrize(
    ("strike", "is_call", "price", "delta"),
    [
        (90.0, True, 10.0, 1.0),
        (90.0, False, 0.0, 0.0),
        (110.0, True, 0.0, 0.0),
        (110.0, False, 10.0, -1.0),
        (100.0, True, 0.0, 0.5),
        (100.0, False, 0.0, -0.5),
    ],
)
@pytest.mark.parametrize(("years", "vol"), [(0.0, 0.6), (0.5, 0.0), (0.0, 0.0)])
def test_without_time_or_volatility_an_option_is_its_intrinsic_value(
    strike, is_call, price, delta, years, vol
):
    value = greeks(100.0, strike, years, vol, is_call, 0.9)

    assert value.price == pytest.approx(0.9 * price)
    assert value.delta == pytest.approx(0.9 * delta)
    assert value.gamma == 0.0
    assert value.theta == 0.0
    assert value.rho == pytest.approx(years * 0.9 * (100.0 * delta - price))


@pytest.mark.parametrize(("years", "vol"), [(0.0, 0.6), (0.5, 0.0)])
def test_at_the_money_with_nothing_left_a_price_is_nothing_and_not_round_off(years, vol):
    forward = np.random.default_rng(1).uniform(1.0, 200_000.0, 1_000)

    for is_call in (True, False):
        assert not greeks(forward, forward, years, vol, is_call).price.any()


def test_at_the_money_vega_keeps_its_limit_as_volatility_vanishes():
    nothing, little = greeks(100.0, 100.0, 0.25, [0.0, 1e-8], True).vega

    assert nothing == pytest.approx(100.0 * 0.5 / math.sqrt(2 * math.pi))
    assert nothing == pytest.approx(little)


def test_the_deepest_wings_are_zero_or_intrinsic_and_never_nan():
    value = greeks(100.0, [1e-6, 0.0, 1e9, 1e9, 1e-6], 1 / 365, 0.5, [1, 1, 1, 0, 0])

    assert value.price == pytest.approx([100.0 - 1e-6, 100.0, 0.0, 1e9 - 100.0, 0.0])
    assert value.delta.tolist() == [1.0, 1.0, 0.0, -1.0, 0.0]
    assert not np.isnan(np.array(value)).any()


def test_a_far_wing_keeps_its_relative_accuracy():
    """40-digit reference: F 100, K 300, a year, 20 %: N(d1), N(d2) are 1e-8 and nearly cancel."""
    assert greeks(100.0, 300.0, 1.0, 0.2, True).price == pytest.approx(far_call(), rel=1e-11)


def far_call() -> float:
    """The Black integral itself, by Simpson's rule on the payoff's side of the density."""
    d2 = math.log(100.0 / 300.0) / 0.2 - 0.1
    z, dz = np.linspace(-d2, -d2 + 12.0, 20_001, retstep=True)
    payoff = 100.0 * np.exp(0.2 * z - 0.02) - 300.0
    weights = np.full(len(z), 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    return float(np.sum(weights * payoff * np.exp(-0.5 * z * z)) * dz / 3 / math.sqrt(2 * math.pi))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("argument", range(4))
def test_an_input_that_is_no_number_never_becomes_a_price(argument, bad):
    inputs = [100.0, 100.0, 0.5, 0.6]
    inputs[argument] = bad
    forward, strike, years, vol = inputs

    assert all(math.isnan(row) for row in greeks(forward, strike, years, vol, True))


def test_inputs_broadcast_against_each_other():
    value = greeks([[100.0], [110.0]], [90.0, 100.0, 110.0], 0.5, 0.6, True)

    assert isinstance(value, Greeks)
    assert {row.shape for row in value} == {(2, 3)}
    assert value.price[1, 2] == greeks(110.0, 110.0, 0.5, 0.6, True).price


def columns(n: int) -> list[FloatArray]:
    return [np.full(n, 100.0), np.linspace(80, 120, n), np.full(n, 0.1), np.full(n, 0.6)]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_option_in_an_array_is_priced_without_a_warning(shape):
    strike = np.full(shape, STRIKE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = greeks(FORWARD, strike, YEARS, VOL, np.full(shape, fill_value=True))
    assert value.price.shape == shape
    assert value.price / FORWARD == pytest.approx(np.full(shape, 0.032702605047), abs=5e-13)
    assert strike.flags.writeable


def test_read_only_columns_cost_no_second_compilation():
    """A quote's column is read-only, a fresh one is not: every mix must meet the same kernel."""
    f, k, t, s = columns(5)
    is_call, df, out = np.ones(5, bool), np.ones(5), np.empty((ROW_COUNT, 5))
    greeks_into(out, f, k, t, s, is_call, df)
    first = out.copy()
    for column in (f, t, is_call, df, k, s):
        column.flags.writeable = False
        greeks_into(out, f, k, t, s, is_call, df)
        assert (out == first).all()

    half = f.astype(np.float32)
    with pytest.raises(TypeError, match="No matching definition"):
        greeks_into(out, half, k, t, s, is_call, df)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", ["put", ["call", "put"], np.array(["put"], object), [None]])
def test_a_put_named_by_a_word_is_refused_and_not_priced_as_a_call(words):
    with pytest.raises(TypeError, match="true or false"):
        greeks(100.0, 100.0, 1.0, 0.5, words)

    # Numbers are as good as flags, and no flags at all are no numbers.
    assert greeks(100.0, 90.0, 1.0, 0.5, [1, 0]).delta.tolist() == pytest.approx(
        greeks(100.0, 90.0, 1.0, 0.5, [True, False]).delta.tolist()
    )
    assert greeks([], 90.0, 1.0, 0.5, []).price.shape == (0,)


def test_columns_of_different_lengths_are_refused():
    f, k, t, s = columns(5)

    with pytest.raises(ValueError, match="differ from length 5"):
        greeks_into(np.empty((ROW_COUNT, 5)), f, k, t, s, np.ones(5, bool), np.ones(4))
