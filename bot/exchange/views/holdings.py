"""Positions as Deribit words them."""

from typing import Final

from bot.exchange.chronicle import Settled
from bot.exchange.contracts import Kind, parse_name
from bot.exchange.protocol import Json
from bot.exchange.reports import PositionView
from bot.exchange.views.wording import (
    COIN_DIGITS,
    GAMMA_DIGITS,
    GREEK_DIGITS,
    KIND_WORD,
    OPTION_MARK_DIGITS,
    USD_DIGITS,
    number,
)

GONE_FIELDS: Final = (
    "size",
    "average_price",
    "mark_price",
    "settlement_price",
    "delta",
    "initial_margin",
    "maintenance_margin",
    "open_orders_margin",
    "floating_profit_loss",
    "realized_profit_loss",
    "total_profit_loss",
)


def position(view: PositionView, liquidation_usd: float | None = None) -> dict[str, Json]:
    """One position; the extra Greeks and USD figures only for options, `size_currency` only not."""
    fields: dict[str, Json] = {
        "instrument_name": view.instrument_name,
        "kind": KIND_WORD[view.kind],
        "direction": view.direction,
        "size": number(view.size),
        "average_price": round(view.average_price, COIN_DIGITS),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS),
        "index_price": round(view.index_price, USD_DIGITS),
        "settlement_price": round(view.settlement_price, OPTION_MARK_DIGITS),
        "delta": round(view.delta, COIN_DIGITS),
        "initial_margin": round(view.initial_margin, COIN_DIGITS),
        "maintenance_margin": round(view.maintenance_margin, COIN_DIGITS),
        "open_orders_margin": round(view.open_orders_margin, COIN_DIGITS),
        "floating_profit_loss": round(view.floating_profit_loss, COIN_DIGITS),
        "realized_profit_loss": round(view.realized_profit_loss, COIN_DIGITS),
        "total_profit_loss": round(view.total_profit_loss, COIN_DIGITS),
    }
    if view.size_coin is not None:
        fields["size_currency"] = round(view.size_coin, COIN_DIGITS)
        fields["leverage"] = view.leverage
        fields["estimated_liquidation_price"] = (
            None if liquidation_usd is None else round(liquidation_usd, USD_DIGITS)
        )
        if view.kind is Kind.PERPETUAL:
            fields["realized_funding"] = round(view.realized_funding, COIN_DIGITS)
            fields["interest_value"] = round(view.interest_value, COIN_DIGITS)
    else:
        fields["gamma"] = round(view.gamma, GAMMA_DIGITS)
        fields["vega"] = round(view.vega, GREEK_DIGITS)
        fields["theta"] = round(view.theta, GREEK_DIGITS)
        fields["average_price_usd"] = round(view.average_price_usd or 0.0, USD_DIGITS)
        fields["floating_profit_loss_usd"] = round(view.floating_profit_loss_usd or 0.0, USD_DIGITS)
    return fields


def gone_position(instrument_name: str, index_usd: float) -> dict[str, Json]:
    """What is left of a position whose contract has been delivered: nothing."""
    return {
        "instrument_name": instrument_name,
        "kind": KIND_WORD[parse_name(instrument_name).kind],
        "direction": "zero",
        "index_price": round(index_usd, USD_DIGITS),
        **dict.fromkeys(GONE_FIELDS, 0.0),
    }


def settlement(settled: Settled) -> dict[str, Json]:
    """A contract's settlement as everybody sees it: whose profit it was is nobody's business."""
    return {
        "type": "delivery" if settled.is_delivery else "settlement",
        "timestamp": settled.at_ms,
        "instrument_name": settled.contract.name,
        "position": round(settled.position, COIN_DIGITS),
        "index_price": round(settled.index_price, USD_DIGITS),
        "mark_price": round(settled.mark_price, OPTION_MARK_DIGITS),
        "profit_loss": 0.0,
        "session_profit_loss": 0.0,
        "funding": 0.0,
    }
