"""Watches a world, and holds every event of it against the invariants.

Judged by the venue's books and the disk, not by what the daemon thinks of itself.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from bot.core import codec, engine
from bot.core.actions import SubmitOrder
from bot.core.engine import Policy
from bot.core.events import ClockSeen, Command, CommandGiven, FillSeen, OrderSeen, QuoteSeen
from bot.core.reconcile import SETTLED, Adopted
from bot.core.standing import Standing
from bot.core.state import Mode, State
from bot.core.units import NS_PER_MS, NS_PER_SECOND
from bot.lab import invariants, replay_law
from bot.lab.reckoning import Reckoning, is_ours
from bot.lab.simhost import Life
from bot.lab.watches import GrowthWatch, HaltWatch
from bot.lab.world import BOOK, PREFIX, World
from bot.runtime.journal import Broken, verify
from bot.runtime.loop import Stepped
from bot.runtime.records import STANDING_KINDS, body_of, standing_after

TRUTH_KEPT_NS: Final = 90 * NS_PER_SECOND
CLOCK_OFF_NS: Final = 4 * NS_PER_SECOND  # the largest step of T1, and what it is noticed by
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

    usual: Policy
    lines: Sequence[str] = ()
    violations: list[Violation] = field(default_factory=list)
    facts: int = 0
    folds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    last: Stepped | None = None
    _inside_ns: int = 0
    _strangers: dict[str, bool] = field(default_factory=dict)
    _returned: frozenset[str] = frozenset()
    _ran: dict[int, int] = field(default_factory=dict)
    _world: World | None = None
    _halts: HaltWatch | None = None
    _growth: GrowthWatch | None = None
    _reckoning: Reckoning | None = None
    _before: Standing | None = None
    _written: list[tuple[str, str]] = field(default_factory=list)
    _last_facts: str = ""
    _heard: dict[str, Decimal] = field(default_factory=dict)
    _truth: deque[tuple[int, dict[str, Decimal]]] = field(default_factory=deque)
    _trace: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def watch(self, world: World) -> None:
        """Listen to everything of a world that has not begun."""
        self._world = world
        world.exchange.watchers.append(self._requested)
        world.disk.durable.on_row.append(self._row)
        world.machine.on_recovered = self._recovered
        self._halts, self._growth = HaltWatch(world), GrowthWatch(world)
        self._reckoning = Reckoning(world)
        world.machine.on_command = self._halts.commanded
        world.network.on_leaving = self._left

    @property
    def world(self) -> World:
        """The world that is watched."""
        assert self._world is not None, "a judge watches first"
        return self._world

    @property
    def policy(self) -> Policy:
        """What the daemon that lives now obeys."""
        life = self.world.machine.life
        return self.usual if life is None or life.policy is None else life.policy

    @property
    def reckoning(self) -> Reckoning:
        """What is judged at the end."""
        assert self._reckoning is not None, "a judge watches first"
        return self._reckoning

    @property
    def looks(self) -> int:
        """How often everything that might grow was measured."""
        return 0 if self._growth is None else self._growth.looks

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
        standing = stepped.state.standing
        sent = [one for one in stepped.step.actions if isinstance(one, SubmitOrder)]
        if stepped.state.mode is Mode.RUN:
            self._ran.setdefault(len(self.world.machine.seen.births), self.world.loop.steps)
        exposure = stepped.step.exposures.get(BOOK)
        if invariants.inside(exposure, self.policy):
            self._inside_ns = self.world.loop.now_ns
        self._hold("I7", invariants.valued_fresh(exposure, stepped.state, self.policy))
        self._note_truth()
        self.reckoning.count_money(stepped.state, is_disturbed=self._adopted(stepped))
        if self._growth is not None:
            self._hold("I21", self._growth.look())
        is_resumed = _is_resumed(stepped)
        self._strangers.update(dict.fromkeys(_foreign_in(stepped.facts), True) | self._strangers)
        self._hold("I13", invariants.alone(self._strangers, sent, is_resumed=is_resumed))
        if is_resumed:  # a person has looked at all of them
            self._strangers = dict.fromkeys(self._strangers, False)
        if standing is self._before and not sent:
            return
        if self._before is not None:
            self._changed(stepped, self._before, sent, is_resumed=is_resumed)
        self._before = standing
        self._orders(stepped, sent)

    def _changed(
        self, stepped: Stepped, before: Standing, sent: list[SubmitOrder], *, is_resumed: bool
    ) -> None:
        """Judge what became of the standing."""
        standing = stepped.state.standing
        self.reckoning.note(standing.orders)
        self._returned |= invariants.come_back(before.orders, standing.orders)
        self._hold("I1", invariants.noticed_excess(before.orders, standing))
        repeats = _repeats(stepped, before)
        self._hold("I19", invariants.obeyed_once(before, standing, repeated=repeats))
        self._hold("I9", invariants.halted(before, sent, is_resumed=is_resumed))
        self._hold("I9", invariants.still_halted(before, standing, is_resumed=is_resumed))

    def _orders(self, stepped: Stepped, sent: list[SubmitOrder]) -> None:
        """Judge the orders that are open, and those that are sent now."""
        state, standing = stepped.state, stepped.state.standing
        exposure = stepped.step.exposures.get(BOOK)
        self._hold("I4", invariants.one_doubt(standing.orders.values(), sent, self._returned))
        if not standing.halt_reason:
            new = {action.order_id for action in sent}  # sent after the book was valued
            known = [order for order in standing.orders.values() if order.order_id not in new]
            self._hold("I16", invariants.spanned(exposure, state, known, self.usual))
        if sent:
            most = self.policy.safety.orders_per_minute_max
            orders = standing.orders.values()
            self._hold("I8", invariants.at_rate(orders, state.now_ms, most))
        for action in sent:
            self.counts["orders"] += 1
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

    def _adopted(self, stepped: Stepped) -> bool:
        """Judge what was taken over; return whether anything was."""
        adopted = False
        for note in stepped.step.notes:
            if not isinstance(note, Adopted):
                continue
            name, size, adopted = note.instrument, note.after_native, True
            self.counts["adopted"] += 1
            report = stepped.state.reported.get(name)
            if report is None or report.row.size_native != size:
                self._hold("I14", f"{name}: adopted {size}, reported {report}")
            is_known = any(held.get(name, Decimal(0)) == size for _, held in self._truth)
            if not is_known and note.reason != SETTLED:  # that is known by the calendar
                self._hold("I15", f"{name}: adopted {size}, which the venue did not hold lately")
        return adopted

    # ------------------------------------------------------------------ the venue and the disk

    def _requested(self, method: str, params: Mapping[str, Any]) -> None:
        order_id = str(params.get("label", ""))
        self._trace.update(f"{method} {order_id} {self.world.loop.now_ns}\n".encode())
        self._hold("I1", invariants.sent_once(order_id, self._heard))
        self._hold("I2", invariants.durable(order_id, self.world.disk.durable.order_ids))
        longest_ns = self.policy.orders.lifetime_ns + CLOCK_OFF_NS  # its time may be off so far
        longest_ms = longest_ns / NS_PER_MS * self.world.plan.speed
        until_ms = params.get("valid_until")
        self._hold(
            "I1", invariants.bounded_life(order_id, until_ms, self.world.market_ms, longest_ms)
        )
        if self.world.is_settling:
            self.counts["A5"] += 1
        self._heard[order_id] = Decimal(str(params.get("amount", 0)))

    def _left(self, text: str) -> None:
        if self._halts is not None:
            self._hold("I19", self._halts.left(text))

    def _row(self, kind: str, at_ms: int, body: str) -> None:
        body_there = body.replace(
            self.world.disk.folder, ""
        )  # a halt may name it; no run shares it
        self._trace.update(f"{kind} {at_ms} {body_there}\n".encode())
        if kind == "standing":
            self._written.clear()
        if kind in STANDING_KINDS:
            self._written.append((kind, body))
        if kind == "facts":
            self._last_facts = body
        if kind == "command":
            self._commanded(body)

    def _commanded(self, body: str) -> None:
        """Learn of a resume from its row: a process may die before its fold is told.

        The person has looked at all that was known by then, the facts of the same fold included.
        """
        row = body_of(body)
        told = row["command"]
        if not isinstance(told, CommandGiven) or told.command is not Command.RESUME:
            return
        beside = body_of(self._last_facts) if self._last_facts else {}
        facts = beside["facts"] if beside.get("fold") == row["fold"] else ()
        self._strangers = dict.fromkeys((*self._strangers, *_foreign_in(facts)), False)

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
        self._hold("I11", invariants.kept_open(known.orders, state.standing.orders))
        once = engine.begin(known, state.now_ms, state.now_ns, state.standing.boot).standing
        twice = engine.begin(once, state.now_ms, state.now_ns, state.standing.boot).standing
        expected = codec.dumps(once)
        if expected != codec.dumps(state.standing):
            self._hold("I11", "what is recovered is not what was last written")
        if expected != codec.dumps(twice):
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
        for invariant, text in self.reckoning.broken(state, self._heard, self.lines):
            self._hold(invariant, text)
        found = verify(world.disk.path)
        if isinstance(found, Broken):
            self._hold("I12", f"row {found.seq} {found.reason}")
        if world.disk.is_taped:
            folds = 0 if world.disk.durable.was_rewritten else self.folds
            self._hold("I22", replay_law.unlike(world.disk.path, folds))
        self._trace.update(repr(sorted(world.truth().items())).encode())
        self._trace.update(f"{world.loop.steps} {world.loop.now_ns}".encode())


def _listed(state: State) -> dict[str, Decimal]:
    """Return our positions in what the venue lists."""
    held = state.standing.positions.items()
    return {name: size for name, size in held if name in state.instruments}


def _is_resumed(stepped: Stepped) -> bool:
    return any(
        isinstance(fact, CommandGiven) and fact.command is Command.RESUME
        for fact in stepped.facts
        if not isinstance(fact, QuoteSeen)
    )


def _repeats(stepped: Stepped, before: Standing) -> bool:
    """Whether commands came with this fold, all of which had been given before."""
    given = [fact for fact in stepped.facts if isinstance(fact, CommandGiven)]
    return bool(given) and all(fact.command_id in before.commands_seen for fact in given)


def _foreign_in(facts: Iterable[object]) -> list[str]:
    """Return the labels of other daemons of our kind that a fold was told of."""
    told = [fact.order_id for fact in facts if isinstance(fact, OrderSeen | FillSeen)]
    return [label for label in told if label.startswith(PREFIX) and not is_ours(label)]
