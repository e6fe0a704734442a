"""What an account holds: positions and summaries."""

from bot.exchange import summaries
from bot.exchange.methods.call import INSTRUMENT_NOT_FOUND, Call
from bot.exchange.methods.paging import offset_part
from bot.exchange.protocol import Json, Params, RpcError, invalid_param
from bot.exchange.reports import AccountView
from bot.exchange.rules import MarginModel
from bot.exchange.venue_commands import SetMarginModel
from bot.exchange.views.wording import COIN_DIGITS

SIMULATED = "simulated_positions"
NOT_SIMULATED = frozenset({"estimated_liquidation_ratio", "estimated_liquidation_ratio_map"})


def get_positions(call: Call) -> Json:
    """Positions that are not flat, perhaps of one kind."""
    kinds = call.kinds()
    currency = call.currency(required=False)
    if not call.is_served(currency):
        return []
    held = call.floor.engine.positions(call.subject(), currency=currency)
    return [
        summaries.position(call.floor.engine, call.subject(), each)
        for each in held
        if each.kind in kinds
    ]


def get_position(call: Call) -> Json:
    """The position in one instrument, flat or not."""
    name = call.contract().name
    view = call.floor.engine.position(call.account, name)
    if view is None:
        raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")
    return summaries.position(call.floor.engine, call.account, view)


def get_account_summary(call: Call) -> Json:
    """Money, margins and Greeks in one currency."""
    summary = _summary(call, call.currency() or call.floor.engine.currencies[0])
    if call.params.flag("extended"):
        summary.update(_person(call))
    return summary


def get_account_summaries(call: Call) -> Json:
    """The same for every currency."""
    content: dict[str, Json] = {
        "id": call.floor.register.member(call.subject()).number,
        "summaries": [_summary(call, currency) for currency in summaries.CURRENCIES],
    }
    if call.params.flag("extended"):
        content.update(_person(call))
    return content


def _person(call: Call) -> dict[str, Json]:
    member = call.floor.register.member(call.subject())
    rule = call.floor.engine.self_trading(call.subject())
    return summaries.person(member, call.floor.market_clock.start_ms, rule)


def _summary(call: Call, currency: str) -> dict[str, Json]:
    content = summaries.in_currency(call.floor.engine, call.subject(), currency)
    content["limits"] = call.floor.limits.policy.stated()
    if call.params.flag("extended"):
        content["fees"] = summaries.fees(call.floor.engine, currency)
    return content


def simulate_portfolio(call: Call) -> Json:
    """What the account would need with other positions, taken over at their marks."""
    currency = call.currency()
    sizes = call.params.sizes(SIMULATED) if call.params.has(SIMULATED) else {}
    adds = call.params.flag("add_positions", default=True)
    if currency is None:
        raise invalid_param("currency", "must be one")
    if currency not in call.floor.engine.currencies:
        return summaries.in_currency(call.floor.engine, call.subject(), currency)
    view = call.floor.engine.simulated(call.subject(), currency, sizes, adds=adds)
    if view is None:
        raise invalid_param(SIMULATED, f"must be listed and settle in {currency}")
    content = summaries.portfolio(view)
    return {name: value for name, value in content.items() if name not in NOT_SIMULATED}


def get_access_log(call: Call) -> Json:
    """Who logged in to the account, newest first."""
    known = call.floor.access_log.of(call.account)
    return offset_part(call, known, default=10, most=1_000)


def get_user_locks(_call: Call) -> Json:
    """Whether the account is locked in a currency: never here."""
    return [{"currency": currency, "enabled": False} for currency in summaries.CURRENCIES]


def change_margin_model(call: Call) -> Json:
    """Margin the account, or a subaccount, by another model; or say what that would change."""
    floor, account, model = call.floor, _user(call), margin_model(call.params)
    before = {name: floor.engine.account(account, name) for name in floor.engine.currencies}
    after = {name: floor.engine.account(account, name, model) for name in floor.engine.currencies}
    if not call.params.flag("dry_run"):
        floor.accept(floor.engine.handle(SetMarginModel(account=account, model=model)))
    return [
        {
            "currency": currency,
            "old_state": _margin_state(before[currency]),
            "new_state": _margin_state(after[currency]),
        }
        for currency in before
    ]


def margin_model(params: Params) -> MarginModel:
    """The parameter `margin_model`."""
    word = params.text("margin_model")
    try:
        return MarginModel(word)
    except ValueError:
        allowed = ", ".join(MarginModel)
        raise invalid_param("margin_model", f"must be one of {allowed}; got {word!r}") from None


def _user(call: Call) -> str:
    """The caller's account, or that of the user that is named: itself or a subaccount."""
    number = call.params.optional_integer("user_id")
    if number in (None, call.floor.register.member(call.account).number):
        return call.account
    assert number is not None
    return call.floor.register.subaccount(call.account, number, "user_id").name


def _margin_state(view: AccountView) -> dict[str, Json]:
    def rate(margin: float) -> float:
        return round(margin / view.margin_balance, COIN_DIGITS) if view.margin_balance > 0 else 0.0

    return {
        "initial_margin_rate": rate(view.initial_margin),
        "maintenance_margin_rate": rate(view.maintenance_margin),
        "available_balance": round(view.available_funds, COIN_DIGITS),
    }
