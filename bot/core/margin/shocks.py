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

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

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
    if shock.is_still:
        return Shocked(account=account, options_profit=0.0, futures_profit=0.0)
    pairs = tuple(_moved(pair, shock) for pair in account.pairs)
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


def _moved(pair: Pair, shock: Shock) -> Pair:
    index = pair.index_usd * (1.0 + shock.spot)
    after = replace(
        pair,
        index_usd=index,
        options=_options(pair, shock, index) if pair.options.names else pair.options,
        futures=replace(
            pair.futures,
            mark_usd=pair.futures.mark_usd * (1.0 + shock.spot) + shock.basis * index,
            years=np.maximum(pair.futures.years - shock.years, 0.0),
        ),
    )
    there = pair.futures.size_coin * coins_there(pair, after)
    return replace(after, futures=replace(after.futures, size_coin=_held(pair.futures, there)))


def _held(futures: Futures, there: Floats) -> Floats:
    """What is not held stays so, whether or not it has a price."""
    return np.where(futures.size_coin == 0.0, 0.0, there)


def _options(pair: Pair, shock: Shock, index: float) -> Options:
    options = pair.options
    left = np.maximum(options.years - shock.years, 0.0)
    forward = options.forward * (1.0 + shock.spot) + shock.basis * index
    moved = replace(
        options,
        forward=forward,
        iv=_vols(options, forward, shock),
        years=left,
        discount=_discounts(options, left) if shock.years else options.discount,
    )
    change = _worth(moved, pair.is_linear) - _worth_before(options, pair.is_linear)
    return replace(moved, mark=np.maximum(options.mark + change, 0.0))


def _discounts(options: Options, left: Floats) -> Floats:
    share = np.divide(left, options.years, out=np.ones(len(left)), where=options.years > 0.0)
    discounts: Floats = options.discount**share
    return discounts


def _vols(options: Options, forward: Floats, shock: Shock) -> Floats:
    vols = options.iv
    match shock.smile:
        case Smile.STICKY_MONEYNESS:
            smiles = _smiles_of(options)
            there = np.log(options.strike / forward)
            vols = vols + (smiles.at(there) - smiles.here)
        case Smile.STICKY_STRIKE:
            pass
    moved = vols * (1.0 + shock.vol_share) + shock.vol_points
    floors: Floats = np.minimum(options.iv, VOL_LEAST)
    return np.maximum(moved, floors)


def _worth(options: Options, is_linear: bool) -> Floats:  # noqa: FBT001 (remembered by position)
    """Return Black-76 of one coin of each: coins of its forward, or dollars if linear."""
    terms = scenario_values.Options(
        moving=options.forward,
        still=np.zeros(len(options.names)),
        strike=options.strike,
        years=options.years,
        discount=options.discount,
        is_call=options.is_call,
        is_inverse=np.full(len(options.names), not is_linear),
    )
    worth: Floats = scenario_values.values(terms, np.ones(1), options.iv[None, :])[0]
    return worth


# An account is moved to many markets in turn, and starts from the same one each time.
_worth_before = remembered(_worth)


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
