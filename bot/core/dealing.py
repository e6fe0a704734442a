"""From books outside their bands to orders.

Net the intents of an instrument, ask safety and margin, commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from bot.core import gate, hedger, reconcile, safety, standing, units
from bot.core.actions import SubmitOrder, TimeInForce
from bot.core.books import BookPolicy
from bot.core.counts import Counts
from bot.core.events import QuoteSeen
from bot.core.exposure import Exposure, Unpriced, exposure_of
from bot.core.gate import GatePolicy
from bot.core.hedger import Code, Decision, HedgePolicy, Hold, Intent, Verdict
from bot.core.instruments import Instrument
from bot.core.margin.deribit_standard import Rates
from bot.core.orders import Order, OrderPolicy, Outcome, Share
from bot.core.quotes import QuotePolicy
from bot.core.reported import unlisted
from bot.core.safety import SafetyPolicy
from bot.core.standing import HedgeMark
from bot.core.state import Mode, State, differing

TRADING_MODES = frozenset({Mode.RUN, Mode.DEGRADED})
DEGRADED_SHARE = 0.5
REJECT_REST_NS = units.NS_PER_SECOND
RESTS_MAX = 4  # a rest doubles until then: 1, 2, 4, 8 seconds
REFUSED = frozenset({Outcome.REJECTED, Outcome.TURNED_AWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPlan:
    """A book and how it is hedged."""

    book: BookPolicy
    hedge: HedgePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DealPolicy:
    """The policies that an order passes on its way."""

    orders: OrderPolicy
    rates: Rates
    quotes: QuotePolicy
    gate: GatePolicy
    safety: SafetyPolicy


class Dealt(NamedTuple):
    """The state with every new order in it, the orders to send, and each book's decision."""

    state: State
    actions: tuple[SubmitOrder, ...]
    exposures: Mapping[str, Exposure | Unpriced]
    verdicts: Mapping[str, Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One book's intent, with what it was formed from."""

    plan: BookPlan
    intent: Intent
    exposure: Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an instrument's netted wishes came to: the size to send (0 for none), and why."""

    verdict: Verdict
    code: Code
    reason: str
    size_native: Decimal = units.ZERO


def deal(state: State, plans: Sequence[BookPlan], policy: DealPolicy) -> Dealt:
    """Value every book, let each speak, and make at most one order per hedge instrument."""
    exposures = {plan.book.name: exposure_of(state, plan.book, policy.quotes) for plan in plans}
    verdicts: dict[str, Decision] = {}
    wishes: dict[str, list[Wish]] = {}
    for plan in plans:
        valued = exposures[plan.book.name]
        wish = _wish(state, plan, valued)
        if isinstance(wish, Hold):
            verdicts[plan.book.name] = _held(state, plan, valued, wish)
        else:
            wishes.setdefault(plan.book.hedge_instrument, []).append(wish)
    sent: list[SubmitOrder] = []
    for name, wished in wishes.items():
        state, order = _answer(state, name, wished, policy, verdicts)
        sent.extend(order)
    return Dealt(state=state, actions=tuple(sent), exposures=exposures, verdicts=verdicts)


def _wish(state: State, plan: BookPlan, valued: Exposure | Unpriced) -> Hold | Wish:
    """Ask one book.

    Modes and orders in flight come first: no wish is formed on what is not certain.
    """
    if state.mode not in TRADING_MODES:
        is_hold = state.mode is Mode.HOLD  # the verdict says that word already
        why = state.mode_reason if is_hold else f"{state.mode}: {state.mode_reason}"
        return Hold(code=Code.MODE, reason=why)
    name = plan.book.hedge_instrument
    if name not in state.instruments:
        return Hold(code=Code.UNPRICED, reason=f"{name} is not listed at the venue")
    doubt = reconcile.unsettled(state, name)
    if doubt is not None:
        return Hold(code=Code.IN_FLIGHT, reason=doubt)
    for other, held, report in differing(state):
        reason = f"{other}: {report.row.size_native} at the venue, {held} here"
        return Hold(code=Code.UNSETTLED, reason=reason)
    for other in unlisted(state.reported, state.standing.positions, state.instruments):
        return Hold(code=Code.UNPRICED, reason=f"unpriced: {other} is held but not listed")
    last = state.standing.hedge_marks.get(plan.book.name)
    rules = plan.hedge if _traded(state, last) else replace(plan.hedge, move_min=0.0)
    wish = hedger.decide(valued, rules, state.instruments[name], last, state.now_ms)
    if isinstance(wish, Hold):
        return wish
    assert isinstance(valued, Exposure), "an unpriced book has no intent"
    return Wish(plan=plan, intent=wish, exposure=valued)


def _traded(state: State, last: HedgeMark | None) -> bool:
    """Whether a book's last order traded all that was wished for; the rest need not wait."""
    order = state.standing.orders.get(last.order_id) if last else None
    if order is None:
        return True
    wished = sum((share.size_native for share in order.shares), units.ZERO)
    return abs(order.filled_native) >= abs(wished)


def _answer(
    state: State,
    name: str,
    wished: Sequence[Wish],
    policy: DealPolicy,
    verdicts: dict[str, Decision],
) -> tuple[State, tuple[SubmitOrder, ...]]:
    hedge, quote = state.instruments[name], state.quotes[name]
    net = sum((wish.intent.size_native for wish in wished), units.ZERO)
    if not net:
        crossed = Answer(
            verdict=Verdict.HEDGE,
            code=Code.CROSSED_BOOKS,
            reason="books cancel each other at the mark",
        )
        _record(state, wished, crossed, verdicts)
        return _cross(state, name, wished), ()
    answer = _sized(state, hedge, quote, net, policy)
    if not answer.size_native:
        _record(state, wished, answer, verdicts)
        return state, ()
    state, order = _commit(state, hedge, quote, wished, answer.size_native, policy.orders)
    _record(state, wished, answer, verdicts, order.order_id)
    return state, (order,)


def _sized(
    state: State, hedge: Instrument, quote: QuoteSeen, net: Decimal, policy: DealPolicy
) -> Answer:
    """Let safety, then margin, cut or refuse the netted size."""
    trouble = (
        safety.quote_trouble(quote, policy.quotes.spread_max, policy.safety)
        or safety.clock_trouble(quote, state, policy.orders.lifetime_ns)
        or safety.rate_trouble(state, policy.safety)
        or _rejected_lately(state, hedge.name)
    )
    if trouble is not None:
        return Answer(verdict=Verdict.REFUSED, code=Code.SAFETY, reason=trouble)
    share = DEGRADED_SHARE if state.mode is Mode.DEGRADED else 1.0
    assert quote.mark is not None, "apply admits no quote without a mark"
    size = safety.clipped(net, hedge, quote.mark, policy.safety.order_max_usd * share)
    if abs(size) < hedge.size_min:
        return Answer(
            verdict=Verdict.HOLD, code=Code.BELOW_LOT, reason=f"netted {net} is below the minimum"
        )
    verdict = gate.judge(state, hedge, size, policy.gate, policy.rates, policy.quotes)
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
            if size != net:
                most = policy.safety.order_max_usd * share
                why = f"{size} of {net}: one order is at most {most:.0f} USD"
                return Answer(
                    verdict=Verdict.TRIMMED, code=Code.SAFETY, reason=why, size_native=size
                )
            return Answer(
                verdict=Verdict.HEDGE,
                code=Code.OUTSIDE_BAND,
                reason=verdict.reason,
                size_native=size,
            )


def _rejected_lately(state: State, name: str) -> str | None:
    """Rest after a rejection: asking again at once would only be rejected again.

    A venue that takes no orders at all is left alone for longer each time, up to eight seconds.
    """
    ours = [order for order in state.standing.orders.values() if order.instrument == name]
    if not ours or ours[-1].outcome not in REFUSED:
        return None
    last = ours[-1]
    away = 0
    while away < min(len(ours), RESTS_MAX) and ours[-1 - away].outcome is Outcome.TURNED_AWAY:
        away += 1
    rest_ns = REJECT_REST_NS << (max(away, 1) - 1)
    if state.now_ns - last.requested_ns >= rest_ns:
        return None
    what = "takes no orders now" if away else "rejected the last order"
    return f"the venue {what}: {last.reason}"


def _commit(
    state: State,
    hedge: Instrument,
    quote: QuoteSeen,
    wished: Sequence[Wish],
    size_native: Decimal,
    policy: OrderPolicy,
) -> tuple[State, SubmitOrder]:
    """Put the order into the state as REQUESTED and return the action that sends it."""
    assert quote.bid is not None, "safety lets no one-sided quote pass"
    assert quote.ask is not None, "safety lets no one-sided quote pass"
    counter = state.standing.order_counter + 1
    order_id = f"{policy.label_prefix}{state.standing.instance}{counter:07d}"
    cap_bps = min(wish.plan.hedge.price_cap_bps for wish in wished)
    limit = hedger.limit_price(size_native, quote.bid, quote.ask, hedge, cap_bps)
    valid_until_ms = state.now_ms + units.wire_to_market_ms(policy.lifetime_ns, state.rate)
    order = Order(
        order_id=order_id,
        instrument=hedge.name,
        size_native=size_native,
        limit=limit,
        shares=tuple(
            Share(book=wish.plan.book.name, size_native=wish.intent.size_native) for wish in wished
        ),
        requested_ms=state.now_ms,
        requested_ns=state.now_ns,
        valid_until_ms=valid_until_ms,
    )
    known = standing.with_order(replace(state.standing, order_counter=counter), order)
    action = SubmitOrder(
        order_id=order_id,
        instrument=hedge.name,
        size_native=size_native,
        limit=limit,
        time_in_force=TimeInForce.IOC,
        valid_until_ms=valid_until_ms,
    )
    return replace(state, standing=_marked(known, state.now_ms, wished, order_id)), action


def _marked(
    known: standing.Standing, now_ms: int, wished: Sequence[Wish], order_id: str = ""
) -> standing.Standing:
    marks = {
        wish.plan.book.name: HedgeMark(
            at_ms=now_ms, index_usd=wish.exposure.index_usd, order_id=order_id
        )
        for wish in wished
    }
    return replace(known, hedge_marks={**known.hedge_marks, **marks})


def _cross(state: State, name: str, wished: Sequence[Wish]) -> State:
    """Move hedge between books that want opposite things, without the venue."""
    known = state.standing
    for wish in wished:
        known = standing.with_holding(known, wish.plan.book.name, name, wish.intent.size_native)
    return replace(state, standing=_marked(known, state.now_ms, wished))


def _record(
    state: State,
    wished: Sequence[Wish],
    answer: Answer,
    verdicts: dict[str, Decision],
    order_id: str = "",
) -> None:
    for wish in wished:
        name = wish.plan.book.name
        verdicts[name] = Decision(
            book=name,
            at_ms=state.now_ms,
            verdict=answer.verdict,
            code=answer.code,
            reason=f"{wish.intent.reason}; {answer.reason}",
            numbers=_numbers(state, wish.plan, wish.exposure)
            | {
                "wanted_native": float(wish.intent.size_native),
                "sent_native": float(answer.size_native),
            },
            order_id=order_id,
        )


def _held(state: State, plan: BookPlan, valued: Exposure | Unpriced, hold: Hold) -> Decision:
    return Decision(
        book=plan.book.name,
        at_ms=state.now_ms,
        verdict=Verdict.HOLD,
        code=hold.code,
        reason=hold.reason,
        numbers=_numbers(state, plan, valued) if isinstance(valued, Exposure) else {},
    )


def _numbers(state: State, plan: BookPlan, valued: Exposure) -> dict[str, float]:
    """Return the inputs of a decision."""
    quote = state.quotes[plan.book.hedge_instrument]
    x = hedger.deviation_coin(valued, plan.hedge)
    return {
        "deviation_coin": x,
        "delta_coin": valued.delta_coin,
        "delta_low_coin": valued.delta_low_coin,
        "delta_high_coin": valued.delta_high_coin,
        "options_delta_coin": valued.options_delta_coin,
        "hedge_delta_coin": valued.hedge_delta_coin,
        "band_low_coin": plan.hedge.band_low_coin,
        "band_high_coin": plan.hedge.band_high_coin,
        "target_coin": plan.hedge.target_coin,
        "gamma_coin_per_percent": valued.gamma_coin_per_percent,
        "index_usd": valued.index_usd,
        "hedge_mark_usd": valued.hedge_mark_usd,
        "hedge_bid_usd": quote.bid or 0.0,
        "hedge_ask_usd": quote.ask or 0.0,
        "hedge_quote_age_ms": (state.now_ns - quote.arrived_ns) / units.NS_PER_MS,
    }


def counted(counts: Counts, news: Sequence[Decision]) -> Counts:
    """Count refusals and trims by the kind of their reason, once per change."""
    refused = [d.code.value for d in news if d.verdict in (Verdict.REFUSED, Verdict.TRIMMED)]
    if not refused:
        return counts
    tally = dict(counts.refusals)
    for code in refused:
        tally[code] = tally.get(code, 0) + 1
    return replace(counts, refusals=tally)
