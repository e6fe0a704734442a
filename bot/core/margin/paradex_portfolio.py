"""Paradex's portfolio margin: weighted scenarios, at least a charge on delta, in US dollars.

    initial = max(worst scenario, least delta charge) + funding provision + fee provision
    maintenance = half of the first + the provisions

The delta charge takes a share of what is left open, and less of what is hedged: hedged = (gross -
|net|) / 2. Source: the venue's documentation, whose worked example of the delta charge this meets;
its scenarios have no published example.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import (
    Contingency,
    PositionMargins,
    Provenance,
    Report,
    Scenarios,
    doubtful,
)
from bot.quant import black76, scenario_values, scenarios

MODEL: Final = "paradex_portfolio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A move of the spot with a relative one of volatility at 30 days; `weight` of it counts."""

    move: float
    vol: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Scenarios and charges, shares as decimals.

    `funding` is the provision of 8 hours, a share of each perpetual's value by underlying, and
    `fee` the taker's share.
    """

    scenarios: tuple[Scenario, ...]
    power_short: float
    power_long: float
    days_min: float
    vol_up_min: float
    net_delta: float
    hedged_delta: float
    maintenance_factor: float
    funding: Mapping[str, float]
    fee: float
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Valued:
    """A pair by scenario and instrument, shape (scenarios, instruments), and its deltas, coins."""

    profit: Floats
    delta: Floats


def report(account: Account, parameters: Parameters) -> Report:
    """Return what an account needs; open orders are not counted: a doubt says so.

    Underlyings are added up, each at its own worst scenario. The worst one that the report names
    is the largest of a single underlying.
    """
    valued = [_value(pair, parameters) for pair in account.pairs]
    names = [
        f"{pair.index_name} {one.move:+.4g} vol {one.vol:+.4g}"
        for pair in account.pairs
        for one in parameters.scenarios
    ]
    sums = [one.profit.sum(axis=1) for one in valued]
    scenario = float(sum(_loss(profit) for profit in sums))
    floors = [
        delta_charge(one.delta, pair.index_usd, parameters)
        for one, pair in zip(valued, account.pairs, strict=True)
    ]
    # The larger of the two for each underlying: what is hedged elsewhere is not hedged here.
    risk = float(
        sum(np.maximum(_loss(profit), floor) for profit, floor in zip(sums, floors, strict=True))
    )
    usd = [np.abs(pair.futures.size_coin) * pair.futures.mark_usd for pair in account.pairs]
    funding = sum(
        parameters.funding.get(pair.underlying, 0.0) * float(value.sum())
        for pair, value in zip(account.pairs, usd, strict=True)
    )
    fees = parameters.fee * float(sum(value.sum() for value in usd))
    half = parameters.maintenance_factor
    parts = (
        Contingency(name="scenarios", initial=scenario, maintenance=half * scenario),
        Contingency(
            name="least delta charge", initial=risk - scenario, maintenance=half * (risk - scenario)
        ),
        Contingency(name="funding provision", initial=funding, maintenance=funding),
        Contingency(name="fee provision", initial=fees, maintenance=fees),
    )
    doubts = ("open orders are not counted",) if account.orders else ()
    return Report(
        model=MODEL,
        currency=account.currency,
        currency_usd=account.currency_usd,
        initial=sum(part.initial for part in parts),
        maintenance=sum(part.maintenance for part in parts),
        positions=_positions(account, valued, half),
        scenarios=Scenarios(names=tuple(names), profit=np.concatenate([np.zeros(0), *sums])),
        contingencies=parts,
        provenance=parameters.provenance,
        doubts=doubtful(parameters.provenance) + doubts,
    )


def delta_charge(deltas: Floats, spot_usd: float, parameters: Parameters) -> float:
    """Return the least that positions of these deltas (signed coins) need."""
    net, gross = abs(float(deltas.sum())), float(np.abs(deltas).sum())
    hedged = (gross - net) / 2.0
    return (parameters.net_delta * net + parameters.hedged_delta * hedged) * spot_usd


def _loss(profit: Floats) -> float:
    low = float(profit.min(initial=0.0))  # a nan stays one
    return 0.0 if low >= 0.0 else -low


def _value(pair: Pair, parameters: Parameters) -> _Valued:
    options, futures = pair.options, pair.futures
    move = np.array([one.move for one in parameters.scenarios])
    weight = np.array([one.weight for one in parameters.scenarios])
    held, count = options.size != 0.0, len(options.names)
    terms = scenario_values.Options(
        moving=options.forward,
        still=np.zeros(count),
        strike=options.strike,
        years=options.years,
        discount=options.discount,
        is_call=options.is_call,
        is_inverse=np.zeros(count, dtype=np.bool_),
    )
    vols = np.stack([_vol(pair, one, parameters) for one in parameters.scenarios])
    now = scenario_values.values(terms, np.ones(1), options.iv[None, :])
    worth = scenario_values.values(terms, 1.0 + move, vols)
    delta = black76.greeks(
        options.forward, options.strike, options.years, options.iv, options.is_call
    ).delta
    gained = np.where(held, (worth - now) * options.size, 0.0)
    moved = move[:, None] * futures.mark_usd * futures.size_coin
    return _Valued(
        profit=np.concatenate((gained, moved), axis=1) * weight[:, None],
        delta=np.concatenate((np.where(held, delta * options.size, 0.0), futures.size_coin)),
    )


def _vol(pair: Pair, scenario: Scenario, parameters: Parameters) -> Floats:
    shock = scenarios.VolShock(
        relative=scenario.vol,
        power_short=parameters.power_short,
        power_long=parameters.power_long,
        days_min=parameters.days_min,
    )
    vol = pair.options.iv * shock.scale(pair.options.years * scenarios.DAYS_PER_YEAR)
    return np.maximum(vol, parameters.vol_up_min) if scenario.vol > 0.0 else vol


def _positions(account: Account, valued: list[_Valued], half: float) -> PositionMargins:
    """Return what each position loses in the worst scenario of its underlying."""
    lost = []
    for one in valued:
        total = one.profit.sum(axis=1)
        worst = int(total.argmin())
        lost.append(-one.profit[worst] if total[worst] < 0.0 else np.zeros(one.profit.shape[1]))
    initial = np.concatenate([np.zeros(0), *lost])
    return PositionMargins(
        names=tuple(name for pair in account.pairs for name in pair.names),
        size_coin=np.concatenate([np.zeros(0), *(pair.sizes for pair in account.pairs)]),
        initial=initial,
        maintenance=initial * half,
    )
