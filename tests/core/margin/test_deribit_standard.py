"""The venue's standard margin, against published vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.columns import table_of
from bot.core.margin.deribit_standard import (
    FuturesRate,
    Rates,
    Requirement,
    of_future,
    of_options,
    per_short_option,
)
from tests.builders import CALL, PUT, RATES, option, perp, quote


def short(
    strike: float, *, is_call: bool, mark: float, under: tuple[float, ...] = (10_000.0,)
) -> tuple[float, float]:
    """Initial and maintenance margin of one short coin."""
    initial, maintenance = per_short_option(
        strike=np.array([strike]),
        is_call=np.array([is_call]),
        underlying=np.array([[one] for one in under]),
        mark=np.array([mark]),
        unit=np.ones((len(under), 1)),
        rates=RATES,
    )
    return float(initial[0]), float(maintenance[0])


# Published for an underlying of 10,000 and a mark of 0.025, in USD: 1,750, 1,250, 1,000, 1,000.
@pytest.mark.parametrize(
    ("strike", "is_call", "initial_usd", "maintenance_usd"),
    [
        (10_000.0, True, 1_750.0, 1_000.0),
        (10_000.0, False, 1_750.0, 1_000.0),
        (9_000.0, False, 1_250.0, 1_000.0),
        (11_000.0, True, 1_250.0, 1_000.0),
        (10_200.0, True, 1_550.0, 1_000.0),
        (5_000.0, True, 1_750.0, 1_000.0),
    ],
)
def test_a_short_option_needs_what_the_venue_publishes(
    strike, is_call, initial_usd, maintenance_usd
):
    initial, maintenance = short(strike, is_call=is_call, mark=0.025)

    assert initial * 10_000 == pytest.approx(initial_usd)
    assert maintenance * 10_000 == pytest.approx(maintenance_usd)


def test_a_put_worth_more_than_a_coin_needs_more_to_be_kept() -> None:
    initial, maintenance = short(30_000.0, is_call=False, mark=2.0)

    assert maintenance == pytest.approx(0.075 * 2 + 2)
    assert initial == pytest.approx(max(0.15 + 2, maintenance))
    assert short(30_000.0, is_call=True, mark=2.0)[1] == pytest.approx(0.075 + 2)


def test_a_puts_initial_margin_is_never_below_its_maintenance() -> None:
    initial, maintenance = short(90_000.0, is_call=False, mark=9.0)

    assert maintenance == pytest.approx(9.675)
    assert initial == maintenance


def test_the_larger_requirement_of_index_and_forward_is_used() -> None:
    near, far = (
        short(11_000.0, is_call=True, mark=0.025, under=(under,))[0] for under in (10_800.0, 10_000)
    )
    both = short(11_000.0, is_call=True, mark=0.025, under=(10_000.0, 10_800.0))[0]

    assert near > far
    assert both == near


def test_long_options_need_nothing_and_short_ones_by_the_coin() -> None:
    quotes = {name: quote(name, mark=0.025, price=10_000.0) for name in (CALL, PUT)}
    long = table_of([(option(CALL), 10.0)], quotes)
    mixed = table_of([(option(CALL, strike=11_000.0), -4.0), (option(PUT), 10.0)], quotes)

    assert of_options(long, "BTC", RATES) == Requirement(initial=0.0, maintenance=0.0)
    needed = of_options(mixed, "BTC", RATES)
    assert needed.initial == pytest.approx(4 * 0.125)
    assert needed.maintenance == pytest.approx(4 * 0.1)


def test_a_short_option_without_a_mark_has_no_requirement_at_all() -> None:
    needed = of_options(table_of([(option(CALL), -1.0)], {}), "BTC", RATES)

    assert np.isnan(needed.initial)
    assert np.isnan(needed.maintenance)


TIERED = Rates(
    futures={
        "BTC": (
            FuturesRate(size_coin_upper=26.55, initial=0.04, maintenance=0.026667),
            FuturesRate(size_coin_upper=100.0, initial=0.06, maintenance=0.04),
        ),
        "ETH": (FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.01),),
    }
)


@pytest.mark.parametrize(
    ("coins", "initial", "maintenance"),
    [
        (10.0, 0.4, 0.26667),
        (26.55, 26.55 * 0.04, 26.55 * 0.026667),
        (26.56, 26.56 * 0.06, 26.56 * 0.04),
        (-50.0, 3.0, 2.0),
        (500.0, 30.0, 20.0),
        (0.0, 0.0, 0.0),
    ],
)
def test_a_future_needs_its_tier_of_all_of_its_value_long_or_short(coins, initial, maintenance):
    needed = of_future(perp(), coins * 90_000.0, 90_000.0, TIERED)

    assert needed.initial == pytest.approx(initial)
    assert needed.maintenance == pytest.approx(maintenance)


@given(
    st.floats(min_value=1_000, max_value=500_000),
    st.floats(min_value=1_000, max_value=500_000),
    st.floats(min_value=1e-4, max_value=3.0),
    st.booleans(),
)
def test_initial_margin_covers_maintenance_and_both_cover_the_mark(under, strike, mark, is_call):
    initial, maintenance = short(strike, is_call=is_call, mark=mark, under=(under,))

    assert initial >= maintenance > mark
