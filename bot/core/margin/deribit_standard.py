"""Deribit's standard margin (segregated): coins for inverse contracts, US dollars for linear ones.

Sources: Deribit's published terms for options (IM 15 % less out-of-the-money amount, at least 10 %;
MM 7.5 %), futures by a rate table, since the venue replaced its formula in August 2026 and its
interpolation is not published. Linear options have the same structure times the price of the
underlying; their coefficients are published nowhere and taken to be the same. Whether the
out-of-the-money amount is taken from the index or from the expiry's forward is not settled by the
published sources: the larger requirement of the two is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.core.columns import Flags, Floats, OptionTable
from bot.core.immutable import remembered
from bot.core.instruments import Instrument, Settlement
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import Provenance, Report
from bot.core.margin.summing import Needs, Told, filled, summed

MODEL: Final = "deribit_standard"
MAINTENANCE_OF_INITIAL: Final = 2.0 / 3.0  # of futures, since August 2026


@dataclass(frozen=True, slots=True, kw_only=True)
class FuturesRate:
    """Up to `size_coin_upper` coins a position needs these shares of its value."""

    size_coin_upper: float
    initial: float
    maintenance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopedRate:
    """The venue's formula until August 2026: a base share, and more for each coin of the position.

    Both shares rise by `per_coin`.
    """

    initial: float
    maintenance: float
    per_coin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageCurve:
    """The venue's shape since August 2026: leverage falls with the size N of the position, coins.

    L = `leverage` up to `flat` of `size_coin_max`, and `leverage_min` from `size_coin_max` on; the
    initial share is 1/L and the maintenance share two thirds of it. Between them the venue's curve
    is not published: L falls by x**`bend`, x the way from one end to the other, which is early, so
    that the requirement is rather too large than too small.
    """

    leverage: float
    leverage_min: float
    flat: float
    bend: float
    size_coin_max: float


FuturesTable = tuple[FuturesRate, ...] | SlopedRate | LeverageCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The model's coefficients: shares of one coin, or of its price, for options.

    `futures` by underlying (rows by rising size): inverse and linear ones have the same.
    """

    futures: Mapping[str, FuturesTable]
    option_initial: float = 0.15
    option_initial_min: float = 0.10
    option_maintenance: float = 0.075
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Margin in the settlement currency."""

    initial: float
    maintenance: float

    def __add__(self, other: "Requirement") -> "Requirement":
        """Add up two parts of an account; this model nets nothing."""
        return Requirement(
            initial=self.initial + other.initial, maintenance=self.maintenance + other.maintenance
        )


NOTHING = Requirement(initial=0.0, maintenance=0.0)


@remembered
def of_options(table: OptionTable, currency: str, rates: Rates) -> Requirement:
    """Return what the short options that settle in `currency` need; long ones need nothing.

    NaN if a mark is missing.
    """
    held = table.held
    ours = held.settling_in(currency)
    short = ours[held.size[ours] < 0.0]
    if not len(short):
        return NOTHING
    underlying = np.stack([table.index_usd[short], table.forward_usd[short]])
    initial, maintenance = per_short_option(
        strike=held.strike[short],
        is_call=held.is_call[short],
        underlying=underlying,
        mark=table.mark[short],
        unit=np.where(held.is_linear[short], underlying, 1.0),
        rates=rates,
    )
    amount = -held.size[short]
    return Requirement(
        initial=float((amount * initial).sum()), maintenance=float((amount * maintenance).sum())
    )


def per_short_option(
    *,
    strike: Floats,
    is_call: Flags,
    underlying: Floats,
    mark: Floats,
    unit: Floats,
    rates: Rates,
) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of one short coin of each option.

    `underlying` has shape (candidates, options), USD: the largest requirement over the candidates
    counts. `unit` is what a coin is worth in the settlement currency, of the same shape: 1 for
    inverse options, the underlying's price for linear ones; `mark` is in that currency.
    """
    out_usd = np.where(is_call, strike - underlying, underlying - strike)
    out_share = np.maximum(out_usd, 0.0) / underlying
    share = np.maximum(rates.option_initial - out_share, rates.option_initial_min)
    initial = (share * unit).max(axis=0) + mark
    kept = unit.max(axis=0)
    put_maintenance = np.maximum(kept, mark) * rates.option_maintenance + mark
    maintenance = np.where(is_call, kept * rates.option_maintenance + mark, put_maintenance)
    return np.where(is_call, initial, np.maximum(initial, put_maintenance)), maintenance


def of_future(terms: Instrument, size_native: float, mark_usd: float, rates: Rates) -> Requirement:
    """Return what a perpetual or future needs, long or short, in its settlement currency.

    An underlying without rates of its own has those of the largest requirement: better too careful
    than not at all.
    """
    linear = terms.settlement is Settlement.LINEAR
    coins = abs(size_native) if linear else abs(size_native) / mark_usd
    needed = future_share(rates, terms.underlying, coins)
    worth = coins * mark_usd if linear else coins
    return Requirement(initial=worth * needed.initial, maintenance=worth * needed.maintenance)


def future_share(rates: Rates, underlying: str, coins: float) -> Requirement:
    """Return which shares of its value a position of so many coins (positive) needs."""
    known = rates.futures.get(underlying)
    tables = list(rates.futures.values()) if known is None else [known]
    return max((_share(table, coins) for table in tables), key=lambda share: share.initial)


def _share(table: FuturesTable, coins: float) -> Requirement:
    match table:
        case SlopedRate():
            more = table.per_coin * coins
            return Requirement(initial=table.initial + more, maintenance=table.maintenance + more)
        case LeverageCurve():
            initial = 1.0 / _leverage(table, coins)
            return Requirement(initial=initial, maintenance=initial * MAINTENANCE_OF_INITIAL)
        case tuple():
            row = next((rate for rate in table if coins <= rate.size_coin_upper), table[-1])
            return Requirement(initial=row.initial, maintenance=row.maintenance)


def _leverage(curve: LeverageCurve, coins: float) -> float:
    flat = curve.flat * curve.size_coin_max
    way = min(max(coins - flat, 0.0) / (curve.size_coin_max - flat), 1.0)
    return float(curve.leverage - (curve.leverage - curve.leverage_min) * way**curve.bend)


def report(account: Account, rates: Rates) -> Report:
    """Return what the account needs: its positions one by one, and what its open orders may add.

    Open orders count only for the initial margin: on each instrument the worse of all buys or all
    sells filled, and the premium of options that are to be bought. Fees are not counted. NaN where
    a short option has no mark, or an order's instrument no row.
    """
    return report_of(account, needs_of(account, rates), rates)


def report_of(account: Account, needs: Sequence[Needs], rates: Rates) -> Report:
    """Return the report of an account whose `needs_of` are known."""
    doubts = _doubts(account, rates)
    return summed(account, needs, Told(model=MODEL, provenance=rates.provenance, doubts=doubts))


def needs_of(account: Account, rates: Rates) -> tuple[Needs, ...]:
    """Return what each pair of an account needs."""
    return needs_of_each((account,), rates)[0]


def needs_of_each(accounts: Sequence[Account], rates: Rates) -> list[tuple[Needs, ...]]:
    """Return what each pair of each account needs: the same instruments in different markets.

    As one by one, to the bit; the options of all markets are looked at together.
    """
    by_pair = [
        _needs(accounts, pairs, rates)
        for pairs in zip(*(account.pairs for account in accounts), strict=True)
    ]
    return [tuple(needs[at] for needs in by_pair) for at in range(len(accounts))]


def _needs(accounts: Sequence[Account], pairs: Sequence[Pair], rates: Rates) -> list[Needs]:
    """Return what one pair needs in each market."""
    options = _of_options_each(pairs, rates)
    found = []
    for account, pair, (option_initial, option_maintenance) in zip(
        accounts, pairs, options, strict=True
    ):
        future_initial, future_maintenance = _of_futures(pair, pair.futures.size_coin, rates)
        initial = np.concatenate((option_initial, future_initial))
        maintenance = np.concatenate((option_maintenance, future_maintenance))
        orders = _orders(account, pair, initial, rates)
        found.append(Needs(initial=initial, maintenance=maintenance, orders=orders))
    return found


def _of_options_each(pairs: Sequence[Pair], rates: Rates) -> list[tuple[Floats, Floats]]:
    """Return initial and maintenance margin of the options held, in each market."""
    first, counts = pairs[0], [len(pair.options.names) for pair in pairs]
    rows = [pair.options for pair in pairs]
    index = np.repeat([pair.index_usd for pair in pairs], counts)
    underlying = np.stack((index, np.concatenate([row.forward for row in rows])))
    initial, maintenance = per_short_option(
        strike=np.concatenate([row.strike for row in rows]),
        is_call=np.concatenate([row.is_call for row in rows]),
        underlying=underlying,
        mark=np.concatenate([row.mark for row in rows]),
        unit=underlying if first.is_linear else np.ones_like(underlying),
        rates=rates,
    )
    sizes = np.concatenate([row.size for row in rows])
    short = sizes < 0.0
    ends = np.cumsum(counts)[:-1]
    initials = np.split(np.where(short, -sizes * initial, 0.0), ends)
    return list(
        zip(initials, np.split(np.where(short, -sizes * maintenance, 0.0), ends), strict=True)
    )


def _instruments(pair: Pair, sizes: Floats, rates: Rates) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of each instrument, were it held in these sizes."""
    count = len(pair.options.names)
    option_initial, option_maintenance = of_held_options(pair, sizes[:count], rates)
    initial, maintenance = _of_futures(pair, sizes[count:], rates)
    return (
        np.concatenate((option_initial, initial)),
        np.concatenate((option_maintenance, maintenance)),
    )


def _of_futures(pair: Pair, sizes: Floats, rates: Rates) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of each future, were it held in these sizes."""
    worth = np.abs(sizes) * (pair.futures.mark_usd if pair.is_linear else 1.0)
    shares = [future_share(rates, pair.underlying, coins) for coins in np.abs(sizes).tolist()]
    initial = worth * np.array([share.initial for share in shares])
    return initial, worth * np.array([share.maintenance for share in shares])


def of_held_options(pair: Pair, sizes: Floats, rates: Rates) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of each option, were it held in these sizes."""
    options = pair.options
    underlying = np.stack((np.full(len(sizes), pair.index_usd), options.forward))
    initial, maintenance = per_short_option(
        strike=options.strike,
        is_call=options.is_call,
        underlying=underlying,
        mark=options.mark,
        unit=underlying if pair.is_linear else np.ones_like(underlying),
        rates=rates,
    )
    short = sizes < 0.0
    return np.where(short, -sizes * initial, 0.0), np.where(short, -sizes * maintenance, 0.0)


def _orders(account: Account, pair: Pair, now: Floats, rates: Rates) -> float:
    """Return what the open orders on a pair's instruments add to its initial margin at worst."""
    if not account.orders:
        return 0.0
    change, options = filled(account, pair), set(pair.options.names)
    after_buys = _instruments(pair, pair.sizes + change.bought, rates)[0]
    after_sells = _instruments(pair, pair.sizes + change.sold, rates)[0]
    worst = np.maximum(np.maximum(after_buys, after_sells), now)
    premium = sum(
        order.size_coin * order.price
        for order in account.orders
        if order.size_coin > 0.0 and order.instrument in options
    )
    return float((worst - now).sum()) + premium


def _doubts(account: Account, rates: Rates) -> tuple[str, ...]:
    """Say what of the requirement rests on no word of the venue."""
    found = []
    short = [pair for pair in account.pairs if (pair.options.size < 0.0).any()]
    if any(pair.is_linear for pair in short):
        found.append("linear options: the venue's coefficients are not published")
    if short:
        found.append("options: out of the money by index or by forward, whichever needs more")
    for pair in account.pairs:
        largest = float(np.abs(pair.futures.size_coin).max(initial=0.0))
        table = rates.futures.get(pair.underlying)
        if largest and table is None:
            found.append(f"{pair.underlying} futures: no rates, those of the largest margin taken")
        if isinstance(table, LeverageCurve) and largest > table.flat * table.size_coin_max:
            found.append(f"{pair.underlying} futures: leverage beyond the flat part is not known")
    return tuple(found)
