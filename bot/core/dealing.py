"""From books outside their bands to orders.

Net the intents of an instrument, ask safety and margin, commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from bot.core import derisk, flatten, hedger, pace, placing, reconcile, sizing, standing, units
from bot.core.actions import SubmitOrder
from bot.core.books import BookPolicy
from bot.core.counts import Counts
from bot.core.exposure import Exposure, Unpriced, exposure_of
from bot.core.hedger import Code, Decision, HedgePolicy, Hold, Intent, Verdict
from bot.core.immutable import succeeded
from bot.core.orders import OrderPolicy, Share
from bot.core.reported import unlisted
from bot.core.sizing import Answer, Asked, DealPolicy, Need
from bot.core.standing import EMPTY, HedgeMark
from bot.core.state import Mode, State, differing, is_settled
from bot.core.tally import Try

TRADING_MODES = frozenset({Mode.RUN, Mode.DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPlan:
    """A book and how it is hedged."""

    book: BookPolicy
    hedge: HedgePolicy


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


def deal(state: State, plans: Sequence[BookPlan], policy: DealPolicy) -> Dealt:
    """Value every book, let each speak, and make at most one order per hedge instrument."""
    exposures = {plan.book.name: exposure_of(state, plan.book, policy.quotes) for plan in plans}
    if flatten.is_on(state):
        return _flattened(state, plans, exposures, policy)
    verdicts: dict[str, Decision] = {}
    sent: list[SubmitOrder] = []
    easing = _eased(state, plans, exposures, policy) if state.margin_warned else None
    if easing is not None:
        state, verdicts, sent = easing.state, dict(easing.verdicts), [easing.action]
    wishes: dict[str, list[Wish]] = {}
    for plan in plans:
        if plan.book.name in verdicts:
            continue
        valued = exposures[plan.book.name]
        wish = _wish(state, plan, valued)
        if isinstance(wish, Hold):
            verdicts[plan.book.name] = _held(state, plan, valued, wish)
        else:
            wishes.setdefault(plan.book.hedge_instrument, []).append(wish)
    for name, wished in wishes.items():
        want = _want(state, name, wished, plans, exposures)
        state, order = _answer(state, want, policy, verdicts)
        sent.extend(order)
    if state.standing.sprees:
        state = pace.rested(state, _at_rest(plans, verdicts))
    return Dealt(state=state, actions=tuple(sent), exposures=exposures, verdicts=verdicts)


def _eased(
    state: State,
    plans: Sequence[BookPlan],
    exposures: Mapping[str, Exposure | Unpriced],
    policy: DealPolicy,
) -> derisk.Eased | None:
    """Lower margin use before anything else, if it is so far."""
    cap_bps = min(plan.hedge.price_cap_bps for plan in plans)
    hedges = {plan.book.hedge_instrument for plan in plans}
    needs = {name: _need(state, name, plans, exposures) for name in sorted(hedges)}
    return derisk.eased(state, [plan.book for plan in plans], needs, cap_bps, policy)


def _flattened(
    state: State,
    plans: Sequence[BookPlan],
    exposures: Mapping[str, Exposure | Unpriced],
    policy: DealPolicy,
) -> Dealt:
    """Close the hedges, in place of hedging."""
    books = [plan.book for plan in plans]
    cap_bps = min(plan.hedge.price_cap_bps for plan in plans)
    done = flatten.flattened(state, books, exposures, cap_bps, policy)
    return Dealt(
        state=done.state, actions=done.actions, exposures=exposures, verdicts=done.verdicts
    )


def _at_rest(plans: Sequence[BookPlan], verdicts: Mapping[str, Decision]) -> list[str]:
    """Return the hedge instruments all of whose books are inside their bands."""
    names = {plan.book.hedge_instrument for plan in plans}
    names -= {
        plan.book.hedge_instrument
        for plan in plans
        if verdicts[plan.book.name].code is not Code.INSIDE_BAND
    }
    return sorted(names)


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
    unsure = None if is_settled(state) else _unsure(state, name)
    if unsure is not None:
        return unsure
    last = state.standing.hedge_marks.get(plan.book.name)
    rules = plan.hedge if _traded(state, last) else replace(plan.hedge, move_min=0.0)
    wish = hedger.decide(valued, rules, state.instruments[name], last, state.now_ms)
    if isinstance(wish, Hold):
        return wish
    assert isinstance(valued, Exposure), "an unpriced book has no intent"
    return Wish(plan=plan, intent=wish, exposure=valued)


def _unsure(state: State, name: str) -> Hold | None:
    """Hold while a position is not certain, first of all that of the book's own hedge."""
    doubt = reconcile.unsettled(state, name)
    if doubt is not None:
        return Hold(code=Code.IN_FLIGHT, reason=doubt)
    for other, held, report in differing(state):
        reason = f"{other}: {report.row.size_native} at the venue, {held} here"
        return Hold(code=Code.UNSETTLED, reason=reason)
    for other in unlisted(state.reported, state.standing.positions, state.instruments):
        return Hold(code=Code.UNPRICED, reason=f"unpriced: {other} is held but not listed")
    return None


def _traded(state: State, last: HedgeMark | None) -> bool:
    """Whether a book's last order traded all that was wished for; the rest need not wait."""
    order = state.standing.orders.get(last.order_id) if last else None
    if order is None:
        return True
    wished = sum((share.size_native for share in order.shares), units.ZERO)
    return abs(order.filled_native) >= abs(wished)


class Want(NamedTuple):
    """What the books of one instrument want of it, netted, and what they need in all."""

    name: str
    wishes: Sequence[Wish]
    net_native: Decimal
    need: Need
    hedges: frozenset[str]


def _want(
    state: State,
    name: str,
    wishes: Sequence[Wish],
    plans: Sequence[BookPlan],
    exposures: Mapping[str, Exposure | Unpriced],
) -> Want:
    return Want(
        name=name,
        wishes=wishes,
        net_native=sum((wish.intent.size_native for wish in wishes), units.ZERO),
        need=_need(state, name, plans, exposures),
        hedges=frozenset(plan.book.hedge_instrument for plan in plans),
    )


def _need(
    state: State,
    name: str,
    plans: Sequence[BookPlan],
    exposures: Mapping[str, Exposure | Unpriced],
) -> Need:
    """Return what the books of an instrument need of it."""
    need = Need()
    for plan in plans:
        if plan.book.hedge_instrument == name:
            held = state.standing.holdings.get(plan.book.name, EMPTY).get(name, units.ZERO)
            need = _needing(need, plan.hedge, exposures[plan.book.name], held)
    return need


def _needing(need: Need, rules: HedgePolicy, valued: Exposure | Unpriced, held: Decimal) -> Need:
    """Add what one more book needs; where it has no number, that is what it holds."""
    if isinstance(valued, Unpriced):
        return need._replace(fixed_native=need.fixed_native + float(held))
    bare_coin = valued.delta_coin - valued.hedge_delta_coin - rules.target_coin
    wanted = -bare_coin / valued.hedge_coin_per_native
    return need._replace(
        short_native=need.short_native + min(0.0, wanted),
        long_native=need.long_native + max(0.0, wanted),
        delta_coin=need.delta_coin + abs(bare_coin),
    )


def _answer(
    state: State, want: Want, policy: DealPolicy, verdicts: dict[str, Decision]
) -> tuple[State, tuple[SubmitOrder, ...]]:
    if not want.net_native:
        crossed = Answer(
            verdict=Verdict.HEDGE,
            code=Code.CROSSED_BOOKS,
            reason="books cancel each other at the mark",
        )
        _record(state, want.wishes, crossed, verdicts)
        return _cross(state, want.name, want.wishes), ()
    asked = _asked(state, want, policy.orders)
    repeats = pace.repeat_trouble(
        state,
        asked.hedge.name,
        asked.size_native,
        asked.noted,
        asked.coin_per_native,
        policy.safety,
    )
    if repeats is not None:
        state = pace.stuck(state, want.name, repeats)
        answer = Answer(verdict=Verdict.REFUSED, code=Code.SAFETY, reason=repeats)
    else:
        answer = sizing.answered(state, asked, policy)
    if not answer.size_native:
        _record(state, want.wishes, answer, verdicts)
        return state, ()
    state, order = _commit(state, asked, want.wishes, answer.size_native, policy.orders)
    _record(state, want.wishes, answer, verdicts, order.order_id)
    return state, (order,)


def _asked(state: State, want: Want, policy: OrderPolicy) -> Asked:
    """Put together what safety and margin must know of what is wanted."""
    hedge, quote, wishes = state.instruments[want.name], state.quotes[want.name], want.wishes
    cap_bps = min(wish.plan.hedge.price_cap_bps for wish in wishes)
    return Asked(
        hedge=hedge,
        quote=quote,
        size_native=want.net_native,
        limit=sizing.worst_price(hedge, quote, want.net_native, cap_bps),
        noted=Try(
            order_id=placing.next_id(state, policy),
            at_ms=state.now_ms,
            deviation_coin=sum(wish.intent.deviation_coin for wish in wishes),
            index_usd=wishes[0].exposure.index_usd,
        ),
        coin_per_native=wishes[0].exposure.hedge_coin_per_native,
        need=want.need,
        hedges=want.hedges,
    )


def _commit(
    state: State, asked: Asked, wished: Sequence[Wish], size_native: Decimal, policy: OrderPolicy
) -> tuple[State, SubmitOrder]:
    """Place the order, and remember of each book when it last sent for its hedge."""
    shares = [
        Share(book=wish.plan.book.name, size_native=wish.intent.size_native) for wish in wished
    ]
    state, action = placing.placed(state, asked, size_native, shares, policy)
    known = _marked(state.standing, state.now_ms, wished, action.order_id)
    return replace(state, standing=known), action


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
    return succeeded(
        _holding(plan.book.name),
        at_ms=state.now_ms,
        code=hold.code,
        reason=hold.reason,
        numbers=_numbers(state, plan, valued) if isinstance(valued, Exposure) else {},
    )


@lru_cache
def _holding(book: str) -> Decision:
    """Return what every verdict by which a book holds is a successor of."""
    return Decision(book=book, at_ms=0, verdict=Verdict.HOLD, code=Code.MODE, reason="", numbers={})


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
