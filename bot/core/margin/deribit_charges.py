"""Deribit's portfolio margin: what turns a pair's profits into its requirement.

Offsets and dampener on the scenarios, the roll shock on what each expiry leaves open, the delta
shock on what is too large to be liquidated at once. All in the money that the pair settles in.
Sources: the published responses of `private/pme/simulate` for offset, dampener (that it empties
small gains and losses; its size is third-party) and the roll shock's floor; third parties for the
rest. Nothing published shows a delta shock other than nothing.
"""

from dataclasses import dataclass

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import OpenOrder, Pair
from bot.core.margin.deribit_table import Grid, PairParameters, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinParameters:
    """What the venue sets for one underlying.

    The roll shock takes `move_min` of an expiry's open delta, or what `move_yearly` grows to until
    then if that is more. `dampener_usd` is what each further price range of an extended scenario
    forgives. Of a scenario's gain the share `offset`, up to `offset_max_usd`, may offset losses
    elsewhere.
    """

    move_min: float
    move_yearly: float
    dampener_usd: float
    offset: float
    offset_max_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The least and the most coins of each instrument, whichever part of the orders fills."""

    least: Floats
    most: Floats


def aggregated(
    table: Table, profit: Floats, grid: Grid, pair: PairParameters, coin: CoinParameters
) -> Floats:
    """Return a pair's profits with the extended ones damped and gains cut to what may offset."""
    usd = usd_of(table.pair)
    far = slice(grid.main_count, None)
    counted = profit.copy()
    counted[far] = _damped(table, profit[far], far, (pair, coin))
    gains = np.minimum(counted * coin.offset, coin.offset_max_usd / usd)
    return np.where(counted > 0.0, gains, counted)


def _damped(
    table: Table, profit: Floats, far: slice, parameters: tuple[PairParameters, CoinParameters]
) -> Floats:
    """Shrink profits and losses alike towards nothing, further moves by more."""
    pair, coin = parameters
    move = table.moves.move[far]
    ranges = np.maximum(np.abs(move) / pair.price_range, 1.0) - 1.0
    forgiven = ranges * coin.dampener_usd
    if not table.pair.is_linear:
        forgiven /= (1.0 + np.sign(move) * pair.price_range) * table.pair.index_usd
    shrunk: Floats = np.sign(profit) * np.maximum(np.abs(profit) - forgiven, 0.0)
    return shrunk


def usd_of(pair: Pair) -> float:
    """Return what one unit of the money that a pair settles in is worth in US dollars."""
    return 1.0 if pair.is_linear else pair.index_usd


def roll_shock(table: Table, sizes: Floats, coin: CoinParameters) -> float:
    """Return what it costs to move each expiry's open delta to another."""
    held = table.held(sizes)
    net = np.bincount(
        table.terms[held], table.delta[held] * sizes[held], minlength=len(table.term_years)
    )
    return float((np.abs(net) * _roll(table, coin)).sum())


def roll_shock_at_most(table: Table, reach: Reach, coin: CoinParameters) -> float:
    """Return the largest roll shock within the reach of the orders."""
    ends = np.stack((table.delta * reach.least, table.delta * reach.most))
    ends[:, (reach.least == 0.0) & (reach.most == 0.0)] = 0.0
    count = len(table.term_years)
    low, high = (
        np.bincount(table.terms, end, minlength=count)
        for end in (ends.min(axis=0), ends.max(axis=0))
    )
    return float((np.maximum(np.abs(low), np.abs(high)) * _roll(table, coin)).sum())


def roll_grows(table: Table, coin: CoinParameters) -> bool:
    """Whether an expiry is so far that its roll costs more than the floor."""
    return bool((_roll(table, coin) > coin.move_min).any())


def _roll(table: Table, coin: CoinParameters) -> Floats:
    """Return which share of an expiry's delta its roll costs."""
    grown: Floats = np.expm1(coin.move_yearly * table.term_years)
    return np.maximum(grown, coin.move_min)


def delta_shock(table: Table, sizes: Floats, pair: PairParameters) -> float:
    """Return what is added for a delta that the market could not take at once."""
    held, long = table.held(sizes), np.maximum(sizes, 0.0)
    long[len(table.pair.options.names) :] = 0.0
    options = float((table.delta[held] * long[held]).sum())
    other = float((table.delta[held] * (sizes - long)[held]).sum())
    return _delta_shock(table, options, other, pair)


def delta_shock_at_most(table: Table, reach: Reach, pair: PairParameters) -> float:
    """Return the largest delta shock within the reach of the orders: at a corner, as it rises."""
    is_option = np.arange(len(table.delta)) < len(table.pair.options.names)
    long, other = [], []
    for size in (reach.least, reach.most):
        is_long = is_option & (size > 0.0)
        money = np.where(size == 0.0, 0.0, table.delta * size)
        long.append(np.where(is_long, money, 0.0))
        other.append(np.where(is_long, 0.0, money))
    corners = [
        _delta_shock(table, float(a), float(b), pair)
        for a in (np.minimum(*long).sum(), np.maximum(*long).sum())
        for b in (np.minimum(*other).sum(), np.maximum(*other).sum())
    ]
    return float(np.max(corners))


def _delta_shock(table: Table, long: float, other: float, pair: PairParameters) -> float:
    """Long options may lower the delta of everything else, never turn it or raise it."""
    both = long + other
    counted = max(min(-both, -other), 0.0) if other < 0.0 else max(min(both, other), 0.0)
    usd = counted * usd_of(table.pair)
    over_coin = max(usd - pair.delta_threshold_usd, 0.0) / table.pair.index_usd
    share = min(pair.delta_per_coin * over_coin, pair.delta_share_max)
    return share * counted if np.isfinite(both) else both


def reach_of(table: Table, sizes: Floats, orders: tuple[OpenOrder, ...]) -> Reach:
    """Return how far the orders on a pair's instruments can move its sizes."""
    least, most = sizes.copy(), sizes.copy()
    for order in orders:
        row = table.rows.get(order.instrument)
        if row is not None:
            (most if order.size_coin > 0.0 else least)[row] += order.size_coin
    return Reach(least=least, most=most)


def profit_at_least(table: Table, profit: Floats, sizes: Floats, reach: Reach) -> Floats:
    """Return the least that each scenario can make within the reach of the orders."""
    moved = np.flatnonzero((reach.least != sizes) | (reach.most != sizes))
    unit = table.profit[:, moved]
    sold = unit * (reach.least - sizes)[moved]
    bought = unit * (reach.most - sizes)[moved]
    # A buy and a sell of one instrument may both fill: each counts where it loses.
    least: Floats = profit + (np.minimum(sold, 0.0) + np.minimum(bought, 0.0)).sum(axis=1)
    return least
