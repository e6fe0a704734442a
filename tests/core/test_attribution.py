"""Where the money came from, and that the parts are the whole."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.attribution import Pnl, pnl_of
from bot.core.events import PositionRow
from bot.core.instruments import Kind
from bot.core.state import State
from bot.quant.conventions import Convention
from tests.builders import CALL, PERP, World, fill, positions, quote
from tests.core.pairs import BTC, Account

PRICES = st.floats(min_value=20_000, max_value=200_000)
TRADES = st.lists(st.tuples(st.integers(-100, 100).filter(bool), PRICES), min_size=1, max_size=8)


def paused(held: dict[str, str] | None = None) -> World:
    world = World()
    world.begin(held)
    return world


def worth(state: State) -> Pnl:
    found = pnl_of(state, "BTC")
    assert found is not None
    return found


@given(TRADES, PRICES)
def test_an_inverse_hedge_earns_what_its_trades_earned_one_by_one(trades, last):
    world = paused()
    for at, (lots, price) in enumerate(trades):
        world.fold(fill("", size=str(10 * lots), trade_id=f"t{at}", price=price, fee=0.001))
    world.fold(quote(PERP, arrived_ns=world.now_ns, price=last))
    profit = sum(10 * lots * (1 / price - 1 / last) for lots, price in trades)
    found = worth(world.state)

    assert found.hedge == pytest.approx(profit, rel=1e-9, abs=1e-12)
    assert found.fees == pytest.approx(-0.001 * len(trades))
    assert found.options == 0.0
    assert found.total == pytest.approx(profit - 0.001 * len(trades), rel=1e-9, abs=1e-12)


def test_an_option_earns_its_change_of_mark_times_its_size() -> None:
    world = paused()
    world.fold(fill("", size="-10", name=CALL, price=0.03, fee=0.003))
    world.fold(quote(CALL, arrived_ns=world.now_ns, mark=0.02, bid=0.0195, ask=0.0205))
    found = worth(world.state)

    assert found.options == pytest.approx(0.1)
    assert found.fees == pytest.approx(-0.003)
    assert found.total == pytest.approx(0.097)


def test_what_was_found_at_start_has_earned_nothing_yet() -> None:
    world = paused({CALL: "-10", PERP: "100000"})
    world.quotes()
    found = worth(world.state)

    assert world.state.standing.positions == {CALL: Decimal(-10), PERP: Decimal(100_000)}
    assert found.total == pytest.approx(0.0, abs=1e-12)
    world.quotes(110_000.0)
    assert worth(world.state).hedge == pytest.approx(1 - 100_000 / 110_000)


def test_without_a_mark_there_is_no_sum() -> None:
    world = paused()
    world.fold(fill("", size="10"))

    assert pnl_of(world.state, "BTC") is None


def test_what_was_closed_needs_no_mark_and_keeps_what_it_earned() -> None:
    world = paused()
    world.fold(fill("", size="-1", name=CALL, price=0.03, fee=0.0))
    world.fold(fill("", size="1", name=CALL, price=0.01, fee=0.0, trade_id="T2"))
    world.fold(fill("", size="100000", price=100_000.0, fee=0.0, trade_id="T3"))
    world.fold(fill("", size="-100000", price=125_000.0, fee=0.0, trade_id="T4"))
    found = worth(world.state)

    assert found.options == pytest.approx(0.02)
    assert found.hedge == pytest.approx(0.2)


def test_funding_that_a_hedge_received_is_its_own_part() -> None:
    world = paused()
    world.fold(fill("", size="10"), quote(PERP))
    for realized in (0.1, 0.3):
        report = positions({PERP: "10"}, complete=False, asked_ns=None)
        (row,) = report.positions
        row = type(row)(
            instrument=PERP,
            size_native=row.size_native,
            average_price=1.0,
            realized_funding_coin=realized,
        )
        world.fold(type(report)(positions=(row,), complete=False, asked_ns=None, arrived_ns=0))

    assert worth(world.state).funding == pytest.approx(0.2)


def test_another_currency_is_another_account() -> None:
    world = paused()
    world.fold(fill("", size="10"))
    world.fold(fill("", size="1", name="NEVER-LISTED", trade_id="T2"))
    found = pnl_of(world.state, "ETH")

    assert found == Pnl(options=0.0, hedge=0.0, fees=0.0, funding=0.0)


def test_funding_of_a_perpetual_that_hedges_no_book_is_earned_all_the_same() -> None:
    """A book that is hedged with a dated future, and holds a perpetual."""
    wanted = BTC.plan(Convention.COIN, kinds=(Kind.OPTION, Kind.PERPETUAL))
    plan = replace(wanted, book=replace(wanted.book, hedge_instrument=BTC.future))
    account = Account(plan, held={BTC.perp: "50000", BTC.option(110_000, "C"): "-3"})
    account.quotes()
    for realized in (0.0, -0.02):
        row = PositionRow(
            instrument=BTC.perp,
            size_native=Decimal(50_000),
            average_price=1.0,
            realized_funding_coin=realized,
        )
        seen = positions({}, complete=False, asked_ns=None)
        account.world.fold(replace(seen, positions=(row,)))

    assert worth(account.world.state).funding == pytest.approx(-0.02)
