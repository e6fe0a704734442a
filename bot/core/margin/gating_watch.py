"""Our margin against the venue's at every balance, and how the account would bear the stress.

The venue tells what it holds the account to; we reckon the same from positions and quotes. What
differs for long is a mistake of ours, another margin model than is configured, or parameters that
the venue has changed: whichever it is, the projections are wrong by as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.core import units
from bot.core.columns import Stamps
from bot.core.events import BalanceSeen
from bot.core.exposure import futures_held, hedge_trouble, stale_leg
from bot.core.margin.account import Account
from bot.core.margin.gating import Told, scene_of
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import Model, Unmodelled, valued
from bot.core.margin.report import Report
from bot.core.quotes import QuotePolicy
from bot.core.reported import MarginSeen
from bot.core.state import Judgement, Mode, State

STRESS_EVERY_NS = units.NS_PER_SECOND
SMALL = 1e-3  # of the margin balance: what is less is no measure of a gap


def watched(
    state: State,
    told: Mapping[str, BalanceSeen],
    currencies: Sequence[str],
    policy: GatePolicy,
    model: Model,
    quotes: QuotePolicy,
) -> State:
    """Reckon anew for each balance that was told, once it is known what the account holds."""
    if state.mode is Mode.RECONCILING:
        return state
    seen = dict(state.margin_seen)
    for currency in currencies:
        if currency in told:
            known = seen.get(currency, MarginSeen())
            seen[currency] = _seen(state, told[currency], known, policy, model, quotes)
    return replace(state, margin_seen=seen)


def _seen(
    state: State,
    balance: BalanceSeen,
    known: MarginSeen,
    policy: GatePolicy,
    model: Model,
    quotes: QuotePolicy,
) -> MarginSeen:
    trouble = stale(state, balance.currency, quotes)
    if trouble is not None:
        return replace(known, failure=trouble)
    account = account_of(state, balance.currency)
    made = valued(model, account)
    if isinstance(made, Unmodelled):
        return replace(known, failure=made.reason)
    beside = others_rest(state, balance.currency)
    found = replace(known, failure="", beside=beside, doubts=made.report.doubts)
    if quoted_with(state, balance.currency, balance.arrived_ns, policy):
        found = _compared(state, balance, found, made.report, policy)
    last_ns = known.stressed_ns
    if last_ns is None or state.now_ns - last_ns >= STRESS_EVERY_NS:
        found = _stressed(state, account, balance, found, policy, model)
    return found


def stale(state: State, currency: str, quotes: QuotePolicy) -> str | None:
    """Name what settles in a currency and has no good, fresh quote, or None."""
    for terms in futures_held(state.standing.positions, state.instruments):
        trouble = hedge_trouble(state, terms.name, quotes) if terms.currency == currency else None
        if trouble is not None:
            return trouble
    return stale_leg(state, state.table, _live(state, currency), quotes)


def _live(state: State, currency: str) -> Stamps:
    held = state.table.held
    ours = held.settling_in(currency)
    return ours[held.expiry_ms[ours] > state.now_ms]


def quoted_with(
    state: State,
    currency: str,
    at_ns: int,
    policy: GatePolicy,
    also: frozenset[str] = frozenset(),
) -> bool:
    """Whether every quote of what is held, and of `also`, arrived close enough to a moment."""
    most_ns = policy.gap_skew_max_ns
    quoted_ns = state.table.quoted_ns[_live(state, currency)]
    if len(quoted_ns) and max(at_ns - int(quoted_ns.min()), int(quoted_ns.max()) - at_ns) > most_ns:
        return False
    held = futures_held(state.standing.positions, state.instruments)
    names = also.union(terms.name for terms in held if terms.currency == currency)
    return all(
        name in state.quotes and abs(state.quotes[name].arrived_ns - at_ns) <= most_ns
        for name in names
    )


def others_rest(state: State, currency: str) -> str:
    """Say that somebody else's orders rest in a currency, or return nothing.

    The venue counts them in the initial margin, and we do not; to the maintenance they add nothing.
    """
    listed = (state.instruments.get(name) for name in state.others.values())
    count = sum(terms is None or terms.currency == currency for terms in listed)
    if not count:
        return ""
    orders = f"{count} orders of somebody else rest" if count > 1 else "an order of another rests"
    return f"{orders}: maintenance alone is compared"


def _compared(
    state: State, balance: BalanceSeen, known: MarginSeen, ours: Report, policy: GatePolicy
) -> MarginSeen:
    gap = gap_of(ours.maintenance, balance.maintenance_margin, balance.margin_balance)
    if not known.beside:
        initial = gap_of(ours.initial, balance.initial_margin, balance.margin_balance)
        gap = max(initial, gap, key=abs)
    since_ns = None
    if abs(gap) > policy.gap_max:
        since_ns = state.now_ns if known.gap_since_ns is None else known.gap_since_ns
    return replace(
        known,
        compared_ns=state.now_ns,
        initial=ours.initial,
        maintenance=ours.maintenance,
        gap=gap,
        gap_since_ns=since_ns,
    )


def gap_of(ours: float, venues: float, balance: float) -> float:
    """Return how much more we reckon than the venue, as a share of what it says."""
    return (ours - venues) / max(venues, SMALL * abs(balance), 1e-9)


def _stressed(
    state: State,
    account: Account,
    balance: BalanceSeen,
    known: MarginSeen,
    policy: GatePolicy,
    model: Model,
) -> MarginSeen:
    told = Told(
        balance=balance.margin_balance,
        initial=balance.initial_margin,
        maintenance=balance.maintenance_margin,
    )
    scene = scene_of(account, model, policy.stress, told)
    if isinstance(scene, Unmodelled):
        return replace(known, failure=scene.reason)
    worst = scene.after({}, 0.0).stressed
    return replace(
        known,
        stressed_ns=state.now_ns,
        node=worst.node,
        node_maintenance=worst.maintenance,
        node_balance=worst.balance,
        stressed_usage=worst.usage,
    )


def trouble(
    margin_seen: Mapping[str, MarginSeen], policy: GatePolicy, model: Model
) -> Judgement | None:
    """Ask for care while our requirement differs from the venue's for too long."""
    for currency, seen in margin_seen.items():
        # Judged between two reports of the venue: one old figure must not age into a gap.
        since_ns, at_ns = seen.gap_since_ns, seen.compared_ns
        if since_ns is None or at_ns is None or at_ns - since_ns <= policy.gap_grace_ns:
            continue
        reason = (
            f"own {currency} margin ({model.name}: initial {seen.initial:.4f}, maintenance "
            f"{seen.maintenance:.4f}) differs from the venue's by {seen.gap:+.1%}, "
            f"limit {policy.gap_max:.0%}"
        )
        return Judgement(mode=Mode.DEGRADED, reason=reason, clears="both agree again")
    return None
