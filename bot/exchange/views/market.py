"""Instruments, tickers, books and their summaries as Deribit words them."""

from typing import Final

from bot.exchange.contracts import Contract, Kind
from bot.exchange.protocol import Json
from bot.exchange.reports import BookState, BookView, OptionFigures, TickerView
from bot.exchange.views.wording import (
    COIN_DIGITS,
    GAMMA_DIGITS,
    GREEK_DIGITS,
    KIND_WORD,
    OPTION_MARK_DIGITS,
    PERCENT_DIGITS,
    RATE_DIGITS,
    USD_DIGITS,
    number,
    optional_number,
    price_or_zero,
)

BLOCK_TRADE_FEE: Final = 0.00025


def instrument_id(name: str) -> int:
    """A number that stays the same for a name, from one run to the next."""
    value = 0
    for character in name.encode():
        value = (value * 131 + character) % 1_000_003
    return value


def instrument(contract: Contract, state: BookState) -> dict[str, Json]:
    """One entry of `public/get_instruments`."""
    fields: dict[str, Json] = {
        "instrument_name": contract.name,
        "instrument_id": instrument_id(contract.name),
        "kind": KIND_WORD[contract.kind],
        "instrument_type": "linear" if contract.pair.is_linear else "reversed",
        "base_currency": contract.base,
        "quote_currency": contract.quote,
        "counter_currency": contract.pair.quote,
        "settlement_currency": contract.settlement_currency,
        "price_index": contract.pair.index_name,
        "settlement_period": contract.settlement_period.value,
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
        "max_leverage": 1 if contract.is_option else 50,
        "block_trade_commission": BLOCK_TRADE_FEE,
        "block_trade_min_trade_amount": 200_000 if contract.is_sized_in_usd else 25,
        "block_trade_tick_size": 0.0001 if contract.quote == contract.base else 0.01,
    }
    if contract.is_option:
        assert contract.strike is not None
        fields["strike"] = contract.strike
        fields["option_type"] = "call" if contract.is_call else "put"
    else:
        fields["future_type"] = "linear" if contract.pair.is_linear else "reversed"
        fields["max_liquidation_commission"] = 0.0075
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
        "interest_rate": round(option.interest_rate, RATE_DIGITS),
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
        fields["interest_rate"] = round(view.option.interest_rate, RATE_DIGITS)
        fields["underlying_index"] = view.option.underlying_index
        fields["underlying_price"] = round(view.option.underlying_price, 4)
    else:
        fields["volume_notional"] = fields["volume_usd"]
        if contract.kind is Kind.PERPETUAL:
            fields["current_funding"] = round(view.current_funding or 0.0, RATE_DIGITS)
            fields["funding_8h"] = round(view.funding_8h or 0.0, RATE_DIGITS)
    return fields
