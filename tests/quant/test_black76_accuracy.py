"""The kernels against 50-digit arithmetic. `DELTABAND_POINTS=20000` tries as many options."""

import math
import os

import mpmath
import numpy as np
import pytest

from bot.quant.black76 import ROW_COUNT, Greeks, greeks, greeks_full
from bot.quant.elementary import exponential, log_ratio, mills_terms
from tests.quant.exact import domain, exact

POINTS = int(os.environ.get("DELTABAND_POINTS", "1500"))
SEED = 20_260_105
PRICE_ERROR_MAX = 1e-14  # of the larger of forward and strike
GREEK_ERROR_MAX = 1e-12  # relative, wherever a Greek is more than 1e-12 of its peak
NEGLIGIBLE = 1e-12
SECOND_ORDER = ("vanna", "volga", "charm")  # these pass through zero: relative to 1e-3 of the peak


@pytest.mark.timeout(300)
def test_prices_and_greeks_are_right_to_round_off():
    options = domain(POINTS, SEED)

    value = greeks_full(*vars(options).values())

    for at in range(len(options)):
        true = exact(options, at)
        for name in value._fields:
            error, allowed = abs(float(getattr(value, name)[at]) - getattr(true.greeks, name)), 0.0
            size, peak = abs(getattr(true.greeks, name)), getattr(true.peaks, name)
            if name == "price":
                allowed = PRICE_ERROR_MAX * peak
            elif name in SECOND_ORDER:
                allowed = GREEK_ERROR_MAX * max(size, peak / 1000)
            elif size > NEGLIGIBLE * peak:
                allowed = GREEK_ERROR_MAX * size
            else:
                allowed = NEGLIGIBLE * peak
            assert error <= allowed, (name, at, float(error / size))


def test_a_chain_and_its_options_one_by_one_are_the_same():
    options = domain(37, SEED)

    whole = np.array(greeks_full(*vars(options).values()))

    for at in range(len(options)):
        alone = [column[at] for column in vars(options).values()]
        # A vector's lanes and the scalar rest of a loop may differ in how products are fused.
        np.testing.assert_allclose(np.array(greeks_full(*alone)), whole[:, at], rtol=1e-13)
        np.testing.assert_allclose(np.array(greeks(*alone)), whole[:ROW_COUNT, at], rtol=1e-13)


def test_the_first_six_are_the_same_with_and_without_the_second_order():
    options = domain(1000, SEED)

    first, full = greeks(*vars(options).values()), greeks_full(*vars(options).values())

    assert first._fields == full._fields[:ROW_COUNT]
    np.testing.assert_allclose(np.array(first), np.array(full)[:ROW_COUNT], rtol=1e-13)


def test_an_at_the_money_option_a_minute_before_expiry_keeps_its_digits():
    """ln(F/K) from a rounded ratio would be wrong by a part in 1e9 here."""
    forward, vol, years = 100_000.0, 0.01, 1.0 / 525_600.0
    strike = forward * (1.0 + 1e-7)

    value = greeks(forward, strike, years, vol, True)

    x = mpmath.mpf(vol) * mpmath.sqrt(mpmath.mpf(years))
    d1 = mpmath.log(mpmath.mpf(forward) / mpmath.mpf(strike)) / x + x / 2
    assert float(value.gamma) == pytest.approx(float(mpmath.npdf(d1) / (forward * x)), rel=1e-14)


@pytest.mark.parametrize("y", [-708.0, -300.5, -1.0, -1e-9, 0.0, 1e-300, 0.3, 1.0, 88.8, 708.0])
def test_the_exponential_is_right_to_round_off(y):
    assert exponential(y) == pytest.approx(float(mpmath.exp(mpmath.mpf(y))), rel=4e-16)


@pytest.mark.parametrize(
    "ratio", [1.0, 1.0 + 2**-52, 1.0 - 2**-53, 1.4, 1.5, 0.7, 0.66, 2.0, 1e-9, 1e9, 1e-200, 1e200]
)
@pytest.mark.parametrize("b", [1.0, 3.0, 94_321.7, 1e-20])
def test_the_logarithm_of_a_ratio_keeps_its_digits_near_one(ratio, b):
    a = b * ratio
    expected = mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))

    assert log_ratio(a, b) == pytest.approx(float(expected), rel=6e-16, abs=0.0)


def test_mills_ratio_is_right_to_round_off_from_the_middle_to_the_far_tail():
    for a in [0.0, *np.geomspace(1e-8, 37.5, 400)]:
        exponent = mpmath.mpf(float(a)) ** 2 / 2
        true = mpmath.erfc(mpmath.mpf(float(a)) / mpmath.sqrt(2)) / 2 * mpmath.exp(exponent)
        above, below = mills_terms(float(a))
        assert above / below == pytest.approx(float(true), rel=1e-15)


@pytest.mark.parametrize("name", Greeks._fields)
def test_nothing_far_beyond_the_domain_is_nan_or_infinite(name):
    forward, strike = np.meshgrid([1e-300, 1.0, 1e5, 1e150], [1e-300, 1.0, 1e5, 1e150])
    years, vol = np.meshgrid([1e-12, 1.0, 1e3], [1e-12, 0.5, 1e3])

    value = greeks(forward[..., None, None], strike[..., None, None], years, vol, [[[[True]]]])

    assert np.isfinite(getattr(value, name)).all()
    assert not math.isinf(float(np.abs(value.delta).max()))
