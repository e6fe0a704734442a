"""What is heard of orders and fills, taken into the standing.

Total: what makes no sense here changes nothing. Two things stop the daemon until a person resumes:
more traded under an id than was ordered, and an order of our kind that is not in this ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from bot.core import fills, ladder, orders, standing
from bot.core.events import (
    FillSeen,
    OpenOrdersSeen,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    ReadFailed,
    VenueStatus,
)
from bot.core.instruments import Instrument
from bot.core.orders import Order, OrderPolicy
from bot.core.reported import Reported, position_says
from bot.core.standing import Standing, open_orders

OrderNews = OrderSeen | OrderRejected | OrderUnknown | OrderNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something is heard, and what the venue last said of positions.

    `read_ns` is when the last whole read of the account was asked for.
    """

    now_ms: int
    now_ns: int
    rate: float
    reported: Mapping[str, Reported]
    read_ns: int | None


def heard(known: Standing, fact: OrderNews, at: Moment, policy: OrderPolicy) -> Standing:
    """Take in what is said of an order that is in the ledger."""
    order = known.orders.get(fact.order_id)
    if order is None:
        return known
    moved = _moved(known, order, fact, at, policy)
    return _bounded(standing.with_order(known, moved), moved)


def _moved(
    known: Standing, order: Order, fact: OrderNews, at: Moment, policy: OrderPolicy
) -> Order:
    match fact:
        case OrderSeen():
            return orders.seen(order, fact, at.now_ms, at.now_ns)
        case OrderRejected():
            return orders.rejected(order, fact, at.now_ms, at.now_ns)
        case OrderUnknown():
            return orders.lost(order, fact, at.now_ms, at.now_ns)
        case OrderNotFound():
            return _missed(known, order, fact, at, policy)
    assert_never(fact)


def _missed(
    known: Standing, order: Order, fact: OrderNotFound, at: Moment, policy: OrderPolicy
) -> Order:
    """Judge a "not found": positions read after the order could last start have their say."""
    dead_ns = ladder.dead_ns(order, policy)
    position = position_says(at.reported, known.positions, order.instrument, at.read_ns, dead_ns)
    return ladder.not_found(
        order, fact, policy=policy, rate=at.rate, position=position, now_ms=at.now_ms
    )


def filled(
    known: Standing, fact: FillSeen, terms: Instrument | None, owner: str | None, at: Moment
) -> Standing:
    """Count a fill that was not seen before, whoever caused it."""
    after = fills.filled(known, fact, terms, owner)
    order = after.orders.get(fact.order_id)
    if order is None:
        return after
    order = orders.revived(order, at.now_ms, at.now_ns)
    return _bounded(standing.with_order(after, order), order)


def _bounded(known: Standing, order: Order) -> Standing:
    """Halt when more was traded under an id than was ordered, or the other way."""
    done = max(order.filled_native, order.reported_native, key=abs)
    if done * order.size_native >= 0 and abs(done) <= abs(order.size_native):
        return known
    parts = f", by {len(order.legs)} orders at the venue" if len(order.legs) > 1 else ""
    reason = (
        f"order {order.order_id} was for {order.size_native:+,} {order.instrument}, "
        f"and {done:+,} was traded under its id{parts}"
    )
    return standing.halted(known, reason)


def unanswered(known: Standing, fact: ReadFailed) -> Standing:
    """Note on an order in doubt that a question for it was in vain."""
    order = known.orders.get(fact.what.removeprefix("order "))
    return (
        known
        if order is None
        else standing.with_order(known, ladder.unanswered(order, fact.reason))
    )


def cut_off(known: Standing, reason: str, at: Moment) -> Standing:
    """Doubt every resting order: the line on which the venue told of them was lost."""
    for order in open_orders(known.orders):
        moved = orders.cut_off(order, reason, at.now_ms, at.now_ns)
        known = standing.with_order(known, moved)
    return known


def stranger(
    known: Standing, fact: OrderSeen | FillSeen, policy: OrderPolicy, *, rests: bool = False
) -> str:
    """Name an order of our kind that is not in this ledger, or return nothing.

    By another name it is another daemon's. By our own it is of a copy of this ledger, or of the
    time that a backup put back does not know, if it `rests`, was filled or bears a number that was
    not given out yet; else it is an old one that was forgotten, and is heard of once more.
    """
    if fact.order_id in known.orders or not fact.order_id.startswith(policy.label_prefix):
        return ""
    name, ours = f"order {fact.order_id} on {fact.instrument}", policy.label_prefix + known.instance
    if not fact.order_id.startswith(ours):
        return name
    number = fact.order_id.removeprefix(ours)
    is_later = not number.isdecimal() or int(number) > known.order_counter
    if is_later or rests or isinstance(fact, FillSeen):
        return f"{name}, by this ledger's own name (of a copy, or before a backup was put back),"
    return ""


def others(
    resting: Mapping[str, str], known: Standing, fact: OrderNews | OpenOrdersSeen
) -> Mapping[str, str]:
    """Return the instruments of orders that rest and are not in this ledger, by the venue's id."""
    now = {} if isinstance(fact, OpenOrdersSeen) else dict(resting)
    for row in rows(fact):
        if isinstance(row, OrderSeen) and row.order_id not in known.orders:
            now.pop(row.venue_order_id, None)
            if row.status is VenueStatus.OPEN:
                now[row.venue_order_id] = row.instrument
    return resting if now == resting else now


def rows(fact: OrderNews | OpenOrdersSeen) -> tuple[OrderNews, ...]:
    """Return what is said of single orders."""
    return fact.orders if isinstance(fact, OpenOrdersSeen) else (fact,)
