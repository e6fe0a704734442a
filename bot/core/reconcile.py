"""Our positions against the venue's. Where our own orders explain no difference, it is right.

A difference is borne while an order of ours is in flight on the instrument or a fill has just
arrived; after that it is adopted as EXTERNAL. We never trade back to our own book.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core import fills, ladder, orders, standing, units
from bot.core import state as states
from bot.core.actions import Action, CancelOrder, QueryOrder, ReadAccount, ReloadInstruments, Watch
from bot.core.evidence import Rung
from bot.core.exposure import orders_in_flight
from bot.core.immutable import remembered, remembered_while, steady
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.ladder import DOUBTFUL
from bot.core.orders import Order, OrderPolicy, OrderStatus
from bot.core.reported import Reported, names_reported, position_says
from bot.core.standing import EMPTY, Standing, open_orders
from bot.core.state import ApplyPolicy, Mode, State, owner_of, retabled

FILL_REST_NS = units.NS_PER_SECOND
CLOCK_GRAIN_NS = 20 * units.NS_PER_MS  # by which the two clocks may part within a second
READ_TIMEOUT_NS = 20 * units.NS_PER_SECOND
READ_OVERLAP_MS = units.MS_PER_MINUTE
READ_OVERLAP_NS = 5 * units.NS_PER_SECOND
SETTLED = "settled at expiry"
AT_START = "found at start"
JUMPED = "a hedge position moved at the venue, not by us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A position was taken over from the venue without a trade of ours: what, from, to and why."""

    instrument: str
    before_native: Decimal
    after_native: Decimal
    reason: str


def adopt(state: State, policy: ApplyPolicy) -> tuple[State, tuple[Adopted, ...]]:
    """Take over every difference that is ours to take over now."""
    adopted: list[Adopted] = []
    for name, held, report in states.differing(state):
        terms = state.instruments[name]
        price = _price(state, terms)
        if price is None or not _explains_itself(state, name, report):
            continue
        if report.absences == 1 and not _has_expired(terms, state.now_ms):
            continue  # a list cut short is not yet a flat position: the next read tells
        size = report.row.size_native
        reason = _why(state, terms)
        adopted.append(
            Adopted(instrument=name, before_native=held, after_native=size, reason=reason)
        )
        known = fills.adopted(state.standing, terms, size, price, owner_of(name, policy))
        jump = _jump(state.standing, terms, size - held, price, policy.jump_max_usd)
        if jump and reason != SETTLED and not known.pause_reason:
            known = replace(known, pause_reason=jump)
        state = replace(state, standing=known)
    if any(state.instruments[one.instrument].kind is Kind.OPTION for one in adopted):
        state = retabled(state)
    return state, tuple(adopted)


def _jump(
    known: Standing, terms: Instrument, change: Decimal, price: float, most_usd: float
) -> str:
    """Say that a hedge position moved by more than a person lets pass unseen; empty if not.

    What this ledger has never held was there before it: it is where the daemon starts from.
    """
    usd = float(change) * (1.0 if terms.is_usd_sized else price)
    if terms.kind is Kind.OPTION or abs(usd) <= most_usd or terms.name not in known.accounts:
        return ""
    return (
        f"{JUMPED}: {terms.name} by {change:+,} ({abs(usd):,.0f} USD, limit {most_usd:,.0f}); "
        f"it is adopted, and hedged on once a person has looked"
    )


def is_jump(pause_reason: str) -> bool:
    """Whether a pause is for a position that jumped, and not by a person who knows of it."""
    return pause_reason.startswith(JUMPED)


def housed(state: State, policy: ApplyPolicy) -> State:
    """Give the book that owns external changes every hedge that no configured book holds.

    A book that was renamed or dropped leaves its hedge behind: what nobody counts would be hedged
    once more.
    """
    known = _housed(state.standing, policy)
    return state if known is state.standing else replace(state, standing=known)


@remembered
def _housed(known: Standing, policy: ApplyPolicy) -> Standing:
    for name, owner in sorted(policy.owners.items()):
        held = sum(
            (known.holdings.get(book, EMPTY).get(name, units.ZERO) for book in policy.books),
            units.ZERO,
        )
        left = known.positions.get(name, units.ZERO) - held
        if left:
            known = standing.with_holding(known, owner, name, left)
    if known.holdings.keys() - policy.books:
        kept = {book: held for book, held in known.holdings.items() if book in policy.books}
        known = replace(known, holdings=kept)
    return known


def _price(state: State, terms: Instrument) -> float | None:
    quote = state.quotes.get(terms.name)
    if quote is not None and quote.mark is not None:
        return quote.mark
    return _delivered(state, terms) if _has_expired(terms, state.now_ms) else None


def _delivered(state: State, terms: Instrument) -> float | None:
    """Return what an expired contract is worth by the index of its coin; None while there is none.

    Nobody quotes it any more. A daemon that was not there when it settled would wait for ever.
    """
    index_usd = next(
        (
            quote.index_usd
            for name, quote in state.quotes.items()
            if name in state.instruments and state.instruments[name].underlying == terms.underlying
        ),
        None,
    )
    if index_usd is None or terms.strike is None:
        return index_usd
    gain_usd = index_usd - terms.strike if terms.is_call else terms.strike - index_usd
    unit_usd = index_usd if terms.settlement is Settlement.INVERSE else 1.0
    return max(0.0, gain_usd) / unit_usd


def _why(state: State, terms: Instrument) -> str:
    expired = terms.expiry_ms is not None and state.now_ms >= terms.expiry_ms
    if terms.kind is not Kind.PERPETUAL and expired:
        return SETTLED
    if state.mode is not Mode.RECONCILING:
        return "changed at the venue, not by us"
    return "found after reconnecting" if state.has_run else AT_START


def _explains_itself(state: State, name: str, report: Reported) -> bool:
    """Whether nothing of ours can still explain the difference.

    No order in flight, and once there were fills, none within the last second and a report that was
    asked for after the last one: a late push of an earlier position would undo that fill here, and
    the next hedge would double it at the venue.
    """
    if orders_in_flight(state.standing, name):
        return False
    filled_ns = state.fills_ns.get(name)
    if filled_ns is None:
        return True
    if report.pushed:
        return False
    return report.known_ns > filled_ns and state.now_ns - filled_ns > FILL_REST_NS


def unsettled(state: State, name: str) -> str | None:
    """Say why the position in an instrument is not certain now, or None."""
    for order in orders_in_flight(state.standing, name):
        said = (f"order {order.order_id} is {order.status}", order.reason, ladder.words(order))
        return ": ".join(part for part in said if part)
    for other, held, report in states.differing(state):
        if other == name:
            return f"venue reports {report.row.size_native} {name}, our fills make it {held}"
    return None


def is_moving(state: State) -> bool:
    """Whether a position is about to change, or differs from the venue's."""
    return bool(open_orders(state.standing.orders) or states.differing(state))


def minded(state: State, policy: OrderPolicy) -> State:
    """Let time pass over the orders: the silent become unknown, the hopeless unprovable."""
    moved: dict[str, Order] = {}
    for order in open_orders(state.standing.orders):
        later = orders.went_silent(order, state.now_ms, state.now_ns, policy)
        later = _placed(state, later, policy)
        later = ladder.gave_up(later, state.now_ms, state.now_ns, policy)
        if later is not order:
            moved[order.order_id] = later
    return _with_orders(state, moved) if moved else state


def _placed(state: State, order: Order, policy: OrderPolicy) -> Order:
    """Let positions that were read since have their say where nothing else is missing."""
    if order.status not in DOUBTFUL or order.evidence.rung is not Rung.POSITION:
        return order
    known, dead_ns = state.standing.positions, ladder.dead_ns(order, policy)
    position = position_says(state.reported, known, order.instrument, state.read_done_ns, dead_ns)
    return ladder.position_read(order, position, state.now_ms)


def _with_orders(state: State, moved: Mapping[str, Order]) -> State:
    known = {**state.standing.orders, **moved}
    return replace(state, standing=replace(state.standing, orders=known))


def cancels(state: State, policy: OrderPolicy) -> tuple[State, tuple[Action, ...]]:
    """Ask for the end of what rests and should not, again and again until the venue shows it.

    A cancel is a request: the order counts until the venue says that it ended. While halted that is
    all that rests or may; else what the venue says rests long after it was to have ended, and when
    hedges are to be closed, what may rest beside them.
    """
    waiting = open_orders(state.standing.orders)
    if not waiting:
        return state, ()
    is_halted = state.mode is Mode.HALT
    closes = bool(state.standing.flatten_reason) and state.mode is Mode.DEGRADED
    moved: dict[str, Order] = {}
    asked: list[Action] = []
    for order in waiting:
        is_overdue = order.rests and (
            closes or state.now_ns - order.requested_ns > policy.silence_max_ns
        )
        if order.status in DOUBTFUL:  # with each question
            is_due = order.asked_ns == state.now_ns and (is_halted or is_overdue)
        else:
            is_resting = order.status is OrderStatus.WORKING
            must_end = is_halted or (closes and order.rests)
            is_due = must_end and is_resting and _is_due(order, state.now_ns, policy)
            if is_due:
                moved[order.order_id] = replace(order, asked_ns=state.now_ns)
        if is_due:
            asked.append(CancelOrder(order_id=order.order_id, instrument=order.instrument))
    return (_with_orders(state, moved) if moved else state), tuple(asked)


def _is_due(order: Order, now_ns: int, policy: OrderPolicy) -> bool:
    return order.asked_ns is None or now_ns - order.asked_ns > policy.query_interval_ns


def _died_since(asked_ns: int | None, order: Order, state: State, policy: OrderPolicy) -> bool:
    """Whether an order in doubt can start no longer, and still could when the venue was asked.

    What it says now may be proof, and nothing is sent beside that order until then.
    """
    dead_ns = ladder.dead_ns(order, policy)
    if order.status not in DOUBTFUL or asked_ns is None or asked_ns > dead_ns:
        return False
    is_past = state.now_ms > ladder.dead_ms(order, policy, state.rate)
    return is_past and state.now_ns > dead_ns + CLOCK_GRAIN_NS


def questions(state: State, policy: ApplyPolicy) -> tuple[State, tuple[Action, ...]]:
    """Ask the venue what is not certain.

    Orders, the account, the list of instruments; choose the quotes.
    """
    asked: list[Action] = []
    listed = _listed(state)
    if open_orders(state.standing.orders):
        state = _ask_orders(state, policy.orders, asked)
    state = _ask_account(state, listed, policy.orders, asked)
    wanted = _joined(listed.live, policy.owners) if state.instruments else frozenset()
    if wanted is not state.watched:
        if wanted != state.watched:
            asked.append(Watch(instruments=wanted))
        state = replace(state, watched=wanted)  # an equal one as well: next time it is this one
    if state.reload_wanted:
        asked.append(ReloadInstruments(reason=state.reload_wanted))
        state = replace(state, reload_wanted="")
    return state, tuple(asked)


@remembered
def _joined(live: frozenset[str], owners: Mapping[str, str]) -> frozenset[str]:
    """Return the instruments whose quotes are needed: hedges, and what is held or reported."""
    return live.union(owners)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """The listed instruments held or reported that live, and whether there are expired ones."""

    live: frozenset[str]
    has_expired: bool
    since_ms: float
    until_ms: float


def _listed(state: State) -> _Listed:
    names = _names_held(state.standing.positions, state.reported)
    return _listed_of("account", state.now_ms, names, state.instruments)


@steady
def _names_held(
    positions: Mapping[str, Decimal], reported: Mapping[str, Reported]
) -> frozenset[str]:
    return names_reported(reported).union(positions)


@remembered_while
def _listed_of(
    now_ms: int, account: frozenset[str], instruments: Mapping[str, Instrument]
) -> _Listed:
    names = account & instruments.keys()
    ends_ms = {name: instruments[name].expiry_ms or math.inf for name in names}
    past_ms = [end_ms for end_ms in ends_ms.values() if end_ms <= now_ms]
    future_ms = [end_ms for end_ms in ends_ms.values() if end_ms > now_ms]
    return _Listed(
        live=frozenset(name for name, end_ms in ends_ms.items() if end_ms > now_ms),
        has_expired=bool(past_ms),
        since_ms=max(past_ms, default=-math.inf),
        until_ms=min(future_ms, default=math.inf),
    )


def _has_expired(terms: Instrument, now_ms: int) -> bool:
    return terms.expiry_ms is not None and now_ms >= terms.expiry_ms


def _ask_orders(state: State, policy: OrderPolicy, asked: list[Action]) -> State:
    moved: dict[str, Order] = {}
    for order in open_orders(state.standing.orders):
        doubtful = order.status in DOUBTFUL
        fills_late = order.status is OrderStatus.CLOSED and not order.is_quiet
        due = _is_due(order, state.now_ns, policy) or _died_since(
            order.asked_ns, order, state, policy
        )
        if not state.links or not due or not (doubtful or fills_late):
            continue
        asked.append(
            QueryOrder(
                order_id=order.order_id,
                instrument=order.instrument,
                requested_ms=order.requested_ms,
            )
        )
        moved[order.order_id] = ladder.asked(order, state.now_ns)
    return _with_orders(state, moved) if moved else state


def _ask_account(state: State, listed: _Listed, policy: OrderPolicy, asked: list[Action]) -> State:
    reason = state.read_wanted or _doubt(state, listed, policy)
    if not reason or not state.links or not state.instruments:
        return state
    if state.read_asked_ns is not None and state.now_ns - state.read_asked_ns < READ_TIMEOUT_NS:
        return state
    if state.read_failure and state.read_asked_ns is None and _asked_lately(state):
        return state
    overlap_ms = max(READ_OVERLAP_MS, units.wire_to_market_ms(READ_OVERLAP_NS, state.rate))
    # No further back than trades are remembered: an older one would be counted again.
    overlap_ms = min(overlap_ms, standing.TRADES_KEPT_MS)
    since = state.standing.trades_until_ms - overlap_ms
    since = max(since, state.standing.since_ms)
    asked.append(ReadAccount(reason=reason, trades_since_ms=since))
    return replace(state, read_asked_ns=state.now_ns, read_last_ns=state.now_ns, read_wanted="")


def _asked_lately(state: State) -> bool:
    return state.read_last_ns is not None and state.now_ns - state.read_last_ns < FILL_REST_NS


def _doubt(state: State, listed: _Listed, policy: OrderPolicy) -> str:
    """Say what only a fresh read of the account can settle; at most once a second."""
    is_lately = _asked_lately(state)
    for order in open_orders(state.standing.orders):
        is_due = not is_lately or _died_since(state.read_last_ns, order, state, policy)
        if order.status in DOUBTFUL and is_due:
            return f"order {order.order_id} is {order.status}"
    if is_lately:
        return ""
    for name, held, report in states.differing(state):
        if not orders_in_flight(state.standing, name):
            return f"{name}: {held} here, {report.row.size_native} at the venue"
    if not listed.has_expired:
        return ""
    for name in state.standing.positions:
        if name in state.instruments and _has_expired(state.instruments[name], state.now_ms):
            return f"{name} has expired and is still held"
    return ""
