"""Raw SVI slices: derivatives, jump wings, and butterfly arbitrage found where it is."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.quant.svi import Butterfly, FloatArray, JumpWings, Svi, butterfly, durrleman

# A. Vogt's example, in Gatheral and Jacquier (2014): an innocent look and a negative density.
VOGT = Svi(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, sigma=0.4153)

slices = st.builds(
    Svi,
    a=st.floats(0.001, 0.5),
    b=st.floats(0.001, 0.9),
    rho=st.floats(-0.95, 0.95),
    m=st.floats(-0.5, 0.5),
    sigma=st.floats(0.01, 1.0),
)


def g_of(svi: Svi, k: FloatArray) -> FloatArray:
    return durrleman(k, svi.variance(k), svi.slope(k), svi.curvature(k))


def test_the_vogt_smile_is_flagged_where_its_density_is_negative():
    found = butterfly(VOGT)

    assert not found.is_free
    assert found.g_min == pytest.approx(-0.0329, abs=5e-5)
    assert found.g_min_at == pytest.approx(0.879, abs=1e-3)
    assert found.variance_min == pytest.approx(0.0116249, abs=1e-7)
    k = np.linspace(-3.0, 3.0, 60_001)
    negative = k[g_of(VOGT, k) < 0.0]
    assert (negative.min(), negative.max()) == pytest.approx((0.643, 1.256), abs=1e-3)


def test_the_vogt_smile_in_jump_wings_is_the_published_one_and_its_repair_is_free():
    wings = JumpWings.of(VOGT, 1.0)
    told = (wings.v, wings.psi, wings.p, wings.c, wings.v_min)
    assert told == pytest.approx((0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249), rel=1e-6)

    mended = wings.repaired()

    assert mended.c == pytest.approx(0.3493158, abs=1e-7)
    assert mended.v_min == pytest.approx(0.01548182, abs=1e-8)
    found = butterfly(mended.raw())
    assert found.is_free
    k = np.linspace(-20.0, 20.0, 400_001)
    assert g_of(mended.raw(), k).min() > 0.0


@given(svi=slices, k=st.floats(-2.0, 2.0))
def test_slope_and_curvature_are_those_of_the_variance(svi, k):
    h = 1e-4 * svi.sigma
    down, here, up = svi.variance(np.array([k - h, k, k + h]))

    assert svi.slope(k) == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-6)
    assert (svi.slope(k + h) - svi.slope(k - h)) / (2 * h) == pytest.approx(
        svi.curvature(k), rel=1e-5, abs=1e-6
    )
    assert here >= svi.variance_min - 1e-12


@given(svi=slices, years=st.floats(0.01, 3.0))
def test_jump_wings_lead_back_to_the_slice_they_came_from(svi, years):
    assume(abs(svi.m) > 0.01)
    wings = JumpWings.of(svi, years)
    k = np.linspace(-1.0, 1.0, 11)
    # Where the least variance is all but at the money these parameters no longer tell slices apart.
    assume(wings.v - wings.v_min > 1e-3 * wings.v)

    assert wings.raw().variance(k) == pytest.approx(svi.variance(k), rel=1e-6)


@given(svi=slices)
def test_no_strike_anywhere_is_worse_than_the_report_says(svi):
    found = butterfly(svi)
    k = np.concatenate([np.linspace(-5.0, 5.0, 5_001), svi.m + np.geomspace(1e-3, 1e4, 500)])

    assert g_of(svi, k).min() >= found.g_min - 1e-9
    assert max(found.slope_left, found.slope_right) == pytest.approx(
        svi.b * (1.0 + abs(svi.rho)), rel=1e-12
    )


def test_a_smile_without_variance_or_with_too_steep_a_wing_is_not_free():
    assert butterfly(Svi(a=-0.1, b=0.1, rho=0.0, m=0.0, sigma=0.5)).g_min == -math.inf
    steep = butterfly(Svi(a=0.5, b=1.2, rho=0.7, m=0.0, sigma=1.0))
    assert not steep.is_free
    assert steep.slope_right > 2.0
    assert steep.g_min <= 0.25 - (steep.slope_right / 4.0) ** 2
    assert not Butterfly(
        g_min=1.0, g_min_at=0.0, variance_min=1.0, slope_left=2.1, slope_right=0.0
    ).is_free
    assert butterfly(Svi(a=0.04, b=0.0, rho=0.0, m=0.0, sigma=1.0)).is_free


@pytest.mark.parametrize(
    "wrong", [{"b": -0.1}, {"rho": 1.0}, {"sigma": 0.0}, {"a": math.nan}, {"m": math.inf}]
)
def test_parameters_of_no_smile_are_turned_away(wrong):
    with pytest.raises(ValueError, match="is no smile"):
        Svi(**{"a": 0.01, "b": 0.1, "rho": 0.0, "m": 0.0, "sigma": 0.1, **wrong})
