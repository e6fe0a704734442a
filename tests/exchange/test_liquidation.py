"""Liquidation in rounds: who is reduced, in which order, at what fee, and who pays the rest."""

import random
from decimal import Decimal

import pytest

from bot.exchange.commands import Answer
from bot.exchange.contracts import BTC_USD, BTC_USDC, Pair
from bot.exchange.engine import Engine
from bot.exchange.liquidation import maintenance_at_most
from bot.exchange.reports import CancelReason, Direction, FillCause, OrderState
from bot.exchange.rules import OpeningAccount, Rules
from bot.exchange.statement import EntryKind
from bot.exchange.venue_commands import Shock
from tests.exchange.engine_builders import BUY, START_MS, order, placed
from tests.exchange.test_conservation import assert_books_balance
from tests.exchange.wandering_market import WanderingMarket, options_of

PERP, LINEAR = "BTC-PERPETUAL", "BTC_USDC-PERPETUAL"
CALL, PUT = (contract.name for contract in options_of(BTC_USD, START_MS)[-2:])


def squeezed(
    positions: dict[str, float], equity: dict[str, float]
) -> tuple[WanderingMarket, Engine]:
    market = WanderingMarket(pairs=(BTC_USD, BTC_USDC))
    opening = OpeningAccount(name="demo", equity=equity, positions=positions)
    return market, Engine(market=market, rules=Rules(), accounts=[opening])


def rounds(venue: Engine, count: int) -> None:
    for _ in range(count):
        venue.advance(venue.now_ms + 1_000)


def test_a_wallet_with_margin_to_spare_is_left_alone() -> None:
    _, venue = squeezed({PERP: 100_000}, {"BTC": 1.0})
    rounds(venue, 5)
    assert venue.ledger_fills() == []


@pytest.mark.parametrize(
    ("name", "size", "currency", "equity", "move"),
    [(PERP, 1_000_000, "BTC", 0.5, -0.04), (LINEAR, -10.0, "USDC", 50_000.0, 0.045)],
)
def test_a_wallet_under_its_maintenance_is_reduced_a_quarter_a_second(
    name: str, size: float, currency: str, equity: float, move: float
) -> None:
    _, venue = squeezed({name: size}, {currency: equity})
    resting = placed(venue.handle(order(BUY, 0.1, 0.0001, name=CALL))).order if size > 0 else None
    venue.handle(Shock(underlying="BTC", move=move))
    rounds(venue, 1)
    (fill, *_) = fills = venue.ledger_fills()
    assert {each.cause for each in fills} == {FillCause.LIQUIDATION}
    assert sum(each.amount for each in fills) == Decimal(str(abs(size))) / 4
    assert fill.direction is (Direction.SELL if size > 0 else Direction.BUY)
    liquidating = venue.order("demo", fill.order_id)
    assert liquidating is not None
    assert liquidating.is_liquidation
    if resting is not None:
        gone = venue.order("demo", resting.order_id)
        assert gone is not None
        assert gone.cancel_reason is CancelReason.AUTOLIQUIDATION
    rounds(venue, 60)
    view = venue.account("demo", currency)
    assert view.maintenance_margin < view.margin_balance or not venue.ledger_positions("demo")
    assert_books_balance_of(venue)


def assert_books_balance_of(venue: Engine) -> None:
    for currency in venue.currencies:
        assert venue.excess(currency) == 0


def test_the_liquidation_fee_goes_to_the_insurance_fund() -> None:
    _, venue = squeezed({PERP: 1_000_000}, {"BTC": 0.5})
    venue.handle(Shock(underlying="BTC", move=-0.04))
    rounds(venue, 1)
    fills = venue.ledger_fills()
    notional = sum(float(fill.amount / fill.price) for fill in fills)
    assert float(venue.insurance_fund("BTC")) == pytest.approx(0.01 * notional)
    rows = [r for r in venue.statement("demo", "BTC") if r.subject.kind is EntryKind.LIQUIDATION]
    assert sum(float(row.subject.commission) for row in rows) == pytest.approx(0.01 * notional)
    assert all(float(row.change) < 0 for row in rows)


def test_futures_are_reduced_before_options_and_short_options_before_long_ones() -> None:
    held = {PERP: 50_000.0, CALL: -6.0, PUT: 1.0}
    _, venue = squeezed(held, {"BTC": 0.6})
    venue.handle(Shock(underlying="BTC", move=0.12))
    rounds(venue, 120)
    order_of = list(dict.fromkeys(fill.instrument_name for fill in venue.ledger_fills()))
    assert order_of[:2] == [PERP, CALL]
    assert PUT not in order_of[:2]
    assert_books_balance_of(venue)


def test_what_a_bankrupt_wallet_owes_is_paid_by_the_insurance_fund() -> None:
    _, venue = squeezed({PERP: 1_000_000}, {"BTC": 0.4})
    venue.handle(Shock(underlying="BTC", move=-0.25))
    rounds(venue, 60)
    view = venue.account("demo", "BTC")
    assert venue.ledger_positions("demo") == {}
    assert view.equity == pytest.approx(0.0, abs=1e-12)
    assert venue.insurance_fund("BTC") < 0
    assert_books_balance_of(venue)


def test_without_quotes_the_round_waits_for_them() -> None:
    market, venue = squeezed({PERP: 1_000_000}, {"BTC": 0.5})
    market.is_quoted = False
    venue.handle(Shock(underlying="BTC", move=-0.04))
    rounds(venue, 3)
    assert venue.ledger_fills() == []
    assert venue.ledger_positions("demo") == {PERP: 1_000_000}
    market.is_quoted = True
    rounds(venue, 1)
    assert venue.ledger_fills()


def test_rounds_come_once_a_second_of_market_however_often_frames_do() -> None:
    _, venue = squeezed({PERP: 1_000_000}, {"BTC": 0.5})
    venue.handle(Shock(underlying="BTC", move=-0.04))
    for _ in range(10):
        venue.advance(venue.now_ms + 100)
    orders = [each for each in venue.ledger_orders() if each.is_liquidation]
    assert 1 <= len(orders) <= 2
    assert all(each.order_state is not OrderState.OPEN for each in orders)


def test_everything_stays_balanced_through_a_liquidation() -> None:
    market = WanderingMarket()
    opening = OpeningAccount(name="demo", equity={"BTC": 0.5}, positions={PERP: 1_000_000})
    venue = Engine(market=market, rules=Rules(), accounts=[opening])
    assert isinstance(venue.handle(Shock(underlying="BTC", move=-0.1)), Answer)
    rounds(venue, 30)
    assert_books_balance(venue)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pair", [BTC_USD, BTC_USDC])
def test_no_account_passes_for_safe_that_holds_less_than_it_must(pair: Pair, seed: int) -> None:
    rng = random.Random(seed)
    held = {
        contract.name: round(rng.uniform(-20.0, 5.0), 1)
        for contract in rng.sample(options_of(pair, START_MS), 4)
    }
    perpetual = f"{pair.prefix}-PERPETUAL"
    held[perpetual] = rng.choice((-1.0, 1.0)) * (3.0 if pair.is_linear else 300_000)
    opening = OpeningAccount(name="demo", equity={"BTC": 500.0, "USDC": 5e7}, positions=held)
    venue = Engine(market=WanderingMarket(), rules=Rules(), accounts=[opening])
    for move in (-0.6, 1.0, 0.5):  # a put deep in the money is worth more than a coin
        venue.handle(Shock(underlying="BTC", move=move))
        venue.advance(venue.now_ms + 1_000)
        at = venue.desk.situation("demo", pair.settlement_currency, venue.now_ms)
        exact = at.margins().maintenance
        assert exact <= maintenance_at_most(at) <= 1.2 * exact
