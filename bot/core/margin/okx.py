"""OKX's margin of options outside its portfolio mode: position by position, long ones nothing.

    initial of a coin sold = max(least, share - OTM/F) MF unit + mark
    maintenance            = call: c MF unit + mark;  put: max(c unit, c mark) MF + mark

unit is 1 for coin-settled options and the index for dollar-settled ones; MF, the margin factor,
grows with the tier of the position. Source: OKX's help page on option margin (updated 2026-05-01),
whose worked example this meets. Perpetuals and futures are margined by tiers that are not modelled:
an account that holds one has no number here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import Provenance, Report
from bot.core.margin.summing import (
    Needs,
    Told,
    out_of_the_money,
    per_coin,
    summed,
    uncovered,
)

MODEL: Final = "okx_options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Up to `size_coin_upper` coins of one underlying's options the margin factor is `factor`."""

    size_coin_upper: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of one coin; `fee` is the taker's, of each coin traded."""

    initial: float
    initial_min: float
    open_min: float
    maintenance: dict[str, float]
    tiers: tuple[Tier, ...]
    fee: float
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, rates: Rates) -> Report:
    """Return what an account's options need.

    An open order to sell needs its initial margin less what it earns, or the least for an opening;
    one to buy back what its price is above the initial margin; one to open long its price.

    Raises:
        KeyError: there is no maintenance share for an underlying.
    """
    needs = []
    for pair in account.pairs:
        count, sizes = len(pair.options.names), pair.sizes
        initial, maintenance = per_option(pair, rates)
        beyond = uncovered(sizes[count:])
        needs.append(
            Needs(
                initial=np.concatenate((per_coin(sizes[:count], initial), beyond)),
                maintenance=np.concatenate((per_coin(sizes[:count], maintenance), beyond)),
                orders=_orders(account, pair, initial, rates),
            )
        )
    return summed(account, needs, Told(model=MODEL, provenance=rates.provenance))


def per_option(pair: Pair, rates: Rates) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of one coin sold of each option."""
    options = pair.options
    unit = pair.index_usd if pair.is_linear else 1.0
    factor = _factor(rates, float(np.maximum(-options.size, 0.0).sum()))
    out = out_of_the_money(pair, options.forward) / options.forward
    initial = np.maximum(rates.initial_min, rates.initial - out) * factor * unit + options.mark
    share = rates.maintenance[pair.underlying]
    put = np.maximum(share * unit, share * options.mark) * factor + options.mark
    call = share * factor * unit + options.mark
    return initial, np.where(options.is_call, call, put)


def _factor(rates: Rates, coins: float) -> float:
    return next(
        (tier.factor for tier in rates.tiers if coins <= tier.size_coin_upper),
        rates.tiers[-1].factor,
    )


def _orders(account: Account, pair: Pair, initial: Floats, rates: Rates) -> float:
    rows = {name: row for row, name in enumerate(pair.options.names)}
    unit = pair.index_usd if pair.is_linear else 1.0
    total = 0.0
    for order in account.orders:
        row = rows.get(order.instrument)
        if row is None:
            total += float("nan") if order.instrument in pair.futures.names else 0.0
            continue
        coins, needed, held = abs(order.size_coin), float(initial[row]), pair.options.size[row]
        if order.size_coin < 0.0:
            each = max(needed - order.price, rates.open_min * unit)
        else:
            each = max(order.price - needed, 0.0) if held < 0.0 else order.price
        total += coins * (each + rates.fee * unit)
    return total
