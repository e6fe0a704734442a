"""OKX's portfolio margin by risk units, as far as it is published.

    maintenance of a unit = max( max(MR1, MR2, MR6) + MR4, MR7 )

MR1 the worst of price x volatility, MR2 a day of time decay, MR4 the basis, MR6 half the loss of an
extreme move, MR7 the least charge, a share of all that is held by the size of the unit. Sources:
OKX's help pages (moves, basis, extreme move) and copies of them by others. The points of
volatility, MR3 (vega by expiry), MR5 (rates), MR8, MR9 and the ratio of initial to maintenance
margin are not published, or not at hand: every report says so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.margin.account import Account
from bot.core.margin.report import Contingency, Provenance, Report, Scenarios, doubtful
from bot.core.margin.risk_units import (
    Node,
    Unit,
    VolPoints,
    basis_charge,
    contributions,
    units,
    worst_of,
)

MODEL: Final = "okx_portfolio"
VOLS: Final = ((1.0, "vol up"), (0.0, "vol same"), (-1.0, "vol down"))
DOUBTS: Final = (
    "MR1: the points of volatility are not published",
    "MR3, MR5, MR8 and MR9 are not modelled: vega by expiry, rates, borrowing, stablecoins",
    "initial margin: its ratio to maintenance margin is not confirmed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTier:
    """Up to `usd_upper` of value held the least charge is multiplied by `factor`."""

    usd_upper: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Moves and shares as decimals; `points` by rising days to expiry."""

    moves: tuple[float, ...]
    points: tuple[VolPoints, ...]
    extreme_move: float
    extreme_share: float
    basis_yearly: float
    charge: float
    charge_tiers: tuple[ChargeTier, ...]
    initial_factor: float
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, parameters: Parameters) -> Report:
    """Return what an account needs; open orders are not counted: a doubt says so."""
    nodes = _nodes(parameters)
    made = units(account, nodes, parameters.points)
    count = len(parameters.moves) * len(VOLS)
    parts = [part for unit in made for part in _parts(unit, count, parameters)]
    names = [f"{unit.underlying} {node.name}" for unit in made for node in nodes[:count]]
    doubts = (*DOUBTS, *(("open orders are not counted",) if account.orders else ()))
    return Report(
        model=MODEL,
        currency=account.currency,
        currency_usd=account.currency_usd,
        initial=sum(part.initial for part in parts),
        maintenance=sum(part.maintenance for part in parts),
        positions=contributions(made, count, parameters.initial_factor),
        scenarios=Scenarios(
            names=tuple(names),
            profit=np.concatenate([np.zeros(0), *(unit.total[:count] for unit in made)]),
        ),
        contingencies=tuple(parts),
        provenance=parameters.provenance,
        doubts=doubtful(parameters.provenance) + doubts,
    )


def _nodes(parameters: Parameters) -> list[Node]:
    """The grid, then a day that passes, then the extreme moves."""
    grid = [
        Node(name=f"{move:+.4g} {said}", move=move, vol=vol)
        for move in parameters.moves
        for vol, said in VOLS
    ]
    far = parameters.extreme_move
    extremes = [Node(name=f"{move:+.4g} extreme", move=move) for move in (-far, far)]
    return [*grid, Node(name="a day", move=0.0, days=1.0), *extremes]


def _parts(unit: Unit, count: int, parameters: Parameters) -> tuple[Contingency, Contingency]:
    """Return a unit's risk, and what its least charge adds to it."""
    total = unit.total
    moved, decayed = worst_of(total[:count]), worst_of(total[count : count + 1])
    extreme = worst_of(total[count + 1 :]) * parameters.extreme_share
    basis = basis_charge(unit, parameters.basis_yearly)
    risk = float(np.max((moved, decayed, extreme))) + basis
    least = unit.gross_usd * parameters.charge * _factor(unit.gross_usd, parameters)
    return (
        _part(f"{unit.underlying} risk unit", risk, parameters),
        _part(f"{unit.underlying} least charge", max(least - risk, 0.0), parameters),
    )


def _part(name: str, maintenance: float, parameters: Parameters) -> Contingency:
    initial = maintenance * parameters.initial_factor
    return Contingency(name=name, initial=initial, maintenance=maintenance)


def _factor(usd: float, parameters: Parameters) -> float:
    tiers = parameters.charge_tiers
    return next((tier.factor for tier in tiers if usd <= tier.usd_upper), tiers[-1].factor)
