"""Watches a world, and holds every event of it against the invariants.

Judged by the venue's books and the disk, not by what the daemon thinks of itself.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from bot.core import codec, engine
from bot.core.actions import SubmitOrder
from bot.core.engine import Policy
from bot.core.events import ClockSeen, Command, CommandGiven, QuoteSeen
from bot.core.reconcile import SETTLED, Adopted
from bot.core.standing import Standing
from bot.core.state import Mode, State
from bot.core.units import NS_PER_SECOND
from bot.exchange.reports import FillCause
from bot.lab import invariants, replay_law
from bot.lab.simexchange import ACCOUNT
from bot.lab.simhost import INSTANCE, Life
from bot.lab.world import BOOK, PREFIX, World
from bot.runtime.journal import Broken, verify
from bot.runtime.loop import Stepped
from bot.runtime.records import STANDING_KINDS, body_of, standing_after

TRUTH_KEPT_NS: Final = 90 * NS_PER_SECOND
VIOLATIONS_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Which invariant was broken, when (wire seconds), and how."""

    invariant: str
    at_seconds: float
    text: str


@dataclass(slots=True)
class Judge:
    """One world's judge. `watch` it before it begins; `conclude` when it is over."""

    policy: Policy
    violations: list[Violation] = field(default_factory=list)
    facts: int = 0
    folds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    last: Stepped | None = None
    _inside_ns: int = 0
    _ran: dict[int, int] = field(default_factory=dict)
    _world: World | None = None
    _before: Standing | None = None
    _written: list[tuple[str, str]] = field(default_factory=list)
    _heard: dict[str, Decimal] = field(default_factory=dict)
    _truth: deque[tuple[int, dict[str, Decimal]]] = field(default_factory=deque)
    _trace: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def watch(self, world: World) -> None:
        """Listen to everything of a world that has not begun."""
        self._world = world
        world.exchange.watchers.append(self._requested)
        world.disk.durable.on_row.append(self._row)
        world.machine.on_recovered = self._recovered

    @property
    def world(self) -> World:
        """The world that is watched."""
        assert self._world is not None, "a judge watches first"
        return self._world

    @property
    def trace_hash(self) -> str:
        """Everything durable and every order request, in order, as one number."""
        return str(self._trace.hexdigest())

    def lives(self) -> Iterator[tuple[int, int]]:
        """Yield the steps at which each life was born, and first ran (else the last step)."""
        for number, born in enumerate(self.world.machine.seen.births, 1):
            yield born, self._ran.get(number, self.world.loop.steps)

    def _hold(self, invariant: str, trouble: str | None) -> None:
        if trouble is not None and len(self.violations) < VIOLATIONS_MAX:
            at_seconds = round(self.world.loop.now_ns / NS_PER_SECOND, 3)
            self.violations.append(
                Violation(invariant=invariant, at_seconds=at_seconds, text=trouble)
            )

    # ------------------------------------------------------------------ every fold

    def __call__(self, stepped: Stepped) -> None:
        """Judge one fold. What this cannot take is a violation, not an observer that is dropped."""
        try:
            self._judge(stepped)
        except Exception as error:  # noqa: BLE001  of any type: nobody else would hear of it
            self._hold("I21", f"the judge fell over: {type(error).__name__}: {error}")

    def _judge(self, stepped: Stepped) -> None:
        self.folds += 1
        self.facts += sum(1 for fact in stepped.facts if not isinstance(fact, ClockSeen))
        self.last = stepped
        state, standing = stepped.state, stepped.state.standing
        sent = [one for one in stepped.step.actions if isinstance(one, SubmitOrder)]
        if state.mode is Mode.RUN:
            self._ran.setdefault(len(self.world.machine.seen.births), self.world.loop.steps)
        if invariants.inside(stepped.step.exposures.get(BOOK), self.policy):
            self._inside_ns = self.world.loop.now_ns
        self._note_truth()
        self._adopted(stepped)
        if standing is self._before and not sent:
            return
        is_resumed = _is_resumed(stepped)
        self._hold("I4", invariants.one_doubt(standing.orders.values(), sent))
        if self._before is not None:
            before = self._before
            self._hold("I9", invariants.halted(before, sent, is_resumed=is_resumed))
            self._hold("I9", invariants.still_halted(before, standing, is_resumed=is_resumed))
        self._before = standing
        if sent:
            most = self.policy.safety.orders_per_minute_max
            orders = standing.orders.values()
            self._hold("I8", invariants.at_rate(orders, state.now_ms, most))
        for action in sent:
            self.counts["orders"] += 1
            exposure = stepped.step.exposures.get(BOOK)
            self._hold("I6", invariants.bounded(action, state, exposure, self.policy))
            self._hold("I7", invariants.fresh(action, state, self.policy))
        life = self.world.machine.life
        if life is not None and life.daemon is not None:
            waiting = len(life.daemon.outbox.in_flight)
            if waiting > invariants.IN_FLIGHT_MAX:
                self._hold("I21", f"{waiting} actions are under way")

    def _note_truth(self) -> None:
        now_ns, held = self.world.loop.now_ns, self.world.truth()
        if not self._truth or self._truth[-1][1] != held:
            self._truth.append((now_ns, held))
        while len(self._truth) > 1 and self._truth[1][0] < now_ns - TRUTH_KEPT_NS:
            self._truth.popleft()

    def _adopted(self, stepped: Stepped) -> None:
        for note in stepped.step.notes:
            if not isinstance(note, Adopted):
                continue
            name, size = note.instrument, note.after_native
            self.counts["adopted"] += 1
            report = stepped.state.reported.get(name)
            if report is None or report.row.size_native != size:
                self._hold("I14", f"{name}: adopted {size}, reported {report}")
            is_known = any(held.get(name, Decimal(0)) == size for _, held in self._truth)
            if not is_known and note.reason != SETTLED:  # that is known by the calendar
                self._hold("I15", f"{name}: adopted {size}, which the venue did not hold lately")

    # ------------------------------------------------------------------ the venue and the disk

    def _requested(self, method: str, params: Mapping[str, Any]) -> None:
        order_id = str(params.get("label", ""))
        self._trace.update(f"{method} {order_id} {self.world.loop.now_ns}\n".encode())
        self._hold("I1", invariants.sent_once(order_id, self._heard))
        self._hold("I2", invariants.durable(order_id, self.world.disk.durable.order_ids))
        if self.world.is_settling:
            self.counts["A5"] += 1
        self._heard[order_id] = Decimal(str(params.get("amount", 0)))

    def _row(self, kind: str, at_ms: int, body: str) -> None:
        folder = str(self.world.disk.path.parent)  # which a halt may name, and no run shares
        self._trace.update(f"{kind} {at_ms} {body.replace(folder, '')}\n".encode())
        if kind == "standing":
            self._written.clear()
        if kind in STANDING_KINDS:
            self._written.append((kind, body))

    def _recovered(self, life: Life) -> None:
        """Look at what a new life begins with."""
        assert life.loop is not None, "a recovered life has a loop"
        durable = self.world.disk.durable
        if durable.is_rewritten:  # what was repaired is less than what was written
            durable.is_rewritten = False
            self._written.clear()
        state, known = life.loop.state, self._last_written()
        self._before = state.standing if known is None else known
        if known is None:
            return
        once = engine.begin(known, state.now_ms, state.now_ns).standing
        twice = engine.begin(once, state.now_ms, state.now_ns).standing
        if codec.digest(once) != codec.digest(state.standing):
            self._hold("I11", "what is recovered is not what was last written")
        if codec.digest(twice) != codec.digest(once):
            self._hold("I11", "recovering twice is not recovering once")

    def _last_written(self) -> Standing | None:
        known: Standing | None = None
        for kind, body in self._written:
            known = standing_after(known, kind, body_of(body))
        return known

    # ------------------------------------------------------------------ the end

    def is_at_rest(self) -> bool:
        """Whether a world that has healed has nothing left to wait for."""
        life = self.world.machine.life
        if life is None or life.loop is None:
            return False
        state, outside_ns = life.loop.state, self.world.loop.now_ns - self._inside_ns
        is_known = all(order.is_quiet for order in state.standing.orders.values())
        return (
            is_known
            and invariants.healed(state, outside_ns) is None
            and invariants.agreed(_listed(state), self.world.truth()) is None
        )

    def conclude(self) -> None:
        """Judge how a world that has healed stands."""
        world, last = self.world, self.last
        for invariant, text in world.complaints:
            self._hold(invariant, text)
        for text in world.loop.errors:
            self._hold("I21", text)
        life = world.machine.life
        if last is None or life is None or life.loop is None:
            self._hold("I10", f"no daemon runs: {world.machine.seen.refusals[-1:]}")
            return
        state = life.loop.state
        self._hold("I5", invariants.agreed(_listed(state), world.truth()))
        self._hold("I10", invariants.healed(state, world.loop.now_ns - self._inside_ns))
        self._executed()
        resting = [o.label for o in world.exchange.engine.open_orders(ACCOUNT) if _is_ours(o.label)]
        if resting:
            self._hold("I17", f"{resting[0]} rests at the venue")
        found = verify(world.disk.path)
        if isinstance(found, Broken):
            self._hold("I12", f"row {found.seq} {found.reason}")
        if world.disk.is_taped:
            folds = 0 if world.disk.durable.was_rewritten else self.folds
            self._hold("I22", replay_law.unlike(world.disk.path, folds))
        self._trace.update(repr(sorted(world.truth().items())).encode())
        self._trace.update(f"{world.loop.steps} {world.loop.now_ns}".encode())

    def _executed(self) -> None:
        filled: Counter[str] = Counter()
        forged = self.world.forged
        for fill in self.world.exchange.engine.ledger_fills():
            if fill.order_id in forged:
                continue
            if fill.cause is FillCause.TRADE and _is_ours(fill.label):
                filled[fill.label] += fill.amount  # type: ignore[assignment]  # a Decimal adds up
                if fill.label not in self.world.disk.durable.order_ids:
                    self._hold("I3", f"{fill.label} traded, and is not in the ledger")
        amounts = {order_id: Decimal(size) for order_id, size in filled.items()}
        self._hold("I1", invariants.executed_within(self._heard, amounts))


def _listed(state: State) -> dict[str, Decimal]:
    """Return our positions in what the venue lists."""
    held = state.standing.positions.items()
    return {name: size for name, size in held if name in state.instruments}


def _is_ours(label: str) -> bool:
    return label.startswith(PREFIX + INSTANCE)


def _is_resumed(stepped: Stepped) -> bool:
    return any(
        isinstance(fact, CommandGiven) and fact.command is Command.RESUME
        for fact in stepped.facts
        if not isinstance(fact, QuoteSeen)
    )
