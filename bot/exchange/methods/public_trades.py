"""Trades as everybody sees them, and how much was traded."""

from collections.abc import Sequence
from typing import Final

from bot.exchange import views
from bot.exchange.contracts import Kind, parse_name
from bot.exchange.methods.call import INSTRUMENT_NOT_FOUND, Call
from bot.exchange.methods.paging import page
from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.public_tape import PublicTrade
from bot.exchange.summaries import CURRENCIES
from bot.exchange.views.wording import COIN_DIGITS

TRADES_DEFAULT: Final = 10
TRADES_MAX: Final = 1_000
DAY_MS: Final = 86_400_000
VOLUME_DAYS: Final = {"": 1, "_7d": 7, "_30d": 30}


def get_last_trades_by_currency(call: Call) -> Json:
    """The latest trades in one currency, perhaps of a kind, between two ids or two times."""
    kinds, currency = call.kinds(), call.currency()
    start, end = (_number(call, name) for name in ("start_id", "end_id"))
    found = [
        one
        for one in _within_times(call)
        if (contract := parse_name(one.trade.instrument_name)).kind in kinds
        and currency in (None, contract.settlement_currency)
        and (start is None or trade_number(one.trade.trade_id) >= start)
        and (end is None or trade_number(one.trade.trade_id) <= end)
    ]
    return _told(call, found)


def get_last_trades_by_currency_and_time(call: Call) -> Json:
    """The same between two times, both of which are required."""
    call.params.integer("start_timestamp")
    call.params.integer("end_timestamp")
    return get_last_trades_by_currency(call)


def get_last_trades_by_instrument(call: Call) -> Json:
    """The latest trades of one instrument, between two sequence numbers or two times."""
    name = call.params.text("instrument_name")
    engine = call.floor.engine
    if engine.contract(name) is None and name not in engine.expired_contracts():
        raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")
    first = call.params.optional_integer("start_seq")
    last = call.params.optional_integer("end_seq")
    found = [
        one
        for one in _within_times(call)
        if one.trade.instrument_name == name
        and (first is None or one.trade.trade_seq >= first)
        and (last is None or one.trade.trade_seq <= last)
    ]
    return _told(call, found)


def get_last_trades_by_instrument_and_time(call: Call) -> Json:
    """The same between two times, both of which are required."""
    call.params.integer("start_timestamp")
    call.params.integer("end_timestamp")
    return get_last_trades_by_instrument(call)


def get_trade_volumes(call: Call) -> Json:
    """What was traded in 24 hours by kind, coin; with `extended` in 7 and 30 days as well."""
    now_ms = call.floor.engine.now_ms
    is_extended = call.params.flag("extended")
    lines: list[Json] = []
    for currency in CURRENCIES:
        line: dict[str, Json] = {"currency": currency}
        for suffix, days in VOLUME_DAYS.items():
            if suffix and not is_extended:
                continue
            trades = call.floor.chronicle.tape.since(now_ms - days * DAY_MS)
            for kind, volume in _volumes(trades, currency).items():
                line[f"{kind}_volume{suffix}"] = round(volume, COIN_DIGITS)
        lines.append(line)
    return lines


def _volumes(trades: Sequence[PublicTrade], currency: str) -> dict[str, float]:
    volumes = {"calls": 0.0, "puts": 0.0, "futures": 0.0, "spot": 0.0}
    for one in trades:
        contract = parse_name(one.trade.instrument_name)
        if contract.settlement_currency != currency:
            continue
        if contract.kind is Kind.OPTION:
            volumes["calls" if contract.is_call else "puts"] += float(one.trade.amount)
        else:
            volumes["futures"] += float(one.trade.amount / one.trade.price)
    return volumes


def _within_times(call: Call) -> Sequence[PublicTrade]:
    start_ms = call.params.optional_integer("start_timestamp")
    end_ms = call.params.optional_integer("end_timestamp")
    found = call.floor.chronicle.tape.since(0 if start_ms is None else start_ms)
    return found if end_ms is None else [one for one in found if one.trade.at_ms <= end_ms]


def _told(call: Call, found: Sequence[PublicTrade]) -> Json:
    part, has_more = page(call, found, default=TRADES_DEFAULT, most=TRADES_MAX)
    told = [views.public_trade(one.trade, one.direction) for one in part]
    return {"trades": told, "has_more": has_more}


def _number(call: Call, param: str) -> int | None:
    text = call.params.optional_text(param)
    return None if text is None else trade_number(text, param)


def trade_number(trade_id: str, param: str = "start_id") -> int:
    """The number in a trade's id, which grows over the exchange."""
    digits = trade_id.rpartition("-")[2]
    if not digits.isdigit():
        raise invalid_param(param, f"{trade_id!r} is not a trade id")
    return int(digits)
