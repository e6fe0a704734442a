"""What a book is exposed to, in the convention it is hedged in.

Every number of a book comes from good, fresh quotes of all of its legs, or there is no number
(`Unpriced`).
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from bot.core import instruments, orders, units
from bot.core.columns import Flags, Floats, OptionTable, Stamps
from bot.core.instruments import Instrument, Kind
from bot.core.quotes import QuotePolicy
from bot.core.standing import EMPTY, Standing, open_orders
from bot.core.state import State
from bot.quant import black76, conventions
from bot.quant.conventions import Convention


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which of the account's positions belong to a book.

    A position belongs if its name is in `include`, or if all other conditions hold and it is not in
    `exclude`. `expiry_min` and `expiry_max` bound the time left to expiry (from `expiry_min` on, up
    to but not at `expiry_max`).
    """

    underlying: str
    kinds: frozenset[Kind] = frozenset({Kind.OPTION})
    expiry_min: timedelta | None = None
    expiry_max: timedelta | None = None
    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPolicy:
    """A book: what is in it, which equity must not move, what it is hedged with.

    `collateral_share` is the part of the account's equity that the book answers for (convention
    `usd`).
    """

    name: str
    selector: Selector
    convention: Convention
    hedge_instrument: str
    collateral_share: float = 1.0


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
    flight. Gamma is the change of delta for a move of +1 %.
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


@lru_cache(maxsize=256)
def _named_rows(
    names: tuple[str, ...], underlyings: tuple[str, ...], selector: Selector
) -> tuple[Flags, Flags]:
    """Return per row: chosen by name, and chosen if its expiry fits."""
    wanted = Kind.OPTION in selector.kinds
    chosen = np.array([name in selector.include for name in names], dtype=np.bool_)
    maybe = np.array(
        [
            wanted and of == selector.underlying and name not in selector.exclude
            for name, of in zip(names, underlyings, strict=True)
        ],
        dtype=np.bool_,
    )
    return chosen, maybe


def _in_range(maybe: Flags, left_ms: Stamps, selector: Selector) -> Flags:
    """Return those of `maybe` whose time left is in the selector's range."""
    if selector.expiry_min is not None:
        maybe = maybe & (left_ms >= selector.expiry_min / timedelta(milliseconds=1))
    if selector.expiry_max is not None:
        maybe = maybe & (left_ms < selector.expiry_max / timedelta(milliseconds=1))
    return maybe


def members(table: OptionTable, selector: Selector, now_ms: int) -> Stamps:
    """Return the rows of the live options that belong to a book now."""
    chosen, maybe = _named_rows(table.names, table.underlyings, selector)
    left_ms = table.expiry_ms - now_ms
    return ((left_ms > 0) & (chosen | _in_range(maybe, left_ms, selector))).nonzero()[0]


def selects(selector: Selector, instrument: Instrument, now_ms: int) -> bool:
    """Whether one instrument belongs to a book now."""
    if instrument.name in selector.include:
        return True
    if instrument.kind not in selector.kinds or instrument.underlying != selector.underlying:
        return False
    left_ms = np.array([(instrument.expiry_ms or 2**62) - now_ms], dtype=np.int64)
    maybe = np.array([instrument.name not in selector.exclude], dtype=np.bool_)
    return bool(_in_range(maybe, left_ms, selector)[0])


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
    rows = members(table, book.selector, state.now_ms)
    trouble = hedge_trouble(state, book.hedge_instrument, policy) or stale_leg(
        state, table, rows, policy
    )
    if trouble is not None:
        return Unpriced(reason=trouble)
    quote = state.quotes[book.hedge_instrument]
    mark, index = quote.mark, quote.index_usd
    assert mark is not None, "apply admits no quote without a mark"
    assert index is not None, "apply admits no quote without an index"
    balance = state.balances.get(state.instruments[book.hedge_instrument].currency)
    if balance is None:
        return Unpriced(reason="the account's equity is not known yet")
    futures_coin = _futures_delta(state, book, policy)
    if isinstance(futures_coin, str):
        return Unpriced(reason=futures_coin)
    held = state.standing.holdings.get(book.name, EMPTY).get(book.hedge_instrument, units.ZERO)
    equity_coin = conventions.equity_term(book.convention, book.collateral_share, balance.equity)
    return _summed(
        state,
        book,
        rows,
        rest=(float(held) / mark, equity_coin, futures_coin),
        prices=(index, mark),
        held=held,
    )


def _futures_delta(state: State, book: BookPolicy, policy: QuotePolicy) -> float | str:
    """Add up the book's futures and perpetuals other than its hedge, or name one that is stale."""
    total = 0.0
    for name, size in state.standing.positions.items():
        terms = state.instruments.get(name)
        if terms is None or terms.kind is Kind.OPTION or name == book.hedge_instrument:
            continue
        if not selects(book.selector, terms, state.now_ms):
            continue
        trouble = hedge_trouble(state, name, policy)
        if trouble is not None:
            return trouble
        total += instruments.size_coin(terms, size, _mark(state, name))
    return total


def _mark(state: State, name: str) -> float:
    mark = state.quotes[name].mark
    assert mark is not None, "apply admits no quote without a mark"
    return mark


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Valued:
    """Options priced: their signed coins, their forwards, the part that still moves, and Greeks."""

    size: Floats
    forward_usd: Floats
    weight: Floats
    greeks: black76.Greeks

    def delta_coin(self, convention: Convention) -> float:
        """Return their delta in coins."""
        mark = self.greeks.price / self.forward_usd
        parts = conventions.option_delta_coin(
            convention, self.size, self.greeks.delta, mark, 1.0, self.weight
        )
        return float(parts.sum())


@lru_cache(maxsize=256)
def _undiscounted(count: int) -> Floats:
    """Return so many discount factors of 1: inverse options pay in coin."""
    ones: Floats = np.ones(count)
    ones.setflags(write=False)
    return ones


def _valued(state: State, rows: Stamps) -> _Valued:
    """Price the options in `rows`."""
    table = state.table
    # Most often every option belongs to the one book: then nothing has to be picked out.
    pick = slice(None) if len(rows) == len(table.names) else rows
    forward, expiry_ms = table.forward_usd[pick], table.expiry_ms[pick]
    years = np.maximum(expiry_ms - state.now_ms, 0) / units.MS_PER_YEAR
    out = np.empty((black76.ROW_COUNT, len(rows)))
    black76.greeks_into(
        out,
        forward,
        table.strike[pick],
        years,
        table.iv[pick],
        table.is_call[pick],
        _undiscounted(len(rows)),
    )
    return _Valued(
        size=table.size[pick],
        forward_usd=forward,
        weight=conventions.expiry_weight(state.now_ms, expiry_ms),
        greeks=black76.Greeks(*out),
    )


def _summed(
    state: State,
    book: BookPolicy,
    rows: Stamps,
    *,
    rest: tuple[float, float, float],
    prices: tuple[float, float],
    held: Decimal,
) -> Exposure:
    valued = _valued(state, rows)
    size, forward, greeks = valued.size, valued.forward_usd, valued.greeks
    hedge_coin, equity_coin, futures_coin = rest
    options_coin = valued.delta_coin(book.convention) + futures_coin
    delta = options_coin + hedge_coin + equity_coin
    low, high = _in_flight(state, book, prices[1])
    return Exposure(
        delta_coin=delta,
        delta_low_coin=delta + low,
        delta_high_coin=delta + high,
        options_delta_coin=options_coin,
        hedge_delta_coin=hedge_coin,
        equity_delta_coin=equity_coin,
        gamma_coin_per_percent=float((size * greeks.gamma * forward * valued.weight).sum()) * 0.01,
        vega_usd_per_vol_point=float((size * greeks.vega).sum()) * 0.01,
        theta_usd_per_day=float((size * greeks.theta).sum()) / 365.0,
        options_value_coin=float((size * greeks.price / forward).sum()),
        options_held=len(rows),
        index_usd=prices[0],
        hedge_mark_usd=prices[1],
        hedge_native=held,
    )


def _in_flight(state: State, book: BookPolicy, mark: float) -> tuple[float, float]:
    """Return how far orders in flight may still move the book's delta, down and up, in coins."""
    low, high = 0.0, 0.0
    for order in orders_in_flight(state.standing, book.hedge_instrument):
        net = float(sum(share.size_native for share in order.shares))
        asked = float(sum(s.size_native for s in order.shares if s.book == book.name))
        moves = float(order.remaining_native) * asked / net / mark if net else 0.0
        low, high = low + min(moves, 0.0), high + max(moves, 0.0)
    return low, high


def account_delta_coin(state: State, currency: str, policy: QuotePolicy) -> float | None:
    """Return the account's net delta in coins, as the venue counts it; None without quotes."""
    table, total = state.table, 0.0
    rows = np.flatnonzero(table.expiry_ms > state.now_ms)
    if stale_leg(state, table, rows, policy) is not None:
        return None
    for name, size in state.standing.positions.items():
        terms = state.instruments.get(name)
        if terms is None or terms.kind is Kind.OPTION or terms.currency != currency:
            continue
        if hedge_trouble(state, name, policy) is not None:
            return None
        total += instruments.size_coin(terms, size, _mark(state, name))
    return total + _valued(state, rows).delta_coin(Convention.COIN)


def orders_in_flight(standing: Standing, instrument: str) -> list[orders.Order]:
    """Return the orders on an instrument of which something is still expected."""
    return [order for order in open_orders(standing.orders) if order.instrument == instrument]
