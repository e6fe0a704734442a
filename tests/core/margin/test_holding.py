"""What the daemon knows, as margin models ask for it."""

from dataclasses import replace

import numpy as np
import pytest

from bot.core import gate
from bot.core.margin import deribit_portfolio, deribit_standard
from bot.core.margin.account import OpenOrder
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.holding import account_of
from bot.core.quotes import QuotePolicy
from bot.settings.margin_parameters import Deribit, parameters
from tests.builders import CALL, MODEL, PERP, PUT, RATES, World, balance, book, perp, policy
from tests.core.pairs import MARKETS
from tests.core.test_currencies import BTC_CALL, LINEAR_CALL, four

HELD = {CALL: "-3", PUT: "-2.5", PERP: "150000"}


def quoted(held: dict[str, str]) -> World:
    world = World(policy(book(band_low_coin=-1e9, band_high_coin=1e9)))
    world.begin(held)
    world.quotes(90_000.0)
    world.fold(replace(balance(), margin_balance=10.0, initial_margin=0.0), after_ms=0)
    return world


def test_the_standard_model_of_the_account_is_what_the_gate_projects_from() -> None:
    state = quoted(HELD).state

    found = deribit_standard.report(account_of(state, "BTC"), RATES)

    projected = gate.project(state, perp(), perp().lot, GatePolicy(), MODEL, QuotePolicy())
    assert isinstance(projected, gate.Projection), projected
    told = state.balances["BTC"]
    assert found.initial == pytest.approx(projected.before.initial, rel=1e-12)
    assert told.maintenance_margin == projected.before.maintenance > found.maintenance > 0.5


def test_sizes_are_coins_and_times_are_years() -> None:
    state = quoted(HELD).state

    (pair,) = account_of(state, "BTC").pairs

    assert (pair.index_name, pair.underlying, pair.is_linear) == ("btc_usd", "BTC", False)
    assert dict(zip(pair.names, pair.sizes, strict=True)) == pytest.approx(
        {CALL: -3.0, PUT: -2.5, PERP: 150_000 / 90_000}
    )
    assert pair.options.years == pytest.approx([30 / 365] * 2, abs=1e-6)
    assert pair.futures.years.tolist() == [0.0]
    assert account_of(state, "BTC").currency_usd == pair.index_usd == 90_000.0


def test_a_hedge_that_is_not_held_has_a_row_to_ask_what_it_would_do() -> None:
    state = quoted({CALL: "-3"}).state
    order = OpenOrder(instrument=PERP, size_coin=1.0, price=90_000.0)

    bare, ready = account_of(state, "BTC"), account_of(state, "BTC", also=(PERP, "nothing"))

    assert PERP not in bare.pairs[0].names
    assert not account_of(state, "BTC", orders=(order,)).knows_its_orders
    assert account_of(state, "BTC", also=(PERP,), orders=(order,)).knows_its_orders
    valued = deribit_portfolio.value(ready, parameters(Deribit).portfolio)
    now, hedged = (deribit_portfolio.what_if(valued, {PERP: size}) for size in (0.0, 1.0))
    assert hedged.initial < now.initial


def test_before_the_first_quote_nothing_has_a_number() -> None:
    world = World(policy(book()))
    world.begin(HELD)
    world.quotes()
    state = replace(world.state, quotes={})

    found = deribit_standard.report(account_of(state, "BTC"), RATES)

    assert np.isnan(account_of(state, "BTC").pairs[0].index_usd)
    assert not found.is_whole


def test_each_currency_answers_for_what_settles_in_it() -> None:
    account = four().quotes()
    for order in account.world.orders():
        account.world.settle(order)
    state = account.world.state

    bitcoin, dollars = account_of(state, "BTC"), account_of(state, "USDC")

    assert [pair.index_name for pair in bitcoin.pairs] == ["btc_usd"]
    assert [pair.index_name for pair in dollars.pairs] == ["btc_usdc", "eth_usdc"]
    assert BTC_CALL in bitcoin.pairs[0].names
    assert LINEAR_CALL in dollars.pairs[0].names
    assert all(pair.is_linear for pair in dollars.pairs)
    assert dollars.currency_usd == 1.0
    held = {name for pair in (*bitcoin.pairs, *dollars.pairs) for name in pair.names}
    assert {market.perp for market in MARKETS if "ETH-" not in market.perp} <= held
    assert account_of(state, "SOL").pairs == ()
    assert deribit_standard.report(account_of(state, "SOL"), RATES).initial == 0.0
