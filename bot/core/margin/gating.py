"""What an account needs and has, before and after fills, as it is and under stress.

    u          = maintenance / margin balance
    stressed u = the largest maintenance / (balance + profit) over the nodes of the stress

The market is valued once at each node (`scene_of`); fills then only add (`Scene.after`), so that a
trim may ask dozens of times. Inverse contracts keep their dollars: what a coin of one is today is
fewer or more coins at another price.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from bot.core.margin.account import Account
from bot.core.margin.modelling import Model, Unmodelled, Valued, valued_each
from bot.core.margin.report import Needed
from bot.core.margin.shocks import Shock, Shocked, coins_there, profit_per_coin, shocked_each

Fills = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """What is supposed to happen at once: the spot moves by a share, volatility by a decimal."""

    spot: float
    vol_points: float


@cache
def nodes_of(stress: Stress) -> tuple[tuple[str, Shock], ...]:
    """Return the corners of a stress, each with its name: spot up, down, vol up, both."""
    moves = dict.fromkeys((-stress.spot, 0.0, stress.spot))
    vols = dict.fromkeys((0.0, stress.vol_points))
    corners = [(move, vol) for vol in vols for move in moves if move or vol]
    return tuple(
        (_named(move, vol), Shock(spot=move, vol_points=vol))
        for move, vol in corners or [(0.0, 0.0)]
    )


def _named(move: float, vol: float) -> str:
    told = [f"spot {move:+.0%}"] if move else []
    told += [f"vol {vol * 100.0:+g}"] if vol else []
    return " ".join(told) or "as it is"


def usage(maintenance: float, balance: float) -> float:
    """Return u, the share of the margin balance that maintenance takes.

    Infinite where there is no balance for it, and nothing where nothing is needed.
    """
    if maintenance <= 0.0 <= balance:
        return 0.0
    return maintenance / balance if balance > 0.0 else math.inf


DIGITS = 6  # of what is told: rounded first, so that it comes out for who reckons it again


def quotient(maintenance: float, balance: float) -> str:
    """Say u with what it is the quotient of."""
    above, below = round(maintenance, DIGITS), round(balance, DIGITS)
    return f"maintenance {above:.6f} / balance {below:.6f} = {usage(above, below):.1%}"


class Stressed(NamedTuple):
    """The worst node: its name, what the account must hold there, and what it then has."""

    node: str
    maintenance: float
    balance: float

    @property
    def usage(self) -> float:
        """The stressed u."""
        return usage(self.maintenance, self.balance)

    def __str__(self) -> str:
        return f"{self.node}: {quotient(self.maintenance, self.balance)}"


class Footing(NamedTuple):
    """Where an account stands, in its settlement currency."""

    balance: float
    initial: float
    maintenance: float
    stressed: Stressed

    @property
    def usage(self) -> float:
        """Maintenance margin over margin balance."""
        return usage(self.maintenance, self.balance)

    @property
    def free(self) -> float:
        """What new risk may be taken against."""
        return self.balance - self.initial


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """The account at one node.

    `profit` is what it makes until there. `per_coin` is what one coin more would make, of each
    future, and of each option if the balance counts them. `scale` is what one of today's coins of
    each future is there; an option stays as many coins as it is.
    """

    name: str
    valued: Valued
    profit: float
    per_coin: Fills
    scale: Fills

    def after(self, fills: Fills, balance: float, excess: float) -> Stressed:
        """Return what the account needs and has here after fills."""
        there = {name: coins * self.scale.get(name, 1.0) for name, coins in fills.items()}
        made = sum(coins * self.per_coin.get(name, 0.0) for name, coins in fills.items())
        return Stressed(
            node=self.name,
            maintenance=self.valued.after(there).maintenance + excess,
            balance=balance + self.profit + made,
        )


class Doubtful(NamedTuple):
    """An order that may have filled whole, or not at all: what it then brings, and costs.

    `paid` leaves the margin balance: the fee, and the premium of an option.
    """

    fills: Fills
    paid: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """An account valued as it is and at every node.

    `excess` is what the venue asks for beyond our figures: it is asked for at every node, too.
    `doubts` are what the figures rest on that is not proven.
    """

    now: Valued
    nodes: tuple[Node, ...]
    balance: float
    excess: Needed
    doubts: tuple[str, ...]

    def after(self, fills: Fills, paid: float) -> Footing:
        """Return where the account stands after fills and what was paid for them."""
        needed, balance = self.now.after(fills), self.balance - paid
        at = [node.after(fills, balance, self.excess.maintenance) for node in self.nodes]
        return Footing(
            balance=balance,
            initial=needed.initial + self.excess.initial,
            maintenance=needed.maintenance + self.excess.maintenance,
            stressed=max(at, key=lambda one: one.usage),
        )

    def worst(self, fills: Fills, doubtful: Sequence[Doubtful], paid: float) -> Footing:
        """Return the worst of every outcome of orders in doubt: each filled whole, or not at all.

        Each figure is the worst by itself.
        """
        footings = [
            self.after(
                added((fills, *(one.fills for one in chosen))),
                paid + sum(one.paid for one in chosen),
            )
            for chosen in outcomes(doubtful)
        ]
        return Footing(
            balance=min(one.balance for one in footings),
            initial=max(one.initial for one in footings),
            maintenance=max(one.maintenance for one in footings),
            stressed=max((one.stressed for one in footings), key=lambda one: one.usage),
        )


def outcomes(doubtful: Sequence[Doubtful]) -> Iterator[tuple[Doubtful, ...]]:
    """Yield every choice of orders that filled, none of them first."""
    for choice in range(1 << len(doubtful)):
        yield tuple(order for at, order in enumerate(doubtful) if choice >> at & 1)


def added(all_fills: Iterable[Fills]) -> dict[str, float]:
    """Add up fills by instrument."""
    total: dict[str, float] = {}
    for fills in all_fills:
        for name, coins in fills.items():
            total[name] = total.get(name, 0.0) + coins
    return total


class Told(NamedTuple):
    """What the venue says of the account: its margin balance, and what it must hold."""

    balance: float
    initial: float
    maintenance: float


def scene_of(account: Account, model: Model, stress: Stress, told: Told) -> Scene | Unmodelled:
    """Value an account as it is and at every node of a stress."""
    names, shocks = zip(*nodes_of(stress), strict=True)
    moves = shocked_each(account, shocks)
    now, *valueds = valued_each(model, (account, *(moved.account for moved in moves)))
    if isinstance(now, Unmodelled):
        return now
    nodes = []
    for name, moved, there in zip(names, moves, valueds, strict=True):
        node = _node(account, model, name, moved, there)
        if isinstance(node, Unmodelled):
            return Unmodelled(reason=f"{name}: {node.reason}")
        nodes.append(node)
    report = now.report
    return Scene(
        now=now,
        nodes=tuple(nodes),
        balance=told.balance,
        excess=Needed(
            initial=max(told.initial - report.initial, 0.0),
            maintenance=max(told.maintenance - report.maintenance, 0.0),
        ),
        doubts=report.doubts,
    )


def _node(
    account: Account, model: Model, name: str, moved: Shocked, there: Valued | Unmodelled
) -> Node | Unmodelled:
    if isinstance(there, Unmodelled):
        return there
    per_coin: dict[str, float] = {}
    scale: dict[str, float] = {}
    for before, after in zip(account.pairs, moved.account.pairs, strict=True):
        names = before.futures.names
        if model.counts_options:
            change = after.options.mark - before.options.mark
            per_coin.update(zip(before.options.names, change.tolist(), strict=True))
        per_coin.update(zip(names, profit_per_coin(before, after).tolist(), strict=True))
        scale.update(zip(names, coins_there(before, after).tolist(), strict=True))
    profit = moved.futures_profit + (moved.options_profit if model.counts_options else 0.0)
    if not math.isfinite(profit):
        return Unmodelled(reason=f"{account.currency} has no profit there")
    return Node(name=name, valued=there, profit=profit, per_coin=per_coin, scale=scale)
