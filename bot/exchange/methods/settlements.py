"""Funding, deliveries and settlements that were."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from bot.exchange import views
from bot.exchange.chronicle import EIGHT_HOURS_MS, HOUR_MS, FundingMinute, Settled
from bot.exchange.contracts import Kind
from bot.exchange.methods.call import Call
from bot.exchange.methods.paging import NO_MORE, continued, offset_part, span_of
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.views.wording import RATE_DIGITS, USD_DIGITS

DAY_MS: Final = 24 * HOUR_MS
CHART_LENGTHS: Final = {"8h": 8 * HOUR_MS, "24h": DAY_MS, "1m": 30 * DAY_MS}
SETTLEMENT_TYPES: Final = ("settlement", "delivery", "bankruptcy")


def _minutes(call: Call) -> Sequence[FundingMinute]:
    contract = call.contract()
    if contract.kind is not Kind.PERPETUAL:
        raise invalid_param("instrument_name", "only perpetuals have funding")
    return call.floor.chronicle.funding.get(contract.name, ())


def get_funding_rate_history(call: Call) -> Json:
    """Funding hour by hour, oldest first: rates of the hour and of the eight hours before."""
    minutes = list(_minutes(call))
    start_ms, end_ms = span_of(call)
    times = [each.at_ms for each in minutes]
    told: list[Json] = []
    first_ms = start_ms - start_ms % HOUR_MS
    for at_ms in range(max(first_ms, (times or [0])[0]), end_ms + 1, HOUR_MS):
        hour_ms = at_ms - at_ms % HOUR_MS
        now = _at(minutes, times, hour_ms)
        if now is None or not start_ms <= hour_ms <= times[-1]:
            continue
        before = _at(minutes, times, hour_ms - HOUR_MS) or minutes[0]  # as far as is known
        told.append(
            {
                "timestamp": hour_ms,
                "index_price": round(now.index_price, USD_DIGITS),
                "prev_index_price": round(before.index_price, USD_DIGITS),
                "interest_1h": round(now.interest - before.interest, RATE_DIGITS),
                "interest_8h": round(now.interest_8h, RATE_DIGITS),
            }
        )
    return told


def _at(minutes: Sequence[FundingMinute], times: Sequence[int], at_ms: int) -> FundingMinute | None:
    place = bisect_right(times, at_ms) - 1
    return minutes[place] if place >= 0 else None


def get_funding_rate_value(call: Call) -> Json:
    """The sum of funding between two times, as a rate."""
    minutes = list(_minutes(call))
    start_ms, end_ms = span_of(call)
    paid = _interest(call, minutes, end_ms) - _interest(call, minutes, start_ms)
    return round(paid, RATE_DIGITS) + 0.0  # never a negative zero


def _interest(call: Call, minutes: Sequence[FundingMinute], at_ms: int) -> float:
    """Funding from the start up to a time; nothing is known before, nothing accrues after now."""
    at_ms = min(at_ms, call.floor.engine.now_ms)
    place = bisect_right(minutes, at_ms, key=lambda each: each.at_ms) - 1
    if place < 0:
        return 0.0
    before = minutes[place]
    if place + 1 < len(minutes):
        after = minutes[place + 1]
        share = (at_ms - before.at_ms) / (after.at_ms - before.at_ms)
        return before.interest + share * (after.interest - before.interest)
    ticker = call.floor.engine.ticker(call.contract().name)
    rate = 0.0 if ticker is None else ticker.current_funding or 0.0
    return before.interest + rate * (at_ms - before.at_ms) / EIGHT_HOURS_MS


def get_funding_chart_data(call: Call) -> Json:
    """The eight-hour rate over a span up to now."""
    minutes = _minutes(call)
    length = call.params.text("length")
    if length not in CHART_LENGTHS:
        raise invalid_param("length", f"must be one of {', '.join(CHART_LENGTHS)}; got {length!r}")
    since_ms = call.floor.engine.now_ms - CHART_LENGTHS[length]
    view = call.floor.engine.ticker(call.contract().name)
    return {
        "current_interest": round((view and view.current_funding) or 0.0, RATE_DIGITS),
        "interest_8h": round((view and view.funding_8h) or 0.0, RATE_DIGITS),
        "data": [
            {
                "timestamp": each.at_ms,
                "index_price": round(each.index_price, USD_DIGITS),
                "interest_8h": round(each.interest_8h, RATE_DIGITS),
            }
            for each in minutes
            if each.at_ms >= since_ms
        ],
    }


def get_delivery_prices(call: Call) -> Json:
    """What an index was settled at, newest first."""
    known = list(call.floor.chronicle.deliveries.get(call.index_name(), ()))
    return {
        "records_total": len(known),
        "data": [
            {
                "date": datetime.fromtimestamp(each.at_ms / 1000, UTC).strftime("%Y-%m-%d"),
                "delivery_price": round(each.price, USD_DIGITS),
            }
            for each in offset_part(call, known, default=10, most=1_000)
        ],
    }


def get_last_settlements_by_currency(call: Call) -> Json:
    """Settlements and deliveries of a currency's contracts, newest first."""
    currency = call.currency()
    return _settlements(
        call,
        [
            each
            for each in call.floor.chronicle.settlements
            if currency in (None, each.contract.settlement_currency)
        ],
    )


def get_last_settlements_by_instrument(call: Call) -> Json:
    """Settlements of one contract, its delivery included, newest first."""
    name = call.params.text("instrument_name")
    known = call.floor.chronicle.settlements
    return _settlements(call, [each for each in known if each.contract.name == name])


def _settlements(call: Call, found: Sequence[Settled]) -> Json:
    since_ms = call.params.integer("search_start_timestamp", 0)
    word = settlement_type(call)
    wanted = [
        each
        for each in found
        if each.at_ms >= since_ms
        and word in (None, "delivery" if each.is_delivery else "settlement")
    ]
    part, rest = continued(call, wanted, default=20, most=1_000)
    return {
        "settlements": [views.settlement(each) for each in part],
        "continuation": NO_MORE if rest is None else str(rest),
    }


def settlement_type(call: Call) -> str | None:
    """The parameter `type`; None for all."""
    word = call.params.optional_text("type")
    if word is not None and word not in SETTLEMENT_TYPES:
        allowed = ", ".join(SETTLEMENT_TYPES)
        raise invalid_param("type", f"must be one of {allowed}; got {word!r}")
    return word
