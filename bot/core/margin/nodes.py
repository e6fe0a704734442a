"""An account at the nodes of a scenario surface: what it makes there, needs there and has left.

    u = maintenance / (margin balance + profit)

Where the balance that margin is held against leaves the value of options out (Deribit's standard
margin), only what futures make moves it; the options' loss then shows in the maintenance alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bot.core.columns import Floats
from bot.core.margin.account import Account, Pair
from bot.core.margin.gating import usage
from bot.core.margin.modelling import MarginModel, Unmodelled, valued
from bot.core.margin.shocks import Shock, Shocked, Smile, shocked
from bot.quant import black76, conventions
from bot.quant.conventions import Convention


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """Whose margin is asked about, in the account's settlement currency.

    `balance` is what margin is held against, `equity` holds the options' value too. `excess` is
    what the venue asks for beyond what the model says; it is asked for at every node.
    """

    account: Account
    model: MarginModel
    balance: float
    equity: float
    excess: float = 0.0


class Node(NamedTuple):
    """An account at one node: money in its settlement currency, but for what is named USD.

    `profit` is that of all positions; `equity_change_usd` counts what the collateral is worth, too.
    `delta_usd` is the net delta (that of coins earned, where the money is a coin) at the index.
    """

    shock: Shock
    index_usd: float
    profit: float
    equity_change_usd: float
    delta_usd: float
    maintenance: float
    balance: float

    @property
    def usage(self) -> float:
        """Maintenance margin over margin balance."""
        return usage(self.maintenance, self.balance)

    @property
    def is_liquidated(self) -> bool:
        """Whether the venue would be liquidating; it is, where nobody knows."""
        return not self.usage < 1.0


def node_at(subject: Subject, shock: Shock) -> Node:
    """Return the account at a node; what its model has no number for there is nan."""
    there = shocked(subject.account, shock)
    return node_of(subject, shock, there)


def node_of(subject: Subject, shock: Shock, there: Shocked) -> Node:
    """Return the account at a node to which its market was moved already."""
    account = there.account
    made = valued(subject.model, account)
    needed = math.nan if isinstance(made, Unmodelled) else made.needed.maintenance
    now_usd = (subject.equity + there.profit) * account.currency_usd
    return Node(
        shock=shock,
        index_usd=account.pairs[0].index_usd if account.pairs else math.nan,
        profit=there.profit,
        equity_change_usd=now_usd - subject.equity * subject.account.currency_usd,
        delta_usd=sum(delta_coin(pair) * pair.index_usd for pair in account.pairs),
        maintenance=needed + subject.excess,
        balance=balance_there(subject, there),
    )


def balance_there(subject: Subject, there: Shocked) -> float:
    """Return what margin is held against in the moved market."""
    counted = there.options_profit if subject.model.counts_options else 0.0
    return subject.balance + there.futures_profit + counted


def delta_coin(pair: Pair) -> float:
    """Return the net delta of a pair, in coins of its underlying: `conventions`, all marks moving.

    Of inverse options Black's less the mark, which is what its coins change by. Linear contracts
    move by their own price, not by the index: a forward above it makes more of a move of the spot.
    """
    options, futures = pair.options, pair.futures
    held, traded = options.size != 0.0, futures.size_coin != 0.0
    coins = futures.size_coin[traded]
    if pair.is_linear:
        coins = conventions.linear_perp_delta_coin(coins, futures.mark_usd[traded], pair.index_usd)
    if not held.any():
        return float(coins.sum())
    forward, size = options.forward[held], options.size[held]
    black = black76.greeks(
        forward,
        options.strike[held],
        options.years[held],
        options.iv[held],
        options.is_call[held],
        options.discount[held],
    )
    each = (
        conventions.linear_option_delta_coin(size, black.delta, forward, pair.index_usd)
        if pair.is_linear
        else conventions.option_delta_coin(
            Convention.COIN, size, black.delta, black.price / forward
        )
    )
    return float(coins.sum() + each.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """An account over spot x volatility: `nodes` by volatility, then spot."""

    spots: tuple[float, ...]
    vols: tuple[float, ...]
    nodes: tuple[tuple[Node, ...], ...]


def matrix(
    subject: Subject,
    spots: Sequence[float],
    vols: Sequence[float],
    smile: Smile = Smile.STICKY_MONEYNESS,
) -> Matrix:
    """Return the account at every node; `spots` are shares and `vols` decimals to be added."""
    return Matrix(
        spots=tuple(spots),
        vols=tuple(vols),
        nodes=tuple(
            tuple(node_at(subject, Shock(spot=spot, vol_points=vol, smile=smile)) for spot in spots)
            for vol in vols
        ),
    )


def profit_by_instrument(account: Account, shock: Shock) -> dict[str, float]:
    """Return what each position makes until a node, in the money that it settles in.

    In dollars of a linear pair, in coins of its underlying otherwise.
    """
    there = shocked(account, shock).account
    found: dict[str, float] = {}
    for before, after in zip(account.pairs, there.pairs, strict=True):
        change = after.options.mark - before.options.mark
        found |= _made(before.options.names, before.options.size, change)
        was, now = before.futures.mark_usd, after.futures.mark_usd
        unit = now - was if before.is_linear else 1.0 - was / now
        found |= _made(before.futures.names, before.futures.size_coin, unit)
    return found


def _made(names: tuple[str, ...], sizes: Floats, unit: Floats) -> dict[str, float]:
    made = np.where(sizes == 0.0, 0.0, sizes * unit)
    return dict(zip(names, made.tolist(), strict=True))
