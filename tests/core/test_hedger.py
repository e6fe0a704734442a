"""The band: when a book hedges, by how much, and why not."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import hedger
from bot.core.exposure import Exposure, Unpriced
from bot.core.hedger import Code, HedgePolicy, HedgeTo, Hold, Intent, deviation_coin
from bot.core.instruments import Settlement
from bot.core.standing import HedgeMark
from tests.builders import START_MS, perp

MARK = 100_000.0
BAND = HedgePolicy(band_low_coin=-0.2, band_high_coin=0.1)


def exposed(bare: float, hedge: float = 0.0, mark: float = MARK) -> Exposure:
    """A book with `bare` coins of delta before its hedge, and `hedge` coins of hedge."""
    return Exposure(
        delta_coin=bare + hedge,
        delta_low_coin=bare + hedge,
        delta_high_coin=bare + hedge,
        options_delta_coin=bare,
        hedge_delta_coin=hedge,
        equity_delta_coin=0.0,
        gamma_coin_per_percent=0.0,
        vega_usd_per_vol_point=0.0,
        theta_usd_per_day=0.0,
        options_value_coin=0.0,
        options_held=1,
        index_usd=mark,
        hedge_mark_usd=mark,
        hedge_native=Decimal(0),
        hedge_coin_per_native=1.0 / mark,
        is_linear=False,
    )


def decided(
    exposure: Exposure | Unpriced, policy: HedgePolicy = BAND, last: HedgeMark | None = None
) -> Hold | Intent:
    return hedger.decide(exposure, policy, perp(), last, START_MS)


def size(exposure: Exposure, policy: HedgePolicy = BAND) -> Decimal:
    """The trade that is wanted, 0 for none."""
    found = decided(exposure, policy)
    return found.size_native if isinstance(found, Intent) else Decimal(0)


@pytest.mark.parametrize("x", [-0.2, -0.1999, 0.0, 0.0999, 0.1])
def test_inside_the_band_and_on_its_edges_nothing_is_done(x) -> None:
    found = decided(exposed(x))

    assert isinstance(found, Hold)
    assert found.code is Code.INSIDE_BAND
    assert "[-0.2000, +0.1000]" in found.reason


@pytest.mark.parametrize(("x", "wanted"), [(-0.21, 21_000), (0.11, -11_000), (3.0, -300_000)])
def test_outside_an_asymmetric_band_the_delta_is_brought_to_the_target(x, wanted) -> None:
    assert size(exposed(x)) == Decimal(wanted)


@pytest.mark.parametrize(("x", "wanted"), [(-0.25, 5_000), (0.15, -5_000)])
def test_to_the_edge_is_to_the_edge_that_was_crossed(x, wanted) -> None:
    assert size(exposed(x), replace(BAND, hedge_to=HedgeTo.EDGE)) == Decimal(wanted)


def test_the_band_lies_around_the_target() -> None:
    policy = replace(BAND, target_coin=5.0)

    assert size(exposed(5.05), policy) == 0
    assert size(exposed(5.15), policy) == Decimal(-15_000)
    assert size(exposed(0.0), policy) == Decimal(500_000)


@pytest.mark.parametrize(
    ("ratio", "bare", "hedge", "wanted"),
    [
        (0.0, -3.0, 0.0, 0),
        (0.5, -3.0, 0.0, 150_000),
        (0.5, -3.0, 1.5, 0),
        (1.0, -3.0, 1.0, 200_000),
        (1.5, -3.0, 3.0, 150_000),
        (1.5, -3.0, 4.5, 0),
        (0.0, -3.0, 1.0, -100_000),
    ],
)
def test_the_ratio_scales_what_is_to_be_hedged_not_the_hedge(ratio, bare, hedge, wanted) -> None:
    assert size(exposed(bare, hedge), replace(BAND, ratio=ratio)) == Decimal(wanted)


POLICIES = st.builds(
    HedgePolicy,
    band_low_coin=st.floats(min_value=-2.0, max_value=-0.001),
    band_high_coin=st.floats(min_value=0.001, max_value=2.0),
    target_coin=st.floats(min_value=-5.0, max_value=5.0),
    ratio=st.floats(min_value=0.0, max_value=1.5),
    hedge_to=st.sampled_from(list(HedgeTo)),
)
COINS = st.floats(min_value=-50.0, max_value=50.0)
MARKS = st.floats(min_value=1_000.0, max_value=500_000.0)


@given(COINS, COINS, MARKS, POLICIES)
def test_a_hedge_never_passes_the_target_and_always_brings_the_delta_nearer(
    bare, hedge, mark, policy
):
    before = exposed(bare, hedge, mark)
    x = deviation_coin(before, policy)
    found = decided(before, policy)
    if isinstance(found, Hold):
        inside = policy.band_low_coin <= x <= policy.band_high_coin
        assert found.code is (Code.INSIDE_BAND if inside else Code.BELOW_LOT)
        return
    lot_coin = float(perp().lot) / mark
    after = x + float(found.size_native) / mark

    assert not policy.band_low_coin <= x <= policy.band_high_coin
    assert found.deviation_coin == x
    assert found.size_native % perp().lot == 0
    assert abs(after) < abs(x)
    assert after * x >= -1e-6 * lot_coin * abs(x), "past the target"
    edge = policy.band_low_coin if x < 0 else policy.band_high_coin
    goal = 0.0 if policy.hedge_to is HedgeTo.TARGET else edge
    assert abs(after - goal) < lot_coin * (1 + 1e-6), "further than a lot from where it should be"


def test_outside_by_less_than_a_lot_is_borne_and_said() -> None:
    policy = replace(BAND, hedge_to=HedgeTo.EDGE)
    found = decided(exposed(0.10009), policy)

    assert isinstance(found, Hold)
    assert found.code is Code.BELOW_LOT
    assert "less than a lot of 10" in found.reason


def test_a_size_below_the_venues_minimum_is_not_asked_for() -> None:
    hedge = perp(size_min=Decimal(20_000))
    found = hedger.decide(exposed(0.15), BAND, hedge, None, START_MS)

    assert isinstance(found, Hold)
    assert found.code is Code.BELOW_LOT


def test_a_linear_hedge_is_counted_in_coins() -> None:
    lot = Decimal("0.001")
    hedge = perp(settlement=Settlement.LINEAR, lot=lot, size_min=lot)
    # Half a percent above the index, a coin of the perpetual is 1.005 coins of delta.
    seen = exposed(0.15)._replace(hedge_coin_per_native=1.005, is_linear=True)
    found = hedger.decide(seen, BAND, hedge, None, START_MS)

    assert isinstance(found, Intent)
    assert found.size_native == Decimal("-0.149"), "0.15 / 1.005, rounded to what is less"


def test_an_unpriced_book_is_not_judged() -> None:
    found = decided(Unpriced(reason="X: no quote yet"))

    assert found == Hold(code=Code.UNPRICED, reason="unpriced: X: no quote yet")


@pytest.mark.parametrize(("since_ms", "waits"), [(0, True), (4_999, True), (5_000, False)])
def test_hedges_keep_their_distance_in_time(since_ms, waits) -> None:
    policy = replace(BAND, interval_min_ms=5_000)
    found = decided(exposed(3.0), policy, HedgeMark(at_ms=START_MS - since_ms, index_usd=90_000.0))

    assert isinstance(found, Hold) is waits
    if isinstance(found, Hold):
        assert found.code is Code.TOO_SOON


@pytest.mark.parametrize(
    ("last_usd", "waits"),
    [(100_000.0, True), (99_100.0, True), (100_900.0, True), (98_000.0, False), (102_100.0, False)],
)
def test_a_small_move_of_the_underlying_is_waited_out_in_both_directions(last_usd, waits) -> None:
    policy = replace(BAND, move_min=0.01)
    found = decided(exposed(3.0), policy, HedgeMark(at_ms=START_MS - 10**6, index_usd=last_usd))

    assert isinstance(found, Hold) is waits
    if isinstance(found, Hold):
        assert found.code is Code.SMALL_MOVE


def test_the_first_hedge_waits_for_nothing() -> None:
    policy = replace(BAND, interval_min_ms=10**9, move_min=0.5)

    assert isinstance(decided(exposed(3.0), policy), Intent)


def test_the_worst_price_is_the_far_side_and_the_cap_on_the_tick() -> None:
    buy = hedger.limit_price(Decimal(10), 99_999.5, 100_000.5, perp(), 20.0)
    sell = hedger.limit_price(Decimal(-10), 99_999.5, 100_000.5, perp(), 20.0)

    assert buy == Decimal("100200.5")  # 100,000.5 x 1.002 = 100,200.501, down to the tick
    assert sell == Decimal("99800.0")  # 99,999.5 x 0.998 = 99,799.501, up to the tick
