from dataclasses import replace

import numpy as np
import pytest

from bot.quant.processes import FloatArray, JumpDiffusion, Reversion, ReversionPath, SpotPath

LAW = JumpDiffusion(
    speed=10.0,
    variance_mean=0.3,
    vol_of_variance=1.0,
    correlation=-0.6,
    jumps_per_year=500.0,
    jump_mean=0.01,
    jump_down_share=0.6,
    variance_jump_mean=0.004,
)
DAY = 1 / 365


def ends(
    law: JumpDiffusion, *, paths: int, steps: int, years: float, variance: float
) -> FloatArray:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(paths):
        path = SpotPath(law=law, spot=1.0, variance=variance)
        for _ in range(steps):
            path.step(rng, years / steps)
        found.append((path.spot, path.variance))
    return np.array(found)


def test_the_spot_is_a_martingale_with_the_variance_it_expects():
    found = ends(LAW, paths=4_000, steps=20, years=DAY, variance=0.5)
    spots = found[:, 0]

    total = float(LAW.expected_variance(0.5, DAY))
    assert spots.mean() == pytest.approx(1.0, abs=4 * np.sqrt(total / 4_000))
    assert np.log(spots).var() == pytest.approx(total, rel=0.12)


def test_jumps_that_mostly_fall_are_paid_for_by_the_drift():
    law = replace(
        LAW,
        jumps_per_year=20.0,
        jump_mean=0.05,
        jump_down_share=0.9,
        variance_mean=0.1,
        variance_jump_mean=0.0,
    )
    found = ends(law, paths=1_200, steps=60, years=0.25, variance=0.1)

    assert float(law.compensator) == pytest.approx(20 * (0.1 / 0.95 + 0.9 / 1.05 - 1.0))
    assert found[:, 0].mean() == pytest.approx(1.0, abs=0.04)


def test_variance_returns_to_its_long_run_mean_with_jumps_in_it():
    law = replace(LAW, jumps_per_year=20.0, variance_jump_mean=0.1)

    found = ends(law, paths=400, steps=250, years=1.0, variance=0.1)

    assert law.variance_long_run == pytest.approx(0.3 + 20 * 0.1 / 10)
    assert found[:, 1].mean() == pytest.approx(law.variance_long_run, rel=0.1)


def test_expected_variance_starts_at_today_s_and_ends_at_the_long_run_s():
    short, long = LAW.expected_variance(0.9, np.array([1e-6, 50.0])) / [1e-6, 50.0]

    assert short == pytest.approx(0.9 + LAW.jump_variance, rel=1e-4)
    assert long == pytest.approx(LAW.variance_long_run + LAW.jump_variance, rel=2e-3)


def test_the_same_seed_walks_the_same_path():
    first, second = (ends(LAW, paths=2, steps=50, years=DAY, variance=0.4) for _ in range(2))

    assert (first == second).all()


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
