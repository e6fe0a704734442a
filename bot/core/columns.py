"""The account's options as columns: one immutable numpy array per field, one row per option held.

A quote changes one entry of a few columns, so a burst of quotes costs one copy per column, not one
object per option.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.core.events import QuoteSeen
from bot.core.immutable import succeeded
from bot.core.instruments import Instrument, Settlement

Floats = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NEVER_NS = -(2**62)

# The rows of `OptionTable.quoted`.
FORWARD, IV, MARK, INDEX = range(4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Which options are held, and their terms; what no quote changes.

    Arrays of shape (rows,), read-only. `size` is signed, in coins. `rows` finds a name's row;
    `settling` holds the rows by settlement currency and, in that, by price index.
    """

    names: tuple[str, ...]
    underlyings: tuple[str, ...]
    currencies: tuple[str, ...]
    rows: Mapping[str, int]
    size: Floats
    strike: Floats
    expiry_ms: Stamps
    is_call: Flags
    is_linear: Flags
    has_linear: bool
    settling: Mapping[str, Mapping[str, Stamps]]

    def settling_in(self, currency: str) -> Stamps:
        """Return the rows that settle in a currency."""
        return np.concatenate([NO_ROWS, *self.settling.get(currency, {}).values()])


@dataclass(frozen=True, kw_only=True, eq=False)
class OptionTable:
    """Options held, one row each; columns have shape (rows,) and are read-only.

    `forward_usd`, `iv` (decimal), `mark` (price unit) and `index_usd` come from the last good quote
    and are NaN before the first: they lie in `quoted`, of shape (4, rows), so that a quote costs
    one copy. `quoted_ns` is its arrival on the wire clock. `discount` is 1 for inverse options; for
    linear ones it is what `discounts` learned at `learned_ns`, NaN before; `is_learned` says that
    no quoted row lacks it. No slots, for `succeeded`'s sake.
    """

    held: Held
    quoted: Floats
    quoted_ns: Stamps
    discount: Floats
    is_learned: bool = True
    learned_ns: int = NEVER_NS

    @property
    def forward_usd(self) -> Floats:
        """The forward of each option's own expiry."""
        column: Floats = self.quoted[FORWARD]
        return column

    @property
    def iv(self) -> Floats:
        """Volatility, a decimal."""
        column: Floats = self.quoted[IV]
        return column

    @property
    def mark(self) -> Floats:
        """The venue's mark, in the price unit: coins, or dollars of a linear option."""
        column: Floats = self.quoted[MARK]
        return column

    @property
    def index_usd(self) -> Floats:
        """The index that came with the quote."""
        column: Floats = self.quoted[INDEX]
        return column


def _floats(values: Sequence[float]) -> Floats:
    column = np.array(values, dtype=np.float64)
    column.setflags(write=False)
    return column


def _stamps(values: Sequence[int]) -> Stamps:
    column = np.array(values, dtype=np.int64)
    column.setflags(write=False)
    return column


def _flags(values: Sequence[bool]) -> Flags:
    column = np.array(values, dtype=np.bool_)
    column.setflags(write=False)
    return column


NO_ROWS = _stamps(())


def _settling(held: Sequence[Instrument]) -> Mapping[str, Mapping[str, Stamps]]:
    found: dict[str, dict[str, list[int]]] = {}
    for row, terms in enumerate(held):
        found.setdefault(terms.currency, {}).setdefault(terms.index_name, []).append(row)
    return {
        currency: {index: _stamps(rows) for index, rows in sorted(by_index.items())}
        for currency, by_index in found.items()
    }


def table_of(
    held: Sequence[tuple[Instrument, float]], quotes: Mapping[str, QuoteSeen]
) -> OptionTable:
    """Build the table of `held` options (terms, signed coins), with the last good quote of each."""
    names = tuple(instrument.name for instrument, _ in held)
    linear = [instrument.settlement is Settlement.LINEAR for instrument, _ in held]
    terms = Held(
        names=names,
        underlyings=tuple(instrument.underlying for instrument, _ in held),
        currencies=tuple(instrument.currency for instrument, _ in held),
        rows={name: row for row, name in enumerate(names)},
        size=_floats([size for _, size in held]),
        strike=_floats([instrument.strike or np.nan for instrument, _ in held]),
        expiry_ms=_stamps([instrument.expiry_ms or 0 for instrument, _ in held]),
        is_call=_flags([bool(instrument.is_call) for instrument, _ in held]),
        is_linear=_flags(linear),
        has_linear=any(linear),
        settling=_settling([instrument for instrument, _ in held]),
    )
    blank = np.full((4, len(held)), np.nan)
    blank.setflags(write=False)
    table = OptionTable(
        held=terms,
        quoted=blank,
        quoted_ns=_stamps([NEVER_NS] * len(held)),
        discount=_floats([np.nan if one else 1.0 for one in linear]),
    )
    return requoted(table, [quotes[name] for name in names if name in quotes])


def requoted(table: OptionTable, quotes: Sequence[QuoteSeen]) -> OptionTable:
    """Put good quotes into the table.

    One copy of the quoted columns, however many quotes there are.
    """
    places = table.held.rows
    told = [(places[quote.instrument], quote) for quote in quotes if quote.instrument in places]
    if not told:
        return table
    quoted, quoted_ns = table.quoted.copy(), table.quoted_ns.copy()
    for row, quote in told:
        # One by one: numpy takes three times as long to make an array of four numbers.
        quoted[FORWARD, row] = math.nan if quote.forward_usd is None else quote.forward_usd
        quoted[IV, row] = math.nan if quote.iv is None else quote.iv
        quoted[MARK, row] = math.nan if quote.mark is None else quote.mark
        quoted[INDEX, row] = math.nan if quote.index_usd is None else quote.index_usd
        quoted_ns[row] = quote.arrived_ns
    quoted.setflags(write=False)
    quoted_ns.setflags(write=False)
    learned = table.is_learned
    if table.held.has_linear:
        learned = learned and not any(math.isnan(table.discount[row]) for row, _ in told)
    return succeeded(table, quoted=quoted, quoted_ns=quoted_ns, is_learned=learned)


EMPTY_TABLE = table_of((), {})
