"""What the account lost, since its market day began and from its peak, in the money it protects.

A book that is neutral in coins loses dollars when the coin falls, and is right to; so equity counts
in coins where books protect coins, in US dollars where one of them protects dollars, and only the
difference is valued at the index.

Money that came from outside, or went there, is neither profit nor loss: what the day began with and
the peak go along with it, once the venue's log has told of it. Until then a withdrawal looks like a
loss, so the log is asked at once, and a halt waits for its answer; and a deposit looks like a gain,
so a day's beginning and a peak are noted only when the log says that nothing moved before. While it
cannot be read nothing is noted, and a loss counts from what was known before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from bot.core import units
from bot.core.books import BookPolicy
from bot.core.cash import LAG_NS, CashLog, Sighting
from bot.core.instruments import Settlement
from bot.core.safety import SafetyPolicy, Stop
from bot.core.state import Judgement, Mode, State
from bot.core.tally import Worth
from bot.quant.conventions import Convention

DAY_START_MS = 8 * units.MS_PER_HOUR  # the venue's session, and its expiries
PEAK_STEP = 1e-3  # a peak is noted when it is so much higher: not with every tick
CLEARS = "the equity recovers, or a person resumes and the count begins anew"


class Valued(NamedTuple):
    """An account's equity in the money that its books protect, and what that money is worth.

    `per_cash` is what one unit of the settlement currency counts for, `usd` one of that money.
    """

    amount: float
    per_cash: float
    usd: float
    arrived_ns: int


def weighed(
    state: State, books: Sequence[BookPolicy], policy: SafetyPolicy, *, told: bool
) -> State:
    """Weigh the account whenever the venue `told` of it: note day and peak, and what was lost.

    What it told before there was an index is weighed when there is one, and what the log told of
    and a balance did not yet when there is such a balance.
    """
    if state.is_weighed and not told:
        return state
    now = {name: _valued(state, name, books) for name in sorted({one.currency for one in books})}
    priced = {name: one for name, one in now.items() if one is not None}
    if len(priced) < len(now):
        return replace(state, is_weighed=False) if state.is_weighed else state
    worths, log = _noted(state, priced)
    losing = _losing(worths, priced, policy, state.now_ms)
    log = _marked(log, losing, state.now_ns)
    known = state.standing
    if worths != known.worths:
        known = replace(known, worths=worths)
    if (
        known is state.standing
        and log is state.cash_log
        and state.is_weighed
        and losing == state.losing
    ):
        return state
    return replace(state, standing=known, cash_log=log, is_weighed=True, losing=losing)


def _valued(state: State, currency: str, books: Sequence[BookPolicy]) -> Valued | None:
    """Value an account, None while there is no index, or no balance newer than what moved."""
    balance = state.balances.get(currency)
    if balance is None or state.cash_log.is_behind(currency, balance.arrived_ns):
        return None
    ours = [book for book in books if book.currency == currency]
    for name in (book.hedge_instrument for book in ours):
        quote, terms = state.quotes.get(name), state.instruments.get(name)
        if quote is None or quote.index_usd is None or terms is None:
            continue
        conventions = {book.convention for book in ours}
        per_cash, usd = 1.0, quote.index_usd
        if terms.settlement is Settlement.LINEAR:
            if conventions == {Convention.COIN}:
                per_cash = 1.0 / quote.index_usd
            else:
                usd = 1.0
        elif Convention.USD in conventions:
            per_cash, usd = quote.index_usd, 1.0
        return Valued(balance.equity * per_cash, per_cash, usd, balance.arrived_ns)
    return None


def _noted(state: State, now: Mapping[str, Valued]) -> tuple[Mapping[str, Worth], CashLog]:
    """Return what each account is measured by, and what waits for the log's word."""
    worths: dict[str, Worth] = {}
    log = state.cash_log
    waiting = dict(log.sightings)
    for name, one in now.items():
        seen = waiting.get(name)
        if seen is not None and log.covers(seen.arrived_ns):
            del waiting[name]
        else:
            seen = None
        worths[name] = _worth(state, name, one, seen)
        if name not in waiting and not log.is_behind(name, one.arrived_ns, LAG_NS):
            waiting[name] = Sighting(
                amount=one.amount, at_ms=state.now_ms, arrived_ns=one.arrived_ns
            )
    return worths, log if waiting == log.sightings else replace(log, sightings=waiting)


def _worth(state: State, currency: str, now: Valued, seen: Sighting | None) -> Worth:
    """Return what an account is measured by after what moved, and after a sighting that is sure."""
    known, moved = state.standing.worths.get(currency), _moved(state, currency)
    if known is None or _day(state.now_ms) < known.day:  # a rehearsal whose market began anew
        return Worth(
            day=_day(state.now_ms),
            started=now.amount,
            peak=now.amount,
            since_ms=state.now_ms,
            moved=moved,
        )
    if moved != known.moved:
        change = float(moved - known.moved) * now.per_cash
        known = replace(
            known, started=known.started + change, peak=known.peak + change, moved=moved
        )
    if seen is None:
        return known
    if seen.amount > known.peak * (1.0 + PEAK_STEP):
        known = replace(known, peak=seen.amount)
    if _day(seen.at_ms) > known.day:
        known = replace(known, day=_day(seen.at_ms), started=seen.amount)
    return known


def _moved(state: State, currency: str) -> Decimal:
    return state.standing.cash.moved.get(currency, units.ZERO)


def _day(at_ms: int) -> int:
    return (at_ms - DAY_START_MS) // units.MS_PER_DAY


def _losing(
    worths: Mapping[str, Worth], now: Mapping[str, Valued], policy: SafetyPolicy, now_ms: int
) -> str:
    """Say which limit on losses is reached, or nothing."""
    lost = below = started = peak = 0.0
    for name, one in sorted(now.items()):
        worth = worths[name]
        lost += (worth.started - one.amount) * one.usd
        started += worth.started * one.usd
        below += (worth.peak - one.amount) * one.usd
        peak += worth.peak * one.usd
    if started > 0.0 and lost >= policy.loss_per_day_max * started:
        return (
            f"lost {lost:,.0f} USD since 08:00 UTC{_ago(worths, now_ms)}, "
            f"{lost / started:.1%} of {started:,.0f}, limit {policy.loss_per_day_max:.1%}"
        )
    if peak > 0.0 and below >= policy.drawdown_max * peak:
        return (
            f"equity is {below:,.0f} USD below its peak, {below / peak:.1%} of {peak:,.0f}, "
            f"limit {policy.drawdown_max:.1%}"
        )
    return ""


def _ago(worths: Mapping[str, Worth], now_ms: int) -> str:
    """Say of which day the count is, until the beginning of today's is noted."""
    days = _day(now_ms) - min(worth.day for worth in worths.values())
    return f" {days} d before" if days else ""


def _marked(log: CashLog, losing: str, now_ns: int) -> CashLog:
    """Note since when a limit is reached; before that is a loss for good the log is asked."""
    if bool(losing) == (log.losing_ns is not None):
        return log
    return replace(log, losing_ns=now_ns if losing else None)


def trouble(state: State) -> Judgement | None:
    """Return the stop that losses ask for, if they do."""
    if not state.losing:
        return None
    return Judgement(mode=Mode.HOLD, reason=_reason(state), clears=CLEARS)


def _reason(state: State) -> str:
    failure = state.cash_log.failure
    doubt = f"; a withdrawal would count as lost, as its log cannot be read: {failure}"
    return state.losing + (doubt if failure else "")


def latched(state: State, policy: SafetyPolicy) -> State:
    """Halt on losses where the limit says so; not while a person has hedges closed.

    Not before the log had time to say that it was a withdrawal: until then it is a HOLD.
    """
    known = state.standing
    if not state.losing or policy.loss_stop is Stop.HOLD:
        return state
    if not state.is_weighed or not state.cash_log.is_certain(state.now_ns):
        return state
    if known.halt_reason or known.flatten_reason:
        return state
    return replace(state, standing=replace(known, halt_reason=_reason(state)))


def forgiven(state: State) -> State:
    """Begin the count anew where a limit was reached: a person has looked."""
    if not state.losing:
        return state
    known = replace(state.standing, worths={})
    log = replace(state.cash_log, sightings={}, losing_ns=None)
    return replace(state, standing=known, cash_log=log, losing="", is_weighed=False)
