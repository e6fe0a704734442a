"""Cancelling, one order or many: open ones and trigger orders that wait."""

from collections.abc import Iterable
from typing import Final

from bot.exchange.commands import Answer, CancelAll, CancelByLabel, CancelOrder, Refused
from bot.exchange.desk import Desk, EventLog
from bot.exchange.mmp import index_of
from bot.exchange.orders import Order
from bot.exchange.reports import CancelledView, CancelReason, OrderState, OrderView, TimeInForce

ORDER_NOT_FOUND: Final = Refused(code=10004, message="order_not_found")
NOT_OWNER: Final = Refused(code=10029, message="not_owner_of_order")
NOT_OPEN_ORDER: Final = Refused(code=11044, message="not_open_order")
LIQUIDATION_STAYS: Final = Refused(code=10045, message="can_not_cancel_liquidation_order")
LIVE: Final = frozenset({OrderState.OPEN, OrderState.UNTRIGGERED})


def find_live(desk: Desk, account: str, order_id: str) -> Order | Refused:
    """The account's order, if it can still be cancelled or edited."""
    order = desk.register.find(account, order_id)
    if order is None:
        is_anothers = desk.register.owner(order_id) is not None
        return NOT_OWNER if is_anothers else ORDER_NOT_FOUND
    return order if order.state in LIVE else NOT_OPEN_ORDER


def cancel_order(desk: Desk, command: CancelOrder, now_ms: int) -> Answer[OrderView] | Refused:
    """Cancel one live order."""
    order = find_live(desk, command.account, command.order_id)
    if isinstance(order, Refused):
        return order
    if order.is_liquidation:
        return LIQUIDATION_STAYS
    done = _cancel(desk, [order], CancelReason.USER_REQUEST, now_ms)
    return Answer(result=order.view(), events=done.events)


def cancel_many(
    desk: Desk, command: CancelAll | CancelByLabel, now_ms: int
) -> Answer[CancelledView]:
    """Cancel the live orders that pass every filter given, or carry exactly the label."""
    live = desk.register.live_of(command.account)
    match command:
        case CancelAll():
            chosen = [order for order in live if _passes(order, command)]
            return _cancel(desk, chosen, command.reason, now_ms)
        case CancelByLabel():
            chosen = [
                order
                for order in live
                if order.label == command.label
                and command.currency in (None, order.contract.settlement_currency)
            ]
            return _cancel(desk, chosen, CancelReason.USER_REQUEST, now_ms)


def end_day(desk: Desk, now_ms: int, log: EventLog) -> None:
    """The trading session ends: orders that were good till then are cancelled."""
    for account in desk.accounts:
        for order in desk.register.live_of(account):
            if order.time_in_force is TimeInForce.GOOD_TIL_DAY:
                desk.cancel(order, CancelReason.SETTLEMENT, now_ms, log)
    if log.events:
        desk.revision += 1


def _passes(order: Order, command: CancelAll) -> bool:
    contract = order.contract
    return (
        not order.is_liquidation
        and command.instrument_name in (None, contract.name)
        and (command.kinds is None or contract.kind in command.kinds)
        and (command.order_types is None or order.order_type in command.order_types)
        and (command.currencies is None or contract.settlement_currency in command.currencies)
        and command.index_name in (None, index_of(contract))
        and (command.order_ids is None or order.order_id in command.order_ids)
    )


def _cancel(
    desk: Desk, orders: Iterable[Order], reason: CancelReason, now_ms: int
) -> Answer[CancelledView]:
    log, chosen = EventLog(), list(orders)
    if chosen:
        desk.revision += 1
    for order in chosen:
        desk.cancel(order, reason, now_ms, log)
    views = tuple(order.view() for order in chosen)
    return Answer(result=CancelledView(orders=views), events=tuple(log.closed(desk.revision)))
