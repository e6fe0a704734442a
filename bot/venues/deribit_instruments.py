"""Deribit's list of instruments into terms, from the raw rows that ccxt keeps in `market['info']`.

ccxt knows one tick a market and truncates amounts; Deribit's options have stepped ticks. So ticks
and lots are ours.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.core import units
from bot.core.events import BadMessage
from bot.core.instruments import Instrument, Kind, Settlement, TickStep
from bot.venues import deribit_translate as raw
from bot.venues.deribit_translate import MessageError

KINDS = ("option", "future")
SETTLEMENTS: Mapping[str, Settlement] = {
    "reversed": Settlement.INVERSE,
    "linear": Settlement.LINEAR,
}


def instruments(
    listed: Iterable[Mapping[str, Any]], currencies: Collection[str]
) -> tuple[tuple[Instrument, ...], tuple[BadMessage, ...]]:
    """Translate the tradable options, perpetuals and futures that settle in one of `currencies`.

    Combos, spot pairs and instruments that are no longer active are left out; a row that cannot be
    read is left out and reported.
    """
    read: list[Instrument] = []
    bad: list[BadMessage] = []
    for row in listed:
        if not is_wanted(row, currencies):
            continue
        try:
            read.append(instrument(row))
        except MessageError as error:
            reason = f"{row.get('instrument_name')!r}: {error}"
            bad.append(BadMessage(source="get_instruments", reason=reason))
    return tuple(sorted(read, key=lambda item: item.name)), tuple(bad)


def is_wanted(row: Mapping[str, Any], currencies: Collection[str]) -> bool:
    """Return whether a row is an active option, perpetual or future that settles in one of them."""
    return (
        row.get("settlement_currency") in currencies
        and row.get("kind") in KINDS
        and row.get("is_active", True) is not False
    )


def instrument(row: Mapping[str, Any]) -> Instrument:
    """Translate one row.

    Raises:
        MessageError: a term that an order or a valuation needs is missing or impossible.
    """
    kind = _kind(row)
    is_option = kind is Kind.OPTION
    size_min = raw.exact(row, "min_trade_amount")
    # The venue asks for whole contracts on futures; an option's contract is a coin, and its step
    # the minimum.
    lot = size_min if is_option else raw.exact(row, "contract_size")
    tick = raw.exact(row, "tick_size")
    if lot <= 0 or size_min <= 0 or tick <= 0:
        raise MessageError(f"lot {lot}, minimum {size_min}, tick {tick}")
    settlement = raw.text(row, "instrument_type")
    if settlement not in SETTLEMENTS:
        raise MessageError(f"instrument_type {settlement!r} is not known")
    return Instrument(
        name=raw.text(row, "instrument_name"),
        kind=kind,
        settlement=SETTLEMENTS[settlement],
        underlying=raw.text(row, "base_currency"),
        currency=raw.text(row, "settlement_currency"),
        lot=lot,
        size_min=size_min,
        tick_size=tick,
        tick_steps=tuple(_step(step) for step in raw.rows(row, "tick_size_steps")),
        maker_fee=_rate(row, "maker_commission"),
        taker_fee=_rate(row, "taker_commission"),
        expiry_ms=None if kind is Kind.PERPETUAL else raw.whole(row, "expiration_timestamp"),
        strike=_strike(row) if is_option else None,
        is_call=_is_call(row) if is_option else None,
        index_name=raw.optional_text(row, "price_index"),
    )


def _kind(row: Mapping[str, Any]) -> Kind:
    if row.get("kind") == "option":
        return Kind.OPTION
    return Kind.PERPETUAL if row.get("settlement_period") == "perpetual" else Kind.FUTURE


def _step(step: Mapping[str, Any]) -> TickStep:
    return TickStep(
        above_price=raw.exact(step, "above_price"), tick_size=raw.exact(step, "tick_size")
    )


def _rate(row: Mapping[str, Any], key: str) -> Decimal:
    return units.ZERO if row.get(key) is None else raw.exact(row, key)


def _strike(row: Mapping[str, Any]) -> float:
    strike = raw.price(row, "strike")
    if strike is None:
        raise MessageError(f"strike is {row.get('strike')!r}")
    return strike


def _is_call(row: Mapping[str, Any]) -> bool:
    option_type = raw.text(row, "option_type")
    if option_type not in {"call", "put"}:
        raise MessageError(f"option_type is {option_type!r}")
    return option_type == "call"
