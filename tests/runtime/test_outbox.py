"""Actions are carried out once, within limits; whatever goes wrong with an order is "unknown"."""

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path

import pytest

from bot.core.actions import (
    Action,
    Alert,
    CancelOrder,
    QueryOrder,
    ReadAccount,
    Severity,
    SubmitOrder,
    TimeInForce,
)
from bot.core.events import Fact, OrderRejected, OrderSent, OrderUnknown, ReadFailed
from bot.runtime import outbox as outbox_module
from bot.runtime.alerts import Alerts
from bot.runtime.clock import SystemMarketClock, TimeSample, VenueMarketClock, WireClock
from bot.runtime.outbox import OrderSentTwiceError, Outbox, OutboxOverflowError
from bot.runtime.stopcock import Stopcock
from tests.runtime.desk import until

WIRE = WireClock()
NO_FLAG = Path("no-such-directory/ledger.halt")


def submit(order_id: str = "db1", valid_for_ms: int = 2_000) -> SubmitOrder:
    return SubmitOrder(
        order_id=order_id,
        instrument="BTC-PERPETUAL",
        size_native=Decimal(-10),
        limit=Decimal(100),
        time_in_force=TimeInForce.IOC,
        valid_until_ms=SystemMarketClock(WIRE).now_ms() + valid_for_ms,
    )


CANCEL = CancelOrder(order_id="db0", instrument="BTC-PERPETUAL")
QUERY = QueryOrder(order_id="db0", instrument="BTC-PERPETUAL", requested_ms=1)
READ = ReadAccount(reason="start", trades_since_ms=0)


class Line:
    """A connection that records what it is asked, and answers when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[Action] = []
        self.facts: list[Fact] = []
        self.opened = asyncio.Event()
        self.fault: BaseException | None = None

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        self.asked.append(action)
        if self.fault is not None:
            raise self.fault
        await self.opened.wait()
        if isinstance(action, SubmitOrder):
            return (OrderSent(order_id=action.order_id, wire_ns=1),)
        return ()


@contextlib.asynccontextmanager
async def at_work(line: Line, market=None, flag: Path = NO_FLAG):
    alerts = Alerts(WIRE.epoch_ms)
    outbox = Outbox(
        perform=line.perform,
        post=line.facts.append,
        alerts=alerts,
        market=market or SystemMarketClock(WIRE),
        stopcock=Stopcock(flag),
    )
    task = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    try:
        yield outbox, alerts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_the_outcome_of_an_action_comes_back_as_facts():
    line = Line()
    async with at_work(line) as (outbox, _):
        outbox.perform((submit(),))
        await asyncio.sleep(0)
        assert line.facts == []
        line.opened.set()
        await asyncio.wait_for(outbox.idle(), 60)
    assert line.facts == [OrderSent(order_id="db1", wire_ns=1)]


async def test_an_order_that_a_halt_overtakes_is_dropped_told_as_rejected_and_never_unknown(
    tmp_path,
):
    line, flag = Line(), tmp_path / "ledger.halt"
    async with at_work(line, flag=flag) as (outbox, _):
        outbox.perform((submit(), CANCEL))  # decided, and on its way to the socket
        flag.write_text("stop\n")
        line.opened.set()
        await asyncio.wait_for(outbox.idle(), 60)
    assert line.asked == [CANCEL], "cancels leave whatever is shut"
    (fact,) = line.facts
    assert isinstance(fact, OrderRejected)
    assert fact.reason == "not sent: the file ledger.halt is there"
    assert fact.is_passing, "it was not the order's fault"


async def test_an_order_that_outlives_its_answer_is_unknown_and_not_sent_again(monkeypatch):
    monkeypatch.setattr(outbox_module, "SUBMIT_MARGIN_SECONDS", 0.02)
    line = Line()
    async with at_work(line) as (outbox, _):
        outbox.perform((submit(valid_for_ms=30),))
        await until(lambda: line.facts or len(line.asked) > 1)
        await asyncio.sleep(0.05)
    assert len(line.asked) == 1
    (fact,) = line.facts
    assert isinstance(fact, OrderUnknown)
    assert "no answer within 0.0" in fact.reason or "no answer within 0.1" in fact.reason


async def test_a_rehearsal_waits_for_an_order_in_wire_time_however_fast_the_market_runs(
    monkeypatch,
):
    monkeypatch.setattr(outbox_module, "SUBMIT_MARGIN_SECONDS", 0.02)
    market = VenueMarketClock(WIRE)
    for number in range(8):
        at_ns = WIRE.monotonic_ns() - (8 - number) * 1_000_000_000
        market.observe(
            TimeSample(asked_ns=at_ns, answered_ns=at_ns, venue_ms=10**12 + number * 120_000)
        )
    order = submit()
    object.__setattr__(order, "valid_until_ms", market.now_ms() + 12_000)  # 0.1 s of wire time
    line = Line()
    async with at_work(line, market) as (outbox, _):
        outbox.perform((order,))
        await until(lambda: line.facts, seconds=6)  # half of its market time


@pytest.mark.parametrize(
    "fault", [TypeError("not bytes"), ConnectionResetError("gone"), TimeoutError(), ValueError("?")]
)
async def test_an_error_of_any_type_while_sending_an_order_is_unknown_never_rejected(fault):
    line = Line()
    line.fault = fault
    async with at_work(line) as (outbox, _):
        outbox.perform((submit(),))
        await until(lambda: line.facts)
    assert [type(fact) for fact in line.facts] == [OrderUnknown]
    assert len(line.asked) == 1


async def test_a_question_that_fails_is_a_failed_read_and_never_an_empty_answer():
    line = Line()
    line.fault = ConnectionResetError("gone")
    async with at_work(line) as (outbox, _):
        outbox.perform((QUERY, READ, CANCEL))
        await until(lambda: len(line.facts) == 3)
    assert {fact.what for fact in line.facts if isinstance(fact, ReadFailed)} == {
        "order db0", "account", "cancel db0",
    }  # fmt: skip


async def test_a_cancel_starts_before_all_else_and_waits_for_nothing():
    line = Line()
    async with at_work(line) as (outbox, _):
        outbox.perform((READ, submit()))
        await asyncio.sleep(0)
        outbox.perform((QUERY, CANCEL))
        await until(lambda: len(line.asked) == 4)
    assert line.asked[2] == CANCEL


async def test_a_cancel_asked_again_while_the_first_is_under_way_is_sent_once():
    line = Line()
    async with at_work(line) as (outbox, _):
        for _ in range(5):
            outbox.perform((CANCEL,))
        await until(lambda: line.asked)
        line.opened.set()
        await outbox.idle()
        outbox.perform((CANCEL,))
        await until(lambda: len(line.asked) == 2)


async def test_an_order_id_that_comes_up_twice_is_not_sent_twice():
    line = Line()
    line.opened.set()
    async with at_work(line) as (outbox, _):
        outbox.perform((submit(),))
        await outbox.idle()
        with pytest.raises(OrderSentTwiceError, match="order db1 was sent before"):
            outbox.perform((submit(),))
    assert len(line.asked) == 1


async def test_too_many_unanswered_actions_end_the_process(monkeypatch):
    monkeypatch.setattr(outbox_module, "IN_FLIGHT_MAX", 2)
    line = Line()
    async with at_work(line) as (outbox, _):
        with pytest.raises(OutboxOverflowError, match="2 actions are unanswered"):
            outbox.perform((submit("db1"), submit("db2"), submit("db3")))


async def test_an_alert_reaches_the_person_and_not_the_venue():
    line = Line()
    async with at_work(line) as (outbox, alerts):
        outbox.perform((Alert(severity=Severity.CRITICAL, text="halted"),))
        assert [raised.text for raised in alerts.recent] == ["halted"]
    assert alerts.counts[Severity.CRITICAL] == 1
    assert line.asked == []
