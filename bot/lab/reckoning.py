"""What a world came to, by the venue's own books: executions, money, and everything written.

Judged once, when all has healed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from bot.core import attribution
from bot.core.orders import Order, Outcome
from bot.core.state import Mode, State
from bot.core.units import NS_PER_SECOND
from bot.exchange.keys import DEMO_KEY
from bot.exchange.reports import FillCause, OrderState
from bot.exchange.statement import EntryKind
from bot.lab import invariants, simphone
from bot.lab.simexchange import ACCOUNT
from bot.lab.simhost import INSTANCE
from bot.lab.watches import everything_said, told
from bot.lab.world import PREFIX, World

COIN: Final = "BTC"
CALM_NS: Final = 20 * NS_PER_SECOND  # after everything was mended, before money is counted
RESIDUAL_MAX_COIN: Final = 0.001  # funding that accrued since it was last told of
FLOWS: Final = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL, EntryKind.TRANSFER})

Broken = tuple[str, str]


def is_ours(label: str) -> bool:
    """Whether a label is of the daemon under test."""
    return label.startswith(PREFIX + INSTANCE)


@dataclass(slots=True)
class Reckoning:
    """Notes what it will need at the end.

    `absent` are orders that were called absent by proof; `_undone` those of them, by the venue's
    ids, of which nothing was left when that was said: every trade of theirs had been taken back.
    """

    world: World
    absent: set[str] = field(default_factory=set)
    _undone: set[str] = field(default_factory=set)
    _begun: tuple[float, float] | None = None

    def note(self, orders: Mapping[str, Order]) -> None:
        """Take note of what was concluded of orders."""
        for order_id, order in orders.items():
            is_new = order_id not in self.absent
            if is_new and order.outcome is Outcome.ABSENT and "proved" in order.reason:
                self.absent.add(order_id)
                self._undone |= self._come_to_nothing(order_id)

    def count_money(self, state: State, *, is_disturbed: bool) -> None:
        """Begin to count once it is calm; anew after what nobody here did."""
        healed_ns = self.world.healed_ns
        if healed_ns is None or self.world.loop.now_ns < healed_ns + CALM_NS:
            return
        if is_disturbed:
            self._begun = None
        if self._begun is None and state.mode is Mode.RUN and self._agree(state):
            pnl = attribution.pnl_of(self._marked(state), COIN)
            self._begun = None if pnl is None else (self._equity(), pnl.total)

    def _agree(self, state: State) -> bool:
        truth = self.world.truth()
        held = {name: size for name, size in state.standing.positions.items() if size}
        return held == truth and all(order.is_quiet for order in state.standing.orders.values())

    def _marked(self, state: State) -> State:
        """Return the state at the venue's marks of this moment: quotes are seconds old."""
        board = self.world.exchange.engine.desk.board
        quotes = dict(state.quotes)
        for name, quote in state.quotes.items():
            contract = board.contract(name)
            if contract is not None:
                quotes[name] = replace(quote, mark=board.mark(contract))
        return replace(state, quotes=quotes)

    def _equity(self) -> float:
        """The account's equity less what was brought and taken away."""
        equity = self.world.exchange.engine.account(ACCOUNT, COIN).equity
        return equity - float(self._brought(0, self.world.exchange.engine.now_ms))

    def _brought(self, after_ms: int, until_ms: int) -> Decimal:
        """What came from outside less what went there, by the venue's log."""
        rows = self.world.exchange.engine.statement(ACCOUNT, COIN)
        flows = (row for row in rows if row.subject.kind in FLOWS)
        return sum(
            (row.change for row in flows if after_ms < row.subject.at_ms <= until_ms), Decimal(0)
        )

    def broken(
        self, state: State, heard: Mapping[str, Decimal], lines: Sequence[str]
    ) -> Iterator[Broken]:
        """Yield every invariant that the venue's books find broken, and how."""
        yield from self._executed(heard)
        yield from self._resting()
        for leak in told(self._secrets(), everything_said(self.world, lines)):
            yield "I18", leak
        cash = state.standing.cash
        brought = self._brought(cash.begun_ms, cash.until_ms)
        missed = invariants.counted(brought, attribution.moved(state, COIN))
        if missed is not None:
            yield "I23", missed
        pnl = attribution.pnl_of(self._marked(state), COIN)
        if self._begun is not None and pnl is not None and self._agree(state):
            equity, total = self._begun
            gained, attributed = self._equity() - equity, pnl.total - total
            trouble = invariants.conserved(gained, attributed, RESIDUAL_MAX_COIN)
            if trouble is not None:
                yield "I23", trouble

    def _executed(self, heard: Mapping[str, Decimal]) -> Iterator[Broken]:
        world, filled = self.world, Counter[str]()
        sizes: dict[str, Decimal] = {}
        for fill in world.exchange.engine.ledger_fills():
            if fill.order_id in world.forged or not is_ours(fill.label):
                continue
            if fill.cause is FillCause.TRADE:
                sizes[fill.label] = sizes.get(fill.label, Decimal(0)) + fill.amount
                filled[fill.label] += 1
        for label in filled:
            if label not in world.disk.durable.order_ids:
                yield "I3", f"{label} traded, and is not in the ledger"
        excess = invariants.executed_within(heard, sizes)
        if excess is not None:
            yield "I1", excess
        # One that ended untraded, or whose trades were all taken back, and that was then forgotten
        # by the venue is as good as absent.
        taken = {
            order.label
            for order in world.exchange.engine.ledger_orders()
            if (order.filled_amount or order.order_state is OrderState.OPEN)
            and order.order_id not in world.forged | self._undone
        }
        lost = invariants.absent_for_real(sorted(self.absent), taken)
        if lost is not None:
            yield "I15", lost

    def _come_to_nothing(self, label: str) -> set[str]:
        """Return the venue's ids of what is under a label, has ended, and trades no more.

        What the venue took back is in none of its lists of trades, and its memory of labels is
        short: after both, nobody can tell such an order from one that never was.
        """
        engine = self.world.exchange.engine
        left: Counter[str] = Counter()
        for fill in engine.ledger_fills():
            left[fill.order_id] += {FillCause.TRADE: 1, FillCause.BUST: -1}.get(fill.cause, 0)
        return {
            order.order_id
            for order in engine.ledger_orders()
            if order.label == label
            and order.order_state is not OrderState.OPEN
            and not left[order.order_id]
        }

    def _resting(self) -> Iterator[Broken]:
        for order in self.world.exchange.engine.open_orders(ACCOUNT):
            if is_ours(order.label):
                yield "I17", f"{order.label} rests at the venue"

    def _secrets(self) -> list[str]:
        return [DEMO_KEY.secret, simphone.TOKEN, *sorted(self.world.exchange.secrets)]
