"""Where exact sizes and floats meet: rounding never trades more than was asked."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import instruments, units
from bot.core.instruments import Settlement
from tests.builders import CALL, option, perp

LOTS = st.sampled_from([Decimal(text) for text in ("10", "1", "0.1", "0.001", "0.25", "5")])
SIZES = st.decimals(min_value=-(10**9), max_value=10**9, places=7)
FLOATS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)
TICKS = st.sampled_from([Decimal(text) for text in ("0.5", "0.0001", "0.0005", "2.5")])
PRICES = st.decimals(min_value=0, max_value=10**6, places=6)


@given(SIZES, LOTS)
def test_an_exact_size_is_rounded_toward_zero_to_whole_lots_and_less_than_a_lot_is_lost(size, lot):
    rounded = units.to_lots(size, lot)

    assert rounded % lot == 0
    # The billionth of a lot that a float's round-off may have cost is the only thing ever added.
    assert abs(rounded) <= abs(size) + lot * Decimal("1e-9")
    assert abs(size) - abs(rounded) < lot
    assert rounded * size >= 0


@given(FLOATS, LOTS)
def test_a_float_size_is_never_rounded_up_by_more_than_its_own_round_off(size, lot):
    rounded = units.to_lots(size, lot)

    assert rounded % lot == 0
    assert abs(rounded) <= abs(units.exact(size)) + lot * Decimal("1e-9")
    assert not rounded or math.copysign(1, rounded) == math.copysign(1, size)


@given(st.integers(-10_000, 10_000), LOTS)
def test_a_whole_number_of_lots_is_kept_whole_through_a_float(count, lot):
    assert units.to_lots(float(count * lot), lot) == count * lot


def test_a_lot_less_a_hair_is_a_lot_but_less_a_thousandth_is_none():
    assert units.to_lots(10 - 1e-9, Decimal(10)) == Decimal(10)
    assert units.to_lots(9.99, Decimal(10)) == Decimal(0)
    assert units.to_lots(-19.99, Decimal(10)) == Decimal(-10)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_no_size(number):
    with pytest.raises(ValueError, match="not a finite number"):
        units.exact(number)


def test_a_float_becomes_the_decimal_that_a_person_would_write():
    assert units.exact(0.1) == Decimal("0.1")


@given(PRICES, TICKS)
def test_floors_and_ceilings_lie_on_the_tick_and_within_one_of_the_price(price, tick):
    low, high = units.floor_to(price, tick), units.ceil_to(price, tick)

    assert low % tick == 0
    assert high % tick == 0
    assert low <= price <= high
    assert price - low < tick
    assert high - price < tick


def test_years_are_of_365_days_and_may_be_negative():
    assert units.years_between(0, units.MS_PER_YEAR) == 1.0
    assert units.years_between(units.MS_PER_DAY, 0) == pytest.approx(-1 / 365)


def test_the_tick_of_an_option_steps_up_above_its_threshold_not_at_it():
    terms = option(CALL)

    assert instruments.tick_at(terms, Decimal("0.005")) == Decimal("0.0001")
    assert instruments.tick_at(terms, Decimal("0.0051")) == Decimal("0.0005")


@given(st.floats(min_value=1e-4, max_value=1.0), st.sampled_from([+1, -1]))
def test_a_price_cap_is_never_moved_beyond_what_was_accepted(price, direction):
    terms = option(CALL)
    cap = instruments.cap_price(terms, price, direction)

    assert cap % instruments.tick_at(terms, Decimal(repr(price))) == 0
    assert (Decimal(repr(price)) - cap) * direction >= 0


def test_the_cap_of_a_buy_is_rounded_down_and_of_a_sell_up():
    assert instruments.cap_price(perp(), 100_000.3, +1) == Decimal("100000.0")
    assert instruments.cap_price(perp(), 100_000.3, -1) == Decimal("100000.5")


@given(st.floats(min_value=-500, max_value=500), st.floats(min_value=1_000, max_value=1e6))
def test_coins_become_no_more_dollars_than_they_are_worth(coins, price):
    native = instruments.size_native(perp(), coins, price)

    assert native % 10 == 0
    assert abs(instruments.size_coin(perp(), native, price)) <= abs(coins) * (1 + 1e-9) + 1e-12


def test_a_size_below_the_minimum_is_none():
    assert instruments.size_native(perp(size_min=Decimal(100)), 0.00095, 100_000.0) == Decimal(0)
    assert instruments.size_native(perp(size_min=Decimal(100)), 0.00105, 100_000.0) == Decimal(100)


def test_options_and_linear_contracts_are_counted_in_coins():
    linear = perp(settlement=Settlement.LINEAR, lot=Decimal("0.001"), size_min=Decimal("0.001"))

    assert not option(CALL).is_usd_sized
    assert not linear.is_usd_sized
    assert perp().is_usd_sized
    assert instruments.size_coin(linear, Decimal("1.5"), 90_000.0) == 1.5
    assert instruments.size_native(linear, 1.23456, 90_000.0) == Decimal("1.234")
