"""What an account chooses to be protected from: runaway quotes, and trading with itself."""

from decimal import Decimal
from typing import Final

from bot.exchange import views
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, Params, RpcError, invalid_param
from bot.exchange.trading_commands import (
    MmpKey,
    MmpLimits,
    ResetMmp,
    SelfTradeMode,
    SelfTradeRule,
    SetMmp,
    SetSelfTrading,
)

NOT_IMPLEMENTED: Final = 10033


def set_mmp_config(call: Call) -> Json:
    """Set the protection of an index; an interval of 0 removes it."""
    params = call.params
    key = _key(call, required=True)
    assert key is not None
    interval_s = params.integer("interval")
    limits = MmpLimits(
        interval_s=interval_s,
        frozen_s=params.integer("frozen_time"),
        quantity=params.optional_decimal("quantity_limit"),
        delta=params.optional_decimal("delta_limit"),
        vega=params.optional_decimal("vega_limit"),
        quote_quantity_max=_quote_quantity(params, interval_s),
    )
    command = SetMmp(key=key, limits=limits if interval_s else None)
    call.floor.accept(call.floor.engine.handle(command))
    return [views.mmp_config(key, limits)]


def _quote_quantity(params: Params, interval_s: int) -> Decimal:
    if interval_s == 0 and not params.has("max_quote_quantity"):
        return Decimal(0)
    return params.decimal("max_quote_quantity")


def get_mmp_config(call: Call) -> Json:
    """Protections that are configured: all, or those of an index."""
    key = _key(call, required=False)
    return [
        views.mmp_config(each, limits)
        for each, limits in call.floor.engine.mmp_limits(call.account).items()
        if key in (None, each)
    ]


def get_mmp_status(call: Call) -> Json:
    """Protections that have tripped and are still frozen."""
    key = _key(call, required=False)
    frozen = call.floor.engine.mmp_frozen(call.account)
    return [views.mmp_status(each, until) for each, until in frozen.items() if key in (None, each)]


def reset_mmp(call: Call) -> Json:
    """Thaw a protection."""
    key = _key(call, required=True)
    assert key is not None
    call.floor.accept(call.floor.engine.handle(ResetMmp(key=key)))
    return "ok"


def set_self_trading_config(call: Call) -> Json:
    """Choose what happens when an account would trade with itself."""
    params = call.params
    for name in ("mode", "extended_to_subaccounts"):
        if not params.has(name):
            raise invalid_param(name, "value required")
    before = call.floor.engine.self_trading(call.account)
    rule = SelfTradeRule(
        mode=params.choice("mode", SelfTradeMode),
        extended_to_subaccounts=params.flag("extended_to_subaccounts"),
        block_rfq_self_match_prevention=params.flag(
            "block_rfq_self_match_prevention", default=before.block_rfq_self_match_prevention
        ),
    )
    call.floor.accept(call.floor.engine.handle(SetSelfTrading(account=call.account, rule=rule)))
    return "ok"


def _key(call: Call, *, required: bool) -> MmpKey | None:
    """The protection that is meant; None for all of them, where that may be said."""
    params = call.params
    if params.flag("block_rfq") or params.has("mmp_group"):
        reason = "the embedded exchange has neither block trades nor groups of quotes"
        raise RpcError(NOT_IMPLEMENTED, "not_implemented", {"reason": reason})
    if not required and not params.has("index_name"):
        return None
    index_name = params.text("index_name")
    if index_name not in _indices(call):
        raise invalid_param("index_name", f"must be one of {', '.join(_indices(call))}")
    return MmpKey(account=call.account, index_name=index_name)


def _indices(call: Call) -> list[str]:
    return [pair.index_name for pair in call.floor.engine.pairs]
