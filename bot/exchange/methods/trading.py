"""Orders of the user: one, the open ones, and what became of the others."""

from collections.abc import Sequence
from typing import Final

from bot.exchange import views
from bot.exchange.contracts import parse_name
from bot.exchange.methods.call import Call
from bot.exchange.methods.order_filters import order_types
from bot.exchange.protocol import Json, RpcError
from bot.exchange.reports import OrderView

ORDER_NOT_FOUND: Final = 10004


def get_order_state(call: Call) -> Json:
    """One order, open or closed."""
    order = call.floor.engine.order(call.account, call.params.text("order_id"))
    if order is None:
        raise RpcError(ORDER_NOT_FOUND, "order_not_found")
    return views.order(order)


def get_order_state_by_label(call: Call) -> Json:
    """Every order with one label, newest first; labels may repeat."""
    currency, label = call.currency(), call.params.text("label", "")
    return views.orders(
        [
            order
            for order in call.floor.engine.orders_by_label(call.account, label)
            if currency in (None, parse_name(order.instrument_name).settlement_currency)
        ]
    )


def get_open_orders(call: Call) -> Json:
    """Open orders of the account."""
    return _open(call, call.floor.engine.open_orders(call.account))


def get_open_orders_by_currency(call: Call) -> Json:
    """Open orders in one currency, or in any."""
    found = call.floor.engine.open_orders(call.account, currency=call.currency())
    return _open(call, found)


def get_open_orders_by_instrument(call: Call) -> Json:
    """Open orders of one instrument."""
    name = call.contract().name
    return _open(call, call.floor.engine.open_orders(call.account, instrument_name=name))


def get_open_orders_by_label(call: Call) -> Json:
    """Open orders with one label."""
    label = call.params.text("label", "")
    orders = call.floor.engine.open_orders(call.account, currency=call.currency())
    return views.orders([order for order in orders if order.label == label])


def _open(call: Call, orders: Sequence[OrderView]) -> Json:
    kinds, types = call.kinds(), order_types(call)
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
            if order.instrument_name in covered and (types is None or order.order_type in types)
        ]
    )


def get_order_margin_by_ids(call: Call) -> Json:
    """What each of some open orders adds to the initial margin; closed ones are left out."""
    margins: list[Json] = []
    for order_id in call.params.names("ids"):
        order = call.floor.engine.order(call.account, order_id)
        if order is None:
            raise RpcError(ORDER_NOT_FOUND, "order_not_found", {"reason": f"no order {order_id}"})
        margin = call.floor.engine.order_margin(call.account, order_id)
        contract = call.floor.engine.contract(order.instrument_name)
        if margin is not None and contract is not None:
            margins.append(
                {
                    "order_id": order_id,
                    "initial_margin": round(margin, views.COIN_DIGITS),
                    "initial_margin_currency": contract.settlement_currency,
                }
            )
    return margins
