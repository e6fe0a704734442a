"""Continuous funding: the dampened rate, what positions pay, and the index average."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.contracts import BTC_USD
from bot.exchange.funding import EIGHT_HOURS_MS, IndexHistory, funding_rate_8h
from bot.exchange.market import Skipped
from bot.exchange.rules import FundingRules, Rules
from tests.exchange.engine_builders import (
    BUY,
    PERP,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
)

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0.0, 0.0),
        (0.0002, 0.0),  # inside the dampener
        (-0.00025, 0.0),
        (0.001, 0.00075),  # outside it, the dampener is taken off
        (-0.001, -0.00075),
        (0.02, 0.005),  # capped
        (-0.02, -0.005),
    ],
)
def test_the_premium_is_dampened_and_capped(premium: float, rate: float) -> None:
    found = funding_rate_8h(FundingRules(), 100_000 * (1 + premium), 100_000)
    assert found == pytest.approx(rate, abs=1e-12)


def test_a_long_pays_and_a_short_receives_while_the_mark_is_above_the_index() -> None:
    rich = frame(mark=100_125.0)  # premium 0.125 %, rate 0.1 % per eight hours
    venue = engine(rich, positions={PERP: 100_000})
    start = venue.equity("demo", "BTC")
    venue.advance(START_MS + HOUR_MS)
    paid = 0.001 * 1.0 / 8
    assert venue.equity("demo", "BTC") == pytest.approx(start - paid, abs=1e-15)
    view = venue.position("demo", PERP)
    assert view is not None
    assert view.realized_funding == pytest.approx(-paid)
    assert view.realized_profit_loss == pytest.approx(-paid)
    assert venue.account("demo", "BTC").futures_session_rpl == pytest.approx(-paid)
    placed(venue.handle(order(SELL, 1_000, 100_100.0)))  # books what was pending
    assert venue.account("demo", "BTC").funding_paid == pytest.approx(paid)
    short = engine(rich, positions={PERP: -100_000})
    start = short.equity("demo", "BTC")
    short.advance(START_MS + HOUR_MS)
    assert short.equity("demo", "BTC") == pytest.approx(start + paid, abs=1e-15)


def test_a_position_opened_late_pays_only_from_then_on() -> None:
    venue = engine(frame(mark=100_125.0))
    venue.advance(START_MS + HOUR_MS)
    placed(venue.handle(order(BUY, 1_000, 100_126.0)))
    before = venue.equity("demo", "BTC")
    venue.advance(START_MS + 2 * HOUR_MS)
    assert before - venue.equity("demo", "BTC") == pytest.approx(0.001 * 0.01 / 8, rel=1e-9)


def test_each_frames_rate_holds_until_the_next_frame() -> None:
    marks = [100_125.0, 100_225.0, 100_000.0, 99_875.0]  # 0.1 %, 0.2 %, none, -0.1 %
    frames = [frame(START_MS + h * HOUR_MS, mark=mark) for h, mark in enumerate(marks)]
    venue = engine(*frames, positions={PERP: 100_000})
    venue.advance(START_MS + 4 * HOUR_MS)
    view = venue.position("demo", PERP)
    assert view is not None
    assert view.realized_funding == pytest.approx(-(0.001 + 0.002 + 0.0 - 0.001) / 8, rel=1e-9)


def test_a_hole_in_the_data_costs_no_funding() -> None:
    gap = Skipped(from_ms=START_MS + HOUR_MS, to_ms=START_MS + 5 * HOUR_MS)
    late = frame(gap.to_ms, mark=100_125.0)
    venue = engine(frame(mark=100_125.0), gap, late, positions={PERP: 100_000})
    start = venue.equity("demo", "BTC")
    events = venue.advance(START_MS + HOUR_MS)
    assert events[0] == gap
    assert venue.now_ms == venue.frame(BTC_USD).at_ms == gap.to_ms
    assert venue.advance(START_MS + HOUR_MS) == []  # a caller still on the old clock
    venue.advance(gap.to_ms + HOUR_MS)
    assert start - venue.equity("demo", "BTC") == pytest.approx(2 * 0.001 / 8, rel=1e-9)


def test_the_trailing_rate_is_the_sum_of_the_last_eight_hours() -> None:
    frames = [frame(START_MS + h * HOUR_MS, mark=100_125.0) for h in range(13)]
    venue = engine(*frames)
    venue.advance(START_MS + 12 * HOUR_MS)
    ticker = venue.ticker(PERP)
    assert ticker is not None
    assert ticker.funding_8h == pytest.approx(0.001)
    assert ticker.current_funding == pytest.approx(0.001)


@given(st.lists(st.integers(1, 3_600_000), min_size=1, max_size=10))
@settings(max_examples=40, deadline=None)
def test_asking_more_often_changes_no_digit_of_funding(stops: list[int]) -> None:
    def equity(asked: list[int]) -> float:
        frames = [frame(START_MS + i * 700_000, mark=100_100.0 + 7 * i) for i in range(6)]
        venue = engine(*frames, rules=Rules(), positions={PERP: 77_770})
        for stop in sorted(asked):
            venue.advance(START_MS + stop)
            venue.account("demo", "BTC")
        venue.advance(START_MS + EIGHT_HOURS_MS // 4)
        return venue.equity("demo", "BTC")

    assert equity(stops) == equity([])


def test_the_index_average_is_weighted_by_time() -> None:
    history = IndexHistory(30 * 60_000)
    history.observe(0, 100.0)
    history.observe(1_000, 200.0)
    history.observe(3_000, 50.0)
    assert history.average(0, 4_000) == pytest.approx((100 + 400 + 50) / 4)
    assert history.average(500, 2_000) == pytest.approx((50 + 200) / 1.5)
    assert history.average(-5_000, 1_000) == pytest.approx(100.0)  # as far as known
    assert history.average(9_000, 9_000) == 50.0


def test_a_long_history_forgets_what_no_average_needs_and_nothing_else() -> None:
    short, keep_ms = IndexHistory(60_000), 60_000
    for second in range(1_000):
        short.observe(1_000 * second, 100.0 + second % 7)
    assert len(short._times) <= 2 * keep_ms // 1_000 + 2
    last = [100.0 + second % 7 for second in range(939, 999)]
    assert short.average(939_000, 999_000) == pytest.approx(sum(last) / 60, rel=1e-12)
