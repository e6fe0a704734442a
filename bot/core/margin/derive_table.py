"""Derive's portfolio manager: the value of one coin of each option in each scenario.

Volatility moves by (30 days / time left)**power, or its skew does: in proportion to the distance
from the money, in a direction of its own on either side (linear) or up on both (absolute).
Source: Derive's published manager.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from bot.core.columns import Floats, Stamps
from bot.core.margin.account import Options
from bot.core.margin.derive_account import Market, expiries
from bot.quant import scenario_values, scenarios

DAYS_PER_YEAR: Final = 365.0


class Direction(StrEnum):
    """How volatilities move in a scenario."""

    UP = "up"
    NONE = "same"
    DOWN = "down"
    LINEAR = "skew linear"
    ABSOLUTE = "skew absolute"

    @property
    def is_skew(self) -> bool:
        """Whether only the skew moves: then each expiry counts as a loss."""
        return self in {Direction.LINEAR, Direction.ABSOLUTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class VolShocks:
    """Relative moves of volatility at 30 days, and the least that a moved-up one may be."""

    up: float
    down: float
    up_min: float
    power_short: float
    power_long: float
    days_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewShock:
    """The skew's move: at most `*_cap` + `*_slope` sqrt(T), reached at `width` deviations.

    A deviation is sqrt(T) (`vol` + `vol_slope` sqrt(T)), and `distance_min` the least distance, in
    logarithms, at which the cap is reached.
    """

    linear_cap: float
    linear_slope: float
    absolute_cap: float
    absolute_slope: float
    distance_min: float
    width: float
    vol: float
    vol_slope: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Values of one coin of each option, shape (nodes, options), the last node as things stand.

    `member` says which expiry an option has; `years` and `discount` are by expiry. `pair` numbers
    the strikes of an expiry, at each of which a call and a put may net.
    """

    options: Options
    worth: Floats
    years: Floats
    discount: Floats
    member: Stamps
    pair: Stamps

    @property
    def marks(self) -> Floats:
        """What each option is worth now."""
        marks: Floats = self.worth[-1]
        return marks

    def by_expiry(self, size: Floats) -> Floats:
        """Return the value of a book of these sizes, shape (nodes, expiries)."""
        held = np.flatnonzero(size)  # what is not held needs no price
        book = np.zeros((len(size), len(self.years)))
        book[held, self.member[held]] = size[held]
        total: Floats = self.worth[:, held] @ book[held]
        return total

    def naked_shorts(self, size: Floats) -> float:
        """Return short coins without cover: a call covers a put at its strike, and the reverse."""
        count = int(self.pair.max(initial=-1)) + 1
        net = np.bincount(self.pair, size, minlength=count)
        return float(np.maximum(-net, 0.0).sum())


def table_of(
    market: Market,
    grow: tuple[float, ...],
    directions: tuple[Direction, ...],
    shocks: tuple[VolShocks, SkewShock],
) -> Table:
    """Value every option at nodes that multiply the spot and move volatilities."""
    options = market.options
    years, member = expiries(options)
    strikes = np.stack((options.years, options.strike))
    vols = {how: _vols(market, how, shocks) for how in set(directions)}
    worth = scenario_values.values(
        market.terms, np.array(grow), np.stack([vols[how] for how in directions])
    )
    first = np.unique(options.years, return_index=True)[1]
    return Table(
        options=options,
        worth=worth,
        years=years,
        discount=options.discount[first],
        member=member,
        pair=np.unique(strikes, axis=1, return_inverse=True)[1].astype(np.int64),
    )


def _vols(market: Market, how: Direction, shocks: tuple[VolShocks, SkewShock]) -> Floats:
    iv, (move, skew) = market.options.iv, shocks
    match how:
        case Direction.UP:
            moved: Floats = np.maximum(iv * _scale(market, move, move.up), move.up_min)
            return moved
        case Direction.DOWN:
            return iv * _scale(market, move, -move.down)
        case Direction.NONE:
            return iv
        case Direction.LINEAR:
            away = np.log(market.options.strike / market.options.forward)
            return iv * _skewed(market, away, skew, (skew.linear_cap, skew.linear_slope))
        case Direction.ABSOLUTE:
            away = np.abs(np.log(market.options.strike / market.options.forward))
            return iv * _skewed(market, away, skew, (skew.absolute_cap, skew.absolute_slope))


def _scale(market: Market, move: VolShocks, relative: float) -> Floats:
    shock = scenarios.VolShock(
        relative=relative,
        power_short=move.power_short,
        power_long=move.power_long,
        days_min=move.days_min,
    )
    return shock.scale(market.options.years * DAYS_PER_YEAR)


def _skewed(market: Market, away: Floats, skew: SkewShock, cap: tuple[float, float]) -> Floats:
    """Return what a volatility is multiplied by, at its distance from the money."""
    root = np.sqrt(market.options.years)
    most = cap[1] * root + cap[0]
    reached = np.maximum(skew.distance_min, root * skew.width * (skew.vol + root * skew.vol_slope))
    slope = away * most / reached
    bounded = np.where(away >= 0.0, np.minimum(most, slope), np.maximum(-most, slope))
    scaled: Floats = np.maximum(1.0 + bounded, 0.0)
    return scaled
