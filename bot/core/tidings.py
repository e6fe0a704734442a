"""What a person is told of orders and fills that did not go the usual way."""

from collections.abc import Iterator, Mapping, Sequence

from bot.core import ladder, units
from bot.core.actions import Action, Alert, Severity, Topic
from bot.core.events import Fact, FillCause, FillSeen
from bot.core.orders import NEVER_WAS, Order, OrderPolicy
from bot.core.standing import open_orders
from bot.core.state import State

WORDS: Mapping[FillCause, str] = {
    FillCause.LIQUIDATION: "liquidated by the venue",
    FillCause.ADL: "closed by the venue against somebody else's liquidation",
    FillCause.BUST: "a trade was taken back by the venue",
}


def of_fills(before: State, state: State, facts: Sequence[Fact]) -> tuple[Action, ...]:
    """Tell what the venue took from the account, or took back, once a trade."""
    if state.counts.fills == before.counts.fills:
        return ()
    taken = {
        fact.trade_id: fact
        for fact in facts
        if isinstance(fact, FillSeen)
        and fact.cause in WORDS
        and fact.trade_id not in before.standing.trades_seen
    }
    return tuple(
        Alert(
            severity=Severity.CRITICAL,
            text=f"{WORDS[fact.cause]}: {fact.instrument} {fact.size_native:+,} "
            f"at {fact.price:,}" + (f", order {fact.order_id}" if fact.order_id else ""),
            topic=Topic.LIQUIDATED if fact.cause is FillCause.LIQUIDATION else Topic.EXTERNAL,
        )
        for fact in taken.values()
    )


def of_orders(before: State, state: State, policy: OrderPolicy) -> tuple[Action, ...]:
    """Tell of orders whose fate is unknown for too long, that came back, or are several."""
    waiting = open_orders(state.standing.orders)
    if not waiting and state.standing.orders is before.standing.orders:
        return ()
    late_ns = policy.unknown_alert_ns
    return (
        *(
            Alert(
                severity=Severity.WARNING,
                text=f"the fate of order {order.order_id} ({order.size_native:+,} "
                f"{order.instrument}) is unknown for {late_ns / units.NS_PER_SECOND:g} s: "
                f"{order.reason}; {ladder.words(order)}",
                topic=Topic.ORDER_UNKNOWN,
            )
            for order in waiting
            if _is_late(order, state.now_ns, late_ns)
            and not _is_late(before.standing.orders.get(order.order_id), before.now_ns, late_ns)
        ),
        *_surprises(before, state),
    )


def _is_late(order: Order | None, now_ns: int, late_ns: int) -> bool:
    """Whether the fate of an order is unknown for so long, as it is known at that moment.

    One that a start finds and the venue shows resting is late at once, by the time it was due.
    """
    since_ns = order.unknown_since_ns if order else None
    return since_ns is not None and now_ns - since_ns >= late_ns


def _surprises(before: State, state: State) -> Iterator[Alert]:
    """Yield what contradicts what was held of an order."""
    if state.standing.orders is before.standing.orders:
        return
    for order_id, order in state.standing.orders.items():
        known = before.standing.orders.get(order_id)
        if known is None or known is order:
            continue
        if known.outcome in NEVER_WAS and order.outcome not in NEVER_WAS:
            yield _surprise(order, f"was held {known.outcome}, and is there: {order.reason}")
        if len(order.legs) > max(1, len(known.legs)):
            yield _surprise(order, f"is {len(order.legs)} orders at the venue: they are added up")


def _surprise(order: Order, text: str) -> Alert:
    return Alert(
        severity=Severity.WARNING,
        text=f"order {order.order_id} ({order.size_native:+,} {order.instrument}) {text}",
        topic=Topic.ORDER_UNKNOWN,
    )
