"""What a book is exposed to, in the convention it is hedged in.

Every number of a book comes from good, fresh quotes of all of its legs, or there is no number
(`Unpriced`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from bot.core import instruments, orders, units
from bot.core.books import BookPolicy, Members, holds, members
from bot.core.columns import FORWARD, IV, Floats, OptionTable, Stamps
from bot.core.events import QuoteSeen
from bot.core.immutable import remembered
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.quotes import QuotePolicy
from bot.core.standing import EMPTY, Standing, open_orders
from bot.core.state import State
from bot.quant import black76, book_totals, conventions
from bot.quant.book_totals import Totals
from bot.quant.conventions import Convention

# An enum's member takes a tenth of a microsecond to look up, and a fold looks at each of these.
_LINEAR, _PERPETUAL, _BOOK = Settlement.LINEAR, Kind.PERPETUAL, Convention.BOOK
_ANY_AGE = QuotePolicy()  # for an option whose age was judged with its book's


def warm() -> None:
    """Compile every kernel of a step, or load it, now: seconds once, off the tick path."""
    black76.warm()
    book_totals.warm()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """There is no number for this book now, and why."""

    reason: str


class Exposure(NamedTuple):
    """A book's sensitivities now. A tuple, since every fold makes one: a third of the time.

    Deltas in coins of the underlying (change of the protected equity for a relative move of the
    spot, per unit of it), by the book's convention: `delta_coin` = options + futures + hedge +
    equity parts. `delta_low_coin` and `delta_high_coin` bound it over all outcomes of orders in
    flight, on the hedge and on the book's options. Gamma is the change of the options' Black delta
    for a move of +1 %: how the whole delta changes is the convention's business. Linear options'
    value is in coins at the index. `hedge_coin_per_native` is the delta of one native unit of the
    hedge.
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
        return _leg_trouble(state, table.held.names[row], int(table.quoted_ns[row]))
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
    trouble = hedge_trouble(state, book.hedge_instrument, policy)
    if trouble is not None:
        return Unpriced(reason=trouble)
    hedge, quote = state.instruments[book.hedge_instrument], state.quotes[book.hedge_instrument]
    ours = members(state.table, book, state.now_ms)
    options = _totals(state, ours, policy, is_linear=hedge.settlement is _LINEAR)
    if options.stale or not math.isfinite(options.delta):
        trouble = stale_leg(state, state.table, ours.rows, policy)
        return Unpriced(
            reason=trouble or "the forward or discount factor of an option is no number"
        )
    if hedge.expiry_ms is not None and _settles(hedge, state.now_ms) < 1.0:
        return Unpriced(reason=f"{hedge.name} is being settled and hedges no more")
    balance = state.balances.get(book.currency)
    if balance is None:
        return Unpriced(reason=f"the account's equity in {book.currency} is not known yet")
    futures_coin = _futures_delta(state, book, policy)
    if isinstance(futures_coin, str):
        return Unpriced(reason=futures_coin)
    hedged = _Hedge.of(hedge, quote, book, balance.equity)
    return _exposed(state, book, hedged, (options, len(ours.rows), futures_coin))


def _totals(state: State, ours: Members, policy: QuotePolicy, *, is_linear: bool) -> Totals:
    """Add up a book's options."""
    table, pick = state.table, ours.pick
    forward, vol = table.quoted[FORWARD], table.quoted[IV]
    discount, quoted_ns = table.discount, table.quoted_ns
    if len(ours.rows) < len(quoted_ns):  # most often every option belongs to the one book
        forward, vol, discount = forward[pick], vol[pick], discount[pick]
        quoted_ns = quoted_ns[pick]
    return book_totals.totals(
        size=ours.size,
        strike=ours.strike,
        expiry_ms=ours.expiry_ms,
        is_call=ours.is_call,
        forward=forward,
        vol=vol,
        discount=discount,
        quoted_ns=quoted_ns,
        now_ms=state.now_ms,
        oldest_ns=state.now_ns - policy.option_age_max_ns,
        is_linear=is_linear,
    )


class _Hedge(NamedTuple):
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
        is_linear = hedge.settlement is _LINEAR
        share, convention = book.collateral_share, book.convention
        return cls(
            is_linear=is_linear,
            mark_usd=mark,
            index_usd=index,
            coin_per_native=(mark / index if is_linear else 1.0 / mark) * _moves_with(hedge, book),
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
    if terms.settlement is _LINEAR:
        return mark / index
    return 1.0 / mark


def _moves_with(terms: Instrument, book: BookPolicy) -> float:
    """Return by how much a future's price moves with the spot: a perpetual's one to one."""
    return 1.0 if terms.kind is _PERPETUAL else book.elasticity


def _settles(terms: Instrument, now_ms: int) -> float:
    """Return the share of an instrument's price that its settlement has not fixed yet."""
    if terms.expiry_ms is None:
        return 1.0
    return float(conventions.expiry_weight(now_ms, terms.expiry_ms))


@remembered
def futures_held(
    positions: Mapping[str, Decimal], instruments: Mapping[str, Instrument]
) -> tuple[Instrument, ...]:
    """Return the terms of the listed futures and perpetuals that are held."""
    listed = (instruments[name] for name in positions if name in instruments)
    return tuple(terms for terms in listed if terms.kind is not Kind.OPTION)


def _futures_delta(state: State, book: BookPolicy, policy: QuotePolicy) -> float | str:
    """Add up the book's futures and perpetuals other than its hedge, or name one that is stale."""
    total, positions = 0.0, state.standing.positions
    for terms in futures_held(positions, state.instruments):
        if terms.name == book.hedge_instrument:
            continue
        weight = _settles(terms, state.now_ms)
        if not weight or not holds(book, terms, state.now_ms):
            continue
        trouble = hedge_trouble(state, terms.name, policy)
        if trouble is not None:
            return trouble
        moves = weight * _moves_with(terms, book)
        total += (
            float(positions[terms.name]) * delta_per_native(terms, state.quotes[terms.name]) * moves
        )
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
    held, pick = table.held, slice(None) if len(rows) == len(table.held.names) else rows
    forward, expiry_ms, discount = (
        table.forward_usd[pick],
        held.expiry_ms[pick],
        table.discount[pick],
    )
    years = np.maximum(expiry_ms - state.now_ms, 0) / units.MS_PER_YEAR
    out = np.empty((black76.ROW_COUNT, len(rows)))
    black76.greeks_into(
        out,
        forward,
        held.strike[pick],
        years,
        table.iv[pick],
        held.is_call[pick],
        discount,
    )
    return Valued(
        size=held.size[pick],
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


def _options_coin(options: Totals, book: BookPolicy, hedge: _Hedge) -> tuple[float, float, float]:
    """Return delta, gamma per 1 % and value of a book's options, in coins.

    `book_totals` gives the parts that the conventions are made of: dollars where it is linear.
    """
    coins = 1.0 / hedge.index_usd if hedge.is_linear else 1.0
    e, value = book.elasticity, options.value * coins
    delta = options.delta * coins * e
    if book.convention is _BOOK and not hedge.is_linear:
        delta += value  # the book's dollars gain with the coins that its marks are worth
    return delta, options.gamma * coins * e * e * 0.01, value


def _exposed(
    state: State, book: BookPolicy, hedge: _Hedge, held: tuple[Totals, int, float]
) -> Exposure:
    """Put the parts together; `held` are the options, how many there are, the futures' delta."""
    options, count, futures_coin = held
    delta_coin, gamma_coin, value_coin = _options_coin(options, book, hedge)
    holding = state.standing.holdings.get(book.name, EMPTY).get(book.hedge_instrument, units.ZERO)
    hedge_coin = float(holding) * hedge.coin_per_native
    delta = delta_coin + futures_coin + hedge_coin + hedge.equity_coin
    low, high = _in_flight(state, book, hedge)
    return Exposure(
        delta_coin=delta,
        delta_low_coin=delta + low,
        delta_high_coin=delta + high,
        options_delta_coin=delta_coin + futures_coin,
        hedge_delta_coin=hedge_coin,
        equity_delta_coin=hedge.equity_coin,
        gamma_coin_per_percent=gamma_coin,
        vega_usd_per_vol_point=options.vega * 0.01,
        theta_usd_per_day=options.theta / 365.0,
        options_value_coin=value_coin,
        options_held=count,
        index_usd=hedge.index_usd,
        hedge_mark_usd=hedge.mark_usd,
        hedge_native=holding,
        hedge_coin_per_native=hedge.coin_per_native,
        is_linear=hedge.is_linear,
    )


def _in_flight(state: State, book: BookPolicy, hedge: _Hedge) -> tuple[float, float]:
    """Return how far orders in flight may still move the book's delta, down and up, in coins.

    Those that hedge, and those that buy options of the book back.
    """
    low, high = 0.0, 0.0
    for order in open_orders(state.standing.orders):
        moves = (
            _hedge_moves(order, book.name, hedge.coin_per_native)
            if order.instrument == book.hedge_instrument
            else _option_moves(state, book, hedge, order)
        )
        low, high = low + min(moves, 0.0), high + max(moves, 0.0)
    return low, high


def _hedge_moves(order: orders.Order, book: str, coin_per_native: float) -> float:
    """Return what the rest of a hedge order would add to a book's delta, in coins."""
    net = float(sum(share.size_native for share in order.shares))
    asked = float(sum(share.size_native for share in order.shares if share.book == book))
    return float(order.remaining_native) * asked / net * coin_per_native if net else 0.0


def _option_moves(state: State, book: BookPolicy, hedge: _Hedge, order: orders.Order) -> float:
    """Return what the rest of an order on an option would add to a book's delta, in coins."""
    row = option_row(state, book, order.instrument)
    if row is None:
        return 0.0
    held, terms = state.table.held, state.instruments[order.instrument]
    only = slice(row, row + 1)
    size_coin = instruments.size_coin(terms, order.remaining_native, hedge.index_usd)
    one = replace(
        members(state.table, book, state.now_ms),
        rows=np.array([row]),
        pick=only,
        size=np.array([size_coin]),
        strike=held.strike[only],
        expiry_ms=held.expiry_ms[only],
        is_call=held.is_call[only],
    )
    totals = _totals(state, one, _ANY_AGE, is_linear=hedge.is_linear)
    return _options_coin(totals, book, hedge)[0]


def option_row(state: State, book: BookPolicy, name: str) -> int | None:
    """Return the row of an option that a book holds and that still lives, or None."""
    row = state.table.held.rows.get(name)
    return row if row is not None and row in members(state.table, book, state.now_ms).rows else None


def orders_in_flight(standing: Standing, instrument: str) -> list[orders.Order]:
    """Return the orders on an instrument of which something is still expected."""
    return [order for order in open_orders(standing.orders) if order.instrument == instrument]
