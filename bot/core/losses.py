"""What the account lost, since its market day began and from its peak, in the money it protects.

A book that is neutral in coins loses dollars when the coin falls, and is right to; so equity counts
in coins where books protect coins, in US dollars where one of them protects dollars, and only the
difference is valued at the index. Deposits and withdrawals count as well, since the venue's figure
does not tell them apart: a person who resumes begins the count anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.core import units
from bot.core.books import BookPolicy
from bot.core.instruments import Settlement
from bot.core.safety import SafetyPolicy, Stop
from bot.core.state import Judgement, Mode, State
from bot.core.tally import Worth
from bot.quant.conventions import Convention

DAY_START_MS = 8 * units.MS_PER_HOUR  # the venue's session, and its expiries
PEAK_STEP = 1e-3  # a peak is noted when it is so much higher: not with every tick
CLEARS = "the equity recovers, or a person resumes and the count begins anew"


def weighed(
    state: State, books: Sequence[BookPolicy], policy: SafetyPolicy, *, told: bool
) -> State:
    """Weigh the account whenever the venue `told` of it: note day and peak, and what was lost.

    What it told before there was an index is weighed when there is one.
    """
    if state.is_weighed and not told:
        return state
    now = {name: _amount(state, name, books) for name in sorted({one.currency for one in books})}
    priced = {name: one for name, one in now.items() if one is not None}
    if len(priced) < len(now):
        return replace(state, is_weighed=False) if state.is_weighed else state
    worths = _noted(state.standing.worths, priced, state.now_ms)
    losing = _losing(worths, priced, policy)
    known = state.standing
    if worths != known.worths:
        known = replace(known, worths=worths)
    if known is state.standing and state.is_weighed and losing == state.losing:
        return state
    return replace(state, standing=known, is_weighed=True, losing=losing)


def _amount(state: State, currency: str, books: Sequence[BookPolicy]) -> tuple[float, float] | None:
    """Return an account's equity in the money that its books protect, and that money in dollars."""
    balance = state.balances.get(currency)
    ours = [book for book in books if book.currency == currency]
    for name in (book.hedge_instrument for book in ours):
        quote, terms = state.quotes.get(name), state.instruments.get(name)
        if balance is None or quote is None or quote.index_usd is None or terms is None:
            continue
        conventions = {book.convention for book in ours}
        if terms.settlement is Settlement.LINEAR:
            if conventions == {Convention.COIN}:
                return balance.equity / quote.index_usd, quote.index_usd
            return balance.equity, 1.0
        if Convention.USD in conventions:
            return balance.equity * quote.index_usd, 1.0
        return balance.equity, quote.index_usd
    return None


def _noted(
    known: Mapping[str, Worth], now: Mapping[str, tuple[float, float]], now_ms: int
) -> Mapping[str, Worth]:
    day = (now_ms - DAY_START_MS) // units.MS_PER_DAY
    return {name: _worth(known.get(name), amount, day) for name, (amount, _) in now.items()}


def _worth(known: Worth | None, amount: float, day: int) -> Worth:
    if known is None or day < known.day:  # a rehearsal whose market began anew
        return Worth(day=day, started=amount, peak=amount)
    peak = amount if amount > known.peak * (1.0 + PEAK_STEP) else known.peak
    if day > known.day:
        return Worth(day=day, started=amount, peak=peak)
    return known if peak == known.peak else replace(known, peak=peak)


def _losing(
    worths: Mapping[str, Worth], now: Mapping[str, tuple[float, float]], policy: SafetyPolicy
) -> str:
    """Say which limit on losses is reached, or nothing."""
    lost = below = started = peak = 0.0
    for name, (amount, usd) in sorted(now.items()):
        worth = worths[name]
        lost += (worth.started - amount) * usd
        started += worth.started * usd
        below += (worth.peak - amount) * usd
        peak += worth.peak * usd
    if started > 0.0 and lost >= policy.loss_per_day_max * started:
        return (
            f"lost {lost:,.0f} USD since 08:00 UTC, {lost / started:.1%} of {started:,.0f}, "
            f"limit {policy.loss_per_day_max:.1%}"
        )
    if peak > 0.0 and below >= policy.drawdown_max * peak:
        return (
            f"equity is {below:,.0f} USD below its peak, {below / peak:.1%} of {peak:,.0f}, "
            f"limit {policy.drawdown_max:.1%}"
        )
    return ""


def trouble(state: State) -> Judgement | None:
    """Return the stop that losses ask for, if they do."""
    if not state.losing:
        return None
    return Judgement(mode=Mode.HOLD, reason=state.losing, clears=CLEARS)


def latched(state: State, policy: SafetyPolicy) -> State:
    """Halt on losses where the limit says so; not while a person has hedges closed."""
    known = state.standing
    if not state.losing or policy.loss_stop is Stop.HOLD:
        return state
    if known.halt_reason or known.flatten_reason:
        return state
    return replace(state, standing=replace(known, halt_reason=state.losing))


def forgiven(state: State) -> State:
    """Begin the count anew where a limit was reached: a person has looked."""
    if not state.losing:
        return state
    known = replace(state.standing, worths={})
    return replace(state, standing=known, losing="", is_weighed=False)
