"""Paradex's cross margin of perpetuals and options, position by position, in US dollars.

    perpetual   initial: larger open side x share x mark;   maintenance: half of the position's
    option sold max(share S - OTM, least S);   option held: its mark, at most a share of S

The larger open side counts a position together with the orders that would extend it. Source: the
venue's documentation, whose worked example this meets. A cap that it names for puts is not told
well enough to be modelled: sold puts may need less than this says. Losses that open orders would
book at once are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import Provenance, Report
from bot.core.margin.summing import Needs, Told, filled, out_of_the_money, per_coin, summed

MODEL: Final = "paradex_cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionShares:
    """Shares for one kind of margin: of the spot, and `premium` of an option's own mark."""

    short: float
    short_min: float
    long_max: float
    premium: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of perpetuals by underlying; `fee` is the taker's share of a trade's value."""

    perp_initial: Mapping[str, float]
    maintenance_factor: float
    initial: OptionShares
    maintenance: OptionShares
    fee: float
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, rates: Rates) -> Report:
    """Return what an account needs.

    Raises:
        KeyError: there is no share for the perpetual of an underlying that has one.
    """
    needs = [_needs(account, pair, rates) for pair in account.pairs]
    puts = any((pair.options.size[~pair.options.is_call] < 0.0).any() for pair in account.pairs)
    doubts = ("puts: the venue caps what they need, here they are not capped",) if puts else ()
    return summed(account, needs, Told(model=MODEL, provenance=rates.provenance, doubts=doubts))


def _needs(account: Account, pair: Pair, rates: Rates) -> Needs:
    change, sizes = filled(account, pair), pair.sizes
    now, kept = _initial(pair, sizes, rates), _maintenance(pair, sizes, rates)
    buys = _initial(pair, sizes + change.bought, rates)
    sells = _initial(pair, sizes + change.sold, rates)
    worst = np.maximum(np.maximum(buys, sells), now)
    return Needs(initial=now, maintenance=kept, orders=float((worst - now).sum()))


def _initial(pair: Pair, sizes: Floats, rates: Rates) -> Floats:
    count = len(pair.options.names)
    usd = np.abs(sizes[count:]) * pair.futures.mark_usd
    share = rates.perp_initial[pair.underlying] if len(usd) else 0.0
    return np.concatenate((_options(pair, sizes[:count], rates.initial), usd * (share + rates.fee)))


def _maintenance(pair: Pair, sizes: Floats, rates: Rates) -> Floats:
    count = len(pair.options.names)
    usd = np.abs(sizes[count:]) * pair.futures.mark_usd
    share = rates.perp_initial[pair.underlying] * rates.maintenance_factor if len(usd) else 0.0
    return np.concatenate(
        (_options(pair, sizes[:count], rates.maintenance), usd * (share + rates.fee))
    )


def _options(pair: Pair, sizes: Floats, shares: OptionShares) -> Floats:
    spot = pair.index_usd
    short = np.maximum(shares.short * spot - out_of_the_money(pair, spot), shares.short_min * spot)
    long = np.minimum(pair.options.mark * shares.premium, shares.long_max * spot)
    return per_coin(sizes, short, long)
