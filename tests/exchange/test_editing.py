"""An edit changes an order, or leaves it as it was."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import CancelOrder, Refused
from bot.exchange.reports import CancelReason, OrderState
from bot.exchange.trading_commands import EditByLabel, OrderChange
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    PERP,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
    refused,
)
from tests.exchange.trading_builders import crowd, done, edit, edited, order_now

LATER_MS = START_MS + 1_000


def test_a_smaller_order_at_its_price_keeps_its_place_in_the_queue() -> None:
    venue = engine(frame(), frame(LATER_MS), equity=100.0)
    first = placed(venue.handle(order(BUY, 200, 100_000.0))).order
    placed(venue.handle(order(BUY, 100, 100_000.0, account="other")))

    after = edited(venue, first.order_id, amount=100).order

    assert after.amount == 100
    assert (after.replaced, after.order_id) == (True, first.order_id)
    placed(venue.handle(order(SELL, 100, 100_000.0, account="other", label="taker")))
    assert order_now(venue, first.order_id).order_state is OrderState.FILLED


@pytest.mark.parametrize("change", [{"amount": 300}, {"price": 100_000.5}, {"reduce_only": True}])
def test_any_other_change_sends_the_order_to_the_back_of_the_queue(change: dict[str, Any]) -> None:
    venue = crowd(size=-1_000)
    mine = placed(venue.handle(order(BUY, 200, 100_000.0))).order
    theirs = placed(venue.handle(order(BUY, 100, 100_000.0, account="other"))).order
    edited(venue, mine.order_id, **change)
    if "price" in change:
        edited(venue, mine.order_id, price=100_000.0)

    placed(venue.handle(order(SELL, 100, 100_000.0, account="third")))

    assert order_now(venue, theirs.order_id, "other").order_state is OrderState.FILLED
    assert order_now(venue, mine.order_id).filled_amount == 0


def test_an_edit_that_reaches_the_other_side_trades_at_once() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 1_500, 99_000.0))).order

    after = edited(venue, mine.order_id, price=100_001.0)

    assert [trade.amount for trade in after.trades] == [1_000]
    assert after.order.filled_amount == 1_000
    assert after.order.order_state is OrderState.OPEN
    assert after.order.price == Decimal("100001.0")
    book = venue.book(PERP)
    assert book is not None
    assert book.bids[0] == (Decimal("100001.0"), Decimal(500))


def test_the_amount_of_an_edit_counts_what_is_filled_already() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 1_500, 100_001.0))).order
    assert mine.filled_amount == 1_000

    assert edited(venue, mine.order_id, amount=1_200).order.amount == 1_200
    for amount in (1_000, 990):
        assert refused(venue.handle(edit(mine.order_id, amount=amount))).code == 11008

    assert order_now(venue, mine.order_id).amount == 1_200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": 99_000.25}, 10043),
        ({"price": -1}, -32602),
        ({"amount": 105}, -32602),
        ({"amount": 5}, 10002),
        ({"amount": 90_000_000}, 10009),
        ({"reduce_only": True}, 11030),
        ({"trigger_price": 90_000}, -32602),
        ({"display_amount": 50}, 10036),
        ({"mmp": True}, 11030),
    ],
)
def test_a_refused_edit_leaves_the_order_as_it_was(change: dict[str, Any], code: int) -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 100, 99_000.0))).order

    assert refused(venue.handle(edit(mine.order_id, **change))).code == code

    assert order_now(venue, mine.order_id) == mine
    book = venue.book(PERP, depth=100)
    assert book is not None
    assert (Decimal("99000.0"), Decimal(100)) in book.bids


def test_an_order_that_is_over_unknown_or_anothers_is_not_edited() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 100, 99_000.0))).order
    assert refused(venue.handle(edit(mine.order_id, account="other", amount=50))).code == 10029
    assert refused(venue.handle(edit("BTC-1", amount=50))).code == 10004
    done(venue.handle(CancelOrder(account="demo", order_id=mine.order_id)))
    assert refused(venue.handle(edit(mine.order_id, amount=50))).code == 11044


def test_an_edit_behind_its_deadline_is_refused() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 100, 99_000.0))).order
    late = replace(edit(mine.order_id, amount=50), valid_until_ms=START_MS - 1)
    assert refused(venue.handle(late)).code == 13888


def test_a_post_only_edit_is_priced_behind_the_other_side_or_cancels_the_order() -> None:
    venue = engine()
    mine = placed(venue.handle(order(BUY, 100, 99_000.0, post_only=True))).order
    behind = edited(venue, mine.order_id, price=100_005.0)
    assert (behind.order.price, behind.trades) == (Decimal("100000.5"), ())

    gone = edited(venue, mine.order_id, price=100_005.0, reject_post_only=True).order

    assert gone.order_state is OrderState.CANCELLED
    assert gone.cancel_reason is CancelReason.EDIT_POST_ONLY_REJECT
    assert venue.open_orders("demo") == []


def test_the_margin_of_an_edit_is_asked_for_without_the_order_that_it_replaces() -> None:
    venue = engine(equity=0.05)  # 2 % of 200,000 USD is 0.04 coins
    mine = placed(venue.handle(order(BUY, 200_000, 99_000.0))).order
    assert edited(venue, mine.order_id, price=99_001.0).order.price == Decimal("99001.0")
    assert refused(venue.handle(edit(mine.order_id, amount=300_000))).code == 10009


def test_a_label_edits_the_only_live_order_that_carries_it() -> None:
    venue = engine()
    one = placed(venue.handle(order(BUY, 100, 99_000.0, label="a"))).order
    option = placed(venue.handle(order(BUY, 0.1, 0.005, name=CALL.name, label="a"))).order

    def by_label(label: str) -> object:
        change = OrderChange(amount=Decimal(50))
        command = EditByLabel(account="demo", label=label, instrument_name=PERP, change=change)
        return venue.handle(command)

    assert done(by_label("a")).order.order_id == one.order_id  # type: ignore[arg-type]
    assert order_now(venue, option.order_id) == option
    placed(venue.handle(order(BUY, 100, 98_000.0, label="a")))
    ambiguous, unknown = by_label("a"), by_label("b")
    assert isinstance(ambiguous, Refused)
    assert ambiguous.code == 11030
    assert isinstance(unknown, Refused)
    assert unknown.code == 10004


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(-6, 6), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_an_edit_never_unfills_an_order_and_what_it_fills_is_told(
    changes: list[tuple[int, int, bool, bool]],
) -> None:
    venue = engine(equity=100.0)
    mine = placed(venue.handle(order(BUY, 1_500, 100_001.0))).order
    for lots, ticks, post_only, reject in changes:
        before = order_now(venue, mine.order_id)
        answer = venue.handle(
            edit(
                mine.order_id,
                amount=100 * lots,
                price=100_000 + 0.5 * ticks,
                post_only=post_only,
                reject_post_only=reject,
            )
        )
        after = order_now(venue, mine.order_id)
        if isinstance(answer, Refused):
            assert after == before
            continue
        told = sum(trade.amount for trade in answer.result.trades)
        assert after.filled_amount == before.filled_amount + told <= after.amount
        assert not (post_only and told)
    fills = venue.trades("demo", order_id=mine.order_id)
    assert sum(trade.amount for trade in fills) == order_now(venue, mine.order_id).filled_amount


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(-6, 6), st.integers(0, 3)),
        min_size=1,
        max_size=10,
    )
)
@settings(max_examples=40, deadline=None)
def test_what_open_orders_hold_back_is_as_if_it_were_worked_out_afresh(
    steps: list[tuple[int, int, int]],
) -> None:
    venue = engine(frame(), frame(LATER_MS, index=99_990.0), equity=100.0)
    for lots, ticks, what in steps:
        live = venue.open_orders("demo")
        price = 100_000 + 0.5 * ticks
        if what == 0 or not live:
            venue.handle(order(BUY, 100 * lots, price))
        elif what == 1:
            venue.handle(edit(live[0].order_id, amount=100 * lots, price=price))
        elif what == 2:
            venue.handle(CancelOrder(account="demo", order_id=live[-1].order_id))
        else:
            venue.handle(order(SELL, 50 * lots, price, account="other"))
    venue.advance(LATER_MS)
    kept = venue.account("demo", "BTC")
    register = venue.desk.register
    opened = list(register.open_of("demo").values())
    assert register.open_in("demo", "BTC") == register.open_on("demo", PERP) == opened
    for each in opened:
        each.reserve = None
    assert venue.account("demo", "BTC") == kept
