"""Simulated paths against the closed forms. `DELTABAND_PATHS=4000000` walks as many a law."""

import os
import time

import numpy as np
import pytest

from bot.quant.affine import call_prices, cumulants
from bot.quant.processes import AffineLaw, Brownian, Heston, Merton, Paths
from bot.quant.processes.streams import STRIDE, keys
from tests.quant.golden_laws import FORWARD, GOLDEN, HESTON, STRIKES, SVCJ

PATHS = int(os.environ.get("DELTABAND_PATHS", "100000"))
STEPS = 16
SEED = 20_260_105
MERTON = Merton(vol=0.4, jumps_per_year=30.0, jump_mean=-0.03, jump_deviation=0.05)
# The variance of such a law is nearly always nearly nothing: its noise is 8 times Feller's bound.
WILD = Heston(
    speed=1.0, variance_mean=0.09, vol_of_variance=1.2, correlation=0.4, variance_start=0.09
)
STEPS_A_SECOND_MIN = 10_000_000


def off(sample: np.ndarray, mean: float, deviation: float | None = None) -> float:
    """How many standard errors the mean of a sample is off."""
    spread = sample.std() if deviation is None else deviation
    return float((sample.mean() - mean) / (spread / np.sqrt(len(sample))))


def payoff_deviation(law: AffineLaw, forward: float, strike: float, years: float) -> float:
    """Of (F_T - K)+, from E[(F_T - K)+^2] = 2 int_K^inf C(k) dk.

    Where one path in 50,000 pays, a sample's own deviation says little of how far it may be off.
    """
    strikes = strike * np.exp(np.linspace(0.0, 3.0, 601))
    calls = call_prices(law, forward, strikes, years)
    return float(np.sqrt(2.0 * np.trapezoid(calls, strikes) - calls[0] ** 2))


def assert_prices(law: AffineLaw, forward: float, years: float, prices: dict[float, float]) -> None:
    paths = Paths(law, step_years=years / STEPS, seed=SEED, paths=PATHS)
    paths.step(STEPS)
    spot = forward * paths.spot

    found = {
        strike: off(
            np.maximum(spot - strike, 0.0), price, payoff_deviation(law, forward, strike, years)
        )
        for strike, price in prices.items()
    }

    assert max(map(abs, found.values())) < 3.0, found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GOLDEN)
def test_simulated_calls_are_within_three_standard_errors_of_the_published_prices(name):
    golden = GOLDEN[name]
    prices = dict(zip(STRIKES, golden.calls, strict=True))

    assert_prices(golden.law, FORWARD, golden.years, prices)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("law", [MERTON, WILD], ids=["merton", "wild"])
def test_a_law_without_published_prices_simulates_to_its_own_quadrature(law):
    strikes = np.array([80.0, 100.0, 125.0])
    prices = call_prices(law, 100.0, strikes, 0.25)

    assert_prices(law, 100.0, 0.25, dict(zip(strikes.tolist(), prices.tolist(), strict=True)))


@pytest.mark.parametrize("law", [Brownian(vol=0.6), MERTON, HESTON, SVCJ])
@pytest.mark.parametrize("steps", [1, 12])
def test_the_mean_is_the_start_however_coarse_the_steps(law, steps):
    paths = Paths(law, step_years=0.25 / steps, seed=3, paths=100_000)
    paths.step(steps)

    assert abs(off(paths.spot, 1.0)) < 3.0


def standardised(log_spot: np.ndarray) -> tuple[float, float, float, float]:
    centred = log_spot - log_spot.mean()
    variance = float((centred**2).mean())
    return (
        float(log_spot.mean()),
        variance,
        float((centred**3).mean() / variance**1.5),
        float((centred**4).mean() / variance**2 - 3.0),
    )


@pytest.mark.parametrize(
    ("law", "room"),
    [
        # Tolerances: of the variance relative, of skewness and excess kurtosis absolute; three
        # standard errors of what 200,000 paths can tell.
        (Brownian(vol=0.6), (0.01, 0.02, 0.04)),
        (MERTON, (0.012, 0.03, 0.1)),
        (HESTON, (0.012, 0.03, 0.12)),
        (WILD, (0.03, 0.2, 3.0)),
    ],
    ids=["brownian", "merton", "heston", "wild"],
)
def test_variance_skewness_and_kurtosis_are_the_law_s(law: AffineLaw, room: tuple[float, ...]):
    years = 0.25
    exact = cumulants(law, years)
    paths = Paths(law, step_years=years / STEPS, seed=SEED, paths=200_000)
    paths.step(STEPS)

    mean, variance, skewness, kurtosis = standardised(paths.state[0])

    assert mean == pytest.approx(exact.mean, abs=3 * np.sqrt(exact.variance / 200_000))
    assert variance == pytest.approx(exact.variance, rel=room[0])
    assert skewness == pytest.approx(exact.third / exact.variance**1.5, abs=room[1])
    assert kurtosis == pytest.approx(exact.fourth / exact.variance**2, abs=room[2])


@pytest.mark.parametrize("law", [HESTON, SVCJ, WILD])
def test_variance_returns_to_its_long_run_mean_and_is_never_negative(law):
    heston = law if isinstance(law, Heston) else law.heston
    jumps = 0.0 if isinstance(law, Heston) else law.jumps_per_year * law.variance_jump_mean
    paths = Paths(law, step_years=0.1, seed=6, paths=20_000)
    paths.step(100)

    variance = paths.state[1]
    assert abs(off(variance, heston.variance_mean + jumps / heston.speed)) < 3.0
    assert (variance >= 0.0).all()


@pytest.mark.parametrize("law", [Brownian(vol=0.6, drift=0.1), MERTON, HESTON, SVCJ])
def test_a_path_is_the_same_alone_among_many_and_in_whatever_portions(law):
    many = Paths(law, step_years=0.01, seed=8, paths=1_500)
    many.step(20)
    alone = Paths(law, step_years=0.01, seed=8, first_path=1_201)
    told = alone.walk(4, steps=5)
    other = Paths(law, step_years=0.01, seed=9, first_path=1_201)
    other.step(20)

    assert (alone.state[:, 0] == many.state[:, 1_201]).all()
    assert (told[-1, :, 0] == alone.state[:, 0]).all()
    assert len(np.unique(told[:, 0, 0])) == 4
    assert other.state[0, 0] != alone.state[0, 0]
    assert len(np.unique(many.state[0])) == 1_500


def test_the_numbers_behind_the_steps_are_normal_and_independent():
    paths = Paths(Brownian(vol=1.0, drift=0.5), step_years=1.0, seed=1, paths=500)
    noise = np.diff(paths.walk(400)[:, 0], axis=0, prepend=0.0)
    moments = [float((noise**power).mean()) for power in range(1, 9)]

    expected = [0.0, 1.0, 0.0, 3.0, 0.0, 15.0, 0.0, 105.0]
    # The variance of a sample's n-th moment is (E z^2n - (E z^n)^2) / count.
    doubled = [1.0, 3.0, 15.0, 105.0, 945.0, 10_395.0, 135_135.0, 2_027_025.0]
    errors = np.sqrt((np.array(doubled) - np.array(expected) ** 2) / noise.size)
    assert (np.abs(np.array(moments) - expected) < 4.0 * errors).all()
    room = 4.0 / np.sqrt(noise.size)
    for left, right in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < room
        assert abs(np.corrcoef(left.ravel() ** 2, right.ravel() ** 2)[0, 1]) < room
    assert np.mean(noise > 0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(noise.size))
    below = np.sort(noise.ravel())[noise.size // 10]
    assert below == pytest.approx(-1.2815515655, abs=0.016)


@pytest.mark.parametrize(("law", "words"), [(Brownian(vol=0.6), 2), (MERTON, 3)])
def test_no_step_uses_a_word_of_another(law, words):
    """Moments and correlations of the steps would not tell."""
    paths = Paths(law, step_years=0.01, seed=4, paths=600)
    paths.step(7)

    passed = paths._words - keys(4, 0, 600)
    assert set(passed.tolist()) == {7 * words * int(STRIDE) % 2**64}


def test_ten_million_steps_a_second_are_walked_on_one_core():
    paths = Paths(Brownian(vol=0.6), step_years=1e-4, seed=1, paths=10_000)
    spent_s = []
    for _ in range(10):
        began = time.process_time()
        paths.step(50)
        spent_s.append(time.process_time() - began)

    assert 10_000 * 50 / min(spent_s) > STEPS_A_SECOND_MIN


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"step_years": 0.0, "seed": 1}, "leads nowhere"),
        ({"step_years": 0.1, "seed": -1}, "no streams"),
        ({"step_years": 0.1, "seed": 1 << 64}, "no streams"),
        ({"step_years": 1.0, "seed": 1}, "shorter steps"),
    ],
)
def test_paths_that_cannot_be_walked_are_refused(ask, said):
    with pytest.raises(ValueError, match=said):
        Paths(MERTON, **ask)
