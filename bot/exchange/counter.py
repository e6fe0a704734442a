"""The counter where orders are handed in: checked, matched, rested or cancelled, and answered.

Every order that arrives with a name that is or was tradable is kept, refused ones as rejected: the
venue's ledger must show all that it saw.
"""

from collections.abc import Iterable
from typing import Final

from bot.exchange.admission import (
    NOT_FOUND,
    POST_ONLY_REJECT,
    check_funds,
    check_shape,
    check_time,
    limit_price,
    price_band,
)
from bot.exchange.commands import (
    Answer,
    CancelAll,
    CancelByLabel,
    CancelOrder,
    OrderChanged,
    PlaceOrder,
    Refused,
    invalid_params,
)
from bot.exchange.contracts import Contract, parse_name
from bot.exchange.desk import Desk, EventLog
from bot.exchange.orders import ZERO, Order
from bot.exchange.reports import (
    CancelledView,
    CancelReason,
    Direction,
    OrderState,
    OrderType,
    OrderView,
    PlacedView,
    TimeInForce,
)

ORDER_NOT_FOUND: Final = Refused(code=10004, message="order_not_found")
NOT_OPEN_ORDER: Final = Refused(code=11044, message="not_open_order")
SELF_TRADE: Final = Refused(code=10003, message="order_overlap")


def place_order(
    desk: Desk, command: PlaceOrder, contract: Contract | None, now_ms: int
) -> Answer[PlacedView] | Refused:
    """Check, match, rest or cancel one order. `contract` is None if it is not tradable."""
    if command.account not in desk.accounts:
        return invalid_params("account", f"no account {command.account!r}")
    if contract is None:
        return _reject_unlisted(desk, command, now_ms)
    order = _order(desk, command, contract, now_ms)
    refused = (
        check_time(command, now_ms)
        or check_shape(command, contract, desk.rules)
        or _admit(desk, order, command, now_ms)
    )
    if refused is not None:
        return _reject(desk, order, refused)
    log, before = EventLog(), len(desk.trades.of(order.account))
    desk.revision += 1
    desk.register.add(order)
    if not _is_short_of_all(desk, order):
        desk.execute(order, now_ms, log)
    _finish(desk, order, now_ms, log)
    placed = PlacedView(order=order.view(), trades=tuple(desk.trades.of(order.account)[before:]))
    return Answer(result=placed, events=tuple(log.closed(desk.revision)))


def cancel_order(desk: Desk, command: CancelOrder, now_ms: int) -> Answer[OrderView] | Refused:
    """Cancel one open order."""
    order = desk.register.find(command.account, command.order_id)
    if order is None:
        return ORDER_NOT_FOUND
    if order.state is not OrderState.OPEN:
        return NOT_OPEN_ORDER
    done = _cancel(desk, [order], CancelReason.USER_REQUEST, now_ms)
    return Answer(result=order.view(), events=done.events)


def cancel_all(desk: Desk, command: CancelAll, now_ms: int) -> Answer[CancelledView]:
    """Cancel the open orders that pass every filter given."""
    chosen = [
        order
        for order in desk.register.open_of(command.account).values()
        if command.instrument_name in (None, order.contract.name)
        and command.kind in (None, order.contract.kind)
        and command.order_type in (None, order.order_type)
        and command.currency in (None, order.contract.settlement_currency)
        and (command.order_ids is None or order.order_id in command.order_ids)
    ]
    return _cancel(desk, chosen, command.reason, now_ms)


def cancel_by_label(desk: Desk, command: CancelByLabel, now_ms: int) -> Answer[CancelledView]:
    """Cancel the open orders with exactly this label."""
    chosen = [
        order
        for order in desk.register.open_of(command.account).values()
        if order.label == command.label
        and command.currency in (None, order.contract.settlement_currency)
    ]
    return _cancel(desk, chosen, CancelReason.USER_REQUEST, now_ms)


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


def _order(desk: Desk, command: PlaceOrder, contract: Contract, now_ms: int) -> Order:
    number = desk.next_order_number
    desk.next_order_number += 1
    return Order(
        number=number,
        order_id=f"{contract.base}-{number}",
        account=command.account,
        contract=contract,
        direction=command.direction,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        price=command.price if command.price is not None else ZERO,
        amount=command.amount,
        label=command.label,
        post_only=command.post_only,
        reject_post_only=command.reject_post_only,
        reduce_only=command.reduce_only,
        creation_ms=now_ms,
        last_update_ms=now_ms,
    )


def _reject(desk: Desk, order: Order, refused: Refused) -> Refused:
    order.state = OrderState.REJECTED
    order.reject_code, order.reject_message = refused.code, refused.message
    desk.register.add(order)
    return refused


def _reject_unlisted(desk: Desk, command: PlaceOrder, now_ms: int) -> Refused:
    try:
        contract = parse_name(command.instrument_name)
    except ValueError:
        return NOT_FOUND
    return _reject(desk, _order(desk, command, contract, now_ms), NOT_FOUND)


def _admit(desk: Desk, order: Order, command: PlaceOrder, now_ms: int) -> Refused | None:
    """The checks that need the market and the account; the order is cut and priced on the way."""
    contract = order.contract
    limit = desk.rules.open_orders_max
    if len(desk.register.open_of(order.account)) >= limit:
        return Refused(code=11030, message=f"other_reject max_open_orders {limit}")
    order.price = limit_price(command, price_band(desk.rules.price_band, desk.board, contract))
    return (
        (desk.cut_to_reduce(order) if order.reduce_only else None)
        or (_price_behind(desk, order) if order.post_only else None)
        or _check_own_orders(desk, order)
        or check_funds(desk.situation(order.account, now_ms), order)
    )


def _price_behind(desk: Desk, order: Order) -> Refused | None:
    """A post-only order that would trade goes one tick behind the other side, or is refused."""
    best = next(desk.meets(order.contract, order.direction, order.price), None)
    if best is None:
        return None
    if order.reject_post_only:
        return POST_ONLY_REJECT
    contract = order.contract
    if order.direction is Direction.BUY:
        order.price = contract.floor_price(best.price - contract.tick_at(best.price))
    else:
        order.price = contract.ceil_price(best.price + contract.tick_at(best.price))
    return None if order.price > 0 else POST_ONLY_REJECT


def _check_own_orders(desk: Desk, order: Order) -> Refused | None:
    """An order that would trade with its own account is refused."""
    left = order.remaining
    for piece in desk.meets(order.contract, order.direction, order.price):
        if left <= 0:
            return None
        if piece.maker is not None and piece.maker.account == order.account:
            return SELF_TRADE
        left -= piece.amount
    return None


def _is_short_of_all(desk: Desk, order: Order) -> bool:
    """Whether a fill-or-kill order cannot be filled whole."""
    if order.time_in_force is not TimeInForce.FILL_OR_KILL:
        return False
    pieces = desk.meets(order.contract, order.direction, order.price)
    return sum((piece.amount for piece in pieces), ZERO) < order.remaining


def _finish(desk: Desk, order: Order, now_ms: int, log: EventLog) -> None:
    if order.state is not OrderState.OPEN:
        return
    rests = order.time_in_force is TimeInForce.GOOD_TIL_CANCELLED
    if rests and order.order_type is OrderType.LIMIT:
        desk.rest(order, log)
        log.accounts[order.account] = None
        log.events.append(OrderChanged(account=order.account, order=order.view()))
    else:
        desk.cancel(order, CancelReason.USER_REQUEST, now_ms, log)
