"""The one function: facts and state in, state, actions and reasons out.

    step(state, facts, policy) -> Step

Order of a step: apply the facts; let time pass over orders; adopt what the venue holds; judge the
mode; value the books; decide, net and gate; commit; ask what is uncertain. Nothing is sent here: an
order that is to be sent is already in the returned state as REQUESTED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from bot.core import (
    agreement,
    alerts,
    books,
    dealing,
    latch,
    limits,
    losses,
    modes,
    moves,
    orders,
    outcomes,
    pace,
    reconcile,
    safety,
    strain,
    tally,
    tidings,
)
from bot.core import standing as standings
from bot.core import state as states
from bot.core.actions import Action, Alert
from bot.core.agreement import AgreementPolicy
from bot.core.books import BookPolicy
from bot.core.dealing import BookPlan, Dealt
from bot.core.events import BalanceSeen, Fact
from bot.core.exposure import Exposure, Unpriced
from bot.core.hedger import Decision
from bot.core.immutable import remembered, succeeded
from bot.core.margin import gating_seizure, gating_stages, gating_watch, second_opinion
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import Model
from bot.core.modes import ModeChanged
from bot.core.orders import Order, OrderPolicy
from bot.core.quotes import QuotePolicy
from bot.core.reconcile import Adopted
from bot.core.reported import Gap, MarginSeen
from bot.core.safety import SafetyPolicy
from bot.core.sizing import DealPolicy
from bot.core.standing import Standing, open_orders
from bot.core.state import ApplyPolicy, Judgement, Mode, State


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything the daemon was told to obey: each part belongs to the module that obeys it.

    `external_book` owns what others trade in its hedge instrument; in any other the first book that
    is hedged with it does.
    """

    books: tuple[BookPlan, ...]
    external_book: str
    orders: OrderPolicy
    model: Model
    quotes: QuotePolicy = field(default_factory=QuotePolicy)
    gate: GatePolicy = field(default_factory=GatePolicy)
    safety: SafetyPolicy = field(default_factory=SafetyPolicy)
    agreement: AgreementPolicy = field(default_factory=AgreementPolicy)

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """The settlement currencies in which books are hedged, in the order of the books."""
        return tuple(dict.fromkeys(plan.book.currency for plan in self.books))

    @cached_property
    def hedges(self) -> second_opinion.Hedges:
        """The settlement currency and the hedge instrument of each book, each pair once."""
        pairs = ((plan.book.currency, plan.book.hedge_instrument) for plan in self.books)
        return tuple(dict.fromkeys(pairs))

    @cached_property
    def hedged(self) -> tuple[BookPolicy, ...]:
        """The books, without how they are hedged."""
        return tuple(plan.book for plan in self.books)

    @cached_property
    def limits(self) -> Mapping[str, float]:
        """Every limit that is a number, by its key in the configuration."""
        return limits.in_force(self.safety, self.quotes, self.gate, self.agreement)

    @cached_property
    def apply(self) -> ApplyPolicy:
        """The part that folding facts needs."""
        owners: dict[str, str] = {}
        for book in (plan.book for plan in self.books):
            if book.name == self.external_book or book.hedge_instrument not in owners:
                owners[book.hedge_instrument] = book.name
        return ApplyPolicy(
            quotes=self.quotes,
            orders=self.orders,
            owners=owners,
            books=frozenset(plan.book.name for plan in self.books),
            jump_max_usd=self.safety.position_jump_max_usd,
        )

    @cached_property
    def deal(self) -> DealPolicy:
        """The part that dealing needs."""
        return DealPolicy(
            orders=self.orders,
            model=self.model,
            quotes=self.quotes,
            gate=self.gate,
            safety=self.safety,
        )


Note = ModeChanged | Adopted


class Step(NamedTuple):
    """What one fold came to. A tuple, like all that every fold makes: half the time of a dataclass.

    `verdicts` holds every book's decision, `decisions` only those that acted or changed the kind of
    their reason.
    """

    state: State
    actions: tuple[Action, ...]
    exposures: Mapping[str, Exposure | Unpriced]
    verdicts: Mapping[str, Decision]
    decisions: tuple[Decision, ...]
    notes: tuple[Note, ...]


def begin(standing: Standing, now_ms: int, now_ns: int, boot: str = "") -> State:
    """Start, or start again.

    Every order that was not closed is unknown until the venue was asked. `boot` names the start of
    the host that `now_ns` counts from, empty if that is not known.
    """
    goes_on = bool(boot) and boot == standing.boot
    recovered = {
        order_id: orders.recovered(order, now_ms, now_ns, goes_on=goes_on)
        for order_id, order in sorted(standing.orders.items(), key=_age)
    }
    until_ms = min(standing.trades_until_ms, now_ms)  # a rehearsal's market may have begun anew
    known = replace(
        standings.renumbered(standing, now_ms),
        orders=recovered,
        trades_until_ms=until_ms,
        tallies=tally.begun(standing.tallies, now_ms),
        cash=standing.cash.started(now_ms, tally.BACK_MAX_MS),
        boot=boot,
    )
    open_ids = frozenset(order_id for order_id, order in recovered.items() if not order.is_quiet)
    return State(
        standing=known, now_ms=now_ms, now_ns=now_ns, inherited=open_ids, mode_since_ms=now_ms
    )


def _age(numbered: tuple[str, Order]) -> tuple[int, str]:
    """Order ids count upward: of two, the one with fewer digits, then the smaller, is older."""
    return len(numbered[0]), numbered[0]


def fresh_standing(instance: str, now_ms: int) -> Standing:
    """Return the standing of a ledger that begins now."""
    return Standing(instance=instance, since_ms=now_ms, trades_until_ms=now_ms)


def step(state: State, facts: Sequence[Fact], policy: Policy) -> Step:
    """Fold facts, then decide once. Pure: the same arguments give the same answer, bit for bit."""
    before = state
    state = states.apply_all(state, facts, policy.apply)
    state = _measured(before, state, facts, policy)
    state, adopted = _accounted(state, policy)
    if _tells_of_money(before, state):
        state = _weighed(before, state, facts, policy)
    opinions: tuple[Alert, ...] = ()
    if state.consulted is not before.consulted:
        state, opinions = second_opinion.heard(state, policy.gate, policy.model, policy.quotes)
    state = _latched(state, policy)
    if state.seized_ns is not None:
        state = gating_seizure.read_again(state)
    if not before.folds and before.standing.limits != policy.limits:
        state = replace(state, standing=replace(state.standing, limits=policy.limits))
    state = _strayed(before, state, policy)
    state, changes = _moded(state, policy)
    dealt = dealing.deal(state, policy.books, policy.deal)
    state, questions = reconcile.questions(dealt.state, policy.apply)
    state, reads = moves.asked(state)
    state, cancels = reconcile.cancels(state, policy.orders)
    state, consults = second_opinion.asked(
        state, policy.hedges, policy.gate, policy.safety.order_max_usd
    )
    state, news, news_of_margin = _noted(state, dealt, policy)
    state, news_of_cash = moves.news(before, state, facts)
    return Step(
        state=state,
        actions=(
            *cancels,
            *dealt.actions,
            *questions,
            *reads,
            *consults,
            *opinions,
            *news_of_cash,
            *alerts.told(state, changes, adopted, news_of_margin),
            *alerts.unhedged(news),
            *alerts.strays(before, state),
            *_tidings(before, state, facts, policy),
        ),
        exposures=dealt.exposures,
        verdicts=dealt.verdicts,
        decisions=tuple(news),
        notes=(*changes, *adopted),
    )


def _measured(before: State, state: State, facts: Sequence[Fact], policy: Policy) -> State:
    """Take note of all that limits count and measure; a person who resumed begins it anew."""
    hedges = policy.apply.owners
    state = safety.indexed(before, state, hedges)
    if (
        state.standing is before.standing
        and state.host is before.host
        and state.instruments is before.instruments
    ):
        return state  # nothing but quotes, which is nearly every fold
    state = modes.swapped(before, state, hedges)
    state = strain.strained(before, state, policy.safety)
    state = gating_seizure.of_fills(before, state, facts)
    state = pace.counted(before, state, facts, policy.orders)
    if state.standing.commands_seen is not before.standing.commands_seen and latch.resumes(
        before.standing, facts
    ):
        state = losses.forgiven(pace.forgiven(replace(state, swapped=""), policy.safety))
        state = second_opinion.forgiven(state)
    return state


def _accounted(state: State, policy: Policy) -> tuple[State, tuple[Adopted, ...]]:
    """Let time pass over the orders, and adopt what the venue holds, where it is not all settled.

    Every hedge gets a book in any case: the books may be others than those of the last run.
    """
    adopted: tuple[Adopted, ...] = ()
    if not states.is_settled(state):
        state = reconcile.minded(state, policy.orders)
        known = state
        state, adopted = reconcile.adopt(state, policy.apply)
        state = gating_seizure.of_positions(known, state)
    return reconcile.housed(state, policy.apply), adopted


def _tells_of_money(before: State, state: State) -> bool:
    """Whether the venue told of a balance or of its log, or what it told is not weighed yet."""
    has_news = state.balances is not before.balances or state.cash_log is not before.cash_log
    return has_news or not state.is_weighed


def _weighed(before: State, state: State, facts: Sequence[Fact], policy: Policy) -> State:
    """Compare and weigh what the venue told of the account's money."""
    told = {fact.currency: fact for fact in facts if isinstance(fact, BalanceSeen)}
    state = _compared(state, told, policy)
    is_told = bool(told) or state.cash_log is not before.cash_log
    state = losses.weighed(state, policy.hedged, policy.safety, told=is_told)
    return moves.noticed(state, before.balances)


def _compared(state: State, told: Mapping[str, BalanceSeen], policy: Policy) -> State:
    """Compare our delta and margin with the venue's when it told and nothing is on its way."""
    if not told or reconcile.is_moving(state):
        return state
    state = agreement.compared(state, told, policy.currencies, policy.quotes, policy.agreement)
    return gating_watch.watched(
        state, told, policy.currencies, policy.gate, policy.model, policy.quotes
    )


def _latched(state: State, policy: Policy) -> State:
    """Halt, until a person resumes: losses, another daemon, or what an unknown order may cost."""
    if not (state.losing or state.foreign or open_orders(state.standing.orders)):
        return state  # nothing to halt for, which is nearly every fold
    state = losses.latched(state, policy.safety)
    if state.standing.halt_reason:
        return state
    reason = outcomes.beyond(
        state, policy.books, policy.quotes, policy.safety.unknown_delta_max_usd
    )
    if state.foreign:
        reason = f"another deltaband trades this account: {state.foreign} is not in this ledger"
    return replace(state, standing=standings.halted(state.standing, reason)) if reason else state


@remembered
def _asked(
    gaps: Mapping[str, Gap],
    balances: Mapping[str, BalanceSeen],
    seen: Mapping[str, MarginSeen],
    policy: Policy,
) -> Judgement | None:
    """Return what the venue's delta, the stages of margin or the venue's margin ask for."""
    stages = gating_stages.reached(balances, seen, policy.gate, policy.currencies)
    return (
        agreement.trouble(gaps, policy.agreement)
        or gating_stages.asked(stages)
        or gating_watch.trouble(seen, policy.gate, policy.model)
        or second_opinion.trouble(seen, policy.gate, policy.model)
    )


def _moded(state: State, policy: Policy) -> tuple[State, tuple[ModeChanged, ...]]:
    asked = gating_seizure.trouble(state) or _asked(
        state.gaps, state.balances, state.margin_seen, policy
    )
    judged = modes.judge_mode(state, policy.safety, policy.currencies, asked, policy.hedged)
    if judged.mode is state.mode:
        if judged.reason == state.mode_reason and judged.clears == state.mode_clears:
            return state, ()
        return replace(state, mode_reason=judged.reason, mode_clears=judged.clears), ()
    change = ModeChanged(
        at_ms=state.now_ms,
        before=state.mode,
        after=judged.mode,
        reason=judged.reason,
        clears=judged.clears,
    )
    moved = replace(
        state,
        mode=judged.mode,
        mode_reason=judged.reason,
        mode_clears=judged.clears,
        mode_since_ms=state.now_ms,
        has_run=state.has_run or judged.mode is Mode.RUN,
    )
    return moved, (change,)


def _strayed(before: State, state: State, policy: Policy) -> State:
    """Note what is in no book whenever the account was read: selectors change with time as well."""
    if state.read_done_ns is None or state.read_done_ns == before.read_done_ns:
        return state
    known = state.standing.positions
    found = books.strays(known, state.instruments, policy.hedged, state.now_ms)
    return state if found == state.strays else replace(state, strays=found)


@remembered
def _warnings(
    balances: Mapping[str, BalanceSeen], seen: Mapping[str, MarginSeen], policy: Policy
) -> Mapping[str, Alert]:
    return gating_stages.warnings(
        gating_stages.reached(balances, seen, policy.gate, policy.currencies)
    )


def _noted(state: State, dealt: Dealt, policy: Policy) -> tuple[State, list[Decision], list[Alert]]:
    """Note verdicts and warnings of margin; return those that are not what they were.

    A verdict that comes again is no news, unless it sends an order again.
    """
    # Added up: to format an enum's member takes ten times as long.
    codes = {name: d.verdict + ":" + d.code for name, d in dealt.verdicts.items()}
    warnings = _warnings(state.balances, state.margin_seen, policy)
    known, warned = state.codes, state.margin_warned
    if codes == known and warnings.keys() == warned and not dealt.actions:
        return state, [], []
    news = [
        decision
        for name, decision in dealt.verdicts.items()
        if decision.order_id or known.get(name) != codes[name]
    ]
    counts = dealing.counted(state.counts, news)
    noted = succeeded(state, codes=codes, counts=counts, margin_warned=frozenset(warnings))
    return noted, news, [why for key, why in warnings.items() if key not in warned]


def _tidings(
    before: State, state: State, facts: Sequence[Fact], policy: Policy
) -> tuple[Action, ...]:
    """Tell a person of fills, orders, limits and commands.

    Of all of them there is a trace in the standing; but of an open order one may hear by and by.
    """
    if state.standing is before.standing and not open_orders(state.standing.orders):
        return ()
    return (
        *tidings.of_fills(before, state, facts),
        *tidings.of_orders(before, state, policy.orders),
        *alerts.widened(before, policy.limits),
        *alerts.replies(before, state, facts),
    )
