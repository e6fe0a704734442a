"""The account summary as Deribit words it, for the methods and for the portfolio channel."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from bot.exchange import views
from bot.exchange.commands import TradingEngine
from bot.exchange.contracts import Kind, parse_name
from bot.exchange.protocol import Json
from bot.exchange.register import Member
from bot.exchange.reports import AccountView, PositionView
from bot.exchange.rules import MarginModel
from bot.exchange.trading_commands import SelfTradeRule
from bot.exchange.views import COIN_DIGITS, GAMMA_DIGITS, GREEK_DIGITS

CURRENCIES: Final = ("BTC", "ETH", "USDC")  # those the market has no pairs of are empty

MONEY_FIELDS: Final = (
    "balance",
    "equity",
    "margin_balance",
    "available_funds",
    "available_withdrawal_funds",
    "initial_margin",
    "maintenance_margin",
    "projected_initial_margin",
    "projected_maintenance_margin",
    "delta_total",
    "projected_delta_total",
    "options_value",
    "options_pl",
    "options_session_upl",
    "options_session_rpl",
    "futures_pl",
    "futures_session_upl",
    "futures_session_rpl",
    "session_upl",
    "session_rpl",
    "total_pl",
    "estimated_liquidation_ratio",
)
GREEK_FIELDS: Final = {
    "options_delta": COIN_DIGITS,
    "options_gamma": GAMMA_DIGITS,
    "options_vega": GREEK_DIGITS,
    "options_theta": GREEK_DIGITS,
}
MAP_FIELDS: Final = {
    "options_gamma_map": GAMMA_DIGITS,
    "options_vega_map": GREEK_DIGITS,
    "options_theta_map": GREEK_DIGITS,
    "delta_total_map": COIN_DIGITS,
    "estimated_liquidation_ratio_map": COIN_DIGITS,
}
# Sums that must hold to the last digit that is shown: made of the rounded parts, never rounded
# beside them.
SUMS: Final = {
    "equity": ("balance", "futures_session_upl", "futures_session_rpl", "options_value"),
    "available_funds": ("margin_balance", "-initial_margin"),
    "session_upl": ("futures_session_upl", "options_session_upl"),
    "session_rpl": ("futures_session_rpl", "options_session_rpl"),
    "total_pl": ("futures_pl", "options_pl"),
}
# What margin is held against where a currency answers for itself.
STANDARD_BALANCE: Final = ("balance", "futures_session_upl", "futures_session_rpl")
PORTFOLIO_BALANCE: Final = ("equity",)
NOT_IN_PORTFOLIO_MARGIN: Final = ("estimated_liquidation_ratio", "estimated_liquidation_ratio_map")
TOTALS_USD: Final = (
    "equity",
    "margin_balance",
    "initial_margin",
    "maintenance_margin",
    "delta_total",
)
ABSENT_MONEY: Final = ("additional_reserve", "spot_reserve", "locked_balance", "fee_balance")


def portfolio(view: AccountView) -> dict[str, Json]:
    """The data of `user.portfolio` and the body of one summary."""
    fields: dict[str, Json] = {"currency": view.currency}
    for name in MONEY_FIELDS:
        fields[name] = round(getattr(view, name), COIN_DIGITS)
    for name, digits in GREEK_FIELDS.items():
        fields[name] = round(getattr(view, name), digits)
    fields.update(_exact_sums(fields, view.margin_model))
    for name, digits in MAP_FIELDS.items():
        by_index: Mapping[str, float] = getattr(view, name)
        fields[name] = {index: round(value, digits) for index, value in by_index.items()}
    fields.update(_model_fields(view.margin_model))
    fields.update(dict.fromkeys(ABSENT_MONEY, 0.0))
    for name in NOT_IN_PORTFOLIO_MARGIN if view.margin_model.is_portfolio else ():
        del fields[name]
    for name in TOTALS_USD if view.totals_usd is not None else ():
        fields[f"total_{name}_usd"] = round(getattr(view.totals_usd, name), COIN_DIGITS)
    return fields


def _model_fields(model: MarginModel) -> dict[str, Json]:
    return {
        "margin_model": model.value,
        "portfolio_margining_enabled": model.is_portfolio,
        "cross_collateral_enabled": model.is_cross,
    }


def in_currency(engine: TradingEngine, account: str, currency: str) -> dict[str, Json]:
    """An account's portfolio in a currency; an empty one where the market has nothing in it."""
    if currency in engine.currencies:
        return portfolio(engine.account(account, currency))
    return empty_portfolio(currency, engine.margin_model(account))


def position(engine: TradingEngine, account: str, view: PositionView) -> dict[str, Json]:
    """One position, with the price at which the account would be liquidated, all else still."""
    liquidation_usd = None
    if view.kind is Kind.PERPETUAL and view.size:
        pair = parse_name(view.instrument_name).pair
        ratios = engine.liquidation_ratios(account, pair.settlement_currency)
        liquidation_usd = ratios.get(pair.index_name, 0.0) * view.mark_price
    return views.position(view, liquidation_usd or None)


def fees(engine: TradingEngine, currency: str) -> dict[str, Json]:
    """What trading costs in a currency, by index and kind: rates of the notional."""
    by_index: dict[str, dict[str, Json]] = {}
    for contract in engine.contracts():
        if contract.settlement_currency != currency:
            continue
        of_index = by_index.setdefault(contract.pair.index_name, {})
        of_index.setdefault(
            contract.kind.value,
            {
                "default": {
                    "type": "fixed",
                    "taker": float(contract.taker_fee),
                    "maker": float(contract.maker_fee),
                },
                "block_trade": views.BLOCK_TRADE_FEE,
            },
        )
    return dict(by_index)


def _sums(model: MarginModel) -> dict[str, tuple[str, ...]]:
    """The `SUMS` of an account of this model: a cross account's margin balance is no sum of its."""
    if model.is_cross:
        return SUMS
    balance = PORTFOLIO_BALANCE if model.is_portfolio else STANDARD_BALANCE
    return {"equity": SUMS["equity"], "margin_balance": balance, **SUMS}


def _exact_sums(fields: Mapping[str, Json], model: MarginModel) -> dict[str, Json]:
    """The sums of what is shown, to the last digit."""
    shown, sums = {name: Decimal(str(fields[name])) for name in MONEY_FIELDS}, _sums(model)
    for total, parts in sums.items():
        shown[total] = sum(
            (-shown[part[1:]] if part.startswith("-") else shown[part] for part in parts),
            Decimal(0),
        )
    return {total: float(shown[total]) for total in sums}


def empty_portfolio(
    currency: str, model: MarginModel = MarginModel.SEGREGATED_SM
) -> dict[str, Json]:
    """The same for a currency in which the account holds nothing."""
    fields: dict[str, Json] = {"currency": currency}
    fields.update(dict.fromkeys((*MONEY_FIELDS, *GREEK_FIELDS, *ABSENT_MONEY), 0.0))
    for name in (
        "options_gamma_map",
        "options_vega_map",
        "options_theta_map",
        "delta_total_map",
        "estimated_liquidation_ratio_map",
    ):
        fields[name] = {}
    fields.update(_model_fields(model))
    return fields


def person(member: Member, creation_ms: int, rule: SelfTradeRule) -> dict[str, Json]:
    """Who the account belongs to: the fields of an extended summary."""
    return {
        "id": member.number,
        "username": member.username,
        "system_name": member.name,
        "email": member.email,
        "type": member.word,
        "creation_timestamp": creation_ms,
        "referrer_id": None,
        "login_enabled": member.is_login_enabled,
        "security_keys_enabled": False,
        "mmp_enabled": True,
        "interuser_transfers_enabled": False,
        "receive_notifications": member.receives_notifications,
        "self_trading_reject_mode": rule.mode.value,
        "self_trading_extended_to_subaccounts": rule.extended_to_subaccounts,
    }
