import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.quant.affine import call_prices, characteristic, cumulants
from bot.quant.black76 import greeks
from bot.quant.processes import AffineLaw, Brownian, Heston, Merton, Svcj
from tests.quant.golden_laws import BTC, FORWARD, GOLDEN, HESTON, STRIKES, SVCJ

MERTON = Merton(vol=0.4, jumps_per_year=3.0, jump_mean=-0.08, jump_deviation=0.12)
CALM = Heston(
    speed=12.640505844177515,
    variance_mean=1.0,
    vol_of_variance=0.05078125,
    correlation=-0.5,
    variance_start=0.5,
)
NO_JUMPS = Svcj(
    heston=CALM,
    jumps_per_year=0.0,
    jump_mean=0.0,
    jump_deviation=0.25,
    jump_tilt=0.0,
    variance_jump_mean=0.0,
)
LAWS: dict[str, AffineLaw] = {
    "brownian": Brownian(vol=0.6),
    "merton": MERTON,
    "heston": HESTON,
    "svcj": SVCJ,
    "btc": BTC,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_calls_equal_the_published_prices_out_to_the_far_strikes(name):
    golden = GOLDEN[name]

    found = call_prices(golden.law, FORWARD, STRIKES, golden.years)

    # The published digits end there: the farthest Heston price has eight.
    assert found == pytest.approx(golden.calls, rel=1e-8)
    assert found[:4] == pytest.approx(golden.calls[:4], rel=1e-10)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("years", [1 / 365, 0.25, 3.0])
def test_the_forward_is_a_martingale_and_the_whole_probability_is_one(name, years):
    assert characteristic(LAWS[name], [0.0, -1j], years) == pytest.approx([1.0, 1.0], rel=1e-12)


def exact_characteristic(law: Heston, u: complex, years: float) -> complex:
    """The textbook form (Albrecher and others, 2007), to forty digits."""
    with mpmath.workdps(40):
        iu, noise = mpmath.mpc(0, 1) * u, mpmath.mpf(law.vol_of_variance) ** 2
        pull = law.speed - mpmath.mpf(law.correlation) * mpmath.mpf(law.vol_of_variance) * iu
        d = mpmath.sqrt(pull**2 - noise * iu * (iu - 1))
        c, g, decayed = (pull - d) / noise, (pull - d) / (pull + d), mpmath.exp(-d * years)
        level = c * years - 2 / noise * mpmath.log((1 - g * decayed) / (1 - g))
        slope = c * (1 - decayed) / (1 - g * decayed)
        mean = mpmath.mpf(law.speed) * law.variance_mean
        return complex(mpmath.exp(mean * level + slope * law.variance_start))


@pytest.mark.parametrize("vol_of_variance", [0.001, 0.01, 0.05, 0.5, 4.0])
@pytest.mark.parametrize("years", [1 / 365, 0.1, 1.5])
def test_a_variance_that_hardly_varies_costs_no_digits(vol_of_variance, years):
    law = replace(CALM, vol_of_variance=vol_of_variance)
    points = [0.5 - 0.5j, 3.0 - 0.5j, 20.0 - 0.5j]

    found = characteristic(law, points, years)

    exact = [exact_characteristic(law, u, years) for u in points]
    assert found == pytest.approx(exact, rel=0, abs=3e-15)


def test_without_jumps_or_noise_the_price_is_black_s():
    found = call_prices(Brownian(vol=0.6), 100.0, [40.0, 100.0, 300.0], 0.1)

    exact = greeks(100.0, np.array([40.0, 100.0, 300.0]), 0.1, 0.6, True).price
    assert found == pytest.approx(exact, abs=1e-12)


def test_merton_s_price_is_his_sum_over_the_number_of_jumps():
    law, years, strikes = MERTON, 0.5, np.array([60.0, 100.0, 150.0])
    mean = math.exp(law.jump_mean + 0.5 * law.jump_deviation**2)
    total = np.zeros(3)
    for count in range(40):
        chance = math.exp(-law.jumps_per_year * years) * (law.jumps_per_year * years) ** count
        forward = 100.0 * math.exp(-law.compensator * years) * mean**count
        vol = math.sqrt(law.vol**2 + count * law.jump_deviation**2 / years)
        total += chance / math.factorial(count) * greeks(forward, strikes, years, vol, True).price

    assert call_prices(law, 100.0, strikes, years) == pytest.approx(total, rel=1e-12)


def test_cumulants_of_merton_s_law_are_the_ones_written_down_for_it():
    law, years = MERTON, 0.5
    rate, mean, spread = law.jumps_per_year, law.jump_mean, law.jump_deviation**2

    found = cumulants(law, years)

    assert found == pytest.approx(
        (
            (-0.5 * law.vol**2 - law.compensator + rate * mean) * years,
            (law.vol**2 + rate * (mean**2 + spread)) * years,
            rate * (mean**3 + 3 * mean * spread) * years,
            rate * (mean**4 + 6 * mean**2 * spread + 3 * spread**2) * years,
        ),
        rel=1e-10,
    )


def test_half_the_expected_variance_is_lost_in_heston_s_mean():
    law, years = HESTON, 0.7
    gone = -math.expm1(-law.speed * years) / law.speed
    expected = law.variance_mean * years + (law.variance_start - law.variance_mean) * gone

    assert cumulants(law, years).mean == pytest.approx(-0.5 * expected, rel=1e-10)


def unit(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@settings(max_examples=25)
@example(NO_JUMPS, 0.03125)
@given(
    st.builds(
        Svcj,
        heston=st.builds(
            Heston,
            speed=unit(0.5, 15.0),
            variance_mean=unit(0.02, 1.0),
            vol_of_variance=unit(0.05, 4.0),
            correlation=unit(-0.95, 0.95),
            variance_start=unit(0.02, 1.5),
        ),
        jumps_per_year=unit(0.0, 10.0),
        jump_mean=unit(-0.2, 0.1),
        jump_deviation=unit(0.02, 0.25),
        jump_tilt=unit(-0.9, 0.5),
        variance_jump_mean=unit(0.0, 0.5),
    ),
    unit(0.02, 1.5),
)
def test_no_law_offers_an_arbitrage_between_strikes(law, years):
    """A logarithm that left its branch would show as a kink or a price out of bounds."""
    strikes = np.linspace(40.0, 250.0, 22)

    calls = call_prices(law, 100.0, strikes, years)

    assert (calls >= np.maximum(100.0 - strikes, 0.0) - 1e-11).all()
    assert (calls <= 100.0).all()
    slopes = np.diff(calls) / np.diff(strikes)
    assert (slopes <= 1e-12).all()
    assert (slopes >= -1.0 - 1e-12).all()
    assert (np.diff(slopes) >= -1e-11).all()


def test_a_law_without_a_density_to_integrate_is_refused():
    with pytest.raises(ValueError, match="no density"):
        call_prices(Brownian(vol=1e-3), 100.0, 100.0, 1 / 365)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Brownian(vol=-0.1), "volatility is not negative"),
        (lambda: Brownian(vol=float("nan")), "volatility is not negative"),
        (
            lambda: Heston(
                speed=0.0,
                variance_mean=0.1,
                vol_of_variance=1.0,
                correlation=0.0,
                variance_start=0.1,
            ),
            "no long run",
        ),
        (
            lambda: Svcj(
                heston=HESTON,
                jumps_per_year=1.0,
                jump_mean=0.0,
                jump_deviation=0.1,
                jump_tilt=4.0,
                variance_jump_mean=0.3,
            ),
            "must be finite",
        ),
    ],
)
def test_a_law_that_is_none_says_why(make, said):
    with pytest.raises(ValueError, match=said):
        make()
