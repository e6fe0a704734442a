"""What the daemon allows itself, and all that asks for less: of one table the first row counts.

| asks for | because | until |
|---|---|---|
| HALT | a person, losses, another daemon, the ledger | a person resumes |
| RECONCILING | a connection, the account or a balance is not there | it is |
| HOLD | a person paused | a person resumes |
| HOLD | an order of which only a person can say what became | the venue answers, or a resume |
| HOLD | rejections in a row; orders that repeat; more filled than asked | a person resumes |
| HOLD | the hedge instrument's terms do not fit | they fit again |
| HOLD | the host's clock is off | it is right again |
| DEGRADED | a person ordered to flatten: nothing else is sent | no hedge is held, or a halt: HALT |
| HOLD | losses; turnover, fees, reversals | the sum falls, or a person resumes |
| HOLD | our delta is not the venue's | both agree |
| HOLD, DEGRADED | margin | its use falls |
| DEGRADED | an expired option is still held; the host is slow | it is not; it was well a while |
| RUN | nothing of all this | |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.core import losses, pace, strain, units
from bot.core.books import BookPolicy
from bot.core.columns import Held
from bot.core.events import Link
from bot.core.immutable import remembered
from bot.core.instruments import Instrument, Kind
from bot.core.orders import Order, OrderStatus, Outcome
from bot.core.safety import SafetyPolicy
from bot.core.standing import CLOSED_ORDERS_KEPT, Standing, open_orders
from bot.core.state import Judgement, Mode, State, differing, is_settled

LINKS, TRADING = tuple(Link), Link.TRADING
FILLS_LATE_NS = 60 * units.NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged:
    """The daemon allows itself something else now, why, and what would clear it."""

    at_ms: int
    before: Mode
    after: Mode
    reason: str
    clears: str


ALL_WELL = Judgement(mode=Mode.RUN, reason="all inputs are good", clears="")


def judge_mode(
    state: State,
    policy: SafetyPolicy,
    currencies: Sequence[str],
    limits: Judgement | None,
    books: tuple[BookPolicy, ...] = (),
) -> Judgement:
    """Return what the first row of the table that applies asks for, with its reason.

    Args:
        state: What is known.
        policy: The limits.
        currencies: Those in which books are hedged.
        limits: What the venue's delta or the margin stages ask for, if anything.
        books: What is hedged, with what.
    """
    is_calm = _is_calm(state.standing, policy)
    return (
        (None if is_calm else _halted(state))
        or _not_reconciled(state, currencies)
        or (None if is_calm else _stopped(state, policy))
        or _misfit(state, books)
        or (strain.clock_trouble(state, policy) if state.strains else None)
        or (None if is_calm else _flattening(state))
        or (losses.trouble(state) if state.losing else None)
        or pace.trouble(state, policy)
        or limits
        or _unsettled_expiry(state, policy)
        or (strain.trouble(state, policy) if state.strains else None)
        or ALL_WELL
    )


@remembered
def _is_calm(known: Standing, policy: SafetyPolicy) -> bool:
    """Whether `known` asks for nothing whatever the time: no stop of a person's, no open order."""
    asked = known.halt_reason or known.pause_reason or known.flatten_reason
    counted = _rejected(known, policy) or pace.stuck_trouble(known)
    return not (asked or open_orders(known.orders) or counted)


def _stopped(state: State, policy: SafetyPolicy) -> Judgement | None:
    """Return what a person, an order, or many of them stopped."""
    return (
        _paused(state)
        or _beyond_us(state)
        or _rejected(state.standing, policy)
        or pace.stuck_trouble(state.standing)
    )


def _halted(state: State) -> Judgement | None:
    reason = state.standing.halt_reason
    if not reason:
        return None
    open_yet = ", ".join(order.order_id for order in open_orders(state.standing.orders))
    shown = f"the venue shows the end of {open_yet}, and " if open_yet else ""
    return Judgement(mode=Mode.HALT, reason=reason, clears=f"{shown}a person resumes")


def _paused(state: State) -> Judgement | None:
    reason = state.standing.pause_reason
    if not reason:
        return None
    return Judgement(mode=Mode.HOLD, reason=reason, clears="a person resumes")


def _flattening(state: State) -> Judgement | None:
    reason = state.standing.flatten_reason
    if not reason:
        return None
    clears = "no hedge is held, which halts; `halt` calls it off"
    return Judgement(mode=Mode.DEGRADED, reason=reason, clears=clears)


def _misfit(state: State, books: tuple[BookPolicy, ...]) -> Judgement | None:
    """Stop where a hedge instrument is not what the configuration takes it for."""
    reason = state.swapped or _misfits(books, state.instruments)
    if not reason:
        return None
    clears = "the terms fit again, or the configuration is put right and the daemon started anew"
    return Judgement(mode=Mode.HOLD, reason=reason, clears=clears)


@remembered
def _misfits(books: tuple[BookPolicy, ...], instruments: Mapping[str, Instrument]) -> str:
    for book in books:
        terms = instruments.get(book.hedge_instrument)
        if terms is None:
            continue
        if terms.kind is Kind.OPTION:
            return f"{terms.name} is an option and hedges nothing"
        if terms.currency != book.currency:
            return f"{terms.name} settles in {terms.currency}, book {book.name} in {book.currency}"
        if terms.underlying != book.selector.underlying:
            wanted = book.selector.underlying
            return f"{terms.name} is on {terms.underlying}, book {book.name} on {wanted}"
        for what, step in (("lot", terms.lot), ("tick", terms.tick_size)):
            if not step.is_finite() or step <= 0:
                return f"{terms.name} has a {what} of {step}: nothing can be rounded to it"
    return ""


def swapped(before: State, state: State, hedges: Mapping[str, str]) -> State:
    """Note that a hedge instrument has become another one under the same name."""
    if state.instruments is before.instruments or state.swapped:
        return state
    for name in hedges:
        was, now = before.instruments.get(name), state.instruments.get(name)
        if was is None or now is None:
            continue
        for what, old, new in (
            ("settlement", was.settlement, now.settlement),
            ("kind", was.kind, now.kind),
            ("currency", was.currency, now.currency),
        ):
            if old != new:
                return replace(state, swapped=f"the {what} of {name} changed from {old} to {new}")
    return state


def _unsettled_expiry(state: State, policy: SafetyPolicy) -> Judgement | None:
    """Be careful while an option is held long after its expiry: no delivery was heard of."""
    first = _first_expiry(state.table.held)
    if first is None or state.now_ms <= first[0]:
        return None
    expired_ms, name = first
    late_ms = units.wire_to_market_ms(policy.expiry_unsettled_max_ns, state.rate)
    if state.now_ms - expired_ms <= late_ms:
        return None
    since_s = (state.now_ms - expired_ms) / units.MS_PER_SECOND
    reason = (
        f"{name} expired {since_s:,.0f} s ago and is still held: no delivery was heard "
        f"of, limit {late_ms / units.MS_PER_SECOND:,.0f} s"
    )
    return Judgement(mode=Mode.DEGRADED, reason=reason, clears="it is settled")


@remembered
def _first_expiry(held: Held) -> tuple[int, str] | None:
    if not len(held.expiry_ms):
        return None
    row = int(held.expiry_ms.argmin())
    return int(held.expiry_ms[row]), held.names[row]


def _beyond_us(state: State) -> Judgement | None:
    """Stop for an order of which only a person can say what became."""
    for order in open_orders(state.standing.orders):
        if _is_hopeless(order, state):
            return _hopeless(order)
    return None


def _not_reconciled(state: State, currencies: Sequence[str]) -> Judgement | None:
    for link in LINKS:
        if link not in state.links:
            why = state.links_lost.get(link, "not connected yet")
            return _wait(f"{link} connection: {why}", "the connection is back")
    if state.read_done_ns is None or state.read_done_ns < state.links[TRADING]:
        failed = f" ({state.read_failure})" if state.read_failure else ""
        return _wait(f"the account has not been read since connecting{failed}", "a complete read")
    for currency in currencies:
        if currency not in state.balances:
            return _wait(f"the {currency} balance is not known", "a balance report")
    return _inherited(state)


def _wait(reason: str, clears: str) -> Judgement:
    return Judgement(mode=Mode.RECONCILING, reason=reason, clears=clears)


def _is_hopeless(order: Order, state: State) -> bool:
    """Whether only a person can say what became of an order: time alone will not tell."""
    is_late = state.now_ns - order.requested_ns > FILLS_LATE_NS
    has_ended = order.status is OrderStatus.CLOSED and not order.is_quiet
    return order.status is OrderStatus.UNPROVABLE or (has_ended and is_late)


def _hopeless(order: Order) -> Judgement:
    if order.status is OrderStatus.UNPROVABLE:
        reason = f"the fate of order {order.order_id} cannot be proved: {order.reason}"
        clears = "the venue answers for that order, or a person resumes"
    else:
        reason = (
            f"order {order.order_id} was filled {order.reported_native} by the venue's word, "
            f"but fills came for {order.filled_native}"
        )
        clears = "the missing fills come, or a person resumes"
    return Judgement(mode=Mode.HOLD, reason=reason, clears=clears)


def _inherited(state: State) -> Judgement | None:
    """Wait for what an earlier run or an interruption has left open: positions, then orders.

    What waits for a person is none of it: a person is called to a hold, not to a start that never
    ends.
    """
    if is_settled(state):
        return None
    if state.mode is Mode.RECONCILING:
        pending = open_orders(state.standing.orders)
        for_a_person = {order.instrument for order in pending if _is_hopeless(order, state)}
        for name, held, report in differing(state):
            if name in for_a_person:
                continue
            reason = f"{name}: {report.row.size_native} at the venue, {held} here"
            return _wait(reason, f"a good quote of {name}")
    if not state.inherited:
        return None
    for order_id in sorted(state.inherited & state.standing.orders.keys()):
        order = state.standing.orders[order_id]
        if not order.is_quiet and not _is_hopeless(order, state):
            reason = f"order {order_id} of an earlier run is {order.status}"
            return _wait(reason, "the venue's answer")
    return None


@remembered
def _rejected(known: Standing, policy: SafetyPolicy) -> Judgement | None:
    """Stop after too many rejections in a row: asking again would not help."""
    most = min(policy.rejects_max, CLOSED_ORDERS_KEPT)
    recent = list(known.orders.values())[-most:]
    if not recent or recent[-1].outcome is not Outcome.REJECTED:
        return None
    fresh = known.order_counter - known.forgiven_counter >= most
    is_row = len(recent) == most and all(order.outcome is Outcome.REJECTED for order in recent)
    if not (fresh and is_row):
        return None
    told = f"the last {recent[-1].order_id}: {recent[-1].reason}"
    reason = f"{most} orders in a row were rejected, {told}"
    return Judgement(mode=Mode.HOLD, reason=reason, clears="a person resumes")
