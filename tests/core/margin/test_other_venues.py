"""OKX, Bybit, Paradex and Hyperliquid: the worked examples of their documentation."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bot.core.margin import bybit, hyperliquid, okx, paradex, paradex_portfolio
from bot.core.margin.account import OpenOrder
from bot.settings.margin_parameters import Bybit, Hyperliquid, Okx, Paradex, parameters
from tests.core.margin import slowly
from tests.core.margin.vectors import account, futures, options, pair

OKX, BYBIT, PARADEX = parameters(Okx), parameters(Bybit), parameters(Paradex)
HYPERLIQUID = parameters(Hyperliquid).cross
NAN = float("nan")


def order(name: str, size: float, price: float) -> OpenOrder:
    return OpenOrder(instrument=name, size_coin=size, price=price)


# ---------------------------------------------------------------------------------------------- OKX


def test_an_option_sold_on_okx_needs_what_the_venue_works_out() -> None:
    rows = options((-10.0, 6_000.0, 30.0, True), forward=5_900.0, mark=0.0575)

    held = okx.report(account(pair(options=rows, index=5_900.0)), OKX.options)
    none = replace(rows, size=np.zeros(1))
    selling = okx.report(
        account(pair(options=none, index=5_900.0), orders=(order("6000C30", -10.0, 0.06),)),
        OKX.options,
    )

    assert held.initial / 100 == pytest.approx(0.0193212, abs=5e-8)  # a contract is 0.1 coin
    assert held.maintenance == pytest.approx(10 * (0.03 * 1.02 + 0.0575))
    assert selling.initial == pytest.approx(1.334, abs=5e-4)
    assert selling.maintenance == 0.0


def test_okx_puts_linear_options_and_purchases() -> None:
    put = options((-1.0, 6_000.0, 30.0, False), forward=2_000.0, mark=2.0)
    inverse = okx.report(account(pair(options=put, index=2_000.0)), OKX.options)
    dollars = options((-1.0, 5_900.0, 30.0, True), forward=5_900.0, mark=300.0)
    linear = okx.report(
        account(pair(options=dollars, index=5_000.0, linear=True), currency="USDC"), OKX.options
    )
    resting = (order("6000P30", 1.0, 2.5), order("6000P30", 0.5, 2.0))
    buying = okx.report(account(pair(options=put, index=2_000.0), orders=resting), OKX.options)

    assert inverse.maintenance == pytest.approx(0.03 * 2.0 * 1.02 + 2.0)
    assert linear.initial == pytest.approx(0.15 * 1.02 * 5_000 + 300)
    # Bought back above its margin: only what is above; an order below it holds its fee alone.
    margin = 0.15 * 1.02 + 2.0
    assert buying.initial - inverse.initial == pytest.approx((2.5 - margin) + 1.5 * 0.0002)
    long = replace(put, size=np.ones(1))
    opening = okx.report(account(pair(options=long), orders=resting[:1]), OKX.options)
    assert opening.initial == pytest.approx(2.5 + 0.0002)
    assert okx.report(account(pair(options=long)), OKX.options).maintenance == 0.0


def test_okx_margin_grows_with_the_tier() -> None:
    tiers = (okx.Tier(size_coin_upper=5.0, factor=1.0), okx.Tier(size_coin_upper=9.0, factor=2.0))
    rates = replace(OKX.options, tiers=tiers)

    def needed(size: float) -> float:
        rows = options((-size, 1e5, 30.0, True), forward=1e5, mark=0.0)
        return okx.report(account(pair(options=rows)), rates).initial / size

    assert needed(5.0) == pytest.approx(0.15)
    assert needed(5.1) == needed(50.0) == pytest.approx(0.30)


# -------------------------------------------------------------------------------------------- Bybit


def test_an_option_sold_on_bybit_needs_what_the_venue_works_out() -> None:
    rows = options((-1.0, 40_000.0, 30.0, True), forward=30_000.0, mark=300.0)

    found = bybit.report(
        account(pair(options=rows, index=30_000.0, linear=True), currency="USDT"), BYBIT.options
    )

    assert found.maintenance == pytest.approx(1_260.0)
    assert found.maintenance / 10_000 == pytest.approx(0.126)
    assert found.initial == pytest.approx(3_000 + 300)


def test_a_bybit_purchase_holds_price_and_fee_and_a_sale_its_margin() -> None:
    rows = options((0.0, 42_000.0, 30.0, True), forward=42_000.0, mark=3_000.0)

    def needed(size: float, price: float) -> float:
        held = pair(options=rows, index=42_000.0, linear=True)
        resting = (order("42000C30", size, price),)
        return bybit.report(account(held, currency="USDT", orders=resting), BYBIT.options).initial

    assert needed(0.3, 3_500.0) == pytest.approx(1_053.78)
    assert needed(0.3, 40.0) == pytest.approx(0.3 * 45.0)  # an eighth of the price at most
    assert needed(-1.0, 3_500.0) == pytest.approx(6_300 + 3_500 + 12.6 - 3_500)
    assert needed(-1.0, 2_000.0) == pytest.approx(6_300 + 3_000 + 12.6 - 2_000)


def test_a_deep_bybit_option_is_bounded_by_its_maintenance_margin() -> None:
    rows = options((-1.0, 900_000.0, 30.0, False), forward=30_000.0, mark=870_000.0)

    found = bybit.report(account(pair(options=rows, index=30_000.0, linear=True)), BYBIT.options)

    assert found.initial == found.maintenance == pytest.approx(0.03 * 870_000 + 870_000 + 60)


@pytest.mark.parametrize("model", [okx, bybit])
def test_a_future_where_only_options_are_modelled_is_no_number(model) -> None:
    rates = OKX.options if model is okx else BYBIT.options
    rows = options((-1.0, 1e5, 30.0, True), forward=1e5)
    quiet, held = (futures(("P", size, 1e5, 0.0)) for size in (0.0, 1.0))

    assert model.report(account(pair(options=rows, futures=quiet)), rates).is_whole
    assert not model.report(account(pair(options=rows, futures=held)), rates).is_whole
    asked = account(pair(options=rows, futures=quiet), orders=(order("P", 1.0, 1e5),))
    assert not model.report(asked, rates).is_whole


# ------------------------------------------------------------------------------------------ Paradex


def perps(size: float, mark: float = 90_000.0):
    return pair(futures=futures(("P", size, mark, 0.0)), index=mark, linear=True)


def test_paradex_counts_the_larger_open_side() -> None:
    rates = replace(PARADEX.standard, fee=0.0)
    resting = (order("P", 3.0, 9e4), order("P", -2.0, 9e4))

    found = paradex.report(account(perps(-1.0), currency="USDC", orders=resting), rates)

    assert found.initial == pytest.approx(5_400.0)
    assert found.maintenance == pytest.approx(0.5 * 0.02 * 90_000)
    with_fee = paradex.report(account(perps(-1.0), currency="USDC"), PARADEX.standard)
    assert with_fee.maintenance == pytest.approx(900 + 0.0003 * 90_000)


def test_paradex_options_need_shares_of_the_spot() -> None:
    rows = options(
        (-2.0, 95_000.0, 30.0, True),
        (-1.0, 60_000.0, 30.0, False),
        (3.0, 95_000.0, 30.0, False),
        (1.0, 1_000.0, 30.0, True),
        forward=9e4,
        mark=4_000.0,
    )
    rows = replace(rows, mark=np.array([4_000.0, 200.0, 8_000.0, 89_000.0]))

    found = paradex.report(account(pair(options=rows, index=9e4, linear=True)), PARADEX.standard)

    assert found.positions.initial == pytest.approx([2 * 9_000, 9_000, 3 * 8_000, 18_000])
    assert found.positions.maintenance == pytest.approx([2 * 4_500, 4_500, 3 * 4_000, 9_000])
    assert any("puts" in doubt for doubt in found.doubts)


def test_paradex_charges_at_least_for_delta() -> None:
    deltas = np.array([1.0, -1.5])  # one perpetual, five calls of 0.3 sold

    assert paradex_portfolio.delta_charge(deltas, 70_000.0, PARADEX.portfolio) == pytest.approx(
        1_400
    )


def test_the_worst_paradex_scenario_agrees_with_plain_arithmetic() -> None:
    rows = options((-3.0, 95_000.0, 20.0, True), (-2.0, 80_000.0, 90.0, False), forward=9e4, iv=0.7)
    held = replace(perps(1.0), options=rows)
    given = PARADEX.portfolio

    found = paradex_portfolio.report(account(held, currency="USDC"), given)

    def profit(one: paradex_portfolio.Scenario) -> float:
        total = one.move * 9e4
        for size, k, t, c in zip(rows.size, rows.strike, rows.years, rows.is_call, strict=True):
            power = 0.30 if t * 365 < 30 else 0.13
            vol = 0.7 * (1 + one.vol * (30 / (t * 365)) ** power)
            vol = max(vol, 0.4) if one.vol > 0 else vol
            moved = slowly.black(9e4 * (1 + one.move), k, t, vol, c, 1.0)
            total += size * (moved - slowly.black(9e4, k, t, 0.7, c, 1.0))
        return float(total * one.weight)

    profits = [profit(one) for one in given.scenarios]
    assert found.scenarios.profit == pytest.approx(profits, rel=1e-9, abs=1e-6)
    fee = 0.0003 * 9e4
    assert found.initial == pytest.approx(-min(profits) + fee)
    assert found.maintenance == pytest.approx(-0.5 * min(profits) + fee)
    assert sum(found.positions.initial) == pytest.approx(-min(profits))


def test_a_hedged_paradex_account_still_needs_the_least_charge() -> None:
    both = pair(
        futures=futures(("P", 1.0, 9e4, 0.0), ("Q", -1.0, 9e4, 0.0)), index=9e4, linear=True
    )
    given = replace(PARADEX.portfolio, funding={"BTC": 0.001}, fee=0.0)

    found = paradex_portfolio.report(account(both, currency="USDC"), given)

    provision = 2 * 9e4 * 0.001
    assert found.initial == pytest.approx(0.01 * 9e4 + provision)
    assert found.maintenance == pytest.approx(0.5 * 0.01 * 9e4 + provision)
    blind = options((-1.0, 9e4, 9.0, True), forward=9e4, iv=NAN)
    lost = account(replace(both, options=blind), currency="USDC")
    assert not paradex_portfolio.report(lost, given).is_whole


# -------------------------------------------------------------------------------------- Hyperliquid


def test_hyperliquid_tiers_make_no_jump() -> None:
    tiers = HYPERLIQUID.tiers["BTC"]

    assert hyperliquid.maintenance(tiers, 200e6) == pytest.approx(3.125e6)
    assert 200e6 * 0.025 - hyperliquid.maintenance(tiers, 200e6) == pytest.approx(1.875e6)
    below, above = (hyperliquid.maintenance(tiers, 150e6 * x) for x in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, rel=1e-8)
    assert hyperliquid.maintenance(tiers, 40e6) == pytest.approx(0.5e6)
    assert math.isnan(hyperliquid.maintenance(tiers, NAN))


def test_hyperliquid_margins_perpetuals_and_the_worse_side_of_their_orders() -> None:
    held = account(perps(-100.0, 1e5), currency="USDC", orders=(order("P", -300.0, 1e5),))

    found = hyperliquid.report(held, HYPERLIQUID)

    assert found.positions.initial[0] == pytest.approx(10e6 / 40)
    assert found.initial == pytest.approx(40e6 / 40)
    assert found.maintenance == pytest.approx(10e6 / 80)
    large = hyperliquid.report(account(perps(2_000.0, 1e5), currency="USDC"), HYPERLIQUID)
    assert large.initial == pytest.approx(200e6 / 20)
    careful = replace(HYPERLIQUID, leverage_set={"BTC": 5.0})
    assert hyperliquid.report(held, careful).initial == pytest.approx(40e6 / 5)


def test_an_option_on_hyperliquid_is_no_number() -> None:
    rows = options((1.0, 9e4, 9.0, True), forward=9e4)

    assert not hyperliquid.report(account(pair(options=rows, linear=True)), HYPERLIQUID).is_whole


@pytest.mark.parametrize("size", [2.0, -2.0])
def test_at_the_liquidation_price_nothing_is_left_over_maintenance(size: float) -> None:
    equity, leverage, price = 9_000.0, 40.0, 1e5
    kept = abs(size) * price * 0.5 / leverage

    closed = hyperliquid.liquidation_price(
        price=price, size_coin=size, available=equity - kept, leverage=leverage
    )

    left = equity + size * (closed - price)
    assert left == pytest.approx(abs(size) * closed * 0.5 / leverage)


def test_a_sale_on_okx_holds_at_least_the_least_for_an_opening() -> None:
    rows = options((0.0, 6_000.0, 30.0, True), forward=5_900.0, mark=0.0575)
    resting = (order("6000C30", -1.0, 0.15),)

    found = okx.report(account(pair(options=rows, index=5_900.0), orders=resting), OKX.options)

    assert found.initial == pytest.approx(0.10 + 0.0002)


def test_hyperliquid_deductions_add_up_over_the_tiers() -> None:
    bounds = ((0.0, 20.0), (100.0, 10.0), (200.0, 5.0))
    tiers = tuple(hyperliquid.Tier(usd_lower=usd, leverage=most) for usd, most in bounds)

    assert hyperliquid.maintenance(tiers, 300.0) == pytest.approx(2.5 + 5.0 + 10.0)
