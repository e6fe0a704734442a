"""What a book is, and which of the account's positions are in it."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np

from bot.core.columns import Flags, OptionTable, Stamps
from bot.core.instruments import Instrument, Kind
from bot.quant.conventions import Convention

FOREVER_MS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which of the account's positions belong to a book.

    A position belongs if its name is in `include`, or if all other conditions hold and it is not in
    `exclude`. `expiry_min` and `expiry_max` bound the time left to expiry (from `expiry_min` on, up
    to but not at `expiry_max`).
    """

    underlying: str
    kinds: frozenset[Kind] = frozenset({Kind.OPTION})
    expiry_min: timedelta | None = None
    expiry_max: timedelta | None = None
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPolicy:
    """A book: what is in it, which equity must not move, what it is hedged with.

    Only positions that settle in `currency`, the hedge instrument's own, are in it: money of
    another currency is another account's. `collateral_share` is the part of that account's equity
    that the book answers for (`usd` of inverse books, `coin` of linear ones). `elasticity` is the
    relative move of a forward over that of the spot: 1 while the basis keeps its proportion.
    """

    name: str
    selector: Selector
    convention: Convention
    hedge_instrument: str
    currency: str
    collateral_share: float = 1.0
    elasticity: float = 1.0


@lru_cache(maxsize=256)
def _named_rows(
    names: tuple[str, ...],
    underlyings: tuple[str, ...],
    currencies: tuple[str, ...],
    book: BookPolicy,
) -> tuple[Flags, Flags]:
    """Return per row: chosen by name, and chosen if its expiry fits."""
    selector = book.selector
    wanted = Kind.OPTION in selector.kinds
    ours = np.array([currency == book.currency for currency in currencies], dtype=np.bool_)
    chosen = np.array([name in selector.include for name in names], dtype=np.bool_)
    maybe = np.array(
        [
            wanted and of == selector.underlying and name not in selector.exclude
            for name, of in zip(names, underlyings, strict=True)
        ],
        dtype=np.bool_,
    )
    return chosen & ours, maybe & ours


def _in_range(maybe: Flags, left_ms: Stamps, selector: Selector) -> Flags:
    """Return those of `maybe` whose time left is in the selector's range."""
    if selector.expiry_min is not None:
        maybe = maybe & (left_ms >= selector.expiry_min / timedelta(milliseconds=1))
    if selector.expiry_max is not None:
        maybe = maybe & (left_ms < selector.expiry_max / timedelta(milliseconds=1))
    return maybe


def members(table: OptionTable, book: BookPolicy, now_ms: int) -> Stamps:
    """Return the rows of the live options that belong to a book now."""
    chosen, maybe = _named_rows(table.names, table.underlyings, table.currencies, book)
    left_ms = table.expiry_ms - now_ms
    fits = _in_range(maybe, left_ms, book.selector)
    return ((left_ms > 0) & (chosen | fits)).nonzero()[0]


def holds(book: BookPolicy, instrument: Instrument, now_ms: int) -> bool:
    """Whether one instrument belongs to a book now."""
    selector = book.selector
    if instrument.currency != book.currency:
        return False
    if instrument.name in selector.include:
        return True
    if instrument.kind not in selector.kinds or instrument.underlying != selector.underlying:
        return False
    left_ms = np.array([(instrument.expiry_ms or FOREVER_MS) - now_ms], dtype=np.int64)
    maybe = np.array([instrument.name not in selector.exclude], dtype=np.bool_)
    return bool(_in_range(maybe, left_ms, selector)[0])
