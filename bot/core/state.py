"""Everything the daemon knows, and how one fact changes it.

`apply` is total: a fact that makes no sense here (a fill seen before) changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from bot.core import columns, discounts, fills, latch, news
from bot.core import standing as standings
from bot.core.cash import MOVES, NOTHING_READ, CashLog, CashMoved, CashRead
from bot.core.columns import OptionTable
from bot.core.counts import NOTHING_COUNTED, Counts
from bot.core.events import (
    SECOND_OPINION,
    AccountRead,
    BadMessage,
    BalanceSeen,
    ClockSeen,
    Command,
    CommandGiven,
    Fact,
    FillSeen,
    HostMeasured,
    InstrumentsSeen,
    Link,
    LinkDown,
    LinkUp,
    NoOpinionHere,
    OpenOrdersSeen,
    OpinionGiven,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    ReadFailed,
    TimerFired,
)
from bot.core.immutable import succeeded
from bot.core.instruments import Instrument, Kind
from bot.core.news import Moment
from bot.core.orders import OrderPolicy
from bot.core.quotes import QuotePolicy, Still, aged, bad_quote
from bot.core.reported import (
    NOTHING_ASKED,
    Consulted,
    Differences,
    Gap,
    MarginSeen,
    Reported,
    differences,
    renewed,
    settled,
    stated,
    unlisted,
)
from bot.core.standing import Standing
from bot.core.tally import Strain


class Mode(StrEnum):
    """What the daemon allows itself to do."""

    RECONCILING = "reconciling"
    RUN = "run"
    DEGRADED = "degraded"
    HOLD = "hold"
    HALT = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A mode, why, and what would clear it."""

    mode: Mode
    reason: str
    clears: str


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """The daemon's knowledge at one moment.

    Immutable; `standing` is the part that survives a restart. No slots, for `succeeded`'s sake.
    """

    standing: Standing
    now_ms: int
    now_ns: int
    inherited: frozenset[str] = frozenset()
    rate: float = 1.0
    folds: int = 0
    mode: Mode = Mode.RECONCILING
    mode_reason: str = "starting"
    mode_clears: str = "a first read of the account"
    mode_since_ms: int = 0
    has_run: bool = False
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    quotes: Mapping[str, QuoteSeen] = field(default_factory=dict)
    bad_quotes: Mapping[str, str] = field(default_factory=dict)
    table: OptionTable = columns.EMPTY_TABLE
    reported: Mapping[str, Reported] = field(default_factory=dict)
    balances: Mapping[str, BalanceSeen] = field(default_factory=dict)
    links: Mapping[Link, int] = field(default_factory=dict)
    links_lost: Mapping[Link, str] = field(default_factory=dict)
    fills_ns: Mapping[str, int] = field(default_factory=dict)
    foreign: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    read_asked_ns: int | None = None
    read_done_ns: int | None = None
    read_last_ns: int | None = None
    read_wanted: str = "start"
    read_failure: str = ""
    reload_wanted: str = ""
    watched: frozenset[str] = frozenset()
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    host: HostMeasured | None = None
    index_still: Mapping[str, Still] = field(default_factory=dict)
    strains: Mapping[str, Strain] = field(default_factory=dict)
    swapped: str = ""
    is_weighed: bool = False
    losing: str = ""
    seized: str = ""
    seized_ns: int | None = None
    strays: frozenset[str] = frozenset()
    margin_warned: frozenset[str] = frozenset()
    margin_seen: Mapping[str, MarginSeen] = field(default_factory=dict)
    consulted: Consulted = NOTHING_ASKED
    codes: Mapping[str, str] = field(default_factory=dict)
    counts: Counts = NOTHING_COUNTED
    cash_log: CashLog = NOTHING_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPolicy:
    """What `apply` must know.

    Quote rules, order rules, and the book that owns changes of each hedge instrument which we did
    not cause. One of more than `jump_max_usd` waits for a person.
    """

    quotes: QuotePolicy
    orders: OrderPolicy
    owners: Mapping[str, str]
    books: frozenset[str]
    jump_max_usd: float


def owner_of(instrument: str, policy: ApplyPolicy) -> str | None:
    """Return the book that holds what others trade: only hedge instruments are held."""
    return policy.owners.get(instrument)


def apply_all(state: State, facts: Sequence[Fact], policy: ApplyPolicy) -> State:
    """Fold many facts; quotes last and together, since they cost one copy per column."""
    seen = [fact for fact in facts if isinstance(fact, QuoteSeen)]
    clock = facts[0] if facts else None
    if seen and isinstance(clock, ClockSeen) and len(seen) == len(facts) - 1:
        return _quoted(state, seen, policy.quotes, clock)  # nearly every fold: one successor
    for fact in facts:
        if not isinstance(fact, QuoteSeen):
            state = apply(state, fact, policy)
    return _quoted(state, seen, policy.quotes) if seen else state


def apply(  # noqa: C901, PLR0911, PLR0912 (one case a fact is the point)
    state: State, fact: Fact, policy: ApplyPolicy
) -> State:
    """Return the state after one fact."""
    match fact:
        case ClockSeen():
            return succeeded(state, **_clocked(state, fact))
        case QuoteSeen():
            return _quoted(state, (fact,), policy.quotes)
        case InstrumentsSeen():
            listed = {instrument.name: instrument for instrument in fact.instruments}
            known = fills.listed(state.standing, listed)
            instruments = {**state.instruments, **listed}
            return retabled(replace(state, standing=known, instruments=instruments))
        case OrderSeen() | OrderRejected() | OrderUnknown() | OrderNotFound() | OpenOrdersSeen():
            return _order_news(state, fact, policy)
        case FillSeen():
            return _filled(state, fact, policy)
        case PositionsSeen():
            return _positions(state, fact, policy)
        case BalanceSeen():
            return succeeded(state, balances={**state.balances, fact.currency: fact})
        case AccountRead() | ReadFailed() | OpinionGiven() | NoOpinionHere():
            return _read(state, fact)
        case CashMoved() | CashRead():
            return _cash(state, fact)
        case LinkUp() | LinkDown():
            return _link(state, fact)
        case CommandGiven():
            return _commanded(state, fact)
        case BadMessage():
            counts = replace(state.counts, bad_messages=state.counts.bad_messages + 1)
            return replace(state, counts=counts)
        case TimerFired():
            return _timer(state, fact)
        case HostMeasured():
            return replace(state, host=fact)
        case OrderSent():
            return state
    assert_never(fact)


def _clocked(state: State, fact: ClockSeen) -> dict[str, int | float]:
    """Return what a clock changes in the state."""
    assert fact.wire_ns >= state.now_ns, "the wire clock may not run backwards"
    assert fact.market_ms >= state.now_ms, "the market clock may not run backwards"
    return {
        "now_ms": fact.market_ms,
        "now_ns": fact.wire_ns,
        "rate": fact.rate,
        "folds": state.folds + 1,
    }


def _quoted(
    state: State, seen: Sequence[QuoteSeen], policy: QuotePolicy, clock: ClockSeen | None = None
) -> State:
    """Take in quotes, and the clock that came with them where nothing else did."""
    ticked = _clocked(state, clock) if clock else {}
    now_ms, now_ns, rate = state.now_ms, state.now_ns, state.rate
    if clock:
        now_ms, now_ns, rate = clock.market_ms, clock.wire_ns, clock.rate
    instruments, known = state.instruments, state.quotes
    good: dict[str, QuoteSeen] = {}
    bad: dict[str, str] = {}
    for told in seen:
        name = told.instrument
        instrument = instruments.get(name)
        why = bad_quote(told, instrument, policy) if instrument else "not a listed instrument"
        quote = why or aged(told, good.get(name) or known.get(name), policy, rate)
        if isinstance(quote, str):
            bad[name] = quote
        else:
            good[name] = quote
            bad.pop(name, None)
    counts = succeeded(
        state.counts,
        quotes=state.counts.quotes + len(seen),
        bad_quotes=state.counts.bad_quotes + len(bad),
    )
    still_bad = state.bad_quotes
    if bad or still_bad:
        still_bad = {name: why for name, why in still_bad.items() if name not in good} | bad
    table = columns.requoted(state.table, list(good.values()))
    return succeeded(
        state,
        **ticked,
        quotes={**known, **good},
        bad_quotes=still_bad,
        table=discounts.learned(table, now_ms, now_ns),
        counts=counts,
    )


def retabled(state: State) -> State:
    """Rebuild the option columns after a position in options, or instruments, changed."""
    held = [
        (state.instruments[name], float(size))
        for name, size in sorted(state.standing.positions.items())
        if name in state.instruments and state.instruments[name].kind is Kind.OPTION
    ]
    table = columns.table_of(held, state.quotes)
    return replace(state, table=discounts.learned(table, state.now_ms, state.now_ns))


def _moment(state: State) -> Moment:
    return Moment(
        now_ms=state.now_ms,
        now_ns=state.now_ns,
        rate=state.rate,
        reported=state.reported,
        read_ns=state.read_done_ns,
    )


def _order_news(state: State, fact: news.OrderNews | OpenOrdersSeen, policy: ApplyPolicy) -> State:
    known, foreign, rejects = state.standing, state.foreign, state.counts.rejects
    at, rests = _moment(state), isinstance(fact, OpenOrdersSeen)
    for row in news.rows(fact):
        if isinstance(row, OrderSeen):
            foreign = news.stranger(known, row, policy.orders, rests=rests) or foreign
        rejects += isinstance(row, OrderRejected) and row.order_id in known.orders
        known = news.heard(known, row, at, policy.orders)
    others, counts = news.others(state.others, known, fact), state.counts
    if rejects != counts.rejects:
        counts = replace(counts, rejects=rejects)
    return succeeded(state, standing=known, foreign=foreign, others=others, counts=counts)


def _filled(state: State, fact: FillSeen, policy: ApplyPolicy) -> State:
    if fact.trade_id in state.standing.trades_seen:
        return state
    owner, terms = owner_of(fact.instrument, policy), state.instruments.get(fact.instrument)
    arrived_ns = state.now_ns if fact.arrived_ns is None else fact.arrived_ns
    moved = succeeded(
        state,
        standing=news.filled(state.standing, fact, terms, owner, _moment(state)),
        foreign=news.stranger(state.standing, fact, policy.orders) or state.foreign,
        counts=replace(state.counts, fills=state.counts.fills + 1),
        fills_ns={**state.fills_ns, fact.instrument: arrived_ns},
    )
    if terms is None:
        return replace(moved, reload_wanted=f"{fact.instrument} was traded")
    return retabled(moved) if terms.kind is Kind.OPTION else moved


def _positions(state: State, fact: PositionsSeen, policy: ApplyPolicy) -> State:
    known = state.standing
    rows = stated(fact, state.reported, known.positions)
    reported = renewed(state.reported, fact, rows)
    for name, row in rows.items():
        terms = state.instruments.get(name)
        if name in policy.owners or (terms is not None and terms.kind is Kind.PERPETUAL):
            known = fills.funded(known, name, row.realized_funding_coin, state.now_ms)
    seen = succeeded(state, standing=known, reported={**state.reported, **reported})
    unknown = set(unlisted(seen.reported, known.positions, seen.instruments))
    new = unknown & (reported.keys() - state.reported.keys())
    return replace(seen, reload_wanted=f"{min(new)} is held") if new else seen


def _read(state: State, fact: AccountRead | ReadFailed | OpinionGiven | NoOpinionHere) -> State:
    if isinstance(fact, AccountRead):
        return replace(state, read_asked_ns=None, read_done_ns=fact.asked_ns, read_failure="")
    if not isinstance(fact, ReadFailed) or fact.what == SECOND_OPINION:
        return replace(state, consulted=state.consulted.hearing(fact))
    if fact.what == MOVES:
        return replace(state, cash_log=state.cash_log.failed(fact.reason, state.now_ns))
    if fact.what != "account":
        return replace(state, standing=news.unanswered(state.standing, fact))
    return replace(
        state, read_asked_ns=None, read_wanted="last read failed", read_failure=fact.reason
    )


def _cash(state: State, fact: CashMoved | CashRead) -> State:
    """Take in what the venue's log told; what it told anew asks for a balance that holds it."""
    known, log = state.standing, state.cash_log
    if isinstance(fact, CashRead):
        known = replace(known, cash=known.cash.read(fact.asked_ms))
        return replace(state, standing=known, cash_log=log.answered(fact, state.now_ns))
    moved = standings.with_move(known, fact)
    if moved is known:
        return state
    wanted = state.read_wanted or "money came or went"
    return replace(state, standing=moved, cash_log=log.learning(fact), read_wanted=wanted)


def _link(state: State, fact: LinkUp | LinkDown) -> State:
    if isinstance(fact, LinkUp):
        lost = {link: why for link, why in state.links_lost.items() if link is not fact.link}
        up = replace(state, links={**state.links, fact.link: state.now_ns}, links_lost=lost)
        return replace(up, read_wanted="connected") if fact.link is Link.TRADING else up
    links = {link: at for link, at in state.links.items() if link is not fact.link}
    if fact.link is Link.TRADING:
        why = f"the trading connection was lost: {fact.reason}"
        state = replace(state, standing=news.cut_off(state.standing, why, _moment(state)))
    return replace(state, links=links, links_lost={**state.links_lost, fact.link: fact.reason})


def _commanded(state: State, fact: CommandGiven) -> State:
    known = latch.commanded(state.standing, fact, state.now_ms, state.now_ns)
    if known is state.standing:
        return state
    if fact.command is not Command.RESUME or latch.is_refused(fact):
        return replace(state, standing=known)
    return replace(state, standing=known, read_wanted="resumed", foreign="")


def _timer(state: State, fact: TimerFired) -> State:
    match fact.name:
        case "reconcile":
            return replace(state, read_wanted=state.read_wanted or "timer")
        case "reload-instruments":
            return replace(state, reload_wanted=fact.name)
        case "expiry-roll":
            return replace(
                state, reload_wanted=fact.name, read_wanted=state.read_wanted or fact.name
            )
        case _:
            return state


def is_settled(state: State) -> bool:
    """Whether nothing is open: no order, no difference, nothing held that is not listed."""
    return settled(state.standing, state.reported, state.instruments)


def differing(state: State) -> Differences:
    """Return the instruments whose position at the venue is not what we hold it to be."""
    return differences(state.reported, state.standing.positions, state.instruments)
