"""Deribit's standard margin (segregated) for inverse contracts, in coins.

Sources: Deribit's published terms for options (IM 15 % less out-of-the-money amount, at least 10 %;
MM 7.5 %), futures by a rate table, since the venue replaced its formula in August 2026 and its
interpolation is not published. Whether the out-of-the-money amount is taken from the index or from
the expiry's forward is not settled by the published sources: the larger requirement of the two is
used.
"""

from dataclasses import dataclass

import numpy as np

from bot.core.columns import Flags, Floats, OptionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class FuturesRate:
    """Up to `size_coin_upper` coins a position needs these shares of its value."""

    size_coin_upper: float
    initial: float
    maintenance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The model's coefficients: shares of one coin for options, `futures` by rising size."""

    futures: tuple[FuturesRate, ...]
    option_initial: float = 0.15
    option_initial_min: float = 0.10
    option_maintenance: float = 0.075


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Margin in coins."""

    initial: float
    maintenance: float

    def __add__(self, other: "Requirement") -> "Requirement":
        """Add up two parts of an account; this model nets nothing."""
        return Requirement(
            initial=self.initial + other.initial, maintenance=self.maintenance + other.maintenance
        )


def of_options(table: OptionTable, rates: Rates) -> Requirement:
    """Return what the short options need; long ones need nothing. NaN if a mark is missing."""
    short = table.size < 0.0
    if not short.any():
        return Requirement(initial=0.0, maintenance=0.0)
    initial, maintenance = per_short_option(
        strike=table.strike[short],
        is_call=table.is_call[short],
        underlying=np.stack([table.index_usd[short], table.forward_usd[short]]),
        mark_coin=table.mark[short],
        rates=rates,
    )
    amount = -table.size[short]
    return Requirement(
        initial=float((amount * initial).sum()), maintenance=float((amount * maintenance).sum())
    )


def per_short_option(
    *,
    strike: Floats,
    is_call: Flags,
    underlying: Floats,
    mark_coin: Floats,
    rates: Rates,
) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of one short coin of each option.

    `underlying` has shape (candidates, options), USD: the largest requirement over the candidates
    counts.
    """
    out_usd = np.where(is_call, strike - underlying, underlying - strike)
    out_share = np.maximum(out_usd, 0.0) / underlying
    base = np.maximum(rates.option_initial - out_share, rates.option_initial_min).max(axis=0)
    put_maintenance = np.maximum(1.0, mark_coin) * rates.option_maintenance + mark_coin
    maintenance = np.where(is_call, rates.option_maintenance + mark_coin, put_maintenance)
    initial = base + mark_coin
    return np.where(is_call, initial, np.maximum(initial, put_maintenance)), maintenance


def of_future(size_usd: float, mark_usd: float, rates: Rates) -> Requirement:
    """Return what a dollar-sized inverse perpetual or future needs, long or short."""
    coins = abs(size_usd) / mark_usd
    rate = next((r for r in rates.futures if coins <= r.size_coin_upper), rates.futures[-1])
    return Requirement(initial=coins * rate.initial, maintenance=coins * rate.maintenance)
