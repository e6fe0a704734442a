"""Linear books: golden values, and each cell of the convention table by hand.

F = 100,500, S = 100,000, K = 110,000, T = 30/365, vol 0.50, rate 0.04, P = 100,200; the figures are
from the formula with the error function of the C library, not from the kernel.
"""

from dataclasses import replace
from decimal import Decimal
from math import nan

import pytest

from bot.core import units
from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure, Unpriced, exposure_of
from bot.core.instruments import Kind
from bot.core.quotes import QuotePolicy
from bot.quant.conventions import Convention
from tests.builders import START_MS, submits
from tests.core.pairs import BTC, BTC_USDC, ETH, ETH_USDC, Account, Market

CALL, PUT = BTC_USDC.option(110_000, "C"), BTC_USDC.option(110_000, "P")
CALM = replace(BTC_USDC, vol=0.5)
MONTH_MS = 30 * units.MS_PER_DAY
CALL_USD, PUT_USD = 2408.69190774, 11877.5103165
CALL_DELTA, PUT_DELTA = 0.288765335103, -0.712935980774
VEGA_USD, THETA_USD, GAMMA_COIN = 98.027080034, -81.6892333617, 0.0238532561416


def valued(account: Account, plan: BookPlan) -> Exposure:
    found = exposure_of(account.world.state, plan.book, QuotePolicy())
    assert isinstance(found, Exposure), found
    return found


def opened(plan: BookPlan, held: dict[str, str], market: Market = CALM, **terms: float) -> Account:
    """An account of one linear book, quoted 300 ms after the start, 30 days before expiry."""
    expiry_ms = START_MS + 300 + int(terms.pop("left_ms", MONTH_MS))
    equity = {"USDC": terms.pop("equity", 1e6)}
    return Account(plan, held=held, equity=equity, expiry_ms=expiry_ms, markets=[market]).quotes()


def test_a_linear_call_and_put_have_their_golden_numbers() -> None:
    plan = CALM.plan(Convention.USD)
    call = valued(opened(plan, {CALL: "10"}), plan)
    put = valued(opened(plan, {PUT: "-2"}), plan)

    assert call.options_delta_coin == pytest.approx(10 * CALL_DELTA, rel=1e-9)
    assert put.options_delta_coin == pytest.approx(-2 * PUT_DELTA, rel=1e-9)
    assert call.options_value_coin == pytest.approx(10 * CALL_USD / 100_000, rel=1e-9)
    assert put.options_value_coin == pytest.approx(-2 * PUT_USD / 100_000, rel=1e-9)
    assert call.vega_usd_per_vol_point == pytest.approx(10 * VEGA_USD, rel=1e-9)
    assert call.theta_usd_per_day == pytest.approx(10 * THETA_USD, rel=1e-9)
    assert call.gamma_coin_per_percent == pytest.approx(10 * GAMMA_COIN, rel=1e-9)
    assert (call.is_linear, call.index_usd, call.hedge_mark_usd) == (True, 100_000.0, 100_200.0)


def test_a_book_whose_discount_factor_is_no_number_has_none_either() -> None:
    plan = CALM.plan(Convention.USD)
    state = opened(plan, {CALL: "10"}).world.state
    blind = replace(state, table=replace(state.table, discount=0.0 * state.table.discount + nan))

    assert exposure_of(blind, plan.book, QuotePolicy()) == Unpriced(
        reason="the forward or discount factor of an option is no number"
    )


@pytest.mark.parametrize(
    ("convention", "equity_coin"),
    [(Convention.USD, 0.0), (Convention.BOOK, 0.0), (Convention.COIN, -0.25 * 10.0)],
)
def test_linear_conventions_differ_by_what_the_collateral_is_worth(convention, equity_coin) -> None:
    plan = CALM.plan(convention, share=0.25)
    seen = valued(opened(plan, {CALL: "10", CALM.perp: "-2.5"}), plan)

    assert seen.equity_delta_coin == pytest.approx(equity_coin)
    assert seen.hedge_delta_coin == pytest.approx(-2.5 * 1.002)
    assert seen.delta_coin == pytest.approx(10 * CALL_DELTA - 2.5 * 1.002 + equity_coin)


def test_a_forward_that_moves_less_than_the_spot_takes_less_hedge() -> None:
    kinds = (Kind.OPTION, Kind.FUTURE)
    held = {CALL: "10", CALM.future: "2"}
    stiff, soft = (
        CALM.plan(Convention.USD, elasticity=elasticity, kinds=kinds) for elasticity in (1.0, 0.9)
    )
    whole = valued(opened(stiff, held), stiff)
    less = valued(opened(soft, held), soft)

    assert whole.options_delta_coin == pytest.approx(10 * CALL_DELTA + 2 * 1.005, rel=1e-9)
    assert less.options_delta_coin == pytest.approx(0.9 * whole.options_delta_coin, rel=1e-9)
    assert less.gamma_coin_per_percent == pytest.approx(0.81 * whole.gamma_coin_per_percent)


@pytest.mark.parametrize(("left_minutes", "weight"), [(30, 1.0), (15, 0.5), (3, 0.1)])
def test_in_the_settlement_window_linear_deltas_decay(left_minutes, weight) -> None:
    deep = CALM.option(50_000, "C")
    plan = CALM.plan(Convention.USD, kinds=(Kind.OPTION, Kind.FUTURE))
    held = {deep: "10", CALM.future: "2"}
    seen = valued(opened(plan, held, left_ms=left_minutes * units.MS_PER_MINUTE), plan)

    # Deep in the money D = 1, and minutes before expiry the discount factor is 1 as well.
    assert seen.options_delta_coin == pytest.approx(12 * 1.005 * weight, rel=1e-5)


def test_a_hedge_that_is_being_settled_hedges_no_more() -> None:
    plan = CALM.plan(Convention.USD)
    dated = replace(plan, book=replace(plan.book, hedge_instrument=CALM.future))
    early = opened(dated, {CALL: "-1"}, left_ms=31 * units.MS_PER_MINUTE)
    late = opened(dated, {CALL: "-1"}, left_ms=30 * units.MS_PER_MINUTE - 1)

    assert valued(early, dated).hedge_coin_per_native == pytest.approx(1.005)
    assert exposure_of(late.world.state, dated.book, QuotePolicy()) == Unpriced(
        reason=f"{CALM.future} is being settled and hedges no more"
    )


def test_an_inverse_future_hedges_at_its_own_mark_and_with_its_elasticity() -> None:
    plan = BTC.plan(Convention.COIN, elasticity=0.9)
    dated = replace(plan, book=replace(plan.book, hedge_instrument=BTC.future))
    seen = valued(Account(dated, held={BTC.future: "100500"}).quotes(), dated)

    assert seen.hedge_delta_coin == pytest.approx(0.9)
    assert seen.hedge_coin_per_native == pytest.approx(0.9 / 100_500)


@pytest.mark.parametrize(
    ("market", "native"),
    [(BTC, lambda x: -x * 100_200), (ETH, lambda x: -x * 3_006),
     (BTC_USDC, lambda x: -x / 1.002), (ETH_USDC, lambda x: -x / 1.002)],
    ids=["btc", "eth", "btc_usdc", "eth_usdc"],
)  # fmt: skip
def test_each_book_trades_what_cancels_its_delta_at_the_perpetuals_mark(market, native) -> None:
    strike = 110_000 if market.underlying == "BTC" else 3_300
    plan = market.plan(Convention.BOOK, band_low_coin=-0.1, band_high_coin=0.1)
    account = Account(plan, held={market.option(strike, "C"): "-3"})
    account.quotes()
    (order,) = submits(account.world.last.actions if account.world.last else ())
    seen = valued(account, plan)

    assert order.instrument == market.perp
    lot = account.terms[market.perp].lot
    assert abs(order.size_native - Decimal(native(seen.delta_coin))) < lot
    assert order.size_native % lot == 0
    # In flight: the delta is an interval that ends within a lot of the target.
    assert abs(seen.delta_high_coin) <= float(lot) * seen.hedge_coin_per_native
    assert seen.delta_low_coin == seen.delta_coin
