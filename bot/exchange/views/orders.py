"""Orders and fills as Deribit words them, for their owner and for the simulator's ledger."""

from collections.abc import Sequence

from bot.exchange.orders import ZERO
from bot.exchange.protocol import Json
from bot.exchange.reports import (
    CancelReason,
    Direction,
    FillCause,
    OrderState,
    OrderView,
    TradeView,
    TriggerTerms,
)
from bot.exchange.views.wording import (
    COIN_DIGITS,
    OPTION_MARK_DIGITS,
    PERCENT_DIGITS,
    USD_DIGITS,
    number,
)


def order(view: OrderView) -> dict[str, Json]:
    """One order, as every method and channel shows it."""
    fields: dict[str, Json] = {
        "order_id": view.order_id,
        "order_state": view.order_state.value,
        "order_type": view.order_type.value,
        "time_in_force": view.time_in_force.value,
        "instrument_name": view.instrument_name,
        "direction": view.direction.value,
        "price": "market_price" if view.price is None else number(view.price),
        "amount": number(view.amount),
        "filled_amount": number(view.filled_amount),
        "average_price": round(view.average_price, COIN_DIGITS),
        "contracts": view.contracts,
        "label": view.label,
        "post_only": view.post_only,
        "reject_post_only": view.reject_post_only,
        "reduce_only": view.reduce_only,
        "creation_timestamp": view.creation_ms,
        "last_update_timestamp": view.last_update_ms,
        "max_show": number(view.amount if view.display_amount is None else view.display_amount),
        "api": True,
        "web": False,
        "mobile": False,
        "mmp": view.mmp,
        "replaced": view.replaced,
        "risk_reducing": False,
        "is_rebalance": False,
        "is_liquidation": view.is_liquidation,
    }
    if view.cancel_reason is not None:
        fields["cancel_reason"] = view.cancel_reason.value
        if view.cancel_reason is CancelReason.MMP_TRIGGER:
            fields["mmp_cancelled"] = True
    if view.original_type is not None:
        fields["original_order_type"] = view.original_type.value
    if view.display_amount is not None and view.refresh_amount is not None:
        fields["display_amount"] = number(view.display_amount)
        fields["refresh_amount"] = number(view.refresh_amount)
    if view.trigger_order_id is not None:
        fields["trigger_order_id"] = view.trigger_order_id
    if view.trigger is not None:
        fields |= _terms(view.trigger)
        fields["triggered"] = view.order_state is OrderState.TRIGGERED
    return fields


def _terms(terms: TriggerTerms) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "trigger": terms.source.value,
        "trigger_price": number(terms.price),
    }
    if terms.offset is not None and terms.reference is not None:
        fields["trigger_offset"] = number(terms.offset)
        fields["trigger_reference_price"] = round(terms.reference, OPTION_MARK_DIGITS)
    return fields


def trigger_record(view: OrderView) -> dict[str, Json]:
    """What a trigger order came to, as the log of trigger orders words it."""
    terms = view.trigger
    assert terms is not None, f"{view.order_id} is no trigger order"
    is_refused = view.order_state is OrderState.REJECTED
    state = f"rejected:{view.reject_message}" if is_refused else view.order_state.value
    return {
        "timestamp": view.creation_ms,
        "last_update_timestamp": view.last_update_ms,
        "trigger": terms.source.value,
        "trigger_price": number(terms.price),
        "trigger_offset": number(terms.offset or ZERO),
        "trigger_order_id": view.order_id,
        "order_id": view.spawned_order_id or view.order_id,
        "order_state": state,
        "request": "cancel" if view.order_state is OrderState.CANCELLED else "trigger:order",
        "order_type": "market" if view.price is None else "limit",
        "price": number(view.price) if view.price is not None else 0,
        "instrument_name": view.instrument_name,
        "amount": number(view.amount),
        "direction": view.direction.value,
        "label": view.label,
        "post_only": view.post_only,
        "reduce_only": view.reduce_only,
        "source": "api",
    }


def trade(view: TradeView) -> dict[str, Json]:
    """One fill of the user. `matching_id` is always null, as at the venue."""
    liquidated = view.cause is FillCause.LIQUIDATION
    fields: dict[str, Json] = {
        "trade_id": view.trade_id,
        "trade_seq": view.trade_seq,
        "instrument_name": view.instrument_name,
        "timestamp": view.at_ms,
        "order_id": view.order_id,
        "order_type": "liquidation" if liquidated else view.order_type.value,
        "label": view.label,
        "direction": view.direction.value,
        "amount": number(view.amount),
        "contracts": view.contracts,
        "price": number(view.price),
        "state": view.order_state.value,
        "liquidity": view.liquidity.value,
        "fee": round(view.fee, COIN_DIGITS),
        "fee_currency": view.fee_currency,
        "profit_loss": round(view.profit_loss, COIN_DIGITS),
        "index_price": round(view.index_usd, USD_DIGITS),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS),
        "tick_direction": view.tick_direction,
        "matching_id": None,
        "post_only": view.post_only,
        "reduce_only": view.reduce_only,
        "mmp": view.mmp,
        "risk_reducing": False,
        "api": True,
    }
    if liquidated:
        fields["liquidation"] = view.liquidity.value
    if view.underlying_usd is not None:
        fields["underlying_price"] = round(view.underlying_usd, 4)
    if view.iv_percent is not None:
        fields["iv"] = round(view.iv_percent, PERCENT_DIGITS)
    return fields


def orders(views: Sequence[OrderView]) -> list[Json]:
    """Orders in the order given."""
    return [order(view) for view in views]


def trades(views: Sequence[TradeView]) -> list[Json]:
    """Fills in the order given."""
    return [trade(view) for view in views]


def ledger_order(view: OrderView) -> dict[str, Json]:
    """One order of the simulator's ledger: what the venue saw, refused ones included."""
    return {
        "order_id": view.order_id,
        "label": view.label,
        "instrument_name": view.instrument_name,
        "direction": view.direction.value,
        "amount": number(view.amount),
        "filled_amount": number(view.filled_amount),
        "state": view.order_state.value,
    }


def ledger_fill(view: TradeView) -> dict[str, Json]:
    """One fill of the simulator's ledger, with what brought it about."""
    return {
        "trade_id": view.trade_id,
        "order_id": view.order_id,
        "label": view.label,
        "instrument_name": view.instrument_name,
        "direction": view.direction.value,
        "amount": number(view.amount),
        "price": number(view.price),
        "cause": view.cause.value,
    }


def public_trade(view: TradeView, direction: Direction) -> dict[str, Json]:
    """One trade as everybody sees it; `direction` is its taker's."""
    liquidated = view.cause is FillCause.LIQUIDATION
    fields: dict[str, Json] = {
        "trade_id": view.trade_id,
        "trade_seq": view.trade_seq,
        "instrument_name": view.instrument_name,
        "timestamp": view.at_ms,
        "direction": direction.value,
        "tick_direction": view.tick_direction,
        "price": number(view.price),
        "amount": number(view.amount),
        "contracts": view.contracts,
        "index_price": round(view.index_usd, USD_DIGITS),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS),
    }
    if view.iv_percent is not None:
        fields["iv"] = round(view.iv_percent, PERCENT_DIGITS)
    if liquidated:
        fields["liquidation"] = view.liquidity.value
    return fields
