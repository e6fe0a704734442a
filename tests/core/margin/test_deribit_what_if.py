"""Hypothetical fills, moved quotes, open orders and several indices in one account."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.margin.account import OpenOrder, Pair
from bot.core.margin.deribit_portfolio import report, report_of, value, what_if
from bot.core.margin.deribit_table import Grid, table_of
from tests.core.margin import slowly
from tests.core.margin.test_deribit_portfolio import ETH_COIN, ETH_PAIR, PERP, book
from tests.core.margin.vectors import COIN, PAIR, account, futures, options, pair, parameters

FILLS = st.dictionaries(
    st.sampled_from(["O1", "O2", "O5", PERP, "BTC-F"]), st.floats(-30.0, 30.0), max_size=4
)


def traded(held: Pair, fills: dict[str, float]) -> Pair:
    """The pair after the fills, made anew."""
    sizes = held.sizes + np.array([fills.get(name, 0.0) for name in held.names])
    count = len(held.options.names)
    return replace(
        held,
        options=replace(held.options, size=sizes[:count]),
        futures=replace(held.futures, size_coin=sizes[count:]),
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), FILLS)
def test_what_fills_would_do_is_what_they_do(seed: int, fills: dict[str, float]) -> None:
    held = book(seed)

    asked = what_if(value(account(held), parameters()), fills)
    done = report(account(traded(held, fills)), parameters())

    assert asked.initial == pytest.approx(done.initial, rel=1e-12, abs=2e-9)
    assert asked.maintenance == pytest.approx(done.maintenance, rel=1e-12, abs=2e-9)
    assert asked.scenarios.profit == pytest.approx(done.scenarios.profit, rel=1e-9, abs=1e-12)
    assert asked.positions.initial == pytest.approx(done.positions.initial, rel=1e-9, abs=1e-12)


def test_a_fill_of_what_has_no_row_is_refused() -> None:
    with pytest.raises(KeyError, match="no row for BTC-1JAN30"):
        what_if(value(account(book(1)), parameters()), {"BTC-1JAN30": 1.0, "O1": 1.0})


@pytest.mark.parametrize("column", ["forward", "iv", "years", "discount", "strike"])
def test_after_a_quote_the_known_table_gives_what_a_new_one_would(column: str) -> None:
    held = book(3)
    moved = getattr(held.options, column).copy()
    moved[4] *= 1.03
    after = replace(held, options=replace(held.options, **{column: moved}), index_usd=100_100.0)
    known = value(account(held), parameters(), None)

    again = value(account(after), known.parameters, known)
    anew = value(account(after), known.parameters)

    assert again.tables[0].profit.tolist() == anew.tables[0].profit.tolist()
    assert again.tables[0].delta.tolist() == anew.tables[0].delta.tolist()
    assert report_of(again).initial == report_of(anew).initial
    assert report_of(again).initial != report_of(known).initial


def test_a_known_table_under_other_parameters_is_not_used() -> None:
    known = table_of(book(3), Grid(), PAIR)

    again = table_of(book(3), Grid(), ETH_PAIR, known)

    assert again.profit.tolist() == table_of(book(3), Grid(), ETH_PAIR).profit.tolist()


def test_a_known_table_of_other_instruments_or_futures_is_not_used() -> None:
    held = book(3)
    known = value(account(held), parameters())
    marks = replace(held.futures, mark_usd=held.futures.mark_usd * 1.1)
    years = replace(held.futures, years=np.array([0.0, 2.0]))
    renamed = replace(held, futures=replace(held.futures, names=("BTC-F", PERP)))

    for after in (replace(held, futures=marks), replace(held, futures=years), renamed):
        again = value(account(after), known.parameters, known)
        anew = value(account(after), known.parameters)
        assert report_of(again).initial == report_of(anew).initial
        assert again.tables[0].rows == anew.tables[0].rows


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.sampled_from(["O1", "O2", PERP]), st.floats(-30.0, 30.0)), max_size=4),
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    st.sampled_from([1.0, 100.0]),
)
def test_whichever_part_of_the_orders_fills_the_account_needs_no_more_than_it_holds(
    seed: int, orders: list[tuple[str, float]], parts: list[float], scale: float
) -> None:
    under = parameters(coins={"BTC": replace(COIN, offset=0.5)})
    resting = tuple(
        OpenOrder(instrument=name, size_coin=size * scale, price=0.0) for name, size in orders
    )
    held = replace(account(book(seed, scale=5.0 * scale)), orders=resting)
    fills: dict[str, float] = {}
    for order, part in zip(resting, parts, strict=False):
        fills[order.instrument] = fills.get(order.instrument, 0.0) + part * order.size_coin

    reserved = report(held, under)
    after = what_if(value(replace(held, orders=()), under), fills)

    assert after.initial <= reserved.initial + 1e-8
    assert reserved.maintenance == report(replace(held, orders=()), under).maintenance


def resting(*orders: tuple[str, float]) -> tuple[OpenOrder, ...]:
    return tuple(OpenOrder(instrument=name, size_coin=size, price=0.0) for name, size in orders)


def test_a_buy_and_a_sell_that_rest_do_not_cover_each_other() -> None:
    held = account(
        pair(futures=futures((PERP, 0.0, 1e5, 0.0))), orders=resting((PERP, 10.0), (PERP, -10.0))
    )

    reserved = report(held, parameters())

    after = what_if(value(replace(held, orders=()), parameters()), {PERP: 10.0})
    assert after.initial == pytest.approx(reserved.initial)
    assert reserved.maintenance == 0.0


def test_an_order_that_extends_a_future_holds_what_the_larger_one_needs() -> None:
    five, fifteen = (pair(futures=futures((PERP, size, 1e5, 0.0))) for size in (5.0, 15.0))

    extending = report(account(five, orders=resting((PERP, 10.0))), parameters())
    reducing = report(account(five, orders=resting((PERP, -5.0))), parameters())

    assert extending.initial == pytest.approx(report(account(fifteen), parameters()).initial)
    assert reducing.initial == pytest.approx(report(account(five), parameters()).initial)


def test_an_order_that_would_bare_a_large_delta_holds_its_shock() -> None:
    calls = options((3_000.0, 1e5, 100.0, True), forward=1e5)
    short = futures((PERP, -1_000.0, 1e5, 0.0))
    held = account(pair(options=calls, futures=short), orders=resting((calls.names[0], -3_000.0)))

    reserved = report(held, parameters())

    after = what_if(value(replace(held, orders=()), parameters()), {calls.names[0]: -3_000.0})
    shock = {part.name: part.initial for part in after.contingencies}["delta shock"]
    assert shock == pytest.approx(40.0)
    assert {part.name: part.initial for part in reserved.contingencies}["delta shock"] == 0.0
    assert after.initial <= reserved.initial


def test_contracts_of_both_settlements_share_their_underlyings_scenarios() -> None:
    inverse = pair(futures=futures((PERP, 1.0, 1e5, 0.0)))
    linear = pair(futures=futures(("BTC_USDC-PERPETUAL", -1.0, 1e5, 0.0)), linear=True)
    under = parameters(PAIRS, {"BTC": replace(COIN, offset=1.0)})

    found = report(account(inverse, linear, currency="USD"), under)

    # In coins of today a fall costs the inverse one more than the linear one earns.
    assert found.scenarios.worst_loss == pytest.approx(1e5 * (1 / 0.84 - 1) - 1e5 * 0.16)
    assert len(found.scenarios.profit) == 35


def test_an_order_on_an_unknown_instrument_is_no_number() -> None:
    order = OpenOrder(instrument="BTC-1JAN30-1-C", size_coin=1.0, price=0.1)

    assert not report(replace(account(book(1)), orders=(order,)), parameters()).is_whole


def eth(size: float) -> Pair:
    row = ("ETH-PERPETUAL", size, 4_000.0, 0.0)
    return pair(futures=futures(row), index=4_000.0, underlying="ETH")


PAIRS = {"btc_usd": PAIR, "eth_usd": ETH_PAIR, "btc_usdc": PAIR}
COINS = {"BTC": replace(COIN, offset=0.5), "ETH": ETH_COIN}


def test_underlyings_that_move_apart_are_each_at_their_own_worst() -> None:
    long, short = pair(futures=futures((PERP, 1.0, 1e5, 0.0))), eth(-25.0)
    apart, together = (
        report(account(long, short, currency="USD"), parameters(PAIRS, COINS, correlated))
        for correlated in ((), ("BTC", "ETH"))
    )

    bitcoin = 100_000.0 * (1 / 0.84 - 1)
    ether = 100_000.0 * (1 - 1 / 1.18)
    rolls = 1_000.0 + 500.0
    assert apart.initial == pytest.approx(bitcoin + ether + rolls)
    # At either end one loses, and 0.6 of what ether, 0.5 of what bitcoin gains may offset it.
    down = bitcoin - 0.6 * 100_000.0 * (1 / 0.82 - 1)
    up = ether - 0.5 * 100_000.0 * (1 - 1 / 1.16)
    assert together.initial == pytest.approx(max(down, up) + rolls)
    assert any("several price indices" in doubt for doubt in apart.doubts)


def test_what_may_offset_is_limited_in_dollars() -> None:
    long, short = pair(futures=futures((PERP, 1.0, 1e5, 0.0))), eth(-25.0)
    little = {coin: replace(given, offset_max_usd=1_000.0) for coin, given in COINS.items()}

    found = report(account(long, short, currency="USD"), parameters(PAIRS, little, ("BTC", "ETH")))

    assert found.scenarios.worst_loss == pytest.approx(100_000.0 * (1 / 0.84 - 1) - 1_000.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_cross_account_agrees_with_plain_arithmetic(seed: int) -> None:
    under = parameters(PAIRS, COINS, ("BTC", "ETH") if seed else ())
    held = account(
        book(seed, count=5), book(seed + 10, count=4, linear=True), eth(30.0), currency="USD"
    )

    found = report(held, under)

    initial, maintenance = slowly.margins(held, under)
    assert found.initial == pytest.approx(initial, rel=1e-8)
    assert found.maintenance == pytest.approx(maintenance, rel=1e-8)
    assert found.currency_usd == 1.0
