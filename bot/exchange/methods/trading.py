"""Orders and fills."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from bot.exchange import views
from bot.exchange.commands import CancelAll, CancelByLabel, CancelOrder, PlaceOrder
from bot.exchange.contracts import Contract, Kind
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.reports import (
    TRIGGER_TYPES,
    CancelledView,
    Direction,
    OrderState,
    OrderType,
    OrderView,
    TimeInForce,
    TradeView,
)

ORDER_NOT_FOUND: Final = 10004
TRADES_DEFAULT: Final = 10
TRADES_MAX: Final = 1_000
# Accepting these and doing nothing about them would be a lie about a live order.
UNSUPPORTED: Final = (
    "advanced",
    "display_amount",
    "linked_order_type",
    "mmp",
    "otoco_config",
    "trigger",
    "trigger_offset",
    "trigger_price",
)
STOPS: Final = frozenset({OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
TAKES: Final = frozenset({OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET})
TRAILING: Final = frozenset({OrderType.TRAILING_STOP})
# The filters of mass cancels and of lists name the same things differently.
ORDER_TYPES_ASKED: Final[Mapping[str, frozenset[OrderType] | None]] = {
    "all": None,
    "limit": frozenset({OrderType.LIMIT}),
    "trigger_all": TRIGGER_TYPES,
    "stop": STOPS,
    "stop_all": STOPS,
    "stop_limit": frozenset({OrderType.STOP_LIMIT}),
    "stop_market": frozenset({OrderType.STOP_MARKET}),
    "take": TAKES,
    "take_all": TAKES,
    "take_limit": frozenset({OrderType.TAKE_LIMIT}),
    "take_market": frozenset({OrderType.TAKE_MARKET}),
    "trailing_all": TRAILING,
    "trailing_stop": TRAILING,
}


def buy(call: Call) -> Json:
    """Place an order to buy."""
    return _place(call, Direction.BUY)


def sell(call: Call) -> Json:
    """Place an order to sell."""
    return _place(call, Direction.SELL)


def _place(call: Call, direction: Direction) -> Json:
    params = call.params
    for name in UNSUPPORTED:
        if params.has(name) and params.text(name, "") not in ("false", "False"):
            raise invalid_param(name, "the embedded exchange has no such orders")
    name = params.text("instrument_name")
    order_type = params.choice("type", OrderType, OrderType.LIMIT)
    command = PlaceOrder(
        account=call.account,
        instrument_name=name,
        direction=direction,
        amount=_amount(call, call.floor.engine.contract(name)),
        order_type=order_type,
        price=params.optional_decimal("price") if order_type is OrderType.LIMIT else None,
        time_in_force=params.choice("time_in_force", TimeInForce, TimeInForce.GOOD_TIL_CANCELLED),
        post_only=params.flag("post_only"),
        reject_post_only=params.flag("reject_post_only"),
        reduce_only=params.flag("reduce_only"),
        valid_until_ms=params.optional_integer("valid_until"),
        label=params.text("label", ""),
    )
    placed = call.floor.accept(call.floor.engine.handle(command))
    if call.session is not None and placed.order.order_state is OrderState.OPEN:
        call.floor.remember_order(call.session, placed.order.order_id, call.account)
    return {"order": views.order(placed.order), "trades": views.trades(placed.trades)}


def _amount(call: Call, contract: Contract | None) -> Decimal:
    amount = call.params.optional_decimal("amount")
    contracts = call.params.optional_decimal("contracts")
    if contracts is None or contract is None:
        return call.params.decimal("amount")
    native = contracts * contract.contract_size
    if amount is not None and amount != native:
        raise invalid_param("contracts", f"{contracts} contracts are {native}, not {amount}")
    return native


def cancel(call: Call) -> Json:
    """Cancel one order."""
    command = CancelOrder(account=call.account, order_id=call.params.text("order_id"))
    return views.order(call.floor.accept(call.floor.engine.handle(command)))


def cancel_all(call: Call) -> Json:
    """Cancel every open order of the account."""
    return _cancel_all(call, CancelAll(account=call.account))


def cancel_all_by_instrument(call: Call) -> Json:
    """Cancel the open orders of one instrument."""
    name = call.contract().name
    command = CancelAll(account=call.account, instrument_name=name, order_types=_order_types(call))
    return _cancel_all(call, command)


def cancel_all_by_currency(call: Call) -> Json:
    """Cancel the open orders of one currency, perhaps of one kind."""
    kinds, currency = call.kinds(), call.currency()
    if not kinds:
        return _cancelled(call, CancelledView(orders=()))
    return _cancel_all(
        call,
        CancelAll(
            account=call.account,
            kinds=kinds,
            currencies=None if currency is None else frozenset({currency}),
            order_types=_order_types(call),
        ),
    )


def cancel_by_label(call: Call) -> Json:
    """Cancel the open orders with one label; there may be several."""
    command = CancelByLabel(
        account=call.account,
        label=call.params.text("label"),
        currency=call.currency(required=False),
    )
    return _cancelled(call, call.floor.accept(call.floor.engine.handle(command)))


def _order_types(call: Call) -> frozenset[OrderType] | None:
    """The filter `type` of mass cancels and of lists; None for all."""
    word = call.params.text("type", "all")
    if word not in ORDER_TYPES_ASKED:
        raise invalid_param("type", f"must be one of {', '.join(ORDER_TYPES_ASKED)}; got {word!r}")
    return ORDER_TYPES_ASKED[word]


def _cancel_all(call: Call, command: CancelAll) -> Json:
    return _cancelled(call, call.floor.accept(call.floor.engine.handle(command)))


def _cancelled(call: Call, view: CancelledView) -> Json:
    if call.params.flag("detailed"):
        return views.orders(view.orders)
    return len(view.orders)


def get_order_state(call: Call) -> Json:
    """One order, open or closed."""
    order = call.floor.engine.order(call.account, call.params.text("order_id"))
    if order is None:
        raise RpcError(ORDER_NOT_FOUND, "order_not_found")
    return views.order(order)


def get_order_state_by_label(call: Call) -> Json:
    """Every order with one label, newest first; labels may repeat."""
    if not call.is_served(call.currency()):
        return []
    label = call.params.text("label", "")
    return views.orders(call.floor.engine.orders_by_label(call.account, label))


def get_open_orders(call: Call) -> Json:
    """Open orders of the account."""
    return _open(call, call.floor.engine.open_orders(call.account))


def get_open_orders_by_currency(call: Call) -> Json:
    """Open orders in one currency, or in any."""
    if not call.is_served(call.currency()):
        return []
    return _open(call, call.floor.engine.open_orders(call.account))


def get_open_orders_by_instrument(call: Call) -> Json:
    """Open orders of one instrument."""
    name = call.contract().name
    return _open(call, call.floor.engine.open_orders(call.account, instrument_name=name))


def get_open_orders_by_label(call: Call) -> Json:
    """Open orders with one label."""
    if not call.is_served(call.currency()):
        return []
    label = call.params.text("label", "")
    orders = call.floor.engine.open_orders(call.account)
    return views.orders([order for order in orders if order.label == label])


def _open(call: Call, orders: Sequence[OrderView]) -> Json:
    kinds, order_types = call.kinds(), _order_types(call)
    contracts = {order.instrument_name: None for order in orders}
    covered = {
        name
        for name in contracts
        if (contract := call.floor.engine.contract(name)) is not None and contract.kind in kinds
    }
    return views.orders(
        [
            order
            for order in orders
            if order.instrument_name in covered
            and (order_types is None or order.order_type in order_types)
        ]
    )


class Sorting(StrEnum):
    """Which end of the list comes first; the venue's default is the newest."""

    ASC = "asc"
    DESC = "desc"
    DEFAULT = "default"


def get_user_trades_by_currency(call: Call) -> Json:
    """Fills in one currency, perhaps between two trade ids or two times."""
    kinds = call.kinds()
    if not kinds or not call.is_served(call.currency()):
        return {"trades": [], "has_more": False}
    found = call.floor.engine.trades(
        call.account,
        kind=_one(kinds),
        start_ms=call.params.optional_integer("start_timestamp"),
        end_ms=call.params.optional_integer("end_timestamp"),
    )
    start, end = call.params.optional_text("start_id"), call.params.optional_text("end_id")
    within = [
        trade
        for trade in found
        if (start is None or _trade_number(trade.trade_id, "start_id") >= _trade_number(start))
        and (end is None or _trade_number(trade.trade_id, "end_id") <= _trade_number(end))
    ]
    return _page(call, within)


def get_user_trades_by_currency_and_time(call: Call) -> Json:
    """Fills in one currency from `start_timestamp` on; the end may be left out, as ccxt does."""
    call.params.integer("start_timestamp")
    return get_user_trades_by_currency(call)


def get_user_trades_by_instrument(call: Call) -> Json:
    """Fills of one instrument, perhaps between two sequence numbers or two times."""
    name = call.params.text("instrument_name")
    found = call.floor.engine.trades(
        call.account,
        instrument_name=name,
        start_ms=call.params.optional_integer("start_timestamp"),
        end_ms=call.params.optional_integer("end_timestamp"),
    )
    first = call.params.optional_integer("start_seq")
    last = call.params.optional_integer("end_seq")
    within = [
        trade
        for trade in found
        if (first is None or trade.trade_seq >= first) and (last is None or trade.trade_seq <= last)
    ]
    return _page(call, within)


def get_user_trades_by_instrument_and_time(call: Call) -> Json:
    """Fills of one instrument from `start_timestamp` on."""
    call.params.integer("start_timestamp")
    return get_user_trades_by_instrument(call)


def get_user_trades_by_order(call: Call) -> Json:
    """Fills of one order, oldest first unless asked otherwise."""
    order_id = call.params.text("order_id")
    found = list(call.floor.engine.trades(call.account, order_id=order_id))
    if call.params.choice("sorting", Sorting, Sorting.DEFAULT) is Sorting.DESC:
        found.reverse()
    return views.trades(found)


def _page(call: Call, found: Sequence[TradeView]) -> Json:
    count = call.params.integer("count", TRADES_DEFAULT)
    if not 1 <= count <= TRADES_MAX:
        raise invalid_param("count", f"must be from 1 to {TRADES_MAX}, got {count}")
    ascending = call.params.choice("sorting", Sorting, Sorting.DEFAULT) is Sorting.ASC
    ordered = list(found) if ascending else list(reversed(found))
    return {"trades": views.trades(ordered[:count]), "has_more": len(ordered) > count}


def _one(kinds: frozenset[Kind]) -> Kind | None:
    return next(iter(kinds)) if len(kinds) == 1 else None


def _trade_number(trade_id: str, param: str = "start_id") -> int:
    digits = trade_id.rpartition("-")[2]
    if not digits.isdigit():
        raise invalid_param(param, f"{trade_id!r} is not a trade id")
    return int(digits)
