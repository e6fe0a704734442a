"""A venue's own Greeks, of every BTC option at the end of each day of June 2021, explained.

They are Black-76's at zero rate on a year of 365 days: delta plain (not net of the premium), gamma
per squared dollar, vega per volatility point, theta per day, each rounded to five decimals. Theta
is that of a day or of the rest of a shorter life, and no option loses more than it is worth: then
it is the mark, which these chains do not record. What is left is within what is printed (dollars to
cents, volatility to a hundredth of a point) and the minute within which a chain was collected.
"""

from functools import partial

import numpy as np
import polars as pl
import pytest

from bot.quant.black76 import BoolArray, FloatArray, greeks
from tests.quant.recorded import DAY, JUNE_2021, calls, column, june_2021

pytestmark = pytest.mark.skipif(not JUNE_2021.exists(), reason="recorded chains are not here")

MINUTE = 65.0 / 86_400 / 365  # years from the first quote collected to the chain's own stamp
HALF_A_DIGIT = 0.5e-5 * (1 + 1e-9)
NAMES = ("delta", "gamma", "vega", "theta")


def as_printed(
    name: str, *, forward: float = 0.0, vol: float = 0.0, years: float = 0.0
) -> FloatArray:
    """One Greek of all options in the venue's units, with these added to the printed inputs."""
    table = june_2021()
    left = column(table, "years") + years
    value = greeks(
        column(table, "fwd") + forward,
        column(table, "strike"),
        left,
        column(table, "mark_iv") + vol,
        calls(table),
    )
    match name:
        case "delta" | "gamma":
            return np.asarray(getattr(value, name))
        case "vega":
            return value.vega / 100
        case _:
            return value.theta * np.minimum(left, DAY)


def losing_all() -> BoolArray:
    """Options whose theta would be more than they are worth."""
    table = june_2021()
    return np.asarray(-as_printed("theta") > worth(table))


def worth(table: pl.DataFrame) -> FloatArray:
    forward, strike, years, iv = (
        column(table, name) for name in ("fwd", "strike", "years", "mark_iv")
    )
    return greeks(forward, strike, years, iv, calls(table)).price


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_greek_is_ours_within_what_was_printed(name):
    ours, printed = as_printed(name), partial(as_printed, name)

    room = np.full_like(ours, HALF_A_DIGIT)
    for moved in ({"forward": 0.005}, {"vol": 5e-5}, {"years": MINUTE}):
        ends = [printed(**{key: sign * size}) for key, size in moved.items() for sign in (1, -1)]
        room += 1.05 * np.max(np.abs(np.array(ends) - ours), axis=0)
    error = np.abs(ours - column(june_2021(), name))
    checked = ~losing_all() | (name != "theta")

    assert len(error) == 12_134
    assert np.count_nonzero(checked) > 11_000
    assert np.max((error / room)[checked]) <= 1.0


def test_an_option_that_would_lose_more_than_its_worth_loses_its_mark():
    """Its mark is not here: Black's price at the printed volatility is within a few percent."""
    table, chosen = june_2021(), losing_all()
    theta, price = column(table, "theta")[chosen], worth(table)[chosen]
    clear = price > 1.0  # dollars: below, a minute is worth percents

    error = np.abs(theta[clear] / price[clear] + 1.0)
    assert np.count_nonzero(clear) > 300
    assert np.max(error) < 0.05
    assert np.median(error) < 0.005


@pytest.mark.parametrize(
    ("name", "median"), [("delta", 5e-6), ("gamma", 2.5e-6), ("vega", 6e-4), ("theta", 1.5e-3)]
)
def test_half_of_the_recorded_greeks_are_ours_to_the_last_digits(name, median):
    error = np.abs(as_printed(name) - column(june_2021(), name))[~losing_all()]

    assert np.median(error) < median


def test_no_other_unit_or_convention_fits():
    table = june_2021()
    years, fwd = column(table, "years"), column(table, "fwd")
    value = greeks(fwd, column(table, "strike"), years, column(table, "mark_iv"), calls(table))

    net = value.delta - value.price / fwd
    assert np.median(np.abs(net - column(table, "delta"))) > 0.03
    # Near the end, a day's theta is not that of a whole day.
    hours_left = (years < DAY) & ~losing_all()
    assert np.mean(np.abs(value.theta * DAY - column(table, "theta"))[hours_left] > 1.0) > 0.4
