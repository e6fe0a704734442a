"""What was traded, counted against what may be: turnover, fees, reversals, orders that repeat.

Only fills of our own orders count, on what books are hedged with. They are counted from the fills
themselves, apart from every number that hedges are decided on, so that a fault there shows here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core import tally
from bot.core.events import Fact, FillSeen
from bot.core.immutable import remembered, remembered_while
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.orders import OrderPolicy
from bot.core.safety import SafetyPolicy
from bot.core.standing import Standing, open_orders
from bot.core.state import Judgement, Mode, State
from bot.core.tally import DAY, HOUR, NOTHING, REST, Span, Spree, Tally, Try

TURNOVER, FEES, REVERSALS = "turnover", "fees", "reversals "
MONEY = frozenset({TURNOVER, FEES})
UNCOUNTED_MAX = 200  # fills that wait for their instrument's terms; the oldest are let go
MOVE_EXPLAINS = 0.01  # the market ran away that far: then hedging again and again is no fault
NEARER_MIN = 0.1  # of what was traded must show in the delta that hedges are decided on
CLEARS = "a person resumes"


def counted(before: State, state: State, facts: Sequence[Fact], policy: OrderPolicy) -> State:
    """Count the fills of this fold that were not seen before.

    Those of an instrument whose terms are not known yet, as after a restart, are counted when they
    are: what a size is worth is not guessed.
    """
    waiting = state.standing.uncounted
    if not waiting and state.counts.fills == before.counts.fills:
        return state
    known = before.standing.trades_seen
    fresh = {
        fact.trade_id: fact
        for fact in reversed(facts)
        if isinstance(fact, FillSeen) and fact.trade_id not in known
    }
    standing, left = state.standing, list[FillSeen]()
    for fact in (*waiting, *reversed(fresh.values())):
        terms = state.instruments.get(fact.instrument)
        if not _is_ours(fact.order_id, state, policy):
            continue
        if terms is None:
            left.append(fact)
        elif terms.kind is not Kind.OPTION:
            standing = _filled(standing, fact, terms, state.now_ms)
    if len(left) != len(waiting) or fresh:
        standing = replace(standing, uncounted=tuple(left)[-UNCOUNTED_MAX:])
    return state if standing is state.standing else replace(state, standing=standing)


def _filled(known: Standing, fact: FillSeen, terms: Instrument, now_ms: int) -> Standing:
    fee_usd = fact.fee * (fact.price if terms.settlement is Settlement.INVERSE else 1.0)
    tallies = dict(known.tallies)
    turnover_usd = usd_of(terms, fact.size_native, fact.price)
    _add(tallies, TURNOVER, turnover_usd, HOUR, now_ms)
    _add(tallies, FEES, fee_usd, DAY, now_ms)
    before = known.sprees.get(terms.name, REST)
    after = tally.executed(before, fact.order_id, fact.size_native)
    if before.traded and before.traded != after.traded:
        _add(tallies, REVERSALS + terms.name, 1.0, HOUR, now_ms)
    order = known.orders.get(fact.order_id)
    if order is not None and abs(order.filled_native) > abs(order.size_native):
        stuck = f"order {order.order_id} was filled {order.filled_native} of {order.size_native}"
        after = replace(after, stuck=stuck)
    return replace(known, tallies=tallies, sprees={**known.sprees, terms.name: after})


def _add(tallies: dict[str, Tally], name: str, amount: float, span: Span, now_ms: int) -> None:
    tallies[name] = tally.added(tallies.get(name, NOTHING), amount, span, now_ms)


def usd_of(terms: Instrument, size_native: Decimal, price_usd: float) -> float:
    """Return what a size is worth in US dollars, without sign."""
    size = abs(float(size_native))
    return size if terms.is_usd_sized else size * price_usd


def trouble(state: State, policy: SafetyPolicy) -> Judgement | None:
    """Return the stop that what was traded asks for, if there is one."""
    if not state.standing.tallies:
        return None
    return _spent("account", state.now_ms, state.standing.tallies, policy).judgement


def stuck_trouble(known: Standing) -> Judgement | None:
    """Return the stop that orders which repeat ask for, if they did."""
    return _stuck(known.sprees) if known.sprees else None


@remembered
def _stuck(sprees: Mapping[str, Spree]) -> Judgement | None:
    for name, spree in sorted(sprees.items()):
        if spree.stuck:
            reason = f"{name}: {spree.stuck}"
            return Judgement(mode=Mode.HOLD, reason=reason, clears=CLEARS)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spent:
    """What the sums ask for, which holds until one of them falls."""

    judgement: Judgement | None
    since_ms: float
    until_ms: float


@remembered_while
def _spent(now_ms: int, tallies: Mapping[str, Tally], policy: SafetyPolicy) -> _Spent:
    ends_ms = [
        end_ms
        for name, kept in tallies.items()
        if (end_ms := tally.falls_ms(kept, _span(name), now_ms)) is not None
    ]
    until_ms = min(ends_ms, default=float("inf"))
    return _Spent(judgement=_over(now_ms, tallies, policy), since_ms=now_ms, until_ms=until_ms)


def _span(name: str) -> Span:
    return DAY if name == FEES else HOUR


def _over(now_ms: int, tallies: Mapping[str, Tally], policy: SafetyPolicy) -> Judgement | None:
    """Return the stop for the first sum that has reached its limit."""
    for name, kept in sorted(tallies.items()):
        most, words = _limit(name, policy)
        used = tally.total(kept, _span(name), now_ms)
        if used >= most:
            times = "once" if used == 1.0 else f"{used:,.0f} times"
            instrument = name.removeprefix(REVERSALS)
            what = words.format(used=used, times=times, most=most, instrument=instrument)
            counts = "the sum falls" if name in MONEY else "they fall"
            clears = f"{counts} below {most:,.0f}, or a person resumes"
            return Judgement(mode=Mode.HOLD, reason=what, clears=clears)
    return None


def _limit(name: str, policy: SafetyPolicy) -> tuple[float, str]:
    """Return the limit of a sum, and how it is said that it was reached."""
    if name == TURNOVER:
        words = "turnover of {used:,.0f} USD in the last hour, limit {most:,.0f}"
        return policy.turnover_per_hour_max_usd, words
    if name == FEES:
        words = "fees of {used:,.2f} USD in the last day, limit {most:,.2f}"
        return policy.fees_per_day_max_usd, words
    words = "{instrument}: changed direction {times} in the last hour, limit {most:.0f}"
    return float(policy.reversals_per_hour_max), words


def used_usd(state: State, name: str) -> float:
    """Return turnover of the last hour or fees of the last day, orders in flight counted whole."""
    used = tally.total(state.standing.tallies.get(name, NOTHING), _span(name), state.now_ms)
    for order in open_orders(state.standing.orders):
        terms = state.instruments.get(order.instrument)
        if terms is not None:
            usd = usd_of(terms, order.remaining_native, float(order.limit))
            used += usd * (float(terms.taker_fee) if name == FEES else 1.0)
    return used


def repeat_trouble(
    state: State,
    name: str,
    size_native: Decimal,
    now: Try,
    coin_per_native: float,
    policy: SafetyPolicy,
) -> str | None:
    """Say that orders one way do not bring the books nearer to their targets, or None.

    So it looks when fills are not counted where hedges are decided. Not when the market has run
    away from the hedges: then the next one is due.

    Args:
        state: What is known.
        name: The hedge instrument.
        size_native: What is wanted of it now, signed.
        now: When, and how far the books are from their targets.
        coin_per_native: The delta of one native unit.
        policy: The limits.
    """
    spree = state.standing.sprees.get(name, REST)
    if (size_native > 0) is not (spree.direction > 0) or not spree.tries:
        return None
    if not _ran_away(now.index_usd, spree.index_usd):
        most = policy.executed_over_wished_max * float(spree.wished_native)
        if float(spree.executed_native) > most:
            return (
                f"{spree.executed_native} was traded one way, {spree.wished_native} was wished "
                f"for, limit {policy.executed_over_wished_max:g} times"
            )
    since_ms = now.at_ms - policy.repeats_within_ms
    done = [one for one in spree.tries if one.filled and since_ms < one.at_ms <= now.at_ms]
    if len(done) < policy.repeats_max:
        return None
    first = done[-policy.repeats_max]
    traded_coin = float(spree.executed_native - first.executed_native) * coin_per_native
    nearer_coin = abs(first.deviation_coin) - abs(now.deviation_coin)
    if nearer_coin >= NEARER_MIN * traded_coin or _ran_away(now.index_usd, first.index_usd):
        return None
    return (
        f"{policy.repeats_max} orders one way in {(now.at_ms - first.at_ms) / 1000:.0f} s traded "
        f"{traded_coin:.4f} coin and brought delta {nearer_coin:+.4f} nearer to its target"
    )


def _ran_away(now_usd: float, then_usd: float) -> bool:
    return then_usd > 0.0 and abs(now_usd / then_usd - 1.0) > MOVE_EXPLAINS


def stuck(state: State, name: str, why: str) -> State:
    """Let no more orders go until a person resumes; the next fold holds."""
    spree = state.standing.sprees.get(name, REST)
    if spree.stuck:
        return state
    sprees = {**state.standing.sprees, name: replace(spree, stuck=why)}
    return replace(state, standing=replace(state.standing, sprees=sprees))


def wished(known: Standing, name: str, wish_native: Decimal, wanted: Try) -> Standing:
    """Note an order that is about to go, and what was wished for when it was."""
    spree = tally.wished(known.sprees.get(name, REST), wish_native, wanted)
    return replace(known, sprees={**known.sprees, name: spree})


def rested(state: State, names: Sequence[str]) -> State:
    """End the sprees on these instruments: their books are where they should be."""
    known = state.standing.sprees
    ended = {
        name: tally.rested(known[name])
        for name in names
        if name in known and known[name].tries and not known[name].stuck
    }
    if not ended:
        return state
    return replace(state, standing=replace(state.standing, sprees={**known, **ended}))


def forgiven(state: State, policy: SafetyPolicy) -> State:
    """Begin anew what a person has looked at: every sum at its limit, every spree."""
    known = state.standing
    tallies = {
        name: kept
        for name, kept in known.tallies.items()
        if tally.total(kept, _span(name), state.now_ms) < _limit(name, policy)[0]
    }
    sprees = {name: tally.rested(spree) for name, spree in known.sprees.items()}
    return replace(state, standing=replace(known, tallies=tallies, sprees=sprees))


def _is_ours(order_id: str, state: State, policy: OrderPolicy) -> bool:
    """Whether a label was made by this ledger's daemon, now or in an earlier run."""
    return order_id.startswith(policy.label_prefix + state.standing.instance)
