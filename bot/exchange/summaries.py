"""The account summary as Deribit words it, for the methods and for the portfolio channel."""

from typing import Final

from bot.exchange.protocol import Json
from bot.exchange.register import Member
from bot.exchange.reports import AccountView
from bot.exchange.trading_commands import SelfTradeRule
from bot.exchange.views import COIN_DIGITS, GAMMA_DIGITS, GREEK_DIGITS, index_name

CURRENCIES: Final = ("BTC", "ETH", "USDC")  # only the engine's own has instruments

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
ABSENT_MONEY: Final = ("additional_reserve", "spot_reserve", "locked_balance", "fee_balance")


def portfolio(view: AccountView) -> dict[str, Json]:
    """The data of `user.portfolio` and the body of one summary."""
    fields: dict[str, Json] = {"currency": view.currency}
    for name in MONEY_FIELDS:
        fields[name] = round(getattr(view, name), COIN_DIGITS)
    for name, digits in GREEK_FIELDS.items():
        fields[name] = round(getattr(view, name), digits)
    index = index_name(view.currency)
    for name in ("options_gamma", "options_vega", "options_theta"):
        fields[f"{name}_map"] = {index: fields[name]}
    fields["delta_total_map"] = {
        name: round(delta, COIN_DIGITS) for name, delta in view.delta_total_map.items()
    }
    fields["estimated_liquidation_ratio_map"] = {index: fields["estimated_liquidation_ratio"]}
    fields["margin_model"] = view.margin_model
    fields["portfolio_margining_enabled"] = False
    fields["cross_collateral_enabled"] = False
    fields.update(dict.fromkeys(ABSENT_MONEY, 0.0))
    return fields


def empty_portfolio(currency: str) -> dict[str, Json]:
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
    fields["margin_model"] = "segregated_sm"
    fields["portfolio_margining_enabled"] = False
    fields["cross_collateral_enabled"] = False
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
