"""Trigger orders: stops, takes and trailing stops wait outside the book until their price comes.

A stop fires when the price it watches goes against its position, a take when it goes with it; a
trailing stop follows at its offset and fires when the price turns by so much. Firing brings forth a
limit or market order with an id of its own, which is checked like any other that arrives: margin
and reduce-only are looked at then, not before. The last price is the last trade, but never outside
what the house quotes now: where nobody trades, a stop would otherwise wait for ever.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from bot.exchange.commands import Answer, OrderChanged, Refused, invalid_params
from bot.exchange.contracts import Contract, Kind
from bot.exchange.desk import Desk, EventLog
from bot.exchange.entering import admit, enter
from bot.exchange.orders import Order, numbered_id
from bot.exchange.reports import (
    Direction,
    OrderState,
    OrderType,
    PlacedView,
    TriggerSource,
)

TAKES: Final = frozenset({OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET})
BORN_AS_LIMIT: Final = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_LIMIT})
TRIGGER_PRICE_TOO_HIGH: Final = Refused(code=10034, message="trigger_price_too_high")
TRIGGER_PRICE_TOO_LOW: Final = Refused(code=10035, message="trigger_price_too_low")
TRIGGER_WRONG_TICK: Final = Refused(code=10044, message="trigger_price_wrong_tick")


def trigger_id(order_type: OrderType, source: TriggerSource, side: Direction) -> str:
    """The venue's mark of a trigger order's id, such as SLIS: stop loss, index, sell."""
    kind = "TP" if order_type in TAKES else "TS" if order_type is OrderType.TRAILING_STOP else "SL"
    watched = {TriggerSource.INDEX: "I", TriggerSource.MARK: "M", TriggerSource.LAST: "T"}[source]
    return f"{kind}{watched}{'B' if side is Direction.BUY else 'S'}"


def watched_price(desk: Desk, contract: Contract, source: TriggerSource) -> float:
    """The price that triggers of this source look at now."""
    match source:
        case TriggerSource.INDEX:
            return desk.board.index_usd(contract.pair)
        case TriggerSource.MARK:
            return desk.board.mark(contract)
        case TriggerSource.LAST:
            return _last_price(desk, contract)


def _last_price(desk: Desk, contract: Contract) -> float:
    last = desk.trades.tape(contract.name).last_price
    if last is None:
        return desk.board.mark(contract)
    price = float(last)
    for side, nearer in ((Direction.BUY, max), (Direction.SELL, min)):
        touch = next(desk.house.levels(contract, desk.board, side), None)
        if touch is not None:
            price = nearer(price, float(touch.price))
    return price


# ---- waiting -------------------------------------------------------------------------------------


def wait(desk: Desk, order: Order) -> Answer[PlacedView] | Refused:
    """Let a trigger order of good shape wait, unless its price makes no sense."""
    limit = desk.rules.trigger_orders_max
    if len(desk.register.waiting_of(order.account)) >= limit:
        return Refused(code=11035, message=f"no_more_triggers {limit}")
    refused = set_terms(desk, order)
    if refused is not None:
        return refused
    assert order.trigger is not None
    code = trigger_id(order.order_type, order.trigger.source, order.direction)
    order.order_id = numbered_id(order.contract, order.number, code)
    order.state = OrderState.UNTRIGGERED
    desk.register.add(order)
    view = order.view()
    event = OrderChanged(account=order.account, order=view)
    return Answer(result=PlacedView(order=view, trades=()), events=(event,))


def set_terms(desk: Desk, order: Order) -> Refused | None:
    """Check when the order is to fire, and work out where a trailing stop starts."""
    terms = order.trigger
    if terms is None:
        return invalid_params("trigger", f"a {order.order_type.value} order needs a trigger")
    watched = watched_price(desk, order.contract, terms.source)
    if order.order_type is OrderType.TRAILING_STOP:
        if terms.offset is None or not terms.offset.is_finite() or terms.offset <= 0:
            return invalid_params("trigger_offset", "a trailing stop needs a positive offset")
        order.trigger = replace(
            terms, price=_trailing_price(order, terms.offset, watched), reference=watched
        )
        return None
    if not terms.price.is_finite() or terms.price <= 0:
        return invalid_params("trigger_price", "must be positive")
    is_native = terms.source is not TriggerSource.INDEX or order.contract.kind is not Kind.OPTION
    if is_native and not order.contract.is_on_tick(terms.price):
        return TRIGGER_WRONG_TICK
    if _is_reached(order, watched):
        return TRIGGER_PRICE_TOO_LOW if _fires_upward(order) else TRIGGER_PRICE_TOO_HIGH
    return None


def _fires_upward(order: Order) -> bool:
    """Whether a rising price is what the order waits for."""
    return (order.direction is Direction.BUY) is not (order.order_type in TAKES)


def _is_reached(order: Order, watched: float) -> bool:
    assert order.trigger is not None
    price = float(order.trigger.price)
    return watched >= price if _fires_upward(order) else watched <= price


def _trailing_price(order: Order, offset: Decimal, watched: float) -> Decimal:
    exact = Decimal(f"{watched:.6f}")
    if order.direction is Direction.BUY:
        return order.contract.ceil_price(exact + offset)
    return max(order.contract.floor_price(exact - offset), order.contract.tick_size)


# ---- firing --------------------------------------------------------------------------------------


def fire(desk: Desk, now_ms: int, log: EventLog) -> None:
    """Fire what has been reached, oldest first, and then what that has brought about.

    Trailing stops follow first. Every order fires once, so this comes to an end.
    """
    waiting = desk.register.waiting()
    if not waiting:
        return
    prices = {
        (order.contract.name, order.trigger.source): watched_price(
            desk, order.contract, order.trigger.source
        )
        for order in waiting
        if order.trigger is not None
    }
    due: list[Order] = []
    for order in waiting:
        assert order.trigger is not None
        watched = prices[order.contract.name, order.trigger.source]
        _follow(order, watched)
        if _is_reached(order, watched):
            due.append(order)
    for order in due:
        if order.state is OrderState.UNTRIGGERED:
            _fire(desk, order, now_ms, log)
    if due:
        fire(desk, now_ms, log)


def _follow(order: Order, watched: float) -> None:
    terms = order.trigger
    if terms is None or terms.offset is None:
        return
    price = _trailing_price(order, terms.offset, watched)
    is_closer = price < terms.price if order.direction is Direction.BUY else price > terms.price
    if is_closer:
        order.trigger = replace(terms, price=price)


def _fire(desk: Desk, order: Order, now_ms: int, log: EventLog) -> None:
    desk.revision += 1
    born = _born(desk, order, now_ms)
    order.fired_ms = order.last_update_ms = now_ms
    refused = admit(desk, born, desk.situation_of(order, now_ms), now_ms)
    if refused is not None:
        order.state = OrderState.REJECTED
        order.reject_code, order.reject_message = refused.code, refused.message
    else:
        order.state, order.spawned_order_id = OrderState.TRIGGERED, born.order_id
    desk.ended(order, log)
    if refused is None:
        desk.register.add(born)
        enter(desk, born, now_ms, log)


def _born(desk: Desk, order: Order, now_ms: int) -> Order:
    number = desk.next_order_number
    desk.next_order_number += 1
    is_limit = order.order_type in BORN_AS_LIMIT
    return replace(
        order,
        number=number,
        order_id=numbered_id(order.contract, number),
        order_type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        state=OrderState.OPEN,
        creation_ms=now_ms,
        last_update_ms=now_ms,
        trigger=None,
        trigger_order_id=order.order_id,
    )
