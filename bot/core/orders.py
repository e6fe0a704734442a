"""The life of an order. All of it is in this file.

Rules of the file:

1. An order's status changes only through `NEXT`; a pair that is not in the table changes nothing.
2. An order is sent once. Nothing here, and nothing above, ever sends it again.
3. What was not definitely answered is UNKNOWN. ABSENT needs proof (`is_proved_absent`).
4. An order is *quiet* only when it is closed and every coin that the venue says was filled has
arrived as a fill.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from bot.core import units
from bot.core.events import (
    FillSeen,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    VenueStatus,
)

NOT_FOUND_SOURCES_MIN = 2


class OrderStatus(StrEnum):
    """Where an order stands, as far as we know."""

    REQUESTED = "requested"
    WORKING = "working"
    UNKNOWN = "unknown"
    UNPROVABLE = "unprovable"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a closed order ended. Turned away is an order that was refused without being judged."""

    PENDING = "pending"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    TURNED_AWAY = "turned-away"
    ABSENT = "absent"


class News(StrEnum):
    """What can be heard of an order."""

    RESTS = "rests"
    ENDED = "ended"
    REFUSED = "refused"
    LOST = "lost"
    SILENT = "silent"
    ABSENT = "absent"
    UNPROVABLE = "unprovable"
    RELEASED = "released"


_S, _N = OrderStatus, News

NEXT: Mapping[tuple[OrderStatus, News], OrderStatus] = {
    (_S.REQUESTED, _N.RESTS): _S.WORKING,
    (_S.REQUESTED, _N.ENDED): _S.CLOSED,
    (_S.REQUESTED, _N.REFUSED): _S.CLOSED,
    (_S.REQUESTED, _N.LOST): _S.UNKNOWN,
    (_S.REQUESTED, _N.SILENT): _S.UNKNOWN,
    (_S.WORKING, _N.RESTS): _S.WORKING,
    (_S.WORKING, _N.ENDED): _S.CLOSED,
    (_S.WORKING, _N.LOST): _S.UNKNOWN,
    (_S.WORKING, _N.SILENT): _S.UNKNOWN,
    (_S.UNKNOWN, _N.RESTS): _S.WORKING,
    (_S.UNKNOWN, _N.ENDED): _S.CLOSED,
    (_S.UNKNOWN, _N.REFUSED): _S.CLOSED,
    (_S.UNKNOWN, _N.ABSENT): _S.CLOSED,
    (_S.UNKNOWN, _N.UNPROVABLE): _S.UNPROVABLE,
    (_S.UNPROVABLE, _N.RESTS): _S.WORKING,
    (_S.UNPROVABLE, _N.ENDED): _S.CLOSED,
    (_S.UNPROVABLE, _N.REFUSED): _S.CLOSED,
    (_S.UNPROVABLE, _N.ABSENT): _S.CLOSED,
    (_S.UNPROVABLE, _N.RELEASED): _S.CLOSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPolicy:
    """How orders are sent and how long their silence is borne.

    `lifetime_ns` is a wire duration: the venue may not start an order later than that.
    `silence_max_ns` is how long a sent order may stay unanswered before it counts as unknown;
    `settle_ns` is the wait after `valid_until` before "not found" may prove anything;
    `unprovable_ns` the age at which an unknown order stops all trading, and `unknown_alert_ns` the
    one at which a person is told of it.
    """

    label_prefix: str
    lifetime_ns: int = 2 * units.NS_PER_SECOND
    silence_max_ns: int = 3 * units.NS_PER_SECOND
    settle_ns: int = 1 * units.NS_PER_SECOND
    query_interval_ns: int = units.NS_PER_SECOND
    unprovable_ns: int = 60 * units.NS_PER_SECOND
    unknown_alert_ns: int = 10 * units.NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a netted order that one book asked for, signed and native."""

    book: str
    size_native: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt to trade, as we know it.

    `filled_native` is the sum of the fills that arrived; `reported_native` is what the venue said
    was filled.
    """

    order_id: str
    instrument: str
    size_native: Decimal
    limit: Decimal
    shares: tuple[Share, ...]
    requested_ms: int
    requested_ns: int
    valid_until_ms: int
    status: OrderStatus = OrderStatus.REQUESTED
    outcome: Outcome = Outcome.PENDING
    filled_native: Decimal = units.ZERO
    reported_native: Decimal = units.ZERO
    venue_order_id: str = ""
    reason: str = ""
    unknown_since_ns: int | None = None
    asked_ns: int | None = None
    closed_ms: int | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing more is expected of this order."""
        all_fills_here = abs(self.filled_native) >= abs(self.reported_native)
        return self.status is OrderStatus.CLOSED and all_fills_here

    @property
    def remaining_native(self) -> Decimal:
        """What may still be, or may already have been, traded without our knowing."""
        if self.is_quiet:
            return units.ZERO
        end = self.reported_native if self.status is OrderStatus.CLOSED else self.size_native
        return end - self.filled_native


def _heard(order: Order, news: News, now_ms: int, now_ns: int, reason: str) -> Order:
    """Move an order along the table, keeping its stamps."""
    status = NEXT.get((order.status, news), order.status)
    if status is order.status:
        return order
    unknown = status in (OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE)
    since = (order.unknown_since_ns or now_ns) if unknown else None
    closed_ms = now_ms if status is OrderStatus.CLOSED else order.closed_ms
    return replace(
        order,
        status=status,
        unknown_since_ns=since,
        closed_ms=closed_ms,
        reason=reason or order.reason,
    )


_NEWS_OF_STATUS: Mapping[VenueStatus, tuple[News, Outcome]] = {
    VenueStatus.OPEN: (News.RESTS, Outcome.PENDING),
    VenueStatus.FILLED: (News.ENDED, Outcome.FILLED),
    VenueStatus.CANCELLED: (News.ENDED, Outcome.CANCELLED),
    VenueStatus.REJECTED: (News.ENDED, Outcome.REJECTED),
}


def seen(order: Order, fact: OrderSeen, now_ms: int, now_ns: int) -> Order:
    """Apply what the venue says of an order. Filled quantity never decreases."""
    news, outcome = _NEWS_OF_STATUS[fact.status]
    reported = max(order.reported_native, fact.filled_native, key=abs)
    known = replace(
        order,
        reported_native=reported,
        venue_order_id=fact.venue_order_id or order.venue_order_id,
    )
    if order.status is OrderStatus.CLOSED:
        return known
    moved = _heard(known, news, now_ms, now_ns, fact.reason)
    return replace(moved, outcome=outcome) if moved.status is OrderStatus.CLOSED else moved


def rejected(order: Order, fact: OrderRejected, now_ms: int, now_ns: int) -> Order:
    """Apply a definite rejection. An order that was seen alive is not closed by it."""
    moved = _heard(order, News.REFUSED, now_ms, now_ns, f"{fact.reason} (code {fact.code})")
    if moved.status is OrderStatus.CLOSED and order.status is not OrderStatus.CLOSED:
        outcome = Outcome.TURNED_AWAY if fact.is_passing else Outcome.REJECTED
        return replace(moved, outcome=outcome)
    return moved


def lost(order: Order, fact: OrderUnknown, now_ms: int, now_ns: int) -> Order:
    """Apply an answer that never came, or could not be read."""
    return _heard(order, News.LOST, now_ms, now_ns, fact.reason)


def filled(order: Order, fact: FillSeen) -> Order:
    """Count one fill that was not seen before."""
    return replace(order, filled_native=order.filled_native + fact.size_native)


def went_silent(order: Order, now_ms: int, now_ns: int, policy: OrderPolicy) -> Order:
    """Count an order as unknown when it was neither answered nor ended in time."""
    waiting = order.status in (OrderStatus.REQUESTED, OrderStatus.WORKING)
    if waiting and now_ns - order.requested_ns > policy.silence_max_ns:
        return _heard(order, News.SILENT, now_ms, now_ns, "no answer in time")
    return order


def not_found(
    order: Order, fact: OrderNotFound, *, settle_ms: int, position_agrees: bool, now_ms: int
) -> Order:
    """Close an unknown order as ABSENT if this answer proves that it never was and never can be.

    Proof is: asked after `valid_until` plus `settle_ms`, two independent sources, and a position
    that our fills explain. Anything less changes nothing.
    """
    late_enough = fact.asked_ms > order.valid_until_ms + settle_ms
    sources = len(set(fact.sources)) >= NOT_FOUND_SOURCES_MIN
    untouched = not order.filled_native and not order.reported_native
    if not (late_enough and sources and untouched and position_agrees):
        return order
    why = f"proved absent by {' and '.join(sorted(set(fact.sources)))}"
    moved = _heard(order, News.ABSENT, now_ms, 0, why)
    return replace(moved, outcome=Outcome.ABSENT) if moved is not order else order


def gave_up(order: Order, now_ms: int, now_ns: int, policy: OrderPolicy) -> Order:
    """Call an order unprovable when its fate stayed unknown for too long."""
    since = order.unknown_since_ns
    if since is None or now_ns - since <= policy.unprovable_ns:
        return order
    return _heard(order, News.UNPROVABLE, now_ms, now_ns, order.reason)


def released(order: Order, now_ms: int, now_ns: int) -> Order:
    """Let go of what cannot be learned of an order: a person has looked, and resumes.

    An unprovable order is closed, and fills that never came are no longer waited for. What the
    venue's position says is then adopted; a fill that comes after all is still counted.
    """
    if order.status is OrderStatus.UNPROVABLE:
        moved = _heard(order, News.RELEASED, now_ms, now_ns, "let go by a person")
        return replace(moved, outcome=Outcome.ABSENT, reported_native=moved.filled_native)
    if order.status is OrderStatus.CLOSED and not order.is_quiet:
        return replace(order, reported_native=order.filled_native)
    return order


def recovered(order: Order, now_ms: int, now_ns: int) -> Order:
    """Return an order as a new process must see it.

    Not closed means unknown, until the venue was asked.
    """
    fresh = replace(order, requested_ns=now_ns, asked_ns=None, unknown_since_ns=None)
    if order.status is OrderStatus.CLOSED:
        return fresh
    asked = replace(fresh, status=OrderStatus.REQUESTED)
    return _heard(asked, News.LOST, now_ms, now_ns, "the process ended before the answer came")
