"""What lowers margin use most per dollar: de-risking trades, ranked, each ready to be ordered.

Three means: more or less of a hedge, short options bought back (only where that is allowed), and
collateral. What a trade costs is what crossing the spread loses against the mark, and its fee. A
dollar of collateral counts as a dollar of cost, although it stays the account's own: it is the last
resort by rank, and what needs no market. Nothing is reported anew: the market is valued once now
and once at each node of the stress, and trades only add.

Of u now and u under stress the worse one counts, since that is the one an account dies of. From u =
10, or without any balance, it is the shortfall that is counted on, so that there always is a way
up.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from bot.core import instruments, units
from bot.core.instruments import Instrument, Kind
from bot.core.margin.account import Account, Pair
from bot.core.margin.gating import usage
from bot.core.margin.modelling import Unmodelled, Valued, resized, valued
from bot.core.margin.nodes import Subject, balance_there, delta_coin
from bot.core.margin.shocks import Shock, coins_there, profit_per_coin, shocked

USAGE_GRADED_MAX: Final = 10.0
STEPS: Final = 8  # sizes of a hedge that are tried, each way
FEE_OF_PREMIUM_MAX: Final = 0.125  # of an option's price; source: Deribit's fee schedule
COLLATERAL_SHARE: Final = 0.1  # of the balance, where no threshold says how much


class Means(StrEnum):
    """How margin use can be lowered."""

    HEDGE = "hedge"
    BUY_BACK = "buy back"
    COLLATERAL = "add collateral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An instrument and its prices, in its price unit; None where nobody quotes."""

    terms: Instrument
    bid: float | None
    ask: float | None
    mark: float
    ask_size_native: float | None = None


class Standing(NamedTuple):
    """u now, u at the worst node of the stress, and which node that is."""

    usage: float
    stressed_usage: float
    node: str

    @property
    def worst(self) -> float:
        """The u that counts."""
        return max(self.usage, self.stressed_usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """One thing that could be done. Signed: positive buys.

    `price` is the worst at which `spread_usd` was reckoned, in the instrument's price unit. Of
    collateral `instrument` is the currency, `size_coin` the amount, and there is no price.
    """

    means: Means
    instrument: str
    size_native: Decimal
    size_coin: float
    price: float
    spread_usd: float
    fee_usd: float
    funds_usd: float
    before: Standing
    after: Standing
    lowered: float

    @property
    def cost_usd(self) -> float:
        """What it takes: lost on the spread and in fees, or brought in."""
        return self.spread_usd + self.fee_usd + self.funds_usd

    @property
    def lowered_per_dollar(self) -> float:
        """What the u that counts falls by for each dollar."""
        return self.lowered / self.cost_usd if self.cost_usd > 0.0 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What may be done, and how far down: thresholds of u now and under stress."""

    usage: float
    stressed_usage: float
    buy_back_options: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trade:
    """A trade and what it costs, in the settlement currency. `paid` leaves the margin balance."""

    name: str
    coins: float
    paid: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Node:
    """The account at one node; per coin of today what each instrument makes and becomes there."""

    name: str
    valued: Valued
    balance: float
    per_coin: Mapping[str, float]
    scale: Mapping[str, float]

    def after(self, trades: Sequence[_Trade], funds: float, excess: float) -> tuple[float, float]:
        """Return what is needed and what is left after trades."""
        there = {trade.name: trade.coins * self.scale[trade.name] for trade in trades}
        made = sum(trade.coins * self.per_coin[trade.name] - trade.paid for trade in trades)
        return self.valued.after(there).maintenance + excess, self.balance + made + funds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """An account valued now and at every node of a stress: trades are then asked about quickly."""

    subject: Subject
    now: _Node
    nodes: tuple[_Node, ...]

    def standing(self, trades: Sequence[_Trade] = (), funds: float = 0.0) -> Standing:
        """Return u after trades and with more money."""
        maintenance, balance = self.now.after(trades, funds, self.subject.excess)
        worst, name = 0.0, self.now.name
        for node in self.nodes:
            found = usage(*node.after(trades, funds, self.subject.excess))
            if not found <= worst:
                worst, name = found, node.name
        return Standing(usage(maintenance, balance), worst, name)

    def grade(self, trades: Sequence[_Trade] = (), funds: float = 0.0) -> float:
        """Return the u that counts, or beyond `USAGE_GRADED_MAX` one that grows with shortfall."""
        scale = max(abs(self.subject.balance), 1e-9)
        grades = []
        for node in (self.now, *self.nodes):
            needed, has = node.after(trades, funds, self.subject.excess)
            used = usage(needed, has)
            over = USAGE_GRADED_MAX + max(needed - has, 0.0) / scale
            grades.append(used if used < USAGE_GRADED_MAX else over)
        return max(grades)


def ground_of(subject: Subject, stress: Sequence[tuple[str, Shock]]) -> Ground | Unmodelled:
    """Value an account now and at the named nodes of a stress."""
    now = _node(subject, "now", Shock())
    if isinstance(now, Unmodelled):
        return now
    nodes = []
    for name, shock in stress:
        node = _node(subject, name, shock)
        if isinstance(node, Unmodelled):
            return Unmodelled(reason=f"{name}: {node.reason}")
        nodes.append(node)
    return Ground(subject=subject, now=now, nodes=tuple(nodes))


def _node(subject: Subject, name: str, shock: Shock) -> _Node | Unmodelled:
    there = shocked(subject.account, shock)
    made = valued(subject.model, there.account)
    if isinstance(made, Unmodelled):
        return made
    per_coin: dict[str, float] = {}
    scale: dict[str, float] = {}
    for before, after in zip(subject.account.pairs, there.account.pairs, strict=True):
        names, futures = before.options.names, before.futures.names
        if subject.model.counts_options:
            change = after.options.mark - before.options.mark
            per_coin |= zip(names, change.tolist(), strict=True)
        else:
            per_coin |= dict.fromkeys(names, 0.0)
        per_coin |= zip(futures, profit_per_coin(before, after).tolist(), strict=True)
        scale |= dict.fromkeys(names, 1.0)
        scale |= zip(futures, coins_there(before, after).tolist(), strict=True)
    return _Node(
        name=name,
        valued=made,
        balance=balance_there(subject, there),
        per_coin=per_coin,
        scale=scale,
    )


def reliefs(ground: Ground, offers: Mapping[str, Offer], wanted: Wanted) -> tuple[Relief, ...]:
    """Return what would lower the u that counts, the most for each dollar first.

    Only what has a row in the account, and an offer, is looked at; of a hedge each way the size
    that lowers it most. A trade that would take u now over its threshold is left out, unless it
    lowers that, too.
    """
    before = ground.standing()
    found = [*_hedges(ground, offers, before)]
    if wanted.buy_back_options:
        found += _buy_backs(ground, offers, before)
    kept = [
        one
        for one in found
        if one.lowered > 0.0 and one.after.usage < max(before.usage, wanted.usage)
    ]
    kept += _collateral(ground, before, wanted)
    return tuple(sorted(kept, key=lambda one: -one.lowered_per_dollar))


def _hedges(ground: Ground, offers: Mapping[str, Offer], before: Standing) -> Iterator[Relief]:
    for pair in ground.subject.account.pairs:
        for name, held in zip(pair.futures.names, pair.futures.size_coin.tolist(), strict=True):
            if name in offers:
                most = max(abs(delta_coin(pair)), abs(held), *_deltas_there(ground, pair))
                for sign in (1.0, -1.0):
                    sizes = [sign * most * step / STEPS for step in range(1, STEPS + 1)]
                    tried = (_traded(ground, pair, offers[name], s, before) for s in sizes)
                    yield from _best(tried)


def _deltas_there(ground: Ground, pair: Pair) -> Iterator[float]:
    """Yield the size of the options' delta: what a hedge may have to answer for."""
    bare = resized(
        ground.subject.account,
        dict(zip(pair.futures.names, (-pair.futures.size_coin).tolist(), strict=True)),
    )
    yield from (abs(delta_coin(one)) for one in bare.pairs if one.index_name == pair.index_name)


def _best(tried: Iterator[Relief | None]) -> Iterator[Relief]:
    """Yield the one that lowers most, if any; of equals the smallest, which costs least."""
    best: Relief | None = None
    for one in tried:
        if one is not None and (best is None or one.lowered > best.lowered):
            best = one
    if best is not None:
        yield best


def _buy_backs(ground: Ground, offers: Mapping[str, Offer], before: Standing) -> Iterator[Relief]:
    for pair in ground.subject.account.pairs:
        for name, size in zip(pair.options.names, pair.options.size.tolist(), strict=True):
            offer = offers.get(name)
            if offer is not None and size < 0.0:
                there = offer.ask_size_native or -size
                one = _traded(ground, pair, offer, min(-size, there), before)
                if one is not None:
                    yield one


def _traded(
    ground: Ground, pair: Pair, offer: Offer, coins: float, before: Standing
) -> Relief | None:
    """Return what a trade of about so many coins does; None if nobody quotes, or it is no lot."""
    terms, price = offer.terms, offer.ask if coins > 0.0 else offer.bid
    if price is None:
        return None
    size = instruments.size_native(terms, coins, offer.mark)
    if size == units.ZERO:
        return None
    exact = instruments.size_coin(terms, size, offer.mark)
    spread, fee, premium = _costs(pair, offer, exact, price)
    money, money_usd = _money(ground.subject.account, pair)
    gone = spread + fee + (0.0 if ground.subject.model.counts_options else premium)
    trade = _Trade(name=terms.name, coins=exact, paid=money * gone)
    return Relief(
        means=Means.BUY_BACK if terms.kind is Kind.OPTION else Means.HEDGE,
        instrument=terms.name,
        size_native=size,
        size_coin=exact,
        price=price,
        spread_usd=spread * money_usd,
        fee_usd=fee * money_usd,
        funds_usd=0.0,
        before=before,
        after=ground.standing((trade,)),
        lowered=ground.grade() - ground.grade((trade,)),
    )


def _costs(pair: Pair, offer: Offer, coins: float, price: float) -> tuple[float, float, float]:
    """Return what is lost against the mark, the fee, and the mark's premium, in the pair's money.

    What is bought below the mark, or sold above it, is a gain: the venue's balance is by marks.
    An option's fee is a share of a coin of its underlying, at most an eighth of its price.
    """
    terms, size = offer.terms, abs(coins)
    lost, rate = coins * (price - offer.mark), float(terms.taker_fee)
    if terms.kind is Kind.OPTION:
        unit = pair.index_usd if pair.is_linear else 1.0
        fee = size * min(rate * unit, FEE_OF_PREMIUM_MAX * price)
        return lost, fee, coins * offer.mark
    if pair.is_linear:
        return lost, size * price * rate, 0.0
    return lost / price, size * rate, 0.0


def _money(account: Account, pair: Pair) -> tuple[float, float]:
    """Return what one unit of a pair's money is in the account's currency, and in dollars."""
    worth = 1.0 if pair.is_linear else pair.index_usd
    own = pair.is_linear or pair.underlying == account.currency
    return (1.0 if own else pair.index_usd / account.currency_usd), worth


def _collateral(ground: Ground, before: Standing, wanted: Wanted) -> Iterator[Relief]:
    """Yield the money that brings u under both thresholds, or a tenth of the balance."""
    account = ground.subject.account
    amount = COLLATERAL_SHARE * abs(ground.subject.balance)
    limits = (wanted.usage, *(wanted.stressed_usage for _ in ground.nodes))
    lacking = []
    for node, limit in zip((ground.now, *ground.nodes), limits, strict=True):
        needed, has = node.after((), 0.0, ground.subject.excess)
        lacking.append(needed / limit - has)
    if max(lacking) > 0.0:
        amount = max(lacking) * (1.0 + 1e-9)
    lowered = ground.grade() - ground.grade((), amount)
    if amount > 0.0 and lowered > 0.0:
        yield Relief(
            means=Means.COLLATERAL,
            instrument=account.currency,
            size_native=units.ZERO,
            size_coin=amount,
            price=0.0,
            spread_usd=0.0,
            fee_usd=0.0,
            funds_usd=amount * account.currency_usd,
            before=before,
            after=ground.standing((), amount),
            lowered=lowered,
        )
