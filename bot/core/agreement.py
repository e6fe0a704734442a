"""Whether our delta of the account is the venue's: two who count the same thing alike.

The venue gives two figures with each balance. `delta_total` of a coin account is the net
(premium-adjusted) delta of everything that settles in it; `delta_total_map` is Black's delta by
price index, marks not subtracted. The first is compared for coins only: in a dollar account it adds
coins of several underlyings. Both count a linear perpetual or future as its coins, and an option's
delta per unit of its own forward, which is not what a hedge needs (`exposure`), only what can be
compared. In the settlement window both decay the options' delta, and no future's.

Nothing is compared while a position is about to change, or on quotes that are much older or newer
than the balance. Whether the venue's linear delta holds the discount factor is learned: both
readings are compared, and the one that has fitted more often counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from bot.core import units
from bot.core.columns import Stamps
from bot.core.events import BalanceSeen, QuoteSeen
from bot.core.exposure import (
    delta_per_native,
    futures_held,
    hedge_trouble,
    net_delta_coin,
    stale_leg,
    valued,
)
from bot.core.instruments import Instrument, Settlement
from bot.core.quotes import QuotePolicy
from bot.core.reported import Gap
from bot.core.state import Judgement, Mode, State
from bot.quant.conventions import Convention

VOTES_MAX = 20
FITS_BETTER_COIN = 1e-6  # readings closer than this fit alike


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementPolicy:
    """How far the two may differ, in US dollars of the underlying, and for how long.

    Only quotes that arrived within `skew_max_ns` of the balance are compared with it.
    """

    gap_max_usd: float = 10_000.0
    grace_ns: int = 5 * units.NS_PER_SECOND
    skew_max_ns: int = 2 * units.NS_PER_SECOND


@dataclass(slots=True, kw_only=True)
class _Own:
    """Our Black delta on one price index: discount factor in it, and taken out."""

    discounted: float = 0.0
    undiscounted: float = 0.0

    def add(self, discounted: float, undiscounted: float) -> None:
        self.discounted += discounted
        self.undiscounted += undiscounted


@dataclass(slots=True, kw_only=True)
class _Account:
    """Our deltas of everything that settles in one currency, and the quotes they are made of."""

    net: float = 0.0
    by_index: dict[str, _Own] = field(default_factory=dict)
    is_linear: bool = False
    quoted_ns: list[int] = field(default_factory=list)

    def on(self, index_name: str) -> _Own:
        return self.by_index.setdefault(index_name, _Own())


def compared(
    state: State,
    told: Mapping[str, BalanceSeen],
    currencies: Sequence[str],
    quotes: QuotePolicy,
    policy: AgreementPolicy,
) -> State:
    """Compare with the last balance told of each currency."""
    for currency in currencies:
        if currency in told:
            state = compared_with(state, told[currency], quotes, policy)
    return state


def compared_with(
    state: State, balance: BalanceSeen, quotes: QuotePolicy, policy: AgreementPolicy
) -> State:
    """Start, keep or stop the stopwatch of each figure of a balance."""
    own = _own(state, balance.currency, quotes)
    if own is None or any(
        abs(at_ns - balance.arrived_ns) > policy.skew_max_ns for at_ns in own.quoted_ns
    ):
        return state
    gaps = dict(state.gaps)
    for key, index_usd, readings, venue_coin in _figures(state, balance, own):
        gaps[key] = _judged(
            state, gaps.get(key), readings, venue_coin, policy.gap_max_usd / index_usd
        )
    return replace(state, gaps=gaps)


def _figures(
    state: State, balance: BalanceSeen, own: _Account
) -> Iterator[tuple[str, float, tuple[float, float], float]]:
    """Yield what can be compared: its name, the index, our two readings, the venue's figure."""
    currency = balance.currency
    if balance.delta_total_coin is not None and not own.is_linear:
        index_usd = _index_usd(state, "currency", currency)
        if index_usd is not None:
            yield currency, index_usd, (own.net, own.net), balance.delta_total_coin
    for name, venue_coin in sorted(balance.delta_total_map.items()):
        index_usd = _index_usd(state, "index_name", name)
        if index_usd is not None:
            ours = own.by_index.get(name, _Own())
            yield name, index_usd, (ours.discounted, ours.undiscounted), venue_coin


def _index_usd(state: State, term: Literal["currency", "index_name"], wanted: str) -> float | None:
    """Return the index by the first quote of an instrument that has the term."""
    for name, quote in state.quotes.items():
        if getattr(state.instruments[name], term) == wanted:
            return quote.index_usd
    return None


def _judged(
    state: State,
    before: Gap | None,
    readings: tuple[float, float],
    venue_coin: float,
    gap_max_coin: float,
) -> Gap:
    discounted, undiscounted = (reading - venue_coin for reading in readings)
    votes = before.discounted_votes if before else 0
    closer = abs(undiscounted) - abs(discounted)
    if abs(closer) > FITS_BETTER_COIN:
        votes = max(-VOTES_MAX, min(VOTES_MAX, votes + (1 if closer > 0.0 else -1)))
    gap = discounted if votes >= 0 else undiscounted
    since_ns = None
    if abs(gap) > gap_max_coin:
        since_ns = state.now_ns if before is None or before.since_ns is None else before.since_ns
    return Gap(gap_coin=gap, seen_ns=state.now_ns, since_ns=since_ns, discounted_votes=votes)


def _own(state: State, currency: str, quotes: QuotePolicy) -> _Account | None:
    """Add up the account's deltas as the venue counts them; None without good quotes of all."""
    own, held = _Account(), state.table.held
    for terms in futures_held(state.standing.positions, state.instruments):
        if terms.currency != currency:
            continue
        if hedge_trouble(state, terms.name, quotes) is not None:
            return None
        size = float(state.standing.positions[terms.name])
        _add_future(own, terms, size, state.quotes[terms.name])
    for index_name, rows in held.settling.get(currency, {}).items():
        live = rows[held.expiry_ms[rows] > state.now_ms]
        if stale_leg(state, state.table, live, quotes) is not None:
            return None
        _add_options(own, state, index_name, live)
    return own


def _add_future(own: _Account, terms: Instrument, size: float, quote: QuoteSeen) -> None:
    linear = terms.settlement is Settlement.LINEAR
    coins = size if linear else size * delta_per_native(terms, quote)
    own.net += coins
    own.on(terms.index_name).add(coins, coins)
    own.is_linear |= linear
    own.quoted_ns.append(quote.arrived_ns)


def _add_options(own: _Account, state: State, index_name: str, rows: Stamps) -> None:
    """Add the options of one price index."""
    if not len(rows):
        return
    table, seen = state.table, valued(state, rows)
    own.net += net_delta_coin(seen, Convention.COIN)
    own.is_linear |= bool(table.held.is_linear[rows].any())
    own.quoted_ns += [int(table.quoted_ns[rows].min()), int(table.quoted_ns[rows].max())]
    # What the settlement average already knows of an inverse option comes out of the net part, so
    # that Black's delta less the mark stays the net delta.
    mark = np.where(table.held.is_linear[rows], 0.0, seen.greeks.price / seen.forward_usd)
    black = seen.size * (mark + seen.weight * (seen.greeks.delta - mark))
    own.on(index_name).add(float(black.sum()), float((black / seen.discount).sum()))


def trouble(gaps: Mapping[str, Gap], policy: AgreementPolicy) -> Judgement | None:
    """Return the stop that a lasting difference asks for, if there is one."""
    lasting = {
        key: gap
        for key, gap in gaps.items()
        # Judged between two reports of the venue: one old figure must not age into a gap.
        if gap.since_ns is not None and gap.seen_ns - gap.since_ns > policy.grace_ns
    }
    if not lasting:
        return None
    for key, gap in sorted(lasting.items()):
        reason = (
            f"own delta on {key} differs from the venue's by {gap.gap_coin:+.4f} coin, "
            f"more than {policy.gap_max_usd:,.0f} USD"
        )
        return Judgement(mode=Mode.HOLD, reason=reason, clears="both agree again")
    return None
