"""How much of what an instrument's books want may go as one order: limits first, then margin.

Every limit that bounds the size is a `Cap`: how much it leaves room for, and why no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from bot.core import gate, hedger, pace, safety, units
from bot.core.events import QuoteSeen
from bot.core.exposure import orders_in_flight
from bot.core.hedger import Code, Verdict
from bot.core.instruments import Instrument
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import Model
from bot.core.orders import Order, OrderPolicy, Outcome
from bot.core.quotes import QuotePolicy
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode, State
from bot.core.tally import Try

DEGRADED_SHARE = 0.5
REJECT_REST_NS = units.NS_PER_SECOND
RESTS_MAX = 4  # a rest doubles until then: 1, 2, 4, 8 seconds
REFUSED = frozenset({Outcome.REJECTED, Outcome.TURNED_AWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class DealPolicy:
    """The policies that an order passes on its way."""

    orders: OrderPolicy
    model: Model
    quotes: QuotePolicy
    gate: GatePolicy
    safety: SafetyPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an instrument's netted wishes came to: the size to send (0 for none), and why."""

    verdict: Verdict
    code: Code
    reason: str
    size_native: Decimal = units.ZERO


class Need(NamedTuple):
    """The position in an instrument that its books' own delta asks for, native.

    The sums over books that want to be short and over those that want to be long; `fixed_native`
    is held by books that have no number now. `delta_coin` adds up without signs.
    """

    short_native: float = 0.0
    long_native: float = 0.0
    fixed_native: float = 0.0
    delta_coin: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of one instrument.

    The netted size, the worst price, what the order is noted with, the delta of one native unit,
    what the books need, and what else hedges.
    """

    hedge: Instrument
    quote: QuoteSeen
    size_native: Decimal
    limit: Decimal
    noted: Try
    coin_per_native: float
    need: Need
    hedges: frozenset[str]

    @property
    def mark_usd(self) -> float:
        """The instrument's mark."""
        assert self.quote.mark is not None, "apply admits no quote without a mark"
        return self.quote.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The largest size one way that a limit leaves room for, without sign, and why no more."""

    room_native: float
    reason: str


def worst_price(hedge: Instrument, quote: QuoteSeen, size: Decimal, cap_bps: float) -> Decimal:
    """Return the limit price of an order on this quote; 0 where there is no two-sided one."""
    if quote.bid is None or quote.ask is None:
        return units.ZERO
    return hedger.limit_price(size, quote.bid, quote.ask, hedge, cap_bps)


def trouble(state: State, asked: Asked, policy: DealPolicy) -> str | None:
    """Say why no order at all may go on an instrument now, whatever its size, or None."""
    direction = 1 if asked.size_native > 0 else -1
    limits = policy.safety
    return (
        safety.quote_trouble(asked.quote, policy.quotes.spread_max, limits)
        or safety.clock_trouble(asked.quote, state, policy.orders.lifetime_ns)
        or safety.rate_trouble(state, limits)
        or rejected_lately(state, asked.hedge.name)
        or safety.account_trouble(state, asked.hedge, limits)
        or safety.index_trouble(state, asked.hedge, limits)
        or safety.collar_trouble(float(asked.limit), direction, asked.quote, limits)
        or safety.forward_trouble(state, asked.hedge, asked.quote, limits)
    )


def answered(state: State, asked: Asked, policy: DealPolicy) -> Answer:
    """Let limits, then margin, cut or refuse the netted size."""
    why = trouble(state, asked, policy)
    if why is not None:
        return Answer(verdict=Verdict.REFUSED, code=Code.SAFETY, reason=why)
    size, reason = within(state, asked, policy.safety)
    if abs(size) < asked.hedge.size_min:
        if reason:
            return Answer(verdict=Verdict.REFUSED, code=Code.SAFETY, reason=reason)
        reason = f"netted {asked.size_native} is below the minimum"
        return Answer(verdict=Verdict.HOLD, code=Code.BELOW_LOT, reason=reason)
    if state.mode is Mode.DEGRADED and not _nearer(size, asked):
        reason = f"while degraded only what brings delta nearer goes, and {size} does not"
        return Answer(verdict=Verdict.REFUSED, code=Code.SAFETY, reason=reason)
    verdict = gate.judge(state, asked.hedge, size, policy.gate, policy.model, policy.quotes)
    return _judged(verdict, size, asked, reason)


def _judged(
    verdict: gate.Approved | gate.Trimmed | gate.Refused, size: Decimal, asked: Asked, reason: str
) -> Answer:
    match verdict:
        case gate.Refused():
            return Answer(verdict=Verdict.REFUSED, code=Code.MARGIN, reason=verdict.reason)
        case gate.Trimmed():
            return Answer(
                verdict=Verdict.TRIMMED,
                code=Code.MARGIN,
                reason=verdict.reason,
                size_native=verdict.size_native,
            )
        case gate.Approved():
            if reason:
                why = f"{size} of {asked.size_native}: {reason}"
                return Answer(
                    verdict=Verdict.TRIMMED, code=Code.SAFETY, reason=why, size_native=size
                )
            return Answer(
                verdict=Verdict.HEDGE,
                code=Code.OUTSIDE_BAND,
                reason=verdict.reason,
                size_native=size,
            )


def capped(asked: Asked, caps: Sequence[Cap]) -> tuple[Decimal, str]:
    """Return the size that every cap leaves room for, in whole lots, and the reason of a cut."""
    size, reason = asked.size_native, ""
    for cap in caps:
        most = units.to_lots(max(0.0, cap.room_native), asked.hedge.lot)
        if most < abs(size):
            size, reason = most.copy_sign(size), cap.reason
    return size, reason


def within(state: State, asked: Asked, policy: SafetyPolicy) -> tuple[Decimal, str]:
    """Cut a hedge that no person has ordered to all that bounds it."""
    return capped(asked, (*_always(state, asked, policy), *_of_hedging(state, asked, policy)))


def clips(state: State, asked: Asked, policy: SafetyPolicy) -> tuple[Decimal, str]:
    """Cut what a person has ordered to one order: only the limit of an order holds for it."""
    return capped(asked, tuple(_always(state, asked, policy)))


def _always(state: State, asked: Asked, policy: SafetyPolicy) -> Iterator[Cap]:
    share = DEGRADED_SHARE if state.mode is Mode.DEGRADED else 1.0
    most_usd = policy.order_max_usd * share
    yield Cap(
        room_native=_native(asked, most_usd), reason=f"one order is at most {most_usd:.0f} USD"
    )


def _native(asked: Asked, usd: float) -> float:
    """Return US dollars as native size, at the dearest price that the order may trade at."""
    if asked.hedge.is_usd_sized:
        return usd
    return usd / max(asked.mark_usd, float(asked.limit), asked.quote.ask or 0.0)


def _of_hedging(state: State, asked: Asked, policy: SafetyPolicy) -> Iterator[Cap]:
    """Yield what bounds hedges, but not what a person has ordered."""
    yield _backed(state, asked, policy)
    yield _notional(state, asked, policy)
    used = pace.used_usd(state, pace.TURNOVER)
    most = policy.turnover_per_hour_max_usd
    yield Cap(
        room_native=_native(asked, most - used),
        reason=f"turnover of {used:,.0f} USD in the last hour, limit {most:,.0f}",
    )
    fee = float(asked.hedge.taker_fee)
    if fee > 0.0:
        used, most = pace.used_usd(state, pace.FEES), policy.fees_per_day_max_usd
        yield Cap(
            room_native=_native(asked, (most - used) / fee),
            reason=f"fees of {used:,.2f} USD in the last day, limit {most:,.2f}",
        )


def _backed(state: State, asked: Asked, policy: SafetyPolicy) -> Cap:
    """Bound a hedge by what its books' own delta asks for: a wrong size opens no naked position.

    Where a book has no number, its hedge is what it should be.
    """
    need, most = asked.need, 1.0 + policy.hedge_over_options_max
    free = _native(asked, policy.hedge_unbacked_max_usd)
    low = need.fixed_native + need.short_native * most - free
    high = need.fixed_native + need.long_native * most + free
    reason = (
        f"the books' own delta is {need.delta_coin:.4f} coin, a hedge is at most {most:.0%} of it "
        f"and {policy.hedge_unbacked_max_usd:,.0f} USD"
    )
    return Cap(room_native=_room(state, asked, low, high), reason=reason)


def _notional(state: State, asked: Asked, policy: SafetyPolicy) -> Cap:
    """Bound all hedges together, other instruments at the worst that is in flight there."""
    name, others_usd = asked.hedge.name, 0.0
    for other in sorted(asked.hedges):
        terms, quote = state.instruments.get(other), state.quotes.get(other)
        if other == name or terms is None or quote is None or quote.mark is None:
            continue
        held = state.standing.positions.get(other, units.ZERO)
        ends = [held]
        ends += [held + one.remaining_native for one in orders_in_flight(state.standing, other)]
        others_usd += max(pace.usd_of(terms, end, quote.mark) for end in ends)
    most = _native(asked, max(0.0, policy.hedge_max_usd - others_usd))
    held = state.standing.positions.get(name, units.ZERO)
    held_usd = pace.usd_of(asked.hedge, held, asked.mark_usd)
    reason = (
        f"hedges are at most {policy.hedge_max_usd:,.0f} USD together, held are {held_usd:,.0f}"
        + (f", and {others_usd:,.0f} elsewhere" if others_usd else "")
    )
    return Cap(room_native=_room(state, asked, -most, most), reason=reason)


def _room(state: State, asked: Asked, low: float, high: float) -> float:
    """Return how far the position may go the way of the order before it leaves [low, high]."""
    held = float(state.standing.positions.get(asked.hedge.name, units.ZERO))
    return high - held if asked.size_native > 0 else held - low


def _nearer(size: Decimal, asked: Asked) -> bool:
    """Whether an order brings the books that are hedged with its instrument nearer to neutral."""
    x = asked.noted.deviation_coin
    return abs(x + float(size) * asked.coin_per_native) < abs(x)


def rejected_lately(state: State, name: str) -> str | None:
    """Rest after a rejection, or two orders that traded nothing: at once it would be so again.

    A venue that takes no orders at all, or ends one after the other unfilled, is left alone for
    longer each time, up to eight seconds.
    """
    ours = [order for order in state.standing.orders.values() if order.instrument == name]
    if not ours or not (ours[-1].outcome in REFUSED or _is_void(ours[-1])):
        return None
    last = ours[-1]
    away = 0
    while away < min(len(ours), RESTS_MAX) and _is_void(ours[-1 - away]):
        away += 1
    is_unfilled = last.outcome is Outcome.CANCELLED
    rest_ns = (REJECT_REST_NS << max(away, 1)) >> (2 if is_unfilled else 1)
    if state.now_ns - last.requested_ns >= rest_ns or (is_unfilled and away == 1):
        return None
    if is_unfilled:
        why = f": {last.reason}" if last.reason else ""
        return f"the last {away} orders ended unfilled{why}"
    what = "takes no orders now" if away else "rejected the last order"
    return f"the venue {what}: {last.reason}"


def _is_void(order: Order) -> bool:
    """Whether an order came to nothing, and not for what was wrong with it."""
    is_unfilled = order.outcome is Outcome.CANCELLED and not order.filled_native
    return is_unfilled or order.outcome is Outcome.TURNED_AWAY
