"""What came of an action: an order's answer read whole or not at all, and errors as facts."""

from typing import Any, assert_never

from bot.core.actions import (
    Action,
    Alert,
    AskMargin,
    CancelOrder,
    QueryOrder,
    ReadAccount,
    ReadCash,
    ReloadInstruments,
    SubmitOrder,
    Watch,
)
from bot.core.cash import MOVES
from bot.core.events import (
    SECOND_OPINION,
    BadMessage,
    Fact,
    OrderRejected,
    OrderSeen,
    OrderUnknown,
    ReadFailed,
)
from bot.venues import deribit_errors
from bot.venues import deribit_translate as raw
from bot.venues.deribit_translate import MessageError


def placed(action: SubmitOrder, result: Any, arrived_ns: int) -> tuple[Fact, ...]:
    """Return what the answer to an order says, or that nothing is known if it cannot be read."""
    try:
        facts = raw.placed(result, arrived_ns)
    except MessageError as error:
        return (
            BadMessage(source="order answer", reason=f"{error}"),
            unknown(action, f"the answer could not be read: {error}"),
        )
    labels = {fact.order_id for fact in facts if isinstance(fact, OrderSeen)}
    if labels != {action.order_id}:
        return (unknown(action, f"the answer is about {', '.join(labels) or 'no label'}"),)
    return facts


def rejected(
    action: SubmitOrder, code: int, reason: str, arrived_ns: int | None = None
) -> OrderRejected:
    """Return that an order was refused."""
    return OrderRejected(
        order_id=action.order_id,
        code=code,
        reason=reason,
        is_passing=code in deribit_errors.PASSING,
        arrived_ns=arrived_ns,
    )


def unknown(action: SubmitOrder, reason: str) -> OrderUnknown:
    """Return that nobody knows what became of an order."""
    return OrderUnknown(order_id=action.order_id, reason=reason)


def gone_wrong(  # noqa: PLR0911 (one case an action is the point)
    action: Action, reason: str
) -> tuple[Fact, ...]:
    """Return the fact of an action that failed: an order is unknown, a read has failed."""
    match action:
        case SubmitOrder():
            return (unknown(action, reason),)
        case CancelOrder():
            return (ReadFailed(what=f"cancel {action.order_id}", reason=reason),)
        case QueryOrder():
            return (ReadFailed(what=f"order {action.order_id}", reason=reason),)
        case ReadAccount():
            return (ReadFailed(what="account", reason=reason),)
        case ReadCash():
            return (ReadFailed(what=MOVES, reason=reason),)
        case AskMargin():
            return (ReadFailed(what=SECOND_OPINION, reason=reason),)
        case ReloadInstruments():
            return (ReadFailed(what="instruments", reason=reason),)
        case Watch():
            return (ReadFailed(what="quotes", reason=reason),)
        case Alert():
            return ()
        case _:
            assert_never(action)
