"""The venue takes trades back and closes books: position and money agree, nothing trades."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import Answer, PositionChanged, Refused
from bot.exchange.reports import Direction, FillCause, OrderState, OrderType
from bot.exchange.trading_commands import BookHalted, BustTrade, HaltBook
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    EXPIRY_MS,
    IOC,
    PERP,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
    refused,
)
from tests.exchange.trading_builders import crowd, done, edit, order_now, trigger
from tests.exchange.wire import PERPETUAL, hall


def bust(venue: Any, trade_id: str | None = None, account: str = "demo") -> Any:
    return venue.handle(BustTrade(account=account, trade_id=trade_id))


def test_a_busted_trade_leaves_position_and_money_as_they_were_before_it() -> None:
    venue = engine()
    before = venue.account("demo", "BTC")
    taken = placed(venue.handle(order(BUY, 500, 100_001.0, tif=IOC)))
    assert venue.account("demo", "BTC").equity != before.equity

    answer = bust(venue)

    assert isinstance(answer, Answer)
    assert PositionChanged(account="demo", instrument_name=PERP, size=Decimal(0)) in answer.events
    assert venue.ledger_positions("demo") == {}
    after = venue.account("demo", "BTC")
    assert (after.equity, after.fees_paid) == (before.equity, before.fees_paid)
    assert venue.trades("demo") == []
    assert order_now(venue, taken.order.order_id).filled_amount == 500
    fill, reversal = venue.ledger_fills()
    assert (reversal.cause, reversal.order_id) == (FillCause.BUST, fill.order_id)
    assert (reversal.direction, reversal.amount, reversal.price) == (SELL, fill.amount, fill.price)


def test_a_trade_between_users_is_taken_back_from_both_and_only_once() -> None:
    venue = crowd()
    placed(venue.handle(order(BUY, 100, 100_000.0, account="other")))
    taken = placed(venue.handle(order(SELL, 100, 100_000.0)))
    done(bust(venue, taken.trades[0].trade_id))
    assert venue.ledger_positions("demo") == venue.ledger_positions("other") == {}
    assert isinstance(bust(venue, taken.trades[0].trade_id), Refused)
    assert isinstance(bust(venue, account="other"), Refused)


def test_what_has_been_delivered_is_not_taken_back() -> None:
    venue = engine(frame(EXPIRY_MS - 1_000), frame(EXPIRY_MS + 1_000, contracts=()))
    placed(venue.handle(order(BUY, 0.1, name=CALL.name)))
    venue.advance(EXPIRY_MS + 1_000)
    assert refused(bust(venue)).code == -32602


@given(
    st.lists(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 60), st.booleans(), st.booleans()),
        max_size=10,
    )
)
@settings(max_examples=40, deadline=None)
def test_coins_are_conserved_whatever_is_taken_back(
    steps: list[tuple[Direction, int, bool, bool]],
) -> None:
    venue = crowd(equity=1_000.0)
    for direction, lots, is_user, takes_back in steps:
        price = 100_000.0 if is_user else (100_003.0 if direction is BUY else 99_997.0)
        if is_user:
            other = SELL if direction is BUY else BUY
            venue.handle(order(other, 10 * lots, price, account="other"))
        venue.handle(order(direction, 10 * lots, price, tif=IOC))
        if takes_back:
            bust(venue)
        assert venue.desk.treasury.excess("BTC", venue.desk.wallets()) == 0
    held = sum(
        (t.amount if t.direction is BUY else -t.amount for t in venue.trades("demo")), Decimal(0)
    )
    assert venue.ledger_positions("demo").get(PERP, Decimal(0)) == held


def test_a_halted_book_takes_no_orders_fills_none_and_lets_them_be_cancelled() -> None:
    later = frame(START_MS + 1_000, index=99_000.0)
    venue = engine(frame(), later, later)
    resting = placed(venue.handle(order(BUY, 100, 99_500.0))).order
    stop = placed(venue.handle(trigger(OrderType.STOP_MARKET, SELL, 99_500))).order

    answer = venue.handle(HaltBook(instrument_name=PERP, is_halted=True))

    assert isinstance(answer, Answer)
    assert answer.events == (BookHalted(instrument_name=PERP, is_halted=True, at_ms=START_MS),)
    assert refused(venue.handle(order(BUY, 10, 90_000.0))).code == 10012
    assert refused(venue.handle(edit(resting.order_id, price=99_600.0))).code == 10012
    venue.advance(START_MS + 1_000)
    assert order_now(venue, resting.order_id).filled_amount == 0
    fired = order_now(venue, stop.order_id)
    assert (fired.order_state, fired.reject_code) == (OrderState.REJECTED, 10012)
    ticker = venue.ticker(PERP)
    assert ticker is not None
    assert ticker.state == "halted"
    done(venue.handle(HaltBook(instrument_name=PERP, is_halted=False)))
    assert placed(venue.handle(order(BUY, 10, 90_000.0))).order.order_id


def test_only_a_listed_book_is_halted() -> None:
    venue = engine()
    assert isinstance(venue.handle(HaltBook(instrument_name="NONSENSE", is_halted=True)), Refused)


@pytest.mark.parametrize(("halted", "state"), [(True, "deactivated"), (False, "started")])
def test_a_halt_is_told_on_the_channel_of_states(halted: bool, state: str) -> None:
    world = hall()
    client = world.client().login()
    client.call("private/subscribe", channels=["instrument.state.any.any"])
    for is_halted in (True, halted):
        command = HaltBook(instrument_name=PERPETUAL, is_halted=is_halted)
        world.floor.accept(world.floor.engine.handle(command))
        world.floor.publish()
        world.pass_ms(1_000)
    told = client.told("instrument.state.any.any")[-1]
    assert (told["instrument_name"], told["state"]) == (PERPETUAL, state)
    assert client.call("public/ticker", instrument_name=PERPETUAL)["state"] == (
        "halted" if halted else "open"
    )
