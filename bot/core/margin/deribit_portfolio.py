"""Deribit's portfolio margin: the loss of the worst scenario, and what is added to it.

    risk matrix = worst case + roll shock + delta shock + correlation contingency
    initial     = risk matrix + MMP + open orders + spot;   maintenance = 0.8 risk matrix

The published vectors (futures only) are reproduced to their last digit. Unproven: how options enter
(no published vector has one), the size of dampener and delta shock, the growth of the roll shock,
and all that concerns several price indices in one account; a report names those that it used.
Where the venue's formula is not known, open orders count as the worst that any part of them could
do once filled: an account that holds it needs no more whichever of its orders fill.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin import deribit_charges, deribit_table
from bot.core.margin.account import Account, Pair
from bot.core.margin.deribit_charges import CoinParameters
from bot.core.margin.deribit_table import Grid, PairParameters, Table
from bot.core.margin.report import (
    Contingency,
    PositionMargins,
    Provenance,
    Report,
    Scenarios,
    doubtful,
)

MODEL: Final = "deribit_portfolio"
DIGITS: Final = 9  # to which the venue rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The model's parameters: by price index, by underlying, and general.

    Underlyings of `correlated` move together in one scenario; others are added up, each at its own
    worst.
    """

    pairs: Mapping[str, PairParameters]
    coins: Mapping[str, CoinParameters]
    maintenance_factor: float
    grid: Grid
    correlated: frozenset[str] = frozenset()
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Valued:
    """An account with the table of each of its price indices, and what it makes in each scenario.

    `sizes` and `profits` by price index: signed coins, shape (instruments,), and profit before any
    offset in the pair's own money, shape (scenarios,).
    """

    account: Account
    parameters: Parameters
    tables: tuple[Table, ...]
    sizes: tuple[Floats, ...]
    profits: tuple[Floats, ...]


def value(account: Account, parameters: Parameters, known: Valued | None = None) -> Valued:
    """Value an account in every scenario; of what is `known` only what changed is valued again.

    Raises:
        KeyError: there are no parameters for a price index or an underlying of the account.
    """
    before = {}
    if known is not None and known.parameters is parameters:
        before = {table.pair.index_name: table for table in known.tables}
    tables = tuple(
        deribit_table.table_of(
            pair,
            parameters.grid,
            parameters.pairs[pair.index_name],
            before.get(pair.index_name),
        )
        for pair in account.pairs
    )
    sizes = tuple(pair.sizes for pair in account.pairs)
    return Valued(
        account=account,
        parameters=parameters,
        tables=tables,
        sizes=sizes,
        profits=tuple(map(_profit, tables, sizes)),
    )


def _profit(table: Table, sizes: Floats) -> Floats:
    """Add up a pair in every scenario: what is not held needs no price."""
    held = table.held(sizes)
    total: Floats = (table.profit[:, held] * sizes[held]).sum(axis=1)
    return total


def report(account: Account, parameters: Parameters) -> Report:
    """Return what the account needs.

    Raises:
        KeyError: there are no parameters for a price index or an underlying of the account.
    """
    return report_of(value(account, parameters))


def what_if(valued: Valued, fills: Mapping[str, float]) -> Report:
    """Return what the account would need after `fills`: signed coins by instrument.

    Nothing is valued again. Orders that would have filled are the caller's to take away.

    Raises:
        KeyError: an instrument has no row in the account.
    """
    return report_of(_filled(valued, fills))


def needed_after(valued: Valued, fills: Mapping[str, float]) -> tuple[float, float]:
    """Return initial and maintenance margin after `fills`, as `what_if`, without the report of it.

    Raises:
        KeyError: an instrument has no row in the account.
    """
    after = _filled(valued, fills)
    return _required(after, [_charges(after, at) for at in _groups(after)]).totals


def _filled(valued: Valued, fills: Mapping[str, float]) -> Valued:
    left, sizes, profits = dict(fills), [], []
    for table, size, profit in zip(valued.tables, valued.sizes, valued.profits, strict=True):
        ours = [name for name in left if name in table.rows]
        if ours:
            rows = [table.rows[name] for name in ours]
            change = np.array([left.pop(name) for name in ours])
            size = size.copy()  # noqa: PLW2901  the table's own row stays as it is
            size[rows] += change
            profit = profit + table.profit[:, rows] @ change  # noqa: PLW2901  as above
        sizes.append(size)
        profits.append(profit)
    if left:
        raise KeyError(f"no row for {', '.join(sorted(left))}")
    return Valued(
        account=valued.account,
        parameters=valued.parameters,
        tables=valued.tables,
        sizes=tuple(sizes),
        profits=tuple(profits),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Charges:
    """What the pairs of one group need together, in the account's currency.

    `profit` by scenario after offsets; the pairs are those at `at` in the account.
    """

    at: tuple[int, ...]
    names: tuple[str, ...]
    profit: Floats
    roll: float
    delta: float

    @property
    def worst(self) -> float:
        """What the worst scenario loses; nan if one has no value."""
        low = float(self.profit.min(initial=0.0))
        return 0.0 if low >= 0.0 else -low


@dataclass(frozen=True, slots=True, kw_only=True)
class _Required:
    """What is added up: the worst scenario, what is charged, what is reserved; `share` is kept."""

    worst: float
    roll: float
    delta: float
    mmp: float
    orders: float
    spot: float
    share: float

    @property
    def totals(self) -> tuple[float, float]:
        """Initial and maintenance margin."""
        matrix = self.worst + self.roll + self.delta
        return round(matrix + self.mmp + self.orders + self.spot, DIGITS), self.share * matrix


def _required(valued: Valued, groups: list[_Charges]) -> _Required:
    stated = valued.account.stated
    orders = stated.open_orders
    if orders is None:
        orders = _orders(valued, groups) if valued.account.knows_its_orders else math.nan
    return _Required(
        worst=round(sum(group.worst for group in groups), DIGITS),
        roll=sum(group.roll for group in groups),
        delta=sum(group.delta for group in groups),
        mmp=stated.mmp,
        orders=orders,
        spot=stated.spot,
        share=valued.parameters.maintenance_factor,
    )


def report_of(valued: Valued) -> Report:
    """Return what a valued account needs."""
    account, parameters = valued.account, valued.parameters
    groups = [_charges(valued, at) for at in _groups(valued)]
    need, share = _required(valued, groups), parameters.maintenance_factor
    charged = (
        ("worst scenario", need.worst),
        ("roll shock", need.roll),
        ("delta shock", need.delta),
    )
    reserved = (("mmp", need.mmp), ("open orders", need.orders), ("spot", need.spot))
    initial, maintenance = need.totals
    return Report(
        model=MODEL,
        currency=account.currency,
        currency_usd=account.currency_usd,
        initial=initial,
        maintenance=maintenance,
        positions=_positions(valued, groups),
        scenarios=Scenarios(
            names=sum((group.names for group in groups), ()),
            profit=np.concatenate([np.zeros(0), *(group.profit for group in groups)]),
        ),
        contingencies=(
            *(Contingency(name=n, initial=v, maintenance=share * v) for n, v in charged),
            *(Contingency(name=n, initial=v, maintenance=0.0) for n, v in reserved),
        ),
        provenance=parameters.provenance,
        doubts=doubtful(parameters.provenance) + _doubts(valued, groups),
    )


def _groups(valued: Valued) -> list[tuple[int, ...]]:
    """Return which pairs share their scenarios: those of one underlying, and correlated ones."""
    found: dict[str, tuple[int, ...]] = {}
    for at, pair in enumerate(valued.account.pairs):
        alone = pair.underlying not in valued.parameters.correlated
        key = pair.underlying if alone else ""
        found[key] = (*found.get(key, ()), at)
    return list(found.values())


def _charges(valued: Valued, at: tuple[int, ...]) -> _Charges:
    parameters, roll, delta = valued.parameters, 0.0, 0.0
    for one in at:
        table, sizes = valued.tables[one], valued.sizes[one]
        money = _money(valued.account, table.pair)
        coin = parameters.coins[table.pair.underlying]
        pair = parameters.pairs[table.pair.index_name]
        roll += money * deribit_charges.roll_shock(table, sizes, coin)
        delta += money * deribit_charges.delta_shock(table, sizes, pair)
    return _Charges(
        at=at,
        names=valued.tables[at[0]].moves.names,
        profit=_together(valued, at, valued.profits),
        roll=roll,
        delta=delta,
    )


def _together(valued: Valued, at: tuple[int, ...], profits: tuple[Floats, ...]) -> Floats:
    """Add up the pairs of a group in each scenario, after offsets, in the account's currency."""
    parameters = valued.parameters
    return sum(
        (
            _money(valued.account, valued.tables[one].pair)
            * deribit_charges.aggregated(
                valued.tables[one],
                profits[one],
                parameters.grid,
                parameters.pairs[valued.tables[one].pair.index_name],
                parameters.coins[valued.tables[one].pair.underlying],
            )
            for one in at
        ),
        np.zeros(len(valued.tables[at[0]].moves.move)),
    )


def _money(account: Account, pair: Pair) -> float:
    """Return what one unit of a pair's money is in the account's currency: 1 where it is that."""
    own = pair.is_linear or pair.underlying == account.currency
    return 1.0 if own else pair.index_usd / account.currency_usd


def _orders(valued: Valued, groups: list[_Charges]) -> float:
    """Return what the open orders add at worst, whichever part of them fills."""
    if not valued.account.orders:
        return 0.0
    parameters, least, more = valued.parameters, list(valued.profits), 0.0
    for at, (table, sizes) in enumerate(zip(valued.tables, valued.sizes, strict=True)):
        reach = deribit_charges.reach_of(table, sizes, valued.account.orders)
        coin = parameters.coins[table.pair.underlying]
        pair = parameters.pairs[table.pair.index_name]
        least[at] = deribit_charges.profit_at_least(table, valued.profits[at], sizes, reach)
        money = _money(valued.account, table.pair)
        more += money * deribit_charges.roll_shock_at_most(table, reach, coin)
        more += money * deribit_charges.delta_shock_at_most(table, reach, pair)
    for group in groups:
        low = float(_together(valued, group.at, tuple(least)).min(initial=0.0))
        more += -low - group.worst - group.roll - group.delta
    return more


def _positions(valued: Valued, groups: list[_Charges]) -> PositionMargins:
    """Return what each position loses in the worst scenario of its group, before any offset."""
    lost: list[Floats] = [np.zeros(len(sizes)) for sizes in valued.sizes]
    for group in groups:
        worst = int(group.profit.argmin())
        for at in group.at if group.worst else ():
            table, sizes = valued.tables[at], valued.sizes[at]
            held = table.held(sizes)
            money = _money(valued.account, table.pair)
            lost[at][held] = -money * table.profit[worst, held] * sizes[held]
    initial = np.concatenate([np.zeros(0), *lost])
    return PositionMargins(
        names=sum((table.names for table in valued.tables), ()),
        size_coin=np.concatenate([np.zeros(0), *valued.sizes]),
        initial=initial,
        maintenance=initial * valued.parameters.maintenance_factor,
    )


def _doubts(valued: Valued, groups: list[_Charges]) -> tuple[str, ...]:
    """Say what of the requirement rests on no published figure."""
    found = []
    main = valued.parameters.grid.main_count
    if any(pair.options.size.any() for pair in valued.account.pairs):
        found.append("options: repriced by Black-76, no published vector has one")
    if any(pair.is_linear for pair in valued.account.pairs):
        found.append("linear contracts: no published vector has one")
    if any(group.worst and int(group.profit.argmin()) >= main for group in groups):
        found.append("extended scenario is the worst: the size of its dampener is third-party")
    if any(
        deribit_charges.roll_grows(table, valued.parameters.coins[table.pair.underlying])
        for table in valued.tables
    ):
        found.append("roll shock: its growth with the years to expiry is third-party")
    if any(group.delta for group in groups):
        found.append("delta shock: its scale is inferred")
    if len(valued.account.pairs) > 1:
        found.append("several price indices: the correlation contingency is not known")
    if valued.account.orders and valued.account.stated.open_orders is None:
        found.append("open orders: bounded, the venue's own formula is not known")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where the worst case lies, as the venue counts: buckets and entries from 1."""

    bucket: int
    index: int
    side: str
    source: str


def bucket_of(scenario: int, grid: Grid) -> Bucket:
    """Return the venue's name of a scenario by its place in one price index's list."""
    vols = len(deribit_table.VOLS)
    if scenario < grid.main_count:
        bucket = scenario // vols
        side = "left" if bucket < grid.buckets else "right"
        return Bucket(bucket=bucket + 1, index=scenario + 1, side=side, source="standard")
    far = scenario - grid.main_count
    side = "left" if grid.far_moves[far] < 0.0 else "right"
    return Bucket(bucket=far + 1, index=far + 1, side=side, source="extended")
