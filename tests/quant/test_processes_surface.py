"""Jumps that cluster, and the factors of a surface: against closed forms and the market's figures.

The market's figures: BTC, January to August 2026, daily.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from bot.quant.processes import LOG_SPOT, Factor, Hawkes, Paths, Smile, SurfaceMarket
from bot.quant.processes.surface import DAY_YEARS, DOWN, LEVEL, RUN, SKEW, SLOPE, UP

STILL = Factor(noise=0.0, half_life_years=DAY_YEARS, correlation=0.0)
EXCITED = Hawkes(
    up_per_year=60.0,
    down_per_year=100.0,
    branching_self=0.4,
    branching_cross=0.2,
    half_life_years=2.0 * DAY_YEARS,
    up_mean=0.02,
    down_mean=0.03,
)


def jumps_alone(hawkes: Hawkes) -> SurfaceMarket:
    """A law whose spot all but only jumps, so that a path tells its jumps."""
    return SurfaceMarket(vol=1e-9, jumps=hawkes, level=STILL, slope=STILL, skew=STILL)


def counted(paths: Paths, days: int) -> np.ndarray:
    """Jumps of each path on each day, from what each adds to the two intensities together."""
    rise = EXCITED.decay * EXCITED.branching
    base = EXCITED.up_per_year + EXCITED.down_per_year
    told, decay = [], math.exp(-EXCITED.decay * DAY_YEARS / 96)
    for _ in range(days):
        total = np.zeros(paths.state.shape[1])
        for _ in range(96):
            before = paths.state[UP] + paths.state[DOWN] - base
            paths.step()
            total += (paths.state[UP] + paths.state[DOWN] - base - before * decay) / rise
        told.append(total)
    return np.array(told)


def test_jumps_come_as_often_as_their_branching_says_and_in_clusters():
    paths = Paths(jumps_alone(EXCITED), step_years=DAY_YEARS / 96, seed=4, paths=1_000)
    paths.step(96 * 20)
    counts = counted(paths, 60)

    mean = (60.0 + 100.0) / (1.0 - 0.6)
    assert sum(EXCITED.intensities) == pytest.approx(mean)
    assert counts.sum(axis=0).mean() == pytest.approx(mean * 60 * DAY_YEARS, rel=0.03)
    # Over times long against the excitement the variance of a count is mean / (1 - branching)^2:
    # 6.25 times Poisson's; here, over thirty half-lives, a little less.
    crowding = counts.sum(axis=0).var() / counts.sum(axis=0).mean()
    assert crowding == pytest.approx(6.25 * (1 - 1 / (0.4 * 30 * math.log(2))), rel=0.25)
    following = np.corrcoef(counts[:-1].ravel(), counts[1:].ravel())[0, 1]
    assert following > 0.15


def test_expected_counts_are_the_mean_of_what_is_walked_from_an_excited_state():
    paths = Paths(jumps_alone(EXCITED), step_years=DAY_YEARS / 4, seed=7, paths=20_000)
    paths.state[UP], paths.state[DOWN] = 1_500.0, 300.0
    paths.step(8)

    ups, downs = EXCITED.expected_counts(1_500.0, 300.0, 2 * DAY_YEARS)
    drift = EXCITED.up_compensator * ups + EXCITED.down_compensator * downs
    moved = paths.state[LOG_SPOT]
    expected = EXCITED.up_mean * ups - EXCITED.down_mean * downs - drift
    assert ups > downs > 0
    assert moved.mean() == pytest.approx(float(expected), abs=3 * moved.std() / math.sqrt(20_000))
    variance = EXCITED.expected_variance(1_500.0, 300.0, 2 * DAY_YEARS)
    assert (moved**2).mean() > 0.9 * float(variance)


def test_intensities_that_nothing_excites_stay_where_they_are():
    calm = replace(EXCITED, branching_self=0.0, branching_cross=0.0)
    paths = Paths(jumps_alone(calm), step_years=DAY_YEARS, seed=5, paths=20_000)
    paths.step(5)

    assert paths.state[UP] == pytest.approx(60.0)
    # Compound Poisson: variance, and third moment, of exponential jumps.
    moved = paths.state[LOG_SPOT]
    years = 5 * DAY_YEARS
    assert moved.var() == pytest.approx(2 * years * (60 * 0.02**2 + 100 * 0.03**2), rel=0.06)
    third = 6 * years * (60 * 0.02**3 - 100 * 0.03**3)
    assert ((moved - moved.mean()) ** 3).mean() == pytest.approx(third, rel=0.15)


@pytest.mark.parametrize("law", [SurfaceMarket(), jumps_alone(EXCITED)], ids=["market", "jumps"])
@pytest.mark.parametrize("steps_a_day", [1, 24])
def test_the_spot_is_a_martingale_whatever_excites_it(law, steps_a_day):
    paths = Paths(law, step_years=DAY_YEARS / steps_a_day, seed=2, paths=20_000)
    paths.state[UP] *= 5.0
    paths.step(10 * steps_a_day)

    error = paths.spot.std() / math.sqrt(20_000)
    assert paths.spot.mean() == pytest.approx(1.0, abs=3 * error)


def test_a_surface_moves_in_a_day_as_the_recorded_market_s_did():
    law = SurfaceMarket()
    paths = Paths(law, step_years=DAY_YEARS / 4, seed=3, paths=1_500)
    paths.step(4 * 30)
    days = paths.walk(25, steps=4)
    spot = np.diff(days[:, LOG_SPOT], axis=0).ravel()

    def moves(tenor_days: int) -> np.ndarray:
        vols = [law.implied_vol(state, tenor_days * DAY_YEARS) for state in days]
        return np.diff(vols, axis=0).ravel()

    assert 100 * spot.std() == pytest.approx(2.4, abs=0.1)
    for tenor, points in ((7, 4.4), (30, 2.4), (90, 1.3)):
        assert 100 * moves(tenor).std() == pytest.approx(points, rel=0.05), tenor
    assert np.corrcoef(spot, moves(30))[0, 1] == pytest.approx(-0.57, abs=0.03)


def test_the_surface_expects_the_variance_that_its_spot_then_has():
    law = SurfaceMarket()
    paths = Paths(law, step_years=DAY_YEARS / 4, seed=6, paths=20_000)
    paths.state[LEVEL], paths.state[SLOPE] = 0.3, 0.4
    expected = law.expected_variance(paths.state[:, 0], np.array([2 * DAY_YEARS]))[0]
    paths.step(8)

    # Noise of the factors adds a little over two days, by Jensen; a wrong slope would show.
    assert paths.state[LOG_SPOT].var() == pytest.approx(expected, rel=0.06)


def test_factors_return_to_their_means_with_the_deviations_they_are_given():
    law = replace(SurfaceMarket(), jumps=replace(Hawkes(), up_mean=0.0, down_mean=0.0))
    paths = Paths(law, step_years=2 * DAY_YEARS, seed=9, paths=4_000)
    paths.step(400)

    for row, factor in ((LEVEL, law.level), (SLOPE, law.slope), (SKEW, law.skew)):
        found = paths.state[row]
        assert found.std() == pytest.approx(factor.deviation, rel=0.05)
        assert found.mean() == pytest.approx(factor.mean, abs=3 * factor.deviation / 63)


def test_volatility_rises_when_the_spot_jumps_down():
    down = Hawkes(up_per_year=0.0, down_per_year=1e5, branching_self=0.0, branching_cross=0.0)
    law = replace(SurfaceMarket(), jumps=down)
    paths = Paths(law, step_years=1e-4, seed=1, paths=2_000)
    paths.step()

    # Ten jumps of -3 %, which the drift gives back to the spot but not to the factors.
    level = paths.state[LEVEL]
    error = level.std() / math.sqrt(2_000)
    assert level.mean() == pytest.approx(-0.3 * law.level.jump_response, abs=3 * error)


def test_total_variance_rises_with_time_however_steep_the_slope():
    law = SurfaceMarket()
    years = np.geomspace(1e-4, 2.0, 200)
    state = np.array(law.start)
    for slope in (-1.5, 0.0, 1.5):
        state[SLOPE] = slope
        assert (np.diff(law.expected_variance(state, years)) > 0).all()


def test_a_smile_stays_in_strike_and_follows_the_spot_within_days():
    law = SurfaceMarket()
    paths = Paths(law, step_years=DAY_YEARS / 24, seed=1)
    paths.state[LOG_SPOT] += 0.03
    paths.state[RUN] += 0.03
    still, moved = np.array(law.start)[:, None], paths.state.copy()

    month = 30 * DAY_YEARS
    held = law.implied_vol(moved, month, log_strike=-0.03)
    assert held == pytest.approx(law.implied_vol(still, month), rel=0.004)
    assert law.implied_vol(moved, month) < law.implied_vol(still, month)
    flat = replace(law, vol=1e-9, level=STILL, slope=STILL, jumps=replace(EXCITED, up_mean=0.0))
    walk = Paths(
        replace(flat, jumps=replace(flat.jumps, down_mean=0.0)), step_years=DAY_YEARS / 24, seed=1
    )
    walk.state[RUN] = 0.03
    walk.step(24)
    assert walk.state[RUN, 0] == pytest.approx(0.015, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(EXCITED, branching_self=0.9), "never end"),
        (lambda: replace(EXCITED, up_mean=1.0), "must be finite"),
        (lambda: Smile(curvature=1.7), "arbitrage"),
        (lambda: SurfaceMarket(vol=0.0), "needs a volatility"),
    ],
)
def test_a_market_that_cannot_be_says_why(make, said):
    with pytest.raises(ValueError, match=said):
        make()
