"""One seed of the fault lab, from the first step to the verdict."""

import asyncio
import contextlib
import gc
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.core.units import MS_PER_MINUTE
from bot.exchange.reports import FillCause
from bot.lab import swarm
from bot.lab.judge import Judge, Violation
from bot.lab.scene import Scene
from bot.lab.swarm import Struck
from bot.lab.world import DAYS_MS, Plan, World, hushed

REST_SECONDS: Final = 4
CALMS_MAX: Final = 3  # so many times the longest calm, if a person has to help again and again
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a folder of this run's own is made in it


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What one seed came to. `faults` counts by id of the catalogue.

    `lives` are the steps at which each life was born and first ran (the last step if it never did),
    `marks` the steps at the market times that the plan wants marked.
    """

    seed: int
    facts: int
    folds: int
    orders: int
    crashes: int
    steps: int
    lives: tuple[tuple[int, int], ...]
    marks: tuple[tuple[int, int], ...]
    wire_seconds: float
    market_seconds: float
    faults: Mapping[str, int]
    violations: tuple[Violation, ...]
    trace_hash: str


def run_seed(plan: Plan, look: Callable[[World], None] | None = None) -> SeedResult:
    """Live through one world and judge it. The same plan gives the same result, bit for bit.

    `look` is shown the world before it begins, for whoever wants to watch.
    """
    with _uncollected():  # its own frame: what it made is garbage when it has returned
        return _lived_through(plan, look)


def _lived_through(plan: Plan, look: Callable[[World], None] | None) -> SeedResult:
    with (
        tempfile.TemporaryDirectory(prefix="chaos", dir=_fast_folder()) as folder,
        hushed() as said,
    ):
        judge = Judge(plan.policy)
        world = World(plan, Path(folder), [judge])
        judge.watch(world)
        try:
            scene = Scene(world, world.rng("strikes"))
            if plan.killed_at:
                world.loop.on_step = _killer(world)
            if look is not None:
                look(world)
            world.loop.run_until_complete(_live(scene, judge, strikes_of(plan)))
            judge.lines = tuple(said)
            judge.conclude()
            return _result(scene, judge)
        finally:
            world.loop.bury()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no cycles until the end, and then only those that were made in here.

    A world is a knot of cycles that lives as long as it runs, beside a hundred thousand objects of
    the libraries: looking through all of them again and again finds nothing, and takes a tenth of
    the time.
    """
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        gc.enable()


def strikes_of(plan: Plan) -> tuple[Struck, ...]:
    """Return what strikes a plan's world."""
    if not plan.is_stormy:
        return ()
    if plan.script:
        return tuple(
            Struck(number=number, fault_id=fault_id, at_ms=at_ms)
            for number, (fault_id, at_ms) in enumerate(plan.script)
        )
    drawn = swarm.drawn(plan.rng("swarm"), plan.storm_ms)
    return tuple(one for one in drawn if not plan.only or one.number in plan.only)


def lost(seed: int, reason: str) -> SeedResult:
    """Return what a seed came to whose process did not come back: it has failed."""
    return SeedResult(
        seed=seed,
        facts=0,
        folds=0,
        orders=0,
        crashes=0,
        steps=0,
        lives=(),
        marks=(),
        wire_seconds=0.0,
        market_seconds=0.0,
        faults={},
        violations=(Violation(invariant="I21", at_seconds=0.0, text=reason),),
        trace_hash=reason,
    )


def trace_of(results: Sequence[SeedResult]) -> str:
    """Return one hash of many seeds' traces."""
    text = "".join(f"{result.seed} {result.trace_hash}\n" for result in results)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def counted(results: Sequence[SeedResult]) -> dict[str, int]:
    """Add up how often each fault struck, in the order of the catalogue."""
    total: Counter[str] = Counter()
    for result in results:
        total.update(result.faults)
    return dict(sorted(total.items(), key=lambda item: (item[0][0], int(item[0][1:]))))


def _fast_folder() -> str | None:
    return str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None


def _killer(world: World) -> Callable[[int], None]:
    """Return what kills the daemon at the steps that the plan names."""
    steps = frozenset(world.plan.killed_at)

    def at(step: int) -> None:
        if step in steps:
            world.machine.crash()

    return at


async def _live(scene: Scene, judge: Judge, strikes: Sequence[Struck]) -> None:
    world = scene.world
    jobs = {
        asyncio.create_task(world.exchange.run(), name="exchange"),
        asyncio.create_task(world.machine.run(), name="machine"),
        asyncio.create_task(swarm.operate(world), name="operator"),
    }
    marks = asyncio.create_task(_mark(scene), name="marks")
    over = asyncio.create_task(_phases(scene, judge, strikes), name="phases")
    done, _ = await asyncio.wait({*jobs, over}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    assert over in done, f"{[task.get_name() for task in done]} ended by itself"
    assert marks.done(), f"a world that ends before {world.plan.marks_ms} cannot mark them"


async def _mark(scene: Scene) -> None:
    """Note the steps of the market times that are wanted."""
    for at_ms in scene.world.plan.marks_ms:
        await scene.world.until_market(scene.world.market.start_ms + at_ms)
        scene.marks.append((at_ms, scene.world.loop.steps))


async def _phases(scene: Scene, judge: Judge, strikes: Sequence[Struck]) -> None:
    """Storm, then calm."""
    world, start_ms = scene.world, scene.world.market.start_ms
    await swarm.storm(scene, strikes)
    await world.until_market(start_ms + world.plan.storm_ms)
    swarm.heal(scene)
    await _calm(world, judge)


async def _calm(world: World, judge: Judge) -> None:
    """Wait for as long as it is to be calm, and until all has been at rest for a while.

    A world that does not come to rest, or in which too little is heard, is complained of.
    """
    plan, healed_ms, rested = world.plan, world.market_ms, 0
    await world.until_market(healed_ms + plan.calm_ms)
    while True:
        rested = rested + 1 if judge.is_at_rest() else 0
        is_resting = rested > REST_SECONDS
        if is_resting and judge.facts >= plan.facts_min:
            return
        if world.market_ms >= _patience_ms(world, healed_ms, is_resting=is_resting):
            lacks = f"{judge.facts} facts" if is_resting else "no rest"
            minutes = (world.market_ms - healed_ms) / MS_PER_MINUTE
            world.complaints.append(("I10", f"{lacks} in {minutes:.0f} minutes of calm"))
            return
        await asyncio.sleep(1.0)


def _patience_ms(world: World, healed_ms: int, *, is_resting: bool) -> int:
    """Return the market time until when a world may take to come to rest and be heard enough.

    Counted anew from when a person last lifted a stop: what nobody can prove waits a wire minute
    for that, and two orders may do so one after the other. But not for ever. What rests only lacks
    facts: a daemon that was down for most of the storm has heard few.
    """
    most_ms, last_ms = world.plan.calm_ms_max, healed_ms + CALMS_MAX * world.plan.calm_ms_max
    return last_ms if is_resting else min(max(healed_ms, world.helped_ms) + most_ms, last_ms)


def _brought(world: World, judge: Judge) -> Counter[str]:
    """Count what the market and the calendar bring by themselves: A5, A6 and T3."""
    settled = sum(
        1 for fill in world.exchange.engine.ledger_fills() if fill.cause is FillCause.SETTLEMENT
    )
    return Counter(
        A5=judge.counts["A5"],
        A6=settled,
        T3=int(world.day_ms != DAYS_MS[0]),
        P6=int(judge.looks > 60),
    )


def _result(scene: Scene, judge: Judge) -> SeedResult:
    world = scene.world
    return SeedResult(
        seed=world.plan.seed,
        facts=judge.facts,
        folds=judge.folds,
        orders=judge.counts["orders"],
        crashes=world.machine.seen.crashed,
        steps=world.loop.steps,
        lives=tuple(judge.lives()),
        marks=tuple(scene.marks),
        wire_seconds=world.loop.time(),
        market_seconds=(world.market_ms - world.market.start_ms) / 1_000,
        faults=dict(sorted((scene.tally + _brought(world, judge)).items())),
        violations=tuple(judge.violations),
        trace_hash=judge.trace_hash,
    )
