"""The loop: durable before sent, one decision a burst, and nobody who watches can hurt it."""

import asyncio
import contextlib
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from bot.core import codec, engine
from bot.core.actions import SubmitOrder
from bot.core.events import BadMessage, ClockSeen, Command, CommandGiven, QuoteSeen, TimerFired
from bot.core.state import Mode
from bot.runtime import records
from bot.runtime.journal import JournalFailedError, counts, entries, since_last
from bot.runtime.loop import Stepped
from bot.runtime.tape import TapeReader
from bot.runtime.tape_blocks import TapedFold
from tests.runtime.desk import POLICY, Desk, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")


@contextlib.asynccontextmanager
async def folding(house: House):
    """Run the loop and the outbox of a house, quotes only when the test sends them."""
    tasks = [asyncio.create_task(house.outbox.run()), asyncio.create_task(house.loop.run())]
    house.desk.quote()
    try:
        await until(lambda: house.loop.state.mode is Mode.RUN or tasks[1].done())
        yield tasks[1]
    finally:
        house.loop.stop()
        await asyncio.wait(tasks[1:])
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])


@dataclass
class SuspiciousDesk(Desk):
    """Looks into the ledger at the moment an order would leave."""

    ledger_path: Path = Path()
    ledger_rows: tuple[str, ...] = ()

    @override
    async def perform(self, action):
        if isinstance(action, SubmitOrder):
            self.ledger_rows = tuple(entry.body for entry in entries(self.ledger_path))
        return await super().perform(action)


async def test_an_order_is_in_the_ledger_before_the_venue_is_asked(tmp_path):
    desk = SuspiciousDesk()
    async with House(tmp_path, desk=desk) as house:
        desk.ledger_path = house.ledger.path
        async with folding(house):
            desk.somebody_trades(50_000)
            await desk.hedged()
    order_id = desk.requests[0].order_id
    steps = [
        json.loads(body) for body in desk.ledger_rows if order_id in body and "actions" in body
    ]
    assert len(steps) == 1
    assert steps[0]["actions"][0]["$"] == "SubmitOrder"
    assert steps[0]["decisions"][0]["order_id"] == order_id
    assert steps[0]["quotes"][0]["instrument"] == "BTC-PERPETUAL"
    changes = [body for body in desk.ledger_rows if '"put"' in body]
    assert order_id in changes[-1]


async def test_a_burst_of_fifty_quotes_costs_one_decision_and_no_ledger_row(tmp_path):
    folds: list[Stepped] = []
    async with House(tmp_path, observers=(folds.append,)) as house, folding(house):
        await house.ledger.append([])  # until the disk has the rows of the folds before
        before, rows = house.loop.folds, house.ledger.head.seq
        began_ns = time.monotonic_ns()
        for _ in range(50):
            house.desk.quote()
        await until(lambda: house.loop.folds > before)
        assert house.loop.folds == before + 1
        took_ns = time.monotonic_ns() - began_ns
        await house.ledger.append([])
        assert house.ledger.head.seq == rows
    burst = folds[before]
    assert sum(isinstance(fact, QuoteSeen) for fact in burst.facts) == 1
    assert burst.tick_to_decision_ns is not None
    assert 0 < burst.tick_to_decision_ns < took_ns
    assert burst.journal_ns is None


async def test_silence_passes_time_for_the_core(tmp_path):
    folds: list[Stepped] = []
    async with House(tmp_path, observers=(folds.append,)) as house, folding(house):
        before = house.loop.folds
        await until(lambda: house.loop.folds >= before + 2)
    silent = folds[-1]
    assert [type(fact) for fact in silent.facts] == [ClockSeen]
    times = [stepped.wire_ns for stepped in folds]
    assert times == sorted(times)


async def test_an_observer_that_raises_is_dropped_and_the_hedging_goes_on(tmp_path):
    told: list[str] = []

    def broken(_: Stepped) -> None:
        told.append("broken")
        raise ZeroDivisionError

    async with House(tmp_path, observers=(broken, lambda _: told.append("good"))) as house:
        async with folding(house):
            house.desk.somebody_trades(50_000)
            await house.desk.hedged()
        assert house.loop.observers_dropped == 1
    assert told.count("broken") == 1
    assert told.count("good") == house.loop.folds


async def test_the_time_from_tick_to_order_includes_the_durable_row(tmp_path):
    folds: list[Stepped] = []
    async with House(tmp_path, observers=(folds.append,)) as house, folding(house):
        house.desk.quote()
        house.desk.somebody_trades(50_000)  # in the same fold as the quote
        await house.desk.hedged()
        await until(lambda: house.loop.state.standing.positions == {})
    took = house.loop.tick_to_order.quantiles()
    assert took is not None
    assert took.count == 1
    ordered = next(
        stepped
        for stepped in folds
        if any(isinstance(action, SubmitOrder) for action in stepped.step.actions)
    )
    assert ordered.journal_ns is not None
    assert took.p50 * 1_000 > ordered.journal_ns


async def test_a_row_that_cannot_be_written_halts_and_sends_nothing(tmp_path):
    folds: list[Stepped] = []
    async with House(tmp_path, observers=(folds.append,)) as house:
        async with folding(house) as task:
            house.ledger._connection.execute("PRAGMA query_only = ON")
            house.desk.somebody_trades(50_000)
            await until(task.done)
        with pytest.raises(JournalFailedError, match="cannot write"):
            task.result()
        assert house.loop.state.mode is Mode.HALT
    assert house.desk.requests == []
    assert folds[-1].state.standing.halt_reason.startswith("halted by journal")


async def test_news_does_not_wait_for_a_slow_disk_and_an_order_does(tmp_path, monkeypatch):
    async with House(tmp_path) as house, folding(house):
        disk, commit = threading.Event(), house.ledger._commit

        def slow(rows):
            disk.wait(60)
            commit(rows)

        monkeypatch.setattr(house.ledger, "_commit", slow)
        house.inbox.admit(BadMessage(source="venue", reason="planted"))
        try:
            await until(lambda: house.loop.state.counts.bad_messages == 1)
            house.desk.somebody_trades(50_000)
            await asyncio.sleep(0.3)
            assert house.desk.requests == []
        finally:
            disk.set()  # or whoever leaves the house waits for it
        await house.desk.hedged()
    rows = [entry.body for entry in entries(house.ledger.path)]
    news = next(at for at, body in enumerate(rows) if "planted" in body)
    order = next(at for at, body in enumerate(rows) if "SubmitOrder" in body)
    assert news < order


async def test_a_row_that_nobody_waited_for_and_that_cannot_be_written_halts(tmp_path):
    async with House(tmp_path) as house:
        async with folding(house) as task:
            house.ledger._connection.execute("PRAGMA query_only = ON")
            house.inbox.admit(BadMessage(source="venue", reason="planted"))
            await until(task.done)
        with pytest.raises(JournalFailedError, match="cannot write"):
            task.result()
        assert house.loop.state.mode is Mode.HALT


async def test_a_loop_that_was_stopped_leaves_no_row_behind(tmp_path, monkeypatch):
    async with House(tmp_path) as house:
        async with folding(house) as task:
            commit = house.ledger._commit

            def slow(rows):
                time.sleep(0.2)
                commit(rows)

            monkeypatch.setattr(house.ledger, "_commit", slow)
            house.inbox.admit(BadMessage(source="venue", reason="planted"))
            await until(lambda: house.loop.state.counts.bad_messages == 1)
            house.loop.stop()
            await until(task.done)
        assert any("planted" in entry.body for entry in entries(house.ledger.path))


async def test_a_fold_that_the_core_cannot_take_is_kept_for_the_inquest(tmp_path, monkeypatch):
    async with House(tmp_path) as house:
        async with folding(house) as task:
            calls = house.loop._step

            def step(state, facts, policy):
                assert not any(isinstance(fact, TimerFired) for fact in facts), "planted"
                return calls(state, facts, policy)

            monkeypatch.setattr(house.loop, "_step", step)
            house.inbox.admit(TimerFired(name="reconcile"))
            await until(task.done)
        with pytest.raises(AssertionError, match="planted"):
            task.result()
    (crash,) = [entry for entry in entries(house.ledger.path) if entry.kind == "crash"]
    assert "planted" in crash.body
    assert '"name":"reconcile"' in crash.body


async def test_commands_are_rows_of_their_own(tmp_path):
    async with House(tmp_path) as house, folding(house):
        house.inbox.admit(CommandGiven(command=Command.PAUSE, command_id="7", actor="me"))
        await until(lambda: house.loop.state.mode is Mode.HOLD)
    assert counts(house.ledger.path)["command"] == 1


async def test_ledger_and_tape_replay_every_fold_to_the_same_standing(tmp_path):
    folds: list[Stepped] = []
    house = House(tmp_path, observers=(folds.append,))
    async with house, folding(house):
        for size in (50_000, -80_000, 30_000):
            house.desk.quote()
            house.desk.somebody_trades(size)
            await house.desk.hedged(len(house.desk.requests) + 1)
            await until(lambda: house.loop.state.standing.positions == {})
    told: dict[int, tuple[Any, ...]] = {}
    for entry in entries(house.ledger.path):
        body = json.loads(entry.body)
        if entry.kind == "facts":
            told[body["fold"]] = codec.loads(json.dumps(body["facts"]))  # type: ignore[assignment]
        elif entry.kind == "command":
            found = codec.loads(json.dumps(body["command"]))
            told[body["fold"]] = (*told.get(body["fold"], ()), found)
    state = house.begun
    taped = [item for item in TapeReader(house.folder / "tape") if isinstance(item, TapedFold)]
    assert [fold.number for fold in taped] == [stepped.fold for stepped in folds]
    for fold, stepped in zip(taped, folds, strict=True):
        clock = ClockSeen(market_ms=fold.market_ms, wire_ns=fold.wire_ns)
        facts = (clock, *told.get(fold.number, ()), *fold.quotes)
        assert facts == stepped.facts
        step = engine.step(state, facts, POLICY)
        assert step.actions == stepped.step.actions
        state = step.state
    assert codec.digest(state) == codec.digest(house.loop.state)


@pytest.mark.parametrize("changes_max", [0, 3, 500])
async def test_what_changed_adds_up_to_the_standing_that_the_next_start_takes_up(
    tmp_path, monkeypatch, changes_max
):
    monkeypatch.setattr(records, "CHANGES_MAX", changes_max)
    house = House(tmp_path)
    async with house, folding(house):
        for wanted, size in ((1, 50_000), (2, -80_000)):
            house.desk.quote()
            house.desk.somebody_trades(size)
            await house.desk.hedged(wanted)
            await until(lambda: house.loop.state.standing.positions == {})
    kinds = counts(house.ledger.path)
    assert (kinds["standing"] > 1) == (changes_max < 4)
    assert kinds["standing"] + kinds.get("change", 0) > 3
    taken_up = records.latest_standing(since_last(house.ledger.path, *records.STANDING_KINDS))
    assert taken_up == house.loop.state.standing
    assert codec.dumps(taken_up) == codec.dumps(house.loop.state.standing)
