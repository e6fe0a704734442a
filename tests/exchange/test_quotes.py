from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.contracts import BTC_USD, parse_name, perpetual
from bot.exchange.quotes import future_quotes, option_quotes, option_ticks

CONTRACT = parse_name("BTC-26DEC25-90000-C")
TICKS = option_ticks(BTC_USD)
prices = st.floats(-0.001, 2.0)


def quoted(bid: float, ask: float) -> tuple[float, float]:
    found_bid, found_ask = option_quotes(np.array([bid]), np.array([ask]), TICKS)
    return float(found_bid[0]), float(found_ask[0])


@given(prices, prices)
def test_rounding_never_gives_a_price_better_than_was_meant(first, second):
    low, high = sorted((first, second))

    bid, ask = quoted(low, high)

    assert ask >= high - 1e-10
    assert CONTRACT.is_on_tick(Decimal(str(ask)))
    if low < 0.0001 - 1e-10:
        assert np.isnan(bid)
        return
    assert low - 0.0005 < bid <= low + 1e-10
    assert CONTRACT.is_on_tick(Decimal(str(bid)))
    assert bid < ask


@pytest.mark.parametrize("price", [0.0001, 0.0049, 0.005, 0.0055, 0.0125, 0.3])
def test_an_ask_that_would_meet_its_bid_goes_one_step_over(price):
    bid, ask = quoted(price, price)

    assert bid == price
    assert ask == pytest.approx(price + (0.0005 if price >= 0.005 else 0.0001), abs=1e-12)
    assert CONTRACT.is_on_tick(Decimal(str(ask)))


def test_a_missing_side_stays_missing():
    bid, ask = option_quotes(np.array([np.nan, 0.01]), np.array([0.02, np.nan]), TICKS)

    assert np.isnan([bid[0], ask[1]]).all()
    assert (bid[1], ask[0]) == (0.01, 0.02)


@given(st.floats(10_000.0, 200_000.0), st.floats(0.0, 50.0))
def test_the_perpetual_is_quoted_around_its_mark_on_its_steps(mark, half_spread):
    bid, ask = future_quotes(perpetual(BTC_USD), mark, half_spread)

    assert bid % 0.5 == ask % 0.5 == 0.0
    assert bid < ask
    assert mark - half_spread - 0.5 <= bid <= mark - half_spread + 1e-6
    assert mark + half_spread - 1e-6 <= ask <= mark + half_spread + 1.0
