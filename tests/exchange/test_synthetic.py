import time
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.coin_path import STEP_MS
from bot.exchange.contracts import BTC_USD, PAIRS, expiry_code
from bot.exchange.listing import expiries_at, ladder
from bot.exchange.market import FloatArray, MarketFrame
from bot.exchange.synthetic import START_MS, SyntheticMarket
from bot.exchange.synthetic_chain import LADDERS
from bot.quant.black76 import Greeks, greeks
from bot.quant.processes import YEAR_MS
from bot.quant.processes.surface import LEVEL
from tests.exchange.market_laws import (
    COLUMNS,
    assert_frame_is_sound,
    black_mark_coin,
    forward_usd,
)

HOUR_MS = 3_600_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def one_pair(seed: int, start_ms: int = START_MS) -> SyntheticMarket:
    """The market with its inverse BTC pair alone, which moves as it does among the others."""
    return SyntheticMarket(seed, start_ms, pairs=(BTC_USD,))


def frames_of(market: SyntheticMarket, seconds: int) -> list[MarketFrame]:
    moved = market.advance(market.frame(BTC_USD).at_ms + seconds * 1000)
    return [f for f in moved if isinstance(f, MarketFrame) and f.pair == BTC_USD]


def assert_same_frame(left: MarketFrame, right: MarketFrame) -> None:
    for name in ("at_ms", "index_usd", "perpetual", "futures", "forwards", "discounts"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.contracts == right.contracts
    for name in COLUMNS:
        assert np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True), name


@settings(max_examples=6)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
def test_the_path_depends_on_the_seed_alone_however_it_is_asked_for(seed, portions_ms):
    whole, parts = SyntheticMarket(seed), SyntheticMarket(seed)

    expected = whole.advance(whole.start_ms + sum(portions_ms))
    now_ms, found = parts.start_ms, []
    for portion_ms in portions_ms:
        now_ms += portion_ms
        found += parts.advance(now_ms)

    assert len(found) == len(expected) == len(PAIRS) * (sum(portions_ms) // STEP_MS)
    for pair in PAIRS:
        assert_same_frame(whole.frame(pair), parts.frame(pair))


def test_another_seed_is_another_market():
    indices = {one_pair(seed).frame(BTC_USD).index_usd for seed in range(20)}

    assert len(indices) == 20
    assert all(80_000 <= index <= 100_000 for index in indices)


@pytest.mark.parametrize("seed", range(4))
def test_every_frame_of_a_lively_quarter_of_an_hour_is_sound(seed):
    market = one_pair(seed)
    frames = [market.frame(BTC_USD), *frames_of(market, 900)]

    assert [frame.at_ms for frame in frames] == [
        market.start_ms + step * STEP_MS for step in range(901)
    ]
    for frame in frames[::150]:
        assert_frame_is_sound(frame)


@pytest.mark.parametrize("seed", range(3))
def test_the_chain_is_as_wide_as_a_venue_s(seed):
    frame = one_pair(seed).frame(BTC_USD)

    assert len(frame.forwards) >= 6
    for expiry, forward in frame.forwards.items():
        strikes = np.unique(frame.strike[frame.expiry_ms == expiry])
        assert len(strikes) >= 20, expiry_code(expiry)
        assert min(np.sum(strikes < forward), np.sum(strikes > forward)) >= 8


def test_marks_are_black_76_at_the_volatility_shown_without_a_rate():
    market = one_pair(3)

    for frame in [market.frame(BTC_USD), *frames_of(market, 60)][::20]:
        assert frame.mark_price == pytest.approx(black_mark_coin(frame), abs=5.1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_no_expiry_offers_a_butterfly_for_less_than_nothing(seed):
    """Unrounded call values must fall with the strike, ever more slowly."""
    frame = one_pair(seed).frame(BTC_USD)
    values = black_mark_coin(frame) * forward_usd(frame)

    for expiry in frame.forwards:
        calls = (frame.expiry_ms == expiry) & frame.is_call
        slopes = np.diff(values[calls]) / np.diff(frame.strike[calls])
        assert (slopes < 0).all()
        assert (np.diff(slopes) > -1e-9).all()


def log_returns(prices: list[float]) -> FloatArray:
    return np.diff(np.log(np.array(prices)))


def at_the_money_vol(frame: MarketFrame, expiry: int) -> float:
    calls = (frame.expiry_ms == expiry) & frame.is_call
    return float(np.interp(frame.forwards[expiry], frame.strike[calls], frame.mark_iv[calls]))


def test_the_spot_is_lively_and_volatility_rises_when_it_falls():
    returns, vols = [], []
    for seed in range(5):
        frames = frames_of(one_pair(seed), 1_500)
        month = sorted(frames[0].forwards)[6]
        returns.append(log_returns([frame.index_usd for frame in frames]))
        vols.append(np.diff([at_the_money_vol(frame, month) for frame in frames]))
    moves = np.concatenate(returns)
    annual = float(moves.std() * np.sqrt(365 * 86_400))

    assert 0.5 < annual < 0.9
    assert -0.9 < np.corrcoef(moves, np.concatenate(vols))[0, 1] < -0.2


def smile_slopes(seed: int) -> tuple[float, float]:
    """How a volatility moves with the log of the spot: of a strike, and at the money."""
    frames = frames_of(one_pair(seed), 600)[::20]
    month = sorted(frames[0].forwards)[6]
    of_month = np.flatnonzero(frames[0].expiry_ms == month)
    distance = np.abs(frames[0].strike[of_month] / frames[0].forwards[month] - 1)
    column = int(of_month[np.argmin(distance)])
    moves = log_returns([frame.index_usd for frame in frames])
    held = np.diff([float(frame.mark_iv[column]) for frame in frames])
    floating = np.diff([at_the_money_vol(frame, month) for frame in frames])
    return float(np.polyfit(moves, held, 1)[0]), float(np.polyfit(moves, floating, 1)[0])


def test_over_minutes_the_smile_is_held_in_strike():
    """Else every strike's volatility would move with the spot, and no delta would hedge."""
    held, floating = np.mean([smile_slopes(seed) for seed in range(3)], axis=0)

    assert floating < -0.2
    assert abs(held) < 0.4 * abs(floating)


def test_the_smile_has_a_market_s_shape():
    """Recorded BTC chains: 25-delta butterflies of 1 to 2.3 points, risk reversals of -3 to -10."""
    wings = []
    for seed in range(8):
        frame = one_pair(seed).frame(BTC_USD)
        delta = chain_greeks(frame).delta
        for expiry in sorted(frame.forwards)[1:7]:
            calls = np.flatnonzero((frame.expiry_ms == expiry) & frame.is_call)[::-1]
            at_delta = np.interp([0.25, 0.5, 0.75], delta[calls], frame.mark_iv[calls])
            wings.append((at_delta[[0, 2]].mean() - at_delta[1], at_delta[0] - at_delta[2]))
    butterfly, reversal = np.mean(wings, axis=0)

    assert 0.008 < butterfly < 0.03
    assert -0.10 < reversal < -0.02


def test_quotes_are_wider_in_the_wings_and_in_a_storm():
    market = one_pair(2)
    calm = market.frame(BTC_USD)
    expiry = sorted(calm.forwards)[5]
    puts = (calm.expiry_ms == expiry) & ~calm.is_call & (calm.strike < calm.forwards[expiry])
    spread_vol = (calm.ask_price - calm.bid_price)[puts] / chain_greeks(calm).vega[puts]

    market._coins["BTC"]._state[LEVEL] += 0.5 * np.log(6)
    frames_of(market, 1)
    storm = market.frame(BTC_USD)

    assert spread_vol[0] > 1.5 * spread_vol[-1]
    assert np.nanmean(storm.ask_price - storm.bid_price) > 1.5 * np.nanmean(
        calm.ask_price - calm.bid_price
    )
    width_usd = calm.perpetual.ask_usd - calm.perpetual.bid_usd
    assert storm.perpetual.ask_usd - storm.perpetual.bid_usd > width_usd
    assert storm.perpetual.depth[0][1] < calm.perpetual.depth[0][1]


def chain_greeks(frame: MarketFrame) -> Greeks:
    forward, years = forward_usd(frame), (frame.expiry_ms - frame.at_ms) / YEAR_MS
    return greeks(forward, frame.strike, years, frame.mark_iv, frame.is_call)


def test_the_perpetual_stays_near_the_index():
    market = one_pair(4)
    premia = [frame.perpetual.mark_usd / frame.index_usd - 1 for frame in frames_of(market, 1_200)]

    assert max(map(abs, premia)) < 1.5e-3
    assert len(set(premia)) > 1_000


def test_a_shock_moves_everything_after_it_and_keeps_the_chain_around_the_money():
    calm, shocked = one_pair(7), one_pair(7)
    before = {contract.name for contract in shocked.frame(BTC_USD).contracts}
    shocked.shock("BTC", -0.2)
    frames_of(calm, 120)
    frames_of(shocked, 120)

    frame = shocked.frame(BTC_USD)
    assert frame.index_usd == pytest.approx(0.8 * calm.frame(BTC_USD).index_usd, abs=0.02)
    for expiry, forward in frame.forwards.items():
        assert forward == pytest.approx(0.8 * calm.frame(BTC_USD).forwards[expiry], rel=1e-8)
        strikes = np.unique(frame.strike[frame.expiry_ms == expiry])
        assert min(np.sum(strikes < forward), np.sum(strikes > forward)) >= 8
    assert before < {contract.name for contract in frame.contracts}
    assert_frame_is_sound(frame)


@pytest.mark.parametrize("move", [-1.0, -2.0, float("nan"), float("inf")])
def test_a_shock_that_leaves_no_price_is_refused(move):
    market = one_pair(1)

    with pytest.raises(ValueError, match="leaves no price"):
        market.shock("BTC", move)


def test_at_eight_o_clock_options_expire_and_new_ones_are_listed():
    market = one_pair(5, start_ms=at("2026-01-06T07:59:58"))
    old = min(market.frame(BTC_USD).forwards)
    before, last, after = market.frame(BTC_USD), *frames_of(market, 2)

    assert old == at("2026-01-06T08:00") == after.at_ms
    assert old in before.forwards
    assert old in last.forwards
    assert old not in after.forwards
    assert at("2026-01-09T08:00") in after.forwards
    assert_frame_is_sound(last)
    assert_frame_is_sound(after)


def test_in_the_last_half_hour_the_forward_becomes_the_settlement_average():
    market = one_pair(5, start_ms=at("2026-01-06T07:29:00"))
    expiry = min(market.frame(BTC_USD).forwards)
    frames = frames_of(market, 31 * 60 - 1)

    window = [frame for frame in frames if expiry - frame.at_ms < 30 * 60_000]
    average = np.mean([frame.index_usd for frame in window])
    assert window[-1].forwards[expiry] == pytest.approx(average, abs=0.5)
    moved = [
        log_returns([f.forwards[expiry] for f in part]).std()
        for part in (window[:600], window[-600:])
    ]
    assert moved[1] < 0.4 * moved[0]


def test_a_friday_at_the_end_of_a_quarter_is_listed_once():
    expiries = expiries_at(at("2025-12-24T12:00"))

    assert [expiry_code(expiry) for expiry in expiries] == [
        "25DEC25", "26DEC25", "27DEC25", "2JAN26", "9JAN26", "30JAN26", "27MAR26", "26JUN26",
        "25SEP26",
    ]  # fmt: skip


@given(st.integers(at("2025-01-01T00:00"), at("2030-01-01T00:00")))
def test_at_least_eight_expiries_up_to_a_year_are_listed_at_any_time(now_ms):
    expiries = expiries_at(now_ms)

    assert len(expiries) >= 8
    assert expiries[0] - now_ms <= 24 * HOUR_MS
    assert 270 * 24 * HOUR_MS <= expiries[-1] - now_ms <= 372 * 24 * HOUR_MS
    assert all(expiry > now_ms and expiry % 86_400_000 == 8 * HOUR_MS for expiry in expiries)
    assert list(expiries) == sorted(set(expiries))


@given(st.floats(20_000, 300_000), st.sampled_from([500.0, 2_500.0, 10_000.0]), st.floats(0.5, 2))
def test_a_ladder_only_grows_and_follows_the_forward(forward, step, move):
    listed = ladder(LADDERS[BTC_USD], forward, step, frozenset())

    grown = ladder(LADDERS[BTC_USD], forward * move, step, listed)

    assert listed <= grown
    assert all(strike > 0 and strike % step == 0 for strike in grown)
    above = sum(strike > forward * move for strike in grown)
    assert above >= 8


def test_a_second_of_market_takes_far_less_than_a_second_to_make():
    """A step is 0.2 ms on a quiet machine; sixty times real time must leave a core to others."""
    market = one_pair(1)
    frames_of(market, 50)

    started = time.process_time()
    frames_of(market, 300)

    assert (time.process_time() - started) / 300 < 0.002
