"""Every method that the exchange serves; what is not here is answered "Method not found"."""

from collections.abc import Callable, Mapping
from typing import Final

from bot.exchange.methods import (
    accounts,
    cancels,
    charts,
    histories,
    keys,
    market_data,
    placing,
    protection,
    public_trades,
    risk_matrices,
    sessions,
    settlements,
    statements,
    subaccounts,
    trading,
    user_trades,
    wallet,
)
from bot.exchange.methods.call import Call, Method
from bot.exchange.protocol import Result
from bot.exchange.scopes import (
    ACCOUNT_READ,
    ACCOUNT_WRITE,
    ACCOUNT_WRITE_MAIN,
    TRADE_READ,
    TRADE_WRITE,
    WALLET_READ,
    WALLET_WRITE,
    Scope,
)

Run = Callable[[Call], Result]


def _public(run: Run) -> Method:
    return Method(run=run)


def _socket(run: Run) -> Method:
    return Method(run=run, websocket_only=True)


def _reading(run: Run, scope: Scope = TRADE_READ) -> Method:
    return Method(run=run, login=True, scope=scope)


def _trading(run: Run) -> Method:
    return Method(run=run, login=True, scope=TRADE_WRITE, counts=True)


def _choosing(run: Run, scope: Scope = TRADE_WRITE) -> Method:
    return Method(run=run, login=True, scope=scope)


def _private_socket(run: Run, scope: Scope | None = None) -> Method:
    return Method(run=run, login=True, scope=scope, websocket_only=True)


def _account(run: Run) -> Method:
    return _reading(run, ACCOUNT_READ)


def _account_writing(run: Run) -> Method:
    return _reading(run, ACCOUNT_WRITE)


def _main_account(run: Run) -> Method:
    return _reading(run, ACCOUNT_WRITE_MAIN)


def _named(family: str, row: Callable[[Run], Method], *runs: Run) -> dict[str, Method]:
    """Rows of functions that bear their methods' names."""
    return {f"{family}/{run.__name__}": row(run) for run in runs}


PEOPLE: Final = {
    **_named(
        "private",
        _account,
        keys.list_api_keys,
        subaccounts.get_subaccounts,
        subaccounts.get_subaccounts_details,
    ),
    **_named(
        "private",
        _account_writing,
        keys.create_api_key,
        keys.edit_api_key,
        keys.change_api_key_name,
        keys.change_scope_in_api_key,
        keys.enable_api_key,
        keys.disable_api_key,
        keys.reset_api_key,
        keys.remove_api_key,
    ),
    **_named(
        "private",
        _main_account,
        subaccounts.create_subaccount,
        subaccounts.change_subaccount_name,
        subaccounts.remove_subaccount,
        subaccounts.set_email_for_subaccount,
        subaccounts.toggle_notifications_from_subaccount,
        subaccounts.toggle_subaccount_login,
    ),
}

HISTORY: Final = _named(
    "public",
    _public,
    charts.get_historical_volatility,
    charts.get_index_chart_data,
    charts.get_mark_price_history,
    charts.get_tradingview_chart_data,
    charts.get_volatility_index_data,
    public_trades.get_last_trades_by_currency,
    public_trades.get_last_trades_by_currency_and_time,
    public_trades.get_last_trades_by_instrument,
    public_trades.get_last_trades_by_instrument_and_time,
    public_trades.get_trade_volumes,
    settlements.get_delivery_prices,
    settlements.get_funding_chart_data,
    settlements.get_funding_rate_history,
    settlements.get_funding_rate_value,
    settlements.get_last_settlements_by_currency,
    settlements.get_last_settlements_by_instrument,
)
LISTINGS: Final = _named(
    "public",
    _public,
    market_data.get_announcements,
    market_data.get_book_summary_by_instrument,
    market_data.get_contract_size,
    market_data.get_expirations,
    market_data.get_index_price_names,
    market_data.get_order_book_by_instrument_id,
    market_data.get_supported_index_names,
)

WALLET: Final = _named(
    "private",
    lambda run: _reading(run, WALLET_READ),
    wallet.get_address_book,
    wallet.get_current_deposit_address,
    statements.get_deposits,
    statements.get_transfers,
    wallet.get_withdrawals,
)

TRANSFERS: Final = _named(
    "private",
    lambda run: _choosing(run, WALLET_WRITE),
    statements.submit_transfer_between_subaccounts,
    statements.submit_transfer_to_subaccount,
)
STATEMENTS: Final = _named(
    "private",
    _reading,
    statements.get_settlement_history_by_currency,
    statements.get_settlement_history_by_instrument,
) | _named(
    "private",
    lambda run: _reading(run, ACCOUNT_READ),
    statements.get_transaction_log,
)

METHODS: Final[Mapping[str, Method]] = {
    **PEOPLE,
    **WALLET,
    **TRANSFERS,
    **STATEMENTS,
    "private/withdraw": Method(run=wallet.withdraw, login=True, scope=WALLET_WRITE),
    "private/change_margin_model": _choosing(accounts.change_margin_model, ACCOUNT_WRITE),
    **HISTORY,
    **LISTINGS,
    "public/get_time": _public(market_data.get_time),
    "public/test": _public(sessions.test),
    "public/hello": _public(market_data.hello),
    "public/status": _public(market_data.status),
    "public/get_currencies": _public(market_data.get_currencies),
    "public/get_instruments": _public(market_data.get_instruments),
    "public/get_instrument": _public(market_data.get_instrument),
    "public/ticker": _public(market_data.ticker),
    "public/get_order_book": _public(market_data.get_order_book),
    "public/get_book_summary_by_currency": _public(market_data.get_book_summary_by_currency),
    "public/get_index_price": _public(market_data.get_index_price),
    "public/get_combos": _public(market_data.no_combos),
    "public/get_combo_ids": _public(market_data.no_combos),
    "public/auth": _public(sessions.auth),
    "public/exchange_token": _public(sessions.exchange_token),
    "public/fork_token": _public(sessions.fork_token),
    "public/set_heartbeat": _socket(sessions.set_heartbeat),
    "public/disable_heartbeat": _socket(sessions.disable_heartbeat),
    "public/subscribe": _socket(sessions.subscribe_public),
    "public/unsubscribe": _socket(sessions.unsubscribe),
    "public/unsubscribe_all": _socket(sessions.unsubscribe_all),
    "private/subscribe": _private_socket(sessions.subscribe_private),
    "private/unsubscribe": _private_socket(sessions.unsubscribe),
    "private/unsubscribe_all": _private_socket(sessions.unsubscribe_all),
    "private/logout": _private_socket(sessions.logout),
    "private/enable_cancel_on_disconnect": _private_socket(
        sessions.enable_cancel_on_disconnect, ACCOUNT_WRITE
    ),
    "private/disable_cancel_on_disconnect": _private_socket(
        sessions.disable_cancel_on_disconnect, ACCOUNT_WRITE
    ),
    "private/get_cancel_on_disconnect": _account(sessions.get_cancel_on_disconnect),
    "private/buy": _trading(placing.buy),
    "private/sell": _trading(placing.sell),
    "private/edit": _trading(placing.edit),
    "private/edit_by_label": _trading(placing.edit_by_label),
    "private/close_position": _trading(placing.close_position),
    "private/cancel": _trading(cancels.cancel),
    "private/cancel_all": _trading(cancels.cancel_all),
    "private/cancel_all_by_instrument": _trading(cancels.cancel_all_by_instrument),
    "private/cancel_all_by_currency": _trading(cancels.cancel_all_by_currency),
    "private/cancel_all_by_currency_pair": _trading(cancels.cancel_all_by_currency_pair),
    "private/cancel_all_by_kind_or_type": _trading(cancels.cancel_all_by_kind_or_type),
    "private/cancel_by_label": _trading(cancels.cancel_by_label),
    "private/get_order_state": _reading(trading.get_order_state),
    "private/get_order_state_by_label": _reading(trading.get_order_state_by_label),
    "private/get_open_orders": _reading(trading.get_open_orders),
    "private/get_open_orders_by_currency": _reading(trading.get_open_orders_by_currency),
    "private/get_open_orders_by_instrument": _reading(trading.get_open_orders_by_instrument),
    "private/get_open_orders_by_label": _reading(trading.get_open_orders_by_label),
    "private/get_order_history_by_currency": _reading(histories.get_order_history_by_currency),
    "private/get_order_history_by_instrument": _reading(histories.get_order_history_by_instrument),
    "private/get_trigger_order_history": _reading(histories.get_trigger_order_history),
    "private/get_order_margin_by_ids": _reading(trading.get_order_margin_by_ids),
    "private/set_mmp_config": _choosing(protection.set_mmp_config),
    "private/get_mmp_config": _reading(protection.get_mmp_config),
    "private/get_mmp_status": _reading(protection.get_mmp_status),
    "private/reset_mmp": _choosing(protection.reset_mmp),
    "private/set_self_trading_config": _choosing(protection.set_self_trading_config, ACCOUNT_WRITE),
    "private/get_user_trades_by_currency": _reading(user_trades.get_user_trades_by_currency),
    "private/get_user_trades_by_currency_and_time": _reading(
        user_trades.get_user_trades_by_currency_and_time
    ),
    "private/get_user_trades_by_instrument": _reading(user_trades.get_user_trades_by_instrument),
    "private/get_user_trades_by_instrument_and_time": _reading(
        user_trades.get_user_trades_by_instrument_and_time
    ),
    "private/get_user_trades_by_order": _reading(user_trades.get_user_trades_by_order),
    "private/get_positions": _reading(accounts.get_positions),
    "private/get_position": _reading(accounts.get_position),
    "private/get_margins": _reading(market_data.get_margins),
    "private/simulate_portfolio": _reading(accounts.simulate_portfolio, ACCOUNT_READ),
    "private/pme/simulate": _reading(risk_matrices.pme_simulate, ACCOUNT_READ),
    "private/get_access_log": _reading(accounts.get_access_log, ACCOUNT_READ),
    "private/get_user_locks": _reading(accounts.get_user_locks, ACCOUNT_READ),
    "private/get_account_summary": _reading(accounts.get_account_summary, ACCOUNT_READ),
    "private/get_account_summaries": _reading(accounts.get_account_summaries, ACCOUNT_READ),
}
