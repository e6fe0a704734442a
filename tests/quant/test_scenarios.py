import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quant.black76 import greeks
from bot.quant.scenarios import (
    Holdings,
    Surface,
    VolShock,
    future_profit,
    prepare,
    revalue,
)

MOVES = 0.16 * np.arange(-4, 5) / 4
UP = VolShock(relative=0.40, least=0.50, power_short=0.30, power_long=0.13)
DOWN = VolShock(relative=-0.25, power_short=0.30, power_long=0.13)
SHOCKS = (UP, VolShock(), DOWN)
DAY = 1.0 / 365.0


def book(count: int = 100, seed: int = 1, *, inverse: bool = True) -> Holdings:
    rng = np.random.default_rng(seed)
    expiry = rng.integers(0, 5, count)
    years = np.array([1.0, 7.0, 29.0, 90.0, 365.0])[expiry] * DAY
    forward = 100_000.0 * np.exp(0.05 * years)
    return Holdings(
        size=rng.normal(0.0, 5.0, count),
        forward=forward,
        strike=forward * np.exp(rng.normal(0.0, 0.2, count)),
        years=years,
        vol=rng.uniform(0.3, 1.2, count),
        discount=np.ones(count) if inverse else np.exp(-0.04 * years),
        expiry=expiry,
        is_call=rng.random(count) < 0.5,
        is_inverse=np.full(count, inverse),
    )


def one_by_one(held: Holdings, move: float, shock: VolShock, passed: float) -> dict[str, float]:
    """The same node by single revaluations, added up exactly."""
    figures: dict[str, list[float]] = {"profit": [], "delta": [], "gamma": [], "vega": []}
    for at in range(len(held.size)):
        q, f, k, t = held.size[at], held.forward[at], held.strike[at], held.years[at]
        days, df = t * 365.0, held.discount[at]
        power = shock.power_short if days < 30.0 else shock.power_long
        scale = max(1.0 + shock.relative * (30.0 / max(days, shock.days_min)) ** power, 0.0)
        vol = max(held.vol[at] * scale + shock.plus, shock.least)
        before = greeks(f, k, t, held.vol[at], held.is_call[at], df)
        moved = f * (1.0 + move)
        after = greeks(moved, k, max(t - passed, 0.0), vol, held.is_call[at], df)
        if held.is_inverse[at]:
            figures["profit"].append(q * (after.price / moved - before.price / f))
            figures["delta"].append(q * (after.delta - after.price / moved))
        else:
            figures["profit"].append(q * (after.price - before.price))
            figures["delta"].append(q * after.delta)
        figures["gamma"].append(q * after.gamma)
        figures["vega"].append(q * after.vega)
    return {name: math.fsum(map(float, values)) for name, values in figures.items()}


def total(surface: Surface, name: str, time: int, vol: int, move: int) -> float:
    return float(getattr(surface, name)[time, vol, move].sum())


@pytest.mark.parametrize("inverse", [True, False])
def test_a_grid_is_what_its_options_are_one_by_one(inverse):
    held = book(60, inverse=inverse)
    passed = (0.0, 3.0 * DAY)

    surface = revalue(held, MOVES, SHOCKS, passed)

    scale = {"profit": 1.0 if inverse else 1e5, "delta": 1.0, "gamma": 1e-5, "vega": 1e5}
    for time, gone in enumerate(passed):
        for vol, shock in enumerate(SHOCKS):
            for at, move in enumerate(MOVES):
                true = one_by_one(held, float(move), shock, gone)
                for name, value in true.items():
                    gross = scale[name] * np.abs(held.size).sum()
                    error = abs(total(surface, name, time, vol, at) - value)
                    assert error <= 1e-12 * gross, (name, time, vol, at)


def test_each_expiry_has_its_own_figures():
    held = book(80)
    surface = revalue(held, MOVES, SHOCKS)

    for column, expiry in enumerate(surface.expiries):
        own = held.expiry == expiry
        alone = revalue(
            Holdings(**{name: getattr(held, name)[own] for name in Holdings.__slots__}),
            MOVES,
            SHOCKS,
        )
        np.testing.assert_allclose(
            surface.profit[..., column], alone.profit[..., 0], rtol=1e-12, atol=1e-12
        )


def test_nothing_moves_nothing():
    surface = revalue(book(), [0.0])

    assert surface.profit.shape == (1, 1, 1, 5)
    assert np.abs(surface.profit).max() <= 1e-13


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_order_of_the_holdings_does_not_matter(count, seed):
    held = book(count, seed)
    shuffled = np.random.default_rng(seed).permutation(count)
    other = Holdings(**{name: getattr(held, name)[shuffled] for name in Holdings.__slots__})

    first, second = revalue(held, MOVES, SHOCKS), revalue(other, MOVES, SHOCKS)

    np.testing.assert_array_equal(first.expiries, second.expiries)
    np.testing.assert_allclose(first.profit, second.profit, rtol=1e-10, atol=1e-11)


def test_a_prepared_book_may_be_revalued_again():
    held = prepare(book())

    first = revalue(held, MOVES, SHOCKS).profit
    revalue(held, [-0.5, 2.0])

    np.testing.assert_array_equal(revalue(held, MOVES, SHOCKS).profit, first)


@pytest.mark.parametrize(
    ("days", "power", "scale"),
    [
        (1, 0.30, 2.774191),
        (7, 0.30, 1.547416),
        (29, 0.30, 1.010222),
        (30, 0.13, 1.0),
        (60, 0.13, 0.913831),
        (180, 0.13, 0.792210),
        (365, 0.13, 0.722649),
    ],
)
def test_a_shock_fades_with_the_days_as_the_published_table_says(days, power, scale):
    shock = VolShock(relative=1.0, power_short=0.30, power_long=0.13)

    assert power == (shock.power_short if days < 30 else shock.power_long)
    assert shock.scale(np.array([float(days)]))[0] - 1.0 == pytest.approx(scale, abs=5e-7)


def test_a_volatility_falls_to_nothing_but_not_below_and_rises_at_least_to_its_floor():
    held = book(1)
    held = replace(held, vol=np.array([0.10]), size=np.array([1.0]))
    intrinsic = greeks(held.forward, held.strike, held.years, 0.0, held.is_call).price
    at_floor = greeks(held.forward, held.strike, held.years, 0.5, held.is_call).price
    now = greeks(held.forward, held.strike, held.years, 0.10, held.is_call).price

    gone = revalue(held, [0.0], (VolShock(relative=-3.0),)).profit.sum()
    lifted = revalue(held, [0.0], (VolShock(least=0.5),)).profit.sum()

    assert gone == pytest.approx(((intrinsic - now) / held.forward).item(), abs=1e-14)
    assert lifted == pytest.approx(((at_floor - now) / held.forward).item(), abs=1e-14)


@pytest.mark.parametrize("move", [-0.66, -0.33, 0.0, 0.5, 5.0])
def test_futures_gain_what_the_venue_s_published_vectors_say(move):
    inverse = future_profit(2.0, move, is_inverse=True)
    linear = future_profit(-2.0, move, is_inverse=False)

    assert inverse == pytest.approx(2.0 * (1.0 - 1.0 / (1.0 + move)))
    assert linear == pytest.approx(-2.0 * move)


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(ValueError, match="leaves no price"):
        revalue(book(), [-1.0])
    with pytest.raises(ValueError, match="must not be negative"):
        revalue(book(), [0.0], passed_years=(-0.1,))
    held = book(3)
    mixed = replace(held, years=held.years + np.array([0.0, 0.1, 0.2]), expiry=np.zeros(3, int))
    with pytest.raises(ValueError, match="same years"):
        revalue(mixed, [0.0])
