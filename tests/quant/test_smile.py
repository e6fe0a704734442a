import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.quant.black76 import greeks
from bot.quant.smile import Drop, FitPolicy, Mode, QuotePolicy, Quotes, Unfit, fit
from tests.quant.smiles import FORWARD, YEARS, arbitrage, changed, every_day, fitted, quotes, smiles

# The first test of a session compiles the kernels.
pytestmark = pytest.mark.timeout(300)


def error_vol_points(surface, given):
    vol = surface.vol(given.strike, given.forward, given.years)
    return 100.0 * np.abs(vol - given.mark_vol)


# -------------------------------------------------------------------------------------- the fit


def test_a_surface_that_was_quoted_comes_back():
    given = quotes()

    found = fitted(given)

    assert error_vol_points(found.surface, given).max() < 0.02
    assert found.report.is_free_of_arbitrage
    assert not any(expiry.is_repaired for expiry in found.report.expiries)


def test_a_surface_fitted_to_its_own_volatilities_returns_itself():
    """Also where it is no eSSVI: its waves are 0.8 vol points high."""
    first = fitted(quotes(bump=0.008)).surface
    given = quotes()
    vol = first.vol(given.strike, given.forward, given.years)
    own = replace(given, bid_vol=vol - 0.005, ask_vol=vol + 0.005, mark_vol=vol)

    assert error_vol_points(fitted(own).surface, own).max() < 0.05


def test_a_smile_that_no_svi_follows_is_followed():
    given = quotes(bump=0.008)

    found = fitted(given)

    assert error_vol_points(found.surface, given).max() < 0.5
    assert all(expiry.inside_share == 1.0 for expiry in found.report.expiries)


def test_prices_in_coin_say_the_same_as_volatilities():
    given = quotes()
    inputs = (given.forward, given.strike, given.years)
    bid, ask, mark = (
        greeks(*inputs, vol, given.is_call).price / given.forward
        for vol in (given.bid_vol, given.ask_vol, given.mark_vol)
    )

    in_coin = Quotes.of_prices(
        strike=given.strike, years=given.years, forward=given.forward, is_call=given.is_call,
        bid=bid, ask=ask, mark=mark, in_coin=True,
    )  # fmt: skip

    assert in_coin.mark_vol == pytest.approx(given.mark_vol, rel=1e-9)
    surface = fitted(in_coin).surface
    assert error_vol_points(surface, given).max() < 0.02


def test_discounted_prices_say_the_same_and_a_price_of_nothing_is_no_quote():
    given = quotes()
    inputs = (given.forward, given.strike, given.years)
    ask = greeks(*inputs, given.ask_vol, given.is_call, 0.97).price

    linear = Quotes.of_prices(
        strike=given.strike, years=given.years, forward=given.forward, is_call=given.is_call,
        bid=0.0, ask=ask, discount=0.97,
    )  # fmt: skip

    assert linear.ask_vol == pytest.approx(given.ask_vol, rel=1e-9)
    assert np.all(np.isnan(linear.bid_vol))
    assert np.all(np.isnan(linear.mark_vol))


@given(st.floats(1e-4, 1e4))
@settings(max_examples=10)
def test_the_unit_of_money_changes_nothing(scale):
    given = quotes(bump=0.004)
    other = replace(given, strike=given.strike * scale, forward=given.forward * scale)

    one, two = fitted(given).surface, fitted(other).surface

    vol = one.vol(given.strike, given.forward, given.years)
    assert two.vol(other.strike, other.forward, other.years) == pytest.approx(vol, rel=1e-6)


@given(st.floats(0.05, 20.0))
@settings(max_examples=10)
def test_time_at_half_the_variance_is_variance_at_half_the_time(scale):
    given = quotes(bump=0.004)
    vols = {n: getattr(given, n) / math.sqrt(scale) for n in ("bid_vol", "ask_vol", "mark_vol")}
    other = replace(given, years=given.years * scale, **vols)

    one, two = fitted(given).surface, fitted(other).surface

    vol = one.vol(given.strike, given.forward, given.years)
    found = two.vol(other.strike, other.forward, other.years) * math.sqrt(scale)
    # Not to the last digit: a spread of one vol point weighs differently beside another level.
    assert found == pytest.approx(vol, abs=0.002)


# ------------------------------------------------------------------------------------ arbitrage


@given(st.integers(0, 2**32 - 1))
@example(516)  # a wing that falls, and is negative far out
@example(523)  # wings that cross far out
@example(381)  # a crossing between the nodes of a coarse grid
@settings(max_examples=25, deadline=None)
def test_whatever_is_quoted_the_published_surface_is_free_of_arbitrage(seed):
    """Slices that cross each other and bend beyond what a density allows, with noise on top."""
    noise = np.random.default_rng(seed)
    given = quotes(smiles(vol=noise.uniform(0.2, 1.5), rho=noise.uniform(-0.7, 0.7)))
    level = np.exp(noise.normal(0.0, 0.25, YEARS.size))[np.searchsorted(YEARS, given.years)]
    vol = given.mark_vol * level * np.exp(noise.normal(0.0, 0.03, given.strike.size))
    given = replace(given, bid_vol=vol * 0.99, ask_vol=vol * 1.01, mark_vol=vol)

    found = fitted(given)

    assert found.report.is_free_of_arbitrage
    g, rise = arbitrage(found.surface, YEARS)
    assert g >= -1e-6
    assert rise >= -1e-9


def crossed():
    """The second expiry a tenth under the total variance of the first."""
    given = quotes()
    second = given.years == YEARS[1]
    lower = np.where(second, given.mark_vol * math.sqrt(0.45), given.mark_vol)
    return replace(given, bid_vol=lower - 0.005, ask_vol=lower + 0.005, mark_vol=lower)


def test_expiries_that_cross_are_published_in_order_and_said_to_be_repaired():
    found = fitted(crossed())

    g, rise = arbitrage(found.surface, every_day(1.0))
    assert g >= 0.0
    assert rise >= 0.0
    by_years = {expiry.years: expiry for expiry in found.report.expiries}
    assert by_years[YEARS[1]].is_repaired
    assert by_years[YEARS[1]].gap_min >= 0.0
    assert not by_years[YEARS[4]].is_repaired


def test_a_crossing_is_shared_by_both_sides():
    """A tenth at the money, more in the wings: neither side gives way alone."""
    given = crossed()
    found = fitted(given)

    moved = [expiry.repair_vol_points for expiry in found.report.expiries[:2]]

    assert min(moved) > 0.3
    assert max(moved) < 10.0


def test_without_constraints_the_crossing_is_published_and_reported():
    found = fitted(crossed(), FitPolicy(mode=Mode.FREE))

    assert not found.report.is_free_of_arbitrage
    assert found.report.expiries[1].gap_min < -0.1
    assert found.report.expiries[1].rmse_vol_points < 0.05


def test_the_report_measures_what_the_surface_does():
    given = quotes(bump=0.008)
    found = fitted(given)

    for expiry in found.report.expiries:
        here = given.years == expiry.years
        error = error_vol_points(found.surface, given)[here]
        assert expiry.used == here.sum()
        assert expiry.rmse_vol_points == pytest.approx(math.sqrt(np.mean(error**2)))
        assert abs(expiry.worst_vol_points) == pytest.approx(error.max())
        assert given.strike[here][error.argmax()] == pytest.approx(expiry.worst_strike)
    g, rise = arbitrage(found.surface, YEARS)
    assert min(one.g_min for one in found.report.expiries) == pytest.approx(g, abs=1e-3)
    assert min(one.gap_min for one in found.report.expiries) > 0.0
    assert rise > 0.0


# ------------------------------------------------------------------------------------- cleaning


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"bid_vol": math.nan, "ask_vol": math.nan}, Drop.MISSING),
        ({"bid_vol": math.nan}, Drop.ONE_SIDED),
        ({"ask_vol": math.nan}, Drop.ONE_SIDED),
        ({"age_seconds": 61.0}, Drop.STALE),
        ({"age_seconds": math.nan}, Drop.STALE),
        ({"bid_vol": 0.56, "ask_vol": 0.5}, Drop.CROSSED),
        ({"bid_vol": 0.05, "ask_vol": 1.2}, Drop.WIDE),
        ({"mark_vol": 0.9}, Drop.WILD),
        ({"bid_vol": 1.995, "ask_vol": 2.005, "mark_vol": 2.0}, Drop.WILD),
        ({"bid_vol": math.inf, "ask_vol": math.inf}, Drop.MISSING),
        ({"bid_vol": 1e308, "ask_vol": 1e308, "mark_vol": 1e308}, Drop.MISSING),
        ({"strike": math.nan}, Drop.MEANINGLESS),
        ({"strike": 1e308}, Drop.MEANINGLESS),
        ({"years": 1e300}, Drop.MEANINGLESS),
        ({"years": -0.1}, Drop.MEANINGLESS),
        ({"is_call": False}, Drop.IN_THE_MONEY),
    ],
)
def test_a_bad_quote_is_left_out_by_the_first_rule_it_breaks_and_moves_nothing(columns, reason):
    given = quotes(bump=0.004)
    at = int(np.flatnonzero((given.years == YEARS[3]) & (given.strike > FORWARD))[4])
    bad = changed(given, at, **columns)

    before, after = fitted(given), fitted(bad)

    assert after.report.dropped == {reason: 1}
    moved = after.surface.vol(given.strike, given.forward, given.years) - before.surface.vol(
        given.strike, given.forward, given.years
    )
    assert np.abs(moved).max() * 100.0 < 0.15


@given(st.integers(0, 2**32 - 1))
@example(1369362)  # three of the last five quotes of a day's smile are wild, the last one too
@settings(max_examples=15, deadline=None)
def test_stale_and_wild_quotes_among_good_ones_change_little(seed):
    noise = np.random.default_rng(seed)
    good = quotes(bump=0.004)
    at = noise.choice(good.strike.size, 10, replace=False)
    wild = good.mark_vol[at] * np.exp(noise.choice([-1.0, 1.0], 10) * noise.uniform(0.4, 2.0, 10))
    stale = noise.random(10) < 0.5
    bad = changed(
        good, at, bid_vol=wild - 0.005, ask_vol=wild + 0.005, mark_vol=wild,
        age_seconds=np.where(stale, 3_600.0, 0.0),
    )  # fmt: skip
    # The good quotes are there as well: the bad come on top, at strikes just beside.
    both = replace(
        good,
        **{
            name: np.concatenate((getattr(good, name), getattr(bad, name)[at] * factor))
            for name, factor in (
                ("strike", 1.0001), ("years", 1.0), ("forward", 1.0), ("bid_vol", 1.0),
                ("ask_vol", 1.0), ("mark_vol", 1.0), ("age_seconds", 1.0),
            )
        },
        is_call=np.concatenate((good.is_call, bad.is_call[at])),
    )  # fmt: skip

    clean, dirty = fitted(good), fitted(both)

    moved = dirty.surface.vol(good.strike, FORWARD, good.years) - clean.surface.vol(
        good.strike, FORWARD, good.years
    )
    assert np.abs(moved).max() * 100.0 < 1.0
    assert dirty.report.dropped.get(Drop.STALE, 0) == stale.sum()


def test_marks_alone_are_used_where_that_is_allowed():
    given = quotes()
    unquoted = replace(
        given,
        bid_vol=np.full_like(given.bid_vol, np.nan),
        ask_vol=np.full_like(given.bid_vol, np.nan),
    )

    refused = fit(unquoted)
    found = fitted(unquoted, FitPolicy(quotes=QuotePolicy(marks_suffice=True)))

    assert isinstance(refused, Unfit)
    assert "missing" in refused.reason
    assert error_vol_points(found.surface, given).max() < 0.02
    assert math.isnan(found.report.expiries[0].inside_share)


def test_mids_are_used_where_there_are_no_marks():
    given = quotes()

    found = fitted(replace(given, mark_vol=np.full_like(given.mark_vol, np.nan)))

    assert error_vol_points(found.surface, given).max() < 0.02


def test_no_quotes_at_all_are_no_surface():
    nothing = np.empty(0)

    found = fit(Quotes.of(strike=nothing, years=nothing, forward=nothing, is_call=nothing))

    assert found == Unfit(reason="no expiry has enough quotes: none were given")


def test_an_expiry_with_too_few_quotes_lies_between_its_neighbours():
    given = quotes()
    third = np.flatnonzero(given.years == YEARS[2])
    few = changed(given, third[4:], age_seconds=1e6)

    found = fitted(few)

    assert found.report.unfitted == (YEARS[2],)
    assert found.report.dropped[Drop.THIN] == 4
    assert len(found.report.expiries) == len(YEARS) - 1
    near = third[np.abs(np.log(given.strike[third] / FORWARD)) < 0.05]
    assert error_vol_points(found.surface, given)[near].max() < 1.0
    assert error_vol_points(found.surface, given)[third].max() < 5.0


@pytest.mark.parametrize("count", [5, 6, 8])
def test_a_thin_expiry_is_held_by_the_surface_where_it_has_no_quotes(count):
    """Quotes on one side of the money only: the other wing is the prior's, not a straight line."""
    given = quotes()
    third = np.flatnonzero(given.years == YEARS[2])
    few = changed(given, third[count:], age_seconds=1e6)

    found = fitted(few)

    assert found.report.is_free_of_arbitrage
    assert error_vol_points(found.surface, given)[third].max() < 3.0


def test_wings_without_quotes_follow_the_surface_and_not_the_noise_at_the_money():
    """One expiry is quoted within half a deviation only, with marks 0.3 vol points to and fro."""
    given = quotes()
    third = np.flatnonzero(given.years == YEARS[2])
    k = np.linspace(-0.4, 0.4, third.size) * 0.5 * math.sqrt(YEARS[2])
    close = changed(given, third, strike=FORWARD * np.exp(k), is_call=k >= 0.0)
    true = fitted(given).surface
    vol = true.vol(close.strike, FORWARD, close.years)
    vol[third] += 0.003 * (-1.0) ** np.arange(third.size)
    noisy = replace(close, bid_vol=vol - 0.005, ask_vol=vol + 0.005, mark_vol=vol)

    found = fitted(noisy)

    assert found.report.is_free_of_arbitrage
    assert error_vol_points(found.surface, given)[third].max() < 3.0


@pytest.mark.parametrize("words", ["put", ["call", "put"], [None, None]])
def test_quotes_whose_side_is_a_word_are_refused_and_not_taken_as_calls(words):
    with pytest.raises(TypeError, match="true or false"):
        Quotes.of(strike=[90.0, 110.0], years=0.1, forward=100.0, is_call=words, mark_vol=0.6)
