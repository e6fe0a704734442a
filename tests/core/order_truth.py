"""One order as the venue knows it, and a second reading of what facts of it must come to.

`expected` is written from the design and not from `orders`: it looks at which facts were heard and
never at the order in which they came.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core import engine, state
from bot.core.events import (
    ClockSeen,
    Fact,
    FillCause,
    FillSeen,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    Source,
    VenueStatus,
)
from bot.core.orders import Order, OrderStatus, Outcome, Share
from bot.core.standing import with_order
from bot.core.state import State
from tests.builders import INSTANCE, PERP, START_MS, fill, perp, policy

ID = f"db{INSTANCE}0000001"
SIZE = Decimal(100)
RULES = policy().apply


def requested(size: Decimal = SIZE) -> State:
    """A daemon that has just sent one order."""
    begun = engine.begin(engine.fresh_standing(INSTANCE, START_MS), START_MS, 0)
    order = Order(
        order_id=ID,
        instrument=PERP,
        size_native=size,
        limit=Decimal(100_200),
        shares=(Share(book="main", size_native=size),),
        requested_ms=START_MS,
        requested_ns=1,
        valid_until_ms=START_MS + 2_000,
    )
    known = replace(with_order(begun.standing, order), order_counter=1)
    return replace(begun, standing=known, instruments={PERP: perp()})


def order_of(known: State) -> Order:
    return known.standing.orders[ID]


def told(known: State, *facts: Fact) -> State:
    """Fold facts one by one."""
    for fact in facts:
        known = state.apply(known, fact, RULES)
    return known


def later(known: State, seconds: float) -> State:
    ns = known.now_ns + int(seconds * 1e9)
    return told(known, ClockSeen(market_ms=START_MS + ns // 1_000_000, wire_ns=ns))


def seen(status: VenueStatus, filled: str = "0", leg: str = "V1", size: str = "100") -> OrderSeen:
    return OrderSeen(
        order_id=ID,
        venue_order_id=leg,
        instrument=PERP,
        status=status,
        size_native=Decimal(size),
        filled_native=Decimal(filled),
    )


def part(size: str, trade_id: str, cause: FillCause = FillCause.TRADE) -> FillSeen:
    return fill(ID, size=size, trade_id=trade_id, cause=cause)


LOST = OrderUnknown(order_id=ID, reason="timeout")
REJECTED = OrderRejected(order_id=ID, code=10009, reason="not_enough_funds")
EARLY_NONE = OrderNotFound(order_id=ID, sources=tuple(Source), asked_ms=START_MS + 10)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What matters of an order and its position, without stamps and words."""

    status: OrderStatus
    outcome: Outcome
    filled: Decimal
    reported: Decimal
    position: Decimal
    held: Decimal


def standing(known: State) -> Standing:
    order = order_of(known)
    return Standing(
        status=order.status,
        outcome=order.outcome,
        filled=order.filled_native,
        reported=order.reported_native,
        position=known.standing.positions.get(PERP, Decimal(0)),
        held=known.standing.holdings.get("main", {}).get(PERP, Decimal(0)),
    )


RANKED = (VenueStatus.OPEN, VenueStatus.REJECTED, VenueStatus.CANCELLED, VenueStatus.FILLED)
OUTCOMES = {
    VenueStatus.REJECTED: Outcome.REJECTED,
    VenueStatus.CANCELLED: Outcome.CANCELLED,
    VenueStatus.FILLED: Outcome.FILLED,
}


def expected(heard: Iterable[Fact]) -> dict[str, object]:
    """What a set of facts comes to, whatever the order they came in; only what is certain."""
    facts = list(heard)
    fills = {f.trade_id: f for f in facts if isinstance(f, FillSeen)}
    traded = [f.size_native for f in fills.values() if f.cause is not FillCause.BUST]
    legs: dict[str, list[OrderSeen]] = {}
    for fact in facts:
        if isinstance(fact, OrderSeen):
            legs.setdefault(fact.venue_order_id, []).append(fact)
    most = [max((f.filled_native for f in rows), key=abs) for rows in legs.values()]
    ends = [max((f.status for f in rows), key=RANKED.index) for rows in legs.values()]
    certain: dict[str, object] = {
        "filled": sum(traded, Decimal(0)),
        "reported": sum(most, Decimal(0)),
        "position": sum((f.size_native for f in fills.values()), Decimal(0)),
    }
    if ends and VenueStatus.OPEN not in ends:
        certain["status"] = OrderStatus.CLOSED
        certain["outcome"] = OUTCOMES[max(ends, key=RANKED.index)]
    return certain
