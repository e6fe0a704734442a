"""What an account chooses for itself: its self-trade rule and its market maker protections."""

from typing import Final

from bot.exchange.commands import Answer, Refused, invalid_params
from bot.exchange.desk import Desk, EventLog
from bot.exchange.mmp import index_of, size_in_base
from bot.exchange.orders import Order
from bot.exchange.reports import CancelReason, Direction
from bot.exchange.trading_commands import MmpKey, MmpLimits, ResetMmp, SetMmp, SetSelfTrading

SECONDS_MAX: Final = 3_600
PLACES_MAX: Final = 4


def choose(
    desk: Desk, command: SetSelfTrading | SetMmp | ResetMmp, now_ms: int
) -> Answer[None] | Refused:
    """Carry out one choice."""
    match command:
        case SetSelfTrading():
            desk.self_trading.choose(command.account, command.rule)
            return Answer(result=None)
        case SetMmp():
            return _protect(desk, command.key, command.limits, now_ms)
        case ResetMmp():
            if desk.mmp.reset(command.key):
                return Answer(result=None)
            return invalid_params("index_name", "no protection is configured for it")


def _protect(
    desk: Desk, key: MmpKey, limits: MmpLimits | None, now_ms: int
) -> Answer[None] | Refused:
    refused = None if limits is None else _check_limits(limits)
    if refused is not None:
        return refused
    log = EventLog()
    desk.mmp.set_limits(key, limits)
    for order in _beyond(desk, key, limits):
        desk.cancel(order, CancelReason.MMP_CONFIG_CURTAILMENT, now_ms, log)
    if log.events:
        desk.revision += 1
    return Answer(result=None, events=tuple(log.closed(desk.revision)))


def _beyond(desk: Desk, key: MmpKey, limits: MmpLimits | None) -> list[Order]:
    """Open MMP orders that the new limits leave no room for: the youngest of a side go first."""
    room: dict[tuple[str, Direction], float] = {}
    beyond: list[Order] = []
    for order in desk.register.open_of(key.account).values():
        if not order.mmp or index_of(order.contract) != key.index_name:
            continue
        side = (order.contract.name, order.direction)
        most = 0.0 if limits is None else float(limits.quote_quantity_max)
        left = room.get(side, most) - size_in_base(
            order.contract, order.remaining, float(order.price)
        )
        if left < 0:
            beyond.append(order)
        else:
            room[side] = left
    return beyond


def _check_limits(limits: MmpLimits) -> Refused | None:
    for name, seconds in (("interval", limits.interval_s), ("frozen_time", limits.frozen_s)):
        if not 0 <= seconds <= SECONDS_MAX:
            return invalid_params(name, f"must be from 0 to {SECONDS_MAX} seconds")
    amounts = {
        "quantity_limit": limits.quantity,
        "delta_limit": limits.delta,
        "vega_limit": limits.vega,
    }
    if all(amount is None for amount in amounts.values()):
        return invalid_params("quantity_limit", "at least one limit must be set")
    for name, amount in {**amounts, "max_quote_quantity": limits.quote_quantity_max}.items():
        if amount is not None and (amount <= 0 or amount != round(amount, PLACES_MAX)):
            return invalid_params(name, f"must be positive, with at most {PLACES_MAX} decimals")
    return None
