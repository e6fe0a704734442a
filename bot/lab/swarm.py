"""Which faults a seed switches on, when each strikes, and how the world is healed afterwards.

A seed switches on a random part of the catalogue, each fault with a number of strikes of its own,
at moments drawn over the storm. What a seed draws is a list, so that a failure can be shrunk by
leaving strikes out.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bot.core.events import Command
from bot.core.state import Mode
from bot.lab import (
    strikes_daemon,
    strikes_host,
    strikes_orders,
    strikes_terms,
    strikes_venue,
    strikes_wire,
)
from bot.lab.scene import Scene, Strike
from bot.lab.simmarket import Weather
from bot.lab.world import World

STRIKES_MAX: Final = 4  # of one fault in one seed
PATIENCE_SECONDS: Final = 15.0  # how long the operator lets a stopped daemon stand
LOOK_SECONDS: Final = 5.0

CATALOGUE: Final[Mapping[str, Strike]] = MappingProxyType(
    {
        **strikes_wire.STRIKES,
        **strikes_orders.STRIKES,
        **strikes_venue.STRIKES,
        **strikes_terms.STRIKES,
        **strikes_host.STRIKES,
        **strikes_daemon.STRIKES,
    }
)
# In every seed, whatever it draws: the market brings an expiry, its settlement and its funding.
ALWAYS: Final = ("N8",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """One strike: which fault, at which market time after the beginning. `number` names it."""

    number: int
    fault_id: str
    at_ms: int


def drawn(rng: random.Random, storm_ms: int) -> tuple[Struck, ...]:
    """Draw a seed's strikes, in the order of their times."""
    share = rng.uniform(0.15, 0.7)
    on = [name for name in CATALOGUE if name in ALWAYS or rng.random() < share]
    times = [
        (rng.randrange(storm_ms // 20, storm_ms), name)
        for name in on
        for _ in range(rng.randint(1, STRIKES_MAX))
    ]
    return tuple(
        Struck(number=number, fault_id=name, at_ms=at_ms)
        for number, (at_ms, name) in enumerate(sorted(times))
    )


async def storm(scene: Scene, strikes: Sequence[Struck]) -> None:
    """Let every strike happen at its time."""
    world = scene.world
    for struck in strikes:
        await world.until_market(world.market.start_ms + struck.at_ms)
        scene.rng.seed(f"{world.plan.seed}.{struck.number}")  # whatever was left out before it
        CATALOGUE[struck.fault_id](scene, struck.fault_id)


def heal(scene: Scene) -> None:
    """Mend everything: from here on the daemon has no excuse."""
    world = scene.world
    world.healed_ns = world.loop.now_ns
    scene.disarm()
    scene.mend()
    world.lies.clear()
    world.market.weather = Weather()
    world.exchange.is_shut = False
    world.exchange.floor.platform.set_maintenance(is_on=False)
    world.network.up.clog_ms = world.network.down.clog_ms = 0.0
    world.machine.clock.step_ms = 0
    trouble = world.disk.trouble
    trouble.error, trouble.error_writes, trouble.write_ms = "", 0, 0.4


async def operate(world: World) -> None:
    """Play the person who looks after it: after a while a stop is looked at and lifted."""
    stopped_s, number = 0.0, 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        is_stopped = world.machine.mode in (None, Mode.HALT, Mode.HOLD)
        stopped_s = stopped_s + LOOK_SECONDS if is_stopped else 0.0
        if stopped_s < PATIENCE_SECONDS:
            continue
        stopped_s = 0.0
        helped = world.machine.unlatch()
        if world.machine.mode is None:
            helped = world.machine.repair() or helped
        number += 1
        if world.machine.command(Command.RESUME, f"operator{number}") or helped:
            world.helped_ms = world.market_ms
