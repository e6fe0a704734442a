"""The loop: drain, step, make durable, send, tell. The only one that touches the state.

A fold that sends or cancels an order, was given a command or halts waits until the disk has its
rows and all rows before them. The rows of any other fold (news of the account, questions to the
venue) are handed over in their order without waiting: nothing that they stand for has left, and
after a crash the venue is asked anyway. A row that could not be written halts at the next fold, a
quarter of a second later at the most, and always before anything more is sent.
"""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from bot.core.actions import CancelOrder, SubmitOrder
from bot.core.engine import Policy, Step
from bot.core.events import (
    ClockSeen,
    Command,
    CommandGiven,
    Fact,
    Facts,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    QuoteSeen,
)
from bot.core.orders import Order, OrderStatus
from bot.core.standing import Standing
from bot.core.state import State
from bot.runtime import records
from bot.runtime.clock import MarketClock, WireClock
from bot.runtime.inbox import Inbox
from bot.runtime.journal import JournalFailedError, Ledger, Row
from bot.runtime.latency import Reservoir
from bot.runtime.outbox import Outbox
from bot.runtime.tape import Tape
from bot.runtime.tape_blocks import TapedFold

FOLD_SILENCE_SECONDS: Final = 0.25  # wire: even when nobody speaks, time passes for the core
UNWRITTEN_FOLDS_MAX: Final = 100  # behind the disk; with more than these, every fold waits for it

log = structlog.get_logger(__name__)

StepFunction = Callable[[State, Facts, Policy], Step]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stepped:
    """One fold, for those who watch.

    `tick_to_decision_ns` runs from the arrival of the fold's oldest quote until its decision was
    made, None without quotes; each of `tick_to_order_ns` from the arrival of the quote that caused
    an order until its bytes were handed to the socket, durable row included. `journal_ns` is how
    long the fold waited for the disk, None when it did not.
    """

    fold: int
    state: State
    step: Step
    facts: tuple[Fact, ...]
    market_ms: int
    wire_ns: int
    tick_to_decision_ns: int | None
    tick_to_order_ns: tuple[int, ...]
    journal_ns: int | None


Observer = Callable[[Stepped], None]


class Loop:
    """Folds facts into the state for as long as `run` runs."""

    silence_seconds: float = FOLD_SILENCE_SECONDS

    def __init__(
        self,
        *,
        step: StepFunction,
        state: State,
        policy: Policy,
        inbox: Inbox,
        outbox: Outbox,
        ledger: Ledger,
        market: MarketClock,
        wire: WireClock,
        tape: Tape | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Put the parts together.

        Args:
            step: The core, `bot.core.engine.step`.
            state: What `bot.core.engine.begin` made.
            policy: What the core obeys.
            inbox: Where facts wait.
            outbox: Who carries out actions.
            ledger: What must be durable before anything is sent.
            market: Stamps folds with market time.
            wire: Stamps folds with wire time.
            tape: Where quotes are recorded, None for nowhere.
            observers: Told of each fold after its actions were handed on. One that raises is
                dropped.
        """
        self._step = step
        self._state = state
        self._policy = policy
        self._inbox = inbox
        self._outbox = outbox
        self._ledger = ledger
        self._market = market
        self._wire = wire
        self._tape = tape
        self._observers = list(observers)
        self._standings = records.Standings()
        self._in_ledger: Standing | None = None
        self._caused_ns: dict[str, int] = {}
        self._stopping = False
        self._folded = asyncio.Event()
        self.ended = asyncio.Event()
        self._folds = 0
        self.observers_dropped = 0
        self.tick_to_decision = Reservoir()
        self.tick_to_order = Reservoir()
        self.journal = Reservoir()

    @property
    def state(self) -> State:
        """The state after the last fold."""
        return self._state

    @property
    def folds(self) -> int:
        """How many folds there were."""
        return self._folds

    def watch(self, observer: Observer) -> None:
        """Tell one more observer of each fold from now on."""
        self._observers.append(observer)

    async def run(self) -> None:
        """Fold until `stop`; all that waits then is still folded.

        Raises:
            JournalFailedError: a row could not be made durable. The state is halted, nothing was
                sent.
        """
        await self._durable([records.begin_row(self._state, self._policy)])
        while not self._stopping:
            await self._inbox.wait(self.silence_seconds)
            await self._fold()
        if len(self._inbox):
            await self._fold()
        await self._durable([records.end_row(self._folds, self._state.now_ms)])
        self.ended.set()

    def stop(self) -> None:
        """Let `run` end after what waits."""
        self._stopping = True

    @property
    def resting(self) -> tuple[Order, ...]:
        """The orders that rest at the venue, as far as we know."""
        orders = self._state.standing.orders.values()
        return tuple(order for order in orders if order.status is OrderStatus.WORKING)

    async def quiet(self, *, with_resting: bool = False) -> None:
        """Wait until nothing is under way, nothing waits and the fate of every order is known.

        `with_resting` waits until none rests, too.
        """
        while not self._is_quiet() or (with_resting and self.resting):
            self._folded.clear()
            await self._folded.wait()

    def _is_quiet(self) -> bool:
        open_fates = (OrderStatus.REQUESTED, OrderStatus.UNKNOWN)
        orders = self._state.standing.orders.values()
        waits = len(self._inbox) or any(
            isinstance(action, SubmitOrder) for action in self._outbox.in_flight
        )
        return not waits and not any(order.status in open_fates for order in orders)

    async def _fold(self) -> None:
        waiting = self._inbox.drain()
        clock = self._clock_seen()  # after draining, so that no quote arrived after the stamp
        facts = (clock, *waiting)
        number = self._folds + 1
        step = await self._stepped(number, clock, facts)
        decided_ns = self._wire.monotonic_ns()
        self._outbox.stopcock.latch(step.state.standing.halt_reason)  # before the disk has it
        rows = records.fact_rows(number, clock, facts)
        rows += records.step_rows(number, step, self._in_ledger, self._standings)
        waits = _must_wait(self._state, step, facts) or self._ledger.waiting > UNWRITTEN_FOLDS_MAX
        journal_ns = await self._write(rows, decided_ns, waits=waits)
        self._state = step.state
        self._in_ledger = step.state.standing
        self._outbox.stopcock.settle(step.state.standing, facts)
        if self._ledger.is_full:
            self._ledger.turn(records.volume_rows(number, step.state, self._policy))
        self._folds = number
        quotes = tuple(fact for fact in facts if isinstance(fact, QuoteSeen))
        caused = any(isinstance(action, SubmitOrder) for action in step.actions)
        oldest_ns = min((quote.arrived_ns for quote in quotes), default=None)
        if caused:
            self._remember_cause(step, oldest_ns)
        if step.actions:
            self._outbox.perform(step.actions)
        if caused:
            await asyncio.sleep(0)  # the order's frame first, then the book-keeping
        self._tell(number, clock, step, facts, (decided_ns, oldest_ns, journal_ns))
        if self._tape is not None:
            self._tape.fold(self._taped(number, clock, quotes), step.state)
        self._folded.set()

    def _taped(self, number: int, clock: ClockSeen, quotes: tuple[QuoteSeen, ...]) -> TapedFold:
        return TapedFold(
            run_id=self._ledger.run_id,
            number=number,
            market_ms=clock.market_ms,
            wire_ns=clock.wire_ns,
            rate=clock.rate,
            quotes=quotes,
        )

    async def _stepped(self, number: int, clock: ClockSeen, facts: tuple[Fact, ...]) -> Step:
        try:
            return self._step(self._state, facts, self._policy)
        except Exception:
            # The process ends and reconciles; what the core could not take is kept for the inquest.
            row = records.crash_row(number, clock, facts, traceback.format_exc())
            await self._ledger.append([row])
            raise

    async def _write(self, rows: list[Row], since_ns: int, *, waits: bool) -> int | None:
        """Hand rows over, and wait for the disk if need be; return how long that took then."""
        if rows and waits:
            await self._durable(rows)
            return self._wire.monotonic_ns() - since_ns
        try:
            if rows:
                self._ledger.post(rows)
            else:
                self._ledger.check()
        except JournalFailedError as error:
            self._halt(str(error))
            raise
        return None

    async def _durable(self, rows: list[Row]) -> None:
        try:
            await self._ledger.append(rows)
        except JournalFailedError as error:
            self._halt(str(error))
            raise

    def _halt(self, reason: str) -> None:
        """Show the halt to those who watch; the step that was not written is dropped unsent."""
        clock = self._clock_seen()
        command = CommandGiven(
            command=Command.HALT,
            command_id=f"journal-{self._ledger.run_id}",
            actor="journal",
            note=reason,
        )
        facts: tuple[Fact, ...] = (clock, command)
        step = self._step(self._state, facts, self._policy)
        self._state = step.state
        self._outbox.stopcock.settle(step.state.standing, facts)
        self._tell(self._folds + 1, clock, step, facts, (clock.wire_ns, None, None))

    def _clock_seen(self) -> ClockSeen:
        return ClockSeen(
            market_ms=self._market.now_ms(),
            wire_ns=self._wire.monotonic_ns(),
            rate=self._market.rate,
        )

    def _remember_cause(self, step: Step, arrived_ns: int | None) -> None:
        for action in step.actions:
            if isinstance(action, SubmitOrder) and arrived_ns is not None:
                self._caused_ns[action.order_id] = arrived_ns

    def _orders_sent(self, facts: tuple[Fact, ...]) -> tuple[int, ...]:
        """Return the tick-to-order times that these facts complete."""
        took: list[int] = []
        for fact in facts:
            if isinstance(fact, OrderSent):
                since_ns = self._caused_ns.pop(fact.order_id, None)
                if since_ns is not None:
                    took.append(fact.wire_ns - since_ns)
            elif isinstance(fact, OrderRejected | OrderUnknown):
                self._caused_ns.pop(fact.order_id, None)
        return tuple(took)

    def _tell(
        self,
        number: int,
        clock: ClockSeen,
        step: Step,
        facts: tuple[Fact, ...],
        times: tuple[int, int | None, int | None],
    ) -> None:
        decided_ns, oldest_ns, journal_ns = times
        tick_ns = None if oldest_ns is None else decided_ns - oldest_ns
        order_ns = self._orders_sent(facts)
        if tick_ns is not None:
            self.tick_to_decision.add(tick_ns)
        for took_ns in order_ns:
            self.tick_to_order.add(took_ns)
        if journal_ns is not None:
            self.journal.add(journal_ns)
        stepped = Stepped(
            fold=number,
            state=step.state,
            step=step,
            facts=facts,
            market_ms=clock.market_ms,
            wire_ns=clock.wire_ns,
            tick_to_decision_ns=tick_ns,
            tick_to_order_ns=order_ns,
            journal_ns=journal_ns,
        )
        for observer in tuple(self._observers):
            try:
                observer(stepped)
            except Exception:  # whoever watches must not be able to stop the hedging
                log.exception("observer dropped", observer=repr(observer))
                self._observers.remove(observer)
                self.observers_dropped += 1


def _must_wait(before: State, step: Step, facts: tuple[Fact, ...]) -> bool:
    """Whether what this fold does may only happen once the disk knows of it."""
    return (
        any(isinstance(action, SubmitOrder | CancelOrder) for action in step.actions)
        or any(isinstance(fact, CommandGiven) for fact in facts)
        or step.state.standing.halt_reason != before.standing.halt_reason
    )
