"""What the venue took from the account: liquidations, deleveraging, trades undone, vanished hedges.

Who hedges on at once buys back what the venue has just sold to make the account safe, and fights
it. So nothing is sent until the venue has taken nothing for a while and the account was read whole
after that: then what it left is the book, margin is judged anew, and hedging goes on from there.
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.core import units
from bot.core.events import Fact, FillCause, FillSeen
from bot.core.instruments import Kind
from bot.core.state import Judgement, Mode, State

QUIET_NS = 5 * units.NS_PER_SECOND
TAKEN = {
    FillCause.LIQUIDATION: "liquidated",
    FillCause.ADL: "closed against somebody else's liquidation",
    FillCause.BUST: "undid a trade of",
}


def of_fills(before: State, state: State, facts: Sequence[Fact]) -> State:
    """Note what the venue took by trades of its own."""
    if state.counts.fills == before.counts.fills:
        return state
    for fact in facts:
        if (
            isinstance(fact, FillSeen)
            and fact.cause in TAKEN
            and fact.trade_id not in before.standing.trades_seen
        ):
            told = f"the venue {TAKEN[fact.cause]} {fact.instrument} ({fact.size_native:+,})"
            state = _taken(state, told)
    return state


def of_positions(before: State, state: State) -> State:
    """Note a hedge that is smaller than it was, by no trade that anybody told of.

    Called around the adoption of the venue's positions, which nothing else changes there.
    """
    if state.standing.positions is before.standing.positions or not before.has_run:
        return state
    for name, was in before.standing.positions.items():
        now = state.standing.positions.get(name, units.ZERO)
        terms = state.instruments.get(name)
        if terms is None or terms.kind is Kind.OPTION:
            continue  # of what nobody knows the terms of yet, nothing is adopted
        is_over = terms.expiry_ms is not None and state.now_ms >= terms.expiry_ms
        if not is_over and abs(now) < abs(was):
            state = _taken(state, f"{name} went from {was:+,} to {now:+,} by no trade known here")
    return state


def _taken(state: State, reason: str) -> State:
    return replace(state, seized=reason, seized_ns=state.now_ns, read_wanted=reason)


def read_again(state: State) -> State:
    """Ask for the account once the venue has been quiet, and forget what is reconciled."""
    if state.seized_ns is None:
        return state
    quiet_ns = state.seized_ns + QUIET_NS
    if state.read_done_ns is not None and state.read_done_ns >= quiet_ns:
        return replace(state, seized="", seized_ns=None)
    is_due = state.now_ns >= quiet_ns and state.read_asked_ns is None
    return replace(state, read_wanted=state.seized) if is_due and not state.read_wanted else state


def trouble(state: State) -> Judgement | None:
    """Send nothing until it is known what the venue has left."""
    if state.seized_ns is None:
        return None
    clears = (
        f"the account is read whole once the venue has taken nothing for "
        f"{QUIET_NS / units.NS_PER_SECOND:g} s"
    )
    return Judgement(mode=Mode.HOLD, reason=state.seized, clears=clears)
