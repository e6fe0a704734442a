"""From the state to what is shown of it: pure functions, no arithmetic of their own but units."""

from collections.abc import Mapping, Sequence
from math import isfinite

from bot.core import attribution, flatten, ladder, units
from bot.core.dealing import BookPlan
from bot.core.engine import Step
from bot.core.events import BalanceSeen, Link
from bot.core.exposure import Exposure, Unpriced
from bot.core.hedger import Code, Decision, deviation_coin
from bot.core.margin import second_opinion
from bot.core.orders import Order, OrderStatus
from bot.core.reported import MarginSeen
from bot.core.state import State
from bot.dashboard import words
from bot.dashboard.models import (
    BalanceShown,
    BookExplained,
    BookShown,
    CountsShown,
    DecisionShown,
    Explanation,
    GapShown,
    GreeksShown,
    LinkShown,
    ModeShown,
    OrderShown,
    PnlShown,
    PositionShown,
    QuoteShown,
    SecondOpinionShown,
)
from bot.dashboard.triggers import triggers

UNCERTAIN = frozenset({OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE})


def mode(state: State, reason: str = "") -> ModeShown:
    """Show the mode, its reason or another `reason` in its place, and what clears it."""
    return ModeShown(
        name=state.mode.value,
        reason=reason or state.mode_reason,
        clears=state.mode_clears,
        since_ms=state.mode_since_ms,
        paused=state.standing.pause_reason,
        halted=state.standing.halt_reason,
    )


def mode_reason(step: Step) -> str:
    """Say why it is in its mode; while hedges are being closed, also what keeps one from it.

    Who has ordered to flatten reads this line first, and must not have to look for why nothing
    happens.
    """
    kept = (one for one in step.verdicts.values() if one.code is Code.FLATTEN and not one.order_id)
    waits = " · ".join(dict.fromkeys(one.reason for one in kept))
    return waits if waits and flatten.is_on(step.state) else step.state.mode_reason


def decision(made: Decision) -> DecisionShown:
    """Show one decision."""
    return DecisionShown(
        book=made.book,
        at_ms=made.at_ms,
        verdict=made.verdict.value,
        code=made.code.value,
        reason=made.reason,
        numbers=dict(made.numbers),
        order_id=made.order_id,
    )


def books(step: Step, plans: Sequence[BookPlan]) -> list[BookShown]:
    """Show every configured book."""
    return [book(step, plan) for plan in plans]


def book(step: Step, plan: BookPlan) -> BookShown:
    """Show one book: where its delta is, where it should be, what was decided and why."""
    name, instrument = plan.book.name, plan.book.hedge_instrument
    seen = step.exposures.get(name, Unpriced(reason="not valued yet"))
    made = step.verdicts.get(name)
    priced = seen if isinstance(seen, Exposure) else None
    held = step.state.standing.holdings.get(name, {}).get(instrument, units.ZERO)
    return BookShown(
        name=name,
        convention=plan.book.convention.value,
        underlying=plan.book.selector.underlying,
        currency=plan.book.currency,
        hedge_instrument=instrument,
        hedge_native=float(held),
        target_coin=plan.hedge.target_coin,
        band_coin=(plan.hedge.band_low_coin, plan.hedge.band_high_coin),
        ratio_percent=plan.hedge.ratio * 100.0,
        deviation_coin=deviation_coin(priced, plan.hedge) if priced else None,
        unpriced=seen.reason if isinstance(seen, Unpriced) else None,
        greeks=_greeks(priced) if priced else None,
        decision=decision(made) if made else None,
        triggers=triggers(priced, plan) if priced else [],
    )


def _greeks(seen: Exposure) -> GreeksShown:
    return GreeksShown(
        delta_coin=seen.delta_coin,
        delta_low_coin=seen.delta_low_coin,
        delta_high_coin=seen.delta_high_coin,
        options_delta_coin=seen.options_delta_coin,
        hedge_delta_coin=seen.hedge_delta_coin,
        equity_delta_coin=seen.equity_delta_coin,
        gamma_coin_per_percent=seen.gamma_coin_per_percent,
        vega_usd_per_vol_point=seen.vega_usd_per_vol_point,
        theta_usd_per_day=seen.theta_usd_per_day,
        options_value_coin=seen.options_value_coin,
        options_held=seen.options_held,
        index_usd=seen.index_usd,
        hedge_mark_usd=seen.hedge_mark_usd,
    )


def positions(state: State) -> list[PositionShown]:
    """Show our positions and what the venue says of each."""
    reported = {name: float(seen.row.size_native) for name, seen in state.reported.items()}
    ours = {name: float(size) for name, size in state.standing.positions.items()}
    return [
        PositionShown(
            instrument=name, size_native=ours.get(name, 0.0), venue_size_native=reported.get(name)
        )
        for name in sorted(ours.keys() | {name for name, size in reported.items() if size})
    ]


def open_orders(state: State) -> list[OrderShown]:
    """Show the orders of which something is still expected."""
    return [
        _order(order, state.now_ns)
        for order in state.standing.orders.values()
        if not order.is_quiet
    ]


def _order(order: Order, now_ns: int) -> OrderShown:
    return OrderShown(
        order_id=order.order_id,
        instrument=order.instrument,
        size_native=float(order.size_native),
        filled_native=float(order.filled_native),
        limit=float(order.limit),
        status=order.status.value,
        reason="; ".join(part for part in (order.reason, ladder.words(order)) if part),
        age_seconds=_seconds(now_ns - order.requested_ns),
        valid_until_ms=order.valid_until_ms,
        books={share.book: float(share.size_native) for share in order.shares},
    )


def unknown_orders(state: State) -> int:
    """Count the orders whose fate is not known."""
    return sum(order.status in UNCERTAIN for order in state.standing.orders.values())


def balances(state: State) -> list[BalanceShown]:
    """Show the account's money in each currency."""
    return [_balance(seen, state) for _, seen in sorted(state.balances.items())]


def _balance(seen: BalanceSeen, state: State) -> BalanceShown:
    positive, ours = seen.margin_balance > 0.0, state.margin_seen.get(seen.currency)
    bears = ours is not None and ours.stressed_ns is not None and isfinite(ours.stressed_usage)
    return BalanceShown(
        currency=seen.currency,
        equity=seen.equity,
        margin_balance=seen.margin_balance,
        available_funds=seen.available_funds,
        initial_margin=seen.initial_margin,
        maintenance_margin=seen.maintenance_margin,
        margin_use=seen.maintenance_margin / seen.margin_balance if positive else None,
        stressed_use=ours.stressed_usage if ours is not None and bears else None,
        stressed_at="" if ours is None else ours.node,
        margin_gap=None if ours is None or ours.compared_ns is None else ours.gap,
        margin_doubt="" if ours is None else ours.failure or ours.beside,
        second_opinion=_second_opinion(ours or MarginSeen(), state),
        venue_delta_coin=seen.delta_total_coin,
        age_seconds=_seconds(state.now_ns - seen.arrived_ns),
    )


def _second_opinion(ours: MarginSeen, state: State) -> SecondOpinionShown:
    """Show the opinion that ours is furthest from, and how long ago one was compared."""
    told = list(ours.opinions.values())
    worst = max(told, key=lambda one: abs(one.gap), default=None)
    age_ns = state.now_ns - max((one.compared_ns for one in told), default=0)
    return SecondOpinionShown(
        of="" if worst is None else second_opinion.supposed(worst.trades),
        gap=None if worst is None else worst.gap,
        apart=None if worst is None else worst.apart,
        age_seconds=_seconds(age_ns) if told else None,
        doubt=state.consulted.absent or ours.opinion_failure or ours.beside,
    )


def links(state: State) -> list[LinkShown]:
    """Show both connections to the venue."""
    shown = []
    for link in Link:
        since_ns = state.links.get(link)
        up_seconds = None if since_ns is None else _seconds(state.now_ns - since_ns)
        lost = state.links_lost.get(link, "")
        is_up = since_ns is not None
        shown.append(
            LinkShown(
                link=link.value,
                guard="cancel-on-disconnect" if is_up and link is Link.TRADING else "",
                up=is_up,
                up_seconds=up_seconds,
                lost=lost,
            )
        )
    return shown


def quotes(state: State) -> list[QuoteShown]:
    """Show the last good quote of each watched instrument, and its age."""
    shown = []
    for name in sorted(state.watched):
        seen = state.quotes.get(name)
        shown.append(
            QuoteShown(
                instrument=name,
                age_seconds=_seconds(state.now_ns - seen.arrived_ns) if seen else None,
                bid=seen.bid if seen else None,
                ask=seen.ask if seen else None,
                mark=seen.mark if seen else None,
                bad=state.bad_quotes.get(name, ""),
            )
        )
    return shown


def counts(state: State) -> CountsShown:
    """Show the counters."""
    seen = state.counts
    return CountsShown(
        folds=state.folds,
        quotes=seen.quotes,
        bad_quotes=seen.bad_quotes,
        bad_messages=seen.bad_messages,
        fills=seen.fills,
        rejects=seen.rejects,
        refusals=dict(seen.refusals),
        orders_in_ledger=state.standing.orders_sent,
    )


def pnl(state: State, currency: str) -> PnlShown | None:
    """Show where the money came from since the ledger began, None while a position has no mark."""
    seen = attribution.pnl_of(state, currency)
    if seen is None:
        return None
    return PnlShown(
        currency=currency,
        options=seen.options,
        hedge=seen.hedge,
        fees=seen.fees,
        funding=seen.funding,
        total=seen.total,
        moved=float(attribution.moved(state, currency)),
    )


def pnls(state: State, currencies: Sequence[str]) -> list[PnlShown]:
    """Show it for every currency in which it is known."""
    shown = (pnl(state, currency) for currency in currencies)
    return [one for one in shown if one is not None]


def delta_gaps(state: State) -> list[GapShown]:
    """Show how far our delta is from each figure of the venue."""
    return [
        GapShown(
            figure=figure,
            gap_coin=gap.gap_coin,
            too_far_seconds=None if gap.since_ns is None else _seconds(gap.seen_ns - gap.since_ns),
            age_seconds=_seconds(state.now_ns - gap.seen_ns),
            reading=gap.reading,
        )
        for figure, gap in sorted(state.gaps.items())
    ]


def explanation(
    step: Step, plans: Sequence[BookPlan], last_hedges: Mapping[str, Decision]
) -> Explanation:
    """Say for every book what is decided now, why, and when it last hedged."""
    state = step.state
    shown: Mapping[str, BookShown] = {book.name: book for book in books(step, plans)}
    return Explanation(
        source="daemon",
        at_ms=state.now_ms,
        mode=state.mode.value,
        mode_reason=mode_reason(step),
        mode_clears=state.mode_clears,
        pending="",
        books=[
            BookExplained(
                book=name,
                decision=seen.decision,
                last_hedge=decision(last_hedges[name]) if name in last_hedges else None,
                words=_words(step, seen, last_hedges.get(name)),
                triggers=seen.triggers,
            )
            for name, seen in shown.items()
        ],
    )


def _words(step: Step, seen: BookShown, last: Decision | None) -> list[str]:
    hedged = decision(last) if last is not None else None
    now_ms, mode_name = step.state.now_ms, step.state.mode.value
    return words.sentences(seen, hedged, now_ms=now_ms, mode=mode_name)


def _seconds(wire_ns: int) -> float:
    return wire_ns / units.NS_PER_SECOND
