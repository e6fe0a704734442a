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
    dealing,
    latch,
    limits,
    losses,
    modes,
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
from bot.core.actions import Action
from bot.core.agreement import AgreementPolicy
from bot.core.books import BookPolicy
from bot.core.dealing import BookPlan
from bot.core.events import BalanceSeen, Fact
from bot.core.exposure import Exposure, Unpriced
from bot.core.hedger import Decision
from bot.core.margin import gating_stages, gating_watch
from bot.core.margin.gating_stages import GatePolicy, Reached
from bot.core.margin.modelling import Model
from bot.core.modes import ModeChanged
from bot.core.orders import Order, OrderPolicy
from bot.core.quotes import QuotePolicy
from bot.core.reconcile import Adopted
from bot.core.safety import SafetyPolicy
from bot.core.sizing import DealPolicy
from bot.core.standing import Standing
from bot.core.state import ApplyPolicy, Mode, State


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


def begin(standing: Standing, now_ms: int, now_ns: int) -> State:
    """Start, or start again.

    Every order that was not closed is unknown until the venue was asked.
    """
    recovered = {
        order_id: orders.recovered(order, now_ms, now_ns)
        for order_id, order in sorted(standing.orders.items(), key=_age)
    }
    until_ms = min(standing.trades_until_ms, now_ms)  # a rehearsal's market may have begun anew
    known = replace(
        standings.renumbered(standing, now_ms),
        orders=recovered,
        trades_until_ms=until_ms,
        tallies=tally.begun(standing.tallies, now_ms),
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
    state = reconcile.minded(state, policy.orders)
    state, adopted = reconcile.adopt(state, policy.apply)
    state = reconcile.housed(state, policy.apply)
    told = {fact.currency: fact for fact in facts if isinstance(fact, BalanceSeen)}
    state = _compared(state, told, policy)
    state = losses.weighed(state, policy.hedged, policy.safety, told=bool(told))
    state = _latched(state, policy)
    if not before.folds and before.standing.limits != policy.limits:
        state = replace(state, standing=replace(state.standing, limits=policy.limits))
    state, changes = _moded(state, policy)
    dealt = dealing.deal(state, policy.books, policy.deal)
    state, questions = reconcile.questions(dealt.state, policy.apply)
    state, cancels = reconcile.cancels(state, policy.orders)
    codes = {name: f"{d.verdict}:{d.code}" for name, d in dealt.verdicts.items()}
    news = [
        decision
        for name, decision in dealt.verdicts.items()
        if decision.order_id or before.codes.get(name) != codes[name]
    ]
    warnings = gating_stages.warnings(_stages(state, policy))
    if news or codes != before.codes or warnings.keys() != before.margin_warned:
        counts, warned = dealing.counted(state.counts, news), frozenset(warnings)
        state = replace(state, codes=codes, counts=counts, margin_warned=warned)
    news_of_margin = [why for key, why in warnings.items() if key not in before.margin_warned]
    return Step(
        state=state,
        actions=(
            *cancels,
            *dealt.actions,
            *questions,
            *alerts.told(state, changes, adopted, news_of_margin),
            *alerts.unhedged(news),
            *tidings.of_fills(before, state, facts),
            *tidings.of_orders(before, state, policy.orders),
            *alerts.widened(before, policy.limits),
            *alerts.replies(before, state, facts),
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
    state = pace.counted(before, state, facts, policy.orders)
    if state.standing.commands_seen is not before.standing.commands_seen and latch.resumes(
        before.standing, facts
    ):
        state = losses.forgiven(pace.forgiven(replace(state, swapped=""), policy.safety))
    return state


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
    state = losses.latched(state, policy.safety)
    if state.standing.halt_reason:
        return state
    reason = outcomes.beyond(
        state, policy.books, policy.quotes, policy.safety.unknown_delta_max_usd
    )
    if state.foreign:
        reason = f"another deltaband trades this account: {state.foreign} is not in this ledger"
    return replace(state, standing=standings.halted(state.standing, reason)) if reason else state


def _stages(state: State, policy: Policy) -> tuple[Reached, ...]:
    return gating_stages.reached(state.balances, state.margin_seen, policy.gate, policy.currencies)


def _moded(state: State, policy: Policy) -> tuple[State, tuple[ModeChanged, ...]]:
    asked = (
        agreement.trouble(state, policy.agreement)
        or gating_stages.asked(_stages(state, policy))
        or gating_watch.trouble(state, policy.gate, policy.model)
    )
    judged = modes.judge_mode(state, policy.safety, policy.currencies, asked, policy.hedged)
    known = (state.mode, state.mode_reason, state.mode_clears)
    if (judged.mode, judged.reason, judged.clears) == known:
        return state, ()
    if judged.mode is state.mode:
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
