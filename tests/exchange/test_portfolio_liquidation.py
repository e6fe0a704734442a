"""Liquidation of portfolio accounts: the venue hedges first, opening a perpetual for that."""

import pytest

from bot.exchange.contracts import BTC_USD, perpetual
from bot.exchange.engine import Engine
from bot.exchange.reports import CancelReason, FillCause
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.venue_commands import Shock
from tests.exchange.engine_builders import BUY, START_MS, order, placed
from tests.exchange.test_conservation import assert_books_balance
from tests.exchange.test_liquidation import rounds
from tests.exchange.wandering_market import WanderingMarket, options_of
from tests.exchange.wire import PERPETUAL, hall

CALL, PUT = options_of(BTC_USD, START_MS)[-2:]
ETH_PERPETUAL = "ETH-PERPETUAL"


def squeezed(model: MarginModel, positions: dict[str, float], equity: dict[str, float]) -> Engine:
    opening = OpeningAccount(name="demo", equity=equity, positions=positions, margin_model=model)
    return Engine(market=WanderingMarket(), rules=Rules(), accounts=[opening])


def test_the_venue_opens_a_hedge_before_it_touches_the_options() -> None:
    place = squeezed(MarginModel.SEGREGATED_PM, {PUT.name: -6.0, CALL.name: -4.0}, {"BTC": 0.6})
    resting = placed(place.handle(order(BUY, 0.1, 0.0001, name=CALL.name))).order
    place.handle(Shock(underlying="BTC", move=-0.13))
    rounds(place, 1)

    (first, *_) = fills = place.ledger_fills()
    assert first.instrument_name == perpetual(BTC_USD).name
    assert {fill.direction.value for fill in fills} == {"sell"}
    assert {fill.cause for fill in fills} == {FillCause.LIQUIDATION}
    gone = place.order("demo", resting.order_id)
    assert gone is not None
    assert gone.cancel_reason is CancelReason.AUTOLIQUIDATION
    rounds(place, 120)
    traded = [fill.instrument_name for fill in place.ledger_fills()]
    assert PUT.name in traded
    assert traded.index(PUT.name) > 1
    view = place.account("demo", "BTC")
    assert view.maintenance_margin < view.margin_balance
    assert_books_balance(place)


@pytest.mark.parametrize("model", list(MarginModel))
def test_every_model_s_liquidation_ends_and_keeps_the_books(model: MarginModel) -> None:
    held = {PUT.name: -8.0, CALL.name: -3.0, PERPETUAL: -100_000.0, ETH_PERPETUAL: 60_000.0}
    place = squeezed(model, held, {"BTC": 1.4, "ETH": 2.0})
    place.handle(Shock(underlying="BTC", move=-0.2))
    rounds(place, 400)

    fills = place.ledger_fills()
    assert fills
    assert {fill.cause for fill in fills} == {FillCause.LIQUIDATION}
    at = place.desk.situation("demo", "BTC", place.now_ms)
    assert at.margins().maintenance < at.margin_balance() or not place.ledger_positions("demo")
    assert_books_balance(place)


def test_a_cross_account_s_other_currencies_are_liquidated_with_it_and_save_it() -> None:
    held = {PUT.name: -6.0}
    thin, fat = {"BTC": 0.6, "ETH": 0.0}, {"BTC": 0.6, "ETH": 200.0}
    for model, equity, lives in (
        (MarginModel.SEGREGATED_SM, fat, False),
        (MarginModel.CROSS_SM, fat, True),
        (MarginModel.CROSS_SM, thin, False),
    ):
        place = squeezed(model, held, equity)
        place.handle(Shock(underlying="BTC", move=-0.1))
        rounds(place, 3)
        assert (place.ledger_fills() == []) is lives, (model, equity)


def test_what_a_cross_account_owes_in_one_currency_is_first_paid_by_the_others() -> None:
    place = squeezed(MarginModel.CROSS_SM, {PERPETUAL: 1_000_000.0}, {"BTC": 0.2, "ETH": 10.0})
    place.handle(Shock(underlying="BTC", move=-0.25))
    rounds(place, 80)

    assert place.ledger_positions("demo") == {}
    views = {currency: place.account("demo", currency) for currency in ("BTC", "ETH")}
    owed_usd = views["BTC"].equity * 75_000 + views["ETH"].equity * 3_000
    assert owed_usd == pytest.approx(0.0, abs=1e-3)
    assert views["ETH"].equity == pytest.approx(10.0)
    assert place.insurance_fund("BTC") < 0
    assert_books_balance(place)


def test_the_client_is_told_which_of_its_fills_were_liquidations() -> None:
    world = hall(book="none", equity_coin=1.0, sim=True, margin_model=MarginModel.SEGREGATED_PM)
    client = world.client().login()
    client.call("private/subscribe", channels=["user.trades.any.any.raw"])
    client.call("private/sell", instrument_name=PERPETUAL, amount=500_000, type="market")
    client.told("user.trades.any.any.raw")

    world.floor.accept(world.floor.engine.handle(Shock(underlying="BTC", move=0.15)))
    for _ in range(5):
        world.pass_ms(1_000)

    told = [trade for data in client.told("user.trades.any.any.raw") for trade in data]
    assert told
    assert {trade["liquidation"] for trade in told} == {"T"}
    assert {trade["order_type"] for trade in told} == {"liquidation"}
    assert all(trade["fee"] > 0 for trade in told)
