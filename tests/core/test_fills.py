"""Who holds what, what it cost, and that a trade counts once."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import engine, fills, standing, units
from bot.core.orders import Order, OrderStatus, Share
from bot.core.standing import CLOSED_ORDERS_KEPT, TRADES_KEPT_MIN, TRADES_KEPT_MS, Standing
from tests.builders import CALL, INSTANCE, PERP, START_MS, fill, option, perp

LOTS = st.integers(-50_000, 50_000).map(lambda count: Decimal(10 * count))
WISHES = st.lists(LOTS.filter(bool), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) != 0)


def empty() -> Standing:
    return engine.fresh_standing(INSTANCE, START_MS)


def shares(sizes: Sequence[Decimal | int]) -> tuple[Share, ...]:
    return tuple(Share(book=f"b{at}", size_native=Decimal(size)) for at, size in enumerate(sizes))


def order(order_id: str, *sizes: int, status: OrderStatus = OrderStatus.WORKING) -> Order:
    return Order(
        order_id=order_id,
        instrument=PERP,
        size_native=Decimal(sum(sizes)),
        limit=Decimal(100_000),
        shares=shares(sizes),
        requested_ms=START_MS,
        requested_ns=0,
        valid_until_ms=START_MS + 2_000,
        status=status,
    )


@given(WISHES, LOTS)
def test_the_parts_of_a_fill_add_up_to_it_exactly(sizes, filled):
    parts = list(fills.allocated(filled, shares(sizes)))

    assert sum((part.size_native for part in parts), units.ZERO) == filled
    assert [part.book for part in parts] == [f"b{at}" for at in range(len(sizes))]


@given(WISHES)
def test_a_whole_fill_gives_every_book_what_it_asked_for(sizes):
    parts = fills.allocated(sum(sizes, units.ZERO), shares(sizes))

    for part, asked in zip(parts, sizes, strict=True):
        assert abs(part.size_native - asked) <= len(sizes) * fills.SHARE_STEP


def test_a_half_fill_gives_opposite_books_half_of_what_each_asked_for() -> None:
    parts = list(fills.allocated(Decimal(50), shares([300, -200])))

    assert [part.size_native for part in parts] == [Decimal(150), Decimal(-100)]


def test_a_fill_without_a_book_is_held_by_none() -> None:
    assert list(fills.allocated(Decimal(50), ())) == []


def test_a_fill_moves_its_order_the_position_the_holdings_and_the_cost() -> None:
    known = standing.with_order(empty(), order("o1", 300, 100))
    after = fills.filled(known, fill("o1", size="200"), perp(), "b0")

    assert after.orders["o1"].filled_native == Decimal(200)
    assert after.positions == {PERP: Decimal(200)}
    assert after.holdings == {"b0": {PERP: Decimal(150)}, "b1": {PERP: Decimal(50)}}
    assert after.accounts[PERP].cost == pytest.approx(0.002)  # 200 USD at 100,000
    assert after.accounts[PERP].fees == pytest.approx(0.002 * 0.0005)
    assert after.trades_seen == {"T1": START_MS}


def test_a_trade_that_is_not_of_ours_belongs_to_the_book_for_external_changes() -> None:
    after = fills.filled(empty(), fill("", size="-70"), perp(), "ext")

    assert after.holdings == {"ext": {PERP: Decimal(-70)}}
    assert after.orders == {}


def test_an_option_is_held_by_no_book_and_costs_its_premium() -> None:
    after = fills.filled(empty(), fill("", size="-5", name=CALL), option(CALL), None)

    assert after.positions == {CALL: Decimal(-5)}
    assert after.holdings == {}
    assert after.accounts[CALL].cost == pytest.approx(-0.15)


def test_a_position_that_comes_back_to_nothing_is_dropped_but_its_account_is_kept() -> None:
    bought = fills.filled(empty(), fill("", size="70"), perp(), "ext")
    sold = fills.filled(bought, fill("", size="-70", trade_id="T2"), perp(), "ext")

    assert sold.positions == {}
    assert sold.holdings["ext"][PERP] == 0
    assert sold.accounts[PERP].cost == pytest.approx(0.0)
    assert sold.accounts[PERP].fees > 0


def test_a_position_taken_over_is_bought_at_the_mark_by_the_book_for_external_changes() -> None:
    held = fills.filled(empty(), fill("", size="70"), perp(), "ext")
    after = fills.adopted(held, perp(), Decimal(-30), 50_000.0, "ext")

    assert after.positions == {PERP: Decimal(-30)}
    assert after.holdings == {"ext": {PERP: Decimal(-30)}}
    assert after.accounts[PERP].cost == pytest.approx(70 / 100_000 - 100 / 50_000)
    assert after.accounts[PERP].fees == held.accounts[PERP].fees


SESSION_8AM_MS = START_MS - units.MS_PER_HOUR  # the start is at 09:00 UTC


def test_funding_counts_from_the_first_report_on_and_a_new_session_starts_from_nothing() -> None:
    known = fills.funded(empty(), PERP, 0.5, START_MS)
    assert known.accounts[PERP].funding == 0.0, "what was earned before us is not ours to count"

    known = fills.funded(known, PERP, 0.7, START_MS + 1)
    assert known.accounts[PERP].funding == pytest.approx(0.2)
    known = fills.funded(known, PERP, 0.6, START_MS + 2)
    assert known.accounts[PERP].funding == pytest.approx(0.1)
    next_day_ms = SESSION_8AM_MS + units.MS_PER_DAY
    known = fills.funded(known, PERP, 0.05, next_day_ms)
    assert known.accounts[PERP].funding == pytest.approx(0.15)


def test_a_session_ends_at_eight_utc_and_not_before() -> None:
    known = fills.funded(empty(), PERP, 0.5, START_MS)
    last_ms = SESSION_8AM_MS + units.MS_PER_DAY - 1

    assert fills.funded(known, PERP, 0.5, last_ms).accounts[PERP].funding == 0.0
    assert fills.funded(known, PERP, 0.5, last_ms + 1).accounts[PERP].funding == 0.5


def test_a_report_that_says_nothing_new_of_funding_makes_no_new_standing() -> None:
    known = fills.funded(empty(), PERP, 0.5, START_MS)

    assert fills.funded(known, PERP, 0.5, START_MS + 1) is known
    assert fills.funded(empty(), PERP, None, START_MS) == empty()


def test_funding_counted_for_a_closed_position_is_not_taken_back_by_the_next_one() -> None:
    known = fills.funded(empty(), PERP, 0.0, START_MS)
    known = fills.funded(known, PERP, 0.2, START_MS + 1)
    known = fills.funded(known, PERP, None, START_MS + 2)
    known = fills.funded(known, PERP, 0.0, START_MS + 3)
    known = fills.funded(known, PERP, 0.1, START_MS + 4)

    assert known.accounts[PERP].funding == pytest.approx(0.3)


def test_putting_back_the_same_order_makes_no_new_standing() -> None:
    same = order("o1", 100)
    known = standing.with_order(empty(), same)

    assert standing.with_order(known, same) is known


def test_old_quiet_orders_are_forgotten_and_loud_ones_never() -> None:
    known = standing.with_order(empty(), order("o000", 100, status=OrderStatus.UNKNOWN))
    for at in range(1, CLOSED_ORDERS_KEPT + 10):
        closed = order(f"o{at:03d}", 100, status=OrderStatus.CLOSED)
        late = replace(closed, requested_ms=START_MS + at * units.MS_PER_MINUTE)
        known = standing.with_order(known, late)

    assert "o000" in known.orders
    assert "o009" not in known.orders
    assert list(known.orders)[1] == "o010"
    assert len(known.orders) == CLOSED_ORDERS_KEPT + 1


def test_no_order_of_the_last_minute_is_forgotten_however_many_there_are() -> None:
    known = empty()
    for at in range(200):
        closed = order(f"o{at:03d}", 100, status=OrderStatus.CLOSED)
        known = standing.with_order(known, replace(closed, requested_ms=START_MS + 1_000 * at))

    newest_ms = START_MS + 199_000
    last_minute = [o for o in known.orders.values() if o.requested_ms >= newest_ms - 60_000]
    assert len(last_minute) == 61
    assert len(known.orders) == 61


def test_a_trade_of_a_venue_whose_clock_went_back_is_remembered() -> None:
    known = empty()
    for at in range(2 * TRADES_KEPT_MIN):
        known = standing.with_trade(known, f"t{at}", START_MS + at)

    known = standing.with_trade(known, "first", START_MS - 3 * TRADES_KEPT_MS)
    known = standing.with_trade(known, "second", START_MS - 3 * TRADES_KEPT_MS)

    assert {"first", "second"} <= known.trades_seen.keys()


def test_trade_ids_are_remembered_for_an_hour_of_trades() -> None:
    known = empty()
    for at in range(2 * TRADES_KEPT_MIN):
        known = standing.with_trade(known, f"t{at}", START_MS + at)
    assert len(known.trades_seen) == 2 * TRADES_KEPT_MIN

    newest_ms = START_MS + 2 * TRADES_KEPT_MIN + TRADES_KEPT_MS
    known = standing.with_trade(known, "new", newest_ms)
    assert known.trades_until_ms == newest_ms
    known = standing.with_trade(known, "late", newest_ms - 1)
    assert known.trades_until_ms == newest_ms, "the mark never goes back"


def test_trade_ids_outlive_a_jump_of_the_market_clock_for_answers_on_their_way() -> None:
    known = empty()
    for at in range(2 * TRADES_KEPT_MIN):
        known = standing.with_trade(known, f"t{at}", START_MS + at)
    known = standing.with_trade(known, "after", START_MS + 10 * TRADES_KEPT_MS)

    assert len(known.trades_seen) == TRADES_KEPT_MIN
    assert f"t{2 * TRADES_KEPT_MIN - 1}" in known.trades_seen


@given(st.lists(st.tuples(st.sampled_from(["b0", "b1"]), LOTS), max_size=12))
def test_what_books_hold_of_a_hedge_adds_up_to_its_position(trades):
    known = empty()
    for at, (owner, size) in enumerate(trades):
        fact = replace(fill("", size=str(size), trade_id=f"t{at}"))
        known = fills.filled(known, fact, perp(), owner)
    held = sum((book[PERP] for book in known.holdings.values()), units.ZERO)

    assert held == known.positions.get(PERP, units.ZERO)


def test_a_fill_that_comes_before_its_terms_costs_what_it_should_once_they_are_known() -> None:
    early = fills.filled(empty(), fill("", size="200"), None, "b0")
    assert early.accounts[PERP].cost == 0.0, "nothing is guessed"
    assert early.positions == {PERP: Decimal(200)}

    after = fills.listed(early, {PERP: perp()})
    assert after.accounts[PERP].cost == pytest.approx(0.002)  # 200 USD at 100,000
    assert fills.listed(after, {PERP: perp()}).accounts == after.accounts, "once only"


def test_an_early_fill_of_an_option_costs_its_premium_once_listed() -> None:
    told = fill("", size="-5", name=CALL)
    early = fills.filled(empty(), told, None, None)

    after = fills.listed(early, {CALL: option(CALL)})
    assert after.accounts == fills.filled(empty(), told, option(CALL), None).accounts
