"""Editing: an open order changed in place, or taken out and sent in again under its own id.

Its place in the queue is kept only by an order that shrinks at its price, as at the venue. What is
refused leaves the order as it was, with one exception of the venue's: an edit with
`reject_post_only` that would trade cancels it.
"""

from dataclasses import replace
from typing import Final, TypeVar

from bot.exchange.admission import POST_ONLY_REJECT, check_shape, check_time
from bot.exchange.cancelling import ORDER_NOT_FOUND, find_live
from bot.exchange.commands import Answer, OrderChanged, Refused, invalid_params
from bot.exchange.desk import Desk, EventLog
from bot.exchange.entering import admit, enter
from bot.exchange.orders import Order
from bot.exchange.reports import CancelReason, OrderState, PlacedView
from bot.exchange.trading_commands import EditByLabel, EditOrder, OrderChange
from bot.exchange.triggers import set_terms

T = TypeVar("T")
ALREADY_FILLED: Final = Refused(code=11008, message="already_filled")
LABEL_NOT_UNIQUE: Final = Refused(code=11030, message="other_reject label_not_unique")
LIQUIDATION_STAYS: Final = Refused(code=10046, message="can_not_edit_liquidation_order")


def edit_order(
    desk: Desk, command: EditOrder | EditByLabel, now_ms: int
) -> Answer[PlacedView] | Refused:
    """Edit one live order, found by its id or as the only one with its label."""
    late = check_time(command.valid_until_ms, now_ms)
    if late is not None:
        return late
    found = _find(desk, command)
    if isinstance(found, Refused):
        return found
    if found.is_liquidation:
        return LIQUIDATION_STAYS
    draft = _draft(found, command.change, now_ms)
    refused = _check_change(found, command.change) or check_shape(draft, desk.rules)
    if refused is not None:
        return refused
    if found.state is OrderState.UNTRIGGERED:
        refused = set_terms(desk, draft)
        return refused if refused is not None else _in_place(desk, found, draft)
    return (
        _in_place(desk, found, draft) if _keeps_place(found, draft) else _anew(desk, found, draft)
    )


def _find(desk: Desk, command: EditOrder | EditByLabel) -> Order | Refused:
    if isinstance(command, EditOrder):
        return find_live(desk, command.account, command.order_id)
    live = [
        order
        for order in desk.register.live_of(command.account)
        if order.label == command.label and order.contract.name == command.instrument_name
    ]
    if not live:
        return ORDER_NOT_FOUND
    return live[0] if len(live) == 1 else LABEL_NOT_UNIQUE


def _draft(order: Order, change: OrderChange, now_ms: int) -> Order:
    """The order as it would be."""
    draft = replace(order, replaced=True, last_update_ms=now_ms)
    draft.amount = _either(change.amount, order.amount)
    draft.price = _either(change.price, order.price)
    draft.post_only = _either(change.post_only, order.post_only)
    draft.reject_post_only = _either(change.reject_post_only, order.reject_post_only)
    draft.reduce_only = _either(change.reduce_only, order.reduce_only)
    draft.mmp = _either(change.mmp, order.mmp)
    draft.display = _either(change.display_amount, order.display)
    if order.trigger is not None:
        draft.trigger = replace(
            order.trigger,
            price=_either(change.trigger_price, order.trigger.price),
            offset=_either(change.trigger_offset, order.trigger.offset),
        )
    return draft


def _check_change(order: Order, change: OrderChange) -> Refused | None:
    """Refuse to shrink an order below what it has filled, and fields that it does not have."""
    if change.amount is not None and change.amount <= order.filled:
        return ALREADY_FILLED
    if change.price is not None and not order.order_type.is_priced:
        return invalid_params("price", f"a {order.order_type.value} order has no limit price")
    for name in ("trigger_price", "trigger_offset"):
        if getattr(change, name) is not None and order.state is not OrderState.UNTRIGGERED:
            return invalid_params(name, "the order does not wait for a trigger")
    return None


def _keeps_place(order: Order, draft: Order) -> bool:
    is_smaller = draft.price == order.price and draft.amount <= order.amount
    is_freer = draft.reduce_only <= order.reduce_only and draft.mmp <= order.mmp
    return is_smaller and is_freer and draft.display == order.display


def _in_place(desk: Desk, order: Order, draft: Order) -> Answer[PlacedView]:
    desk.revision += 1
    log = EventLog()
    _adopt(order, draft)
    if order.state is OrderState.OPEN:
        log.books[order.contract.name] = None
        log.wallets[order.account, order.contract.settlement_currency] = None
    log.events.append(OrderChanged(account=order.account, order=order.view()))
    placed = PlacedView(order=order.view(), trades=())
    return Answer(result=placed, events=tuple(log.closed(desk.revision)))


def _anew(desk: Desk, order: Order, draft: Order) -> Answer[PlacedView] | Refused:
    """Admit the draft as if it arrived now; then the order leaves its place and goes in as such."""
    now_ms, at = draft.last_update_ms, desk.situation_of(order, draft.last_update_ms)
    others = replace(at, open_orders=[each for each in at.open_orders if each is not order])
    refused = admit(desk, draft, others, now_ms)
    if refused is not None and refused is not POST_ONLY_REJECT:
        return refused
    desk.revision += 1
    log, before = EventLog(), len(desk.trades.of(order.account))
    if refused is POST_ONLY_REJECT:
        desk.cancel(order, CancelReason.EDIT_POST_ONLY_REJECT, now_ms, log)
    else:
        desk.withdraw(order, log)
        _adopt(order, draft)
        enter(desk, order, now_ms, log)
    trades = tuple(
        t for t in desk.trades.of(order.account)[before:] if t.order_id == order.order_id
    )
    placed = PlacedView(order=order.view(), trades=trades)
    return Answer(result=placed, events=tuple(log.closed(desk.revision)))


def _adopt(order: Order, draft: Order) -> None:
    order.amount, order.price = draft.amount, draft.price
    order.post_only, order.reject_post_only = draft.post_only, draft.reject_post_only
    order.reduce_only, order.mmp = draft.reduce_only, draft.mmp
    order.display, order.trigger = draft.display, draft.trigger
    order.replaced, order.last_update_ms = True, draft.last_update_ms


def _either(wanted: T | None, present: T) -> T:
    return present if wanted is None else wanted
