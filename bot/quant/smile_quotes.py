"""Option quotes as columns, and which of them say something about volatility.

Of each strike the out-of-the-money side is used: by parity the other says the same with less
accuracy. What is left out is counted by the first rule that it breaks, in the order of `Drop`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.black76 import greeks
from bot.quant.compiled import truths
from bot.quant.implied_vol import implied_vol
from bot.quant.svi_fit import K_MAX, VOL_MAX, VOL_MIN, YEARS_MAX, YEARS_MIN

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

MARK_OFF_HALF_SPREADS_MAX = 3.0
MARK_OFF_SHARE_MAX = 0.05  # of volatility
REACH_OF_LINE_MAX = 4.0  # beyond its two strikes, in their distance: farther it says nothing
# Neighbours, by their place from here, whose line says what to expect.
LINES = ((-1, 1), (-2, 2), (-2, -1), (1, 2), (-3, -2), (2, 3))
LINES_FOR_TWO = 4


class Drop(IntEnum):
    """Why a quote is not used."""

    MEANINGLESS = 1  # strike, forward or years are not positive, or beyond the bounds of `svi_fit`
    STALE = 2  # older than the policy allows
    IN_THE_MONEY = 3
    MISSING = 4  # no side is quoted at a price that has a volatility within those bounds
    ONE_SIDED = 5
    CROSSED = 6  # bid above ask
    WIDE = 7  # spread over the policy's share of the mid price: says little, and that skewed
    WILD = 8  # the mark far outside of bid and ask, or volatility far from that of its neighbours
    THIN = 9  # good, but too few of its expiry are


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePolicy:
    """Which quotes to believe.

    `wild_share_max` is how far, relative to it, volatility may be from what the nearest strikes
    suggest. `marks_suffice` uses a mark where no side, or one only, is quoted.
    """

    age_seconds_max: float = 60.0
    spread_share_max: float = 0.5
    wild_share_max: float = 0.2
    marks_suffice: bool = False
    expiry_quotes_min: int = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quotes:
    """Columns of equal length; volatilities per square root of a year, nan where there is none.

    Quotes of one expiry have the same `years`, to the bit; `forward` is that of the expiry.
    """

    strike: FloatArray
    years: FloatArray
    forward: FloatArray
    is_call: BoolArray
    bid_vol: FloatArray
    ask_vol: FloatArray
    mark_vol: FloatArray
    age_seconds: FloatArray

    @classmethod
    def of(
        cls,
        *,
        strike: ArrayLike,
        years: ArrayLike,
        forward: ArrayLike,
        is_call: ArrayLike,
        bid_vol: ArrayLike = np.nan,
        ask_vol: ArrayLike = np.nan,
        mark_vol: ArrayLike = np.nan,
        age_seconds: ArrayLike = 0.0,
    ) -> Self:
        """Columns broadcast against each other.

        Raises:
            ValueError: they do not fit together.
            TypeError: `is_call` is words or objects: "put" is true as well.
        """
        numbers = (strike, years, forward, bid_vol, ask_vol, mark_vol, age_seconds)
        flags = np.atleast_1d(truths(np.asarray(is_call)))
        *columns, calls = np.broadcast_arrays(
            *(np.asarray(number, dtype=np.float64) for number in numbers), flags
        )
        k, t, f, bid, ask, mark, age = columns
        return cls(
            strike=k, years=t, forward=f, is_call=calls, bid_vol=bid, ask_vol=ask, mark_vol=mark,
            age_seconds=age,
        )  # fmt: skip

    @classmethod
    def of_prices(
        cls,
        *,
        strike: ArrayLike,
        years: ArrayLike,
        forward: ArrayLike,
        is_call: ArrayLike,
        bid: ArrayLike = np.nan,
        ask: ArrayLike = np.nan,
        mark: ArrayLike = np.nan,
        mark_vol: ArrayLike = np.nan,
        discount: ArrayLike = 1.0,
        in_coin: bool = False,
        age_seconds: ArrayLike = 0.0,
    ) -> Self:
        """The same from prices: in quote currency per coin, or in coin for inverse options.

        A price of 0 is no quote. `mark_vol` is taken where it is known, else implied by `mark`.
        """
        unit = np.asarray(forward, dtype=np.float64) if in_coin else 1.0

        def implied(price: ArrayLike) -> FloatArray:
            value = np.asarray(price, dtype=np.float64)
            paid = np.where(value > 0.0, value, np.nan) * unit
            return implied_vol(paid, forward, strike, years, is_call, discount)

        known = np.asarray(mark_vol, dtype=np.float64)
        return cls.of(
            strike=strike,
            years=years,
            forward=forward,
            is_call=is_call,
            bid_vol=implied(bid),
            ask_vol=implied(ask),
            mark_vol=known if np.all(np.isfinite(known)) else _first_known(known, implied(mark)),
            age_seconds=age_seconds,
        )


def _first_known(first: FloatArray, second: FloatArray) -> FloatArray:
    return np.where(np.isfinite(first), first, second)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """The quotes used, by expiry and strike, with a verdict on every quote given.

    `at` are their places in the columns; `vol` is the mark, or the mid where there is none; `half`
    is half the spread in volatility, nan for a mark without one. `verdict` holds 0 for a quote
    used, else a `Drop`.
    """

    at: IntArray
    vol: FloatArray
    half: FloatArray
    verdict: IntArray

    def dropped(self, among: BoolArray) -> Mapping[Drop, int]:
        """How many of the quotes marked were left out, by reason; reasons that occur only."""
        counts = np.bincount(self.verdict[among], minlength=len(Drop) + 1)
        return MappingProxyType({reason: int(counts[reason]) for reason in Drop if counts[reason]})


def choose(quotes: Quotes, policy: QuotePolicy) -> Chosen:
    """Judge every quote."""
    bid, ask, mark = map(_believable, (quotes.bid_vol, quotes.ask_vol, quotes.mark_vol))
    has_bid, has_ask, has_mark = map(np.isfinite, (bid, ask, mark))
    two_sided = has_bid & has_ask
    half = np.where(two_sided, 0.5 * (ask - bid), np.nan)
    mid = np.where(two_sided, 0.5 * (ask + bid), np.nan)
    vol = np.where(has_mark, mark, mid)
    by_mark = has_mark & policy.marks_suffice
    sane = _has_meaning(quotes)
    allowed = MARK_OFF_HALF_SPREADS_MAX * half + MARK_OFF_SHARE_MAX * mid
    rules = (
        (Drop.MEANINGLESS, ~sane),
        (Drop.STALE, ~(quotes.age_seconds <= policy.age_seconds_max)),
        (Drop.IN_THE_MONEY, quotes.is_call != (quotes.strike >= quotes.forward)),
        (Drop.MISSING, ~(has_bid | has_ask | by_mark)),
        (Drop.ONE_SIDED, ~(two_sided | by_mark)),
        (Drop.CROSSED, half < 0.0),
        (Drop.WIDE, _is_wide(quotes, sane & two_sided & ~by_mark, policy)),
        (Drop.WILD, two_sided & has_mark & ~(np.abs(vol - mid) <= allowed)),
    )
    verdict = np.zeros(vol.size, dtype=np.int64)
    for reason, applies in rules:
        verdict[(verdict == 0) & applies] = reason
    _drop_outliers(verdict, quotes, vol, policy)
    at = _in_order(verdict, quotes)
    return Chosen(at=at, vol=vol[at], half=half[at], verdict=verdict)


def _believable(vol: FloatArray) -> FloatArray:
    """The volatilities that may be some, nan for the rest."""
    return np.where((vol >= VOL_MIN) & (vol <= VOL_MAX), vol, np.nan)


def _has_meaning(quotes: Quotes) -> BoolArray:
    """Whether there may be an option of such a strike, forward and time."""
    with np.errstate(all="ignore"):
        moneyness = np.abs(np.log(quotes.strike / quotes.forward))
    sane = (quotes.forward > 0.0) & (moneyness <= K_MAX)
    return sane & (quotes.years >= YEARS_MIN) & (quotes.years <= YEARS_MAX)


def _is_wide(quotes: Quotes, known: BoolArray, policy: QuotePolicy) -> BoolArray:
    """Whether the spread of prices is over its share of the mid price, where both are known."""
    price = [
        greeks(
            quotes.forward[known], quotes.strike[known], quotes.years[known], side[known],
            quotes.is_call[known],
        ).price
        for side in (quotes.bid_vol, quotes.ask_vol)
    ]  # fmt: skip
    wide = np.zeros(known.size, dtype=np.bool_)
    wide[known] = price[1] - price[0] > policy.spread_share_max * 0.5 * (price[0] + price[1])
    return wide


def _in_order(verdict: IntArray, quotes: Quotes) -> IntArray:
    """Places of the quotes used so far, by expiry and then strike."""
    at = np.flatnonzero(verdict == 0)
    order: IntArray = at[np.lexsort((quotes.strike[at], quotes.years[at]))]
    return order


def _drop_outliers(verdict: IntArray, quotes: Quotes, vol: FloatArray, policy: QuotePolicy) -> None:
    """Mark as wild what two lines through nearest strikes do not come near, then thin expiries.

    Where there are wild ones all are judged once more, by the others alone: several beside each
    other at the end of a smile condemn good neighbours at first, and speak for the last of their
    own.
    """
    at = _in_order(verdict, quotes)
    years, value = quotes.years[at], vol[at]
    k = np.log(quotes.strike[at] / quotes.forward[at])
    wild = _is_wild((k, value, years), np.ones(at.size, dtype=np.bool_), policy)
    if wild.any():
        wild = _is_wild((k, value, years), ~wild, policy)
    verdict[at[wild]] = Drop.WILD
    _, expiry, count = np.unique(years[~wild], return_inverse=True, return_counts=True)
    verdict[at[~wild][count[expiry] < policy.expiry_quotes_min]] = Drop.THIN


def _is_wild(
    columns: tuple[FloatArray, FloatArray, FloatArray], among: BoolArray, policy: QuotePolicy
) -> BoolArray:
    """Whether the lines through the nearest of the strikes `among` come near to each quote.

    Six lines, so that a neighbour which is itself wild spoils some of them only: between the
    nearest strikes, between the second nearest, and from either side. At the ends of a smile, where
    there are fewer than four, one has to do. `columns` are k, volatility and years, in order.
    """
    k, value, years = columns
    off = np.full((len(LINES), k.size), np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        for row, (first, second) in zip(off, LINES, strict=True):
            (k1, v1, t1), (k2, v2, t2) = (
                tuple(_neighbour(column, by, among) for column in columns) for by in (first, second)
            )
            line = v1 + (v2 - v1) * (k - k1) / (k2 - k1)
            near = np.abs(k - k1) <= REACH_OF_LINE_MAX * np.abs(k2 - k1)
            counts = near & (t1 == years) & (t2 == years)
            row[counts] = (np.abs(value - line) / np.abs(line))[counts]
    lines = np.isfinite(off).sum(axis=0)
    off.sort(axis=0)
    best = np.where(lines >= LINES_FOR_TWO, off[1], off[0])
    wild: BoolArray = (lines > 0) & (best > policy.wild_share_max)
    return wild


def _neighbour(column: FloatArray, by: int, among: BoolArray) -> FloatArray:
    """What the column holds `by` of the places `among` after each of its own: nan over its ends."""
    places = np.flatnonzero(among)
    before: IntArray = np.cumsum(among) - among
    wanted: IntArray = before + by if by < 0 else before + among + (by - 1)
    inside = (wanted >= 0) & (wanted < places.size)
    out = np.full(column.size, np.nan)
    out[inside] = column[places[wanted[inside]]]
    return out
