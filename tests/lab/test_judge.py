"""What the judge of a world learns from the ledger, because no fold told it."""

import random
from decimal import Decimal

import pytest

from bot.core import codec
from bot.core.events import Command, CommandGiven
from bot.core.units import MS_PER_MINUTE
from bot.exchange.reports import Direction
from bot.lab import chaos
from bot.lab.judge import Judge
from bot.lab.scene import Scene
from bot.lab.strikes_host import FOREIGN
from bot.lab.world import POLICY, PREFIX, Plan, World
from tests.builders import fill

pytestmark = pytest.mark.timeout(300)

STRANGER = f"{PREFIX}{FOREIGN}0000001"
SHORT = Plan(
    seed=4,
    storm_ms=6 * MS_PER_MINUTE,
    calm_ms=4 * MS_PER_MINUTE,
    calm_ms_max=20 * MS_PER_MINUTE,
    facts_min=0,
    speed=16.0,
    script=(("M6", 300_000),),
)


def test_a_resume_that_was_written_counts_although_the_process_died_before_anybody_was_told():
    """Once orders after such a resume were taken for sent beside another daemon, unseen."""
    died: list[int] = []

    def look(world):
        scene = Scene(world, random.Random(1))
        world.loop.call_later(3.0, scene.forge, STRANGER, Direction.BUY, Decimal(1_000))

        def written(kind, _, body):
            if kind == "command" and Command.RESUME.value in body and not died:
                died.append(world.loop.now_ns)
                world.loop.call_soon(world.machine.crash)

        world.disk.durable.on_row.append(written)

    result = chaos.run_seed(SHORT, look)
    assert died, "a person resumed"
    assert result.crashes == 1
    assert result.violations == ()
    assert result.orders > 0


@pytest.fixture
def judge(tmp_path):
    world = World(SHORT, tmp_path, [])
    made = Judge(POLICY)
    made.watch(world)
    yield made
    world.loop.bury()


def written(judge, kind, **body):
    """Let a row become durable."""
    judge._row(kind, 1, codec.dumps(body).decode())


@pytest.mark.parametrize(("fold", "strangers"), [(7, {STRANGER: False}), (6, {})])
def test_a_stranger_in_the_fold_of_a_resume_was_looked_at_and_one_of_another_fold_was_not(
    judge, fold, strangers
):
    resume = CommandGiven(command=Command.RESUME, command_id="r1", actor="a person", note="seen")
    written(judge, "facts", fold=fold, facts=[fill(STRANGER)])
    written(judge, "command", fold=7, command=resume)
    assert judge._strangers == strangers


def test_no_other_command_counts_as_a_look(judge):
    judge._strangers[STRANGER] = True
    pause = CommandGiven(command=Command.PAUSE, command_id="p1", actor="a person", note="no")
    written(judge, "command", fold=7, command=pause)
    assert judge._strangers == {STRANGER: True}
