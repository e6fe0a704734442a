"""What the venue says: one place that knows the required fields of its messages."""

from typing import Any

PERPETUAL = "BTC-PERPETUAL"
CALL = "BTC-26DEC25-100000-C"
PUT = "BTC-26DEC25-90000-P"
SCOPE = "account:read_write trade:read_write block_trade:read_write"
NOW_MS = 1_765_000_000_000
EXPIRY_MS = 1_766_736_000_000


def perpetual(**changes: Any) -> dict[str, Any]:
    return {
        "instrument_name": PERPETUAL,
        "kind": "future",
        "instrument_type": "reversed",
        "settlement_period": "perpetual",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "counter_currency": "USD",
        "settlement_currency": "BTC",
        "price_index": "btc_usd",
        "contract_size": 10.0,
        "min_trade_amount": 10.0,
        "tick_size": 0.5,
        "tick_size_steps": [],
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "expiration_timestamp": 32_503_708_800_000,
        "creation_timestamp": 1_534_167_754_000,
        "is_active": True,
        **changes,
    }


def option(name: str, strike: float, option_type: str, **changes: Any) -> dict[str, Any]:
    return {
        **perpetual(),
        "instrument_name": name,
        "kind": "option",
        "option_type": option_type,
        "strike": strike,
        "settlement_period": "month",
        "quote_currency": "BTC",
        "contract_size": 1.0,
        "min_trade_amount": 0.1,
        "tick_size": 0.0001,
        "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
        "maker_commission": 0.0003,
        "taker_commission": 0.0003,
        "expiration_timestamp": EXPIRY_MS,
        **changes,
    }


def ticker(name: str, bid: float, **changes: Any) -> dict[str, Any]:
    return {
        "instrument_name": name,
        "timestamp": NOW_MS,
        "state": "open",
        "best_bid_price": bid,
        "best_ask_price": bid + 1.0,
        "best_bid_amount": 50_000.0,
        "best_ask_amount": 60_000.0,
        "mark_price": bid + 0.5,
        "index_price": 100_000.0,
        "stats": {"high": None, "low": None, "volume": 0.0, "price_change": None},
        "last_price": bid,
        **changes,
    }


def order(**changes: Any) -> dict[str, Any]:
    """An order; `label`, `amount`, `filled`, `state`, `direction`, `instrument` change it."""
    wanted = {
        "label": "db-1",
        "order_id": "BTC-1",
        "amount": 100.0,
        "filled": 0.0,
        "state": "open",
        "direction": "buy",
        "instrument": PERPETUAL,
    } | changes
    return {
        "order_id": wanted["order_id"],
        "label": wanted["label"],
        "order_state": wanted["state"],
        "order_type": "limit",
        "time_in_force": "immediate_or_cancel",
        "instrument_name": wanted["instrument"],
        "direction": wanted["direction"],
        "amount": wanted["amount"],
        "filled_amount": wanted["filled"],
        "average_price": 100_000.0,
        "price": 100_100.0,
        "post_only": False,
        "reduce_only": False,
        "api": True,
        "creation_timestamp": NOW_MS,
        "last_update_timestamp": NOW_MS,
    }


def trade(**changes: Any) -> dict[str, Any]:
    """A trade of the account; `trade_id`, `label`, `order_id`, `amount`, ... change it."""
    wanted = {"instrument": PERPETUAL, "timestamp": NOW_MS} | changes
    return {
        "trade_id": wanted.get("trade_id", "1000"),
        "order_id": wanted.get("order_id", "BTC-1"),
        "label": wanted.get("label", "db-1"),
        "instrument_name": wanted["instrument"],
        "direction": wanted.get("direction", "buy"),
        "amount": wanted.get("amount", 100.0),
        "price": wanted.get("price", 100_000.5),
        "fee": 5e-07,
        "fee_currency": "BTC",
        "liquidity": "T",
        "timestamp": wanted["timestamp"],
        "state": "filled",
        "trade_seq": 1,
        "index_price": 100_000.0,
        "mark_price": 100_000.0,
    }


def position(name: str, size: float, **changes: Any) -> dict[str, Any]:
    return {
        "instrument_name": name,
        "kind": "future" if name == PERPETUAL else "option",
        "size": size,
        "direction": "buy" if size > 0 else "sell" if size < 0 else "zero",
        "average_price": 99_000.0,
        "mark_price": 100_000.0,
        "delta": 0.001,
        **changes,
    }


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "currency": "BTC",
        "equity": 10.0,
        "balance": 10.0,
        "margin_balance": 10.0,
        "available_funds": 9.0,
        "initial_margin": 1.0,
        "maintenance_margin": 0.7,
        "delta_total": -0.25,
        "options_delta": 0.1,
        **changes,
    }
