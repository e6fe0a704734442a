"""What a book is, and which of the account's positions are in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np

from bot.core.columns import Flags, Floats, Held, OptionTable, Stamps
from bot.core.immutable import remembered_while
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """A book's live options: the same ones from `since_ms` until just before `until_ms`.

    `rows` of the table, and `pick`, which takes them out of a column: a slice where they lie side
    by side, which costs no copy. The columns are what is held of them.
    """

    rows: Stamps
    pick: slice | Stamps
    size: Floats
    strike: Floats
    expiry_ms: Stamps
    is_call: Flags
    since_ms: float
    until_ms: float


def members(table: OptionTable, book: BookPolicy, now_ms: int) -> Members:
    """Return the live options that belong to a book now."""
    return _members(book.name, now_ms, table.held, book)


@remembered_while
def _members(now_ms: int, held: Held, book: BookPolicy) -> Members:
    chosen, maybe = _named(held, book)
    left_ms = held.expiry_ms - now_ms
    least_ms, most_ms = _range_ms(book.selector)
    fits = maybe & (left_ms >= least_ms) & (left_ms < most_ms)
    rows = ((left_ms > 0) & (chosen | fits)).nonzero()[0]
    pick = slice(rows[0], rows[-1] + 1) if _side_by_side(rows) else rows
    since_ms, until_ms = _unchanged(held.expiry_ms, (1.0, least_ms, most_ms), now_ms)
    return Members(
        rows=rows,
        pick=pick,
        size=held.size[pick],
        strike=held.strike[pick],
        expiry_ms=held.expiry_ms[pick],
        is_call=held.is_call[pick],
        since_ms=since_ms,
        until_ms=until_ms,
    )


def _named(held: Held, book: BookPolicy) -> tuple[Flags, Flags]:
    """Return per row: chosen by name, and chosen if its expiry fits."""
    selector = book.selector
    wanted = Kind.OPTION in selector.kinds
    ours = np.array([currency == book.currency for currency in held.currencies], dtype=np.bool_)
    chosen = np.array([name in selector.include for name in held.names], dtype=np.bool_)
    maybe = np.array(
        [
            wanted and of == selector.underlying and name not in selector.exclude
            for name, of in zip(held.names, held.underlyings, strict=True)
        ],
        dtype=np.bool_,
    )
    return chosen & ours, maybe & ours


def _side_by_side(rows: Stamps) -> bool:
    return len(rows) > 0 and bool(rows[-1] - rows[0] == len(rows) - 1)


def _unchanged(expiry_ms: Stamps, bounds_ms: tuple[float, ...], now_ms: int) -> tuple[float, float]:
    """Return from when until when no option's time left crosses one of the bounds.

    Whole milliseconds are left, so an option falls below a bound just after it has the next whole
    number of them left.
    """
    falls_ms = [expiry_ms - math.ceil(one) + 1 for one in bounds_ms if math.isfinite(one)]
    changes_ms = np.concatenate(falls_ms)
    past, future = changes_ms[changes_ms <= now_ms], changes_ms[changes_ms > now_ms]
    since_ms = float(past.max()) if len(past) else -math.inf
    return since_ms, float(future.min()) if len(future) else math.inf


def _range_ms(selector: Selector) -> tuple[float, float]:
    """Return the least time left that is in the selector's range, and the first beyond it."""
    least, most = selector.expiry_min, selector.expiry_max
    return (
        -math.inf if least is None else least / timedelta(milliseconds=1),
        math.inf if most is None else most / timedelta(milliseconds=1),
    )


def holds(book: BookPolicy, instrument: Instrument, now_ms: int) -> bool:
    """Whether one instrument belongs to a book now."""
    selector = book.selector
    if instrument.currency != book.currency:
        return False
    if instrument.name in selector.include:
        return True
    if instrument.kind not in selector.kinds or instrument.underlying != selector.underlying:
        return False
    if instrument.name in selector.exclude:
        return False
    left_ms = (instrument.expiry_ms or FOREVER_MS) - now_ms
    least_ms, most_ms = _range_ms(selector)
    return least_ms <= left_ms < most_ms


def strays(
    positions: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    books: Sequence[BookPolicy],
    now_ms: int,
) -> frozenset[str]:
    """Name what is held, listed and not expired, but hedges no book and is in none."""
    hedges = {book.hedge_instrument for book in books}
    return frozenset(
        name
        for name in positions.keys() - hedges
        if name in instruments
        and (instruments[name].expiry_ms or FOREVER_MS) > now_ms
        and not any(holds(book, instruments[name], now_ms) for book in books)
    )
