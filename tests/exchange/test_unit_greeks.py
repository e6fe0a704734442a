"""The venue's theta, as its recorded chains show it: see tests/quant/test_recorded_greeks.py."""

import numpy as np
import pytest

from bot.exchange.contracts import PAIRS
from bot.exchange.pair_board import YEAR_MS, PairBoard
from bot.exchange.synthetic import START_MS, SyntheticMarket
from bot.quant.black76 import greeks

HOUR_MS = 3_600_000
DAY = 1 / 365


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("hours_later", [0, 22])
def test_an_option_loses_a_day_s_theta_or_its_life_s_and_never_more_than_it_is_worth(
    pair, hours_later
):
    frame = SyntheticMarket(7, START_MS + hours_later * HOUR_MS).frame(pair)
    board = PairBoard.showing(frame)
    shown = np.array([board.greeks(contract).theta for contract in frame.contracts])
    years = (frame.expiry_ms - frame.at_ms) / YEAR_MS
    forward = np.array([board.underlying(contract) for contract in frame.contracts])
    discount = np.array([board.discount(contract) for contract in frame.contracts])

    value = greeks(forward, frame.strike, years, frame.mark_iv, frame.is_call, discount)

    long = years >= DAY
    capped = shown == -value.price
    assert shown[long & ~capped] == pytest.approx(value.theta[long & ~capped] * DAY, rel=1e-12)
    rest = ~long & ~capped
    assert shown[rest] == pytest.approx(value.theta[rest] * years[rest], rel=1e-12)
    assert (shown >= -value.price).all()
    assert (shown[capped] >= value.theta[capped] * DAY).all()
    assert min(long.sum(), (~long).sum(), capped.sum(), rest.sum()) > 0
