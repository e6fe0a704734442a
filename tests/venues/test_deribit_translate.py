"""Deribit's raw messages into facts: tables by hand, and laws."""

import json
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import (
    BadMessage,
    FillCause,
    FillSeen,
    OrderSeen,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.venues import deribit_translate as raw
from bot.venues.deribit_translate import MessageError
from tests.venues.edge import kinds, one
from tests.venues.payloads import CALL, NOW_MS, PERPETUAL, order, position, summary, ticker, trade

# ------------------------------------------------------------------------------- quotes


def test_an_option_quote_keeps_coin_prices_and_turns_percent_into_decimals():
    data = ticker(CALL, 0.0265, mark_iv=50.0, underlying_price=100_250.5, mark_price=0.0268)

    seen = raw.quote(data, arrived_ns=5)

    assert seen == QuoteSeen(
        instrument=CALL,
        venue_ms=NOW_MS,
        arrived_ns=5,
        bid=0.0265,
        ask=1.0265,
        mark=0.0268,
        index_usd=100_000.0,
        bid_size_native=50_000.0,
        ask_size_native=60_000.0,
        forward_usd=100_250.5,
        iv=0.5,
        funding_8h=None,
    )


@pytest.mark.parametrize("nothing", [None, 0, 0.0, -1.0, nan, inf, -inf])
@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("best_bid_price", "bid"),
        ("best_ask_price", "ask"),
        ("mark_price", "mark"),
        ("index_price", "index_usd"),
        ("underlying_price", "forward_usd"),
        ("mark_iv", "iv"),
        ("best_bid_amount", "bid_size_native"),
    ],
)
def test_a_price_that_is_none_is_never_a_number(key, field, nothing):
    assert getattr(raw.quote(ticker(CALL, 0.05, **{key: nothing}), 1), field) is None


def test_only_an_option_with_a_volatility_may_be_marked_at_nothing():
    worthless = {"mark_price": 0.0, "best_bid_price": 0.0}

    assert raw.quote(ticker(CALL, 0.0, mark_iv=60.0, **worthless), 1).mark == 0.0
    assert raw.quote(ticker(CALL, 0.0, mark_iv=0.0, **worthless), 1).mark is None
    assert raw.quote(ticker(PERPETUAL, 0.0, **worthless), 1).mark is None
    assert raw.quote(ticker(CALL, 0.0, mark_iv=60.0, mark_price=-0.1), 1).mark is None


def test_a_book_that_is_not_open_has_no_sides():
    seen = raw.quote(ticker(CALL, 0.05, state="closed"), 1)

    assert (seen.bid, seen.ask, seen.mark) == (None, None, 0.55)


def test_negative_funding_is_funding():
    assert raw.quote(ticker(PERPETUAL, 1.0, funding_8h=-8.4e-05), 1).funding_8h == -8.4e-05


@pytest.mark.parametrize(
    "changes",
    [
        {"instrument_name": None},
        {"instrument_name": ""},
        {"timestamp": None},
        {"timestamp": "1765"},
        {"best_bid_price": "0.05"},
        {"mark_price": [1.0]},
        {"best_ask_price": True},
        {"funding_8h": nan},
    ],
    ids=str,
)
def test_a_quote_that_is_not_one_is_refused(changes):
    (bad,) = raw.pushed("ticker.X.raw", ticker(CALL, 0.05) | changes, 1)

    assert isinstance(bad, BadMessage)
    assert next(iter(changes)) in bad.reason


# ------------------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("state", "filled", "status"),
    [
        ("open", 0.0, VenueStatus.OPEN),
        ("open", 30.0, VenueStatus.OPEN),
        ("untriggered", 0.0, VenueStatus.OPEN),
        ("filled", 100.0, VenueStatus.FILLED),
        ("cancelled", 40.0, VenueStatus.CANCELLED),
        ("rejected", 0.0, VenueStatus.REJECTED),
    ],
)
@pytest.mark.parametrize(("direction", "sign"), [("buy", 1), ("sell", -1)])
def test_an_order_is_signed_by_its_direction(state, filled, status, direction, sign):
    seen = raw.order(order(state=state, filled=filled, direction=direction), 1)

    assert seen == OrderSeen(
        order_id="db-1",
        venue_order_id="BTC-1",
        instrument=PERPETUAL,
        status=status,
        size_native=Decimal(100) * sign,
        filled_native=Decimal(str(filled)) * sign,
        venue_ms=NOW_MS,
        arrived_ns=1,
    )


def test_an_order_says_why_it_was_cancelled():
    data = order(state="cancelled") | {"cancel_reason": "user_request"}

    assert raw.order(data, 1).reason == "user_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"order_state": "archived"},
        {"order_state": None},
        {"order_id": None},
        {"instrument_name": None},
        {"direction": "long"},
        {"direction": None},
        {"direction": ["buy"]},
        {"amount": None},
        {"amount": 0.0},
        {"amount": -10.0},
        {"amount": nan},
        {"filled_amount": None},
        {"filled_amount": 100.5},
        {"filled_amount": -1.0},
    ],
    ids=str,
)
def test_an_order_that_does_not_say_what_it_must_is_refused(changes):
    with pytest.raises(MessageError):
        raw.order(order() | changes, 1)


# ------------------------------------------------------------------------------- fills


@pytest.mark.parametrize(
    ("liquidity", "liquidation", "cause"),
    [
        ("T", None, FillCause.TRADE),
        ("T", "M", FillCause.TRADE),  # somebody else was liquidated into us
        ("M", "T", FillCause.TRADE),
        ("T", "T", FillCause.LIQUIDATION),
        ("M", "M", FillCause.LIQUIDATION),
        ("M", "MT", FillCause.LIQUIDATION),
    ],
)
def test_only_our_own_side_makes_a_fill_a_liquidation(liquidity, liquidation, cause):
    changes: dict[str, Any] = {"liquidity": liquidity}
    if liquidation:
        changes["liquidation"] = liquidation

    seen = raw.fill(trade() | changes, 1)

    assert seen.cause is cause
    assert seen.is_maker is (liquidity == "M")


def test_a_sale_is_negative_a_rebate_is_a_negative_fee_and_a_stranger_has_no_label():
    data = trade(direction="sell", amount=0.3, instrument=CALL) | {"fee": -1e-05}
    del data["label"]

    seen = raw.fill(data, 1)

    assert seen.size_native == Decimal("-0.3")
    assert seen.fee == -1e-05
    assert seen.order_id == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"trade_id": None},
        {"order_id": None},
        {"amount": 0.0},
        {"price": 0.0},
        {"price": None},
        {"fee": None},
        {"fee": nan},
        {"direction": "zero"},
        {"timestamp": None},
    ],
    ids=str,
)
def test_a_fill_that_does_not_say_what_it_must_is_refused(changes):
    with pytest.raises(MessageError):
        raw.fill(trade() | changes, 1)


@given(st.integers(1, 10**9), st.sampled_from([1, 10, 100, 1000]), st.sampled_from(["buy", "sell"]))
def test_an_amount_survives_the_wire_to_the_last_digit(units, scale, direction):
    amount = Decimal(units) / scale
    text = f'{{"amount": {amount}}}'

    seen = raw.fill(trade(direction=direction) | json.loads(text), 1)

    assert abs(seen.size_native) == amount
    assert (seen.size_native > 0) is (direction == "buy")


# ------------------------------------------------------------------------------- the account


def test_a_change_tells_fills_then_orders_then_positions():
    data = {
        "instrument_name": PERPETUAL,
        "trades": [trade()],
        "orders": [order(state="filled", filled=100.0)],
        "positions": [position(PERPETUAL, 0.0)],
    }

    facts = raw.pushed("user.changes.any.any.raw", data, 9)

    assert kinds(facts) == [FillSeen, OrderSeen, PositionsSeen]
    positions = one(facts, PositionsSeen)
    assert positions.complete is False
    assert positions.asked_ns is None
    assert positions.arrived_ns == 9
    assert positions.positions[0].size_native == 0  # flat now: said, not left out


def _times(fact: Any) -> tuple[int | None, int | None]:
    return fact.venue_ms, fact.arrived_ns


def test_all_of_a_change_carries_the_venues_time_and_its_arrival():
    data = {
        "trades": [trade(timestamp=NOW_MS + 3)],
        "orders": [order(state="filled", filled=100.0)],
        "positions": [position(PERPETUAL, 100.0)],
    }

    facts = raw.changes(data, 9)

    told = [(type(fact), *_times(fact)) for fact in facts]
    assert told == [
        (FillSeen, NOW_MS + 3, 9),
        (OrderSeen, NOW_MS, 9),
        (PositionsSeen, NOW_MS + 3, 9),
    ]


def test_positions_that_changed_alone_say_no_time_and_no_clock_is_asked_for_one():
    seen = one(raw.changes({"positions": [position(PERPETUAL, 100.0)]}, 9), PositionsSeen)

    assert (seen.venue_ms, seen.arrived_ns) == (None, 9)


@pytest.mark.parametrize("key", ["position", "positions"])
def test_positions_are_found_under_either_of_the_venues_names(key):
    facts = raw.changes({key: [position(CALL, -1.5)]}, 9)

    assert one(facts, PositionsSeen).positions[0].size_native == Decimal("-1.5")


def test_one_row_that_cannot_be_read_does_not_cost_the_others():
    odd = [{"trade_id": "2"}, trade(trade_id="4") | {"direction": []}]
    data = {"trades": [trade(), *odd, trade(trade_id="3")], "orders": [{}]}

    facts = raw.changes(data, 9)

    assert kinds(facts) == [FillSeen, BadMessage, BadMessage, FillSeen, BadMessage]


@pytest.mark.parametrize(("size", "direction"), [(10.0, "sell"), (-10.0, "buy")])
def test_a_position_whose_sign_and_direction_disagree_is_refused(size, direction):
    with pytest.raises(MessageError, match="with direction"):
        raw.position(position(PERPETUAL, size, direction=direction))


@pytest.mark.parametrize(
    "field",
    [
        "currency",
        "equity",
        "margin_balance",
        "available_funds",
        "initial_margin",
        "maintenance_margin",
    ],
)
def test_a_balance_without_a_figure_that_the_gate_needs_is_refused(field):
    (bad,) = raw.pushed("user.portfolio.btc", summary(**{field: None}), 1)

    assert isinstance(bad, BadMessage)
    assert field in bad.reason


def test_an_account_without_a_venue_delta_is_still_an_account():
    data = summary(currency="btc")
    del data["delta_total"]

    seen = raw.balance(data, 1)

    assert seen.currency == "BTC"
    assert seen.delta_total_coin is None


def test_the_venues_delta_is_kept_by_price_index():
    data = summary(delta_total_map={"btc_usd": 31.594357699, "eth_usd": -2})

    assert raw.balance(data, 1).delta_total_map == {"btc_usd": 31.594357699, "eth_usd": -2.0}
    assert raw.balance(summary(), 1).delta_total_map == {}
    (bad,) = raw.pushed("user.portfolio.btc", summary(delta_total_map={"btc_usd": "1"}), 1)
    assert isinstance(bad, BadMessage)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["trades", "orders", "positions", "amount", "timestamp", "state"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    JUNK,
    st.sampled_from(["ticker.X.raw", "user.changes.any.any.raw", "user.portfolio.btc", "what"]),
)
def test_whatever_the_venue_pushes_becomes_facts_and_never_an_error(data, channel):
    for fact in raw.pushed(channel, data, 1):
        assert isinstance(fact, BadMessage)
