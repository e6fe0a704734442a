"""To get out of a large margin use: what lowers it most, order by order, where that is allowed.

| stage of margin | hedges that lower it | short options bought back |
|---|---|---|
| reduce-only, hold | as ever, by the books' bands | if `buy_back_options` |
| emergency | if `emergency_hedges`, before anything else | if `buy_back_options` |

Hedges go first, since they cost least; of options the one that lowers margin use most for each
dollar, as much of it as is needed to leave the stage. A next order waits for the last one's end and
for a balance that is younger. All else that an order passes holds for these as well, but for the
band and, of options, the spread that is allowed a hedge: that has a limit of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from bot.core import gate, instruments, placing, safety, sizing, units
from bot.core.actions import SubmitOrder
from bot.core.books import BookPolicy
from bot.core.events import QuoteSeen
from bot.core.hedger import Code, Decision, Verdict
from bot.core.instruments import Instrument, Kind
from bot.core.margin import gating_stages
from bot.core.margin.gating import nodes_of
from bot.core.margin.gating_stages import GatePolicy, Reached, Stage
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import Unmodelled
from bot.core.margin.nodes import Subject
from bot.core.margin.relief import Ground, Means, Offer, Relief, Wanted, ground_of, reliefs
from bot.core.orders import Share
from bot.core.sizing import Asked, DealPolicy, Need
from bot.core.standing import open_orders
from bot.core.state import Mode, State, differing
from bot.core.tally import Try

# Neither is a limit of risk, so neither has a key: the first keeps an emergency from sending orders
# whose fee is all that they move, the second a stage from being entered again by the next tick.
HEDGE_LOWERS_MIN: Final = 0.01  # of u: a hedge that does less is not worth an order
LEAVING: Final = 0.98  # of a threshold: where a stage is left for good
STAGES: Final = frozenset({Stage.REDUCE_ONLY, Stage.HOLD, Stage.EMERGENCY})


class Eased(NamedTuple):
    """The state with the order in it, the order, and what is said of the books it is for."""

    state: State
    action: SubmitOrder
    verdicts: Mapping[str, Decision]


def eased(
    state: State,
    books: Sequence[BookPolicy],
    needs: Mapping[str, Need],
    cap_bps: float,
    policy: DealPolicy,
) -> Eased | None:
    """Send what lowers margin use most, if it is so far that something must; else None.

    `needs` is what the books need of every hedge; `cap_bps` is the worst price of one, from the far
    side of the quote.
    """
    if not state.margin_warned:
        return None
    currencies = tuple(dict.fromkeys(book.currency for book in books))
    stages = gating_stages.reached(state.balances, state.margin_seen, policy.gate, currencies)
    for stage in stages:
        ours = [book for book in books if book.currency == stage.currency]
        if _acts(state, stage, stages, policy.gate) and not _waits(state, stage.currency):
            found = _sent(state, stage, ours, needs, cap_bps, policy)
            if found is not None:
                return found
    return None


def _acts(state: State, stage: Reached, stages: tuple[Reached, ...], policy: GatePolicy) -> bool:
    """Whether a stage asks for a trade, and nothing but margin keeps the daemon from trading."""
    if stage.stage not in STAGES:
        return False
    hedges = stage.stage is Stage.EMERGENCY and policy.emergency_hedges
    if not (hedges or policy.buy_back_options):
        return False
    if state.mode in (Mode.RUN, Mode.DEGRADED):
        return True
    asked = gating_stages.asked(stages)
    return asked is not None and state.mode is Mode.HOLD and state.mode_reason == asked.reason


def _waits(state: State, currency: str) -> bool:
    """Whether an order is not over yet, or a fill not in the balance, or a position odd."""
    balance, orders = state.balances.get(currency), state.standing.orders
    if balance is None or next(iter(differing(state)), None) is not None:
        return True
    if any(_settles_in(state, order.instrument, currency) for order in open_orders(orders)):
        return True
    told_ns = balance.arrived_ns
    unseen = [order.instrument for order in orders.values() if order.requested_ns >= told_ns]
    unseen += [name for name, arrived_ns in state.fills_ns.items() if arrived_ns > told_ns]
    return any(_settles_in(state, name, currency) for name in unseen)


def _settles_in(state: State, name: str, currency: str) -> bool:
    terms = state.instruments.get(name)
    return terms is not None and terms.currency == currency


def _sent(
    state: State,
    stage: Reached,
    books: Sequence[BookPolicy],
    needs: Mapping[str, Need],
    cap_bps: float,
    policy: DealPolicy,
) -> Eased | None:
    ground = _ground(state, stage.currency, books, policy)
    if ground is None or not _is_over(ground, policy.gate):
        return None
    for relief in _in_order(state, ground, stage, books, policy):
        asked = _asked(state, relief, ground, needs, cap_bps, policy)
        if relief.means is Means.HEDGE:
            size, _ = sizing.within(state, asked, policy.safety)
            asked = replace(asked, size_native=size)
        if _trouble(state, asked, policy) is None:
            return _placed(state, stage, asked, relief, books, policy)
    return None


def _ground(
    state: State, currency: str, books: Sequence[BookPolicy], policy: DealPolicy
) -> Ground | None:
    """Value the account; None without a fresh balance and fresh quotes."""
    hedges = {book.hedge_instrument for book in books if book.hedge_instrument in state.instruments}
    balance = gate.fresh_balance(state, currency)
    if isinstance(balance, str) or gate.stale_input(state, currency, hedges, policy.quotes):
        return None
    account = account_of(state, currency, also=hedges)
    subject = Subject(
        account=account,
        model=policy.model,
        balance=balance.margin_balance,
        equity=balance.equity,
    )
    made = ground_of(subject, nodes_of(policy.gate.stress))
    if isinstance(made, Unmodelled):
        return None
    excess = max(balance.maintenance_margin - made.now.valued.report.maintenance, 0.0)
    return replace(made, subject=replace(subject, excess=excess))


def _is_over(ground: Ground, policy: GatePolicy) -> bool:
    """Whether u, now or under stress, is still where something must be done."""
    now = ground.standing()
    stressed = policy.stressed_reduce_only
    return now.usage >= LEAVING * policy.reduce_only or (
        stressed is not None and now.stressed_usage >= LEAVING * stressed
    )


def _in_order(
    state: State,
    ground: Ground,
    stage: Reached,
    books: Sequence[BookPolicy],
    policy: DealPolicy,
) -> Iterator[Relief]:
    """Yield hedges that help, in an emergency, then options by what a dollar does."""
    stressed = policy.gate.stressed_reduce_only
    wanted = Wanted(
        usage=policy.gate.hold,
        stressed_usage=float("inf") if stressed is None else stressed,
        buy_back_options=policy.gate.buy_back_options,
    )
    hedges = {book.hedge_instrument for book in books}
    offers = _offers(state, ground, hedges, policy.gate.buy_back_spread_max)
    ranked = reliefs(ground, offers, wanted)
    if stage.stage is Stage.EMERGENCY and policy.gate.emergency_hedges:
        for one in ranked:
            if one.means is Means.HEDGE and one.lowered >= HEDGE_LOWERS_MIN:
                yield one
    yield from (one for one in ranked if one.means is Means.BUY_BACK)


def _offers(
    state: State, ground: Ground, hedges: set[str], spread_max: float
) -> Mapping[str, Offer]:
    """Return what can be traded: the hedges, and options that are quoted near their mark."""
    found: dict[str, Offer] = {}
    for pair in ground.subject.account.pairs:
        for name in pair.names:
            terms, quote = state.instruments[name], state.quotes.get(name)
            if quote is None or quote.mark is None:
                continue
            if terms.kind is Kind.OPTION:
                unit = pair.index_usd if pair.is_linear else 1.0
                if quote.ask is None or quote.ask - quote.mark > spread_max * unit:
                    continue
            elif name not in hedges:
                continue
            found[name] = Offer(
                terms=terms,
                bid=quote.bid,
                ask=quote.ask,
                mark=quote.mark,
                ask_size_native=quote.ask_size_native,
            )
    return found


def _asked(
    state: State,
    relief: Relief,
    ground: Ground,
    needs: Mapping[str, Need],
    cap_bps: float,
    policy: DealPolicy,
) -> Asked:
    """Put together what is asked for: no more than is needed, and than one order may be."""
    terms, quote = state.instruments[relief.instrument], state.quotes[relief.instrument]
    assert quote.index_usd is not None, "apply admits no quote without an index"
    share = 1.0 if relief.means is Means.HEDGE else _needed_share(ground, relief, policy.gate)
    usd = abs(relief.size_coin) * quote.index_usd
    share = min(share, policy.safety.order_max_usd / usd)
    lots = units.to_lots(float(abs(relief.size_native)) * share, terms.lot)
    size = max(lots, terms.size_min).copy_sign(relief.size_native)
    return Asked(
        hedge=terms,
        quote=quote,
        size_native=size,
        limit=_limit(terms, quote, size, cap_bps),
        noted=Try(
            order_id=placing.next_id(state, policy.orders),
            at_ms=state.now_ms,
            deviation_coin=relief.size_coin,
            index_usd=quote.index_usd,
        ),
        coin_per_native=relief.size_coin / float(relief.size_native),
        need=needs.get(terms.name, Need()),
        hedges=frozenset(needs),
    )


def _needed_share(ground: Ground, relief: Relief, policy: GatePolicy) -> float:
    """Return which part of a trade brings the u that counts back under its threshold, or all."""
    now = relief.before
    over = now.usage - LEAVING * policy.reduce_only
    if policy.stressed_reduce_only is not None:
        over = max(over, now.stressed_usage - LEAVING * policy.stressed_reduce_only)
    graded = relief.lowered if relief.lowered > 0.0 else over
    return min(1.0, max(over / graded, 0.0) + 0.05) if ground.grade() < 10.0 else 1.0


def _limit(terms: Instrument, quote: QuoteSeen, size: Decimal, cap_bps: float) -> Decimal:
    """Return the worst price: of an option that is bought two ticks above what is asked."""
    if terms.kind is not Kind.OPTION:
        return sizing.worst_price(terms, quote, size, cap_bps)
    assert quote.ask is not None, "an option without an ask is no offer"
    tick = float(instruments.tick_at(terms, units.exact(quote.ask)))
    return instruments.cap_price(terms, quote.ask + 2.0 * tick, 1)


def _trouble(state: State, asked: Asked, policy: DealPolicy) -> str | None:
    """Say why no order may go on an instrument now, or None."""
    if abs(asked.size_native) < asked.hedge.size_min:
        return f"no limit leaves room for {asked.hedge.size_min} {asked.hedge.name}"
    if asked.hedge.kind is not Kind.OPTION:
        return sizing.trouble(state, asked, policy)
    return (
        safety.clock_trouble(asked.quote, state, policy.orders.lifetime_ns)
        or safety.rate_trouble(state, policy.safety)
        or sizing.rejected_lately(state, asked.hedge.name)
        or safety.account_trouble(state, asked.hedge, policy.safety)
    )


def _placed(
    state: State,
    stage: Reached,
    asked: Asked,
    relief: Relief,
    books: Sequence[BookPolicy],
    policy: DealPolicy,
) -> Eased:
    is_option, first = asked.hedge.kind is Kind.OPTION, books[0].name
    shares = () if is_option else (Share(book=first, size_native=asked.size_native),)
    state, order = placing.placed(
        state, asked, asked.size_native, shares, policy.orders, reduce_only=is_option
    )
    reason = (
        f"{stage.words}; {relief.means} {asked.size_native:+} {asked.hedge.name}: all of "
        f"{relief.size_native:+} takes u from {relief.before.usage:.1%} to "
        f"{relief.after.usage:.1%}, at {relief.after.node} from "
        f"{relief.before.stressed_usage:.1%} to {relief.after.stressed_usage:.1%}, "
        f"for {relief.cost_usd:,.0f} USD"
    )
    verdicts = {
        book.name: Decision(
            book=book.name,
            at_ms=state.now_ms,
            verdict=Verdict.HEDGE,
            code=Code.MARGIN,
            reason=reason,
            numbers={
                "u_before": relief.before.usage,
                "u_after_all": relief.after.usage,
                "stressed_u_before": relief.before.stressed_usage,
                "stressed_u_after_all": relief.after.stressed_usage,
                "sent_native": float(asked.size_native),
            },
            order_id=order.order_id,
        )
        for book in books
    }
    return Eased(state=state, action=order, verdicts=verdicts)
