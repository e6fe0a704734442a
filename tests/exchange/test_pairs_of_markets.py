"""Markets of several pairs, made and recorded: coins together, linear pairs discounted."""

import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.contracts import (
    BTC_USD,
    BTC_USDC,
    ETH_USD,
    ETH_USDC,
    PAIRS,
    Pair,
    SettlementPeriod,
)
from bot.exchange.demo_book import comfortable_equity, demo_book, net_delta_coin
from bot.exchange.market import FloatArray, MarketFrame
from bot.exchange.recorded import RecordedMarket
from bot.exchange.snapshots import RATE_MAX, implied_discount
from bot.exchange.synthetic import SyntheticMarket
from bot.quant.black76 import greeks
from bot.quant.processes import YEAR_MS
from tests.exchange.market_laws import assert_frame_is_sound, black_mark

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "chains"
DAY_MS = 86_400_000


def frames(market: SyntheticMarket, seconds: int) -> dict[Pair, list[MarketFrame]]:
    found: dict[Pair, list[MarketFrame]] = {pair: [] for pair in market.pairs}
    for item in market.advance(market.start_ms + 1_000 * seconds):
        if isinstance(item, MarketFrame):
            found[item.pair].append(item)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_s_frames_are_sound_and_come_in_turn(seed):
    market = SyntheticMarket(seed)
    told = market.advance(market.start_ms + 3_000)
    made = [item for item in told if isinstance(item, MarketFrame)]

    assert [(frame.at_ms - market.start_ms, frame.pair) for frame in made] == [
        (1_000 * second, pair) for second in (1, 2, 3) for pair in PAIRS
    ]
    for pair in PAIRS:
        frame = market.frame(pair)
        assert_frame_is_sound(frame)
        assert frame.mark_price == pytest.approx(black_mark(frame), abs=6e-7)
        assert len(frame.forwards) >= 8
        assert max(frame.forwards) - frame.at_ms > 270 * DAY_MS


def test_the_venue_lists_more_than_five_hundred_instruments():
    market = SyntheticMarket(1)
    listed = {
        pair: 1 + len(market.frame(pair).futures) + len(market.frame(pair).contracts)
        for pair in PAIRS
    }

    assert sum(listed.values()) >= 1_000
    assert all(count > 200 for count in listed.values())


def test_dated_futures_lie_on_the_forwards_of_weeks_and_months():
    frame = SyntheticMarket(2).frame(ETH_USD)

    assert len(frame.futures) >= 5
    for quote in frame.futures:
        assert quote.contract.settlement_period is not SettlementPeriod.DAY
        assert quote.mark_usd == round(frame.forwards[quote.contract.expiry_ms], 2)
    assert SyntheticMarket(2).frame(BTC_USDC).futures == ()


def test_linear_pairs_discount_at_about_four_percent_and_inverse_ones_do_not():
    for seed in range(5):
        market = SyntheticMarket(seed)
        for pair in (BTC_USDC, ETH_USDC):
            frame = market.frame(pair)
            for expiry, discount in frame.discounts.items():
                rate = -math.log(discount) * YEAR_MS / (expiry - frame.at_ms)
                assert 0.02 < rate < 0.06
        assert set(market.frame(BTC_USD).discounts.values()) == {1.0}


def test_put_call_parity_holds_with_the_discount_of_each_expiry():
    frame = SyntheticMarket(4).frame(BTC_USDC)

    for expiry, forward in frame.forwards.items():
        of = frame.expiry_ms == expiry
        calls, puts = of & frame.is_call, of & ~frame.is_call
        parity = frame.mark_price[calls] - frame.mark_price[puts]
        due = frame.discounts[expiry] * (forward - frame.strike[calls])
        assert parity == pytest.approx(due, abs=2e-5)


def returns(path: list[MarketFrame]) -> FloatArray:
    return np.diff(np.log([frame.index_usd for frame in path[::10]]))


def test_the_coins_move_together_and_each_coin_s_indices_are_one_market():
    told = frames(SyntheticMarket(3), 900)
    btc, eth = returns(told[BTC_USD]), returns(told[ETH_USD])

    assert 0.6 < np.corrcoef(btc, eth)[0, 1] < 0.99
    for inverse, linear in ((BTC_USD, BTC_USDC), (ETH_USD, ETH_USDC)):
        ratio = [
            b.index_usd / a.index_usd for a, b in zip(told[inverse], told[linear], strict=True)
        ]
        assert max(abs(each - 1) for each in ratio) < 5e-4


def test_the_other_pairs_change_nothing_about_btc():
    whole, alone = SyntheticMarket(9), SyntheticMarket(9, pairs=(BTC_USD,))
    whole.advance(whole.start_ms + 60_000)
    alone.advance(alone.start_ms + 60_000)

    assert whole.frame(BTC_USD).index_usd == alone.frame(BTC_USD).index_usd
    assert whole.frame(BTC_USD).perpetual == alone.frame(BTC_USD).perpetual


def test_a_shock_moves_one_coin_in_all_its_pairs_and_no_other():
    calm, shocked = SyntheticMarket(5), SyntheticMarket(5)
    shocked.shock("BTC", -0.1)
    told, moved = frames(calm, 10), frames(shocked, 10)

    for pair in PAIRS:
        scale = 0.9 if pair.base == "BTC" else 1.0
        assert moved[pair][-1].index_usd == pytest.approx(
            scale * told[pair][-1].index_usd, rel=1e-5
        )


def test_four_pairs_cost_a_small_share_of_a_core_at_sixty_times_the_speed():
    """About 1.2 ms a market second on a quiet machine: 7 % of a core at speed 60."""
    market = SyntheticMarket(1)
    market.advance(market.start_ms + 20_000)

    started = time.process_time()
    market.advance(market.start_ms + 220_000)

    assert (time.process_time() - started) / 200 < 0.006


@pytest.mark.parametrize("pair", PAIRS)
def test_a_demo_book_can_be_made_of_any_pair(pair):
    frame = SyntheticMarket(6, pairs=(pair,)).frame(pair)
    book = demo_book(frame)

    assert len(book) == 6
    assert abs(net_delta_coin(frame, book)) < 1.5
    assert comfortable_equity(frame, book) > 0


@given(
    rate=st.floats(0.0, 0.2),
    days=st.floats(2, 400),
    forward=st.floats(50_000, 150_000),
    stale=st.integers(0, 3),
)
def test_parity_finds_the_discount_whatever_the_forward_and_a_few_stale_marks(
    rate, days, forward, stale
):
    strikes = np.arange(60_000.0, 140_001.0, 5_000.0)
    strike, is_call = np.repeat(strikes, 2), np.tile([True, False], len(strikes))
    years, discount = days / 365, math.exp(-rate * days / 365)
    mark = greeks(forward, strike, years, 0.6, is_call, discount).price
    mark[: 2 * stale : 2] += 500.0  # calls at the lowest strikes, marked late

    found = implied_discount(strike, is_call, mark, round(days * DAY_MS))

    assert found == pytest.approx(discount, abs=1e-9)


def test_parity_without_enough_strikes_says_nothing_and_never_beyond_its_bounds():
    strike, is_call = np.array([1.0, 1.0, 2.0, 2.0]), np.array([True, False, True, False])
    assert implied_discount(strike, is_call, np.zeros(4), DAY_MS) == 1.0
    strikes = np.repeat(np.arange(1.0, 9.0), 2)
    calls = np.tile([True, False], 8)
    assert implied_discount(strikes, calls, np.zeros(16), 365 * DAY_MS) == 1.0
    halved = np.where(calls, 0.5 * (9.0 - strikes), 0.0)
    assert implied_discount(strikes, calls, halved, 365 * DAY_MS) == pytest.approx(
        math.exp(-RATE_MAX)
    )


@pytest.mark.skipif(not RECORDINGS.exists(), reason="no recorded markets here")
@pytest.mark.parametrize(
    ("file", "pair", "rates"),
    [
        ("A_deribit_5min_BTC_USDC_20251207_20251211", BTC_USDC, (0.02, 0.06)),
        ("A_deribit_5min_ETH_USDC_20251207_20251211", ETH_USDC, (-0.01, 0.06)),
        ("A_deribit_5min_ETH_20251207_20251211", ETH_USD, (0.0, 0.0)),
        ("S_deribit_6h_ETH_20251230_20260331", ETH_USD, (0.0, 0.0)),
    ],
)
def test_a_recorded_market_of_any_pair_is_sound_and_reprices_itself(file, pair, rates):
    from_ms = None
    if file.startswith("A_"):
        from_ms = int(datetime(2025, 12, 10, 18, 35, tzinfo=UTC).timestamp() * 1000)
    market = RecordedMarket.load(RECORDINGS / f"{file}.parquet", from_ms)
    frame = market.frame(pair)

    assert market.pairs == (pair,)
    assert_frame_is_sound(frame)
    far = [expiry for expiry in frame.discounts if expiry - frame.at_ms > 30 * DAY_MS]
    found = [
        -math.log(frame.discounts[expiry]) * YEAR_MS / (expiry - frame.at_ms) for expiry in far
    ]
    assert far
    assert all(rates[0] <= rate <= rates[1] for rate in found)
    unit = 1.0 if pair.is_linear else 1.0 / frame.index_usd
    error = np.abs(frame.mark_price - black_mark(frame)) / unit / frame.index_usd
    assert np.median(error) < 2e-4
    market.advance(frame.at_ms + 120_000)
    assert_frame_is_sound(market.frame(pair))
