"""Three watches of a world: that a halt is obeyed, that no secret is written, that nothing grows.

Each takes what it sees as plain values and says what is wrong, None if nothing is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bot.core.events import Command
from bot.core.units import NS_PER_MS, NS_PER_SECOND
from bot.lab.world import World

OBEYED_MS: Final = 100  # how long after a halt an order may still leave
PLACES_ORDER: Final = ('"method":"private/buy"', '"method":"private/sell"')
GROWTH_LOOK_NS: Final = NS_PER_SECOND
TASKS_MAX: Final = 150
WAITING_MAX: Final = 5_000
TRADES_SEEN_MAX: Final = 2_000
ORDERS_MAX: Final = 200


@dataclass(slots=True)
class HaltWatch:
    """Listens to commands and to what leaves the daemon (I19).

    A stall of the whole host does not count: nothing of the daemon runs then.
    """

    world: World
    _halted_ns: int | None = None
    _stalled_ns: int = 0
    _life: int = 0
    _given: set[str] = field(default_factory=set)

    def commanded(self, command: Command, command_id: str) -> None:
        """Take note of a command that was just given; one given before means nothing."""
        if command_id in self._given:
            return
        self._given.add(command_id)
        loop, life = self.world.loop, self.world.machine.life
        if command is Command.RESUME:
            self._halted_ns = None
        if command is Command.HALT and self._halted_ns is None:
            self._halted_ns, self._stalled_ns = loop.now_ns, loop.stalled_ns
            self._life = life.number if life else 0

    def left(self, text: str) -> str | None:
        """Look at a frame that leaves the daemon."""
        if self._halted_ns is None or not any(method in text for method in PLACES_ORDER):
            return None
        loop, life = self.world.loop, self.world.machine.life
        if life is None or life.number != self._life:  # it died before the disk knew of the halt
            return None
        late_ns = loop.now_ns - self._halted_ns - (loop.stalled_ns - self._stalled_ns)
        if late_ns <= OBEYED_MS * NS_PER_MS:
            return None
        return f"an order left {late_ns / NS_PER_MS:.0f} ms after a halt: {text:.120}"


@dataclass(slots=True)
class GrowthWatch:
    """Looks once a second at everything that might grow (I21). `looks` counts how often."""

    world: World
    looks: int = 0
    _next_ns: int = 0

    def look(self) -> str | None:
        """Look, if it is time to."""
        loop, life = self.world.loop, self.world.machine.life
        if loop.now_ns < self._next_ns or life is None or life.daemon is None or life.loop is None:
            return None
        self._next_ns = loop.now_ns + GROWTH_LOOK_NS
        self.looks += 1
        standing = life.loop.state.standing
        sizes = {
            "tasks": (loop.alive_tasks(life.number, TASKS_MAX), TASKS_MAX),
            "facts waiting": (len(life.daemon.inbox), WAITING_MAX),
            "trades remembered": (len(standing.trades_seen), TRADES_SEEN_MAX),
            "orders remembered": (len(standing.orders), ORDERS_MAX),
            "sockets": (len(self.world.network.wires), 8),
        }
        over = [f"{n} {name}, at most {most}" for name, (n, most) in sizes.items() if n > most]
        return "; ".join(over) or None


def told(secrets: Iterable[str], texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """I18: say where a secret was written. `texts` are (where, what)."""
    known = [secret for secret in secrets if secret]
    for where, what in texts:
        for number, secret in enumerate(known):
            if secret in what:
                yield f"secret {number} is written in {where}"


def everything_said(world: World, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return all that a run wrote: files beside the ledger, its log, refusals, ends and pages."""
    for path in sorted(world.disk.path.parent.iterdir()):
        yield f"the file {path.name}", _content(path)
    seen = world.machine.seen
    yield "the log", "\n".join(lines)
    yield "a refusal to start", "\n".join(seen.refusals)
    yield "the end of a process", "\n".join(ended.reason for ended in seen.exits)
    yield "a page", "\n".join(world.machine.phone.said)


def _content(path: Path) -> str:
    return path.read_bytes().decode("latin-1") if path.is_file() else ""
