"""Strikes on the machine and by people: T1, T2, P1 to P8, D1 to D6, C3 and C4."""

import signal
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from bot.core.events import Command
from bot.core.units import MS_PER_HOUR, MS_PER_SECOND
from bot.exchange.faults import FaultKind, Harm
from bot.exchange.reports import Direction
from bot.lab.scene import Scene, Strike, Strikes, during, once, requests
from bot.lab.simdisk import LOCKED
from bot.lab.simhost import HEADER
from bot.lab.world import PREFIX
from bot.runtime.journal import LOCKED_TRIES_MAX, Ledger, LedgerRefusedError

FOREIGN: Final = "f0f0f0"
SKEWS_SECONDS: Final = (-3.0, -0.2, 0.2, 3.0)  # wire: by so much the venue's clock is off


def _skewed(scene: Scene, fault_id: str) -> None:
    step_ms = int(scene.rng.choice(SKEWS_SECONDS) * MS_PER_SECOND * scene.world.plan.speed)
    harm = Harm(step_ms=step_ms)
    if not scene.is_free(fault_id, seconds := scene.between(2.0, 15.0)):
        return  # two at once would add up to more than the judge allows a clock to be off
    scene.arm(fault_id, FaultKind.CLOCK_STEP, requests("public/get_time"), during(seconds), harm)


def _calendar(scene: Scene, fault_id: str) -> None:
    """The host's calendar is set, or the whole host is suspended and resumed."""
    if scene.rng.random() < 0.5:
        scene.world.loop.stall(scene.between(2.0, 40.0))
    else:
        clock = scene.world.machine.clock
        clock.step_ms += scene.rng.choice((-1, 1)) * MS_PER_HOUR

        def right() -> None:
            clock.step_ms = 0

        scene.later(scene.between(5.0, 40.0), right)
    scene.did(fault_id)


def _killed(scene: Scene, fault_id: str) -> None:
    if scene.world.machine.crash():
        scene.did(fault_id)


def _killed_again(scene: Scene, fault_id: str) -> None:
    """Kill the daemon, and again while it starts."""
    if not scene.world.machine.crash():
        return

    def again() -> None:
        if scene.world.machine.crash():
            scene.did(fault_id)

    for after in (2.05, 4.2, 6.3):
        scene.later(after + scene.between(0.0, 0.6), again)


def _told_to_stop(scene: Scene, fault_id: str) -> None:
    handler = scene.world.loop.signals.get(signal.SIGTERM)
    if handler is not None:
        handler()
        scene.did(fault_id)


def _stalled(scene: Scene, fault_id: str) -> None:
    scene.world.loop.stall(scene.between(0.3, 6.0))
    scene.did(fault_id)


def _second_daemon(scene: Scene, fault_id: str) -> None:
    """Another daemon comes up on the same ledger: it must be turned away."""
    machine, disk = scene.world.machine, scene.world.disk
    if machine.life is None or machine.life.ledger is None or machine.life.ledger.failure:
        return
    try:
        Ledger.open(disk.path, HEADER, machine.clock.wire(), run_id="second")
    except LedgerRefusedError:
        scene.did(fault_id)
    else:
        scene.tally["two daemons on one ledger"] += 1


def _foreign_daemon(scene: Scene, fault_id: str) -> None:
    """A daemon on another host trades the account, under labels of our kind."""
    label = f"{PREFIX}{FOREIGN}{scene.rng.randrange(10**7):07d}"
    direction = scene.rng.choice((Direction.BUY, Direction.SELL))
    if scene.forge(label, direction, Decimal(1_000)):
        scene.did(fault_id)


def _two_daemons(scene: Scene, fault_id: str) -> None:
    if scene.rng.random() < 0.5:
        _second_daemon(scene, fault_id)
    else:
        _foreign_daemon(scene, fault_id)


def _power_cut(scene: Scene, fault_id: str) -> None:
    if scene.world.machine.crash(says_goodbye=False):
        scene.did(fault_id)


def _disk_error(text: str, writes: int) -> Strike:
    """Return a strike after which so many writes fail."""

    def strike(scene: Scene, fault_id: str) -> None:
        trouble = scene.world.disk.trouble
        trouble.error, trouble.error_writes = text, writes
        trouble.on_error = lambda: scene.did(fault_id)

    return strike


def _locked(scene: Scene, fault_id: str) -> None:
    """Somebody else holds the file: for a moment, or for longer than is borne."""
    _disk_error(LOCKED, scene.rng.choice((1, 2, LOCKED_TRIES_MAX + 1)))(scene, fault_id)


def _slow_disk(scene: Scene, fault_id: str) -> None:
    trouble = scene.world.disk.trouble
    trouble.write_ms = scene.between(50.0, 900.0)
    scene.did(fault_id)

    def quick() -> None:
        trouble.write_ms = 0.4

    scene.later(scene.between(3.0, 25.0), quick)


def _bit_flipped(scene: Scene, fault_id: str) -> None:
    """A byte of the ledger changes while nobody looks: the next start refuses it."""
    if scene.world.machine.crash() and scene.world.disk.flip():
        scene.did(fault_id)


def _old_backup(scene: Scene, fault_id: str) -> None:
    """The ledger is backed up, and some time later the copy is put in its place."""
    world = scene.world
    if world.machine.life is None or world.machine.life.ledger is None:
        return
    copy = world.disk.back_up()

    def restored() -> None:
        if world.machine.crash():
            world.disk.restore(copy)
            scene.did(fault_id)

    scene.later(scene.between(5.0, 30.0), restored)


def _token_gone(scene: Scene, fault_id: str) -> None:
    scene.arm(fault_id, FaultKind.TOKEN_EXPIRY, requests(""), once())


def _commanded(scene: Scene, fault_id: str) -> None:
    """A person halts or pauses at a bad moment, twice, and resumes later."""
    command = scene.rng.choice((Command.HALT, Command.PAUSE))
    number = scene.rng.randrange(10**9)
    if not scene.world.machine.command(command, f"c{number}"):
        return
    scene.did(fault_id)
    scene.later(scene.between(0.0, 0.5), lambda: _again(scene, command, number))
    scene.later(scene.between(3.0, 15.0), lambda: _resumed(scene, number))


def _again(scene: Scene, command: Command, number: int) -> None:
    scene.world.machine.command(command, f"c{number}")


def _resumed(scene: Scene, number: int) -> None:
    scene.world.machine.command(Command.RESUME, f"r{number}")


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "T1": _skewed,
        "T2": _calendar,
        "P1": _killed,
        "P2": _killed_again,
        "P3": _told_to_stop,
        "P4": _stalled,
        "P7": _two_daemons,
        "P8": _power_cut,
        "D1": _disk_error("database or disk is full", 3),
        "D2": _locked,
        "D3": _disk_error("disk I/O error", 1),
        "D4": _bit_flipped,
        "D5": _old_backup,
        "D6": _slow_disk,
        "C3": _token_gone,
        "C4": _commanded,
    }
)
