"""What the exchange remembers: candles, the volatility index, the public tape."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.candles import MINUTE_MS, CandleSeries, coarser
from bot.exchange.chronicle import Chronicle
from bot.exchange.volatility_index import Chain, volatility_index
from bot.quant.black76 import greeks
from tests.exchange.engine_builders import engine, frame
from tests.exchange.wire import PERPETUAL, hall

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.floats(1.0, 1e6)), min_size=1, max_size=60),
    st.sampled_from([1, 3, 5, 15, 60]),
)
def test_candles_of_any_width_keep_the_first_last_highest_and_lowest_price(
    steps: list[tuple[int, float]], width: int
) -> None:
    series, at_ms = CandleSeries(), 1_767_603_600_000
    seen: dict[int, list[float]] = {}
    for wait_ms, price in steps:
        at_ms += wait_ms
        series.observe(at_ms, price)
        seen.setdefault(at_ms - at_ms % (width * MINUTE_MS), []).append(price)

    candles = coarser(series.between(0, at_ms), width * MINUTE_MS)

    assert [(c.start_ms, c.open, c.high, c.low, c.close) for c in candles] == [
        (start, prices[0], max(prices), min(prices), prices[-1]) for start, prices in seen.items()
    ]


def wide_chain(vol_by_days: dict[int, float], forward: float = 100_000.0) -> Chain:
    """A ladder so fine and wide that the sum over strikes is nearly an integral."""
    strikes = np.arange(20_000.0, 400_000.0, 500.0)
    columns = []
    for days, vol in vol_by_days.items():
        for is_call in (True, False):
            value = greeks(forward, strikes, days / 365, vol, np.full(len(strikes), is_call)).price
            count = len(strikes)
            columns.append((np.full(count, days * DAY_MS), strikes, np.full(count, is_call), value))
    expiry, strike, is_call_column, value = (
        np.concatenate(part) for part in zip(*columns, strict=True)
    )
    return Chain(
        expiry_ms=expiry,
        strike=strike,
        is_call=is_call_column,
        forward=np.full(len(strike), forward),
        value_usd=value,
    )


def test_the_volatility_index_of_a_flat_smile_is_its_volatility() -> None:
    assert volatility_index(wide_chain({23: 0.6, 51: 0.6}), 0) == pytest.approx(60.0, abs=0.05)


def test_the_volatility_index_interpolates_variance_to_thirty_days() -> None:
    variance = (0.5**2 * 20 + (0.7**2 * 40 - 0.5**2 * 20) * 0.5) / 30

    index = volatility_index(wide_chain({1: 2.0, 20: 0.5, 40: 0.7, 90: 0.9}), 0)

    assert index == pytest.approx(100 * math.sqrt(variance), abs=0.1)


def test_beyond_the_last_expiry_the_nearest_one_speaks_for_thirty_days() -> None:
    assert volatility_index(wide_chain({7: 0.5, 14: 0.8}), 0) == pytest.approx(80.0, abs=0.1)
    assert volatility_index(wide_chain({1: 0.5}), 0) is None


def test_a_trade_of_a_user_with_the_house_is_public_from_its_takers_side() -> None:
    world = hall()
    client = world.client().login()
    bought = client.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")

    trades = client.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL)

    (fill,) = bought["trades"]
    (trade,) = trades["trades"]
    assert (trade["trade_id"], trade["price"]) == (fill["trade_id"], fill["price"])
    assert trade["direction"] == "buy"
    assert trades["has_more"] is False
    assert not {"order_id", "label", "fee", "profit_loss"} & trade.keys()


def test_trades_are_found_by_number_time_kind_and_from_either_end() -> None:
    world = hall(speed=0.001)  # nobody else trades meanwhile
    client = world.client().login()
    for amount in (10, 20, 30):
        client.call("private/buy", instrument_name=PERPETUAL, amount=amount, type="market")
        world.pass_ms(2_000)  # two milliseconds of the market

    def amounts(**params: object) -> list[float]:
        method = "public/get_last_trades_by_currency"
        return [
            trade["amount"] for trade in client.call(method, currency="BTC", **params)["trades"]
        ]

    newest = client.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL)
    ids = [trade["trade_id"] for trade in newest["trades"]]
    assert amounts() == [30, 20, 10]
    assert amounts(sorting="asc", count=2) == [10, 20]
    assert amounts(start_id=ids[1]) == [30, 20]
    assert amounts(end_id=ids[1]) == [20, 10]
    assert amounts(start_timestamp=newest["trades"][0]["timestamp"]) == [30]
    assert amounts(kind="option") == []


def test_a_chart_of_the_mark_is_in_whole_candles_and_ends_now() -> None:
    world = hall(speed=60.0)
    client = world.client()
    for _ in range(10):
        world.pass_ms(500)
    now_ms = client.call("public/get_time")

    chart = client.call(
        "public/get_tradingview_chart_data",
        instrument_name=PERPETUAL,
        start_timestamp=now_ms - HOUR_MS,
        end_timestamp=now_ms,
        resolution="1",
    )
    mark = client.call("public/ticker", instrument_name=PERPETUAL)["mark_price"]

    assert chart["status"] == "ok"
    assert all(tick % MINUTE_MS == 0 for tick in chart["ticks"])
    assert len(chart["ticks"]) == len(set(chart["ticks"])) >= 5
    assert chart["close"][-1] == mark
    columns = zip(chart["low"], chart["open"], chart["close"], chart["high"], strict=True)
    assert all(low <= min(o, c) <= max(o, c) <= high for low, o, c, high in columns)


def test_what_the_exchange_cannot_know_is_an_empty_chart() -> None:
    client = hall().client()
    long_ago = {"start_timestamp": 0, "end_timestamp": 1, "resolution": "1D"}

    chart = client.call("public/get_tradingview_chart_data", instrument_name=PERPETUAL, **long_ago)

    assert (chart["status"], chart["ticks"]) == ("no_data", [])
    assert client.call("public/get_historical_volatility", currency="BTC") == []


def test_funding_adds_up_frame_by_frame_with_the_rate_that_held() -> None:
    first, dear = frame(mark=100_100.0), 100_100.0  # 0.1 % above the index: 0.075 % in 8 hours
    later = [
        frame(first.at_ms + 30_000 * step, mark=dear if step < 60 else 100_000.0)
        for step in range(1, 121)
    ]
    one = engine(first, *later)
    chronicle = Chronicle()
    chronicle.begin(one)

    chronicle.observe(one.advance(later[-1].at_ms), one)

    half_hour = 0.00075 * 30 * MINUTE_MS / (8 * HOUR_MS)
    minutes = chronicle.funding[PERPETUAL]
    assert len(minutes) == 61
    assert minutes[30].interest == pytest.approx(half_hour)
    assert minutes[-1].interest == pytest.approx(half_hour)
    assert minutes[-1].interest_8h == pytest.approx(half_hour)
