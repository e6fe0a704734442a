"""What a book is exposed to, in the convention it is hedged in.

Every number of a book comes from good, fresh quotes of all of its legs, or there is no number
(`Unpriced`).
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from bot.core import orders, units
from bot.core.books import BookPolicy, holds, members
from bot.core.columns import Floats, OptionTable, Stamps
from bot.core.events import QuoteSeen
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.quotes import QuotePolicy
from bot.core.standing import EMPTY, Standing, open_orders
from bot.core.state import State
from bot.quant import black76, conventions
from bot.quant.conventions import Convention


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """There is no number for this book now, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A book's sensitivities now.

    Deltas in coins of the underlying (change of the protected equity for a relative move of the
    spot, per unit of it), by the book's convention: `delta_coin` = options + futures + hedge +
    equity parts. `delta_low_coin` and `delta_high_coin` bound it over all outcomes of orders in
    flight. Gamma is the change of delta for a move of +1 %. Linear options' value is in coins at
    the index. `hedge_coin_per_native` is the delta of one native unit of the hedge.
    """

    delta_coin: float
    delta_low_coin: float
    delta_high_coin: float
    options_delta_coin: float
    hedge_delta_coin: float
    equity_delta_coin: float
    gamma_coin_per_percent: float
    vega_usd_per_vol_point: float
    theta_usd_per_day: float
    options_value_coin: float
    options_held: int
    index_usd: float
    hedge_mark_usd: float
    hedge_native: Decimal
    hedge_coin_per_native: float
    is_linear: bool


def stale_leg(state: State, table: OptionTable, rows: Stamps, policy: QuotePolicy) -> str | None:
    """Name the first option without a good, fresh quote, or None."""
    oldest_ns = state.now_ns - policy.option_age_max_ns
    for row in rows[(table.quoted_ns[rows] < oldest_ns) | ~np.isfinite(table.iv[rows])]:
        return _leg_trouble(state, table.names[row], int(table.quoted_ns[row]))
    return None


def _leg_trouble(state: State, name: str, quoted_ns: int) -> str:
    why = state.bad_quotes.get(name, "")
    if name not in state.quotes:
        return f"{name}: {why or 'no quote yet'}"
    age_s = (state.now_ns - quoted_ns) / units.NS_PER_SECOND
    return f"{name}: last good quote {age_s:.1f} s ago" + (f", since then {why}" if why else "")


def hedge_trouble(state: State, name: str, policy: QuotePolicy) -> str | None:
    """Say why the hedge instrument's quote cannot be used now, or None."""
    quote = state.quotes.get(name)
    if quote is None:
        return f"{name}: {state.bad_quotes.get(name, 'no quote yet')}"
    if state.now_ns - quote.arrived_ns > policy.hedge_age_max_ns:
        return _leg_trouble(state, name, quote.arrived_ns)
    return None


def exposure_of(state: State, book: BookPolicy, policy: QuotePolicy) -> Exposure | Unpriced:
    """Value a book: one kernel call over its options, plus its futures, hedge and equity terms."""
    table = state.table
    rows = members(table, book, state.now_ms)
    trouble = hedge_trouble(state, book.hedge_instrument, policy) or stale_leg(
        state, table, rows, policy
    )
    if trouble is not None:
        return Unpriced(reason=trouble)
    hedge, quote = state.instruments[book.hedge_instrument], state.quotes[book.hedge_instrument]
    if _settles(hedge, state.now_ms) < 1.0:
        return Unpriced(reason=f"{hedge.name} is being settled and hedges no more")
    balance = state.balances.get(book.currency)
    if balance is None:
        return Unpriced(reason=f"the account's equity in {book.currency} is not known yet")
    futures_coin = _futures_delta(state, book, policy)
    if isinstance(futures_coin, str):
        return Unpriced(reason=futures_coin)
    return _summed(state, book, rows, futures_coin, _Hedge.of(hedge, quote, book, balance.equity))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hedge:
    """The hedge instrument now: prices, delta of one native unit, and the equity's own delta."""

    is_linear: bool
    mark_usd: float
    index_usd: float
    coin_per_native: float
    equity_coin: float

    @classmethod
    def of(cls, hedge: Instrument, quote: QuoteSeen, book: BookPolicy, equity: float) -> "_Hedge":
        """Take in the hedge's quote, and the equity that the book answers for."""
        mark, index = prices_of(quote)
        is_linear = hedge.settlement is Settlement.LINEAR
        share, convention = book.collateral_share, book.convention
        return cls(
            is_linear=is_linear,
            mark_usd=mark,
            index_usd=index,
            coin_per_native=delta_per_native(hedge, quote) * _moves_with(hedge, book),
            equity_coin=conventions.linear_equity_term(convention, share, equity, index)
            if is_linear
            else conventions.equity_term(convention, share, equity),
        )


def prices_of(quote: QuoteSeen) -> tuple[float, float]:
    """Return mark and index of a quote that `apply` has admitted."""
    assert quote.mark is not None, "apply admits no quote without a mark"
    assert quote.index_usd is not None, "apply admits no quote without an index"
    return quote.mark, quote.index_usd


def delta_per_native(terms: Instrument, quote: QuoteSeen) -> float:
    """Return the delta in coins of one native unit of a perpetual or future: 1/P, or P/S linear."""
    mark, index = prices_of(quote)
    if terms.settlement is Settlement.LINEAR:
        return float(conventions.linear_perp_delta_coin(1.0, mark, index))
    return float(conventions.inverse_perp_delta_coin(1.0, mark))


def _moves_with(terms: Instrument, book: BookPolicy) -> float:
    """Return by how much a future's price moves with the spot: a perpetual's one to one."""
    return 1.0 if terms.kind is Kind.PERPETUAL else book.elasticity


def _settles(terms: Instrument, now_ms: int) -> float:
    """Return the share of an instrument's price that its settlement has not fixed yet."""
    if terms.expiry_ms is None:
        return 1.0
    return float(conventions.expiry_weight(now_ms, terms.expiry_ms))


def _futures_delta(state: State, book: BookPolicy, policy: QuotePolicy) -> float | str:
    """Add up the book's futures and perpetuals other than its hedge, or name one that is stale."""
    total = 0.0
    for name, size in state.standing.positions.items():
        terms = state.instruments.get(name)
        if terms is None or terms.kind is Kind.OPTION or name == book.hedge_instrument:
            continue
        weight = _settles(terms, state.now_ms)
        if not weight or not holds(book, terms, state.now_ms):
            continue
        trouble = hedge_trouble(state, name, policy)
        if trouble is not None:
            return trouble
        moves = weight * _moves_with(terms, book)
        total += float(size) * delta_per_native(terms, state.quotes[name]) * moves
    return total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Valued:
    """Options priced.

    Their signed coins, their forwards, their discount factors (1 for inverse ones), the part that
    still moves, and Greeks (discount factor included).
    """

    size: Floats
    forward_usd: Floats
    discount: Floats
    weight: Floats
    greeks: black76.Greeks


def valued(state: State, rows: Stamps) -> Valued:
    """Price the options in `rows`."""
    table = state.table
    # Most often every option belongs to the one book: then nothing has to be picked out.
    pick = slice(None) if len(rows) == len(table.names) else rows
    forward, expiry_ms, discount = (
        table.forward_usd[pick],
        table.expiry_ms[pick],
        table.discount[pick],
    )
    years = np.maximum(expiry_ms - state.now_ms, 0) / units.MS_PER_YEAR
    out = np.empty((black76.ROW_COUNT, len(rows)))
    black76.greeks_into(
        out,
        forward,
        table.strike[pick],
        years,
        table.iv[pick],
        table.is_call[pick],
        discount,
    )
    return Valued(
        size=table.size[pick],
        forward_usd=forward,
        discount=discount,
        weight=conventions.expiry_weight(state.now_ms, expiry_ms),
        greeks=black76.Greeks(*out),
    )


def net_delta_coin(seen: Valued, convention: Convention, elasticity: float = 1.0) -> float:
    """Return the delta of inverse options in coins."""
    mark = seen.greeks.price / seen.forward_usd
    parts = conventions.option_delta_coin(
        convention, seen.size, seen.greeks.delta, mark, elasticity, seen.weight
    )
    return float(parts.sum())


def _linear_delta_coin(seen: Valued, index_usd: float, elasticity: float) -> float:
    parts = conventions.linear_option_delta_coin(
        seen.size, seen.greeks.delta, seen.forward_usd, index_usd, elasticity, seen.weight
    )
    return float(parts.sum())


def _summed(
    state: State, book: BookPolicy, rows: Stamps, futures_coin: float, hedge: _Hedge
) -> Exposure:
    seen, e = valued(state, rows), book.elasticity
    # What one US dollar of an option's value, or of its delta times the forward, is in coins.
    coins = 1.0 / hedge.index_usd if hedge.is_linear else 1.0 / seen.forward_usd
    options_coin = futures_coin + (
        _linear_delta_coin(seen, hedge.index_usd, e)
        if hedge.is_linear
        else net_delta_coin(seen, book.convention, e)
    )
    held = state.standing.holdings.get(book.name, EMPTY).get(book.hedge_instrument, units.ZERO)
    hedge_coin = float(held) * hedge.coin_per_native
    delta = options_coin + hedge_coin + hedge.equity_coin
    low, high = _in_flight(state, book, hedge.coin_per_native)
    size, greeks = seen.size, seen.greeks
    bend = greeks.gamma * seen.forward_usd**2 * (seen.weight * e) ** 2
    return Exposure(
        delta_coin=delta,
        delta_low_coin=delta + low,
        delta_high_coin=delta + high,
        options_delta_coin=options_coin,
        hedge_delta_coin=hedge_coin,
        equity_delta_coin=hedge.equity_coin,
        gamma_coin_per_percent=float((size * bend * coins).sum()) * 0.01,
        vega_usd_per_vol_point=float((size * greeks.vega).sum()) * 0.01,
        theta_usd_per_day=float((size * greeks.theta).sum()) / 365.0,
        options_value_coin=float((size * greeks.price * coins).sum()),
        options_held=len(rows),
        index_usd=hedge.index_usd,
        hedge_mark_usd=hedge.mark_usd,
        hedge_native=held,
        hedge_coin_per_native=hedge.coin_per_native,
        is_linear=hedge.is_linear,
    )


def _in_flight(state: State, book: BookPolicy, coin_per_native: float) -> tuple[float, float]:
    """Return how far orders in flight may still move the book's delta, down and up, in coins."""
    low, high = 0.0, 0.0
    for order in orders_in_flight(state.standing, book.hedge_instrument):
        net = float(sum(share.size_native for share in order.shares))
        asked = float(sum(s.size_native for s in order.shares if s.book == book.name))
        moves = float(order.remaining_native) * asked / net * coin_per_native if net else 0.0
        low, high = low + min(moves, 0.0), high + max(moves, 0.0)
    return low, high


def orders_in_flight(standing: Standing, instrument: str) -> list[orders.Order]:
    """Return the orders on an instrument of which something is still expected."""
    return [order for order in open_orders(standing.orders) if order.instrument == instrument]
