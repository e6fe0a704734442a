"""A whole daemon in one process: it hedges, and it ends for a reason, nothing left in doubt."""

import asyncio
import contextlib
import os
import signal
from decimal import Decimal

import pytest

from bot.core.actions import Action, CancelOrder, SubmitOrder
from bot.core.events import Fact, OrderSeen, OrderSent, ReadFailed, VenueStatus
from bot.core.orders import OrderStatus
from bot.core.state import Mode
from bot.runtime import records
from bot.runtime.daemon import Exit, ExitCode, run_daemon
from bot.runtime.journal import Verified, since_last, verify
from bot.runtime.stopcock import halt_path
from tests.runtime.desk import Desk, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")


class RestingDesk(Desk):
    """A venue where every order rests, and where a cancel is taken at the second asking."""

    def __init__(self) -> None:
        super().__init__()
        self.cancels: list[CancelOrder] = []

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        match action:
            case SubmitOrder():
                sent = OrderSent(order_id=action.order_id, wire_ns=self.wire.monotonic_ns())
                return (sent, self._seen(action, VenueStatus.OPEN))
            case CancelOrder():
                self.cancels.append(action)
                if len(self.cancels) == 1:
                    return (ReadFailed(what=f"cancel {action.order_id}", reason="busy"),)
                return (self._seen(action, VenueStatus.CANCELLED),)
            case _:
                return await super().perform(action)

    @staticmethod
    def _seen(action: SubmitOrder | CancelOrder, status: VenueStatus) -> OrderSeen:
        return OrderSeen(
            order_id=action.order_id,
            venue_order_id=f"v-{action.order_id}",
            instrument=action.instrument,
            status=status,
            size_native=Decimal(-10),
            filled_native=Decimal(0),
        )


class HeldBackDesk(Desk):
    """A venue that fills a half of each order at once, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(filled_part=Decimal("0.5"))
        self.answers = asyncio.Event()

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        outcome = await super().perform(action)
        if isinstance(action, SubmitOrder):
            await self.answers.wait()
        return outcome


@contextlib.asynccontextmanager
async def running(house: House):
    """Run the daemon of a house; yields it in RUN, and the task that will tell how it ended."""
    daemon = house.daemon()
    task = asyncio.create_task(run_daemon(daemon))
    try:
        await until(lambda: house.loop.state.mode is Mode.RUN or task.done())
        yield daemon, task
    finally:
        daemon.stop.set()
        await asyncio.wait((task,), timeout=60)


async def test_a_position_that_somebody_opened_is_hedged_away_once_and_recorded(tmp_path):
    async with House(tmp_path) as house:
        async with running(house) as (_, task):
            house.desk.somebody_trades(50_000)
            await until(lambda: house.desk.requests)
            await until(lambda: house.loop.state.standing.positions == {})
        assert task.result() == Exit(code=ExitCode.DONE, reason="stopped")
        assert [order.size_native for order in house.desk.requests] == [Decimal(-50_000)]
        assert house.desk.position == 0
        assert house.desk.closed
        assert isinstance(verify(house.ledger.path), Verified)


async def test_sigterm_waits_for_the_answer_of_the_order_under_way_and_sends_no_other(tmp_path):
    desk = HeldBackDesk()  # of a half, so that a second order is wanted
    async with House(tmp_path, desk=desk) as house:
        async with running(house) as (_, task):
            house.desk.somebody_trades(50_000)
            await until(lambda: house.desk.requests)
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: house.outbox.stopcock.reason)
            await asyncio.sleep(0.1)
            assert not task.done(), "it waits for the answer"
            desk.answers.set()
            result = await asyncio.wait_for(task, 60)
        assert result.code is ExitCode.DONE
        assert len(house.desk.requests) == 1
        orders = house.loop.state.standing.orders
        assert [order.status for order in orders.values()] == [OrderStatus.CLOSED]


async def test_a_terminal_that_closes_ends_it_in_order_however_many_tell_it_so(tmp_path):
    async with House(tmp_path, desk=Desk(late_seconds=0.3)) as house:
        async with running(house) as (_, task):
            house.desk.somebody_trades(50_000)
            await until(lambda: house.desk.requests)
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
                await asyncio.sleep(0.05)
            result = await asyncio.wait_for(task, 60)
        assert result.code is ExitCode.DONE
        orders = house.loop.state.standing.orders
        assert [order.status for order in orders.values()] == [OrderStatus.CLOSED]


async def test_under_nohup_it_outlives_its_terminal(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with House(tmp_path) as house, running(house) as (daemon, task):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.05)
            assert not daemon.stop.is_set()
            daemon.stop.set()
            assert (await asyncio.wait_for(task, 60)).code is ExitCode.DONE
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_second_signal_does_not_wait_for_a_venue_that_never_answers(tmp_path):
    async with House(tmp_path, desk=Desk(late_seconds=600)) as house:
        async with running(house) as (_, task):
            house.desk.somebody_trades(50_000)
            await until(lambda: house.desk.requests)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)
            assert not task.done()
            os.kill(os.getpid(), signal.SIGINT)
            result = await asyncio.wait_for(task, 60)
        assert result.code is ExitCode.DONE


async def test_a_task_that_dies_takes_the_process_down_with_its_reason(tmp_path):
    async with House(tmp_path) as house, running(house) as (_, task):
        house.desk.dies.set()
        result = await asyncio.wait_for(task, 60)
    assert result.code is ExitCode.FAILED
    assert result.reason == "venue died: ConnectionError: the venue is gone for good"
    assert house.desk.closed


async def test_an_extra_task_that_ends_by_itself_is_a_death_too(tmp_path):
    async with House(tmp_path) as house:
        daemon = house.daemon()
        object.__setattr__(daemon, "extra", {"dashboard": lambda: asyncio.sleep(0.01)})
        result = await asyncio.wait_for(run_daemon(daemon), 60)
    assert result == Exit(code=ExitCode.FAILED, reason="dashboard ended by itself")


async def test_a_ledger_that_cannot_write_halts_the_daemon_and_nothing_is_sent(tmp_path):
    seen = []
    house = House(tmp_path, observers=(lambda stepped: seen.append(stepped.state),))
    async with house, running(house) as (_, task):
        house.ledger._connection.execute("PRAGMA query_only = ON")
        house.desk.somebody_trades(50_000)
        result = await asyncio.wait_for(task, 60)
    assert result.code is ExitCode.HALTED
    assert "cannot write" in result.reason
    assert house.desk.requests == []
    assert seen[-1].mode is Mode.HALT
    assert "cannot write" in seen[-1].mode_reason
    assert "cannot write" in halt_path(house.ledger.path).read_text(), "the next start halts too"


async def test_what_rests_is_cancelled_before_the_daemon_goes(tmp_path):
    desk = RestingDesk()
    async with House(tmp_path, desk=desk) as house:
        async with running(house) as (_, task):
            desk.somebody_trades(50_000)
            await until(lambda: house.loop.resting)
            os.kill(os.getpid(), signal.SIGTERM)
            result = await asyncio.wait_for(task, 60)
        assert result.code is ExitCode.DONE
        assert len(desk.cancels) == 2, "the first was not taken, so it was asked again"
        assert house.loop.resting == ()


@pytest.mark.parametrize("name", ["loop", "outbox", "timers", "host"])
async def test_a_task_that_somebody_cancels_ends_the_process_and_not_only_itself(tmp_path, name):
    async with House(tmp_path) as house, running(house) as (_, task):
        (one,) = (each for each in asyncio.all_tasks() if each.get_name() == name)
        one.cancel()
        result = await asyncio.wait_for(task, 60)
        assert result.code is ExitCode.FAILED
        assert result.reason == f"{name} was cancelled, and by nobody who may"


async def test_a_daemon_that_is_cancelled_as_a_whole_is_just_cancelled(tmp_path):
    async with House(tmp_path) as house, running(house) as (_, task):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)


async def test_a_restart_asks_for_the_order_that_was_requested_when_the_process_died(tmp_path):
    async with House(tmp_path, desk=Desk(late_seconds=60)) as house:
        daemon = house.daemon()
        task = asyncio.create_task(run_daemon(daemon))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        house.desk.somebody_trades(50_000)
        await until(lambda: house.desk.requests)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        rows = since_last(house.ledger.path, *records.STANDING_KINDS)
    standing = records.latest_standing(rows)
    async with House(tmp_path, standing=standing) as again:
        statuses = [order.status for order in again.begun.standing.orders.values()]
    assert statuses == [OrderStatus.UNKNOWN]
