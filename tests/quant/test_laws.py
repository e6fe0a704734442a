"""What must hold of any option, whatever the numbers: Black-76, its inversion, its numeraires.

Slopes are central differences of eighth order. Their error is bounded, not guessed: a difference
over twice the step has 256 times the truncation, so the two differ by more than the better one is
wrong; and the price's own round-off, which the accuracy tests bound, is divided by the step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import FloatArray, GreeksFull, greeks, greeks_full
from bot.quant.conventions import (
    Convention,
    hedge_notional_usd,
    inverse_perp_delta_coin,
    option_delta_coin,
)
from bot.quant.implied_vol import implied_vol, implied_vol_inverse

EPS = np.finfo(np.float64).eps
# Weights of f(x + i h) - f(x - i h), i = 1..4, over h.
STENCIL = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280])
REACH = np.arange(1, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, as hypothesis drew it."""

    forward: float
    strike: float
    years: float
    vol: float
    is_call: bool
    discount: float

    @property
    def total(self) -> float:
        """Its standard deviation, vol sqrt(years)."""
        return self.vol * math.sqrt(self.years)

    @property
    def peak(self) -> float:
        """What its price rounds against."""
        return max(self.forward, self.strike)


@st.composite
def options(draw, deviations: float = 3.0) -> Option:
    forward = draw(st.floats(100.0, 500_000.0))
    years = draw(st.floats(1 / 365 / 24, 3.0))
    vol = draw(st.floats(0.05, 3.0))
    away = draw(st.floats(-deviations, deviations)) * vol * math.sqrt(years)
    return Option(
        forward=forward,
        strike=forward * math.exp(max(min(away, 3.0), -3.0)),
        years=years,
        vol=vol,
        is_call=draw(st.booleans()),
        discount=draw(st.floats(0.5, 1.0)),
    )


def value(option: Option, **moved: float | FloatArray) -> GreeksFull:
    terms = {name: moved.get(name, getattr(option, name)) for name in Option.__slots__}
    return greeks_full(**terms)


def slope(of: Callable[[FloatArray], FloatArray], step: float, noise: float) -> tuple[float, float]:
    """The slope of `of` at 0 and how far it may be from the true one; `noise` is one value's."""
    at = np.concatenate([REACH, -REACH, 2 * REACH, -2 * REACH]) * step
    up, down, up_twice, down_twice = np.split(of(at), 4)
    near = float(STENCIL @ (up - down)) / step
    far = float(STENCIL @ (up_twice - down_twice)) / (2 * step)
    return near, abs(far - near) + 2 * float(np.abs(STENCIL).sum()) * noise / step


def assert_is_slope(
    found: FloatArray, by_difference: tuple[float, float], peak: float, *, sharp: float = 1e-6
) -> None:
    expected, bound = by_difference
    # A bound as large as the Greek itself would prove nothing.
    assert bound < sharp * peak
    assert float(found) == pytest.approx(expected, rel=1e-12, abs=bound)


@given(options())
def test_delta_gamma_and_the_strike_s_slope_are_those_of_the_price(option):
    found, step = value(option), option.total / 40 / (1 + option.total)
    f, k, df = option.forward, option.strike, option.discount
    noise = 2e-15 * option.peak

    def moved(x: FloatArray, row: str = "price") -> FloatArray:
        return np.asarray(getattr(value(option, forward=f * (1 + x)), row))

    assert_is_slope(found.delta * f, slope(moved, step, noise), df * f)
    # The moved forward is itself rounded, and a short option's delta is steep in it.
    gamma = slope(partial(moved, row="delta"), step, 1e-15 + EPS * df / option.total)
    assert_is_slope(found.gamma * f, gamma, df / option.total)
    # By homogeneity what is left of the price is the strike's: C = F dC/dF + K dC/dK.
    by_strike = slope(lambda x: value(option, strike=k * (1 + x)).price, step, noise)
    assert_is_slope(found.price - f * found.delta, by_strike, df * k)


@given(options())
def test_vega_vanna_and_volga_are_slopes_in_volatility(option):
    found, vol = value(option), option.vol
    deviations = abs(math.log(option.forward / option.strike)) / option.total
    step = 1 / 40 / (1 + deviations + option.total)

    def moved(x: FloatArray, row: str = "price") -> FloatArray:
        return np.asarray(getattr(value(option, vol=vol * (1 + x)), row))

    f, df, root = option.forward, option.discount, math.sqrt(option.years)
    assert_is_slope(found.vega * vol, slope(moved, step, 2e-15 * option.peak), df * option.peak)
    assert_is_slope(found.vanna * vol, slope(partial(moved, row="delta"), step, 1e-15), df)
    vega_peak = df * f * root
    volga = slope(partial(moved, row="vega"), step, 1e-14 * vega_peak)
    assert_is_slope(found.volga * vol, volga, vega_peak)


@given(options())
def test_theta_and_charm_are_slopes_in_the_time_that_passes(option):
    found, years = value(option), option.years
    deviations = abs(math.log(option.forward / option.strike)) / option.total
    step = 1 / 40 / (1 + deviations + option.total)

    def passed(x: FloatArray, row: str = "price") -> FloatArray:
        return np.asarray(getattr(value(option, years=years * (1 - x)), row))

    df = option.discount
    theta = slope(passed, step, 2e-15 * option.peak)
    assert_is_slope(found.theta * years, theta, df * option.peak)
    assert_is_slope(found.charm * years, slope(partial(passed, row="delta"), step, 1e-15), df)


@given(options())
def test_rho_is_the_slope_in_the_rate_with_the_spot_held(option):
    """F = S exp(r T), df = exp(-r T): a higher rate lifts the forward and discounts more."""
    found, years = value(option), option.years
    step = option.total / 40 / (1 + option.total)

    def moved(x: FloatArray) -> FloatArray:
        lifted = value(
            option,
            forward=option.forward * np.exp(x),
            discount=option.discount * np.exp(-x),
        )
        return lifted.price

    # x = T dr: the slope in the rate is T times the slope in x.
    by_rate, bound = slope(moved, step, 4e-15 * option.peak)
    peak = option.discount * option.peak
    assert_is_slope(found.rho, (years * by_rate, years * bound), years * peak)


@given(options(8.0))
def test_a_call_less_a_put_is_the_discounted_forward_less_the_strike(option):
    call, put = (value(option, is_call=is_call) for is_call in (True, False))
    f, k, df, t = option.forward, option.strike, option.discount, option.years

    near = partial(pytest.approx, rel=0.0, abs=4 * EPS * option.peak)
    assert call.price - put.price == near(df * (f - k))
    assert call.delta - put.delta == pytest.approx(df, rel=2 * EPS)
    assert call.rho - put.rho == pytest.approx(t * df * k, abs=4 * EPS * t * option.peak)
    for row in ("gamma", "vega", "theta", "vanna", "volga", "charm"):
        assert getattr(call, row) == getattr(put, row), row


@given(options(8.0), st.lists(st.floats(0.2, 5.0), min_size=3, max_size=12, unique=True))
def test_prices_are_monotone_and_convex_in_strike_and_within_their_bounds(option, multiples):
    strikes = option.forward * np.sort(multiples)
    price = value(option, strike=strikes).price / option.discount
    noise = 4 * EPS * np.maximum(option.forward, strikes)

    worth = option.forward - strikes if option.is_call else strikes - option.forward
    most = np.full_like(strikes, option.forward) if option.is_call else strikes
    assert (price >= np.maximum(worth, 0.0) - noise).all()
    assert (price <= most + noise).all()
    widths = np.diff(strikes)
    rise, slack = np.diff(price), noise[1:] + noise[:-1]
    low, high = (-widths, 0.0) if option.is_call else (0.0, widths)
    assert (rise >= low - slack).all()
    assert (rise <= high + slack).all()
    # A butterfly's worth, between its wings: the middle is never above their chord.
    share = (strikes[1:-1] - strikes[:-2]) / (strikes[2:] - strikes[:-2])
    chord = (1 - share) * price[:-2] + share * price[2:]
    assert (price[1:-1] <= chord + 2 * noise[2:]).all()


@given(options(8.0), st.floats(1.0, 4.0), st.floats(1.0, 4.0))
def test_longer_and_wilder_options_are_worth_no_less(option, longer, wilder):
    price = float(value(option).price)
    noise = 4 * EPS * option.peak

    assert float(value(option, years=option.years * longer).price) >= price - noise
    assert float(value(option, vol=option.vol * wilder).price) >= price - noise
    # Only total volatility counts: four times the time at half the volatility is the same option.
    same = value(option, years=4 * option.years, vol=option.vol / 2)
    assert same.price == pytest.approx(price, abs=noise)
    assert same.delta == pytest.approx(float(value(option).delta), abs=4 * EPS)


# How each Greek scales with the currency's unit, by the power of the factor.
POWERS = {
    "price": 1, "delta": 0, "gamma": -1, "vega": 1, "theta": 1, "rho": 1, "vanna": 0, "volga": 1,
    "charm": 0,
}  # fmt: skip


@given(options(8.0), st.floats(1e-3, 1e3))
def test_a_price_is_homogeneous_in_forward_and_strike(option, factor):
    scaled = value(option, forward=option.forward * factor, strike=option.strike * factor)
    before = value(option)

    for row, power in POWERS.items():
        expected = float(getattr(before, row)) * factor**power
        # The scaled inputs are rounded, and a log of their ratio is divided by the deviation.
        loose = 1e-11 * (1 + 1 / option.total)
        floor = 1e-13 * (1 + 1 / option.total) * option.peak * factor**power
        assert float(getattr(scaled, row)) == pytest.approx(expected, rel=loose, abs=floor), row


@given(options(8.0), st.sampled_from([0.125, 0.5, 2.0, 1024.0]))
def test_another_unit_by_a_power_of_two_changes_no_bit(option, factor):
    scaled = value(option, forward=option.forward * factor, strike=option.strike * factor)
    before = value(option)

    for row, power in POWERS.items():
        assert float(getattr(scaled, row)) == float(getattr(before, row)) * factor**power, row


@given(options(8.0))
def test_a_discount_multiplies_a_price_and_every_greek_but_rho(option):
    full, half = (replace(option, discount=discount) for discount in (1.0, 0.5))

    for row in POWERS:
        if row != "rho":
            assert getattr(value(half), row) == 0.5 * getattr(value(full), row), row


@given(options(6.0), st.floats(0.05, 3.0))
def test_a_dearer_option_has_a_higher_implied_volatility(option, other):
    volatilities = np.array([option.vol, other])
    price = value(option, vol=volatilities).price
    found = implied_vol(
        price, option.forward, option.strike, option.years, option.is_call, option.discount
    )
    if np.isnan(found).any() or abs(price[1] - price[0]) <= 8 * EPS * option.peak:
        return  # at a bound, or alike, to round-off: no volatility, or any

    assert (found[0] < found[1]) == (price[0] < price[1])
    inverse = implied_vol_inverse(
        price / option.discount / option.forward,
        option.forward,
        option.strike,
        option.years,
        option.is_call,
    )
    vega = np.maximum(value(option, vol=volatilities).vega, np.finfo(np.float64).tiny)
    slack = 1e-9 + 8 * EPS * option.peak / vega
    assert (np.abs(found - inverse) <= slack * np.maximum(1.0, found)).all()


positions = st.lists(
    st.tuples(options(), st.floats(-50.0, 50.0).filter(lambda size: abs(size) > 0.01)),
    min_size=1,
    max_size=8,
)


def book(held: list[tuple[Option, float]], forward_move: float = 0.0) -> tuple[FloatArray, ...]:
    """Sizes, forwards, USD values and deltas of inverse options, all forwards moved alike."""
    names = ("forward", "strike", "years", "vol", "is_call")
    f, k, t, vol, is_call = (np.array([getattr(o, name) for o, _ in held]) for name in names)
    moved = f * (1 + forward_move)
    seen = greeks(moved, k, t, vol, is_call)
    return np.array([size for _, size in held]), moved, seen.price, seen.delta


@given(positions, positions)
def test_a_book_s_delta_is_the_sum_of_its_parts(one, other):
    def delta(held: list[tuple[Option, float]], convention: Convention) -> float:
        size, forward, price, black = book(held)
        return float(option_delta_coin(convention, size, black, price / forward).sum())

    for convention in Convention:
        both, apart = (
            delta(one + other, convention),
            delta(one, convention) + delta(other, convention),
        )
        scale = sum(abs(size) * max(1.0, o.strike / o.forward) for o, size in one + other)
        assert both == pytest.approx(apart, abs=1e-13 * scale)
        doubled = [(option, -2 * size) for option, size in one]
        assert delta(doubled, convention) == pytest.approx(-2 * delta(one, convention), rel=1e-12)


@given(positions, st.floats(20_000.0, 200_000.0), st.floats(0.1, 100.0))
def test_the_book_of_every_numeraire_is_still_under_its_own_delta(held, index, equity):
    """Equity in coins, equity in dollars, and the options' dollars: each by its own perpetual."""
    size, forward, price, black = book(held)
    delta = {
        convention: float(option_delta_coin(convention, size, black, price / forward).sum())
        for convention in Convention
    }
    delta[Convention.USD] += equity
    step = 1e-4 * min(option.total for option, _ in held)

    def protected(convention: Convention, move: float, notional: float) -> float:
        _, moved, now, _ = book(held, move)
        spot = index * (1 + move)
        coins = size @ (now / moved)
        gained = notional * (1 / index - 1 / spot)
        match convention:
            case Convention.COIN:
                return float(coins + gained)
            case Convention.USD:
                return float((equity + coins - size @ (price / forward) + gained) * spot / index)
            case Convention.BOOK:
                return float((coins + gained) * spot / index)

    scale = sum(abs(q) * max(1.0, o.strike / o.forward) for o, q in held) + equity
    for convention in Convention:
        notional = float(hedge_notional_usd(delta[convention], index))
        ends = [protected(convention, sign * step, notional) for sign in (1, -1)]
        # Third order of a move of a ten-thousandth of a deviation, and round-off over the step.
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
            0.0, abs=scale * (1e-6 + 16 * EPS / step)
        )
        cancelled = delta[convention] + inverse_perp_delta_coin(notional, index)
        assert cancelled == pytest.approx(0.0, abs=1e-12 * scale)


@given(positions, st.floats(-0.3, 0.3))
def test_profit_in_dollars_is_profit_in_coins_and_what_the_coins_gained(held, move):
    size, forward, price, _ = book(held)
    _, moved, later, _ = book(held, move)
    coins, coins_later = size * price / forward, size * later / moved

    dollars = size * (later - price)

    in_coins = forward * (coins_later - coins) + coins_later * (moved - forward)
    scale = np.abs(size) * np.maximum(forward, np.array([o.strike for o, _ in held]))
    assert (np.abs(dollars - in_coins) <= 16 * EPS * scale).all()
