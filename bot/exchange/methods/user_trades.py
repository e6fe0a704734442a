"""What the user traded: by instrument, currency or order, paged.

As the venue has it, recent trades and historical ones are kept apart: a call sees one or the other.
With `start_timestamp` a page begins at the earliest trade, else at the latest.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from bot.exchange import views
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.reports import TradeView

TRADES_DEFAULT: Final = 10
TRADES_MAX: Final = 1_000
RECENT_MS: Final = 86_400_000


class Sorting(StrEnum):
    """Which end of the list comes first; the venue's default is the newest."""

    ASC = "asc"
    DESC = "desc"
    DEFAULT = "default"


def get_user_trades_by_currency(call: Call) -> Json:
    """Fills in one currency, perhaps between two trade ids or two times."""
    found = call.floor.engine.trades(
        call.subject(),
        kinds=call.kinds(),
        currency=call.currency(),
        span_ms=_span_ms(call),
    )
    start, end = call.params.optional_text("start_id"), call.params.optional_text("end_id")
    within = [
        trade
        for trade in found
        if (start is None or _trade_number(trade.trade_id, "start_id") >= _trade_number(start))
        and (end is None or _trade_number(trade.trade_id, "end_id") <= _trade_number(end))
    ]
    return _page(call, within)


def get_user_trades_by_currency_and_time(call: Call) -> Json:
    """Fills in one currency from `start_timestamp` on; the end may be left out, as ccxt does."""
    call.params.integer("start_timestamp")
    return get_user_trades_by_currency(call)


def get_user_trades_by_instrument(call: Call) -> Json:
    """Fills of one instrument, perhaps between two sequence numbers or two times."""
    name = call.params.text("instrument_name")
    found = call.floor.engine.trades(
        call.subject(),
        instrument_name=name,
        span_ms=_span_ms(call),
    )
    first = call.params.optional_integer("start_seq")
    last = call.params.optional_integer("end_seq")
    within = [
        trade
        for trade in found
        if (first is None or trade.trade_seq >= first) and (last is None or trade.trade_seq <= last)
    ]
    return _page(call, within)


def get_user_trades_by_instrument_and_time(call: Call) -> Json:
    """Fills of one instrument from `start_timestamp` on."""
    call.params.integer("start_timestamp")
    return get_user_trades_by_instrument(call)


def get_user_trades_by_order(call: Call) -> Json:
    """Fills of one order, oldest first unless asked otherwise."""
    order_id = call.params.text("order_id")
    engine, span_ms = call.floor.engine, _span_ms(call)
    found = list(engine.trades(call.subject(), order_id=order_id, span_ms=span_ms))
    if call.params.choice("sorting", Sorting, Sorting.DEFAULT) is Sorting.DESC:
        found.reverse()
    return views.trades(found)


def _span_ms(call: Call) -> tuple[int, int]:
    """From when to when trades are asked for, within the last day or before it."""
    params, now_ms = call.params, call.floor.engine.now_ms
    recent_ms = now_ms - RECENT_MS
    first, last = (0, recent_ms - 1) if params.flag("historical") else (recent_ms, now_ms)
    start = params.integer("start_timestamp", first)
    end = params.integer("end_timestamp", last)
    return max(start, first), min(end, last)


def _page(call: Call, found: Sequence[TradeView]) -> Json:
    count = call.params.integer("count", TRADES_DEFAULT)
    if not 1 <= count <= TRADES_MAX:
        raise invalid_param("count", f"must be from 1 to {TRADES_MAX}, got {count}")
    sorting = call.params.choice("sorting", Sorting, Sorting.DEFAULT)
    has_start = call.params.has("start_timestamp")
    ascending = sorting is Sorting.ASC or (sorting is Sorting.DEFAULT and has_start)
    ordered = list(found) if ascending else list(reversed(found))
    return {"trades": views.trades(ordered[:count]), "has_more": len(ordered) > count}


def _trade_number(trade_id: str, param: str = "start_id") -> int:
    digits = trade_id.rpartition("-")[2]
    if not digits.isdigit():
        raise invalid_param(param, f"{trade_id!r} is not a trade id")
    return int(digits)
