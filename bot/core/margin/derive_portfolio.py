"""Derive's portfolio manager (PMRM2): the worst of its scenarios times a factor, and contingencies.

    net margin = cash + marked value - factor x worst loss - contingencies

Source: Derive's published manager; all third-party cases at hand are met to within rounding. Within
an expiry options net; a gain of one expiry offsets a loss of another only after a static discount,
and not at all where only the skew moves. The basis contingency is a scenario of its own: each
expiry's forward by itself against the account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.derive_account import Market, Subaccount
from bot.core.margin.derive_table import Direction, SkewShock, Table, VolShocks, table_of
from bot.core.margin.report import (
    Contingency,
    PositionMargins,
    Provenance,
    Report,
    Scenarios,
    doubtful,
)

MODEL: Final = "derive_portfolio"
BASIS: Final = "basis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The spot times `spot`, volatilities in one direction, its loss times `damping`."""

    spot: float
    direction: Direction
    damping: float = 1.0

    @property
    def name(self) -> str:
        """A name for people: the move and the volatility."""
        return f"{self.spot - 1.0:+.4g} vol {self.direction}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discounting:
    """How shocked values are discounted: a gain by `gain_base` and more, a loss by less.

    The rate is multiplied by `gain_rate` or `loss_rate`, and `gain_add` or `loss_add` is added to
    it, per year.
    """

    gain_base: float
    loss_base: float
    gain_rate: float
    loss_rate: float
    gain_add: float
    loss_add: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The basis contingency: forwards times `up` or `down`; loss times `add` + `per_year` T."""

    up: float
    down: float
    add: float
    per_year: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Haircut:
    """What of a collateral's value does not count: for maintenance, and further for initial margin.

    One that `cancels_risk` moves with the spot; another does not move.
    """

    initial: float
    maintenance: float
    cancels_risk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Contingencies, as shares of the spot or as factors of the loss.

    `perp_*` and `option_*` (naked short options) for maintenance, and more for initial margin. A
    feed under `confidence_min` costs `confidence_scale` of what is missing to 1. A stablecoin under
    `peg_min_usd` raises the initial factor by `peg_scale` for what is missing.
    """

    initial_factor: float
    maintenance_factor: float
    perp_initial: float
    perp_maintenance: float
    option_initial: float
    option_maintenance: float
    confidence_min: float
    confidence_scale: float
    peg_min_usd: float
    peg_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The manager's parameters; haircuts by the collateral's name."""

    scenarios: tuple[Scenario, ...]
    vols: VolShocks
    skew: SkewShock
    discounting: Discounting
    basis: Basis
    charges: Charges
    haircuts: Mapping[str, Haircut]
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Valued:
    """A subaccount with the value of its options in every scenario."""

    account: Subaccount
    market: Market
    parameters: Parameters
    table: Table


def value(account: Subaccount, parameters: Parameters) -> Valued:
    """Value a subaccount's options in every scenario.

    Raises:
        ValueError: it has not exactly one market, as the manager wants it.
    """
    if len(account.markets) != 1:
        raise ValueError(f"the portfolio manager has one market, not {len(account.markets)}")
    market = account.markets[0]
    grow = [scenario.spot for scenario in parameters.scenarios]
    how = [scenario.direction for scenario in parameters.scenarios]
    basis = parameters.basis
    table = table_of(
        market,
        (*grow, basis.up, basis.down, 1.0),
        (*how, Direction.NONE, Direction.NONE, Direction.NONE),
        (parameters.vols, parameters.skew),
    )
    return Valued(account=account, market=market, parameters=parameters, table=table)


def report(account: Subaccount, parameters: Parameters) -> Report:
    """Return what a subaccount needs; `counted` is its cash and the marked value of all it holds.

    Raises:
        ValueError: it has not exactly one market.
    """
    return report_of(value(account, parameters))


def what_if(valued: Valued, fills: Mapping[str, float]) -> Report:
    """Return what the subaccount would need after `fills` at the marks: signed coins by instrument.

    No option is valued again.

    Raises:
        KeyError: an instrument has no row.
    """
    known = {*valued.market.options.names, valued.market.perp_name}
    if unknown := sorted(fills.keys() - known):
        raise KeyError(f"no row for {', '.join(unknown)}")
    after = valued.market.filled(fills)
    # What is bought is paid for: the marked value stays.
    change = after.options.size - valued.market.options.size
    traded = np.flatnonzero(change)
    paid = float(valued.table.marks[traded] @ change[traded])
    account = replace(valued.account, cash=valued.account.cash - paid, markets=(after,))
    return report_of(replace(valued, account=account, market=after))


def report_of(valued: Valued) -> Report:
    """Return what a valued subaccount needs."""
    account, market, parameters = valued.account, valued.market, valued.parameters
    by_expiry = valued.table.by_expiry(market.options.size)
    marked, collateral = by_expiry[-1], _collateral(account, market)
    profits = _profits(valued, by_expiry, collateral)
    scenarios = Scenarios(
        names=(*(scenario.name for scenario in parameters.scenarios), BASIS), profit=profits
    )
    charges, loss = parameters.charges, scenarios.worst_loss
    off_peg = max(charges.peg_min_usd - account.stable_usd, 0.0) * charges.peg_scale
    parts = (
        Contingency(
            name="worst scenario",
            initial=loss * (charges.initial_factor + off_peg),
            maintenance=loss * charges.maintenance_factor,
        ),
        *_contingencies(valued, collateral),
    )
    return Report(
        model=MODEL,
        currency="USDC",
        currency_usd=account.stable_usd,
        initial=sum(part.initial for part in parts),
        maintenance=sum(part.maintenance for part in parts),
        positions=_positions(valued, scenarios.worst),
        scenarios=scenarios,
        contingencies=parts,
        provenance=parameters.provenance,
        counted=account.cash + float(marked.sum()) + sum(collateral) + market.perp_owed,
        doubts=doubtful(parameters.provenance),
    )


def _collateral(account: Subaccount, market: Market) -> list[float]:
    """Return what each collateral is worth, in units of cash."""
    return [held.size_coin * held.price_usd / account.stable_usd for held in market.collaterals]


def _profits(valued: Valued, by_expiry: Floats, collateral: list[float]) -> Floats:
    """Return profit in each scenario, and in the basis contingency last."""
    market, parameters = valued.market, valued.parameters
    count = len(parameters.scenarios)
    spot = np.array([scenario.spot for scenario in parameters.scenarios])
    damping = np.array([scenario.damping for scenario in parameters.scenarios])
    skewed = [scenario.direction.is_skew for scenario in parameters.scenarios]
    now, shocked = by_expiry[-1], by_expiry[:count]
    change = (_discounted(valued, shocked) - now) * damping[:, None]
    change[skewed] = -np.abs(change[skewed])
    moving = market.perp_coin * market.perp_usd + sum(
        worth
        for worth, held in zip(collateral, market.collaterals, strict=True)
        if parameters.haircuts[held.name].cancels_risk
    )
    profit = change.sum(axis=1) + moving * (spot - 1.0) * damping
    scale = parameters.basis.add + parameters.basis.per_year * valued.table.years
    off = np.minimum((by_expiry[count:-1] - now).min(axis=0), 0.0) * scale
    return np.append(profit, off.sum())


def _discounted(valued: Valued, shocked: Floats) -> Floats:
    """Shocked values of the expiries, gains taken for less and losses for no less than they are."""
    how, years, discount = valued.parameters.discounting, valued.table.years, valued.table.discount
    due = -np.log(discount)
    gain = how.gain_base * np.exp(-(due * how.gain_rate + years * how.gain_add))
    loss = how.loss_base / np.exp(-(due * how.loss_rate + years * how.loss_add))
    discounted: Floats = shocked * np.where(shocked >= 0.0, gain, np.minimum(1.0 / discount, loss))
    return discounted


def _contingencies(valued: Valued, collateral: list[float]) -> tuple[Contingency, ...]:
    """Return what is added whatever happens; initial margin has the maintenance part too."""
    market, charges = valued.market, valued.parameters.charges
    perp = abs(market.perp_coin) * market.spot_usd
    naked = valued.table.naked_shorts(market.options.size) * market.spot_usd
    cut = [valued.parameters.haircuts[held.name] for held in market.collaterals]
    kept = sum(worth * one.maintenance for worth, one in zip(collateral, cut, strict=True))
    more = sum(worth * one.initial for worth, one in zip(collateral, cut, strict=True))
    added = (
        ("perpetual", perp * charges.perp_initial, perp * charges.perp_maintenance),
        ("naked short options", naked * charges.option_initial, naked * charges.option_maintenance),
        ("collateral", more, kept),
        ("feeds", _feeds(valued, collateral), 0.0),
    )
    return tuple(
        Contingency(name=name, initial=initial + maintenance, maintenance=maintenance)
        for name, initial, maintenance in added
    )


def _feeds(valued: Valued, collateral: list[float]) -> float:
    """Return what feeds cost that are not sure of themselves."""
    market, charges = valued.market, valued.parameters.charges
    spot_sure = market.spot_confidence
    worth = [(min(spot_sure, market.perp_confidence), abs(market.perp_coin) * market.spot_usd)]
    for expiry in range(len(valued.table.years)):
        rows = np.flatnonzero(valued.table.member == expiry)
        sure = min(spot_sure, float(market.confidence[rows].min()))
        worth.append((sure, float(np.abs(market.options.size[rows]).sum()) * market.spot_usd))
    worth += [
        (min(spot_sure, held.confidence), value)
        for held, value in zip(market.collaterals, collateral, strict=True)
    ]
    return charges.confidence_scale * sum(
        (1.0 - sure) * value for sure, value in worth if sure < charges.confidence_min
    )


def _positions(valued: Valued, worst: int | None) -> PositionMargins:
    """Return what each position loses in the worst scenario, before discount and damping."""
    market, count = valued.market, len(valued.parameters.scenarios)
    size = np.append(market.options.size, market.perp_coin)
    lost = np.zeros(len(size))
    if worst is not None and worst < count:
        table = valued.table
        lost[:-1] = (table.marks - table.worth[worst]) * market.options.size
        lost[-1] = (1.0 - valued.parameters.scenarios[worst].spot) * market.perp_usd * size[-1]
    charges = valued.parameters.charges
    return PositionMargins(
        names=(*market.options.names, market.perp_name),
        size_coin=size,
        initial=lost * charges.initial_factor,
        maintenance=lost * charges.maintenance_factor,
    )
