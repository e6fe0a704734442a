"""A recorded run comes out again to the bit, or the first fold that does not is named."""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core import codec, hedger
from bot.core.actions import SubmitOrder
from bot.core.engine import Policy
from bot.core.events import Command, CommandGiven, TimerFired
from bot.core.standing import Standing
from bot.core.state import Mode
from bot.lab.replay import Replayed, replay
from bot.lab.unlike import first_difference
from bot.runtime import records
from bot.runtime import tape as tape_module
from bot.runtime.journal import Ledger, Row, entries
from bot.runtime.ledger_file import Entry
from bot.runtime.loop import Stepped
from bot.runtime.tape import TapeReader, segments
from bot.runtime.tape_blocks import TapedState
from tests.runtime.desk import HEADER, POLICY, House, until

pytestmark = pytest.mark.usefixtures("compiled_kernels")


@contextlib.asynccontextmanager
async def folding(house: House) -> AsyncIterator[asyncio.Task[None]]:
    """Run the loop and the outbox of a house until the block ends."""
    outbox = asyncio.create_task(house.outbox.run())
    loop = asyncio.create_task(house.loop.run())
    house.desk.quote()
    try:
        await until(lambda: house.loop.state.mode is Mode.RUN or loop.done())
        yield loop
    finally:
        house.loop.stop()
        await asyncio.wait((loop,))
        outbox.cancel()
        await asyncio.wait((outbox,))


async def hedge(house: House, size: int) -> None:
    """Let somebody trade, and wait until that is hedged away."""
    wanted = len(house.desk.requests) + 1
    house.desk.quote()
    house.desk.somebody_trades(size)
    for _ in range(10):  # on a busy machine the quote may be too old when its turn comes
        with contextlib.suppress(TimeoutError):
            await until(lambda: len(house.desk.requests) >= wanted, seconds=2)
            break
        house.desk.quote()
    await until(lambda: house.loop.state.standing.positions == {})


async def recorded(folder: Path) -> tuple[House, list[Stepped]]:
    """Run a house through three hedges and a pause; return it closed, and what its loop saw."""
    seen: list[Stepped] = []
    house = House(folder, observers=(seen.append,))
    async with house, folding(house):
        for size in (50_000, -80_000, 30_000):
            await hedge(house, size)
            house.tape.flush()
        house.inbox.admit(CommandGiven(command=Command.PAUSE, command_id="7", actor="me"))
        await until(lambda: house.loop.state.mode is Mode.HOLD)
    return house, seen


@pytest.fixture(scope="session")
def day(tmp_path_factory, compiled_kernels) -> tuple[House, list[Stepped]]:  # noqa: ARG001  for its effect
    """One recorded run for all who do not change its files."""
    return asyncio.run(recorded(tmp_path_factory.mktemp("day")))


def again(house: House, under: Policy | None = None) -> Replayed:
    return replay(house.ledger.path, house.folder / "tape", under)


def first_hedge(seen: list[Stepped]) -> int:
    acts = (s.fold for s in seen if any(isinstance(a, SubmitOrder) for a in s.step.actions))
    return next(acts)


def test_every_fold_of_a_run_comes_to_the_same_actions_again(day):
    house, seen = day
    found = again(house)
    (run,) = found.runs
    assert found.difference is None
    assert run.notes == []
    assert (run.folds, run.folds_untaped) == (len(seen), 0)
    assert run.actions == sum(len(stepped.step.actions) for stepped in seen)
    assert run.orders == len(house.desk.requests) == 3
    assert run.facts == sum(len(stepped.facts) for stepped in seen)


async def test_two_runs_of_one_ledger_are_both_repeated_each_from_where_it_began(tmp_path):
    folds: list[int] = []
    standing: Standing | None = None
    for size in (50_000, -80_000):
        house = House(tmp_path, standing=standing)
        async with house, folding(house):
            await hedge(house, size)
        folds.append(house.loop.folds)
        standing = house.loop.state.standing
    found = replay(tmp_path / "journal.db", tmp_path / "tape")
    assert found.difference is None
    assert [run.folds for run in found.runs] == folds
    assert [run.orders for run in found.runs] == [1, 1]


def test_a_hedge_of_the_other_sign_is_found_at_the_first_fold_that_hedged(day, monkeypatch):
    house, seen = day
    right = hedger._sized
    monkeypatch.setattr(hedger, "_sized", lambda native, terms: right(-native, terms))
    difference = again(house).difference
    assert difference is not None
    assert difference.fold == first_hedge(seen)
    assert difference.where.startswith("actions[0]")
    assert '"size_native":{"$decimal":"-50000"}' in difference.expected
    assert '"size_native":{"$decimal":"50000"}' not in difference.found, (
        "what its books need limits it"
    )
    assert difference.facts == next(s.facts for s in seen if s.fold == difference.fold)


def test_another_band_is_found_where_it_would_have_acted_otherwise(day):
    house, seen = day
    (plan,) = POLICY.books
    wide = replace(plan.hedge, band_low_coin=-10.0, band_high_coin=10.0)
    difference = again(house, replace(POLICY, books=(replace(plan, hedge=wide),))).difference
    assert difference is not None
    assert difference.fold <= first_hedge(seen)
    assert difference.where == "decisions[0].numbers.band_high_coin: recorded 0.2, now 10.0"


def test_a_core_that_fails_now_on_what_it_took_then_is_a_difference(day, monkeypatch):
    house, seen = day

    def broken(*_: object) -> None:
        raise ArithmeticError("planted")

    monkeypatch.setattr(hedger, "_sized", broken)
    difference = again(house).difference
    assert difference is not None
    assert (difference.fold, difference.kind) == (first_hedge(seen), "crash")
    assert difference.where == "recorded no error, now ArithmeticError: planted"


async def test_a_fold_that_ended_the_process_fails_again_in_the_same_words(tmp_path):
    house = House(tmp_path)
    async with house, folding(house) as loop:
        await hedge(house, 50_000)
        right = house.loop._step

        def planted(state, facts, policy):
            if any(isinstance(fact, TimerFired) for fact in facts):
                raise ArithmeticError("planted")
            return right(state, facts, policy)

        house.loop._step = planted
        house.inbox.admit(TimerFired(name="reconcile"))
        await until(loop.done)
        with pytest.raises(ArithmeticError, match="planted"):
            loop.result()
    difference = again(house).difference
    assert difference is not None
    assert difference.where == "recorded ArithmeticError: planted, now no error"


async def test_after_a_lost_block_it_goes_on_from_the_state_that_the_tape_kept(
    tmp_path, monkeypatch
):
    seen: list[Stepped] = []
    house = House(tmp_path, observers=(seen.append,))
    async with house, folding(house):
        await hedge(house, 50_000)
        house.tape.flush()
        lost_from = house.loop.folds + 1
        await hedge(house, 30_000)
        with monkeypatch.context() as full:
            full.setattr(tape_module, "BLOCKS_WAITING_MAX", 0)
            house.tape.flush()
            lost_to = house.loop.folds
        await hedge(house, -80_000)
    assert house.tape.blocks_dropped == 1
    found = again(house)
    (run,) = found.runs
    assert found.difference is None
    assert run.holes == [(lost_from, lost_to)]
    assert run.folds == len(seen) - run.folds_untaped
    assert run.orders == 2
    assert run.rows_lawful > 3


async def test_a_day_can_be_repeated_when_the_tape_of_the_days_before_is_gone(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tape_module, "SEGMENTS_IN_TOTAL", 100_000)
    house, seen = await recorded(tmp_path)
    (oldest, *rest) = segments(tmp_path / "tape")
    assert len(rest) > 1
    oldest.unlink()
    found = again(house)
    (run,) = found.runs
    assert found.difference is None
    assert run.holes[0][0] == 1
    assert run.folds + run.folds_untaped == len(seen)
    assert run.folds > 0
    assert run.orders >= 1


def test_a_tape_torn_by_a_kill_leaves_the_rest_to_the_laws_of_the_ledger(day, tmp_path):
    house, seen = day
    shutil.copytree(house.folder / "tape", tmp_path / "torn")
    (path,) = segments(tmp_path / "torn")
    path.write_bytes(path.read_bytes()[:-9])
    found = replay(house.ledger.path, tmp_path / "torn")
    (run,) = found.runs
    assert found.difference is None
    assert found.torn
    assert "cut" in found.torn[0]
    assert run.holes[-1][1] == len(seen)


def test_without_a_tape_nothing_is_repeated_and_the_laws_of_the_ledger_are_asked(day):
    house, seen = day
    found = replay(house.ledger.path, None)
    (run,) = found.runs
    assert (found.difference, found.folds) == (None, 0)
    assert run.folds_untaped == len(seen)
    rows = [entry for entry in entries(house.ledger.path) if entry.kind not in {"run", "begin"}]
    assert run.rows_lawful == len(rows) - 1  # all but the last, which says how the run ended


def rows_of(house: House) -> list[Entry]:
    """Return the rows of a house's only run, but for its header."""
    return list(entries(house.ledger.path, 2))


def forged(source: Path, target: Path, kind: str, word: str, other: str) -> None:
    """Write a ledger again with one word changed in the first row of a kind that has it."""
    rows = [Row(kind=row.kind, at_ms=row.at_ms, body=row.body) for row in entries(source, 2)]
    place = next(n for n, row in enumerate(rows) if row.kind == kind and word in str(row.body))
    rows[place] = replace(rows[place], body=str(rows[place].body).replace(word, other))
    ledger = Ledger.open(target, HEADER)
    ledger._commit(rows)
    ledger.close()


@pytest.mark.parametrize(
    ("kind", "word", "other", "says"),
    [
        ("facts", '"$":"FillSeen"', '"$":"FillSeen","lost":1', "could be read"),
        ("change", '"BTC-PERPETUAL":{"$decimal":"50000"}', '"BTC-PERPETUAL":{"$decimal":"5"}',
         "the position in BTC-PERPETUAL is +5; fills and adoptions make it +50000"),
        ("change", '"size_native":{"$decimal":"-50000"},"status"',
         '"size_native":{"$decimal":"-5"},"status"', "was sent for -50000, and is -5"),
    ],
)  # fmt: skip
def test_a_ledger_that_contradicts_itself_is_caught_without_a_tape(
    tmp_path, day, kind, word, other, says
):
    house, _ = day
    target = tmp_path / "forged.db"
    forged(house.ledger.path, target, kind, word, other)
    (run,) = replay(target, None).runs
    told = [run.difference.where] if run.difference else run.notes
    assert says in told[0]


@pytest.mark.parametrize("kind", ["facts", "step"])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_repair_may_cut_within_a_fold_and_nobody_else_may(tmp_path, day, kind, is_last):
    """Once the told fill of a fold whose outcome was cut off was taken for a position forged."""
    house, _ = day
    rows = [Row(kind=row.kind, at_ms=row.at_ms, body=row.body) for row in rows_of(house)]
    word = '"$":"FillSeen"' if kind == "facts" else '"$":"SubmitOrder"'
    place = next(n for n, row in enumerate(rows) if row.kind == kind and word in str(row.body))
    fold = json.loads(rows[place].body)["fold"]
    of_fold = [n for n, row in enumerate(rows) if json.loads(row.body).get("fold") == fold]
    rest = [] if is_last else rows[max(of_fold) + 1 :]
    ledger = Ledger.open(tmp_path / "cut.db", HEADER)
    ledger._commit([*rows[: place + 1], *rest])
    ledger.close()
    (run,) = replay(tmp_path / "cut.db", None).runs
    if is_last:
        assert run.difference is None
        assert f"the ledger ends within fold {fold}: it was cut here" in run.notes
    else:
        assert run.difference is not None
        assert run.difference.fold == fold


def test_the_ledger_of_one_day_and_the_tape_of_another_are_told_apart(day, tmp_path):
    house, _ = day
    other = Ledger.open(tmp_path / "other.db", HEADER)
    other._commit([Row(kind=row.kind, at_ms=row.at_ms, body=row.body) for row in rows_of(house)])
    other.close()
    found = replay(other.path, house.folder / "tape")
    assert (found.difference, found.folds) == (None, 0)


async def test_a_state_on_the_tape_is_compared_with_the_one_that_was_come_to(tmp_path, monkeypatch):
    monkeypatch.setattr(tape_module, "STATE_EVERY_NS", 0)
    house, _ = await recorded(tmp_path)
    states = [item for item in TapeReader(tmp_path / "tape") if isinstance(item, TapedState)]
    (run,) = again(house).runs
    assert run.states == len(states) > 1
    for item in states:
        assert codec.dumps(records.state_of(item.text), in_order=True) == item.text


async def test_what_an_older_version_did_not_know_of_yet_is_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(tape_module, "STATE_EVERY_NS", 0)
    now = codec.dumps

    def then(what: object, *, in_order: bool = False) -> bytes:
        return re.sub(rb',"boot":"[^"]*"|"boot":"[^"]*",', b"", now(what, in_order=in_order))

    with monkeypatch.context() as older:
        older.setattr(codec, "dumps", then)
        house, seen = await recorded(tmp_path)
    assert not any('"boot"' in entry.body for entry in entries(house.ledger.path))
    found = again(house)
    (run,) = found.runs
    assert (found.difference, run.folds) == (None, len(seen))
    assert run.states > 1


@pytest.mark.parametrize(
    ("recorded_body", "found", "where"),
    [
        ({"a": {"$": "X", "n": 1}}, {"a": {"$": "X", "n": 2}}, "a.n: recorded 1, now 2"),
        ({"a": [1, 2]}, {"a": [1]}, "a[1]: recorded 2, now nothing"),
        ({"a": 1}, {"a": 1.0}, "a: recorded 1, now 1.0"),
        ({"a": {"$": "X", "n": 1}}, {"a": {"$": "Y"}}, 'a: recorded X {"n": 1}, now Y'),
        ({"a": {"$decimal": "1"}}, {"a": {"$decimal": "1.0"}}, "a: recorded 1, now 1.0"),
        (None, {"a": 1}, "a row was found where none was recorded"),
        ({"a": 1}, None, "a row was recorded where none was found"),
    ],
)
def test_the_first_place_where_two_records_differ_is_named_with_both_values(
    recorded_body, found, where
):
    texts = ["" if body is None else json.dumps(body) for body in (recorded_body, found)]
    assert first_difference(*texts) == where
