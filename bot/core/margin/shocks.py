"""The same account in a moved market, and what it makes on the way there.

| what            | becomes                                                                        |
|-----------------|--------------------------------------------------------------------------------|
| index           | S' = S (1 + spot)                                                              |
| forward, future | F' = F (1 + spot) + basis S'                                                   |
| volatility      | max(smile' (1 + vol_share) + vol_points, 1 %)                                  |
| time left       | years - passed, at least nothing; the discount factor df^(left / before)       |
| option's mark   | mark + Black-76 of the moved market - Black-76 of this one, at least nothing   |
| inverse future  | keeps its dollars: q F / F' of its coins; it makes q (1 - F / F') coins        |
| linear future   | keeps its coins; it makes q (F' - F) dollars                                   |

The smile of an expiry is the one that the account's own options show: where it moves with the spot
(`Smile.STICKY_MONEYNESS`), an option's volatility changes by as much as that smile does between its
old and its new ln(K/F), straight between two options and level beyond the last. An expiry of one
strike shows no smile: its volatility then stays. Every price index moves by the same share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from bot.core.columns import Flags, Floats, Stamps
from bot.core.immutable import remembered
from bot.core.margin.account import Account, Futures, Options, Pair
from bot.quant import scenario_values

VOL_LEAST: Final = 0.01  # no shock takes a volatility below it, nor lifts one that is there already
REACH: Final = 30.0  # of ln(K/F): e^30 is no price of anything
STRIDE: Final = 2.0 * REACH + 2.0  # smiles of several expiries lie side by side, so far apart


class Smile(StrEnum):
    """What a volatility belongs to when the spot moves."""

    STICKY_MONEYNESS = "sticky_moneyness"  # to K/F: the smile moves with the spot
    STICKY_STRIKE = "sticky_strike"  # to the option


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """What happens to a market at once.

    `spot` is a share (-0.15 is down 15 %). `vol_share` multiplies volatilities (0.4 is 40 % more)
    and `vol_points` is added to them (0.20 is twenty points). `basis` is what futures and forwards
    gain on the index, a share of it. `years` pass at unchanged forwards.

    Raises:
        ValueError: the spot would leave no price, or time run backwards.
    """

    spot: float = 0.0
    vol_points: float = 0.0
    vol_share: float = 0.0
    years: float = 0.0
    basis: float = 0.0
    smile: Smile = Smile.STICKY_MONEYNESS

    def __post_init__(self) -> None:
        if not (self.spot > -1.0 and self.years >= 0.0):
            raise ValueError(f"no market is left after spot {self.spot:+.0%}, {self.years} years")

    @property
    def is_still(self) -> bool:
        """Whether nothing happens."""
        return not (self.spot or self.vol_points or self.vol_share or self.years or self.basis)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shocked:
    """An account in the moved market, and what it made until there.

    Profits are in its settlement currency; `profit` is that of options and futures together.
    """

    account: Account
    options_profit: float
    futures_profit: float

    @property
    def profit(self) -> float:
        """What all positions made."""
        return self.options_profit + self.futures_profit


def shocked(account: Account, shock: Shock) -> Shocked:
    """Move an account's market.

    Pure; the zero shock gives the very same account. Profits add up over positions: the market
    depends on which options have a row, not on how many of each are held.
    """
    return shocked_each(account, (shock,))[0]


def shocked_each(account: Account, shocks: Sequence[Shock]) -> tuple[Shocked, ...]:
    """Move an account's market by each of several shocks.

    As `shocked` does one by one, bit for bit, in half of the time: the options of all of the moved
    markets are valued at once.
    """
    moved = [_moved(pair, shocks) for pair in account.pairs]
    return tuple(
        _arrived(account, shock, tuple(pairs[at] for pairs in moved))
        for at, shock in enumerate(shocks)
    )


def _arrived(account: Account, shock: Shock, pairs: tuple[Pair, ...]) -> Shocked:
    """Return the account whose pairs were moved, and what it made on the way."""
    if shock.is_still:
        return Shocked(account=account, options_profit=0.0, futures_profit=0.0)
    is_coin = any(pair.underlying == account.currency for pair in pairs)
    worth = account.currency_usd * (1.0 + shock.spot if is_coin else 1.0)
    by_options = by_futures = 0.0
    for before, after in zip(account.pairs, pairs, strict=True):
        own = before.is_linear or before.underlying == account.currency
        money = 1.0 if own else after.index_usd / worth
        by_options += money * _of_options(before.options, after.options)
        by_futures += money * _of_futures(before, after)
    return Shocked(
        account=replace(account, pairs=pairs, currency_usd=worth),
        options_profit=by_options,
        futures_profit=by_futures,
    )


def coins_there(before: Pair, after: Pair) -> Floats:
    """Return what one of today's coins of each future is in the moved market."""
    if before.is_linear:
        return np.ones(len(before.futures.names))
    return before.futures.mark_usd / after.futures.mark_usd


def profit_per_coin(before: Pair, after: Pair) -> Floats:
    """Return what one of today's coins of each future makes, in the pair's own money."""
    was, now = before.futures.mark_usd, after.futures.mark_usd
    return now - was if before.is_linear else 1.0 - was / now


def _of_options(before: Options, after: Options) -> float:
    held = before.size != 0.0  # what is not held needs no price
    return float((before.size[held] * (after.mark - before.mark)[held]).sum())


def _of_futures(before: Pair, after: Pair) -> float:
    held = before.futures.size_coin != 0.0
    return float((before.futures.size_coin[held] * profit_per_coin(before, after)[held]).sum())


def _moved(pair: Pair, shocks: Sequence[Shock]) -> list[Pair]:
    """Return a pair in the market after each shock."""
    rows = _options(pair, shocks) if pair.options.names else [pair.options] * len(shocks)
    return [_there(pair, shock, row) for shock, row in zip(shocks, rows, strict=True)]


def _there(pair: Pair, shock: Shock, options: Options) -> Pair:
    """Return a pair after a shock to which its options were moved already."""
    futures = pair.futures
    index = pair.index_usd * (1.0 + shock.spot)
    mark = futures.mark_usd * (1.0 + shock.spot) + shock.basis * index
    scale = 1.0 if pair.is_linear else futures.mark_usd / mark
    # What is not held stays so, whether or not it has a price.
    held = np.where(futures.size_coin == 0.0, 0.0, futures.size_coin * scale)
    return Pair(
        index_name=pair.index_name,
        underlying=pair.underlying,
        is_linear=pair.is_linear,
        index_usd=index,
        options=options,
        futures=Futures(
            names=futures.names,
            size_coin=held,
            mark_usd=mark,
            years=np.maximum(futures.years - shock.years, 0.0),
        ),
    )


class _Market(NamedTuple):
    """What shocks move of options: arrays of shape (shocks, rows)."""

    forward: Floats
    years: Floats
    vols: Floats
    discount: Floats


def _options(pair: Pair, shocks: Sequence[Shock]) -> list[Options]:
    """Return a pair's options after each shock."""
    now = pair.options
    there = _market(pair, shocks)
    change = _worth(now, there, pair.is_linear) - _worth_before(now, pair.is_linear)
    marks = np.maximum(now.mark + change, 0.0)
    return [
        Options(
            names=now.names,
            size=now.size,
            strike=now.strike,
            years=years,
            is_call=now.is_call,
            forward=forward,
            iv=vols,
            mark=mark,
            discount=discount,
        )
        for mark, forward, years, vols, discount in zip(marks, *there, strict=True)
    ]


def _market(pair: Pair, shocks: Sequence[Shock]) -> _Market:
    options = pair.options
    spot = np.array([[1.0 + shock.spot] for shock in shocks])
    basis = np.array([[shock.basis] for shock in shocks])
    passed = np.array([[shock.years] for shock in shocks])
    forward = options.forward * spot + basis * (pair.index_usd * spot)
    years = np.maximum(options.years - passed, 0.0)
    discount = _discounts(options, years) if passed.any() else _each(options.discount, shocks)
    return _Market(
        forward=forward, years=years, vols=_vols(options, forward, shocks), discount=discount
    )


def _each(column: Floats, shocks: Sequence[Shock]) -> Floats:
    return np.tile(column, (len(shocks), 1))


def _discounts(options: Options, left: Floats) -> Floats:
    share = np.divide(left, options.years, out=np.ones(left.shape), where=options.years > 0.0)
    discounts: Floats = options.discount**share
    return discounts


def _vols(options: Options, forward: Floats, shocks: Sequence[Shock]) -> Floats:
    share = np.array([[1.0 + shock.vol_share] for shock in shocks])
    points = np.array([[shock.vol_points] for shock in shocks])
    vols = _each(options.iv, shocks)
    moving = [shock.smile is Smile.STICKY_MONEYNESS for shock in shocks]
    if any(moving):
        smiles = _smiles_of(options)
        there = np.log(options.strike / forward[moving])
        vols[moving] += smiles.at(there) - smiles.here
    floors: Floats = np.minimum(options.iv, VOL_LEAST)
    moved: Floats = np.maximum(vols * share + points, floors)
    return moved


def _worth(options: Options, there: _Market, is_linear: bool) -> Floats:  # noqa: FBT001 (a term)
    """Return Black-76 of one coin of each in each market, shape (shocks, rows).

    Coins of its forward, or dollars if linear.
    """
    times = len(there.forward)
    count = times * len(options.names)
    terms = scenario_values.Options(
        moving=there.forward.ravel(),
        still=np.zeros(count),
        strike=np.tile(options.strike, times),
        years=there.years.ravel(),
        discount=there.discount.ravel(),
        is_call=np.tile(options.is_call, times),
        is_inverse=np.full(count, not is_linear),
    )
    worth: Floats = scenario_values.values(terms, np.ones(1), there.vols.reshape(1, count))
    shaped: Floats = worth.reshape(there.forward.shape)
    return shaped


@remembered
def _worth_before(options: Options, is_linear: bool) -> Floats:  # noqa: FBT001 (by position)
    """Return what they are worth before: an account is moved to many markets from the same one."""
    columns = (options.forward, options.years, options.iv, options.discount)
    return _worth(options, _Market(*(column[None, :] for column in columns)), is_linear)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Smiles:
    """Volatility by expiry and ln(K/F), as the options of a pair show it.

    Knots of all expiries lie on one line, `STRIDE` apart; `offset`, `low` and `high` are where each
    option's own smile begins on it, and its ends. `here` is the smile at each option now.
    """

    place: Floats
    vol: Floats
    offset: Floats
    low: Floats
    high: Floats
    here: Floats

    def at(self, moneyness: Floats) -> Floats:
        """Return each option's smile at a moneyness, level beyond its ends."""
        found: Floats = np.interp(
            np.clip(moneyness, self.low, self.high) + self.offset, self.place, self.vol
        )
        return found


def _smiles(options: Options) -> _Smiles:
    at = np.clip(np.log(options.strike / options.forward), -REACH, REACH)
    _, term = np.unique(options.years, return_inverse=True)
    offset = term.astype(np.float64) * STRIDE
    seen = np.isfinite(at) & np.isfinite(options.iv)
    place, vol = _knots((at + offset)[seen], options.iv[seen])
    low, high = _ends(at, term, seen)
    bare = _Smiles(place=place, vol=vol, offset=offset, low=low, high=high, here=np.zeros(len(at)))
    return replace(bare, here=bare.at(at))


_smiles_of = remembered(_smiles)


def _knots(place: Floats, vol: Floats) -> tuple[Floats, Floats]:
    """Put them in order; a call and a put of one strike are one knot between the two."""
    if not len(place):
        return np.zeros(1), np.full(1, np.nan)  # what has no volatility has no smile
    line, knot, count = np.unique(place, return_inverse=True, return_counts=True)
    return line, np.bincount(knot, weights=vol) / count


def _ends(at: Floats, term: Stamps, seen: Flags) -> tuple[Floats, Floats]:
    """Return the lowest and the highest moneyness seen of each option's expiry."""
    count = int(term.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, term[seen], at[seen])
    np.maximum.at(high, term[seen], at[seen])
    return low[term], high[term]
