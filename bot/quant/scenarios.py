"""A book of options revalued over a grid: spot moves x volatility shocks x times, in one pass.

At a node every forward is F (1 + move), every volatility max(vol * scale + plus, least), and
`passed` years are gone. A smile moves with the forward only as far as the shocks say: volatilities
stay with their options. Figures are sums over the options of an expiry:

| figure | inverse option                    | linear option                      |
|--------|-----------------------------------|------------------------------------|
| profit | coins: q (C'/F' - C/F)            | quote currency: q (C' - C)         |
| delta  | net, coins: q (D' - C'/F')        | coins: q df D'                     |
| gamma  | q df n(d1) / (F' x)               | the same                           |
| vega   | quote currency per 1.00 of vol    | the same                           |

Futures and perpetuals need no kernel: `future_profit`. Sources: the scenario grids of Deribit's and
Derive's portfolio margin, of which this is the common part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LANES: Final = 16  # doubles in two of the widest vectors: expiries are padded to whole pairs
DAYS_PER_YEAR: Final = 365.0
TERM_DAYS: Final = 30.0  # where a volatility shock has its nominal size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holdings:
    """Options held, one row each; arrays of shape (n,), in any order.

    `size` is signed, in coins; `forward` and `strike` in quote currency; `years` to expiry, alike
    for all options of one `expiry`, which is any label (a time stamp, say); `vol` a decimal.
    """

    size: FloatArray
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    vol: FloatArray
    discount: FloatArray
    expiry: NDArray[np.int64]
    is_call: BoolArray
    is_inverse: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class VolShock:
    """How volatilities move: vol' = max(vol (1 + relative k) + plus, least), k = (30/days)**power.

    `relative` and `plus` are decimals (0.40 = 40 % of itself, 0.05 = 5 points). `power_short` holds
    below 30 days to expiry and `power_long` from there on; 0 moves all expiries alike. Days are
    never taken as fewer than `days_min`.
    """

    relative: float = 0.0
    plus: float = 0.0
    least: float = 0.0
    power_short: float = 0.0
    power_long: float = 0.0
    days_min: float = 1.0

    def scale(self, days: FloatArray) -> FloatArray:
        """What a volatility is multiplied by, at so many days to expiry; never negative."""
        held = np.maximum(days, self.days_min)
        power = np.where(held < TERM_DAYS, self.power_short, self.power_long)
        scaled: FloatArray = np.maximum(1.0 + self.relative * (TERM_DAYS / held) ** power, 0.0)
        return scaled


UNMOVED: Final = VolShock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """Figures of shape (times, vols, moves, expiries); `expiries` are the holdings' labels, sorted.

    Sum over the last axis for the whole book, where its options settle in one currency.
    """

    expiries: NDArray[np.int64]
    profit: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Holdings sorted by expiry and padded to whole vectors: what does not depend on the grid."""

    expiries: NDArray[np.int64]
    years: FloatArray
    book: FloatArray
    flags: BoolArray
    edges: NDArray[np.uint64]
    node: FloatArray
    known: FloatArray


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import scenarios_kernels

    scratch = (Argument.ROWS, Argument.ROWS)
    book = (Argument.TABLE, Argument.FLAG_TABLE, Argument.INDICES)
    grid = (Argument.TABLE, Argument.INPUT, Argument.CUBE)
    return compile_kernel(scenarios_kernels.grid_rows, (Argument.SURFACE, *scratch, *book, *grid))


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: seconds once."""
    _kernel()


def prepare(held: Holdings) -> Prepared:
    """Sort and pad holdings; the result serves any number of grids.

    Raises:
        ValueError: options of one expiry have different times left.
    """
    expiries, first, column, count = np.unique(
        held.expiry, return_index=True, return_inverse=True, return_counts=True
    )
    years = held.years[first]
    if not np.array_equal(years[column], held.years):
        raise ValueError("options of one expiry must have the same years to expiry")
    widths = (count + LANES - 1) // LANES * LANES
    edges = np.concatenate(([0], np.cumsum(widths)))
    order = np.argsort(column, kind="stable")
    rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    place = edges[column[order]] + rank
    book = np.ones((5, int(edges[-1])))  # the padding is worth a size of nothing
    book[0] = 0.0
    columns = (held.size, held.forward, held.strike, held.vol, held.discount)
    for row, values in enumerate(columns):
        book[row, place] = values[order]
    flags = np.zeros((2, book.shape[1]), dtype=np.bool_)
    flags[0, place], flags[1, place] = held.is_call[order], held.is_inverse[order]
    node, known = np.empty((4, book.shape[1])), np.empty((2, book.shape[1]))
    return Prepared(expiries, years, book, flags, edges.astype(np.uint64), node, known)


def revalue(
    held: Holdings | Prepared,
    moves: ArrayLike,
    vols: tuple[VolShock, ...] = (UNMOVED,),
    passed_years: ArrayLike = (0.0,),
) -> Surface:
    """The book at every node of `passed_years` x `vols` x `moves`.

    `moves` are fractions above -1 (-0.15 = down 15 %). A `Prepared` book holds scratch: revalue it
    from one thread at a time. After its expiry an option is worth its intrinsic value.

    Raises:
        ValueError: a move leaves no price, or time runs backwards.
    """
    book = held if isinstance(held, Prepared) else prepare(held)
    steps = np.atleast_1d(np.asarray(moves, dtype=np.float64))
    passed = np.atleast_1d(np.asarray(passed_years, dtype=np.float64))
    if not (steps > -1.0).all():
        raise ValueError(f"a move of {steps.min():+.0%} leaves no price: it must be above -100 %")
    if not (passed >= 0.0).all():
        raise ValueError("passed_years must not be negative")
    times = np.concatenate(([0.0], passed))
    roots = np.sqrt(np.maximum(book.years - times[:, None], 0.0))
    days = book.years * DAYS_PER_YEAR
    shocks = np.empty((3, len(vols), len(book.years)))
    for at, shock in enumerate(vols):
        shocks[0, at], shocks[1, at], shocks[2, at] = shock.scale(days), shock.plus, shock.least
    out = np.empty((4, len(passed), len(vols), len(steps), len(book.years)))
    _kernel()(out, book.node, book.known, book.book, book.flags, book.edges, roots, steps, shocks)
    return Surface(expiries=book.expiries, profit=out[0], delta=out[1], gamma=out[2], vega=out[3])


def future_profit(size_coin: ArrayLike, moves: ArrayLike, *, is_inverse: bool) -> FloatArray:
    """Profit of futures or perpetuals worth `size_coin` (signed) at their mark, by move.

    Inverse, in coins: q (1 - 1/(1 + m)). Linear, in coins of today's price: q m; times the mark
    that is quote currency. Shapes broadcast.
    """
    size, move = np.asarray(size_coin, dtype=np.float64), np.asarray(moves, dtype=np.float64)
    profit: FloatArray = size * move / (1.0 + move) if is_inverse else size * move
    return profit
