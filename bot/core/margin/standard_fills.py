"""Deribit's standard margin of an account that is valued once: what fills change of it.

The gate values an account at every node of the stress and asks only for figures: the report, with
all its parts and words, is made for who asks for it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bot.core.margin import deribit_standard, summing
from bot.core.margin.account import Account, Pair
from bot.core.margin.deribit_standard import Rates, future_share
from bot.core.margin.report import Needed, Report
from bot.core.margin.summing import Needs


def valued(account: Account, rates: Rates) -> "Summed":
    """Value an account once. KeyError: the rates lack an underlying of it."""
    return valued_each((account,), rates)[0]


def valued_each(accounts: Sequence[Account], rates: Rates) -> list["Summed"]:
    """Value an account in several markets, which is quicker than each by itself."""
    needs = deribit_standard.needs_of_each(accounts, rates)
    return [
        Summed(account=account, rates=rates, needs=needed)
        for account, needed in zip(accounts, needs, strict=True)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Summed:
    """Nothing is netted, so only what was filled is looked at.

    No slots: what is asked for is kept.
    """

    account: Account
    rates: Rates
    needs: tuple[Needs, ...]

    @cached_property
    def needed(self) -> Needed:
        """What the account must hold, to the bit as the report has it."""
        return summing.needed(summing.parts(self.account, self.needs))

    @property
    def is_whole(self) -> bool:
        """Whether every input was there."""
        return math.isfinite(self.needed.initial + self.needed.maintenance)

    @cached_property
    def report(self) -> Report:
        """The account as it is, in words and by parts."""
        return deribit_standard.report_of(self.account, self.needs, self.rates)

    def after(self, fills: Mapping[str, float]) -> Needed:
        """Take away what each instrument needed, and add what it needs with its fill."""
        initial, maintenance = self.needed
        for name, change in fills.items():
            pair, row = _place(self.account, name)
            was, now = (_alone(pair, row, more, self.rates) for more in (0.0, change))
            initial += now.initial - was.initial
            maintenance += now.maintenance - was.maintenance
        return Needed(initial=initial, maintenance=maintenance)


def _place(account: Account, name: str) -> tuple[Pair, int]:
    """Return the pair of an instrument, and its row in `names` there."""
    for pair in account.pairs:
        if name in pair.futures.names:
            return pair, len(pair.options.names) + pair.futures.names.index(name)
        if name in pair.options.names:
            return pair, pair.options.names.index(name)
    raise KeyError(f"no row for {name}")


def _alone(pair: Pair, row: int, more: float, rates: Rates) -> Needed:
    """Return what one instrument needs by itself with `more` coins of it."""
    at = row - len(pair.options.names)
    if at < 0:
        sizes = np.zeros(len(pair.options.names))
        sizes[row] = pair.options.size[row] + more
        initial, maintenance = deribit_standard.of_held_options(pair, sizes, rates)
        return Needed(initial=float(initial[row]), maintenance=float(maintenance[row]))
    coins = abs(float(pair.futures.size_coin[at]) + more)
    share = future_share(rates, pair.underlying, coins)
    worth = coins * (float(pair.futures.mark_usd[at]) if pair.is_linear else 1.0)
    return Needed(initial=worth * share.initial, maintenance=worth * share.maintenance)
