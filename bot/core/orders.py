"""The life of an order. All of it is in this file.

Rules of the file:

1. An order's status changes only through `NEXT`; a pair that is not in it is in `IGNORED`, with
the reason why it changes nothing.
2. An order is sent once. Nothing here, and nothing above, ever sends it again.
3. What was not definitely answered is UNKNOWN. ABSENT needs proof (`ladder`).
4. An order is *quiet* only when it is closed and every coin that the venue says was filled has
arrived as a fill.
5. Facts come in any order, twice, or late, and all come to the same: what is known of an order only
grows. Filled quantities never decrease, what ended at the venue stays ended, and the venue's word
of how is worth more than ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from bot.core import units
from bot.core.events import (
    FillCause,
    FillSeen,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    VenueStatus,
)
from bot.core.evidence import NOTHING, Evidence


class OrderStatus(StrEnum):
    """Where an order stands, as far as we know."""

    REQUESTED = "requested"
    WORKING = "working"
    UNKNOWN = "unknown"
    UNPROVABLE = "unprovable"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a closed order ended: later ones in this list are better known, and win.

    Turned away is an order that was refused without being judged.
    """

    PENDING = "pending"
    ABSENT = "absent"
    TURNED_AWAY = "turned-away"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FILLED = "filled"


AGE_MAX_NS = 30 * units.NS_PER_SECOND  # of a recovered order: a proof rarely takes as long
NEVER_WAS = frozenset({Outcome.ABSENT, Outcome.TURNED_AWAY, Outcome.REJECTED})


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
    CONTRADICTED = "contradicted"


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
    (_S.CLOSED, _N.CONTRADICTED): _S.UNKNOWN,
}

_ALIVE = "it was seen alive: a refusal is of another request, or older than the truth"
_OVER = "what ended at the venue stays ended; this is older, or about the request and not the order"
_IN_DOUBT = "it is in doubt already"
_PROOF = "only an order in doubt is a case for proof"
_OPEN = "it is not closed: there is nothing to contradict"
_PERSON = "a person lets go only of what cannot be proved"
_ENDED = "it has ended, and that is known"

IGNORED: Mapping[tuple[OrderStatus, News], str] = {
    (_S.REQUESTED, _N.ABSENT): _PROOF,
    (_S.REQUESTED, _N.UNPROVABLE): _PROOF,
    (_S.REQUESTED, _N.RELEASED): _PERSON,
    (_S.REQUESTED, _N.CONTRADICTED): _OPEN,
    (_S.WORKING, _N.REFUSED): _ALIVE,
    (_S.WORKING, _N.ABSENT): _PROOF,
    (_S.WORKING, _N.UNPROVABLE): _PROOF,
    (_S.WORKING, _N.RELEASED): _PERSON,
    (_S.WORKING, _N.CONTRADICTED): _OPEN,
    (_S.UNKNOWN, _N.LOST): _IN_DOUBT,
    (_S.UNKNOWN, _N.SILENT): _IN_DOUBT,
    (_S.UNKNOWN, _N.RELEASED): "the venue is still asked, for a while",
    (_S.UNKNOWN, _N.CONTRADICTED): _OPEN,
    (_S.UNPROVABLE, _N.LOST): _IN_DOUBT,
    (_S.UNPROVABLE, _N.SILENT): _IN_DOUBT,
    (_S.UNPROVABLE, _N.UNPROVABLE): _IN_DOUBT,
    (_S.UNPROVABLE, _N.CONTRADICTED): _OPEN,
    (_S.CLOSED, _N.RESTS): _OVER,
    (_S.CLOSED, _N.ENDED): _OVER,
    (_S.CLOSED, _N.REFUSED): _OVER,
    (_S.CLOSED, _N.LOST): _OVER,
    (_S.CLOSED, _N.SILENT): _ENDED,
    (_S.CLOSED, _N.ABSENT): _ENDED,
    (_S.CLOSED, _N.UNPROVABLE): _ENDED,
    (_S.CLOSED, _N.RELEASED): _ENDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPolicy:
    """How orders are sent and how long their silence is borne.

    `lifetime_ns` is a wire duration: the venue may not start an order later than that.
    `silence_max_ns` is how long a sent order may stay unanswered before it counts as unknown;
    "Not found" may prove something once the venue's clock, behind ours by at most `skew_ns`, is
    past `valid_until`, and its lists had `settle_ns` to show it. `unprovable_ns` is the age at
    which an unknown order stops all trading, `unknown_alert_ns` the one at which a person is told.
    `label_kept_ms` and `trades_kept_ms` are how long (market time) the venue answers for an order
    by its label, and for its trades: of an older order its "none" proves nothing.
    """

    label_prefix: str
    lifetime_ns: int = 2 * units.NS_PER_SECOND
    silence_max_ns: int = 3 * units.NS_PER_SECOND
    skew_ns: int = 1 * units.NS_PER_SECOND
    settle_ns: int = 1 * units.NS_PER_SECOND
    query_interval_ns: int = units.NS_PER_SECOND
    unprovable_ns: int = 60 * units.NS_PER_SECOND
    unknown_alert_ns: int = 10 * units.NS_PER_SECOND
    label_kept_ms: int = 30 * units.MS_PER_MINUTE
    trades_kept_ms: int = 365 * units.MS_PER_DAY

    @property
    def unproved_ns(self) -> int:
        """How long after `valid_until` "not found" proves nothing yet."""
        return self.skew_ns + self.settle_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a netted order that one book asked for, signed and native."""

    book: str
    size_native: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order at the venue under our id: most often there is one, and it may make several.

    `outcome` is PENDING while it rests.
    """

    size_native: Decimal
    filled_native: Decimal
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt to trade, as we know it.

    `filled_native` is the sum of the fills that arrived; `reported_native` is what the venue said
    was filled, over all `legs` (by the venue's order id), less what a person no longer waits for
    (`waived_native`). `busted_native` is the sum of fills that the venue took back: they were
    fills all the same.
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
    waived_native: Decimal = units.ZERO
    busted_native: Decimal = units.ZERO
    venue_order_id: str = ""
    legs: Mapping[str, Leg] = field(default_factory=dict)
    evidence: Evidence = NOTHING
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
    def rests(self) -> bool:
        """Whether the venue said of a part of it that it rests, and nothing since."""
        return any(leg.outcome is Outcome.PENDING for leg in self.legs.values())

    @property
    def remaining_native(self) -> Decimal:
        """What may still be, or may already have been, traded without our knowing."""
        if self.is_quiet:
            return units.ZERO
        end = self.reported_native if self.status is OrderStatus.CLOSED else self._most_native
        left = end - self.filled_native
        return left if left * self.size_native > 0 else units.ZERO

    @property
    def _most_native(self) -> Decimal:
        """The most that it may come to: its size, or what its legs at the venue may."""
        legs = (
            leg.size_native if leg.outcome is Outcome.PENDING else leg.filled_native
            for leg in self.legs.values()
        )
        return max(self.size_native, sum(legs, units.ZERO), key=abs)


def heard(order: Order, news: News, now_ms: int, now_ns: int, reason: str) -> Order:
    """Move an order along the table, keeping its stamps."""
    status = NEXT.get((order.status, news), order.status)
    if status is order.status:
        return order
    unknown = status in (OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE)
    since = (order.unknown_since_ns or now_ns) if unknown else None
    return replace(
        order,
        status=status,
        unknown_since_ns=since,
        evidence=order.evidence if unknown else NOTHING,
        closed_ms=now_ms if status is OrderStatus.CLOSED else None,
        reason=reason or order.reason,
    )


_OUTCOME_OF: Mapping[VenueStatus, Outcome] = {
    VenueStatus.OPEN: Outcome.PENDING,
    VenueStatus.FILLED: Outcome.FILLED,
    VenueStatus.CANCELLED: Outcome.CANCELLED,
    VenueStatus.REJECTED: Outcome.REJECTED,
}
_RANK: Mapping[Outcome, int] = {outcome: rank for rank, outcome in enumerate(Outcome)}


def better(one: Outcome, other: Outcome) -> Outcome:
    """Return the better known of two outcomes."""
    return max(one, other, key=lambda outcome: _RANK[outcome])


def seen(order: Order, fact: OrderSeen, now_ms: int, now_ns: int) -> Order:
    """Apply what the venue says of an order, or of one of several that carry our id."""
    legs = {**order.legs, fact.venue_order_id: _told(order.legs.get(fact.venue_order_id), fact)}
    reported = sum((leg.filled_native for leg in legs.values()), -order.waived_native)
    known = replace(
        order,
        legs=legs,
        reported_native=max(order.reported_native, reported, key=abs),
        venue_order_id=fact.venue_order_id,
    )
    if known.rests:  # what was held to have ended, and this part of it has not
        known = contradicted(known, "the venue says that it rests", now_ms, now_ns)
        return heard(known, News.RESTS, now_ms, now_ns, fact.reason)
    moved = heard(known, News.ENDED, now_ms, now_ns, fact.reason)
    outcome = moved.outcome
    for leg in legs.values():
        outcome = better(outcome, leg.outcome)
    return replace(moved, outcome=outcome)


def _told(leg: Leg | None, fact: OrderSeen) -> Leg:
    """Join what was known of a leg with one more message of it, which may be an older one."""
    outcome, filled, size = _OUTCOME_OF[fact.status], fact.filled_native, fact.size_native
    if leg is not None:
        outcome, filled = better(outcome, leg.outcome), max(filled, leg.filled_native, key=abs)
        # An amended size counts until the end of it is known; the larger one is the careful guess.
        size = max(size, leg.size_native, key=abs)
    return Leg(size_native=size, filled_native=filled, outcome=outcome)


def contradicted(order: Order, reason: str, now_ms: int, now_ns: int) -> Order:
    """Open an order again that was held to have ended: the venue knows better."""
    moved = heard(order, News.CONTRADICTED, now_ms, now_ns, reason)
    return order if moved is order else replace(moved, outcome=Outcome.PENDING)


def rejected(order: Order, fact: OrderRejected, now_ms: int, now_ns: int) -> Order:
    """Apply a definite rejection. An order that was seen alive, or has traded, is not closed."""
    if order.legs or order.filled_native:
        return order
    moved = heard(order, News.REFUSED, now_ms, now_ns, f"{fact.reason} (code {fact.code})")
    if moved.status is not OrderStatus.CLOSED:
        return moved
    refusal = Outcome.TURNED_AWAY if fact.is_passing else Outcome.REJECTED
    return replace(moved, outcome=better(moved.outcome, refusal))


def lost(order: Order, fact: OrderUnknown, now_ms: int, now_ns: int) -> Order:
    """Apply an answer that never came, or could not be read."""
    return heard(order, News.LOST, now_ms, now_ns, fact.reason)


def cut_off(order: Order, reason: str, now_ms: int, now_ns: int) -> Order:
    """Count a resting order as unknown: the line on which the venue told of it was lost."""
    if order.status is not OrderStatus.WORKING:
        return order
    return heard(order, News.LOST, now_ms, now_ns, reason)


def filled(order: Order, fact: FillSeen) -> Order:
    """Count one fill that was not seen before, or the taking back of one."""
    if fact.cause is FillCause.BUST:
        return replace(order, busted_native=order.busted_native + fact.size_native)
    return replace(order, filled_native=order.filled_native + fact.size_native)


def revived(order: Order, now_ms: int, now_ns: int) -> Order:
    """Open an order again that was held never to have been, and of which a fill came after all."""
    if order.outcome not in NEVER_WAS or not order.filled_native:
        return order
    why = f"{order.filled_native:+,} of it was filled, after it was held {order.outcome}"
    return contradicted(order, why, now_ms, now_ns)


def went_silent(order: Order, now_ms: int, now_ns: int, policy: OrderPolicy) -> Order:
    """Count an order as unknown when it was neither answered nor ended in time."""
    waiting = order.status in (OrderStatus.REQUESTED, OrderStatus.WORKING)
    due_ns = order.requested_ns + policy.silence_max_ns
    if not waiting or now_ns <= due_ns:
        return order
    why = "no answer in time"
    if order.status is OrderStatus.WORKING:
        why = "it rests at the venue, and was to trade at once or not at all"
    # In doubt since it was due: what rests for ever must not begin to be in doubt for ever.
    return replace(heard(order, News.SILENT, now_ms, now_ns, why), unknown_since_ns=due_ns)


def released(order: Order, now_ms: int, now_ns: int) -> Order:
    """Let go of what cannot be learned of an order: a person has looked, and resumes.

    An unprovable order is closed, and fills that never came are no longer waited for. What the
    venue's position says is then adopted; a fill that comes after all is still counted.
    """
    if order.status is OrderStatus.UNPROVABLE:
        moved = heard(order, News.RELEASED, now_ms, now_ns, "let go by a person")
        return _waived(replace(moved, outcome=Outcome.ABSENT))
    if order.status is OrderStatus.CLOSED and not order.is_quiet:
        return _waived(order)
    return order


def _waived(order: Order) -> Order:
    """Wait no longer for what the venue said and no fill showed; hear it again without surprise."""
    waived = order.waived_native + order.reported_native - order.filled_native
    return replace(order, reported_native=order.filled_native, waived_native=waived)


def recovered(order: Order, now_ms: int, now_ns: int, *, goes_on: bool = False) -> Order:
    """Return an order as a new process must see it: not closed is unknown until asked for.

    Where the wire clock `goes_on`, that is as old as it was, up to `AGE_MAX_NS`.
    """
    fresh = replace(order, requested_ns=now_ns, asked_ns=None, unknown_since_ns=None)
    if order.status is OrderStatus.CLOSED:
        return fresh
    since_ns = min(now_ns, max(order.requested_ns, now_ns - AGE_MAX_NS)) if goes_on else now_ns
    asked = replace(fresh, requested_ns=since_ns, status=OrderStatus.REQUESTED, evidence=NOTHING)
    return heard(asked, News.LOST, now_ms, now_ns, "the process ended before the answer came")
