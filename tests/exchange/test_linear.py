"""Linear contracts, dated futures and a second coin: profit, funding, margins, delivery, deltas."""

import math
from collections.abc import Mapping
from decimal import Decimal

import pytest

from bot.exchange.contracts import BTC_USD, BTC_USDC, ETH_USD, Pair, future, option, perpetual
from bot.exchange.engine import Engine
from bot.exchange.market import MarketFrame
from bot.exchange.rules import FeeRules, FundingRules, OpeningAccount, Rules
from bot.quant.black76 import greeks
from tests.exchange.engine_builders import (
    BUY,
    DAY_MS,
    EXPIRY_MS,
    IOC,
    LINEAR_RATE,
    START_MS,
    ScriptedMarket,
    frame,
    order,
    placed,
    refused,
)

PERP = "BTC_USDC-PERPETUAL"
CALL = option(BTC_USDC, EXPIRY_MS, 110_000.0, True)
PUT = option(BTC_USDC, EXPIRY_MS, 90_000.0, False)
FUTURE = future(BTC_USD, EXPIRY_MS)
HOUR_MS = 3_600_000
FREE = Rules(funding=FundingRules(cap_8h=0.0), fees=FeeRules(perp_taker=0.0))


def usdc(at_ms: int = START_MS, **words: object) -> MarketFrame:
    """A linear frame with a call and a put."""
    words = {"pair": BTC_USDC, "contracts": (CALL, PUT), "depth": ((0, 50.0),)} | words
    return frame(at_ms, **words)  # type: ignore[arg-type]


def linear(
    *script: MarketFrame,
    positions: Mapping[str, float] | None = None,
    equity: float = 1_000_000.0,
    rules: Rules | None = None,
) -> Engine:
    opening = OpeningAccount(name="demo", equity={"USDC": equity}, positions=positions or {})
    market = ScriptedMarket(script or (usdc(),))
    return Engine(market=market, rules=rules or Rules(), accounts=[opening])


def test_a_linear_perpetual_earns_the_difference_of_the_prices_in_usdc() -> None:
    venue = linear(usdc(), usdc(START_MS + 1_000, index=103_000.0), rules=FREE)
    placed(venue.handle(order(BUY, 2.5, 100_001.0, name=PERP, tif=IOC)))
    venue.advance(START_MS + 1_000)
    view = venue.account("demo", "USDC")
    assert view.futures_session_upl == pytest.approx(2.5 * 2_999.0, rel=1e-12)
    assert view.equity == pytest.approx(1_000_000 + 2.5 * 2_999.0, rel=1e-14)
    held = venue.position("demo", PERP)
    assert held is not None
    assert (held.size_coin, held.delta, held.currency) == (2.5, 2.5, "USDC")


def test_a_linear_long_pays_funding_on_its_coins_worth_of_index() -> None:
    venue = linear(usdc(mark=100_125.0), positions={PERP: 2.0})
    before = venue.equity("demo", "USDC")
    venue.advance(START_MS + HOUR_MS)
    assert before - venue.equity("demo", "USDC") == pytest.approx(2 * 100_000 * 0.001 / 8)


def test_a_linear_option_s_premium_and_fee_are_usdc_and_its_mark_is_discounted() -> None:
    venue = linear()
    ticker = venue.ticker(CALL.name)
    assert ticker is not None
    assert ticker.option is not None
    years = (EXPIRY_MS - START_MS) / (365 * DAY_MS)
    model = greeks(100_000.0, 110_000.0, years, 0.60, True, math.exp(-LINEAR_RATE * years))
    assert ticker.mark_price == pytest.approx(float(model.price))
    assert ticker.option.delta == pytest.approx(float(model.delta))
    assert ticker.option.interest_rate == pytest.approx(LINEAR_RATE)
    assert ticker.best_ask_price is not None
    price = float(ticker.best_ask_price)
    placed(venue.handle(order(BUY, 2, price, name=CALL.name, tif=IOC)))
    view = venue.account("demo", "USDC")
    assert view.balance == pytest.approx(1_000_000 - 2 * price - 2 * 0.0003 * 100_000)
    assert view.options_value == pytest.approx(2 * ticker.mark_price)
    assert view.delta_total_map == {"btc_usdc": pytest.approx(2 * ticker.option.delta)}
    assert view.delta_total == pytest.approx(2 * ticker.option.delta)  # premiums are no coins


def test_standard_margin_of_linear_contracts_is_that_of_inverse_ones_times_the_price() -> None:
    venue = linear(positions={PERP: 2.0, CALL.name: -1.0})
    parts = {part.instrument_name: part for part in venue.positions("demo")}
    assert parts[PERP].initial_margin == pytest.approx(0.02 * 2 * 100_000)
    assert parts[PERP].maintenance_margin == pytest.approx(0.04 / 3 * 2 * 100_000)
    mark = parts[CALL.name].mark_price
    assert parts[CALL.name].initial_margin == pytest.approx(0.10 * 100_000 + mark)
    assert parts[CALL.name].maintenance_margin == pytest.approx(0.075 * 100_000 + mark)


def test_a_linear_option_is_delivered_at_its_intrinsic_value_in_usdc() -> None:
    before = [
        usdc(EXPIRY_MS + minute * 60_000, index=115_000.0 + 10 * minute) for minute in range(-40, 0)
    ]
    venue = linear(
        *before, usdc(EXPIRY_MS, index=115_000.0, contracts=()), positions={CALL.name: 3}
    )
    venue.advance(EXPIRY_MS - 1)
    cash = venue.account("demo", "USDC").balance
    venue.advance(EXPIRY_MS)
    average = 115_000 - 10 * sum(range(1, 31)) / 30
    assert venue.expired_contracts()[CALL.name] == pytest.approx(average)
    fee = 0.00015 * average
    assert venue.account("demo", "USDC").balance - cash == pytest.approx(
        3 * (average - 110_000 - fee)
    )
    assert venue.ledger_positions("demo") == {}


def test_the_delta_of_an_expiring_linear_option_decays_to_nothing() -> None:
    frames = [usdc(EXPIRY_MS + m * 60_000, index=150_000.0) for m in range(-40, 0)]
    venue = linear(*frames, positions={CALL.name: 1})
    delta = {}
    for left in (30, 15, 3):
        venue.advance(EXPIRY_MS - left * 60_000)
        delta[left] = venue.account("demo", "USDC").delta_total_map["btc_usdc"]
    assert delta == {
        30: pytest.approx(1, rel=1e-3), 15: pytest.approx(0.5, rel=1e-3),
        3: pytest.approx(0.1, rel=1e-3),
    }  # fmt: skip


def _dated(at_ms: int, index: float, *, listed: bool = True) -> MarketFrame:
    return frame(at_ms, index=index, contracts=(), futures=(FUTURE,) if listed else ())


def test_a_dated_future_is_margined_like_the_perpetual_and_pays_no_funding() -> None:
    opening = OpeningAccount(name="demo", equity={"BTC": 10.0}, positions={FUTURE.name: 50_000})
    script = [_dated(START_MS, 100_000.0), _dated(START_MS + HOUR_MS, 125_000.0)]
    venue = Engine(market=ScriptedMarket(script), rules=Rules(), accounts=[opening])
    first = venue.account("demo", "BTC")
    assert first.initial_margin == pytest.approx(0.02 * 0.5)
    assert first.delta_total == pytest.approx(0.5)
    venue.advance(START_MS + HOUR_MS)
    view = venue.account("demo", "BTC")
    assert view.equity == pytest.approx(10 + 50_000 * (1 / 100_000 - 1 / 125_000), rel=1e-14)
    assert view.funding_paid == 0.0


def test_a_dated_future_is_delivered_on_the_average_and_its_profit_settled_at_once() -> None:
    opening = OpeningAccount(name="demo", equity={"BTC": 10.0}, positions={FUTURE.name: 50_000})
    before = [
        _dated(EXPIRY_MS + minute * 60_000, 100_000.0 + 10 * minute) for minute in range(-40, 0)
    ]
    script = [*before, _dated(EXPIRY_MS, 100_000.0, listed=False)]
    venue = Engine(market=ScriptedMarket(script), rules=Rules(), accounts=[opening])
    opened = before[0].futures[0].mark_usd
    venue.advance(EXPIRY_MS)
    average = 100_000 - 10 * sum(range(1, 31)) / 30
    fee = 0.00025 * 50_000 / average
    view = venue.account("demo", "BTC")
    assert view.balance == pytest.approx(10 + 50_000 * (1 / opened - 1 / average) - fee, rel=1e-12)
    assert view.futures_session_rpl == 0.0
    assert venue.contract(FUTURE.name) is None
    assert venue.ledger_positions("demo") == {}
    assert refused(venue.handle(order(BUY, 10, 100_000.0, name=FUTURE.name))).code


@pytest.mark.parametrize(
    ("expiry_day", "pays"), [(17, True), (16, False)], ids=["last Friday", "a Thursday"]
)
def test_daily_options_are_delivered_free_of_charge(expiry_day: int, pays: bool) -> None:
    expiry_ms = START_MS - 4 * HOUR_MS + expiry_day * DAY_MS
    call = option(BTC_USD, expiry_ms, 50_000.0, True)
    late = frame(expiry_ms - 1_800_000, contracts=(call,))
    venue = Engine(
        market=ScriptedMarket([late, frame(expiry_ms, contracts=())]),
        rules=Rules(),
        accounts=[OpeningAccount(name="demo", equity={"BTC": 10.0}, positions={call.name: 2})],
    )
    venue.advance(expiry_ms)
    paid = venue.account("demo", "BTC").fees_paid
    assert paid == pytest.approx(2 * 0.00015 if pays else 0.0)


def test_currencies_are_margined_apart() -> None:
    venue = linear(equity=10_000.0, positions={PERP: 1.0})
    no = refused(venue.handle(order(BUY, 10, 100_001.0, name=PERP)))
    assert no.code == 10009
    assert "USDC" in str(no.data["reason"])


@pytest.mark.parametrize(
    ("pair", "lot", "tick"),
    [(BTC_USD, "10", "0.5"), (ETH_USD, "1", "0.05"), (BTC_USDC, "0.0001", "0.5")],
)
def test_perpetuals_have_the_venue_s_lots_and_ticks(pair: Pair, lot: str, tick: str) -> None:
    contract = perpetual(pair)
    assert (contract.lot, contract.tick_size) == (Decimal(lot), Decimal(tick))
