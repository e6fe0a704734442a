"""Derive's standard manager (SRM): position by position, but spreads within an expiry count.

    requirement of an expiry = min( sum of its short options alone, its largest loss at expiry )

Source: Derive's published manager; all third-party cases at hand are met to within rounding.
A short option alone needs a share of the spot less what it is out of the money, at least a minimum,
and its mark; a put is bounded from below by its maintenance margin. The largest loss is over
settlements at nothing and at each strike, and calls sold without cover add a multiple of the
forward. Low confidence of a feed and a stablecoin off its peg cost initial margin only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bot.core.columns import Floats, Stamps
from bot.core.margin.derive_account import Market, Subaccount, expiries
from bot.core.margin.report import (
    NO_SCENARIOS,
    Contingency,
    PositionMargins,
    Provenance,
    Report,
    doubtful,
)
from bot.quant import scenario_values

MODEL: Final = "derive_standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The manager's parameters, shares as decimals.

    `unpaired_*` multiply the forward for each call sold without cover; `put_scale` is what a short
    put's maintenance margin is multiplied by to bound its initial one. A feed whose confidence is
    under `confidence_min` costs `confidence_scale` of what is missing to 1; a stablecoin under
    `peg_min_usd` costs `peg_scale` of what is missing. `base_share` of the underlying itself counts
    as collateral, times `base_initial_scale` for initial margin.
    """

    initial: float
    initial_min: float
    maintenance_call: float
    maintenance_put: float
    maintenance_put_mark: float
    unpaired_initial: float
    unpaired_maintenance: float
    put_scale: float
    perp_initial: float
    perp_maintenance: float
    confidence_min: float
    confidence_scale: float
    peg_min_usd: float
    peg_scale: float
    base_share: float
    base_initial_scale: float = 1.0
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Needs:
    """What a market needs: options, shape (options,) alone, and parts by name."""

    alone: tuple[Floats, Floats]
    parts: tuple[Contingency, ...]
    counted: float


def report(account: Subaccount, parameters: Parameters) -> Report:
    """Return what a subaccount needs; `counted` is its cash and what its perpetuals are owed.

    Collateral stands among the contingencies with a negative sign.
    """
    needs = [_needs(market, account.stable_usd, parameters) for market in account.markets]
    parts = tuple(part for need in needs for part in need.parts)
    names = tuple(name for market in account.markets for name in market.options.names)
    return Report(
        model=MODEL,
        currency="USDC",
        currency_usd=account.stable_usd,
        initial=sum(part.initial for part in parts),
        maintenance=sum(part.maintenance for part in parts),
        positions=PositionMargins(
            names=names,
            size_coin=np.concatenate([np.zeros(0), *(m.options.size for m in account.markets)]),
            initial=np.concatenate([np.zeros(0), *(need.alone[0] for need in needs)]),
            maintenance=np.concatenate([np.zeros(0), *(need.alone[1] for need in needs)]),
        ),
        scenarios=NO_SCENARIOS,
        contingencies=parts,
        provenance=parameters.provenance,
        counted=account.cash + sum(need.counted for need in needs),
        doubts=doubtful(parameters.provenance),
    )


def what_if(account: Subaccount, parameters: Parameters, fills: Mapping[str, float]) -> Report:
    """Return what the subaccount would need after `fills`: signed coins by instrument.

    Raises:
        KeyError: an instrument is in none of its markets.
    """
    known = {
        name for market in account.markets for name in (*market.options.names, market.perp_name)
    }
    if unknown := sorted(fills.keys() - known):
        raise KeyError(f"no row for {', '.join(unknown)}")
    after = tuple(market.filled(fills) for market in account.markets)
    return report(replace(account, markets=after), parameters)


def _needs(market: Market, stable_usd: float, parameters: Parameters) -> _Needs:
    options, spot = market.options, market.spot_usd
    alone = _alone(market, parameters)
    years, member = expiries(options)
    initial = maintenance = feeds = 0.0
    for expiry in range(len(years)):
        rows = np.flatnonzero(member == expiry)
        largest = _largest_loss(market, rows, parameters)
        initial += min(float(alone[0][rows].sum()), largest[0])
        maintenance += min(float(alone[1][rows].sum()), largest[1])
        sold = float(-np.minimum(options.size[rows], 0.0).sum())
        sure = min(market.spot_confidence, float(market.confidence[rows].min()))
        feeds += _unsure(sure, sold * spot, parameters)
    perp = abs(market.perp_coin)
    sure = min(market.spot_confidence, market.perp_confidence)
    feeds += _unsure(sure, perp * spot, parameters)
    base = sum(held.size_coin * held.price_usd for held in market.collaterals)
    for held in market.collaterals:
        feeds += _unsure(held.confidence, held.size_coin * held.price_usd, parameters)
    short = float(-np.minimum(options.size, 0.0).sum())
    missing = max(parameters.peg_min_usd - stable_usd, 0.0) * parameters.peg_scale
    said, lent = market.underlying, -base * parameters.base_share
    parts = (
        _part(f"{said} options", initial, maintenance),
        _part(
            f"{said} perpetual",
            perp * market.perp_usd * parameters.perp_initial,
            perp * market.perp_usd * parameters.perp_maintenance,
        ),
        _part(f"{said} collateral", lent * parameters.base_initial_scale, lent),
        _part(f"{said} feeds", feeds, 0.0),
        _part(f"{said} peg", missing * spot * (perp + short), 0.0),
    )
    return _Needs(alone=alone, parts=parts, counted=market.perp_owed)


def _part(name: str, initial: float, maintenance: float) -> Contingency:
    return Contingency(name=name, initial=initial, maintenance=maintenance)


def _unsure(confidence: float, worth: float, parameters: Parameters) -> float:
    """Return what a feed costs that is not sure of itself."""
    if confidence >= parameters.confidence_min:
        return 0.0
    return (1.0 - confidence) * parameters.confidence_scale * worth


def _alone(market: Market, parameters: Parameters) -> tuple[Floats, Floats]:
    """Return what each option needs were it the only one; long ones nothing."""
    options, spot = market.options, market.spot_usd
    terms = replace(market.terms, discount=np.ones(len(options.names)))
    mark = scenario_values.values(terms, np.ones(1), options.iv[None, :])[0]
    out = np.where(options.is_call, options.strike - spot, spot - options.strike)
    share = np.maximum(parameters.initial - np.maximum(out, 0.0) / spot, parameters.initial_min)
    initial = share * spot + mark
    call = parameters.maintenance_call * spot + mark
    put = (
        np.maximum(parameters.maintenance_put * spot, parameters.maintenance_put_mark * mark) + mark
    )
    bounded = np.maximum(initial, put * parameters.put_scale)
    sold = -np.minimum(options.size, 0.0)
    held = sold > 0.0  # what is not sold needs no price
    return (
        np.where(held, sold * np.where(options.is_call, initial, bounded), 0.0),
        np.where(held, sold * np.where(options.is_call, call, put), 0.0),
    )


def _largest_loss(market: Market, rows: Stamps, parameters: Parameters) -> tuple[float, float]:
    """Return the most that options of one expiry can lose at it, for either margin."""
    options = market.options
    size, strike, is_call = options.size[rows], options.strike[rows], options.is_call[rows]
    settled = np.concatenate((np.zeros(1), strike))[:, None]
    inner = np.maximum(np.where(is_call, settled - strike, strike - settled), 0.0)
    loss = max(-float((inner * size).sum(axis=1).min()), 0.0)
    forward = float(market.still[rows[0]] + market.moving[rows[0]])
    uncovered = max(-float(size[is_call].sum()), 0.0) * forward
    return (
        loss + parameters.unpaired_initial * uncovered,
        loss + parameters.unpaired_maintenance * uncovered,
    )
