import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.quant.essvi import Essvi, calibrate
from bot.quant.svi import durrleman

WIDE = np.sinh(np.linspace(-9.0, 9.0, 1001)) / math.sinh(9.0) * 40.0


def grid(smile):
    """Dense around the money of the smile, and forty wide."""
    return np.sort(np.concatenate((WIDE, WIDE * math.sqrt(smile.theta))))


def g_min(smile):
    k, svi = grid(smile), smile.svi()
    return durrleman(k, svi.variance(k), svi.slope(k), svi.curvature(k)).min()


@st.composite
def slices(draw):
    """A slice anywhere inside the butterfly conditions, their borders included."""
    theta, rho = draw(st.floats(1e-5, 4.0)), draw(st.floats(-0.99, 0.99))
    steep = 1.0 + abs(rho)
    most = min(4.0 / steep, 2.0 * math.sqrt(theta / steep)) * (1.0 - 1e-12)
    return Essvi(theta=theta, rho=rho, psi=most * draw(st.floats(1e-3, 1.0)))


@st.composite
def later_than(draw, first):
    """A slice anywhere inside the calendar conditions after `first`, and free of butterflies."""
    grown = first.theta * draw(st.floats(1.0, 5.0))
    rho = min(max(first.rho + draw(st.floats(-0.5, 0.5)), -0.99), 0.99)
    steep = 1.0 + abs(rho)
    low = first.psi * max((1.0 + first.rho) / (1.0 + rho), (1.0 - first.rho) / (1.0 - rho))
    high = min(4.0 / steep, 2.0 * math.sqrt(grown / steep), first.psi * grown / first.theta)
    assume(low < high)
    psi = low + (high - low) * draw(st.floats(1e-9, 1.0 - 1e-9))
    return Essvi(theta=grown, rho=rho, psi=psi)


@given(slices())
def test_a_slice_inside_the_conditions_has_no_butterfly_at_any_strike(smile):
    assert smile.is_free_of_butterflies
    assert g_min(smile) >= -1e-9


@given(slices(), st.floats(1.001, 3.0))
def test_a_slice_outside_the_conditions_is_not_called_free(smile, factor):
    steep = 1.0 + abs(smile.rho)
    most = min(4.0 / steep, 2.0 * math.sqrt(smile.theta / steep))

    outside = Essvi(theta=smile.theta, rho=smile.rho, psi=most * factor)

    assert not outside.is_free_of_butterflies


@pytest.mark.parametrize(
    ("theta", "rho", "free", "arbitraged"),
    [(1e-4, 0.0, 2.2, 2.3), (0.04, -0.4, 1.9, 2.1), (1.0, -0.4, 1.4, 1.6), (2.5, -0.4, 1.0, 1.1)],
)
def test_the_condition_on_curvature_is_tight_only_where_wings_are_steep(
    theta, rho, free, arbitraged
):
    """Sufficient, not necessary: flat smiles stay free up to twice the psi that it allows."""
    border = 2.0 * math.sqrt(theta / (1.0 + abs(rho)))

    assert g_min(Essvi(theta=theta, rho=rho, psi=border * free)) >= 0.0
    assert g_min(Essvi(theta=theta, rho=rho, psi=border * arbitraged)) < 0.0


def test_a_wing_steeper_than_two_is_a_butterfly():
    """psi (1 + |rho|) < 4 is necessary: half of it is the slope of the steeper wing."""
    steep = Essvi(theta=9.0, rho=-0.5, psi=4.2 / 1.5)

    assert not steep.is_free_of_butterflies
    assert steep.svi().slope_left > 2.0
    assert g_min(steep) < 0.0


@given(st.data())
def test_a_slice_inside_the_conditions_is_nowhere_below_the_one_before(data):
    first = data.draw(slices())
    second = data.draw(later_than(first))
    k = grid(first)

    rise = second.svi().variance(k) - first.svi().variance(k)

    assert np.all(rise >= -1e-12 * second.svi().variance(k))


@given(st.data())
def test_variance_that_falls_at_the_money_or_in_a_wing_is_not_allowed(data):
    first = data.draw(slices())
    second = data.draw(later_than(first))

    assert not second.is_below(Essvi(theta=first.theta * 0.99, rho=second.rho, psi=second.psi))
    assert not second.is_below(Essvi(theta=second.theta, rho=second.rho, psi=second.psi * 0.99))


def test_steepness_that_grows_faster_than_variance_may_cross_and_is_not_allowed():
    """Above at the money and in both wings, and still below in between."""
    first = Essvi(theta=0.04, rho=-0.6, psi=0.06)
    second = Essvi(theta=0.0401, rho=0.0, psi=0.1)
    k = grid(first)

    rise = second.svi().variance(k) - first.svi().variance(k)

    assert rise[0] > 0.0
    assert rise[-1] > 0.0
    assert rise.min() < 0.0
    assert abs(second.rho * second.psi - first.rho * first.psi) <= second.psi - first.psi + 1e-12
    assert not first.is_below(second)


@given(st.data(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_slices_between_two_expiries_can_be_arbitraged_no_more_than_these(data, one, other):
    first = data.draw(slices())
    second = data.draw(later_than(first))
    early, late = (first.between(second, share) for share in sorted((one, other)))
    k = grid(first)

    rise = late.svi().variance(k) - early.svi().variance(k)

    assert np.all(rise >= -1e-12 * late.svi().variance(k))
    assert min(g_min(early), g_min(late)) >= -1e-9


def quoted(smiles, noise=None):
    """Edges, k, variance and weights of quotes on slices, seven strikes an expiry."""
    places = [np.linspace(-2.5, 2.5, 7) * math.sqrt(smile.theta) for smile in smiles]
    w = np.concatenate([smile.svi().variance(k) for smile, k in zip(smiles, places, strict=True)])
    if noise is not None:
        w = w * np.exp(noise.normal(0.0, 0.4, w.size))
    edges = 7 * np.arange(len(smiles) + 1)
    return edges, np.concatenate(places), w, 100.0 / w


@given(st.data())
def test_quotes_on_slices_inside_the_conditions_lead_back_to_them(data):
    first = data.draw(slices())
    assume(abs(first.rho) < 0.9)
    second = data.draw(later_than(first))
    assume(abs(second.rho) < 0.9)
    edges, k, w, weight = quoted((first, second))

    found = calibrate(edges, k, w, weight)

    back = np.concatenate(
        [smile.svi().variance(k[i : i + 7]) for i, smile in ((0, found[0]), (7, found[1]))]
    )
    assert np.max(np.abs(back / w - 1.0)) < 0.03


@given(st.integers(0, 2**32 - 1))
def test_whatever_is_quoted_the_surface_calibrated_is_free_of_arbitrage(seed):
    """Expiries in no order at all, with gross noise."""
    noise = np.random.default_rng(seed)
    smiles = [
        Essvi(theta=float(theta), rho=float(rho), psi=float(share * math.sqrt(theta)))
        for theta, rho, share in zip(
            np.exp(noise.uniform(-10.0, 1.0, 6)),
            noise.uniform(-0.9, 0.9, 6),
            noise.uniform(0.01, 1.4, 6),
            strict=True,
        )
    ]

    found = calibrate(*quoted(smiles, noise))

    assert all(smile.is_free_of_butterflies for smile in found)
    assert all(one.is_below(two) for one, two in pairwise(found))
    assert min(g_min(smile) for smile in found) >= 0.0


@pytest.mark.parametrize("bad", [{"theta": 0.0}, {"psi": -1.0}, {"rho": 1.0}, {"rho": math.nan}])
def test_numbers_that_are_no_smile_are_refused(bad):
    with pytest.raises(ValueError, match="is no smile"):
        Essvi(**{"theta": 0.04, "rho": -0.3, "psi": 0.2, **bad})
