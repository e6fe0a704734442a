"""Deribit's portfolio margin: the table of what one coin of each instrument makes in each scenario.

27 main scenarios, 9 moves of the price (down the range to up the range) with 3 volatilities each,
then the extended ones, far moves with the volatility up. The table does not depend on positions:
after fills only sums change, and after a quote only the columns of its instrument.

Sources: `private/pme/simulate`, whose published vectors this reproduces for futures; how options
are repriced is the natural reading of the venue's terms, for which no published vector exists:
Black-76 on the forward of the expiry, moved; coin value is dollar value over that moved forward.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

import numpy as np

from bot.core.columns import Flags, Floats, Stamps
from bot.core.margin.account import Options, Pair
from bot.quant import black76, scenario_values, scenarios

VOLS: Final = ("up", "same", "down")
DAYS_PER_YEAR: Final = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairParameters:
    """What the venue sets for one price index.

    Shares as decimals. Volatilities move relative to themselves by `vol_up` and `vol_down` at 30
    days, by (30/days)**power elsewhere, `days_min` the fewest days; the moved-up one is never below
    `vol_up_min`. `extended_factor` scales the extended scenarios. The last three make the delta
    shock: for each coin over `delta_threshold_usd` a share of `delta_per_coin` more, at most
    `delta_share_max`.
    """

    price_range: float
    vol_up: float
    vol_down: float
    vol_up_min: float
    power_short: float
    power_long: float
    days_min: float
    extended_factor: float
    delta_per_coin: float
    delta_share_max: float
    delta_threshold_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The moves that all price indices share: buckets a side, and the far moves."""

    buckets: int = 4
    far_moves: tuple[float, ...] = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)

    @property
    def main_count(self) -> int:
        """How many scenarios are not extended ones."""
        return (2 * self.buckets + 1) * len(VOLS)

    @property
    def unmoved(self) -> int:
        """The scenario in which nothing moves."""
        return self.buckets * len(VOLS) + VOLS.index("same")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moves:
    """One index's scenarios, in order; arrays of shape (scenarios,).

    `vol` is the row of `VOLS`; `scale` what the extended table multiplies by, 1 in the main one.
    """

    names: tuple[str, ...]
    move: Floats
    vol: Stamps
    scale: Floats


@cache
def moves_of(grid: Grid, index_name: str, parameters: PairParameters) -> Moves:
    """Return the scenarios of a price index."""
    wide = parameters.price_range
    near = [wide * j / grid.buckets for j in range(-grid.buckets, grid.buckets + 1)]
    main = [(move, vol, 1.0) for move in near for vol in range(len(VOLS))]
    far = [(move, 0, _far_scale(move, parameters)) for move in grid.far_moves]
    move, vol, scale = (np.array(column) for column in zip(*main, *far, strict=True))
    for column in (move, vol, scale):
        column.setflags(write=False)
    named = [f"{index_name} {move:+.4g} vol {VOLS[vol]}" for move, vol, _ in main]
    named += [f"{index_name} {move:+.4g} extended" for move in grid.far_moves]
    return Moves(names=tuple(named), move=move, vol=vol, scale=scale)


def _far_scale(move: float, parameters: PairParameters) -> float:
    """What a far move's profit is multiplied by: a future's becomes that at the range's end."""
    wide = parameters.price_range
    end = 1.0 + (wide if move > 0.0 else -wide)
    return parameters.extended_factor * (1.0 + move) / (abs(move) / wide) / end


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """What one coin of each instrument of a pair makes, in the money that the pair settles in.

    `profit` has shape (scenarios, instruments), `delta` (instruments,): profit per relative move of
    its forward (for an inverse option the net, premium-adjusted delta). `terms` numbers the
    deliveries: instruments of one expiry share one, and `term_years` has the years to each.
    `is_whole` says that nothing in it is nan.
    """

    pair: Pair
    names: tuple[str, ...]
    rows: Mapping[str, int]
    moves: Moves
    profit: Floats
    delta: Floats
    terms: Stamps
    term_years: Floats
    is_whole: bool

    def held(self, sizes: Floats) -> Stamps | slice:
        """Return the rows that count: all, or where a price is missing those that are held."""
        return slice(None) if self.is_whole else np.flatnonzero(sizes)


def table_of(
    pair: Pair, grid: Grid, parameters: PairParameters, known: Table | None = None
) -> Table:
    """Value every instrument of a pair in every scenario.

    With a `known` table of the same instruments and parameters only the options whose market has
    changed are valued again.
    """
    moves = moves_of(grid, pair.index_name, parameters)
    options, futures = pair.options, pair.futures
    count = len(options.names)
    if known is not None and known.pair.names == pair.names and known.moves is moves:
        stale = np.flatnonzero(_changed(known.pair.options, options))
        rows, profit, delta = known.rows, known.profit.copy(), known.delta.copy()
        terms, term_years = known.terms, known.term_years
        years_alike = np.array_equal(known.pair.futures.years, futures.years)
        if len(stale) or not years_alike:
            terms, term_years = _terms(pair)
    else:
        stale, rows = np.arange(count), {name: row for row, name in enumerate(pair.names)}
        profit = np.empty((len(moves.move), len(rows)))
        delta = np.empty(len(rows))
        terms, term_years = _terms(pair)
    if len(stale):
        which = _Chosen(pair=pair, rows=stale)
        profit[:, stale], delta[stale] = _options_profit(which, moves, grid, parameters)
    step = moves.move if pair.is_linear else moves.move / (1.0 + moves.move)
    unit = futures.mark_usd if pair.is_linear else np.ones(len(futures.names))
    profit[:, count:] = (step * moves.scale)[:, None] * unit
    delta[count:] = unit
    return Table(
        pair=pair,
        names=tuple(rows),
        rows=rows,
        moves=moves,
        profit=profit,
        delta=delta,
        terms=terms,
        term_years=term_years,
        is_whole=bool(np.isfinite(profit.sum() + delta.sum())),
    )


def _changed(before: Options, after: Options) -> Flags:
    """Which options have another market or other terms; another size changes nothing here."""
    changed = np.zeros(len(after.names), dtype=np.bool_)
    for field in fields(Options):
        if field.name not in {"names", "size", "mark"}:
            changed |= getattr(before, field.name) != getattr(after, field.name)
    return changed


def _terms(pair: Pair) -> tuple[Stamps, Floats]:
    years = np.concatenate((pair.options.years, pair.futures.years))
    term_years, terms = np.unique(years, return_inverse=True)
    return terms, term_years


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chosen:
    """Some options of a pair."""

    pair: Pair
    rows: Stamps


def _options_profit(
    chosen: _Chosen, moves: Moves, grid: Grid, parameters: PairParameters
) -> tuple[Floats, Floats]:
    """Return profit by scenario and option, and delta by option, of one coin each."""
    options, rows, is_linear = chosen.pair.options, chosen.rows, chosen.pair.is_linear
    terms = scenario_values.Options(
        moving=options.forward[rows],
        still=np.zeros(len(rows)),
        strike=options.strike[rows],
        years=options.years[rows],
        discount=options.discount[rows],
        is_call=options.is_call[rows],
        is_inverse=np.full(len(rows), not is_linear),
    )
    iv = options.iv[rows]
    worth = scenario_values.values(
        terms, 1.0 + moves.move, _vols(iv, terms.years, parameters)[moves.vol]
    )
    now = worth[grid.unmoved]
    black = black76.greeks(
        terms.moving, terms.strike, terms.years, iv, terms.is_call, terms.discount
    ).delta
    delta = black * terms.moving if is_linear else black - now
    return (worth - now) * moves.scale[:, None], delta


def _vols(iv: Floats, years: Floats, parameters: PairParameters) -> Floats:
    """Return volatility moved up, as it is, and moved down, shape (3, options)."""
    days = years * DAYS_PER_YEAR
    powers = (parameters.power_short, parameters.power_long, parameters.days_min)
    up, down = (
        scenarios.VolShock(
            relative=relative, power_short=powers[0], power_long=powers[1], days_min=powers[2]
        ).scale(days)
        for relative in (parameters.vol_up, -parameters.vol_down)
    )
    return np.stack((np.maximum(iv * up, parameters.vol_up_min), iv, iv * down))
