"""What waits for the loop: nothing about money is lost, and a burst of quotes is one quote."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.events import (
    BalanceSeen,
    Command,
    CommandGiven,
    Fact,
    FillCause,
    FillSeen,
    HostMeasured,
    Link,
    LinkUp,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    TimerFired,
)
from bot.runtime import inbox as inbox_module
from bot.runtime.inbox import Inbox, InboxOverflowError


def quote(
    instrument: str = "BTC-PERPETUAL", bid: float = 99_000.0, arrived_ns: int = 1
) -> QuoteSeen:
    return QuoteSeen(
        instrument=instrument,
        venue_ms=1_000,
        arrived_ns=arrived_ns,
        bid=bid,
        ask=bid + 1,
        mark=bid,
        index_usd=bid,
    )


def fill(trade_id: str) -> FillSeen:
    return FillSeen(
        trade_id=trade_id,
        order_id="db1",
        venue_order_id="v1",
        instrument="BTC-PERPETUAL",
        size_native=Decimal(10),
        price=99_000.0,
        fee=0.0,
        is_maker=False,
        cause=FillCause.TRADE,
        venue_ms=1_000,
    )


BALANCE = BalanceSeen(
    currency="BTC",
    equity=1.0,
    margin_balance=1.0,
    available_funds=1.0,
    initial_margin=0.0,
    maintenance_margin=0.0,
    delta_total_coin=None,
    arrived_ns=1,
)
FLAT = PositionsSeen(positions=(), complete=True, asked_ns=None, arrived_ns=1)


async def test_a_burst_of_quotes_of_one_instrument_costs_one_decision():
    inbox = Inbox()
    for number in range(50):
        inbox.admit(quote(bid=99_000.0 + number))
    inbox.admit(quote(instrument="BTC-26DEC25-100000-C"))
    drained = inbox.drain()
    assert [fact.bid for fact in drained if isinstance(fact, QuoteSeen)] == [99_049.0, 99_000.0]
    assert (inbox.quotes_admitted, inbox.quotes_conflated) == (51, 49)


async def test_repeated_fills_and_balances_are_all_kept_for_the_core_to_judge():
    inbox = Inbox()
    facts: list[Fact] = [fill("a"), fill("a"), BALANCE, BALANCE, TimerFired(name="reconcile")]
    for fact in facts:
        inbox.admit(fact)
    assert sorted(map(repr, inbox.drain())) == sorted(map(repr, facts))
    assert inbox.drain() == ()


async def test_own_order_news_is_folded_before_the_positions_that_contain_it():
    inbox = Inbox()
    order = OrderUnknown(order_id="db1", reason="no answer")
    sent = OrderSent(order_id="db1", wire_ns=5)
    halt = CommandGiven(command=Command.HALT, command_id="1", actor="me")
    up = LinkUp(link=Link.MARKET)
    arrivals = (
        quote(),
        halt,
        up,
        FLAT,
        TimerFired(name="reconcile"),
        BALANCE,
        sent,
        order,
        fill("a"),
    )
    for fact in arrivals:
        inbox.admit(fact)
    assert inbox.drain() == (
        sent, order, fill("a"), FLAT, BALANCE, up, TimerFired(name="reconcile"), halt, quote(),
    )  # fmt: skip


async def test_a_loop_that_never_drains_is_taken_down_rather_than_fed(monkeypatch):
    monkeypatch.setattr(inbox_module, "MONEY_FACTS_MAX", 3)
    inbox = Inbox()
    for trade in "abc":
        inbox.admit(fill(trade))
    inbox.admit(quote())  # quotes conflate, so they never count
    with pytest.raises(InboxOverflowError, match="3 facts about money wait"):
        inbox.admit(fill("d"))


async def test_silence_ends_the_wait_and_a_fact_ends_it_sooner():
    inbox = Inbox()
    assert await inbox.wait(0.01) is False
    asyncio.get_running_loop().call_later(0.01, inbox.admit, fill("a"))
    async with asyncio.timeout(30):
        assert await inbox.wait(60) is True
        assert await inbox.wait(60) is True  # still undrained
    inbox.drain()
    assert await inbox.wait(0.001) is False


@pytest.mark.parametrize(
    ("quotes", "first"),
    [(inbox_module.BURST_QUOTES, ["beat", "fold"]), (1, ["fold", "beat"])],
    ids=["burst", "quote"],
)
async def test_a_beat_that_is_due_does_not_wait_for_a_burst_and_its_fold_too(quotes, first):
    inbox = Inbox()
    order: list[str] = []

    async def fold() -> None:
        assert await inbox.wait(5.0)
        order.append("fold")

    folding = asyncio.create_task(fold())
    await asyncio.sleep(0)
    for number in range(quotes):
        inbox.admit(quote(f"BTC-{number}"))
    asyncio.get_running_loop().call_later(0.0, order.append, "beat")
    await folding
    await asyncio.sleep(0.001)

    assert order == first


async def test_a_daemon_that_is_leaving_hears_fills_but_no_quotes():
    inbox = Inbox()
    inbox.admit(quote())
    inbox.ignore_quotes()
    inbox.admit(quote())
    inbox.admit(fill("a"))
    assert inbox.drain() == (fill("a"),)


def measured(**changes: object) -> HostMeasured:
    known = HostMeasured(loop_lag_ns=1, journal_ns=1, clock_skew_ms=0.0, arrived_ns=1)
    return replace(known, **changes)  # type: ignore[arg-type]


def test_measurements_of_the_host_are_one_with_the_worst_of_all_that_nobody_looked_at() -> None:
    waiting = Inbox()
    waiting.admit(measured(loop_lag_ns=900, clock_skew_ms=-50.0))
    waiting.admit(measured(journal_ns=700, clock_skew_ms=None))
    waiting.admit(measured(clock_skew_ms=20.0, arrived_ns=3))
    assert len(waiting) == 1

    assert waiting.drain() == (
        HostMeasured(loop_lag_ns=900, journal_ns=700, clock_skew_ms=-50.0, arrived_ns=3),
    )
    waiting.admit(measured())
    assert waiting.drain() == (measured(),), "what was looked at does not count again"
