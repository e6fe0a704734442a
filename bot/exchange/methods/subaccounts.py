"""A main account and its subaccounts: who they are and what they hold."""

from enum import StrEnum
from typing import Final

from bot.exchange import summaries, views
from bot.exchange.keys import REQUEST_FAILED
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.register import Member

PORTFOLIO_FIELDS: Final = (
    "currency",
    "balance",
    "equity",
    "margin_balance",
    "available_funds",
    "available_withdrawal_funds",
    "initial_margin",
    "maintenance_margin",
    "additional_reserve",
    "spot_reserve",
)
NO_SECOND_FACTOR: Final[dict[str, Json]] = {"tfa_enabled": False}


def get_subaccounts(call: Call) -> Json:
    """The family, the main account first; a subaccount sees of it only whose it is, and itself."""
    caller = call.floor.register.member(call.account)
    with_portfolio = call.params.flag("with_portfolio")
    told: list[Json] = []
    for member in call.floor.register.family(call.account):
        if caller.is_main or member is caller:
            told.append(_full(call, member, with_portfolio=with_portfolio) | NO_SECOND_FACTOR)
        elif member.is_main:
            told.append(_person(member) | NO_SECOND_FACTOR)
    return told


def get_subaccounts_details(call: Call) -> Json:
    """Positions, and open orders if asked for, of each account that the caller answers for."""
    currency = call.currency()
    caller = call.floor.register.member(call.account)
    members = call.floor.register.family(call.account) if caller.is_main else [caller]
    return [_details(call, member, currency) for member in members]


def create_subaccount(call: Call) -> Json:
    """A new subaccount with nothing in it."""
    member = call.floor.open_subaccount(call.account)
    return _full(call, member, with_portfolio=True) | {
        "disabled_trading_products": [],
        "trading_products_details": [],
        "proof_id": f"simulated-{member.number}",
        "proof_id_signature": f"simulated-{member.number}",
        "referrals_count": 0,
    }


def change_subaccount_name(call: Call) -> Json:
    """Give a subaccount another display name."""
    call.floor.register.rename(_subaccount(call, "sid"), call.params.text("name"))
    return "ok"


class Toggle(StrEnum):
    """The words of `toggle_subaccount_login`."""

    ENABLE = "enable"
    DISABLE = "disable"


def toggle_subaccount_login(call: Call) -> Json:
    """Let a subaccount log in by itself or not; forbidden, its own logins end at once.

    Its API keys are another matter: they may log in again.
    """
    member, state = _subaccount(call, "sid"), call.params.choice("state", Toggle)
    member.is_login_enabled = state is Toggle.ENABLE
    if not member.is_login_enabled:
        call.floor.log_out(lambda grant: grant.home == member.name)
    return "ok"


def toggle_notifications_from_subaccount(call: Call) -> Json:
    """Send a subaccount's mail to the main account's address or not; no mail is ever sent here."""
    if not call.params.has("state"):
        raise invalid_param("state", "value required")
    _subaccount(call, "sid").receives_notifications = call.params.flag("state")
    return "ok"


def set_email_for_subaccount(call: Call) -> Json:
    """Note a subaccount's address; here it needs no confirmation."""
    member, email = _subaccount(call, "sid"), call.params.text("email")
    if email.count("@") != 1 or email.startswith("@") or email.endswith("@"):
        raise invalid_param("email", f"must be an address, got {email!r}")
    member.email = email
    return "ok"


def remove_subaccount(call: Call) -> Json:
    """Strike a subaccount off that holds nothing; its keys and logins go with it."""
    member = _subaccount(call, "subaccount_id")
    engine, ring = call.floor.engine, call.floor.gatekeeper.ring
    money = (engine.account(member.name, currency).equity for currency in engine.currencies)
    holds = any(money) or engine.positions(member.name)
    if holds or engine.open_orders(member.name):
        reason = "the subaccount must have no position, no open order and no balance"
        raise RpcError(REQUEST_FAILED, "request_failed", {"reason": reason})
    for key in ring.of_account(member.name):
        ring.remove(key)
    call.floor.log_out(lambda grant: member.name in (grant.home, grant.account))
    call.floor.register.remove(member)
    return "ok"


def _subaccount(call: Call, param: str) -> Member:
    number = call.params.integer(param)
    return call.floor.register.subaccount(call.account, number, param)


def _person(member: Member) -> dict[str, Json]:
    return {
        "id": member.number,
        "type": member.word,
        "username": member.username,
        "system_name": member.name,
        "email": member.email,
        "is_password": member.is_main,
        "receive_notifications": member.receives_notifications,
        "security_keys_enabled": False,
        "security_keys_assignments": [],
    }


def _full(call: Call, member: Member, *, with_portfolio: bool) -> dict[str, Json]:
    told = _person(member) | {
        "margin_model": call.floor.engine.margin_model(member.name).value,
        "login_enabled": member.is_login_enabled,
    }
    if with_portfolio:
        told["portfolio"] = {
            currency.lower(): _holding(call, member, currency) for currency in summaries.CURRENCIES
        }
    return told


def _holding(call: Call, member: Member, currency: str) -> Json:
    summary = summaries.in_currency(call.floor.engine, member.name, currency)
    return {name: summary[name] for name in PORTFOLIO_FIELDS} | {"currency": currency.lower()}


def _details(call: Call, member: Member, currency: str | None) -> Json:
    engine = call.floor.engine
    held = engine.positions(member.name, currency=currency)
    told: dict[str, Json] = {
        "uid": member.number,
        "positions": [summaries.position(engine, member.name, each) for each in held],
    }
    if call.params.flag("with_open_orders"):
        orders = engine.open_orders(member.name, currency=currency)
        told["open_orders"] = [views.order(each) for each in orders]
    return told
