from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bot.exchange.contracts import BTC_USD, option_name
from bot.exchange.demo_book import comfortable_equity, demo_book, net_delta_coin
from bot.exchange.market import MarketFrame, Skipped
from bot.exchange.recorded import Displayed, RecordedMarket
from bot.quant.black76 import greeks
from bot.quant.processes import YEAR_MS
from tests.exchange.market_laws import assert_frame_is_sound, black_mark_coin, forward_usd

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "chains"
CHAIN_A = RECORDINGS / "A_deribit_5min_BTC_20251207_20251211.parquet"
CHAIN_S = RECORDINGS / "S_deribit_6h_BTC_20251230_20260331.parquet"
with_recordings = pytest.mark.skipif(not CHAIN_A.exists(), reason="no recorded markets here")

NOON = datetime(2025, 12, 10, 12, tzinfo=UTC)
EXPIRIES = (datetime(2025, 12, 11, 8, tzinfo=UTC), datetime(2025, 12, 26, 8, tzinfo=UTC))
MINUTE_MS = 60_000


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def rows_of(
    moment: datetime, forward: float, *, strikes: Iterable[float] = (90_000.0, 95_000.0)
) -> list[dict[str, Any]]:
    """One snapshot: two expiries at 50 %, forwards a little apart, quotes around the mark."""
    rows = []
    for expiry in EXPIRIES:
        if expiry <= moment:
            continue
        f = forward * (1.0 + 0.05 * (expiry - moment) / timedelta(days=365))
        for strike in strikes:
            for is_call in (True, False):
                years = (expiry - moment) / timedelta(days=365)
                mark = float(greeks(f, strike, years, 0.5, is_call).price / f)
                rows.append({
                    "ts": moment,
                    "instrument": option_name(BTC_USD, ms(expiry), strike, is_call),
                    "fwd": f,
                    "bid": np.floor(mark / 0.0005) * 0.0005 or None,
                    "ask": np.ceil(mark / 0.0005 + 1) * 0.0005,
                    "mark": round(mark, 6),
                    "mark_iv": 0.5,
                    "base": "BTC",
                    "expiry_ts": expiry,
                    "strike": strike,
                    "cp": "C" if is_call else "P",
                    "settle": "inverse",
                })  # fmt: skip
    return rows


@pytest.fixture
def chain(tmp_path):
    """Write snapshots (minutes after noon, forward) and open the market on them."""

    def opened(
        *snapshots: tuple[float, float],
        start: float | None = 0.0,
        rows: list[dict[str, Any]] | None = None,
        displayed: Displayed | None = None,
    ) -> RecordedMarket:
        made = [
            row
            for minutes, forward in snapshots
            for row in rows_of(NOON + timedelta(minutes=minutes), forward)
        ]
        path = tmp_path / "chain.parquet"
        pl.DataFrame(made + (rows or []), infer_schema_length=None).write_parquet(path)
        from_ms = None if start is None else ms(NOON + timedelta(minutes=start))
        return RecordedMarket.load(path, from_ms, displayed)

    return opened


def minute(frame: MarketFrame) -> float:
    return (frame.at_ms - ms(NOON)) / MINUTE_MS


def play(market: RecordedMarket, minutes: float, shift_ms: int = 0) -> list[MarketFrame | Skipped]:
    """Advance second by second as a server does, moving the clock over every gap."""
    seen: list[MarketFrame | Skipped] = []
    for second in range(1, round(minutes * 60) + 1):
        for item in market.advance(market.start_ms + second * 1000 + shift_ms):
            seen.append(item)
            if isinstance(item, Skipped):
                shift_ms += item.to_ms - item.from_ms
    return seen


def shown(seen: list[MarketFrame | Skipped]) -> list[MarketFrame]:
    return [item for item in seen if isinstance(item, MarketFrame)]


def test_the_clock_starts_where_it_is_told_with_the_snapshot_before_it(chain):
    market = chain((0, 92_000.0), (5, 93_000.0), (10, 94_000.0), start=7.25)

    assert market.start_ms == market.frame(BTC_USD).at_ms == ms(NOON + timedelta(minutes=7.25))
    assert market.frame(BTC_USD).index_usd == pytest.approx(93_000.0, rel=2e-4)


def test_before_the_recording_the_clock_starts_with_its_first_snapshot(chain):
    market = chain((0, 92_000.0), (5, 93_000.0), start=-30.0)

    assert market.start_ms == market.frame(BTC_USD).at_ms == ms(NOON)
    assert market.frame(BTC_USD).index_usd == pytest.approx(92_000.0, rel=2e-4)


def test_a_quote_holds_until_the_next_snapshot_and_never_leans_toward_it(chain):
    market = chain((0, 92_000.0), (5, 93_000.0))
    first = market.frame(BTC_USD)
    seen = play(market, 6)
    frames = shown(seen)

    assert len(frames) == len(seen)
    assert [frame.at_ms - market.start_ms for frame in frames] == [
        1000 * second for second in range(1, 361)
    ]
    held, moved = frames[298], frames[299]
    assert minute(moved) == 5.0
    assert held.index_usd == first.index_usd
    assert np.array_equal(held.bid_price, first.bid_price, equal_nan=True)
    assert moved.index_usd == pytest.approx(93_000.0, rel=2e-4)


def test_the_path_does_not_depend_on_how_it_is_asked_for(chain):
    whole = chain((0, 92_000.0), (5, 93_000.0), (12, 91_000.0), start=1.0)
    parts = chain((0, 92_000.0), (5, 93_000.0), (12, 91_000.0), start=1.0)
    expected = whole.advance(whole.start_ms + 14 * MINUTE_MS)

    found = [
        frame
        for portion_ms in (1, 999, 61_500, 14 * MINUTE_MS)
        for frame in parts.advance(parts.start_ms + portion_ms)
    ]

    assert [(f.at_ms, f.index_usd) for f in found] == [(f.at_ms, f.index_usd) for f in expected]


def test_the_index_is_the_median_forward_of_the_nearest_living_expiry(chain):
    odd = rows_of(NOON, 92_000.0)
    odd[0]["fwd"] = 99_000.0
    market = chain(rows=odd)
    near, far = sorted(market.frame(BTC_USD).forwards)

    assert (
        market.frame(BTC_USD).index_usd
        == market.frame(BTC_USD).perpetual.mark_usd
        == round(odd[1]["fwd"], 2)
    )
    assert market.frame(BTC_USD).forwards[near] < market.frame(BTC_USD).forwards[far]


def test_a_gap_of_a_quarter_of_an_hour_is_waited_for_and_a_longer_one_skipped(chain):
    market = chain((0, 92_000.0), (15, 93_000.0), (31, 94_000.0), (33, 95_000.0))
    seen = play(market, 25)
    skips = [item for item in seen if isinstance(item, Skipped)]

    assert len(skips) == 1
    assert skips[0].from_ms == ms(NOON + timedelta(minutes=20))
    assert skips[0].to_ms == ms(NOON + timedelta(minutes=31))
    frames = shown(seen)
    landed = next(frame for frame in frames if frame.at_ms > skips[0].from_ms)
    assert landed.at_ms == skips[0].to_ms
    assert landed.index_usd == pytest.approx(94_000.0, rel=2e-4)
    assert minute(frames[-1]) == pytest.approx(25 + 11)
    times = [frame.at_ms for frame in frames]
    assert times == sorted(set(times))


def test_a_gap_ends_the_answer_so_that_the_clock_can_be_moved_first(chain):
    market = chain((0, 92_000.0), (60, 93_000.0))

    seen = market.advance(market.start_ms + 6 * MINUTE_MS)

    assert isinstance(seen[-2], Skipped)
    assert seen[-1] is market.frame(BTC_USD)
    assert len(seen) == 5 * 60 + 2
    assert market.advance(market.start_ms + 7 * MINUTE_MS) == []


def test_started_inside_a_gap_the_market_holds_for_five_minutes_first(chain):
    market = chain((0, 92_000.0), (60, 93_000.0), start=30.0)
    seen = play(market, 6)

    skip = next(item for item in seen if isinstance(item, Skipped))
    assert skip.from_ms == ms(NOON + timedelta(minutes=35))
    assert skip.to_ms == ms(NOON + timedelta(minutes=60))


def test_after_the_end_the_last_snapshot_holds(chain):
    market = chain((0, 92_000.0), (5, 93_000.0))
    market.advance(market.start_ms + 40 * MINUTE_MS)

    assert minute(market.frame(BTC_USD)) == 40
    assert market.frame(BTC_USD).index_usd == pytest.approx(93_000.0, rel=2e-4)


def test_options_leave_the_chain_when_they_expire(chain):
    late = (EXPIRIES[0] - NOON) / timedelta(minutes=1) - 2
    market = chain((late, 92_000.0), start=late)
    before = market.frame(BTC_USD)
    market.advance(ms(EXPIRIES[0]) - 1000)
    last = market.frame(BTC_USD)
    market.advance(ms(EXPIRIES[0]))

    assert len(last.contracts) == len(before.contracts) == 8
    assert len(market.frame(BTC_USD).contracts) == 4
    assert set(market.frame(BTC_USD).forwards) == {ms(EXPIRIES[1])}
    assert_frame_is_sound(market.frame(BTC_USD))


@pytest.mark.parametrize("nothing", [None, float("nan"), 0.0, -0.001, float("inf")])
def test_a_price_that_is_none_is_no_quote(chain, nothing):
    rows = rows_of(NOON, 92_000.0)
    rows[1]["bid"] = rows[2]["ask"] = nothing
    frame = chain(rows=rows).frame(BTC_USD)

    assert np.isnan(frame.bid_price[1])
    assert frame.bid_size_coin[1] == 0.0
    assert np.isnan(frame.ask_price[2])
    assert np.isfinite(frame.ask_price[1])
    assert_frame_is_sound(frame)


def test_a_crossed_quote_is_shown_on_neither_side(chain):
    rows = rows_of(NOON, 92_000.0)
    rows[0]["bid"], rows[0]["ask"] = 0.02, 0.01
    frame = chain(rows=rows).frame(BTC_USD)

    assert np.isnan([frame.bid_price[0], frame.ask_price[0]]).all()


def test_a_row_that_the_recorder_lost_keeps_its_option_listed_without_quotes(chain):
    gone = rows_of(NOON + timedelta(minutes=5), 93_000.0)[1:]
    market = chain((0, 92_000.0), rows=gone)
    names = [contract.name for contract in market.frame(BTC_USD).contracts]
    market.advance(market.start_ms + 5 * MINUTE_MS)
    frame = market.frame(BTC_USD)

    assert [contract.name for contract in frame.contracts] == names
    assert np.isnan([frame.bid_price[0], frame.ask_price[0]]).all()
    assert frame.mark_price == pytest.approx(black_mark_coin(frame), abs=2e-6)
    assert_frame_is_sound(frame)


def test_spread_and_sizes_are_parameters(chain):
    displayed = Displayed(
        perp_half_spread=7.0 / 92_000.0, perp_depth=((0, 10.0),), option_size_coin=3.5
    )
    frame = chain((0, 92_000.0), displayed=displayed).frame(BTC_USD)

    assert 14.0 <= frame.perpetual.ask_usd - frame.perpetual.bid_usd <= 15.0
    assert frame.perpetual.depth == ((0, 10.0),)
    assert set(frame.ask_size_coin.tolist()) == {3.5}


def test_a_shock_scales_all_that_follows_and_reprices_options_at_their_volatility(chain):
    market = chain((0, 92_000.0), (5, 93_000.0))
    calm = market.frame(BTC_USD)
    market.shock("BTC", -0.05)
    market.shock("BTC", 0.02)
    frames = shown(play(market, 6))
    scale = 0.95 * 1.02

    for frame, forward in ((frames[0], 92_000.0), (frames[-1], 93_000.0)):
        assert frame.index_usd == pytest.approx(forward * scale, rel=2e-4)
        # Repriced at the snapshot's own moment, and held until the next one.
        shown_ms = ms(NOON) if forward == 92_000.0 else ms(NOON + timedelta(minutes=5))
        years = (frame.expiry_ms - shown_ms) / YEAR_MS
        value = greeks(forward_usd(frame), frame.strike, years, frame.mark_iv, frame.is_call)
        assert frame.mark_price == pytest.approx(value.price / forward_usd(frame), abs=2e-6)
        assert_frame_is_sound(frame)
    both = np.isfinite(calm.bid_price) & np.isfinite(frames[0].bid_price)
    moved = frames[0].mark_price - calm.mark_price
    assert (frames[0].bid_price - calm.bid_price)[both] == pytest.approx(moved[both], abs=5.1e-4)
    assert (frames[0].ask_price - calm.ask_price) == pytest.approx(
        np.maximum(moved, 1e-4 - calm.ask_price), abs=5.1e-4
    )


def test_a_file_that_is_none_says_so_in_one_sentence(tmp_path):
    path = tmp_path / "chain.parquet"
    with pytest.raises(ValueError, match="there is no file"):
        RecordedMarket.load(path, None)
    path.write_text("ts,instrument\n")
    with pytest.raises(ValueError, match="is not a readable parquet file"):
        RecordedMarket.load(path, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop("fwd", "mark_iv"), "no fwd, mark_iv"),
        (lambda table: table.with_columns(ts=pl.lit("yesterday")), "column ts holds String"),
        (lambda table: table.with_columns(fwd=pl.lit("high")), "not a file of option chains"),
        (lambda table: table.with_columns(instrument=pl.lit("BTC-PERPETUAL")), "options only"),
        (lambda table: table.with_columns(instrument=pl.lit(7)), "holds Int32, not names"),
        (
            lambda table: table.with_columns(instrument=pl.lit("SOL_USDC-11DEC25-90-C")),
            "must hold options that are listed here",
        ),
        (lambda table: table.with_columns(mark_iv=pl.lit(0.0)), "holds no option"),
        (lambda table: table.clear(), "must hold options of one market"),
    ],
)
def test_a_table_of_something_else_says_what_is_wrong_with_it(tmp_path, change, message):
    path = tmp_path / "chain.parquet"
    change(pl.DataFrame(rows_of(NOON, 92_000.0))).write_parquet(path)

    with pytest.raises(ValueError, match=message) as refused:
        RecordedMarket.load(path, None)

    assert "\n" not in str(refused.value)


def test_a_start_after_the_recording_is_refused_with_its_range(chain):
    with pytest.raises(ValueError, match=r"recorded from 2025-12-10T12:00:00Z to .*12:05:00Z"):
        chain((0, 92_000.0), (5, 93_000.0), start=60.0)


@with_recordings
def test_an_evening_of_the_real_market_is_sound_and_the_demo_book_survives_it():
    start_ms = ms(datetime(2025, 12, 10, 18, 35, tzinfo=UTC))
    market = RecordedMarket.load(CHAIN_A, start_ms)
    book = demo_book(market.frame(BTC_USD))

    assert market.start_ms == start_ms
    assert 0 < abs(net_delta_coin(market.frame(BTC_USD), book)) < 0.15
    assert 20.0 < comfortable_equity(market.frame(BTC_USD), book) < 100.0
    assert_frame_is_sound(market.frame(BTC_USD))
    assert market.frame(BTC_USD).mark_price == pytest.approx(
        black_mark_coin(market.frame(BTC_USD)), abs=1e-3
    )
    moved = []
    for minutes in range(60, 361, 60):
        market.advance(start_ms + minutes * MINUTE_MS)
        moved.append(abs(net_delta_coin(market.frame(BTC_USD), book)))
    assert set(book) <= {contract.name for contract in market.frame(BTC_USD).contracts}
    assert max(moved) > 1.0
    assert_frame_is_sound(market.frame(BTC_USD))


@with_recordings
def test_snapshots_six_hours_apart_are_played_five_minutes_each():
    market = RecordedMarket.load(CHAIN_S, ms(datetime(2026, 1, 5, 12, tzinfo=UTC)))
    seen = play(market, 16)
    skips = [item for item in seen if isinstance(item, Skipped)]

    assert len(skips) == 3
    assert all(skip.to_ms - skip.from_ms > 5 * 3_600_000 - 15 * MINUTE_MS for skip in skips[1:])
    assert_frame_is_sound(market.frame(BTC_USD))
