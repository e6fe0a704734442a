"""What a replay makes of what only one side has: a row, or the state after a hole in the tape."""

from bot.core.standing import Standing
from bot.lab.replay_run import Rows, _compared
from bot.runtime import records
from bot.runtime import tape as tape_module
from bot.runtime.ledger_file import EMPTY_HEAD, chained
from bot.runtime.tape import Tape
from tests.builders import CALL, World
from tests.lab.test_replay import again, folding, hedge
from tests.runtime.desk import House


def hedging() -> tuple[World, Standing]:
    """A fold that sends an order, and the standing before it."""
    world = World()
    world.begin({CALL: "-10"})
    world.fold()
    before = world.state.standing
    world.quotes()
    assert world.orders()
    return world, before


def rows(**bodies: bytes) -> Rows:
    """Rows of a ledger, by their kind."""
    told: Rows = []
    for kind, body in bodies.items():
        entry = chained(
            EMPTY_HEAD, run_id="r", at_ms=0, wire_epoch_ms=0, kind=kind, body=body.decode()
        )
        told.append((entry, {}))
    return told


def unlike(world: World, before: Standing, recorded: Rows) -> list[str]:
    """Return the kinds of rows in which a ledger and the last fold differ."""
    assert world.last is not None
    compared = _compared(1, recorded, before, world.last)
    return [kind for kind, expected, found in compared if expected != found]


def test_an_order_that_only_the_ledger_or_only_the_core_has_is_a_difference() -> None:
    world, before = hedging()
    assert world.last is not None
    step = records.step_text(1, world.last)
    change = records.change_text(1, before, world.state.standing)
    assert change is not None
    assert unlike(world, before, rows(step=step, change=change)) == []
    assert unlike(world, before, rows(change=change)) == ["step"]
    assert unlike(world, before, rows(step=step)) == ["change"]
    assert unlike(world, before, []) == ["step", "change"]

    world.fold(after_ms=1)
    before = world.state.standing
    world.fold(after_ms=1)  # nothing is done, and nothing is written
    assert unlike(world, before, []) == []
    assert unlike(world, before, rows(step=step)) == ["step"]
    assert unlike(world, before, rows(change=change)) == ["change"]


async def test_after_a_lost_block_without_a_state_nothing_is_made_up_until_there_is_one(
    tmp_path, monkeypatch
):
    """The folds between are not repeated from a state that they did not begin with."""
    house = House(tmp_path)
    async with house, folding(house):
        await hedge(house, 50_000)
        house.tape.flush()
        with monkeypatch.context() as full:
            full.setattr(tape_module, "BLOCKS_WAITING_MAX", 0)
            await hedge(house, 30_000)
            house.tape.flush()
        with monkeypatch.context() as mute:
            mute.setattr(Tape, "_keep", lambda *_: None)
            await hedge(house, -80_000)
            house.tape.flush()
            house.tape._thread.submit(lambda: None).result()
            without_state = house.loop.folds
        monkeypatch.setattr(tape_module, "STATE_EVERY_NS", 0)
        await hedge(house, 60_000)
    found = again(house)
    (run,) = found.runs
    assert found.difference is None
    assert run.holes[-1][1] >= without_state
    assert 2 <= run.orders < 4
