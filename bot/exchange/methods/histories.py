"""What became of orders: those that are over, and the log of trigger orders.

As the venue has it, orders that ended in the last half hour and historical ones are kept apart; its
older `include_old` sees both.
"""

from collections.abc import Callable, Sequence
from typing import Final

from bot.exchange import views
from bot.exchange.contracts import parse_name
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.reports import OrderView

COUNT_DEFAULT: Final = 20
COUNT_MAX: Final = 1_000
RECENT_MS: Final = 30 * 60_000


def get_order_history_by_currency(call: Call) -> Json:
    """Orders in one currency that are over, the youngest first."""
    currency, kinds = call.currency(), call.kinds()

    def covers(order: OrderView) -> bool:
        contract = parse_name(order.instrument_name)
        return contract.kind in kinds and currency in (None, contract.settlement_currency)

    return _history(call, covers)


def get_order_history_by_instrument(call: Call) -> Json:
    """Orders of one instrument that are over, the youngest first."""
    name = call.params.text("instrument_name")
    return _history(call, lambda order: order.instrument_name == name)


def _history(call: Call, covers: Callable[[OrderView], bool]) -> Json:
    params, now_ms = call.params, call.floor.engine.now_ms
    with_unfilled, historical = params.flag("include_unfilled"), params.flag("historical")
    # Historical records leave the recent ones out, recent ones go back so far and no further.
    latest_ms = now_ms - RECENT_MS - 1 if historical else now_ms
    earliest_ms = 0 if historical or params.flag("include_old") else now_ms - RECENT_MS
    found = [
        order
        for order in reversed(call.floor.engine.closed_orders(call.account))
        if order.trigger is None
        and (with_unfilled or order.filled_amount)
        and earliest_ms <= order.last_update_ms <= latest_ms
        and covers(order)
    ]
    page, token = _page(call, found)
    if params.flag("with_continuation"):
        return {"orders": views.orders(page), "continuation": token}
    return views.orders(page)


def get_trigger_order_history(call: Call) -> Json:
    """What trigger orders came to: fired, refused as they fired, or cancelled; youngest first."""
    currency, name = call.currency(), call.params.optional_text("instrument_name")
    found = [
        order
        for order in reversed(call.floor.engine.closed_orders(call.account))
        if order.trigger is not None
        and name in (None, order.instrument_name)
        and currency in (None, parse_name(order.instrument_name).settlement_currency)
    ]
    page, token = _page(call, found)
    return {"entries": [views.trigger_record(order) for order in page], "continuation": token}


def _page(call: Call, found: Sequence[OrderView]) -> tuple[Sequence[OrderView], str]:
    """One page, and the token of the next: what the page's last order was; empty at the end."""
    count = call.params.integer("count", COUNT_DEFAULT)
    if not 1 <= count <= COUNT_MAX:
        raise invalid_param("count", f"must be from 1 to {COUNT_MAX}, got {count}")
    start = call.params.integer("offset", 0)
    if start < 0:
        raise invalid_param("offset", f"must not be negative, got {start}")
    token = call.params.text("continuation", "")
    if token:
        known = [_token(order) for order in found]
        if token not in known:
            raise invalid_param("continuation", f"{token!r} is none of this history")
        start += known.index(token) + 1
    page = found[start : start + count]
    return page, _token(page[-1]) if page and start + count < len(found) else ""


def _token(order: OrderView) -> str:
    return f"{order.last_update_ms}.{order.order_id}"
