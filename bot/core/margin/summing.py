"""Models that net nothing: the requirement is the sum of what each instrument needs by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import (
    NO_SCENARIOS,
    Contingency,
    Needed,
    PositionMargins,
    Provenance,
    Report,
    doubtful,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Needs:
    """What one pair needs: its instruments in the order of its names, and its open orders."""

    initial: Floats
    maintenance: Floats
    orders: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filled:
    """How many coins of each instrument the open orders would buy, and sell (negative)."""

    bought: Floats
    sold: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a model says of itself: its name, its parameters' provenance, what it is unsure of."""

    model: str
    provenance: tuple[Provenance, ...] = ()
    doubts: tuple[str, ...] = field(default=())


def summed(account: Account, needs: Sequence[Needs], told: Told) -> Report:
    """Add up what the pairs of an account need, in their order.

    The orders count for initial margin only; an order whose instrument has no row is no number.
    """
    margins = PositionMargins(
        names=tuple(name for pair in account.pairs for name in pair.names),
        size_coin=_joined(pair.sizes for pair in account.pairs),
        initial=_joined(need.initial for need in needs),
        maintenance=_joined(need.maintenance for need in needs),
    )
    found = parts(account, needs)
    total = needed(found)
    return Report(
        model=told.model,
        currency=account.currency,
        currency_usd=account.currency_usd,
        initial=total.initial,
        maintenance=total.maintenance,
        positions=margins,
        scenarios=NO_SCENARIOS,
        contingencies=found,
        provenance=told.provenance,
        doubts=doubtful(told.provenance) + told.doubts,
    )


def parts(account: Account, needs: Sequence[Needs]) -> tuple[Contingency, ...]:
    """Return what the options, the futures and the open orders of an account need."""
    counts = [len(pair.options.names) for pair in account.pairs]
    told = list(zip(needs, counts, strict=True))
    orders = account.stated.open_orders
    if orders is None:
        known = account.knows_its_orders
        orders = sum(need.orders for need in needs) if known else float("nan")
    return (
        Contingency(
            name="options",
            initial=float(_joined(need.initial[:count] for need, count in told).sum()),
            maintenance=float(_joined(need.maintenance[:count] for need, count in told).sum()),
        ),
        Contingency(
            name="futures",
            initial=float(_joined(need.initial[count:] for need, count in told).sum()),
            maintenance=float(_joined(need.maintenance[count:] for need, count in told).sum()),
        ),
        Contingency(name="open orders", initial=orders, maintenance=0.0),
    )


def needed(found: Iterable[Contingency]) -> Needed:
    """Add up parts, in their order."""
    initial = maintenance = 0.0
    for part in found:
        initial += part.initial
        maintenance += part.maintenance
    return Needed(initial=initial, maintenance=maintenance)


def filled(account: Account, pair: Pair) -> Filled:
    """Return what the open orders on a pair's instruments add up to."""
    rows = {name: row for row, name in enumerate(pair.names)} if account.orders else {}
    bought, sold = np.zeros(len(pair.names)), np.zeros(len(pair.names))
    for order in account.orders:
        row = rows.get(order.instrument)
        if row is not None:
            (bought if order.size_coin > 0.0 else sold)[row] += order.size_coin
    return Filled(bought=bought, sold=sold)


def uncovered(sizes: Floats) -> Floats:
    """Return what instruments need that a model knows nothing of: no number where one is held."""
    return np.where(sizes == 0.0, 0.0, np.nan)


def out_of_the_money(pair: Pair, underlying_usd: Floats | float) -> Floats:
    """Return how far each option is out of the money, US dollars."""
    options = pair.options
    out = np.where(
        options.is_call, options.strike - underlying_usd, underlying_usd - options.strike
    )
    return np.maximum(out, 0.0)


def per_coin(sizes: Floats, sold: Floats, held: Floats | float = 0.0) -> Floats:
    """Return what positions need where a coin sold needs `sold` and a coin held `held`.

    What is neither needs no price.
    """
    short, long = np.maximum(-sizes, 0.0), np.maximum(sizes, 0.0)
    return np.where(sizes < 0.0, short * sold, 0.0) + np.where(sizes > 0.0, long * held, 0.0)


def _joined(columns: Iterable[Floats]) -> Floats:
    all_columns = list(columns)
    return all_columns[0] if len(all_columns) == 1 else np.concatenate([np.zeros(0), *all_columns])
