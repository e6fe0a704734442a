"""Hyperliquid's margin of perpetuals: leverage by tiers of the position's value.

    maintenance = notional x rate - deduction,   rate half of the initial rate at a tier's leverage
    deduction of a tier = that of the one before + its lower bound x (its rate - the rate before)

so that the requirement has no jumps. Source: the venue's documentation on margin tiers. Initial
margin is the value over the leverage that is set, here the largest that the tier of the whole value
allows. Options have no number here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import Provenance, Report
from bot.core.margin.summing import Needs, Told, filled, summed, uncovered

MODEL: Final = "hyperliquid_cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """From a value of `usd_lower` on leverage is at most `leverage`."""

    usd_lower: float
    leverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Tiers by underlying, by rising value, and the leverage that a person set, if less."""

    tiers: Mapping[str, tuple[Tier, ...]]
    leverage_set: Mapping[str, float]
    provenance: tuple[Provenance, ...] = ()


def report(account: Account, rates: Rates) -> Report:
    """Return what an account's perpetuals need; open orders count on their worse side.

    Raises:
        KeyError: there are no tiers for an underlying.
    """
    needs = []
    for pair in account.pairs:
        count, sizes = len(pair.options.names), pair.sizes
        beyond = uncovered(sizes[:count])
        change = filled(account, pair)
        now = _initial(pair, sizes, rates)
        buys, sells = (
            _initial(pair, sizes + moved, rates) for moved in (change.bought, change.sold)
        )
        kept = [maintenance(_tiers(pair, rates), usd) for usd in _usd(pair, sizes)]
        asked = uncovered(change.bought[:count]).sum() + uncovered(change.sold[:count]).sum()
        needs.append(
            Needs(
                initial=np.concatenate((beyond, now)),
                maintenance=np.concatenate((beyond, np.array(kept))),
                orders=float((np.maximum(np.maximum(buys, sells), now) - now).sum() + asked),
            )
        )
    return summed(account, needs, Told(model=MODEL, provenance=rates.provenance))


def _tiers(pair: Pair, rates: Rates) -> tuple[Tier, ...]:
    return rates.tiers[pair.underlying]


def _usd(pair: Pair, sizes: Floats) -> Floats:
    return np.abs(sizes[len(pair.options.names) :]) * pair.futures.mark_usd


def _initial(pair: Pair, sizes: Floats, rates: Rates) -> Floats:
    most = rates.leverage_set.get(pair.underlying, float("inf"))
    return np.array(
        [usd / min(most, _at(_tiers(pair, rates), usd).leverage) for usd in _usd(pair, sizes)]
    )


def _at(tiers: tuple[Tier, ...], usd: float) -> Tier:
    return [tier for tier in tiers if tier.usd_lower <= usd][-1] if usd > 0.0 else tiers[0]


def maintenance(tiers: tuple[Tier, ...], usd: float) -> float:
    """Return the maintenance margin of a position worth `usd` (positive)."""
    found, deduction, before = 0.0, 0.0, 0.0
    for tier in tiers:
        rate = 0.5 / tier.leverage
        deduction += tier.usd_lower * (rate - before)
        before = rate
        if usd >= tier.usd_lower:
            found = usd * rate - deduction
    return found if usd == usd else usd  # noqa: PLR0124 (nan is unlike itself)


def liquidation_price(
    *, price: float, size_coin: float, available: float, leverage: float
) -> float:
    """Return the price at which a position is closed; `available` is margin over maintenance.

    `leverage` is that of the tier at liquidation: maintenance is half of its initial rate.
    """
    side = 1.0 if size_coin > 0.0 else -1.0
    return price - side * available / abs(size_coin) / (1.0 - 0.5 / leverage * side)
