"""When the venue's log of money that came or went is asked for, and what a person is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bot.core.actions import Alert, ReadCash, Severity
from bot.core.cash import UNREAD_MAX_NS, CashMoved
from bot.core.events import BalanceSeen, Fact, Link
from bot.core.state import State

JUMP_SHARE: Final = 0.01  # of the equity from one balance to the next: money may have moved


def asked(state: State) -> tuple[State, tuple[ReadCash, ...]]:
    """Ask for the log with every reading of the account, and when money may have moved."""
    log = state.cash_log
    if not log.is_due(state.read_last_ns, state.now_ns) or Link.TRADING not in state.links:
        return state, ()
    question = ReadCash(since_ms=state.standing.cash.since_ms(state.rate))
    return replace(state, cash_log=replace(log, asked_ns=state.now_ns)), (question,)


def noticed(state: State, before: Mapping[str, BalanceSeen]) -> State:
    """Want the log where an equity jumped since the balances `before`."""
    for name, balance in state.balances.items():
        last = before.get(name)
        if last is None or abs(balance.equity - last.equity) <= JUMP_SHARE * abs(last.equity):
            continue
        return replace(state, cash_log=replace(state.cash_log, wanted_ns=state.now_ns))
    return state


def news(before: State, state: State, facts: Sequence[Fact]) -> tuple[State, tuple[Alert, ...]]:
    """Tell a person what moved, once, and once when the log has not been readable for long."""
    if state.cash_log is before.cash_log:
        return state, ()
    fresh = state.standing.cash.seen.keys() - before.standing.cash.seen.keys()
    told: list[Alert] = []
    for fact in facts:
        if isinstance(fact, CashMoved) and fact.move_id in fresh:
            fresh -= {fact.move_id}
            told.append(Alert(severity=Severity.INFO, text=_moved(fact)))
    log = state.cash_log
    is_late = log.failing_ns is not None and state.now_ns - log.failing_ns >= UNREAD_MAX_NS
    if is_late and log.told_ns is None:
        state = replace(state, cash_log=replace(log, told_ns=state.now_ns))
        told.append(Alert(severity=Severity.WARNING, text=_unread(log.failure)))
    return state, tuple(told)


def _moved(fact: CashMoved) -> str:
    way = "came in from outside" if fact.change > 0 else "went out"
    return f"{abs(fact.change)} {fact.currency} {way} ({fact.kind}): neither profit nor loss"


def _unread(failure: str) -> str:
    return (
        f"what came in from outside or went out is not known ({failure}): until it is read again "
        "a withdrawal counts as a loss, and a loss may hide behind a deposit"
    )
