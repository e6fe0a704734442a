"""The exchange's own arithmetic: profit, fees, averages, the summary's identities, the deltas."""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import Answer
from bot.exchange.contracts import BTC_USD, BTC_USDC, Contract, option, perpetual
from bot.exchange.engine import Engine
from bot.exchange.fees import trade_fee
from bot.exchange.market import MarketFrame
from bot.exchange.reports import Liquidity
from bot.exchange.rules import FeeRules, FundingRules, Rules
from bot.exchange.venue_commands import SetPosition
from bot.exchange.wallets import Wallet, profit, value_wallet
from bot.quant.black76 import greeks
from bot.quant.conventions import Convention, inverse_perp_delta_coin, option_delta_coin
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    DAY_MS,
    IOC,
    PERP,
    PUT,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
)

PERPETUAL = perpetual(BTC_USD)
FREE = Rules(funding=FundingRules(cap_8h=0.0))


def test_an_inverse_perpetual_earns_the_difference_of_the_inverse_prices() -> None:
    assert profit(perpetual(BTC_USD), 100_000.0, 100_000.0, 110_000.0) == pytest.approx(
        100_000 * (1 / 100_000 - 1 / 110_000), rel=1e-15
    )
    venue = engine(frame(), frame(START_MS + 1_000, index=110_000.0), rules=FREE)
    placed(venue.handle(order(BUY, 1_000, 100_001.0)))
    venue.advance(START_MS + 1_000)
    view = venue.account("demo", "BTC")
    assert view.futures_session_upl == pytest.approx(1_000 * (1 / 100_001 - 1 / 110_000), rel=1e-12)
    assert view.equity == pytest.approx(10 - 0.0005 * 1_000 / 100_001 + view.futures_session_upl)


def test_the_average_price_of_an_inverse_position_is_harmonic() -> None:
    account = Wallet(account="a", currency="BTC", balance=Decimal(1))
    contract = perpetual(BTC_USD)
    account.trade(contract, Decimal(100), Decimal(80_000), 0.0)
    account.trade(contract, Decimal(300), Decimal(120_000), 0.0)
    position = account.positions[PERP]
    assert position.average_price == pytest.approx(400 / (100 / 80_000 + 300 / 120_000))
    realised = account.trade(contract, Decimal(-400), Decimal(100_000), 0.0)
    both = 100 * (1 / 80_000 - 1 / 100_000) + 300 * (1 / 120_000 - 1 / 100_000)
    assert float(realised) == pytest.approx(both, rel=1e-12)
    assert account.positions == {}


@pytest.mark.parametrize("contract", [PERPETUAL, CALL, perpetual(BTC_USDC)])
def test_closing_a_part_leaves_the_average_price_and_the_rest_of_the_profit(
    contract: Contract,
) -> None:
    account = Wallet(account="a", currency="BTC", balance=Decimal(1))
    account.trade(contract, Decimal(300), Decimal(80_000), 0.0)
    account.trade(contract, Decimal(100), Decimal(90_000), 0.0)
    position = account.positions[contract.name]
    before, worth = position.average_price, position.total(100_000.0)
    account.trade(contract, Decimal(-100), Decimal(95_000), 0.0)
    assert position.average_price == pytest.approx(before, rel=1e-12)
    assert position.session_price == pytest.approx(before, rel=1e-12)
    assert position.total(100_000.0) == pytest.approx(0.75 * worth, rel=1e-12)


def test_a_position_that_flips_realises_the_old_side_and_opens_the_new_one_at_the_price() -> None:
    account = Wallet(account="a", currency="BTC", balance=Decimal(1))
    contract = perpetual(BTC_USD)
    account.trade(contract, Decimal(100), Decimal(80_000), 0.0)
    realised = account.trade(contract, Decimal(-250), Decimal(90_000), 0.0)
    position = account.positions[PERP]
    assert float(realised) == pytest.approx(100 * (1 / 80_000 - 1 / 90_000))
    assert position.size == Decimal(-150)
    assert position.average_price == pytest.approx(90_000.0, rel=1e-12)


@pytest.mark.parametrize(
    ("contract", "amount", "price", "role", "fee"),
    [
        (PERPETUAL, 100_000.0, 50_000.0, Liquidity.TAKER, 0.001),
        (PERPETUAL, 100_000.0, 50_000.0, Liquidity.MAKER, 0.0),
        (CALL, 2.0, 0.05, Liquidity.TAKER, 0.0006),
        (CALL, 2.0, 0.0008, Liquidity.TAKER, 0.0002),  # capped at 12.5 % of the premium
    ],
)
def test_fees_follow_the_schedule(
    contract: Contract, amount: float, price: float, role: Liquidity, fee: float
) -> None:
    found = trade_fee(FeeRules(), contract, amount, price, role, 50_000.0)
    assert found == pytest.approx(fee, rel=1e-12)


def test_buying_an_option_pays_the_premium_at_once_and_keeps_equity_but_for_spread_and_fee() -> (
    None
):
    venue = engine()
    ask = venue.ticker(CALL.name)
    assert ask is not None
    assert ask.best_ask_price is not None
    placed(venue.handle(order(BUY, 2, float(ask.best_ask_price), name=CALL.name)))
    view, price = venue.account("demo", "BTC"), float(ask.best_ask_price)
    assert view.balance == pytest.approx(10 - 2 * price - 2 * 0.0003)
    assert view.options_value == pytest.approx(2 * ask.mark_price)
    assert view.margin_balance == pytest.approx(view.balance)
    assert view.options_pl == pytest.approx(2 * (ask.mark_price - price))


def test_the_summary_keeps_the_venues_identities() -> None:
    venue = engine(
        frame(),
        frame(START_MS + 1_000, index=103_000.0, mark=103_050.0),
        positions={PERP: 50_000, CALL.name: -2, PUT.name: 1.5},
    )
    placed(venue.handle(order(BUY, 1_000, 100_001.0)))
    venue.advance(START_MS + 1_000)
    a = venue.account("demo", "BTC")
    futures_coin = 51_000 / 103_050
    assert a.margin_balance == pytest.approx(
        a.balance + a.futures_session_upl + a.futures_session_rpl, abs=1e-15
    )
    assert a.equity == pytest.approx(a.margin_balance + a.options_value, abs=1e-15)
    assert a.available_funds == pytest.approx(a.margin_balance - a.initial_margin, abs=1e-15)
    assert a.delta_total == pytest.approx(futures_coin + a.options_delta - a.options_value)
    assert a.delta_total_map["btc_usd"] == pytest.approx(futures_coin + a.options_delta)
    assert a.session_upl == pytest.approx(a.futures_session_upl + a.options_session_upl)
    assert a.total_pl == pytest.approx(a.futures_pl + a.options_pl)
    assert sum(p.delta for p in venue.positions("demo")) == pytest.approx(
        a.delta_total_map["btc_usd"]
    )


def test_the_published_account_examples_add_up_by_the_same_sums() -> None:
    """Deribit's documentation of private/get_account_summary (segregated_sm)."""
    account = Wallet(
        account="a",
        currency="BTC",
        balance=Decimal("302.60065765"),
        futures_rpl={PERP: Decimal("-0.03258105")},
    )
    contract, call = perpetual(BTC_USD), option(BTC_USD, START_MS + DAY_MS, 1.0, True)
    account.trade(contract, Decimal(10), Decimal(1), 0.0)  # 10 USD bought at 1
    account.trade(call, Decimal(1), 0.0, 0.0)
    mark = 1 / (1 - 0.005921555)  # where the 10 USD show +0.05921555

    def mark_of(which: Contract) -> float:
        return mark if which is contract else -0.0086

    worth = value_wallet(account, mark_of, lambda _: 0.0)
    assert worth.margin_balance == pytest.approx(302.62729214, abs=1e-7)
    assert worth.equity == pytest.approx(302.61869214, abs=1e-7)


def test_setting_a_position_changes_the_position_and_not_the_equity() -> None:
    venue = engine(frame(), frame(START_MS + 1_000, index=98_000.0), positions={PERP: 20_000})
    venue.advance(START_MS + 1_000)
    before = venue.equity("demo", "BTC")
    for name, size in ((PERP, -70_000), (CALL.name, -3), (CALL.name, 0), (PUT.name, -1)):
        done = venue.handle(SetPosition(account="demo", instrument_name=name, size=Decimal(size)))
        assert isinstance(done, Answer)
    assert venue.equity("demo", "BTC") == pytest.approx(before, abs=1e-12)
    assert venue.ledger_positions("demo") == {PUT.name: Decimal(-1), PERP: Decimal(-70_000)}
    view = venue.position("demo", PERP)
    assert view is not None
    assert (view.average_price, view.total_profit_loss) == (98_000.0, 0.0)
    assert venue.ledger_fills() == []


@given(
    trades=st.lists(
        st.tuples(
            st.sampled_from(["demo", "other"]),
            st.sampled_from([BUY, SELL]),
            st.sampled_from([PERP, CALL.name, PUT.name]),
            st.integers(1, 30),
        ),
        max_size=12,
    ),
    moves=st.lists(st.floats(0.97, 1.03), min_size=12, max_size=12),
)
@settings(max_examples=30, deadline=None)
def test_what_the_users_win_the_house_loses_but_for_fees_and_funding(
    trades: list[tuple[str, object, str, int]], moves: list[float]
) -> None:
    path = 100_000 * np.cumprod([1.0, *moves])
    frames = [frame(START_MS + 1_000 * i, index=float(p)) for i, p in enumerate(path)]
    venue = engine(*frames, equity=1_000.0, positions={CALL.name: -2})
    house = Wallet(account="house", currency="BTC")
    house.trade(CALL, Decimal(2), float(frames[0].mark_price[0]), 0.0)
    for i, (account, direction, name, lots) in enumerate(trades):
        contract = venue.contract(name)
        assert contract is not None
        size = float(lots * contract.lot)
        venue.handle(order(direction, size, name=name, account=account))  # type: ignore[arg-type]
        venue.advance(START_MS + 1_000 * (i + 1))
    for fill in venue.ledger_fills():
        contract = venue.contract(fill.instrument_name)
        assert contract is not None
        sold = -fill.amount if fill.direction is BUY else fill.amount
        house.trade(contract, sold, fill.price, 0.0)
    house_worth = value_wallet(house, venue.desk.board.mark, lambda _: 0.0).equity
    users = [venue.account(name, "BTC") for name in venue.accounts()]
    pending = sum(
        p.pending_funding(venue.desk.funding[BTC_USD].paid_per_unit(venue.now_ms))
        for wallet in venue.desk.wallets()
        for p in wallet.positions.values()
    )
    total = sum(u.equity + u.fees_paid + u.funding_paid for u in users) - pending + house_worth
    assert total == pytest.approx(1_010.0, abs=1e-9)


# ---- the delta conventions, by central differences of the account's own value --------------------

BASIS = 1.01
BUMP = 1e-5  # 0.1 bp either way


def _shifted(bump: float) -> MarketFrame:
    """The market with the spot moved, basis proportional, smile held in strike."""
    return frame(index=100_000.0 * (1 + bump), mark=100_050.0 * (1 + bump), basis=BASIS)


def _book() -> Engine:
    return engine(_shifted(0.0), positions={CALL.name: -3.7, PUT.name: 2.1, PERP: 123_450})


def _sensitivity(value: Callable[[MarketFrame], float]) -> float:
    """Coins of delta: change of value for a relative move of the spot, per unit of it."""
    return (value(_shifted(BUMP)) - value(_shifted(-BUMP))) / (2 * BUMP)


def _analytic(convention: Convention) -> float:
    now = _shifted(0.0)
    forward = now.index_usd * BASIS
    years = (now.expiry_ms - now.at_ms) / (365 * DAY_MS)
    black = greeks(forward, now.strike, years, now.mark_iv, now.is_call)
    sizes = np.array([-3.7, 2.1])
    options = option_delta_coin(convention, sizes, black.delta, now.mark_price)
    perp = float(inverse_perp_delta_coin(123_450, now.perpetual.mark_usd))
    return float(options.sum()) + perp


def test_the_coin_delta_is_what_the_accounts_equity_in_coin_moves_by() -> None:
    venue = _book()
    moved = _sensitivity(lambda at: venue.equity("demo", "BTC", at))
    assert moved == pytest.approx(_analytic(Convention.COIN), rel=1e-6)
    assert venue.account("demo", "BTC").delta_total == pytest.approx(moved, rel=1e-6)


def test_the_usd_delta_is_what_the_accounts_equity_in_dollars_moves_by() -> None:
    venue = _book()
    spot = 100_000.0
    moved = _sensitivity(lambda at: venue.equity("demo", "BTC", at) * at.index_usd / spot)
    expected = _analytic(Convention.USD) + venue.equity("demo", "BTC")
    assert moved == pytest.approx(expected, rel=1e-6)


def test_the_book_delta_is_what_the_options_and_a_rebased_hedge_move_by_in_dollars() -> None:
    venue = _book()
    spot, mark = 100_000.0, 100_050.0

    def value_usd(at: MarketFrame) -> float:
        options_usd = venue.valuation("demo", "BTC", at).options_value * at.index_usd
        hedge_usd = 123_450 * (1 / mark - 1 / at.perpetual.mark_usd) * at.index_usd
        return (options_usd + hedge_usd) / spot

    assert _sensitivity(value_usd) == pytest.approx(_analytic(Convention.BOOK), rel=1e-6)


def test_the_golden_option_shows_its_published_value_and_deltas() -> None:
    """F = 100,000, K = 110,000, T = 30/365, vol 0.60: the design's golden values."""
    call = option(BTC_USD, START_MS + 30 * DAY_MS, 110_000.0, True)
    put = option(BTC_USD, START_MS + 30 * DAY_MS, 110_000.0, False)
    venue = engine(frame(contracts=(call, put)), positions={call.name: 1})
    view = venue.position("demo", call.name)
    assert view is not None
    assert view.mark_price == pytest.approx(0.032702605047, abs=1e-11)
    assert view.delta == pytest.approx(0.3198656857, abs=1e-9)
    assert venue.account("demo", "BTC").delta_total == pytest.approx(0.2871630806, abs=1e-9)
    ticker = venue.ticker(put.name)
    assert ticker is not None
    assert ticker.option is not None
    assert ticker.option.delta - ticker.mark_price == pytest.approx(-0.8128369194, abs=1e-9)
    assert ticker.option.vega == pytest.approx(0.1025058560 * 100_000 / 100, rel=1e-9)


def test_published_valuation_rounds_marks_and_the_true_one_does_not() -> None:
    venue = engine(positions={CALL.name: 1})
    true = venue.valuation("demo", "BTC").options_value
    shown = venue.valuation("demo", "BTC", rounded=True).options_value
    assert shown == round(true, 4) != true


def test_a_perpetual_bought_and_sold_back_has_paid_two_fees_and_the_spread() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 1_000, 100_001.0, tif=IOC)))
    placed(venue.handle(order(SELL, 1_000, 99_999.0, tif=IOC)))
    spread = 1_000 * (1 / 100_001 - 1 / 99_999)
    fees = 0.0005 * 1_000 * (1 / 100_001 + 1 / 99_999)
    assert venue.equity("demo", "BTC") == pytest.approx(10 + spread - fees, abs=1e-15)
    assert venue.account("demo", "BTC").fees_paid == pytest.approx(fees)
