"""Deribit's standard margin (segregated): coins for inverse contracts, US dollars for linear ones.

Sources: Deribit's published terms for options (IM 15 % less out-of-the-money amount, at least 10 %;
MM 7.5 %), futures by a rate table, since the venue replaced its formula in August 2026 and its
interpolation is not published. Linear options have the same structure times the price of the
underlying; their coefficients are published nowhere and taken to be the same. Whether the
out-of-the-money amount is taken from the index or from the expiry's forward is not settled by the
published sources: the larger requirement of the two is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bot.core.columns import Flags, Floats, OptionTable
from bot.core.immutable import remembered
from bot.core.instruments import Instrument, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class FuturesRate:
    """Up to `size_coin_upper` coins a position needs these shares of its value."""

    size_coin_upper: float
    initial: float
    maintenance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The model's coefficients: shares of one coin, or of its price, for options.

    `futures` by underlying, by rising size: inverse and linear ones have the same.
    """

    futures: Mapping[str, tuple[FuturesRate, ...]]
    option_initial: float = 0.15
    option_initial_min: float = 0.10
    option_maintenance: float = 0.075


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
    known = rates.futures.get(terms.underlying)
    tables = list(rates.futures.values()) if known is None else [known]
    needed = max((_rate(table, coins) for table in tables), key=lambda rate: rate.initial)
    worth = coins * mark_usd if linear else coins
    return Requirement(initial=worth * needed.initial, maintenance=worth * needed.maintenance)


def _rate(table: tuple[FuturesRate, ...], coins: float) -> FuturesRate:
    return next((rate for rate in table if coins <= rate.size_coin_upper), table[-1])
