"""A venue of one account, small enough to be right, that answers when and how it is told to."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.actions import QueryOrder, SubmitOrder
from bot.core.events import (
    AccountRead,
    Fact,
    FillSeen,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    PositionRow,
    PositionsSeen,
    Source,
    VenueStatus,
)
from tests.builders import PERP, balance, fill


class Fate(StrEnum):
    """What becomes of an order."""

    FILLED = "filled"
    PARTLY = "partly"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    LOST = "lost"  # on its way: it never arrives


@dataclass
class Venue:
    """Its own books: what it executed under which label, and what it holds."""

    positions: dict[str, Decimal]
    requests: list[str] = field(default_factory=list)
    seen: dict[str, OrderSeen] = field(default_factory=dict)
    trades: list[FillSeen] = field(default_factory=list)

    def submit(self, order: SubmitOrder, fate: Fate, now_ms: int) -> tuple[list[Fact], Fact]:
        """Take an order once: what is pushed of it, and the answer to the request."""
        self.requests.append(order.order_id)
        if fate is Fate.LOST:
            return [], OrderUnknown(order_id=order.order_id, reason="cut")
        if fate is Fate.REJECTED:
            return [], OrderRejected(order_id=order.order_id, code=10009, reason="no funds")
        done = {
            Fate.FILLED: order.size_native,
            Fate.PARTLY: (order.size_native / 3).quantize(Decimal(10)),
            Fate.CANCELLED: Decimal(0),
        }[fate]
        whole = done == order.size_native
        self.seen[order.order_id] = OrderSeen(
            order_id=order.order_id,
            venue_order_id=f"V-{order.order_id}",
            instrument=order.instrument,
            status=VenueStatus.FILLED if whole else VenueStatus.CANCELLED,
            size_native=order.size_native,
            filled_native=done,
        )
        trades = self._trade(order.order_id, done, now_ms)
        pushed: list[Fact] = [*trades, self.seen[order.order_id]]
        if trades:
            pushed.append(self.report(complete=False, asked_ns=None, now_ns=0))
        return pushed, self.seen[order.order_id]

    def _trade(self, label: str, size: Decimal, now_ms: int) -> list[FillSeen]:
        """Fill in two trades where that is possible, on the lot."""
        first = (size / 2).quantize(Decimal(10))
        made = [
            fill(label, size=str(part), trade_id=f"{label}-{at}", venue_ms=now_ms)
            for at, part in enumerate((first, size - first))
            if part
        ]
        self.trades += made
        self.positions[PERP] = self.positions.get(PERP, Decimal(0)) + size
        return made

    def by_hand(self, size: Decimal, now_ms: int) -> list[Fact]:
        """Trade by hand on the account, with what is pushed of it."""
        made = self._trade("", size, now_ms)
        made = [
            fill("", size=str(one.size_native), trade_id=f"h{len(self.trades)}-{at}")
            for at, one in enumerate(made)
        ]
        self.trades[-len(made) :] = made
        return [*made, self.report(complete=False, asked_ns=None, now_ns=0)]

    def set_position(self, size: Decimal) -> list[Fact]:
        """Move the perpetual's position without a trade, as a settlement or an operator does."""
        self.positions[PERP] = size
        return [self.report(complete=False, asked_ns=None, now_ns=0)]

    def report(self, *, complete: bool, asked_ns: int | None, now_ns: int) -> PositionsSeen:
        """What is held: everything, or the perpetual alone."""
        rows = tuple(
            PositionRow(instrument=name, size_native=size, average_price=1.0)
            for name, size in self.positions.items()
            if complete or name == PERP
        )
        return PositionsSeen(
            positions=rows, complete=complete, asked_ns=asked_ns, arrived_ns=now_ns
        )

    def read(self, since_ms: int, now_ns: int) -> list[Fact]:
        """Answer a read of the account."""
        return [
            *(trade for trade in self.trades if trade.venue_ms >= since_ms),
            self.report(complete=True, asked_ns=now_ns, now_ns=now_ns),
            balance(arrived_ns=now_ns),
            AccountRead(asked_ns=now_ns),
        ]

    def query(self, asked: QueryOrder, now_ms: int) -> list[Fact]:
        """Answer a question for one order: its state and its trades, or that there is none."""
        known = self.seen.get(asked.order_id)
        if known is None:
            sources = (Source.LABEL, Source.TRADES)
            return [OrderNotFound(order_id=asked.order_id, sources=sources, asked_ms=now_ms)]
        own = [trade for trade in self.trades if trade.order_id == asked.order_id]
        return [*own, known]

    def executed(self, label: str) -> Decimal:
        """How much was traded under a label."""
        return sum((t.size_native for t in self.trades if t.order_id == label), Decimal(0))
