"""The venue's own what-if, asked now and then, against ours for the same trades.

That both reckon alike as the account stands is seen with every balance (`gating_watch`); what the
gate relies on is what they reckon of the account after an order. So the venue is asked in turn for
the account as it is, and after the largest order that may be sent, either way, in each hedge. One
question is under way at a time: seldom, and more often where a currency is near a threshold or
where the two differ.

An opinion counts if nothing that it rests on has changed since it was asked for, and on quotes that
arrived close to it. One that fails stops nothing, since the first opinion is still there; where a
threshold is near a person is told. Nor does it end anything: a gap that was seen stays until both
agree, and while nobody can say whether they do, until a person resumes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from bot.core import instruments, units
from bot.core.actions import Alert, AskMargin, Severity, Topic
from bot.core.events import BalanceSeen, Link, OpinionGiven, ReadFailed
from bot.core.immutable import remembered
from bot.core.instruments import Kind, Supposed
from bot.core.margin import gating_watch
from bot.core.margin.gating_stages import GatePolicy, usage_now
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import Model, Unmodelled, valued
from bot.core.margin.report import Needed
from bot.core.quotes import QuotePolicy
from bot.core.reported import Consulted, MarginSeen, Opinion
from bot.core.standing import open_orders
from bot.core.state import Judgement, Mode, State, differing

UNHEARD_MAX_NS = 30 * units.NS_PER_SECOND  # the shell answers sooner; what was lost ends here
FAILING_MAX_NS = 60 * units.NS_PER_SECOND  # what fails now and then calls nobody
WAYS = (0, 1, -1)  # as the account is, then the largest order bought, then sold

Hedges = tuple[tuple[str, str], ...]
Balances = Mapping[str, BalanceSeen]


def asked(
    state: State, hedges: Hedges, policy: GatePolicy, order_max_usd: float
) -> tuple[State, tuple[AskMargin, ...]]:
    """Ask the next question if it is due and nothing is on its way.

    Args:
        state: What is known.
        hedges: The settlement currency and the hedge instrument of each book, each pair once.
        policy: How often, and what is near.
        order_max_usd: What the largest order is worth.
    """
    if state.now_ns < _due_ns(state.consulted, state.balances, state.margin_seen, policy):
        return state, ()
    if not _is_known(state, hedges) or _is_moving(state):
        return state, ()
    question = _next(state, hedges, policy, order_max_usd)
    consulted = Consulted(
        question=question,
        asked_ns=state.now_ns,
        positions=state.standing.positions,
        turn=state.consulted.turn + 1,
    )
    return replace(state, consulted=consulted), (question,)


@remembered
def _due_ns(
    consulted: Consulted, balances: Balances, seen: Mapping[str, MarginSeen], policy: GatePolicy
) -> float:
    """Return from when on the next question may be asked, in wire time; every fold looks."""
    if policy.opinion_every_ns is None or consulted.absent or not balances:
        return math.inf
    if consulted.asked_ns is None:
        return -math.inf
    if consulted.question is not None:
        return consulted.asked_ns + UNHEARD_MAX_NS
    is_near = nearing(balances, seen, policy)
    return consulted.asked_ns + (policy.opinion_near_ns if is_near else policy.opinion_every_ns)


def nearing(
    balances: Balances, seen: Mapping[str, MarginSeen], policy: GatePolicy
) -> frozenset[str]:
    """Return the currencies near a threshold of u or of the stressed u, or with an open gap."""
    return frozenset(
        currency for currency in balances if _is_near(currency, balances, seen, policy)
    )


def _is_near(
    currency: str, balances: Balances, seen: Mapping[str, MarginSeen], policy: GatePolicy
) -> bool:
    known = seen.get(currency, MarginSeen())
    if _differs(known):
        return True
    used = [(usage_now(balances, currency), policy.now)]
    if known.stressed_ns is not None:
        used.append((known.stressed_usage, policy.stressed))
    return any(
        limit is not None and abs(usage - limit) <= policy.opinion_near
        for usage, thresholds in used
        for _, limit in thresholds
    )


def _differs(known: MarginSeen) -> bool:
    """Whether a gap is open on some trade."""
    return any(opinion.gap_since_ns is not None for opinion in known.opinions.values())


def _is_known(state: State, hedges: Hedges) -> bool:
    """Whether somebody can be asked, and it is known about what."""
    if state.mode is Mode.RECONCILING or state.read_done_ns is None or not hedges:
        return False
    has_money = all(currency in state.balances for currency, _ in hedges)
    return has_money and Link.TRADING in state.links


def _is_moving(state: State) -> bool:
    """Whether what the account holds is about to change, or is not what we think."""
    return bool(open_orders(state.standing.orders) or differing(state))


def _next(state: State, hedges: Hedges, policy: GatePolicy, order_max_usd: float) -> AskMargin:
    """Return the question whose turn it is, of the currencies that are near if any is."""
    near = nearing(state.balances, state.margin_seen, policy)
    cycle = _cycle([pair for pair in hedges if pair[0] in near] or hedges)
    currency, hedge, way = cycle[state.consulted.turn % len(cycle)]
    size = _largest(state, currency, hedge, order_max_usd) * way
    trades = (Supposed(instrument=hedge, size_native=size),) if size else ()
    return AskMargin(currency=currency, trades=trades)


def _cycle(hedges: Sequence[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """Return currency, hedge and way of every question; an account as it is, once."""
    found = {
        (currency, hedge if way else "", way): (currency, hedge, way)
        for currency, hedge in hedges
        for way in WAYS
    }
    return list(found.values())


def _largest(state: State, currency: str, name: str, order_max_usd: float) -> Decimal:
    """Return the largest order that may be sent in a hedge, 0 where it has no mark."""
    terms, quote = state.instruments.get(name), state.quotes.get(name)
    if terms is None or quote is None or quote.mark is None or terms.kind is Kind.OPTION:
        return units.ZERO
    if terms.currency != currency:
        return units.ZERO
    return instruments.size_native(terms, order_max_usd / quote.mark, quote.mark)


def heard(
    state: State, policy: GatePolicy, model: Model, quotes: QuotePolicy
) -> tuple[State, tuple[Alert, ...]]:
    """Compare an answer with what we reckon of the same trades, or note why there is none."""
    consulted = state.consulted
    if consulted.absent:
        return _forgotten(state), ()
    question, answer = consulted.question, consulted.answer
    if question is None or answer is None:
        return state, ()
    known = state.margin_seen.get(question.currency, MarginSeen())
    found = _compared(state, answer, policy, model, quotes)
    after = _with(known, found, question.trades, policy, state.now_ns)
    after, told = _told(state, question.currency, after, policy)
    seen = {**state.margin_seen, question.currency: after}
    consulted = replace(consulted, question=None, answer=None)
    return replace(state, margin_seen=seen, consulted=consulted), told


def _forgotten(state: State) -> State:
    """Forget what was compared: where nobody answers any more, no gap would ever close."""
    seen = {name: replace(one, opinions={}) for name, one in state.margin_seen.items()}
    return replace(state, margin_seen=seen)


def forgiven(state: State) -> State:
    """Forget gaps of which there is no newer word: a person has looked. A live one is seen anew."""
    seen = {
        name: one if one.failing_ns is None else replace(one, opinions={})
        for name, one in state.margin_seen.items()
    }
    return replace(state, margin_seen=seen)


def _compared(
    state: State,
    answer: OpinionGiven | ReadFailed,
    policy: GatePolicy,
    model: Model,
    quotes: QuotePolicy,
) -> Opinion | str:
    """Return both reckonings of an answer, or why they cannot be compared."""
    if isinstance(answer, ReadFailed):
        return answer.reason
    trouble = _changed(state, answer, policy) or gating_watch.stale(state, answer.currency, quotes)
    ours = trouble or _after(state, answer, model)
    return ours if isinstance(ours, str) else _opinion(state, answer, ours)


def _changed(state: State, answer: OpinionGiven, policy: GatePolicy) -> str:
    """Say what has changed between question and answer, or is of another time than the answer."""
    if _is_moving(state) or state.standing.positions != state.consulted.positions:
        return "the account changed while the venue was asked"
    traded = frozenset(trade.instrument for trade in answer.trades)
    at_ns = state.now_ns if answer.arrived_ns is None else answer.arrived_ns
    if not gating_watch.quoted_with(state, answer.currency, at_ns, policy, traded):
        return "not every quote arrived close enough to the venue's answer"
    return ""


def _after(state: State, answer: OpinionGiven, model: Model) -> Needed | str:
    """Reckon what the account must hold after the trades that the venue was asked for."""
    names = {trade.instrument for trade in answer.trades}
    account = account_of(state, answer.currency, also=names)
    made = valued(model, account)
    if isinstance(made, Unmodelled):
        return made.reason
    trades = {trade.instrument: _coins(state, trade) for trade in answer.trades}
    return made.after(trades)


def _coins(state: State, trade: Supposed) -> float:
    mark = state.quotes[trade.instrument].mark
    assert mark is not None, "apply admits no quote without a mark"
    return instruments.size_coin(state.instruments[trade.instrument], trade.size_native, mark)


def _opinion(state: State, answer: OpinionGiven, ours: Needed) -> Opinion:
    balance = state.balances[answer.currency].margin_balance
    pairs = [("maintenance", ours.maintenance, answer.maintenance)]
    if not gating_watch.others_rest(state, answer.currency):
        pairs.insert(0, ("initial", ours.initial, answer.initial))
    gaps = [
        (gating_watch.gap_of(own, venues, balance), own - venues, figure)
        for figure, own, venues in pairs
    ]
    gap, apart, figure = max(gaps, key=lambda one: abs(one[0]))
    return Opinion(
        trades=answer.trades,
        compared_ns=state.now_ns,
        compared_ms=state.now_ms,
        initial=ours.initial,
        maintenance=ours.maintenance,
        venue_initial=answer.initial,
        venue_maintenance=answer.maintenance,
        figure=figure,
        gap=gap,
        apart=apart,
    )


def _with(
    known: MarginSeen,
    found: Opinion | str,
    trades: Iterable[Supposed],
    policy: GatePolicy,
    now_ns: int,
) -> MarginSeen:
    """Put an opinion beside those of other trades, with the time since when it differs."""
    if isinstance(found, str):
        failing_ns = now_ns if known.failing_ns is None else known.failing_ns
        return replace(known, opinion_failure=found, failing_ns=failing_ns)
    key = _key(trades)
    if abs(found.gap) > policy.opinion_gap_max:
        before = known.opinions.get(key)
        since_ns = before.gap_since_ns if before else None
        found = replace(found, gap_since_ns=since_ns or found.compared_ns)
    opinions = {**known.opinions, key: found}
    return replace(
        known, opinion_failure="", failing_ns=None, failing_told=False, opinions=opinions
    )


def _key(trades: Iterable[Supposed]) -> str:
    """Name what was supposed, whatever its size: the largest order moves with the market."""
    return " ".join(f"{'-' if one.size_native < 0 else '+'}{one.instrument}" for one in trades)


def _told(
    state: State, currency: str, after: MarginSeen, policy: GatePolicy
) -> tuple[MarginSeen, tuple[Alert, ...]]:
    """Tell a person, once, that opinions fail for long where a threshold is near or a gap open."""
    since_ns = after.failing_ns
    if since_ns is None or after.failing_told or state.now_ns - since_ns < FAILING_MAX_NS:
        return after, ()
    if not _is_near(currency, state.balances, state.margin_seen, policy):
        return after, ()
    where = "on which the last ones differed" if _differs(after) else "which is near a limit"
    text = f"no second opinion on {currency} margin, {where}: {after.opinion_failure}"
    alert = Alert(severity=Severity.WARNING, text=text, topic=Topic.MARGIN)
    return replace(after, failing_told=True), (alert,)


def trouble(
    margin_seen: Mapping[str, MarginSeen], policy: GatePolicy, model: Model
) -> Judgement | None:
    """Ask for care while the venue reckons otherwise of some trade for too long."""
    for currency, seen in margin_seen.items():
        for opinion in seen.opinions.values():
            since_ns = opinion.gap_since_ns
            # Judged between two answers: one old figure must not age into a gap.
            if since_ns is not None and opinion.compared_ns - since_ns > policy.gap_grace_ns:
                reason = (
                    f"own {currency} margin ({model.name}) {words(opinion, currency)}, "
                    f"limit {policy.opinion_gap_max:.0%}{_aging(opinion, seen)}"
                )
                clears = "both agree again on that trade"
                if seen.opinion_failure:
                    clears += ", or a person resumes"
                return Judgement(mode=Mode.DEGRADED, reason=reason, clears=clears)
    return None


def _aging(opinion: Opinion, seen: MarginSeen) -> str:
    """Say of when an opinion is that there is no newer one to, and why; else nothing."""
    if not seen.opinion_failure:
        return ""
    at = datetime.fromtimestamp(opinion.compared_ms / 1000.0, UTC)
    return f", seen {at:%d %b %H:%M:%S} UTC and not since: {seen.opinion_failure}"


def words(opinion: Opinion, currency: str) -> str:
    """Say in what the two opinions differ, with its arithmetic."""
    is_initial = opinion.figure == "initial"
    ours = opinion.initial if is_initial else opinion.maintenance
    venues = opinion.venue_initial if is_initial else opinion.venue_maintenance
    return (
        f"{supposed(opinion.trades)} is {opinion.figure} {ours:.6f}, the venue's second opinion "
        f"{venues:.6f}: {opinion.apart:+.6f} {currency}, {opinion.gap:+.1%}"
    )


def supposed(trades: Sequence[Supposed]) -> str:
    """Say after which trades, or that the account is asked about as it is."""
    named = " and ".join(f"{one.size_native:+,f} {one.instrument}" for one in trades)
    return f"after {named}" if named else "as the account is"
