"""What a strike of the fault lab works with: a world, chance, and the count of what it did."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from bot.core.engine import Policy
from bot.core.units import MS_PER_SECOND, NS_PER_SECOND
from bot.exchange.commands import Command, PlaceOrder, Refused
from bot.exchange.faults import (
    WS_OPENING,
    WS_PUSH,
    WS_REQUEST,
    Armed,
    Fault,
    FaultKind,
    Harm,
    Quota,
    Target,
)
from bot.exchange.reports import Direction, OrderType, TimeInForce
from bot.exchange.rules import Rules
from bot.lab.lies import Lie, Twist
from bot.lab.simexchange import ACCOUNT
from bot.lab.world import HEDGE, World

NO_HARM: Final = Harm()
OPENINGS: Final = Target(places=frozenset({WS_OPENING}))


def requests(method: str) -> Target:
    """Requests whose method begins so, with their answers."""
    return Target(places=frozenset({WS_REQUEST}), method=method)


def pushes(channel: str = "") -> Target:
    """Pushes whose channel begins so."""
    return Target(places=frozenset({WS_PUSH}), channel=channel)


def once(count: int = 1, *, seconds: float | None = None) -> Quota:
    """So often, or until so many wire seconds are over."""
    return Quota(count=count, window_ms=None if seconds is None else seconds * MS_PER_SECOND)


def during(seconds: float, rate: float | None = None) -> Quota:
    """For so many wire seconds, each with this chance."""
    return Quota(window_ms=seconds * MS_PER_SECOND, rate=rate)


@dataclass(slots=True)
class Scene:
    """One world while faults strike it. `tally` counts by id what was really done to it.

    `rules` and `configured` are the venue's rules and the daemon's configuration as they were at
    first. What changes them for a while puts back these, and not what it found: that may be what
    another strike left there, which a host that stands still has not undone in time.
    """

    world: World
    rng: random.Random
    tally: Counter[str] = field(default_factory=Counter)
    marks: list[tuple[int, int]] = field(default_factory=list)
    rules: Rules = field(init=False)
    configured: Callable[[], Policy] = field(init=False)
    _armed: list[tuple[str, Armed]] = field(default_factory=list)
    _busy_ns: dict[str, int] = field(default_factory=dict)
    _mends: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note how everything was at first."""
        self.rules = self.world.exchange.engine.desk.rules
        self.configured = self.world.machine.configured

    def is_free(self, fault_id: str, seconds: float) -> bool:
        """Whether a fault does not strike yet; if so, it does for so long."""
        now_ns = self.world.loop.now_ns
        if self._busy_ns.get(fault_id, 0) > now_ns:
            return False
        self._busy_ns[fault_id] = now_ns + int(seconds * NS_PER_SECOND)
        return True

    def did(self, fault_id: str) -> None:
        """Count a fault that struck."""
        self.tally[fault_id] += 1

    def later(self, seconds: float, undo: Callable[[], object]) -> None:
        """Do something after so many wire seconds."""
        self.world.loop.call_later(seconds, undo)

    def meanwhile(self, seconds: float, undo: Callable[[], object]) -> None:
        """Undo something after so many wire seconds, or when all is mended: once."""
        left = [undo]

        def undone() -> None:
            if left:
                left.pop()()

        self.later(seconds, undone)
        self._mends.append(undone)

    def mend(self) -> None:
        """Undo everything that still holds."""
        for undone in self._mends:
            undone()
        self._mends.clear()

    def decree(self, command: Command) -> bool:
        """Have the venue do something by itself, and tell of it; False if its rules forbid it."""
        floor = self.world.exchange.floor
        done = floor.engine.handle(command)
        if isinstance(done, Refused):
            return False
        floor.accept(done)
        floor.publish()
        return True

    def forge(self, label: str, direction: Direction, amount: Decimal) -> bool:
        """Have somebody trade the hedge on the account, under a label; False if refused."""
        command = PlaceOrder(
            account=ACCOUNT,
            instrument_name=HEDGE,
            direction=direction,
            amount=amount,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            label=label,
        )
        floor = self.world.exchange.floor
        done = floor.engine.handle(command)
        if isinstance(done, Refused):
            return False
        self.world.forged.add(floor.accept(done).order.order_id)
        floor.publish()
        return True

    def on_order(self, heard: Callable[[str, Mapping[str, Any]], None], seconds: float) -> None:
        """Hear of every order request that reaches the venue for so long, before it is worked on.

        `heard` takes the method and the parameters.
        """
        watchers = self.world.exchange.watchers
        watchers.append(heard)
        self.meanwhile(seconds, lambda: watchers.remove(heard))

    def between(self, low: float, high: float) -> float:
        """Draw a number."""
        return self.rng.uniform(low, high)

    def side(self) -> str:
        """Draw a method that places an order."""
        return self.rng.choice(("private/buy", "private/sell"))

    def arm(
        self,
        fault_id: str,
        kind: FaultKind,
        target: Target,
        quota: Quota,
        harm: Harm = NO_HARM,
    ) -> Armed:
        """Let a fault of the wire wait; what it strikes is counted.

        With an empty id nothing is: it only prepares for a fault that counts by itself.
        """
        drawn = replace(quota, seed=self.rng.randrange(2**31))
        fault = Fault(kind=kind, target=target, quota=drawn, harm=harm)
        armed = self.world.exchange.bench.arm(fault)
        if fault_id:
            self._armed.append((fault_id, armed))
        return armed

    def lie(
        self,
        fault_id: str,
        about: str,
        twist: Twist,
        *,
        seconds: float,
        chance: float,
        is_push: bool = False,
    ) -> None:
        """Have the venue lie for so long; every lie is counted."""
        lie = Lie(
            about=about,
            is_push=is_push,
            until_ns=self.world.loop.now_ns + int(seconds * NS_PER_SECOND),
            chance=chance,
            twist=twist,
            on_told=lambda: self.did(fault_id),
        )
        self.world.lies.tell(lie)

    def disarm(self) -> None:
        """Disarm every fault of the wire, and count what they struck."""
        for fault_id, armed in self._armed:
            if armed.struck:
                self.tally[fault_id] += armed.struck
        self._armed.clear()
        self.world.exchange.bench.clear(None)


Strike = Callable[[Scene, str], None]
Strikes = Mapping[str, Strike]
Row = dict[str, Any]
