"""Bybit's margin of dollar-settled options in a unified account, position by position.

    maintenance of a coin sold = max(f S, f mark) + mark + l S
    initial                    = max( max(a S - OTM, b S) + mark, maintenance )

S the index, f the maintenance factor, l the liquidation fee. Long options need nothing more than
what was paid for them. Source: Bybit's help centre, whose worked examples this meets; the formula
of the initial margin is a copy of it by others. There the mark is the larger of mark and average
price; the average price is not known here. Perpetuals and futures have no number here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, OpenOrder, Pair
from bot.core.margin.report import Provenance, Report
from bot.core.margin.summing import (
    Needs,
    Told,
    out_of_the_money,
    per_coin,
    summed,
    uncovered,
)

MODEL: Final = "bybit_options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of the index; `maintenance` by underlying.

    The fee of a trade is `fee`, but at most `fee_of_price_max` of its price.
    """

    initial: float
    initial_min: float
    maintenance: dict[str, float]
    liquidation_fee: float
    fee: float
    fee_of_price_max: float
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, rates: Rates) -> Report:
    """Return what an account's options need.

    An open order to sell needs its initial margin and fee less what it earns, one to buy its price
    and fee.

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
                orders=sum(_order(pair, order, initial, rates) for order in account.orders),
            )
        )
    doubts = ("options: the average price may be over the mark",)
    return summed(account, needs, Told(model=MODEL, provenance=rates.provenance, doubts=doubts))


def per_option(pair: Pair, rates: Rates) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of one coin sold of each option."""
    mark, index = pair.options.mark, pair.index_usd
    share = rates.maintenance[pair.underlying]
    maintenance = np.maximum(share * index, share * mark) + mark + rates.liquidation_fee * index
    out = out_of_the_money(pair, index)
    initial = np.maximum(rates.initial * index - out, rates.initial_min * index) + mark
    return np.maximum(initial, maintenance), maintenance


def _order(pair: Pair, order: OpenOrder, initial: Floats, rates: Rates) -> float:
    """Return what one order needs; nothing if it is on another pair."""
    if order.instrument not in pair.options.names:
        return float("nan") if order.instrument in pair.futures.names else 0.0
    coins = abs(order.size_coin)
    fee = min(rates.fee * pair.index_usd, rates.fee_of_price_max * order.price)
    if order.size_coin > 0.0:
        return coins * (order.price + fee)
    needed = float(initial[pair.options.names.index(order.instrument)])
    raised = max(
        order.price - float(pair.options.mark[pair.options.names.index(order.instrument)]), 0.0
    )
    return coins * max(needed + raised + fee - order.price, 0.0)
