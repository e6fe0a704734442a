"""How far an account is from liquidation: by the spot, and by time.

The spot is moved, hedge and all, with the smile moving along; u is solved for on the way out in
steps of a percent, so that of several crossings the first is told, and the others too. "None within
60 %" is an answer. Time is theta, the market standing still, or funding at the rate of the moment.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.core.margin.account import Account
from bot.core.margin.nodes import Subject, node_at
from bot.core.margin.shocks import Shock, Smile

LIQUIDATED: Final = 1.0
STEP: Final = 0.01  # of the spot: two crossings within one step may be missed
SPOT_WITHIN: Final = 1e-6
REACH: Final = 0.60
HOURS_PER_YEAR: Final = 24.0 * 365.0
HOURS_REACH: Final = 30 * 24.0
HOURS_STEP: Final = 6.0
HOURS_WITHIN: Final = 0.01
FUNDING_HOURS: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyOver:
    """There is no way to go: u is there."""

    usage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneWithin:
    """u is not reached as far as was looked: a share of the spot, or hours."""

    reach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where u is reached first: a share of the spot, or hours.

    `later` are further places where it is crossed again, either way.
    """

    at: float
    later: tuple[float, ...] = ()


Distance = Crossing | NoneWithin | AlreadyOver


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """How far the spot may go down and up until u is 1; moves are shares, down is negative."""

    down: Distance
    up: Distance


def spot_range(
    subject: Subject,
    *,
    reach: float = REACH,
    vol_points: float = 0.0,
    smile: Smile = Smile.STICKY_MONEYNESS,
    limit: float = LIQUIDATED,
) -> Range:
    """Return how far the spot may move until u is at its limit, volatility moved beforehand."""

    def over(move: float) -> bool:
        shock = Shock(spot=move, vol_points=vol_points, smile=smile)
        return not node_at(subject, shock).usage < limit

    now = node_at(subject, Shock(vol_points=vol_points, smile=smile)).usage
    if not now < limit:
        return Range(down=AlreadyOver(usage=now), up=AlreadyOver(usage=now))
    return Range(
        down=_first(lambda out: over(-out), reach, STEP, SPOT_WITHIN, sign=-1.0),
        up=_first(over, reach, STEP, SPOT_WITHIN),
    )


def dollars(account: Account, move: float) -> Mapping[str, float]:
    """Return where each price index would be, in US dollars."""
    return {pair.index_name: pair.index_usd * (1.0 + move) for pair in account.pairs}


def theta_hours(subject: Subject, limit: float, reach: float = HOURS_REACH) -> Distance:
    """Return the hours until u is at its limit in a market that stands still.

    Looks no further than the next expiry of an option held, which makes another account of it.
    """
    reach = min(reach, _next_expiry_hours(subject.account))

    def over(hours: float) -> bool:
        return not node_at(subject, Shock(years=hours / HOURS_PER_YEAR)).usage < limit

    now = node_at(subject, Shock()).usage
    if not now < limit:
        return AlreadyOver(usage=now)
    return _first(over, reach, HOURS_STEP, HOURS_WITHIN)


def _next_expiry_hours(account: Account) -> float:
    years = [
        float(left)
        for pair in account.pairs
        for left in pair.options.years[pair.options.size != 0.0]
        if left > 0.0
    ]
    return min(years, default=HOURS_REACH / HOURS_PER_YEAR) * HOURS_PER_YEAR


def funding_hours(
    subject: Subject, rates: Mapping[str, float], limit: float, reach: float = HOURS_REACH
) -> Distance:
    """Return the hours until funding has brought u to its limit.

    `rates` are those for eight hours, by perpetual: what a long position pays, of its value.
    """
    now = node_at(subject, Shock())
    if not now.usage < limit:
        return AlreadyOver(usage=now.usage)
    spare, paid = now.balance - now.maintenance / limit, funding_per_hour(subject.account, rates)
    if paid <= 0.0 or spare > paid * reach:
        return NoneWithin(reach=reach)
    return Crossing(at=spare / paid)


def funding_per_hour(account: Account, rates: Mapping[str, float]) -> float:
    """Return what an hour of funding costs, negative if it is received; settlement currency."""
    paid = 0.0
    for pair in account.pairs:
        own = pair.is_linear or pair.underlying == account.currency
        money = 1.0 if own else pair.index_usd / account.currency_usd
        worth = pair.index_usd if pair.is_linear else 1.0
        for name, coins in zip(pair.futures.names, pair.futures.size_coin.tolist(), strict=True):
            if name in rates and coins:
                paid += money * worth * coins * rates[name]
    return paid / FUNDING_HOURS


def _first(
    over: Callable[[float], bool], reach: float, step: float, within: float, *, sign: float = 1.0
) -> Distance:
    """Walk out from nothing and return every crossing, the first as the answer."""
    found, was, count = [], False, math.ceil(reach / step - 1e-9)
    for at in range(1, count + 1):
        low, high = (at - 1) * step, min(at * step, reach)
        now = over(high)
        if now is not was:
            found.append(sign * _between(over, low, high, within, rises=now))
            was = now
    if not found:
        return NoneWithin(reach=reach)
    return Crossing(at=found[0], later=tuple(found[1:]))


def _between(
    over: Callable[[float], bool], low: float, high: float, within: float, *, rises: bool
) -> float:
    """Halve until the crossing is known; of the two ends the one nearer to where we stand."""
    while high - low > within:
        middle = 0.5 * (low + high)
        if over(middle) is rises:
            high = middle
        else:
            low = middle
    return low
