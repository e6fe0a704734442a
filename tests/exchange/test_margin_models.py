"""Accounts under standard and portfolio margin, segregated and cross: needs, funds, changes."""

import random
from decimal import Decimal
from typing import Any

import pytest

from bot.core.margin import deribit_portfolio, deribit_standard
from bot.exchange.commands import Answer, Refused
from bot.exchange.contracts import BTC_USD, BTC_USDC, future, parse_name
from bot.exchange.engine import Engine
from bot.exchange.margins import (
    Claims,
    Holding,
    MarginMemory,
    account_of,
    need,
    orders_share,
    standard,
)
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.situation import Situation
from bot.exchange.venue_commands import SetMarginModel, Shock
from tests.exchange.engine_builders import BUY, IOC, SELL, START_MS, order, placed, refused
from tests.exchange.wandering_market import EXPIRIES_MS, WanderingMarket, options_of
from tests.exchange.wire import PERPETUAL, RpcFailedError, hall

SM, PM = MarginModel.SEGREGATED_SM, MarginModel.SEGREGATED_PM
CROSS_SM, CROSS_PM = MarginModel.CROSS_SM, MarginModel.CROSS_PM
LINEAR = "BTC_USDC-PERPETUAL"
CALL, PUT = options_of(BTC_USD, START_MS)[-2:]
FUTURE = future(BTC_USD, EXPIRIES_MS[-1]).name
STRANGLE = {CALL.name: -2.0, PUT.name: -2.0}


def venue(
    model: MarginModel,
    positions: dict[str, float] | None = None,
    equity: dict[str, float] | None = None,
) -> Engine:
    opening = OpeningAccount(
        name="demo",
        equity=equity or {"BTC": 5.0, "ETH": 50.0, "USDC": 200_000.0},
        positions=positions or {},
        margin_model=model,
    )
    return Engine(market=WanderingMarket(), rules=Rules(), accounts=[opening])


def situation(place: Engine, currency: str = "BTC") -> Situation:
    return place.desk.situation("demo", currency, place.now_ms)


@pytest.mark.parametrize("seed", range(20))
def test_instruments_margined_alone_add_up_to_the_model_s_report(seed: int) -> None:
    rng = random.Random(seed)
    board = WanderingMarket()
    place = Engine(market=board, rules=Rules(), accounts=[])
    pair = rng.choice((BTC_USD, BTC_USDC))
    contracts = [*options_of(pair, START_MS), parse_name(f"{pair.prefix}-PERPETUAL")]
    holdings = []
    for contract in contracts:
        unit = 100_000.0 if contract.is_sized_in_usd else 1.0
        buys = rng.choice((0.0, rng.uniform(0.1, 60.0))) * unit
        holdings.append(
            Holding(
                contract=contract,
                size=rng.uniform(-40.0, 40.0) * unit,
                buys=buys,
                sells=rng.choice((0.0, rng.uniform(0.1, 60.0))) * unit,
                premium=buys * 0.01 if contract.is_option else 0.0,
            )
        )
    claims = Claims(currency=pair.settlement_currency, currency_usd=1.0, holdings=tuple(holdings))
    rates = place.rules.standard_margin

    report = standard(place.desk.board, rates, claims)
    alone = [need(place.desk.board, rates, holding) for holding in holdings]

    assert sum(one.initial + one.orders for one in alone) == pytest.approx(report.initial)
    assert sum(one.maintenance for one in alone) == pytest.approx(report.maintenance)
    assert sum(one.orders for one in alone) == pytest.approx(orders_share(report))


@pytest.mark.parametrize("model", [SM, PM, CROSS_SM, CROSS_PM])
def test_what_is_remembered_is_what_is_worked_out_anew(model: MarginModel) -> None:
    place, rng = venue(model, STRANGLE), random.Random(3)
    for turn in range(30):
        name = rng.choice((CALL.name, PUT.name, PERPETUAL, LINEAR))
        size = {PERPETUAL: 5_000, LINEAR: 0.05}.get(name, 0.1)
        price = {PERPETUAL: 99_000, LINEAR: 99_000}.get(name, 0.0005)
        side = rng.choice((BUY, SELL))
        if rng.random() < 0.5:
            place.handle(order(side, size, name=name))
        elif side is BUY:
            place.handle(order(BUY, size, price, name=name))
        if turn % 7 == 6:
            place.advance(place.now_ms + 1_000)
        for currency in ("BTC", "USDC"):
            known = situation(place, currency)
            fresh = Situation(
                rules=known.rules,
                board=known.board,
                paid_of=known.paid_of,
                wallet=known.wallet,
                open_orders=known.open_orders,
                model=known.model,
                beside=known.beside,
                memory=MarginMemory(),
            )
            assert known.margins().initial == pytest.approx(
                fresh.margins().initial, rel=1e-12, abs=1e-12
            )
            assert known.margins().maintenance == pytest.approx(
                fresh.margins().maintenance, rel=1e-12, abs=1e-12
            )
            assert known.margins().open_orders == pytest.approx(
                fresh.margins().open_orders, abs=1e-9
            )


def test_a_portfolio_account_needs_what_the_model_says_of_its_positions() -> None:
    place = venue(PM, {**STRANGLE, PERPETUAL: -50_000})
    board, at = place.desk.board, situation(place)

    asked = deribit_portfolio.report(
        account_of(board, at.claims(), "BTC"), place.rules.portfolio_margin
    )
    view = place.account("demo", "BTC")

    assert view.initial_margin == asked.initial
    assert view.maintenance_margin == pytest.approx(0.8 * asked.initial, abs=1e-9)
    assert view.margin_balance == view.equity
    assert view.available_funds == view.equity - asked.initial


def test_a_portfolio_account_nets_a_spread_that_a_standard_account_pays_in_full() -> None:
    spread = {CALL.name: -2.0, options_of(BTC_USD, START_MS)[-4].name: 2.0}
    standard_view, portfolio_view = (
        venue(model, spread).account("demo", "BTC") for model in (SM, PM)
    )

    assert portfolio_view.initial_margin < 0.8 * standard_view.initial_margin
    assert standard_view.margin_balance == pytest.approx(
        standard_view.equity - standard_view.options_value
    )


@pytest.mark.parametrize("model", [CROSS_SM, CROSS_PM])
def test_in_a_cross_account_every_currency_answers_for_every_other(model: MarginModel) -> None:
    held = {PERPETUAL: 300_000.0, LINEAR: -1.0}
    rich_elsewhere = {"BTC": 0.01, "ETH": 300.0, "USDC": 50_000.0}
    alone, together = (venue(one, {}, rich_elsewhere) for one in (MarginModel.SEGREGATED_SM, model))
    big = order(SELL, 300_000, 99_000.0, tif=IOC)
    assert refused(alone.handle(big)).code == 10009
    assert placed(together.handle(big)).order.filled_amount > 0

    place = venue(model, held)
    views = {currency: place.account("demo", currency) for currency in place.currencies}
    usd = {"BTC": 100_000.0, "ETH": 3_000.0, "USDC": 1.0}
    totals = views["BTC"].totals_usd
    assert totals is not None
    for name in ("initial_margin", "maintenance_margin", "margin_balance"):
        converted = {getattr(view, name) * usd[c] for c, view in views.items()}
        assert max(converted) == pytest.approx(min(converted)), name
        assert max(converted) == pytest.approx(getattr(totals, name)), name
    assert totals.equity == pytest.approx(sum(v.equity * usd[c] for c, v in views.items()))


def test_cross_standard_margin_adds_up_what_the_currencies_need() -> None:
    held = {PERPETUAL: 300_000.0, LINEAR: -3.0}
    add_up = sum(
        venue(SM, held).account("demo", currency).initial_margin * unit
        for currency, unit in (("BTC", 100_000.0), ("USDC", 1.0))
    )

    totals = venue(CROSS_SM, held).account("demo", "BTC").totals_usd

    assert totals is not None
    assert totals.initial_margin == pytest.approx(add_up)


def test_without_funds_a_portfolio_account_may_hedge_and_a_bare_increase_is_refused() -> None:
    place = venue(PM, {CALL.name: -4.0}, {"BTC": 0.3, "ETH": 0.0, "USDC": 0.0})
    before = place.account("demo", "BTC")
    assert before.available_funds < 0

    hedged = place.handle(order(BUY, 20_000, 100_500.0, tif=IOC))
    worse = place.handle(order(SELL, 20_000, 99_500.0, tif=IOC))

    assert placed(hedged).order.filled_amount == 20_000
    assert place.account("demo", "BTC").initial_margin < before.initial_margin
    assert refused(worse).code == 10009  # it reduces the perpetual, and raises the margin


def test_a_model_that_the_account_cannot_afford_is_refused_unless_the_house_forces_it() -> None:
    place = venue(PM, {PERPETUAL: 1_000_000.0, FUTURE: -1_000_000.0}, {"BTC": 0.3})
    for model, forced in ((SM, False), (CROSS_SM, False), (SM, True)):
        answer = place.handle(SetMarginModel(account="demo", model=model, forced=forced))
        if forced:
            assert isinstance(answer, Answer)
        else:
            assert isinstance(answer, Refused)
            assert "exceeds 0.30000000 BTC" in str(answer.data["reason"])
    assert place.margin_model("demo") is SM


def test_the_model_is_changed_by_the_client_shown_first_and_said_in_every_summary() -> None:
    client = hall(book="demo", sim=True).client().login()
    before = summary(client)

    dry = client.call("private/change_margin_model", margin_model="segregated_pm", dry_run=True)
    assert summary(client) == before
    done = client.call("private/change_margin_model", margin_model="segregated_pm")
    assert done == dry
    after = summary(client)

    btc = next(row for row in done if row["currency"] == "BTC")
    assert btc["old_state"]["available_balance"] == before["available_funds"]
    assert btc["new_state"]["available_balance"] == after["available_funds"]
    assert (after["margin_model"], after["portfolio_margining_enabled"]) == ("segregated_pm", True)
    assert not after["cross_collateral_enabled"]
    assert after["margin_balance"] == after["equity"]
    assert "estimated_liquidation_ratio" not in after
    with pytest.raises(RpcFailedError, match="must be one of"):
        client.call("private/change_margin_model", margin_model="isolated")


def summary(client: Any, currency: str = "BTC") -> Any:
    return client.call("private/get_account_summary", currency=currency)


def test_an_exchange_may_open_with_cross_portfolio_margin() -> None:
    client = hall(book="demo", margin_model=CROSS_PM).client().login()
    btc, usdc = summary(client), summary(client, "USDC")

    assert btc["margin_model"] == usdc["margin_model"] == "cross_pm"
    assert btc["cross_collateral_enabled"]
    assert btc["total_initial_margin_usd"] == pytest.approx(usdc["initial_margin"], rel=1e-6)
    assert btc["total_maintenance_margin_usd"] == pytest.approx(
        0.8 * btc["total_initial_margin_usd"], rel=1e-6
    )


def test_a_standard_account_s_figures_are_the_core_model_s() -> None:
    place = venue(SM, {**STRANGLE, PERPETUAL: -50_000})
    at = situation(place)
    asked = deribit_standard.report(
        account_of(place.desk.board, at.claims(), "BTC"), place.rules.standard_margin
    )
    view = place.account("demo", "BTC")
    assert (view.initial_margin, view.maintenance_margin) == (asked.initial, asked.maintenance)
    place.handle(Shock(underlying="BTC", move=-0.05))
    place.advance(place.now_ms + 1_000)
    assert place.account("demo", "BTC").initial_margin != view.initial_margin
    assert Decimal(0) == place.excess("BTC")
