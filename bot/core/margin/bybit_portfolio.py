"""Bybit's portfolio margin, as far as it is published.

    maintenance = worst of price x volatility + contingencies;   initial = factor x maintenance

The contingencies modelled are those on options sold in net and on the value of perpetuals and
futures. Sources: Bybit's help centre and copies of it by others. Its stress of volatility, and the
spreads of vega, of delta and between stablecoins, are not published with their figures: every
report says so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.margin.account import Account
from bot.core.margin.report import Contingency, Provenance, Report, Scenarios, doubtful
from bot.core.margin.risk_units import Node, Unit, VolPoints, contributions, units, worst_of

MODEL: Final = "bybit_portfolio"
VOLS: Final = ((1.0, "vol up"), (0.0, "vol same"), (-1.0, "vol down"))
DOUBTS: Final = (
    "the stress of volatility is not published",
    "the contingencies on spreads of vega, of delta and between stablecoins are not modelled",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Moves and shares as decimals; contingencies are shares of the index, by coin."""

    moves: tuple[float, ...]
    points: tuple[VolPoints, ...]
    short_options: float
    futures: float
    initial_factor: float
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, parameters: Parameters) -> Report:
    """Return what an account needs; open orders are not counted: a doubt says so."""
    nodes = [
        Node(name=f"{move:+.4g} {said}", move=move, vol=vol)
        for move in parameters.moves
        for vol, said in VOLS
    ]
    made = units(account, nodes, parameters.points)
    factor = parameters.initial_factor
    parts = tuple(
        Contingency(name=f"{unit.underlying} {name}", initial=value * factor, maintenance=value)
        for unit in made
        for name, value in _charges(unit, parameters)
    )
    doubts = (*DOUBTS, *(("open orders are not counted",) if account.orders else ()))
    return Report(
        model=MODEL,
        currency=account.currency,
        currency_usd=account.currency_usd,
        initial=sum(part.initial for part in parts),
        maintenance=sum(part.maintenance for part in parts),
        positions=contributions(made, len(nodes), factor),
        scenarios=Scenarios(
            names=tuple(f"{unit.underlying} {node.name}" for unit in made for node in nodes),
            profit=np.concatenate([np.zeros(0), *(unit.total for unit in made)]),
        ),
        contingencies=parts,
        provenance=parameters.provenance,
        doubts=doubtful(parameters.provenance) + doubts,
    )


def _charges(unit: Unit, parameters: Parameters) -> tuple[tuple[str, float], ...]:
    index = unit.pairs[0].index_usd
    coins = sum(float(np.abs(pair.futures.size_coin).sum()) for pair in unit.pairs)
    return (
        ("worst scenario", worst_of(unit.total)),
        ("options sold", unit.short_coins * parameters.short_options * index),
        ("futures", coins * parameters.futures * index),
    )
