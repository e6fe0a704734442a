"""Deribit's raw messages into facts: plain functions, no state, no clock.

Fields are taken straight from the decoded frame; ccxt's parsed structures lose some and misread
others. Sizes are native (USD for inverse perpetuals and futures, coins for options) and signed. A
message that does not say what it must say raises `MessageError`; nothing is ever guessed.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import inf
from types import MappingProxyType
from typing import Any, TypeVar

from bot.core import units
from bot.core.events import (
    BadMessage,
    BalanceSeen,
    Fact,
    FillCause,
    FillSeen,
    OrderSeen,
    PositionRow,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)

RowT = TypeVar("RowT")

STATUSES: Mapping[str, VenueStatus] = MappingProxyType(
    {
        "open": VenueStatus.OPEN,
        "untriggered": VenueStatus.OPEN,
        "triggered": VenueStatus.OPEN,
        "filled": VenueStatus.FILLED,
        "cancelled": VenueStatus.CANCELLED,
        "rejected": VenueStatus.REJECTED,
    }
)
SIGNS: Mapping[str, int] = MappingProxyType({"buy": 1, "sell": -1})


class MessageError(ValueError):
    """A message does not say what it must say."""


def quote(data: Mapping[str, Any], arrived_ns: int) -> QuoteSeen:
    """Translate the data of a `ticker.*` frame or of `public/ticker`.

    A price that is missing, zero or negative is None, and so are both sides of a book that is not
    open. Only the mark of an option that has a volatility may be zero: the venue rounds it to the
    tick, which leaves nothing of a far option in its last hours.

    Raises:
        MessageError: no instrument, no timestamp, or something that is not a number where a price
            belongs.
    """
    is_open = data.get("state", "open") == "open"
    iv_percent = price(data, "mark_iv")
    return QuoteSeen(
        instrument=text(data, "instrument_name"),
        venue_ms=whole(data, "timestamp"),
        arrived_ns=arrived_ns,
        bid=price(data, "best_bid_price") if is_open else None,
        ask=price(data, "best_ask_price") if is_open else None,
        mark=0.0 if iv_percent and data.get("mark_price") == 0 else price(data, "mark_price"),
        index_usd=price(data, "index_price"),
        bid_size_native=price(data, "best_bid_amount"),
        ask_size_native=price(data, "best_ask_amount"),
        forward_usd=price(data, "underlying_price"),
        iv=None if iv_percent is None else iv_percent / 100.0,
        funding_8h=figure_or_none(data, "funding_8h"),
    )


def order(data: Mapping[str, Any], arrived_ns: int) -> OrderSeen:
    """Translate an order object, as answers, lists and pushes carry it.

    Raises:
        MessageError: an identity, a direction, a size or a known state is missing.
    """
    state = text(data, "order_state")
    if state not in STATUSES:
        raise MessageError(f"order_state {state!r} is not known")
    sign = _sign(data)
    amount = exact(data, "amount")
    # Only an order that waits for its trigger comes without this figure.
    is_waiting = state == "untriggered" and data.get("filled_amount") is None
    filled = units.ZERO if is_waiting else exact(data, "filled_amount")
    if amount <= 0 or not 0 <= filled <= amount:
        raise MessageError(f"amount {amount} with filled_amount {filled}")
    return OrderSeen(
        order_id=optional_text(data, "label"),
        venue_order_id=text(data, "order_id"),
        instrument=text(data, "instrument_name"),
        status=STATUSES[state],
        size_native=sign * amount,
        filled_native=sign * filled if filled else units.ZERO,
        reason=optional_text(data, "reject_reason") or optional_text(data, "cancel_reason"),
        venue_ms=whole_or_none(data, "last_update_timestamp"),
        arrived_ns=arrived_ns,
    )


def fill(data: Mapping[str, Any], arrived_ns: int) -> FillSeen:
    """Translate one trade of the account.

    It counts as a liquidation only if it was our side that the venue was liquidating.

    Raises:
        MessageError: an identity, a direction, an amount, a price or a fee is missing.
    """
    amount = exact(data, "amount")
    paid = price(data, "price")
    if amount <= 0 or paid is None:
        raise MessageError(f"amount {amount} at price {data.get('price')!r}")
    liquidity = optional_text(data, "liquidity")
    liquidated = optional_text(data, "liquidation")
    is_ours = bool(liquidity) and liquidity in liquidated
    return FillSeen(
        trade_id=identity(data, "trade_id"),
        order_id=optional_text(data, "label"),
        venue_order_id=identity(data, "order_id"),
        instrument=text(data, "instrument_name"),
        size_native=_sign(data) * amount,
        price=paid,
        fee=figure(data, "fee"),
        is_maker=liquidity == "M",
        cause=FillCause.LIQUIDATION if is_ours else FillCause.TRADE,
        venue_ms=whole(data, "timestamp"),
        arrived_ns=arrived_ns,
    )


def position(data: Mapping[str, Any]) -> PositionRow:
    """Translate one position. Its size carries its own sign, and the direction must agree.

    Raises:
        MessageError: a name or size is missing, or size and direction disagree.
    """
    size = exact(data, "size")
    if size * SIGNS.get(optional_text(data, "direction"), 0) < 0:
        raise MessageError(f"size {size} with direction {data.get('direction')!r}")
    return PositionRow(
        instrument=text(data, "instrument_name"),
        size_native=size,
        average_price=figure(data, "average_price"),
        realized_funding_coin=figure_or_none(data, "realized_funding"),
    )


def balance(data: Mapping[str, Any], arrived_ns: int) -> BalanceSeen:
    """Translate a `user.portfolio.*` frame or one account summary; neither carries a time.

    `delta_total` is passed on as the venue states it: the sum over the positions of Black delta
    less mark, which is what keeps equity flat in coin once equity itself is added.
    `delta_total_map` is passed on too: Black deltas, by price index.

    Raises:
        MessageError: a figure that the margin gate needs is missing.
    """
    return BalanceSeen(
        currency=text(data, "currency").upper(),
        equity=figure(data, "equity"),
        margin_balance=figure(data, "margin_balance"),
        available_funds=figure(data, "available_funds"),
        initial_margin=figure(data, "initial_margin"),
        maintenance_margin=figure(data, "maintenance_margin"),
        delta_total_coin=figure_or_none(data, "delta_total"),
        delta_total_map=figures(data, "delta_total_map"),
        arrived_ns=arrived_ns,
    )


def changes(data: Mapping[str, Any], arrived_ns: int) -> tuple[Fact, ...]:
    """Translate a `user.changes.*` frame: fills first, then orders, then changed positions.

    A row that cannot be read becomes a `BadMessage` beside the rows that can. The positions carry
    no time of their own: theirs is the latest of the trades and orders that changed them.
    """
    facts: list[Fact] = []
    facts += each(rows(data, "trades"), arrived(fill, arrived_ns), "user.changes trade")
    facts += each(rows(data, "orders"), arrived(order, arrived_ns), "user.changes order")
    told = [fact for fact in facts if isinstance(fact, FillSeen | OrderSeen)]
    stamps = [fact.venue_ms for fact in told if fact.venue_ms is not None]
    raw = rows(data, "positions" if data.get("positions") is not None else "position")
    read = each(raw, position, "user.changes position")
    facts += [row for row in read if isinstance(row, BadMessage)]
    changed = tuple(row for row in read if isinstance(row, PositionRow))
    if changed:
        facts.append(
            PositionsSeen(
                positions=changed,
                complete=False,
                asked_ns=None,
                arrived_ns=arrived_ns,
                venue_ms=max(stamps, default=None),
            )
        )
    return tuple(facts)


def placed(result: Any, arrived_ns: int) -> tuple[Fact, ...]:
    """Translate the result of `private/buy` or `private/sell`: fills first, then the order.

    Raises:
        MessageError: it is not such a result, whole and readable.
    """
    if not isinstance(result, dict) or not isinstance(result.get("order"), dict):
        raise MessageError(f"no order in {result!r:.200}")
    seen = order(result["order"], arrived_ns)
    return (*(fill(trade, arrived_ns) for trade in rows(result, "trades")), seen)


def pushed(channel: str, data: Any, arrived_ns: int) -> tuple[Fact, ...]:
    """Translate the data of one subscription frame; what cannot be read becomes a `BadMessage`."""
    try:
        if channel.startswith("ticker."):
            return (quote(data, arrived_ns),)
        if channel.startswith("user.changes."):
            return changes(data, arrived_ns)
        if channel.startswith("user.portfolio."):
            return (balance(data, arrived_ns),)
    except (MessageError, AttributeError) as error:
        return (BadMessage(source=channel, reason=f"{error}"),)
    return (BadMessage(source=channel, reason="not a channel that was asked for"),)


def each(
    raw: Iterable[Mapping[str, Any]], translate: Callable[[Mapping[str, Any]], RowT], source: str
) -> list[RowT | BadMessage]:
    """Translate rows one by one; a row that cannot be read becomes a `BadMessage` in its place."""
    read: list[RowT | BadMessage] = []
    for row in raw:
        try:
            read.append(translate(row))
        except (MessageError, AttributeError) as error:
            read.append(BadMessage(source=source, reason=f"{error}"))
    return read


def arrived(
    translate: Callable[[Mapping[str, Any], int], RowT], arrived_ns: int
) -> Callable[[Mapping[str, Any]], RowT]:
    """Return a row's translator that knows when the row's frame arrived."""
    return lambda row: translate(row, arrived_ns)


# ------------------------------------------------------------------------------------ fields


def rows(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; a missing key or null is an empty list, as the venue uses it.

    Raises:
        MessageError: something other than a list of objects (a single object counts as a list of
            one).
    """
    value = data.get(key)
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MessageError(f"{key} is not a list of objects: {value!r:.200}")
    return value


def text(data: Mapping[str, Any], key: str) -> str:
    """Return a text that must be there and not be empty."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise MessageError(f"{key} is {value!r}")
    return value


def identity(data: Mapping[str, Any], key: str) -> str:
    """Return an id, which older messages carry as a number."""
    value = data.get(key)
    return str(value) if type(value) is int else text(data, key)


def optional_text(data: Mapping[str, Any], key: str) -> str:
    """Return a text, or an empty one if there is none."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def whole(data: Mapping[str, Any], key: str) -> int:
    """Return an integer that must be there."""
    value = data.get(key)
    if type(value) is not int:
        raise MessageError(f"{key} is {value!r}")
    return value


def whole_or_none(data: Mapping[str, Any], key: str) -> int | None:
    """Return an integer, or None if it is missing or null.

    Raises:
        MessageError: a value that is neither an integer nor null.
    """
    return None if data.get(key) is None else whole(data, key)


def price(data: Mapping[str, Any], key: str) -> float | None:
    """Return a positive finite number, or None if there is none.

    Raises:
        MessageError: a value that is neither a number nor null.
    """
    value = data.get(key)
    if type(value) is float:
        return value if 0.0 < value < inf else None
    if type(value) is int:
        return float(value) if value > 0 else None
    if value is None:
        return None
    raise MessageError(f"{key} is {value!r}")


def figure(data: Mapping[str, Any], key: str) -> float:
    """Return a finite number of any sign that must be there."""
    value = figure_or_none(data, key)
    if value is None:
        raise MessageError(f"{key} is {data.get(key)!r}")
    return value


def figure_or_none(data: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number of any sign, or None if it is missing or null.

    Raises:
        MessageError: a value that is neither a finite number nor null.
    """
    value = data.get(key)
    if value is None:
        return None
    if type(value) not in (float, int) or not -inf < value < inf:
        raise MessageError(f"{key} is {value!r}")
    return float(value)


def figures(data: Mapping[str, Any], key: str) -> dict[str, float]:
    """Return finite numbers by name; a missing map, or null, is an empty one.

    Raises:
        MessageError: something other than an object of finite numbers.
    """
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(f"{key} is {value!r:.200}")
    return {name: figure(value, name) for name in value}


def exact(data: Mapping[str, Any], key: str) -> Decimal:
    """Return a finite number that must be there as the decimal that the venue wrote."""
    value = data.get(key)
    if type(value) is int:
        return Decimal(value)
    if type(value) is not float or not -inf < value < inf:
        raise MessageError(f"{key} is {value!r}")
    return Decimal(int(value)) if value.is_integer() else units.exact(value)


def _sign(data: Mapping[str, Any]) -> int:
    sign = SIGNS.get(optional_text(data, "direction"))
    if sign is None:
        raise MessageError(f"direction is {data.get('direction')!r}")
    return sign
