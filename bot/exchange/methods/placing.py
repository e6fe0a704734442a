"""Placing orders, changing them, and closing positions."""

from decimal import Decimal
from typing import Final

from bot.exchange import views
from bot.exchange.commands import PlaceOrder
from bot.exchange.contracts import Contract, Kind
from bot.exchange.methods.call import Call
from bot.exchange.orders import ZERO
from bot.exchange.protocol import Json, Params, RpcError, invalid_param
from bot.exchange.reports import (
    Direction,
    OrderState,
    OrderType,
    PlacedView,
    TimeInForce,
    TriggerSource,
    TriggerTerms,
)
from bot.exchange.trading_commands import ClosePosition, EditByLabel, EditOrder, OrderChange

# Accepting these and doing nothing about them would be a lie about a live order.
UNSUPPORTED: Final = ("linked_order_type", "trigger_fill_condition", "otoco_config")
NOT_IMPLEMENTED: Final = 10033
NO_ADVANCED_FUTURES: Final = 11038
TRIGGER_FIELDS: Final = ("trigger", "trigger_price", "trigger_offset")


def buy(call: Call) -> Json:
    """Place an order to buy."""
    return _place(call, Direction.BUY)


def sell(call: Call) -> Json:
    """Place an order to sell."""
    return _place(call, Direction.SELL)


def _place(call: Call, direction: Direction) -> Json:
    params, name = call.params, call.params.text("instrument_name")
    contract = call.floor.engine.contract(name)
    _refuse_unsupported(params, contract)
    order_type = params.choice("type", OrderType, OrderType.LIMIT)
    command = PlaceOrder(
        account=call.account,
        instrument_name=name,
        direction=direction,
        amount=_amount(call, contract) or params.decimal("amount"),
        order_type=order_type,
        price=params.decimal("price") if order_type.is_priced else None,
        time_in_force=params.choice("time_in_force", TimeInForce, TimeInForce.GOOD_TIL_CANCELLED),
        post_only=params.flag("post_only"),
        reject_post_only=params.flag("reject_post_only"),
        reduce_only=params.flag("reduce_only"),
        valid_until_ms=params.optional_integer("valid_until"),
        label=params.text("label", ""),
        mmp=params.flag("mmp"),
        display_amount=params.optional_decimal("display_amount"),
        trigger=_trigger(params, order_type),
    )
    return _placed(call, call.floor.accept(call.floor.engine.handle(command)))


def _placed(call: Call, placed: PlacedView) -> Json:
    if call.session is not None and placed.order.order_state is OrderState.OPEN:
        call.floor.remember_order(call.session, placed.order.order_id, call.account)
    return {"order": views.order(placed.order), "trades": views.trades(placed.trades)}


def _refuse_unsupported(params: Params, contract: Contract | None) -> None:
    for name in UNSUPPORTED:
        if params.has(name):
            reason = f"{name}: the embedded exchange links no orders"
            raise RpcError(NOT_IMPLEMENTED, "not_implemented", {"reason": reason})
    if params.has("advanced"):
        if contract is None or contract.kind is not Kind.OPTION:
            raise RpcError(NO_ADVANCED_FUTURES, "no_adv_for_futures")
        reason = "advanced: the embedded exchange reprices no orders"
        raise RpcError(NOT_IMPLEMENTED, "not_implemented", {"reason": reason})


def _trigger(params: Params, order_type: OrderType) -> TriggerTerms | None:
    if not order_type.is_trigger:
        for name in TRIGGER_FIELDS:
            if params.has(name):
                raise invalid_param(name, f"a {order_type.value} order waits for no trigger")
        return None
    trails = order_type is OrderType.TRAILING_STOP
    return TriggerTerms(
        source=params.choice("trigger", TriggerSource),
        price=ZERO if trails else params.decimal("trigger_price"),
        offset=params.decimal("trigger_offset") if trails else None,
    )


def _amount(call: Call, contract: Contract | None) -> Decimal | None:
    """The native amount asked for; the amount and the contracts must agree if both are given."""
    amount = call.params.optional_decimal("amount")
    contracts = call.params.optional_decimal("contracts")
    if contracts is None or contract is None:
        return amount
    native = contracts * contract.contract_size
    if amount is not None and amount != native:
        raise invalid_param("contracts", f"{contracts} contracts are {native}, not {amount}")
    return native


def edit(call: Call) -> Json:
    """Change an open order, found by its id."""
    order_id = call.params.text("order_id")
    order = call.floor.engine.order(call.account, order_id)
    name = None if order is None else order.instrument_name
    command = EditOrder(
        account=call.account,
        order_id=order_id,
        change=_change(call, name),
        valid_until_ms=call.params.optional_integer("valid_until"),
    )
    return _placed(call, call.floor.accept(call.floor.engine.handle(command)))


def edit_by_label(call: Call) -> Json:
    """Change the only open order with a label."""
    name = call.params.text("instrument_name")
    command = EditByLabel(
        account=call.account,
        label=call.params.text("label", ""),
        instrument_name=name,
        change=_change(call, name),
        valid_until_ms=call.params.optional_integer("valid_until"),
    )
    return _placed(call, call.floor.accept(call.floor.engine.handle(command)))


def _change(call: Call, instrument_name: str | None) -> OrderChange:
    """What the parameters change; flags that are left out stay as they are."""
    params, engine = call.params, call.floor.engine
    contract = None if instrument_name is None else engine.contract(instrument_name)
    _refuse_unsupported(params, contract)
    return OrderChange(
        amount=_amount(call, contract),
        price=params.optional_decimal("price"),
        post_only=_optional_flag(params, "post_only"),
        reject_post_only=_optional_flag(params, "reject_post_only"),
        reduce_only=_optional_flag(params, "reduce_only"),
        mmp=_optional_flag(params, "mmp"),
        display_amount=params.optional_decimal("display_amount"),
        trigger_price=params.optional_decimal("trigger_price"),
        trigger_offset=params.optional_decimal("trigger_offset"),
    )


def _optional_flag(params: Params, name: str) -> bool | None:
    return params.flag(name) if params.has(name) else None


def close_position(call: Call) -> Json:
    """Close the position in one instrument, at the market or with a limit."""
    params = call.params
    order_type = params.choice("type", OrderType)
    if order_type not in (OrderType.LIMIT, OrderType.MARKET):
        raise invalid_param("type", "must be limit or market")
    command = ClosePosition(
        account=call.account,
        instrument_name=params.text("instrument_name"),
        order_type=order_type,
        price=params.decimal("price") if order_type is OrderType.LIMIT else None,
    )
    return _placed(call, call.floor.accept(call.floor.engine.handle(command)))
