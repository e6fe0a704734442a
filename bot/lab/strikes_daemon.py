"""Strikes on the daemon's own parts: P5, P9, C1, C2, X1 and X2."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bot.core.engine import Policy
from bot.lab.scene import Scene, Strikes
from bot.lab.simhost import Life
from bot.lab.simphone import FIRST
from bot.runtime.ledger_file import SCHEMA_VERSION
from bot.runtime.loop import Stepped
from bot.settings import load
from bot.settings.problems import ConfigError, Problem

JOBS: Final = ("outbox", "loop", "venue", "timers", "clock", "halt file", "host")
END_SECONDS_MAX: Final = 15.0  # from the death of a task to that of its process
CONFIG: Final = """\
mode: rehearsal
venue:
  name: deribit
  rest_url: http://127.0.0.1:1
  ws_url: ws://127.0.0.1:1/ws/api/v2
account:
  currencies: [BTC]
  label_prefix: db
books:
  - name: main
    convention: coin
    select: {underlying: BTC}
    hedge: {instrument: BTC-PERPETUAL, band_low_coin: -0.2, band_high_coin: 0.2}
journal:
  path: journal.sqlite3
"""
# What a hand may do to it: what stood there, and what stands there now.
SLIPS: Final = (
    ("band_low_coin: -0.2", "band_lo_coin: -0.2"),
    ("band_low_coin: -0.2", "band_low_coin: .nan"),
    ("band_low_coin: -0.2", "band_low_coin: 0.4"),
    ("band_low_coin", "band_low_usd"),
    ("convention: coin", "convention: coins"),
    ("mode: rehearsal", "mode: rehearsal\nmode: live"),
    ("mode: rehearsal", "mode: live"),
    ("label_prefix: db", "label_prefix: 'd b!'"),
    ("  path: journal", "\tpath: journal"),
)


def _task_dies(scene: Scene, fault_id: str) -> None:
    """A task of the daemon ends: by an error of a library, or because somebody cancels it."""
    world, life = scene.world, scene.world.machine.life
    name = scene.rng.choice(JOBS)
    task = None if life is None else world.loop.task_of(life.number, name)
    if life is None or task is None:
        return
    waits_for = task._fut_waiter  # type: ignore[attr-defined]  # noqa: SLF001  as a library fails it
    can_fail = waits_for is not None and not waits_for.done() and not hasattr(waits_for, "get_coro")
    if can_fail and scene.rng.random() < 0.5:
        waits_for.set_exception(RuntimeError(f"{name} fell over"))
    else:
        task.cancel("nobody knows why")

    def seen(life: Life = life) -> None:
        if life.over.is_set():
            scene.did(fault_id)
        elif world.machine.life is life:
            world.complaints.append(("I21", f"the task {name} ended, and the daemon went on"))

    scene.later(END_SECONDS_MAX, seen)


def _newer_ledger(scene: Scene, fault_id: str) -> None:
    """The ledger was written by a version that is yet to come; then the right one is installed."""
    world = scene.world
    if not scene.is_free(fault_id, 10.0) or not world.machine.crash():
        return
    _versioned(world.disk.path, SCHEMA_VERSION + 1)
    before = len(world.machine.seen.refusals)

    def upgraded() -> None:
        _versioned(world.disk.path, SCHEMA_VERSION)
        since = world.machine.seen.refusals[before:]
        if any(f"format {SCHEMA_VERSION + 1}" in why for why in since):
            scene.did(fault_id)

    scene.meanwhile(scene.between(2.5, 8.0), upgraded)


def _versioned(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def _slip(scene: Scene, fault_id: str) -> None:
    """The configuration is broken by a hand at a restart, and mended a little later."""
    machine = scene.world.machine
    if not scene.is_free(fault_id, 15.0) or not machine.crash():
        return
    right, wrong = scene.rng.choice(SLIPS)
    before, usual = len(machine.seen.refusals), scene.configured

    def broken() -> Policy:
        found = _problems(CONFIG.replace(right, wrong, 1))
        if found:
            raise ConfigError(found)
        scene.world.complaints.append(("I6", f"a configuration with {wrong!r} was accepted"))
        return usual()

    machine.configured = broken

    def mended() -> None:
        machine.configured = usual
        if len(machine.seen.refusals) > before:
            scene.did(fault_id)

    scene.meanwhile(scene.between(2.5, 12.0), mended)


@cache
def _problems(text: str) -> tuple[Problem, ...]:
    """Return what is wrong with a configuration; each start of each world would read it anew."""
    try:
        read(text)
    except ConfigError as error:
        return error.problems
    return ()


def read(text: str) -> Policy:
    """Read a configuration as `run` does.

    Raises:
        ConfigError: with everything that is wrong with it.
    """
    with tempfile.TemporaryDirectory(prefix="config") as folder:
        path = Path(folder) / "deltaband.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path).policy()


def _other_limits(scene: Scene, fault_id: str) -> None:
    """The daemon is started again with narrower limits, and later with the usual ones."""
    machine = scene.world.machine
    seconds = scene.between(10.0, 40.0)
    if not scene.is_free("C1", seconds) or not machine.crash():
        return
    usual = scene.configured
    limits = replace(usual().safety, order_max_usd=60_000.0, orders_per_minute_max=3)
    narrow = replace(usual(), safety=limits)
    machine.configured = lambda: narrow

    def widened() -> None:
        life = machine.life
        if life is not None and life.policy is narrow and life.daemon is not None:
            scene.did(fault_id)
        machine.configured = usual
        machine.crash()

    scene.meanwhile(seconds, widened)


def _unheard(scene: Scene, fault_id: str) -> None:
    """The service that carries pages is down: the other one is told."""
    phone = scene.world.machine.phone
    refused, told = phone.refused, len(phone.taken[FIRST])
    phone.down[FIRST] = scene.rng.choice(("hangs", "refuses", "fails"))

    def up() -> None:
        phone.down.pop(FIRST, None)
        assert len(phone.taken[FIRST]) >= told, "what was taken stays taken"
        scene.tally[fault_id] += phone.refused - refused

    if scene.is_free(fault_id, seconds := scene.between(10.0, 60.0)):
        scene.meanwhile(seconds, up)


def _watcher_fails(scene: Scene, fault_id: str) -> None:
    """Whoever draws the screens and counts the numbers falls over in the middle of a fold."""
    life = scene.world.machine.life
    if life is None or life.loop is None:
        return

    def falls_over(stepped: Stepped) -> None:
        scene.did(fault_id)
        raise ZeroDivisionError(f"the screen of fold {stepped.fold}")

    life.loop.watch(falls_over)


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "P5": _task_dies,
        "P9": _newer_ledger,
        "C1": _slip,
        "C2": _other_limits,
        "X1": _unheard,
        "X2": _watcher_fails,
    }
)
