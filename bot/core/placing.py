"""An order enters the state as REQUESTED, and only then becomes an action that sends it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.core import pace, standing, units
from bot.core.actions import SubmitOrder, TimeInForce
from bot.core.orders import Order, OrderPolicy, Share
from bot.core.sizing import Asked
from bot.core.state import State


def next_id(state: State, policy: OrderPolicy) -> str:
    """Return the id that the next order gets."""
    _, order_id = standing.numbered(state.standing, policy.label_prefix)
    return order_id


def placed(
    state: State,
    asked: Asked,
    size_native: Decimal,
    shares: Sequence[Share],
    policy: OrderPolicy,
    *,
    reduce_only: bool = False,
) -> tuple[State, SubmitOrder]:
    """Put an order into the state and return the action that sends it.

    Args:
        state: What is known.
        asked: What was asked for, with the worst price and the order's id.
        size_native: What may go of it.
        shares: What of the whole each book asked for.
        policy: How long it lives.
        reduce_only: Let the venue refuse what would open a position.
    """
    name, order_id = asked.hedge.name, asked.noted.order_id
    valid_until_ms = state.now_ms + units.wire_to_market_ms(policy.lifetime_ns, state.rate)
    order = Order(
        order_id=order_id,
        instrument=name,
        size_native=size_native,
        limit=asked.limit,
        shares=tuple(shares),
        requested_ms=state.now_ms,
        requested_ns=state.now_ns,
        valid_until_ms=valid_until_ms,
    )
    known, _ = standing.numbered(state.standing, policy.label_prefix)
    known = standing.with_order(known, order)
    known = pace.wished(known, name, asked.size_native, asked.noted)
    action = SubmitOrder(
        order_id=order_id,
        instrument=name,
        size_native=size_native,
        limit=asked.limit,
        time_in_force=TimeInForce.IOC,
        valid_until_ms=valid_until_ms,
        reduce_only=reduce_only,
    )
    return replace(state, standing=known), action
