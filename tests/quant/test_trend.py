"""The robust trend against a published example and its laws."""

import math

import numpy as np
import pytest

from bot.quant.trend import theil_sen

SEN_X = np.array([1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 18.0])
SEN_Y = np.array([9.0, 15.0, 19.0, 20.0, 45.0, 55.0, 78.0])


def test_sens_own_example_has_the_slope_and_interval_that_he_gives():
    """Sen (1968), section 6: slope 4, interval of 93 % from 26/7 to 35/8."""
    found = theil_sen(SEN_X, SEN_Y, 0.93)
    assert found.slope == pytest.approx(4.0)
    assert (found.low, found.high) == pytest.approx((26 / 7, 35 / 8))


def test_a_fifth_of_wild_points_hardly_moves_the_slope():
    x = np.linspace(0.0, 1.0, 200)
    y = 3.0 * x + np.random.default_rng(1).normal(0.0, 0.05, 200)
    y[::5] += 50.0
    assert theil_sen(x, y).slope == pytest.approx(3.0, abs=0.1)


def test_the_trend_turns_round_with_its_points_and_scales_with_them():
    found, turned = theil_sen(SEN_X, SEN_Y), theil_sen(SEN_X, -2.0 * SEN_Y)
    assert (turned.slope, turned.low, turned.high) == pytest.approx(
        (-2.0 * found.slope, -2.0 * found.high, -2.0 * found.low)
    )


def test_two_points_are_no_trend():
    assert all(math.isnan(each) for each in theil_sen(SEN_X[:2], SEN_Y[:2]))
