"""How the fate of an unknown order is found: stream, then label, trades and position.

Whatever the venue tells by itself or when asked moves an order at once (`orders`). What is left for
this file is the order that nobody knows: when that proves that it never was, and what to say until
then. ABSENT takes all of it: asked after `valid_until` plus what the clocks may be apart, plus the
settle time; two sources that still remember an order of its age and do not know it, the trade
history one of them; and a position, read since, that our fills explain.
"""

from dataclasses import replace

from bot.core import orders, units
from bot.core.events import OrderNotFound, Source
from bot.core.evidence import Evidence, Position, Rung
from bot.core.orders import News, Order, OrderPolicy, OrderStatus, Outcome

DOUBTFUL = frozenset({OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE})
SOURCES_MIN = 2


def dead_ns(order: Order, policy: OrderPolicy) -> int:
    """Return the wire time from which "not found" may prove something, since it was requested."""
    return order.requested_ns + policy.lifetime_ns + policy.unproved_ns


def dead_ms(order: Order, policy: OrderPolicy, rate: float) -> int:
    """Return the market time from which "not found" may prove something, by its `valid_until`."""
    return order.valid_until_ms + units.wire_to_market_ms(policy.unproved_ns, rate)


def not_found(
    order: Order,
    fact: OrderNotFound,
    *,
    policy: OrderPolicy,
    rate: float,
    position: Position,
    now_ms: int,
) -> Order:
    """Take in that the venue knows of no such order; close it as ABSENT if that is proof.

    Anything less than proof only adds to the evidence. An order that is not in doubt, or of which a
    fill was seen, cannot be absent.
    """
    if order.status not in DOUBTFUL:
        return order
    heard = set(fact.sources)
    kept = _remembering(order, fact, policy)
    known = replace(
        order.evidence,
        failed="",
        none_by=tuple(source for source in Source if source in kept),
        forgotten_by=tuple(source for source in Source if source in heard - kept),
        none_ms=fact.asked_ms,
        dead_ms=dead_ms(order, policy, rate),
        position=position,
    )
    stands = _next(order, known)
    if stands is None:
        return _proved(replace(order, evidence=known), now_ms)
    known = replace(known, rung=stands)
    return order if known == order.evidence else replace(order, evidence=known)


def _remembering(order: Order, fact: OrderNotFound, policy: OrderPolicy) -> set[Source]:
    """Return those of the sources whose "none" still means something for an order of this age.

    What rests is always listed. A label is forgotten soon, a trade late: after that their "none"
    is only their memory's.
    """
    age_ms = fact.asked_ms - order.requested_ms
    kept_ms = {Source.LABEL: policy.label_kept_ms, Source.TRADES: policy.trades_kept_ms}
    return {source for source in fact.sources if age_ms <= kept_ms.get(source, age_ms)}


def _next(order: Order, known: Evidence) -> Rung | None:
    """Return the first rung that is not taken, None once nothing is left to be proved."""
    assert known.none_ms is not None, "somebody knew of none"
    assert known.dead_ms is not None, "somebody knew of none"
    if Source.TRADES not in known.none_by:
        return Rung.TRADES
    if len(known.none_by) < SOURCES_MIN:
        return Rung.QUERY
    if known.none_ms <= known.dead_ms:
        return Rung.DEADLINE
    is_traded = order.filled_native or order.reported_native
    return Rung.POSITION if known.position is not Position.AGREES or is_traded else None


def _proved(order: Order, now_ms: int) -> Order:
    """Close an order that nobody knows and nobody can have known."""
    by = " and ".join(order.evidence.none_by)
    if order.legs:  # it was there, and ended untraded too long ago to be remembered
        why = f"ended untraded: {by} know of none, {order.evidence.position}"
        return replace(orders.heard(order, News.ENDED, now_ms, 0, why), outcome=Outcome.CANCELLED)
    why = f"proved absent: {by} know of none, {order.evidence.position}"
    return replace(orders.heard(order, News.ABSENT, now_ms, 0, why), outcome=Outcome.ABSENT)


def position_read(order: Order, position: Position, now_ms: int) -> Order:
    """Take in what positions say of an order that waits for nothing else."""
    known = replace(order.evidence, position=position)
    if known == order.evidence:
        return order
    there = replace(order, evidence=known)
    return _proved(there, now_ms) if _next(order, known) is None else there


def asked(order: Order, now_ns: int) -> Order:
    """Count one more question to the venue."""
    known = order.evidence
    rung = Rung.QUERY if known.rung is Rung.STREAM else known.rung
    return replace(
        order, asked_ns=now_ns, evidence=replace(known, asked=known.asked + 1, rung=rung)
    )


def unanswered(order: Order, reason: str) -> Order:
    """Note that a question got no usable answer: that is no evidence of anything."""
    if order.status not in DOUBTFUL or order.evidence.failed == reason:
        return order
    return replace(order, evidence=replace(order.evidence, failed=reason))


def words(order: Order) -> str:
    """Say what each rung gave so far and what is waited for; empty for an order not in doubt."""
    if order.status not in DOUBTFUL:
        return ""
    known = order.evidence
    said = [_asked(known)]
    if known.none_ms is not None:
        said += [_none(known), str(known.position)]
    done = max(order.filled_native, order.reported_native, key=abs)
    if done:
        said.append(f"{done:+,} of it was traded")
    return "; ".join([*said, _waits(order)])


def _asked(known: Evidence) -> str:
    if not known.asked:
        return "not asked yet"
    times = "once" if known.asked == 1 else f"{known.asked} times"
    return f"asked {times}" + (f", at last in vain ({known.failed})" if known.failed else "")


def _none(known: Evidence) -> str:
    said = [f"{source}: none" for source in known.none_by]
    return ", ".join([*said, *(f"{source}: no longer kept" for source in known.forgotten_by)])


def _waits(order: Order) -> str:
    known = order.evidence
    if order.status is OrderStatus.UNPROVABLE:
        return str(Rung.PERSON)
    if known.rung is Rung.DEADLINE and known.dead_ms is not None:
        wait_s = (known.dead_ms - order.valid_until_ms) / units.MS_PER_SECOND
        return f"waits for valid_until + {wait_s:g} s"
    return str(known.rung)


def gave_up(order: Order, now_ms: int, now_ns: int, policy: OrderPolicy) -> Order:
    """Call an order unprovable when its fate stayed unknown for too long, and say what is known."""
    since = order.unknown_since_ns
    if since is None or now_ns - since <= policy.unprovable_ns:
        return order
    hopeless = orders.heard(order, News.UNPROVABLE, now_ms, now_ns, "")
    if hopeless is order:
        return order
    return replace(hopeless, reason=f"{order.reason}; {words(hopeless)}")
