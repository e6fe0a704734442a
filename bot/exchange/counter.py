"""The counter where orders are handed in: checked, sent into the market, and answered.

Every order that arrives with a name that is or was tradable is kept, refused ones as rejected: the
venue's ledger must show all that it saw.
"""

from bot.exchange.admission import (
    NOTHING_TO_REDUCE,
    check_shape,
    check_time,
)
from bot.exchange.commands import (
    Answer,
    PlaceOrder,
    Refused,
    invalid_params,
)
from bot.exchange.contracts import Contract, parse_name
from bot.exchange.desk import Desk, EventLog
from bot.exchange.entering import admit, enter
from bot.exchange.orders import ZERO, Order, numbered_id
from bot.exchange.reports import (
    Direction,
    OrderState,
    PlacedView,
    TimeInForce,
)
from bot.exchange.trading_commands import ClosePosition
from bot.exchange.triggers import wait


def place_order(
    desk: Desk, command: PlaceOrder, contract: Contract | Refused, now_ms: int
) -> Answer[PlacedView] | Refused:
    """Check, match, rest or cancel one order. `contract` may be why it cannot be traded."""
    if command.account not in desk.accounts:
        return invalid_params("account", f"no account {command.account!r}")
    if isinstance(contract, Refused):
        return _reject_unlisted(desk, command, contract, now_ms)
    order = _order(desk, command, contract, now_ms)
    refused = check_time(command.valid_until_ms, now_ms) or check_shape(order, desk.rules)
    if refused is not None:
        return _reject(desk, order, refused)
    if order.order_type.is_trigger:
        answer = wait(desk, order)
        return _reject(desk, order, answer) if isinstance(answer, Refused) else answer
    if order.trigger is not None:
        return _reject(desk, order, invalid_params("trigger", "is for trigger orders only"))
    return _trade(desk, order, now_ms)


def _trade(desk: Desk, order: Order, now_ms: int) -> Answer[PlacedView] | Refused:
    limit = desk.rules.open_orders_max
    if len(desk.register.open_of(order.account)) >= limit:
        refused = Refused(code=11030, message=f"other_reject max_open_orders {limit}")
        return _reject(desk, order, refused)
    rejected = admit(desk, order, desk.situation_of(order, now_ms), now_ms)
    if rejected is not None:
        return _reject(desk, order, rejected)
    log, before = EventLog(), len(desk.trades.of(order.account))
    desk.revision += 1
    desk.register.add(order)
    enter(desk, order, now_ms, log)
    trades = tuple(
        t for t in desk.trades.of(order.account)[before:] if t.order_id == order.order_id
    )
    placed = PlacedView(order=order.view(), trades=trades)
    return Answer(result=placed, events=tuple(log.closed(desk.revision)))


def close_position(
    desk: Desk, command: ClosePosition, contract: Contract | Refused, now_ms: int
) -> Answer[PlacedView] | Refused:
    """Send the reduce-only order that closes a position."""
    if command.account not in desk.accounts:
        return invalid_params("account", f"no account {command.account!r}")
    size = desk.held(command.account, command.instrument_name)
    if size == 0:
        return contract if isinstance(contract, Refused) else NOTHING_TO_REDUCE
    order = PlaceOrder(
        account=command.account,
        instrument_name=command.instrument_name,
        direction=Direction.SELL if size > 0 else Direction.BUY,
        amount=abs(size),
        order_type=command.order_type,
        price=command.price,
        time_in_force=TimeInForce.GOOD_TIL_CANCELLED,
        reduce_only=True,
    )
    return place_order(desk, order, contract, now_ms)


def _order(desk: Desk, command: PlaceOrder, contract: Contract, now_ms: int) -> Order:
    number = desk.next_order_number
    desk.next_order_number += 1
    return Order(
        number=number,
        order_id=numbered_id(contract, number),
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
        mmp=command.mmp,
        display=command.display_amount,
        trigger=command.trigger,
        creation_ms=now_ms,
        last_update_ms=now_ms,
    )


def _reject(desk: Desk, order: Order, refused: Refused) -> Refused:
    order.state = OrderState.REJECTED
    order.reject_code, order.reject_message = refused.code, refused.message
    desk.register.add(order)
    return refused


def _reject_unlisted(desk: Desk, command: PlaceOrder, refused: Refused, now_ms: int) -> Refused:
    try:
        contract = parse_name(command.instrument_name)
    except ValueError:
        return refused
    return _reject(desk, _order(desk, command, contract, now_ms), refused)
