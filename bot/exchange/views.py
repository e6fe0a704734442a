"""The engine's views as Deribit words them: every field name, unit and rounding is the venue's.

Rounded here and nowhere else: USD prices to 2 decimals, coin money to 8, volatility percent to 2,
Greeks to 5. An option's mark keeps 6 decimals where the venue shows 4, because a rehearsal's
profit is measured second by second and 4 decimals are 9 dollars a coin.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract, Kind
from bot.exchange.protocol import Json
from bot.exchange.reports import (
    BookState,
    BookView,
    FillCause,
    OptionFigures,
    OrderView,
    PositionView,
    TickerView,
    TradeView,
)

USD_DIGITS: Final = 2
COIN_DIGITS: Final = 8
OPTION_MARK_DIGITS: Final = 6
GREEK_DIGITS: Final = 5
GAMMA_DIGITS: Final = 8
PERCENT_DIGITS: Final = 2
RATE_DIGITS: Final = 8

KIND_WORD: Final = {Kind.PERPETUAL: "future", Kind.OPTION: "option"}
DAY_MS: Final = 86_400_000
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


def number(value: Decimal) -> int | float:
    """A JSON number without a needless fraction."""
    return int(value) if value == value.to_integral_value() else float(value)


def optional_number(value: Decimal | None) -> int | float | None:
    """A JSON number, or null."""
    return None if value is None else number(value)


def price_or_zero(value: Decimal | None) -> int | float:
    """A best price; the venue writes 0 where there is no quote."""
    return 0.0 if value is None else number(value)


def index_name(base: str) -> str:
    """The name of the index: `btc_usd`."""
    return f"{base.lower()}_usd"


def instrument_id(name: str) -> int:
    """A number that stays the same for a name, from one run to the next."""
    value = 0
    for character in name.encode():
        value = (value * 131 + character) % 1_000_003
    return value


def settlement_period(contract: Contract) -> str:
    """`perpetual`, `day`, `week` or `month`, by how long the contract was listed for."""
    if contract.kind is Kind.PERPETUAL:
        return "perpetual"
    days = (contract.expiry_ms - contract.creation_ms) / DAY_MS
    if days <= 3:
        return "day"
    return "week" if days <= 22 else "month"


def instrument(contract: Contract, state: BookState) -> dict[str, Json]:
    """One entry of `public/get_instruments`."""
    fields: dict[str, Json] = {
        "instrument_name": contract.name,
        "instrument_id": instrument_id(contract.name),
        "kind": KIND_WORD[contract.kind],
        "instrument_type": "reversed",
        "base_currency": contract.base,
        "quote_currency": contract.quote,
        "counter_currency": "USD",
        "settlement_currency": contract.settlement_currency,
        "price_index": index_name(contract.base),
        "settlement_period": settlement_period(contract),
        "contract_size": number(contract.contract_size),
        "min_trade_amount": number(contract.lot),
        "tick_size": number(contract.tick_size),
        "tick_size_steps": [
            {"above_price": number(step.above_price), "tick_size": number(step.tick_size)}
            for step in contract.tick_steps
        ],
        "maker_commission": number(contract.maker_fee),
        "taker_commission": number(contract.taker_fee),
        "creation_timestamp": contract.creation_ms,
        "expiration_timestamp": contract.expiry_ms,
        "is_active": state is BookState.OPEN,
        "state": state.value,
        "max_leverage": 50 if contract.kind is Kind.PERPETUAL else 1,
        "block_trade_commission": 0.00025,
        "block_trade_min_trade_amount": 200_000 if contract.kind is Kind.PERPETUAL else 25,
        "block_trade_tick_size": 0.01 if contract.kind is Kind.PERPETUAL else 0.0001,
    }
    if contract.kind is Kind.PERPETUAL:
        fields["future_type"] = "reversed"
        fields["max_liquidation_commission"] = 0.0075
    else:
        assert contract.strike is not None
        fields["strike"] = contract.strike
        fields["option_type"] = "call" if contract.is_call else "put"
    return fields


def ticker(view: TickerView) -> dict[str, Json]:
    """The data of `public/ticker` and of the ticker channels."""
    is_option = view.option is not None
    fields: dict[str, Json] = {
        "timestamp": view.at_ms,
        "state": view.state.value,
        "stats": {
            "high": optional_number(view.high),
            "low": optional_number(view.low),
            "price_change": None,
            "volume": round(view.volume, COIN_DIGITS),
            "volume_usd": round(view.volume_usd, USD_DIGITS),
        },
        "index_price": round(view.index_price, USD_DIGITS),
        "instrument_name": view.instrument_name,
        "last_price": optional_number(view.last_price),
        "min_price": number(view.min_price),
        "max_price": number(view.max_price),
        "open_interest": round(view.open_interest, COIN_DIGITS),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS if is_option else USD_DIGITS),
        "best_bid_price": price_or_zero(view.best_bid_price),
        "best_bid_amount": number(view.best_bid_amount),
        "best_ask_price": price_or_zero(view.best_ask_price),
        "best_ask_amount": number(view.best_ask_amount),
        "estimated_delivery_price": round(view.estimated_delivery_price, USD_DIGITS),
    }
    if view.settlement_price is not None:
        fields["settlement_price"] = round(
            view.settlement_price, OPTION_MARK_DIGITS if is_option else USD_DIGITS
        )
    if view.option is not None:
        fields.update(_option_figures(view.option))
    for name, rate in (
        ("funding_8h", view.funding_8h),
        ("current_funding", view.current_funding),
        ("interest_value", view.interest_value),
    ):
        if rate is not None:
            fields[name] = round(rate, RATE_DIGITS)
    return fields


def _option_figures(option: OptionFigures) -> dict[str, Json]:
    return {
        "underlying_price": round(option.underlying_price, 4),
        "underlying_index": option.underlying_index,
        "interest_rate": option.interest_rate,
        "mark_iv": round(option.mark_iv, PERCENT_DIGITS),
        "bid_iv": round(option.bid_iv, PERCENT_DIGITS),
        "ask_iv": round(option.ask_iv, PERCENT_DIGITS),
        "greeks": {
            "delta": round(option.delta, GREEK_DIGITS),
            "gamma": round(option.gamma, GAMMA_DIGITS),
            "vega": round(option.vega, GREEK_DIGITS),
            "theta": round(option.theta, GREEK_DIGITS),
            "rho": round(option.rho, GREEK_DIGITS),
        },
    }


def quote(view: TickerView) -> dict[str, Json]:
    """The data of the `quote` channel."""
    return {
        "timestamp": view.at_ms,
        "instrument_name": view.instrument_name,
        "best_bid_price": price_or_zero(view.best_bid_price),
        "best_bid_amount": number(view.best_bid_amount),
        "best_ask_price": price_or_zero(view.best_ask_price),
        "best_ask_amount": number(view.best_ask_amount),
    }


def order_book(view: TickerView, book: BookView) -> dict[str, Json]:
    """The answer to `public/get_order_book`: the ticker and the levels."""
    return {
        **ticker(view),
        "change_id": book.change_id,
        "bids": [[number(price), number(amount)] for price, amount in book.bids],
        "asks": [[number(price), number(amount)] for price, amount in book.asks],
    }


def book_summary(view: TickerView, contract: Contract) -> dict[str, Json]:
    """One entry of `public/get_book_summary_by_currency`; null prices where there is no quote."""
    is_option = view.option is not None
    bid, ask = view.best_bid_price, view.best_ask_price
    fields: dict[str, Json] = {
        "instrument_name": view.instrument_name,
        "base_currency": contract.base,
        "quote_currency": contract.quote,
        "bid_price": optional_number(bid),
        "ask_price": optional_number(ask),
        "mid_price": None if bid is None or ask is None else number((bid + ask) / 2),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS if is_option else USD_DIGITS),
        "last": optional_number(view.last_price),
        "high": optional_number(view.high),
        "low": optional_number(view.low),
        "price_change": None,
        "volume": round(view.volume, COIN_DIGITS),
        "volume_usd": round(view.volume_usd, USD_DIGITS),
        "open_interest": round(view.open_interest, COIN_DIGITS),
        "creation_timestamp": view.at_ms,
        "estimated_delivery_price": round(view.estimated_delivery_price, USD_DIGITS),
    }
    if view.option is not None:
        fields["mark_iv"] = round(view.option.mark_iv, PERCENT_DIGITS)
        fields["interest_rate"] = view.option.interest_rate
        fields["underlying_index"] = view.option.underlying_index
        fields["underlying_price"] = round(view.option.underlying_price, 4)
    else:
        fields["volume_notional"] = fields["volume_usd"]
        fields["current_funding"] = round(view.current_funding or 0.0, RATE_DIGITS)
        fields["funding_8h"] = round(view.funding_8h or 0.0, RATE_DIGITS)
    return fields


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
        "max_show": number(view.amount),
        "api": True,
        "web": False,
        "mobile": False,
        "mmp": False,
        "replaced": False,
        "risk_reducing": False,
        "is_rebalance": False,
        "is_liquidation": False,
    }
    if view.cancel_reason is not None:
        fields["cancel_reason"] = view.cancel_reason.value
    return fields


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
        "fee": round(view.fee_coin, COIN_DIGITS),
        "fee_currency": view.fee_currency,
        "profit_loss": round(view.profit_loss_coin, COIN_DIGITS),
        "index_price": round(view.index_usd, USD_DIGITS),
        "mark_price": round(view.mark_price, OPTION_MARK_DIGITS),
        "tick_direction": view.tick_direction,
        "matching_id": None,
        "post_only": view.post_only,
        "reduce_only": view.reduce_only,
        "mmp": False,
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


def position(view: PositionView) -> dict[str, Json]:
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
    if view.kind is Kind.PERPETUAL:
        assert view.size_coin is not None
        fields["size_currency"] = round(view.size_coin, COIN_DIGITS)
        fields["realized_funding"] = round(view.realized_funding, COIN_DIGITS)
        fields["interest_value"] = round(view.interest_value, COIN_DIGITS)
        fields["leverage"] = view.leverage
        fields["estimated_liquidation_price"] = None
    else:
        fields["gamma"] = round(view.gamma, GAMMA_DIGITS)
        fields["vega"] = round(view.vega, GREEK_DIGITS)
        fields["theta"] = round(view.theta, GREEK_DIGITS)
        fields["average_price_usd"] = round(view.average_price_usd or 0.0, USD_DIGITS)
        fields["floating_profit_loss_usd"] = round(view.floating_profit_loss_usd or 0.0, USD_DIGITS)
    return fields


def gone_position(instrument_name: str, index_usd: float) -> dict[str, Json]:
    """What is left of a position whose contract has been delivered: nothing."""
    kind = Kind.PERPETUAL if instrument_name.endswith("-PERPETUAL") else Kind.OPTION
    return {
        "instrument_name": instrument_name,
        "kind": KIND_WORD[kind],
        "direction": "zero",
        "index_price": round(index_usd, USD_DIGITS),
        **dict.fromkeys(GONE_FIELDS, 0.0),
    }


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


def orders(views: Sequence[OrderView]) -> list[Json]:
    """Orders in the order given."""
    return [order(view) for view in views]


def trades(views: Sequence[TradeView]) -> list[Json]:
    """Fills in the order given."""
    return [trade(view) for view in views]
