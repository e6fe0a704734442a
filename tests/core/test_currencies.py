"""Several settlement currencies on one account: each its own money, one mode for all."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import gate
from bot.core.actions import Alert
from bot.core.attribution import pnl_of
from bot.core.exposure import Exposure, Unpriced
from bot.core.gate import Approved, Projection, Refused
from bot.core.hedger import Verdict
from bot.core.instruments import Kind
from bot.core.margin.deribit_standard import FuturesRate, Rates, Requirement, of_future, of_options
from bot.core.margin.gating_stages import GatePolicy
from bot.core.quotes import bad_quote
from bot.core.state import Mode, State
from bot.quant.conventions import Convention
from tests.builders import MODEL, RATES, fill, positions, submits
from tests.core.pairs import BTC, BTC_USDC, ETH, ETH_USDC, MARKETS, START_MS, Account, Market

BTC_CALL, ETH_CALL = BTC.option(110_000, "C"), ETH.option(3_300, "C")
LINEAR_CALL, LINEAR_ETH_PUT = BTC_USDC.option(110_000, "C"), ETH_USDC.option(3_300, "P")
SHORT_EVERYWHERE = {BTC_CALL: "-5", ETH_CALL: "-90", LINEAR_CALL: "-4", LINEAR_ETH_PUT: "-80"}
BAND: dict[str, Any] = {"band_low_coin": -0.05, "band_high_coin": 0.05}


def four(**rules: Any) -> Account:
    """A short book of each pair, quoted and not yet hedged."""
    plans = [market.plan(Convention.BOOK, **BAND) for market in MARKETS]
    return Account(*plans, held=SHORT_EVERYWHERE, **rules)


def exposed(account: Account, book: str) -> Exposure:
    assert account.world.last is not None
    seen = account.world.last.exposures[book]
    assert isinstance(seen, Exposure), seen
    return seen


def test_every_book_hedges_in_its_own_instrument_and_holds_only_its_own_money() -> None:
    account = four().quotes()
    orders = {order.instrument: order for order in account.world.orders()}

    assert orders.keys() == {market.perp for market in MARKETS}
    for market in MARKETS:
        seen = exposed(account, market.prefix.lower().replace("_", "-"))
        assert seen.options_held == 1
        wanted = -seen.delta_coin / seen.hedge_coin_per_native
        lot = float(account.terms[market.perp].lot)
        assert float(orders[market.perp].size_native) == pytest.approx(wanted, abs=lot)


def test_four_hedged_books_are_quiet() -> None:
    account = four().quotes()
    for order in account.world.orders():
        account.world.settle(order)
    account.quotes()

    assert not account.world.orders()
    assert account.world.last is not None
    assert {told.verdict for told in account.world.last.verdicts.values()} == {Verdict.HOLD}
    for market in MARKETS:
        assert abs(exposed(account, market.prefix.lower().replace("_", "-")).delta_coin) < 0.01


def test_a_stale_leg_in_one_currency_leaves_the_other_books_their_numbers() -> None:
    account = four().quotes()
    account.world.now_ns += 40 * 10**9
    state = account.world.state
    fresh = [
        replace(quote, arrived_ns=account.world.now_ns, venue_ms=account.world.now_ms)
        for name, quote in state.quotes.items()
        if name != LINEAR_CALL
    ]
    step = account.world.fold(*fresh, after_ms=0)

    assert isinstance(step.exposures["btc-usdc"], Unpriced)
    for book in ("btc", "eth", "eth-usdc"):
        assert isinstance(step.exposures[book], Exposure)


@pytest.mark.parametrize("missing", ["BTC", "ETH", "USDC"])
def test_nothing_is_hedged_before_every_hedged_currency_has_a_balance(missing) -> None:
    account = four()
    known = {key: told for key, told in account.world.state.balances.items() if key != missing}
    account.world.state = replace(account.world.state, balances=known)
    account.quotes()

    assert account.world.state.mode is Mode.RECONCILING
    assert account.world.state.mode_reason == f"the {missing} balance is not known"
    assert not account.world.orders()


def test_the_worst_currency_decides_the_mode_and_is_named() -> None:
    account = four().quotes()
    account.quotes(
        account.balance("ETH", maintenance_margin=0.72 * 300),
        account.balance("USDC", maintenance_margin=0.9 * 1e6),
    )
    state = account.world.state

    assert state.mode is Mode.HOLD
    assert state.mode_reason == "USDC margin use 90.0% is over the hold limit 85%"
    assert state.mode_clears == "USDC margin use under 85%"


def test_each_currency_over_the_warning_is_told_once() -> None:
    account = four().quotes()
    told = []
    for _ in range(2):
        account.quotes(account.balance("ETH", maintenance_margin=0.6 * 300))
        assert account.world.last is not None
        told += [a.text for a in account.world.last.actions if isinstance(a, Alert)]
    account.quotes(account.balance("USDC", maintenance_margin=0.55 * 1e6))
    assert account.world.last is not None
    told += [a.text for a in account.world.last.actions if isinstance(a, Alert)]

    assert [text for text in told if "margin use" in text] == [
        "ETH margin use 60.0% is over the warning limit 50%",
        "USDC margin use 55.0% is over the warning limit 50%",
    ]


def test_an_empty_currency_that_needs_nothing_holds_nobody_up() -> None:
    account = Account(
        BTC.plan(Convention.BOOK), ETH.plan(Convention.BOOK), held={}, equity={"ETH": 0.0}
    )
    account.quotes()

    assert account.world.state.mode is Mode.RUN


def test_two_books_of_one_account_divide_its_dollars() -> None:
    plans = (
        BTC_USDC.plan(Convention.COIN, share=0.6),
        ETH_USDC.plan(Convention.COIN, share=0.4),
    )
    account = Account(*plans, held={}, equity={"USDC": 3e6}).quotes()

    assert exposed(account, "btc-usdc").equity_delta_coin == pytest.approx(-0.6 * 30.0)
    assert exposed(account, "eth-usdc").equity_delta_coin == pytest.approx(-0.4 * 1_000.0)


@pytest.mark.parametrize("name", ["eth", "btc"])
def test_a_hedge_that_others_traded_belongs_to_the_book_that_is_hedged_with_it(name) -> None:
    rules = (BTC.plan(Convention.COIN), ETH.plan(Convention.COIN))
    account = Account(*rules, held={ETH.perp: "3000", BTC.perp: "1000"}, external_book=name)
    account.quotes()
    holdings = account.world.state.standing.holdings

    assert holdings["eth"][ETH.perp] == 3_000
    assert holdings["btc"][BTC.perp] == 1_000


def test_of_books_that_share_a_hedge_the_named_one_owns_what_others_traded() -> None:
    near = BTC.plan(Convention.COIN, name="near", kinds=[Kind.FUTURE])
    far = BTC.plan(Convention.COIN, name="far")
    for owner in ("near", "far"):
        account = Account(near, far, held={BTC.perp: "1000"}, external_book=owner).quotes()
        assert account.world.state.standing.holdings == {owner: {BTC.perp: Decimal(1_000)}}


def settled(account: Account) -> State:
    """What the account knows, without the orders that it has just sent."""
    state = account.world.state
    return replace(state, standing=replace(state.standing, orders={}))


def projected(account: Account, market: Market, size: str) -> Projection:
    state = settled(account)
    rules = account.world.policy
    terms = account.terms[market.perp]
    found = gate.project(state, terms, Decimal(size), GatePolicy(), MODEL, rules.quotes)
    assert isinstance(found, Projection), found
    return found


def test_a_projection_counts_the_currencys_own_positions_in_its_own_money() -> None:
    account = four().quotes()
    inverse, linear = projected(account, BTC, "100200"), projected(account, BTC_USDC, "1.5")
    state = account.world.state

    # A coin's worth of perpetual: 2 % of a coin, and its fee.
    assert inverse.after.initial - inverse.before.initial == pytest.approx(0.02)
    assert inverse.fee == pytest.approx(0.0005)
    # One and a half coins at 100,200 dollars: 2 % of what they are worth.
    assert linear.after.initial - linear.before.initial == pytest.approx(0.02 * 1.5 * 100_200)
    assert linear.fee == pytest.approx(0.0005 * 1.5 * 100_200)
    for seen, currency in ((inverse, "BTC"), (linear, "USDC")):
        needed, told = of_options(state.table, currency, RATES), state.balances[currency]
        assert seen.before.initial == max(needed.initial, told.initial_margin)
        assert seen.before.maintenance == max(needed.maintenance, told.maintenance_margin)
    assert (inverse.before.balance, linear.before.balance) == (10.0, 1e6)


def test_the_hedges_of_other_currencies_need_no_margin_of_this_one() -> None:
    held = {BTC.perp: "100200", ETH.perp: "3006", BTC_USDC.perp: "1", ETH_USDC.perp: "-10"}
    account = Account(*(market.plan(Convention.BOOK) for market in MARKETS), held=held).quotes()

    account.world.state = replace(
        account.world.state,
        balances={
            name: replace(told, initial_margin=0.0)
            for name, told in account.world.state.balances.items()
        },
    )

    assert projected(account, BTC, "0").before.initial == pytest.approx(0.02)
    assert projected(account, ETH, "0").before.initial == pytest.approx(0.02)
    # Both dollar-settled perpetuals lie in one account: 100,200 dollars of the one, 30,060 of the
    # other.
    assert projected(account, ETH_USDC, "0").before.initial == pytest.approx(0.02 * 130_260)


def test_another_currencys_stale_leg_refuses_no_order() -> None:
    account = four().quotes()
    table = account.world.state.table
    old = table.quoted_ns.copy()
    old[table.held.rows[LINEAR_CALL]] -= 40 * 10**9
    account.world.state = replace(account.world.state, table=replace(table, quoted_ns=old))

    assert projected(account, BTC, "1000").currency == "BTC"
    found = gate.project(
        account.world.state,
        account.terms[BTC_USDC.perp],
        Decimal(1),
        GatePolicy(),
        MODEL,
        account.world.policy.quotes,
    )
    assert isinstance(found, Refused)
    assert LINEAR_CALL in found.reason


def test_an_option_that_has_expired_refuses_no_order_with_its_old_quote() -> None:
    account = four().quotes()
    state = account.world.state
    old, expiry_ms = state.table.quoted_ns.copy(), state.table.held.expiry_ms.copy()
    row = state.table.held.rows[LINEAR_CALL]
    old[row], expiry_ms[row] = old[row] - 40 * 10**9, state.now_ms
    held = replace(state.table.held, expiry_ms=expiry_ms)
    account.world.state = replace(state, table=replace(state.table, held=held, quoted_ns=old))

    assert projected(account, BTC_USDC, "1").currency == "USDC"


def test_a_refusal_and_an_approval_name_the_money_they_are_about() -> None:
    account = four().quotes()
    account.quotes(account.balance("USDC", initial_margin=1e6, margin_balance=1e6))
    state, quotes = settled(account), account.world.policy.quotes
    passed = gate.judge(state, account.terms[ETH.perp], Decimal(3_000), GatePolicy(), MODEL, quotes)
    refused = gate.judge(
        state, account.terms[BTC_USDC.perp], Decimal(-1), GatePolicy(), MODEL, quotes
    )

    assert isinstance(passed, Approved)
    assert "of ETH margin is used" in passed.reason
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("USDC balance ")


def test_a_linear_short_option_needs_the_same_share_of_its_underlyings_price() -> None:
    """Short call at 110,000 on 100,000 (index) or 100,500 (forward): 10 % of the larger price."""
    account = Account(BTC_USDC.plan(Convention.USD), held={LINEAR_CALL: "-2"}).quotes()
    mark = account.world.state.quotes[LINEAR_CALL].mark
    needed = of_options(account.world.state.table, "USDC", RATES)
    assert mark is not None

    assert needed.initial == pytest.approx(2 * (0.10 * 100_500 + mark))
    assert needed.maintenance == pytest.approx(2 * (0.075 * 100_500 + mark))
    assert of_options(account.world.state.table, "BTC", RATES) == Requirement(
        initial=0.0, maintenance=0.0
    )


def test_a_linear_put_needs_its_maintenance_by_its_price_too() -> None:
    deep = BTC_USDC.option(250_000, "P")
    account = Account(BTC_USDC.plan(Convention.USD), held={deep: "-1"}).quotes()
    mark = account.world.state.quotes[deep].mark
    needed = of_options(account.world.state.table, "USDC", RATES)
    assert mark is not None
    assert mark > 100_500

    assert needed.maintenance == pytest.approx(1.075 * mark)
    assert needed.initial == pytest.approx(max(0.15 * 100_500 + mark, 1.075 * mark))


# Published under the formula before August 2026 (2 % + 0.005 % a coin): a table reproduces it.
@pytest.mark.parametrize(
    ("size", "initial", "maintenance"), [(25.0, 53_125.0, 28_125.0), (-350.0, 1_312_500.0, 961_625)]
)
def test_a_linear_perpetual_needs_its_published_margin_in_dollars(size, initial, maintenance):
    share = abs(size) * 5e-5
    row = FuturesRate(size_coin_upper=1e3, initial=0.02 + share, maintenance=0.01 + share)
    rates = Rates(futures={"BTC": (row,)})
    needed = of_future(BTC_USDC.terms(BTC_USDC.perp), size, 100_000.0, rates)

    assert needed.initial == pytest.approx(initial)
    assert needed.maintenance == pytest.approx(maintenance, rel=1e-3)


def test_each_underlying_has_its_own_rates_and_a_strange_one_the_dearest() -> None:
    cheap = (FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.01),)
    dear = (FuturesRate(size_coin_upper=1e9, initial=0.05, maintenance=0.03),)
    rates = Rates(futures={"BTC": cheap, "ETH": dear})
    strange = replace(ETH.terms(ETH.perp), underlying="SOL")

    assert of_future(BTC.terms(BTC.perp), 1e5, 1e5, rates).initial == pytest.approx(0.02)
    assert of_future(ETH.terms(ETH.perp), 3e3, 3e3, rates).initial == pytest.approx(0.05)
    assert of_future(strange, 3e3, 3e3, rates).initial == pytest.approx(0.05)


def test_profit_is_counted_in_each_currency_by_itself() -> None:
    account = Account(BTC.plan(Convention.COIN), BTC_USDC.plan(Convention.USD), held={})
    for name, size, price, fee in (
        (BTC.perp, "100000", 100_000.0, 0.0005),
        (BTC_USDC.perp, "-2", 100_000.0, 100.0),
        (LINEAR_CALL, "3", 2_000.0, 12.0),
    ):
        account.terms[name] = account.market(name).terms(name)
        account.world.state = replace(
            account.world.state,
            instruments={**account.world.state.instruments, name: account.terms[name]},
        )
        told = fill("", size=size, trade_id=name, name=name, price=price, fee=fee)
        account.world.fold(told)
    account.quotes()
    state = account.world.state
    coins, dollars = pnl_of(state, "BTC"), pnl_of(state, "USDC")
    mark = state.quotes[LINEAR_CALL].mark
    assert coins is not None
    assert dollars is not None
    assert mark is not None

    assert coins.hedge == pytest.approx(100_000 * (1 / 100_000 - 1 / 100_200))
    assert (coins.options, coins.fees) == (0.0, -0.0005)
    assert dollars.hedge == pytest.approx(-2 * 200.0)
    assert dollars.options == pytest.approx(3 * (mark - 2_000.0))
    assert dollars.fees == -112.0
    ether = pnl_of(state, "USDC", "ETH")
    assert ether is not None
    assert ether.total == 0.0


def test_a_linear_option_worth_next_to_nothing_may_lack_its_bid() -> None:
    terms = BTC_USDC.terms(LINEAR_CALL)
    quote = replace(BTC_USDC.quote(terms, START_MS, 0), bid=None, index_usd=100_000.0)
    rules = Account(BTC.plan(Convention.COIN), held={}).world.policy.quotes

    assert bad_quote(replace(quote, mark=99.0), terms, rules) is None
    assert bad_quote(replace(quote, mark=101.0), terms, rules) == "one-sided: no bid"


def test_a_fill_of_one_currency_does_not_disturb_the_other_books() -> None:
    account = four().quotes()
    orders = submits(account.world.last.actions if account.world.last else ())
    first = next(order for order in orders if order.instrument == ETH_USDC.perp)
    account.world.settle(first)
    account.world.fold(positions({}, complete=False))

    assert abs(exposed(account, "eth-usdc").delta_low_coin) < 0.01
    assert exposed(account, "btc").hedge_native == 0
