"""A stress test worked out in plain Python, from the columns of an account: no formula is ours.

One position at a time, Black-76 as in `slowly`; Deribit's published standard margin. Only what an
account holds (positions, marks, volatilities) is shared with what is checked.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bot.core.margin.account import Account, Pair
from tests.core.margin.slowly import black

FUTURES_SHARE = 1.0 / 50.0 * 2.0 / 3.0  # maintenance of a small position since August 2026


class Move(NamedTuple):
    """What happens: spot and basis as shares, volatility in decimals, years that pass."""

    spot: float = 0.0
    vol: float = 0.0
    basis: float = 0.0
    years: float = 0.0


@dataclass(frozen=True)
class There:
    """One position in the moved market, in the money that it settles in.

    `made` until there by what is held; `needed` there as maintenance. Of a future `dollars` are
    what an inverse one counts, else 0.
    """

    name: str
    index_name: str
    is_option: bool
    made: float
    needed: float


def positions(account: Account, move: Move) -> Iterator[There]:
    for pair in account.pairs:
        yield from _options(pair, move)
        yield from _futures(pair, move)


def _options(pair: Pair, move: Move) -> Iterator[There]:
    rows, spot = pair.options, 1.0 + move.spot
    index = pair.index_usd * spot
    for row, name in enumerate(rows.names):
        size, strike, years = (float(col[row]) for col in (rows.size, rows.strike, rows.years))
        forward, is_call = float(rows.forward[row]), bool(rows.is_call[row])
        there, left = forward * spot + move.basis * index, max(years - move.years, 0.0)
        vol = float(rows.iv[row]) + _smile(pair, years, strike / there)
        vol = max(vol - _smile(pair, years, strike / forward) + move.vol, 0.01)
        before = black(forward, strike, years, float(rows.iv[row]), is_call, 1.0)
        after = black(there, strike, left, vol, is_call, 1.0)
        if pair.is_linear:
            rate = -math.log(float(rows.discount[row])) / years
            change = after * math.exp(-rate * left) - before * math.exp(-rate * years)
        else:
            change = after / there - before / forward
        mark = max(float(rows.mark[row]) + change, 0.0)
        unit = max(index, there) if pair.is_linear else 1.0
        least = unit if is_call else max(unit, mark)
        needed = -size * (0.075 * least + mark) if size < 0.0 else 0.0
        made = size * (mark - float(rows.mark[row]))
        yield There(name, pair.index_name, True, made, needed)


def _smile(pair: Pair, years: float, moneyness: float) -> float:
    """The smile of an expiry: straight in ln(K/F) between its options, level beyond them."""
    rows = pair.options
    by_place: dict[float, list[float]] = {}
    for k, f, t, vol in zip(rows.strike, rows.forward, rows.years, rows.iv, strict=True):
        if t == years:
            by_place.setdefault(math.log(k / f), []).append(float(vol))
    knots = sorted((place, sum(vols) / len(vols)) for place, vols in by_place.items())
    at = math.log(moneyness)
    if at <= knots[0][0]:
        return knots[0][1]
    for (low, one), (high, two) in itertools.pairwise(knots):
        if at <= high:
            return one + (two - one) * (at - low) / (high - low)
    return knots[-1][1]


def _futures(pair: Pair, move: Move) -> Iterator[There]:
    rows, spot = pair.futures, 1.0 + move.spot
    for name, coins, mark in zip(rows.names, rows.size_coin, rows.mark_usd, strict=True):
        there = mark * spot + move.basis * pair.index_usd * spot
        made, needed = future(pair, float(coins), float(mark), float(there))
        yield There(name, pair.index_name, False, made, needed)


def future(pair: Pair, coins: float, mark: float, there: float) -> tuple[float, float]:
    """What a future makes from its mark to another price, and needs there."""
    if pair.is_linear:
        return coins * (there - mark), abs(coins) * there * FUTURES_SHARE
    dollars = coins * mark
    return dollars / mark - dollars / there, abs(dollars) / there * FUTURES_SHARE


def profit(account: Account, move: Move) -> float:
    return sum(one.made for one in positions(account, move))


def needed(account: Account, move: Move) -> float:
    return sum(one.needed for one in positions(account, move))


def left(account: Account, balance: float, move: Move) -> float:
    """The margin balance there: standard margin counts no option in it."""
    return balance + sum(one.made for one in positions(account, move) if not one.is_option)


def used(account: Account, balance: float, move: Move, excess: float = 0.0) -> float:
    has, needs = left(account, balance, move), needed(account, move) + excess
    if has <= 0.0:
        return 0.0 if needs <= 0.0 <= has else math.inf
    return needs / has


def delta_usd(account: Account, move: Move) -> float:
    """What all positions make for a relative move of the spot from there, in dollars there.

    Volatilities stay as they are there: central difference, one part in a million.
    """
    step, total = 1e-6, 0.0
    for pair in account.pairs:
        worth = 1.0 if pair.is_linear else pair.index_usd * (1.0 + move.spot)
        up, down = (_value(pair, move, 1.0 + way * step) for way in (1.0, -1.0))
        total += worth * (up - down) / (2.0 * step)
    return total


def _value(pair: Pair, move: Move, more: float) -> float:
    rows, index, worth = pair.options, pair.index_usd * (1.0 + move.spot), 0.0
    for row in range(len(rows.names)):
        strike, years = float(rows.strike[row]), float(rows.years[row])
        forward, is_call = float(rows.forward[row]), bool(rows.is_call[row])
        there = forward * (1.0 + move.spot) + move.basis * index
        vol = float(rows.iv[row]) + _smile(pair, years, strike / there)
        vol = max(vol - _smile(pair, years, strike / forward) + move.vol, 0.01)
        value = black(there * more, strike, years, vol, is_call, 1.0)
        value *= float(rows.discount[row]) if pair.is_linear else 1.0 / (there * more)
        worth += float(rows.size[row]) * value
    for coins, mark in zip(pair.futures.size_coin, pair.futures.mark_usd, strict=True):
        there = float(mark) * (1.0 + move.spot) + move.basis * index
        if pair.is_linear:
            worth += float(coins) * there * more
        else:
            worth -= float(coins) * float(mark) / (there * more)
    return worth
