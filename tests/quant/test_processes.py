"""Slow noises, and a perpetual with its funding."""

import math

import numpy as np
import pytest

from bot.quant.processes import Paths, Perpetual, Reversion, ReversionPath, funding_rate_8h
from bot.quant.processes.perpetual import EIGHT_HOURS_YEARS, FUNDING, PREMIUM

DAY = 1 / 365


def test_reverting_noise_has_the_deviation_and_half_life_it_is_given():
    law = Reversion(mean=3.0, deviation=0.5, half_life_years=10 * DAY)
    rng = np.random.default_rng(1)
    noise = ReversionPath((law,) * 400, step_years=DAY)
    noise.scatter(rng)
    start = noise.values.copy()
    for _ in range(10):
        noise.step(rng)

    assert noise.values.mean() == pytest.approx(3.0, abs=0.1)
    assert noise.values.std() == pytest.approx(0.5, rel=0.15)
    assert np.corrcoef(start, noise.values)[0, 1] == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0.0002, 0.0),
        (0.0010, 0.00075),
        (-0.0003, -0.00005),
        (0.02, 0.005),
        (-0.02, -0.005),
    ],
)
def test_funding_is_the_premium_beyond_the_dampener_up_to_the_cap(premium, rate):
    assert funding_rate_8h(premium, 0.00025, 0.005) == pytest.approx(rate, abs=1e-15)


def beyond(mean: float, deviation: float, edge: float) -> float:
    """E[max(p - edge, 0)] of a normal p."""
    x = (mean - edge) / deviation
    chance = 0.5 * math.erfc(-x / math.sqrt(2.0))
    density = math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return deviation * (x * chance + density)


@pytest.mark.parametrize("dampener", [0.00025, 0.0005])
def test_funding_paid_over_days_is_what_the_premium_s_law_expects(dampener):
    premium = Reversion(mean=2e-4, deviation=3e-4, half_life_years=DAY / 24)
    law = Perpetual(premium=premium, dampener=dampener)
    paths = Paths(law, step_years=DAY / 288, seed=2, paths=2_000)
    paths.step(288)
    paths.state[FUNDING] = 0.0
    paths.step(288 * 5)

    eights = 5 * DAY / EIGHT_HOURS_YEARS
    expected = beyond(2e-4, 3e-4, dampener) - beyond(-2e-4, 3e-4, dampener)
    paid = paths.state[FUNDING]
    assert eights == pytest.approx(15.0)
    assert paid.mean() == pytest.approx(expected * eights, abs=3 * paid.std() / math.sqrt(2_000))
    assert paths.state[PREMIUM].mean() == pytest.approx(2e-4, abs=3 * 3e-4 / math.sqrt(2_000))
    assert paths.state[PREMIUM].std() == pytest.approx(3e-4, rel=0.05)


def test_the_premium_of_a_perpetual_forgets_by_half_in_its_half_life():
    law = Perpetual(premium=Reversion(mean=0.0, deviation=2e-4, half_life_years=DAY / 144))
    paths = Paths(law, step_years=DAY / 1_440, seed=2, paths=20_000)
    paths.step(200)
    before = paths.state[PREMIUM].copy()
    paths.step(10)

    assert np.corrcoef(before, paths.state[PREMIUM])[0, 1] == pytest.approx(0.5, abs=0.02)


def test_funding_that_a_premium_held_still_costs_is_exact():
    held = Reversion(mean=0.001, deviation=0.0, half_life_years=DAY)
    paths = Paths(Perpetual(premium=held), step_years=EIGHT_HOURS_YEARS / 480, seed=1)
    paths.step(480)

    assert paths.state[FUNDING, 0] == pytest.approx(0.00075, rel=1e-12)
