"""Which part of an account a daemon answers for: what settles in its currencies, nothing else.

The venue pushes and lists all that the account holds. A position in a currency that the
configuration does not name belongs to somebody else, so no fact may speak of it: neither a push nor
an answer, or the two would disagree. What has a name that says no currency is passed on.
"""

from dataclasses import replace

from bot.core.events import Fact, FillSeen, OpenOrdersSeen, OrderSeen, PositionsSeen
from bot.venues import deribit_names


def within(fact: Fact, currencies: frozenset[str]) -> Fact | None:
    """Return a fact without what settles elsewhere, or None if nothing of it is left."""
    match fact:
        case FillSeen() | OrderSeen():
            return fact if covers(fact.instrument, currencies) else None
        case PositionsSeen():
            rows = tuple(row for row in fact.positions if covers(row.instrument, currencies))
            if len(rows) == len(fact.positions):
                return fact
            return replace(fact, positions=rows) if rows or fact.complete else None
        case OpenOrdersSeen():
            orders = tuple(row for row in fact.orders if covers(row.instrument, currencies))
            return fact if len(orders) == len(fact.orders) else replace(fact, orders=orders)
        case _:
            return fact


def covers(instrument: str, currencies: frozenset[str]) -> bool:
    """Return whether an instrument settles in one of the currencies, as far as its name says."""
    currency = deribit_names.currency_of(instrument)
    return currency is None or currency in currencies
