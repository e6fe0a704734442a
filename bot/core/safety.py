"""Limits that are not about margin: what is counted against them, and what one order must pass.

Each has its key in the configuration and its own reason, with the arithmetic in it. Those that
count run on the market clock. What a limit does is in its name's owner: `modes` holds or degrades,
`sizing` refuses or trims one order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bot.core import units
from bot.core.events import QuoteSeen
from bot.core.immutable import succeeded
from bot.core.instruments import Instrument
from bot.core.quotes import Still
from bot.core.state import State
from bot.quant.conventions import SETTLEMENT_WINDOW_MS


class Stop(StrEnum):
    """What a limit on losses does: stop until it clears, or until a person resumes."""

    HOLD = "hold"
    HALT = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyPolicy:
    """Limits on what may be sent. Shares are of one; hours and days are of market time.

    An order: at most `order_max_usd`, at most `orders_per_minute_max` of them, its limit price no
    further than `collar_max` beyond mark and index, and that only while mark and index differ by at
    most `divergence_max`, the middle of the book and the mark by `book_divergence_max`, the index
    and the forward of the next expiry held by `forward_divergence_max`.

    The hedge: all hedge positions together at most `hedge_max_usd`, and each at most
    `hedge_over_options_max` beyond what its books need, and `hedge_unbacked_max_usd` beyond that,
    for books that are next to nothing.

    What was traded: `turnover_per_hour_max_usd`, `fees_per_day_max_usd`, changes of direction an
    hour on one instrument (`reversals_per_hour_max`), `repeats_max` orders one way within
    `repeats_within_ms` that did not bring the books nearer to their targets, and at most
    `executed_over_wished_max` times what was wished for.

    Inputs: ages of the account's figures (`account_age_max_ns`) and of the index, which is as old
    as its last change (`index_still_max_ns`, `expiry_index_still_max_ns` while an option held
    settles); options still held `expiry_unsettled_max_ns` after their expiry. The host: `loop_lag`,
    `journal`, `clock_skew`, each until it was well for `strain_rest_ns`.

    Losses: of the equity in the money that the books protect, of what it was when the market day
    began (`loss_per_day_max`) and at its peak (`drawdown_max`).

    After `rejects_max` rejections in a row a person must look. Neither that nor the orders a minute
    can be over `CLOSED_ORDERS_KEPT`: orders before those are forgotten. A hedge position that moved
    by more than `position_jump_max_usd`, not by us, waits for a person; orders of unknown fate that
    may have left a book more than `unknown_delta_max_usd` from its target halt.
    """

    order_max_usd: float = 500_000.0
    orders_per_minute_max: int = 30
    divergence_max: float = 0.02
    rejects_max: int = 5
    collar_max: float = 0.03
    book_divergence_max: float = 0.02
    forward_divergence_max: float = 0.15
    hedge_max_usd: float = 100_000_000.0
    hedge_over_options_max: float = 0.10
    hedge_unbacked_max_usd: float = 50_000.0
    turnover_per_hour_max_usd: float = 50_000_000.0
    fees_per_day_max_usd: float = 50_000.0
    reversals_per_hour_max: int = 120
    repeats_max: int = 10
    repeats_within_ms: int = 2 * units.MS_PER_MINUTE
    executed_over_wished_max: float = 3.0
    account_age_max_ns: int = 120 * units.NS_PER_SECOND
    index_still_max_ns: int = 300 * units.NS_PER_SECOND
    expiry_index_still_max_ns: int = 60 * units.NS_PER_SECOND
    expiry_unsettled_max_ns: int = 300 * units.NS_PER_SECOND
    loop_lag_max_ns: int = 2 * units.NS_PER_SECOND
    journal_max_ns: int = 2 * units.NS_PER_SECOND
    clock_skew_max_ms: float = 1_000.0
    strain_rest_ns: int = 10 * units.NS_PER_SECOND
    loss_per_day_max: float = 0.25
    drawdown_max: float = 0.5
    loss_stop: Stop = Stop.HOLD
    position_jump_max_usd: float = 1_000_000.0
    unknown_delta_max_usd: float = 1_000_000.0


def quote_trouble(quote: QuoteSeen, spread_max: float, policy: SafetyPolicy) -> str | None:
    """Say why no order may be priced on this hedge quote, or None."""
    if quote.bid is None or quote.ask is None or quote.mark is None or quote.index_usd is None:
        return f"{quote.instrument} has no two-sided quote"
    middle = 0.5 * (quote.ask + quote.bid)
    spread = (quote.ask - quote.bid) / middle
    if spread > spread_max:
        return f"spread {spread:.3%} of {quote.instrument} is over {spread_max:.3%}"
    divergence = quote.mark / quote.index_usd - 1.0
    if abs(divergence) > policy.divergence_max:
        limit = f"limit {policy.divergence_max:.2%}"
        return f"mark {quote.mark} is {divergence:+.2%} from the index, {limit}"
    divergence = middle / quote.mark - 1.0
    if abs(divergence) > policy.book_divergence_max:
        limit = f"limit {policy.book_divergence_max:.2%}"
        return f"the book's middle {middle} is {divergence:+.2%} from the mark, {limit}"
    return None


def forward_trouble(
    state: State, hedge: Instrument, quote: QuoteSeen, policy: SafetyPolicy
) -> str | None:
    """Say that the options' own forward contradicts the index, or None: a second source.

    The median of the forwards of the next expiry held counts.
    """
    held, table = state.table.held, state.table
    ours = np.array([of == hedge.underlying for of in held.underlyings], dtype=np.bool_)
    live = ours & (held.expiry_ms > state.now_ms) & np.isfinite(table.forward_usd)
    if not live.any() or quote.index_usd is None:
        return None
    nearest = live & (held.expiry_ms == held.expiry_ms[live].min())
    forward = float(np.median(table.forward_usd[nearest]))
    divergence = forward / quote.index_usd - 1.0
    if abs(divergence) <= policy.forward_divergence_max:
        return None
    return (
        f"the options' forward {forward:.2f} is {divergence:+.2%} from the index, "
        f"limit {policy.forward_divergence_max:.2%}"
    )


def collar_trouble(
    limit: float, direction: int, quote: QuoteSeen, policy: SafetyPolicy
) -> str | None:
    """Say that an order's limit price is too far beyond the mark or the index, or None."""
    for what, price in (("mark", quote.mark), ("index", quote.index_usd)):
        beyond = direction * (limit / (price or limit) - 1.0)
        if beyond > policy.collar_max:
            return (
                f"limit price {limit:g} is {beyond:.2%} beyond the {what} {price}, "
                f"collar {policy.collar_max:.2%}"
            )
    return None


def clock_trouble(quote: QuoteSeen, state: State, lifetime_ns: int) -> str | None:
    """Say that the venue's clock has run ahead of ours, or None.

    Half of an order's lifetime ahead, an order would come too late, and its fate be in doubt.
    """
    ahead_ms = quote.venue_ms - state.now_ms
    if ahead_ms <= units.wire_to_market_ms(lifetime_ns // 2, state.rate):
        return None
    return f"the venue's clock is {ahead_ms / units.MS_PER_SECOND:.1f} s ahead of ours"


def account_trouble(state: State, hedge: Instrument, policy: SafetyPolicy) -> str | None:
    """Say that the account's figures are too old to trade on, or None."""
    balance = state.balances.get(hedge.currency)
    if balance is None:
        return f"the {hedge.currency} balance is not known"
    age_ns = state.now_ns - balance.arrived_ns
    if age_ns <= policy.account_age_max_ns:
        return None
    return (
        f"the {hedge.currency} balance is {age_ns / units.NS_PER_SECOND:.0f} s old, "
        f"limit {policy.account_age_max_ns / units.NS_PER_SECOND:g} s"
    )


def indexed(before: State, state: State, hedges: Mapping[str, str]) -> State:
    """Note since when the index of each hedge instrument has stood still."""
    if state.quotes is before.quotes:
        return state
    moved: dict[str, Still] = {}
    for name in hedges:
        quote = state.quotes.get(name)
        if quote is None or quote.index_usd is None:
            continue
        still = state.index_still.get(name)
        if still is None or still.index_usd != quote.index_usd:
            moved[name] = Still(index_usd=quote.index_usd, since_ns=state.now_ns)
    return succeeded(state, index_still={**state.index_still, **moved}) if moved else state


def index_trouble(state: State, hedge: Instrument, policy: SafetyPolicy) -> str | None:
    """Say that the index has stood still for too long, or None.

    While an option held settles, what its delivery price is the mean of must be seen to move.
    """
    still = state.index_still.get(hedge.name)
    if still is None:
        return None
    settling = _settling(state, hedge.underlying)
    most_ns = policy.expiry_index_still_max_ns if settling else policy.index_still_max_ns
    since_ns = state.now_ns - still.since_ns
    if since_ns <= most_ns:
        return None
    when = f" while {settling} settles" if settling else ""
    return (
        f"the index has stood at {still.index_usd} for {since_ns / units.NS_PER_SECOND:.0f} s"
        f"{when}, limit {most_ns / units.NS_PER_SECOND:g} s"
    )


def _settling(state: State, underlying: str) -> str:
    """Name an option held on an underlying that is in the window of its settlement, or nobody."""
    held = state.table.held
    left_ms = held.expiry_ms - state.now_ms
    for row in np.flatnonzero((left_ms > 0) & (left_ms <= SETTLEMENT_WINDOW_MS)):
        if held.underlyings[row] == underlying:
            return held.names[row]
    return ""


def rate_trouble(state: State, policy: SafetyPolicy) -> str | None:
    """Say whether too many orders went out in the last market minute, or None."""
    since = state.now_ms - units.MS_PER_MINUTE
    # Orders of a later market are those of a rehearsal that has begun anew.
    sent = sum(
        1 for order in state.standing.orders.values() if since < order.requested_ms <= state.now_ms
    )
    most = policy.orders_per_minute_max
    return f"{sent} orders in the last minute, limit {most}" if sent >= most else None
