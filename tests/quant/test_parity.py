"""Forward and discount factor from put-call parity: exact, robust, and true of recorded chains."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quant.black76 import greeks
from bot.quant.parity import FloatArray, NoParity, Parity, imply, pairs

CHAINS = Path(__file__).parents[3] / "shared" / "data" / "chains"
YEAR_MS = 365 * 86_400_000
MONTH = 30 / 365


def chain(
    forward: float, rate: float, years: float, count: int = 17
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Strikes, and calls and puts of a linear chain."""
    strike = forward * np.linspace(0.6, 1.5, count)
    discount = math.exp(-rate * years)
    call, put = (
        greeks(forward, strike, years, 0.6, is_call, discount).price for is_call in (True, False)
    )
    return strike, call, put


def found(*columns: FloatArray, **more: object) -> Parity:
    answer = imply(*columns, **more)  # type: ignore[arg-type]
    assert isinstance(answer, Parity)
    return answer


@given(forward=st.floats(0.5, 150_000.0), rate=st.floats(-0.05, 0.3), years=st.floats(0.003, 3.0))
def test_a_linear_chain_states_its_forward_and_discount(forward, rate, years):
    implied = found(*chain(forward, rate, years))

    assert implied.forward == pytest.approx(forward, rel=1e-9)
    assert implied.discount == pytest.approx(math.exp(-rate * years), rel=1e-9)
    assert implied.rate(years) == pytest.approx(rate, abs=1e-6)
    assert implied.strikes == 17
    assert implied.error < 1e-9 * forward


@given(forward=st.floats(0.5, 150_000.0), years=st.floats(0.003, 3.0))
def test_an_inverse_chain_states_its_forward_and_no_rate(forward, years):
    strike, call, put = chain(forward, 0.0, years)

    free = found(strike, call / forward, put / forward, in_coin=True)
    held = found(strike, call / forward, put / forward, in_coin=True, discount=1.0)

    assert free.forward == pytest.approx(forward, rel=1e-9)
    assert free.discount == pytest.approx(1.0, rel=1e-9)
    assert held.forward == pytest.approx(forward, rel=1e-9)
    assert held.discount == 1.0


@given(seed=st.integers(0, 10_000), in_coin=st.booleans(), wild=st.integers(0, 4))
def test_four_wild_prices_of_seventeen_change_nothing(seed, in_coin, wild):
    rng = np.random.default_rng(seed)
    strike, call, put = chain(3_000.0, 0.0 if in_coin else 0.04, 0.3)
    unit = 3_000.0 if in_coin else 1.0
    call, put = call / unit, put / unit
    call[rng.choice(17, wild, replace=False)] *= rng.uniform(0.0, 8.0)

    implied = found(strike, call, put, in_coin=in_coin)
    held = found(strike, call, put, in_coin=in_coin, discount=implied.discount)

    assert implied.forward == pytest.approx(3_000.0, rel=1e-6)
    assert implied.rate(0.3) == pytest.approx(0.0 if in_coin else 0.04, abs=1e-4)
    assert held.forward == pytest.approx(3_000.0, rel=1e-6)


def test_ticks_of_a_coin_price_leave_the_rate_within_a_fifth_of_a_percent():
    rng = np.random.default_rng(3)
    strike, call, put = chain(90_000.0, 0.0, 2 * MONTH, 40)
    rates = []
    for _ in range(50):
        noisy = (np.round(side / 90_000.0 + rng.normal(0, 2e-5, 40), 4) for side in (call, put))
        rates.append(found(strike, *noisy, in_coin=True).rate(2 * MONTH))

    assert np.abs(rates).max() < 0.002


def test_a_strike_counts_by_its_weight_and_not_at_all_without_one():
    strike, call, put = chain(100.0, 0.03, 0.5)
    rng = np.random.default_rng(8)
    noise = np.where(np.arange(17) % 2, 0.0, rng.normal(0, 0.5, 17))
    weight = np.where(noise == 0.0, 1.0, 1e-4)

    even = found(strike, call + noise, put)
    weighed = found(strike, call + noise, put, weight=weight)
    zero = found(strike, call + noise, put, weight=np.where(noise == 0.0, 1.0, 0.0))
    absent = found(strike, np.where(noise == 0.0, call, np.nan), put)

    assert abs(weighed.forward - 100.0) < 0.1 * abs(even.forward - 100.0)
    assert zero.forward == pytest.approx(100.0, abs=1e-9)
    assert zero.strikes == 8
    assert absent == zero


def test_too_few_strikes_or_prices_without_sense_are_refused_with_a_reason():
    strike, call, put = chain(100.0, 0.0, 0.5)
    few = imply(strike[:3], call[:3], put[:3])
    none = imply(np.array([]), np.array([]), np.array([]), discount=1.0)
    rising = imply(strike, put, call)
    flat = imply(strike, np.zeros(17), np.zeros(17))
    beyond = imply(strike, np.full(17, 1.5), np.zeros(17), in_coin=True, discount=1.0)
    below = imply(strike, np.zeros(17), 10.0 * strike, discount=1.0)

    assert isinstance(few, NoParity)
    assert few.reason == "3 strikes with a call and a put, of 4"
    assert isinstance(none, NoParity)
    assert isinstance(rising, NoParity)
    assert "does not fall" in rising.reason
    assert isinstance(flat, NoParity)
    assert isinstance(imply(strike, 0.5 + strike / 100.0, np.zeros(17), in_coin=True), NoParity)
    assert isinstance(beyond, NoParity)
    assert isinstance(below, NoParity)
    one = found(strike[:1], call[:1], put[:1], discount=1.0)
    assert one.forward == pytest.approx(100.0)


def test_a_strike_whose_two_prices_are_infinite_does_not_count():
    strike, call, put = chain(100.0, 0.05, 0.5)
    call[3] = put[3] = math.inf
    weight = np.full(17, 1e200)

    assert found(strike, call, put, weight=weight).strikes == 16
    assert found(strike, call, put, weight=weight).forward == pytest.approx(100.0)


def test_pairs_are_strikes_with_both_sides_in_order_whatever_the_rows_order():
    strike = np.array([120.0, 100.0, 110.0, 100.0, 110.0, 90.0])
    is_call = np.array([True, False, True, True, False, False])
    price = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    both, call, put = pairs(strike, is_call, price)

    assert both.tolist() == [100.0, 110.0]
    assert call.tolist() == [4.0, 3.0]
    assert put.tolist() == [2.0, 5.0]


@cache
def implied_rates(name: str, every: int) -> FloatArray:
    """Rates a year of every expiry beyond 30 days, from the marks of one snapshot in `every`."""
    table = pl.read_parquet(CHAINS / f"{name}.parquet")
    stamps = table["ts"].unique().sort()[::every]
    rows = table.filter(pl.col("ts").is_in(stamps.implode())).sort("ts", "expiry_ts", "strike")
    rates = []
    for (at, expiry), part in rows.group_by(["ts", "expiry_ts"], maintain_order=True):
        years = (expiry - at).total_seconds() * 1_000 / YEAR_MS
        if years <= MONTH:
            continue
        columns = pairs(
            part["strike"].to_numpy(), (part["cp"] == "C").to_numpy(), part["mark"].to_numpy()
        )
        answer = imply(*columns, in_coin=part["settle"][0] == "inverse")
        if isinstance(answer, Parity):
            rates.append(answer.rate(years))
    return np.array(rates)


recorded = pytest.mark.skipif(not CHAINS.exists(), reason="recorded chains are not here")


@recorded
@pytest.mark.parametrize(
    "name",
    [
        "A_deribit_5min_BTC_20251207_20251211",
        "A_deribit_5min_ETH_20251207_20251211",
        "S_deribit_6h_BTC_20251230_20260331",
        "S_deribit_6h_ETH_20251230_20260331",
    ],
)
def test_recorded_inverse_chains_carry_no_rate(name):
    rates = implied_rates(name, 20)

    assert len(rates) > 30
    assert np.abs(rates).max() < 0.002
    assert np.median(np.abs(rates)) < 1e-5


@recorded
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("A_deribit_5min_BTC_USDC_20251207_20251211", 0.034, 0.048),
        ("A_deribit_5min_ETH_USDC_20251207_20251211", 0.024, 0.036),
    ],
)
def test_recorded_linear_chains_carry_their_real_rate(name, low, high):
    rates = implied_rates(name, 20)

    assert len(rates) > 10
    assert rates.min() > low
    assert rates.max() < high


@pytest.mark.parametrize("discount", [math.nan, math.inf, 0.0, -0.9])
def test_what_is_no_discount_factor_implies_no_forward(discount):
    answer = imply(*chain(100.0, 0.04, MONTH), discount=discount)
    assert isinstance(answer, NoParity)
    assert "no discount factor" in answer.reason
