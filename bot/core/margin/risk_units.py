"""Risk units: all contracts on one underlying together, in US dollars, over a grid of scenarios.

OKX and Bybit margin portfolios so. What they publish of it leaves gaps: the points of volatility,
several add-ons. What is here is their common skeleton, and each report says what it lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import PositionMargins
from bot.quant import black76, scenario_values


@dataclass(frozen=True, slots=True, kw_only=True)
class VolPoints:
    """Volatility moves by `points` (0.10 = ten points) at `days` to expiry."""

    days: float
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A scenario: the spot moves, volatility by a share of the points, days pass."""

    name: str
    move: float
    vol: float = 0.0
    days: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One underlying: profit by node and instrument in US dollars, and deltas in US dollars.

    Arrays of shape (nodes, instruments) and (instruments,); `years` to each one's delivery.
    """

    underlying: str
    pairs: tuple[Pair, ...]
    profit: Floats
    delta_usd: Floats
    years: Floats

    @property
    def total(self) -> Floats:
        """Profit of the whole unit by node."""
        total: Floats = self.profit.sum(axis=1)
        return total

    @property
    def gross_usd(self) -> float:
        """Value of all that is held, long and short alike, by its underlying."""
        return float(sum(float(np.abs(pair.sizes).sum()) * pair.index_usd for pair in self.pairs))

    @property
    def short_coins(self) -> float:
        """Coins of options sold, in net of those bought."""
        return max(-sum(float(pair.options.size.sum()) for pair in self.pairs), 0.0)


def units(account: Account, nodes: Sequence[Node], points: Sequence[VolPoints]) -> list[Unit]:
    """Value an account's pairs at each node, by underlying."""
    found: dict[str, list[Pair]] = {}
    for pair in account.pairs:
        found.setdefault(pair.underlying, []).append(pair)
    made = []
    for underlying, pairs in found.items():
        valued = [_valued(pair, nodes, points) for pair in pairs]
        years = [np.concatenate((pair.options.years, pair.futures.years)) for pair in pairs]
        made.append(
            Unit(
                underlying=underlying,
                pairs=tuple(pairs),
                profit=np.concatenate([profit for profit, _ in valued], axis=1),
                delta_usd=np.concatenate([delta for _, delta in valued]),
                years=np.concatenate(years),
            )
        )
    return made


def worst_of(profit: Floats) -> float:
    """Return what the worst node loses, never negative; nan if one has no value."""
    low = float(profit.min(initial=0.0))
    return 0.0 if low >= 0.0 else -low


def basis_charge(unit: Unit, share_yearly: float) -> float:
    """Return what forwards may move apart: a share a year of each delivery's open delta."""
    years, member = np.unique(unit.years, return_inverse=True)
    net = np.bincount(member, unit.delta_usd, minlength=len(years))
    return float((np.abs(net) * share_yearly * years).sum())


def contributions(made: Sequence[Unit], count: int, maintenance: float) -> PositionMargins:
    """Return what each position loses in the worst of its unit's first `count` nodes.

    Initial margin is `maintenance` over its share of it.
    """
    lost = []
    for unit in made:
        total = unit.total[:count]
        worst = int(total.argmin())
        losing = total[worst] < 0.0
        lost.append(-unit.profit[worst] if losing else np.zeros(unit.profit.shape[1]))
    pairs = [pair for unit in made for pair in unit.pairs]
    kept = np.concatenate([np.zeros(0), *lost])
    return PositionMargins(
        names=tuple(name for pair in pairs for name in pair.names),
        size_coin=np.concatenate([np.zeros(0), *(pair.sizes for pair in pairs)]),
        initial=kept * maintenance,
        maintenance=kept,
    )


def _valued(
    pair: Pair, nodes: Sequence[Node], points: Sequence[VolPoints]
) -> tuple[Floats, Floats]:
    options, futures = pair.options, pair.futures
    held, count = options.size != 0.0, len(options.names)
    # Coins are worth what the spot has moved to: then inverse and linear contracts offset.
    usd = [1.0 if pair.is_linear else pair.index_usd * (1.0 + node.move) for node in nodes]
    per_option = np.zeros((len(nodes), count))
    if count:
        now = _worth(pair, Node(name="now", move=0.0), points)
        for at, node in enumerate(nodes):
            change = (_worth(pair, node, points) - now) * options.size * usd[at]
            per_option[at] = np.where(held, change, 0.0)
    move = np.array([node.move for node in nodes])[:, None]
    step = move * (futures.mark_usd if pair.is_linear else pair.index_usd)
    black = black76.greeks(
        options.forward, options.strike, options.years, options.iv, options.is_call
    ).delta
    delta = np.where(held, black * options.size * options.forward, 0.0)
    return (
        np.concatenate((per_option, step * futures.size_coin), axis=1),
        np.concatenate((delta, futures.size_coin * futures.mark_usd)),
    )


def _worth(pair: Pair, node: Node, points: Sequence[VolPoints]) -> Floats:
    """Return what a coin of each option is worth at a node, in the pair's own money."""
    options = pair.options
    days = options.years * 365.0
    shift = np.interp(days, [one.days for one in points], [one.points for one in points])
    terms = scenario_values.Options(
        moving=options.forward,
        still=np.zeros(len(days)),
        strike=options.strike,
        years=np.maximum(options.years - node.days / 365.0, 0.0),
        discount=options.discount,
        is_call=options.is_call,
        is_inverse=np.full(len(days), not pair.is_linear),
    )
    vol = np.maximum(options.iv + node.vol * shift, 0.0)
    worth: Floats = scenario_values.values(terms, np.array([1.0 + node.move]), vol[None, :])[0]
    return worth
