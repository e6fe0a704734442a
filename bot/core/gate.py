"""Margin before action: what the account would look like after an order filled completely.

The local model gives the change; the venue's own figures give the level. An order that lowers both
requirements always passes; any other must leave maintenance margin under the stages and initial
margin under the balance. No projection, no order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import units
from bot.core.events import BalanceSeen
from bot.core.exposure import futures_held, hedge_trouble, stale_leg
from bot.core.immutable import remembered
from bot.core.instruments import Instrument, Settlement
from bot.core.margin import deribit_standard
from bot.core.margin.deribit_standard import Rates, Requirement
from bot.core.quotes import QuotePolicy
from bot.core.state import Judgement, Mode, State

TRIM_STEPS = 24
BALANCE_AGE_MAX_NS = 2 * 60 * units.NS_PER_SECOND  # pushed with every change, read twice a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Stages of u = maintenance margin / margin balance, rising, each in (0, 1).

    At `warn` a person is told; from `reduce_only` on only orders that lower the requirement pass;
    from `hold` on none is sent. `funds_buffer` is the share of the margin balance that an order
    must leave free.
    """

    warn: float = 0.5
    reduce_only: float = 0.7
    hold: float = 0.85
    funds_buffer: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The order may go as asked."""

    size_native: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimmed:
    """A smaller order may go."""

    size_native: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No order may go."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The account before and after an order, in its settlement currency."""

    before: Requirement
    after: Requirement
    currency: str
    balance: float
    initial_now: float
    maintenance_now: float
    fee: float

    @property
    def reduces(self) -> bool:
        """Whether the order lowers what the account must hold."""
        less = self.after.initial <= self.before.initial
        return less and self.after.maintenance <= self.before.maintenance

    @property
    def initial_after(self) -> float:
        """Initial margin after the fill."""
        return self.initial_now + self.after.initial - self.before.initial

    @property
    def maintenance_after(self) -> float:
        """Maintenance margin after the fill."""
        return self.maintenance_now + self.after.maintenance - self.before.maintenance

    @property
    def usage_after(self) -> float:
        """Maintenance margin over margin balance after the fill and its fee."""
        return usage(self.maintenance_after, self.balance - self.fee)


def usage(maintenance: float, balance: float) -> float:
    """Return u, the share of the margin balance that maintenance takes.

    Infinite where there is no balance for it, and nothing where nothing is needed.
    """
    if maintenance <= 0.0 <= balance:
        return 0.0
    return maintenance / balance if balance > 0.0 else math.inf


def project(
    state: State, hedge: Instrument, size_native: Decimal, rates: Rates, quotes: QuotePolicy
) -> Projection | Refused:
    """Work out the account after `size_native` more of `hedge`; Refused without prices."""
    currency = hedge.currency
    balance = state.balances.get(currency)
    if balance is None:
        return Refused(reason=f"no margin projection: the {currency} balance is not known")
    age_ns = state.now_ns - balance.arrived_ns
    if age_ns > BALANCE_AGE_MAX_NS:
        age = f"{age_ns / units.NS_PER_SECOND:.0f} s old"
        return Refused(reason=f"no margin projection: the {currency} balance is {age}")
    ours = state.table.held.settling_in(currency)
    live = ours[state.table.held.expiry_ms[ours] > state.now_ms]
    trouble = hedge_trouble(state, hedge.name, quotes) or stale_leg(
        state, state.table, live, quotes
    )
    if trouble is not None:
        return Refused(reason=f"no margin projection: {trouble}")
    options = deribit_standard.of_options(state.table, currency, rates)
    before = _required(state, hedge, units.ZERO, options, rates)
    after = _required(state, hedge, size_native, options, rates)
    if before is None or after is None:
        return Refused(reason="no margin projection: a position has no mark")
    return _projection(state, hedge, size_native, balance, (before, after))


def _projection(
    state: State,
    hedge: Instrument,
    size_native: Decimal,
    balance: BalanceSeen,
    requirements: tuple[Requirement, Requirement],
) -> Projection:
    before, after = requirements
    mark = state.quotes[hedge.name].mark
    assert mark is not None, "apply admits no quote without a mark"
    coins = abs(float(size_native)) / (mark if hedge.is_usd_sized else 1.0)
    worth = coins * mark if hedge.settlement is Settlement.LINEAR else coins
    return Projection(
        before=before,
        after=after,
        currency=hedge.currency,
        balance=balance.margin_balance,
        initial_now=max(balance.initial_margin, before.initial),
        maintenance_now=max(balance.maintenance_margin, before.maintenance),
        fee=worth * float(hedge.taker_fee),
    )


def _required(
    state: State, hedge: Instrument, more: Decimal, options: Requirement, rates: Rates
) -> Requirement | None:
    """Return what the currency's positions need after `more` of the hedge; None without a mark."""
    total, held = options, futures_held(state.standing.positions, state.instruments)
    for name in sorted({terms.name for terms in held} | {hedge.name}):
        terms = state.instruments[name]
        if terms.currency != hedge.currency:
            continue
        quote = state.quotes.get(name)
        if quote is None or quote.mark is None:
            return None
        size = state.standing.positions.get(name, units.ZERO)
        size += more if name == hedge.name else units.ZERO
        total += deribit_standard.of_future(terms, float(size), quote.mark, rates)
    return total if math.isfinite(total.initial) and math.isfinite(total.maintenance) else None


def trouble_of(projection: Projection, policy: GatePolicy) -> str | None:
    """Say which limit an order would break, with its arithmetic, or None."""
    if projection.reduces:
        return None
    u = projection.usage_after
    if u >= policy.reduce_only:
        return (
            f"{projection.currency} maintenance {projection.maintenance_after:.4f} / balance "
            f"{projection.balance - projection.fee:.4f} = {u:.1%} after the fill, "
            f"limit {policy.reduce_only:.0%}"
        )
    free = projection.balance - projection.fee - projection.initial_after
    needed = policy.funds_buffer * projection.balance
    if free < needed:
        return (
            f"{projection.currency} initial {projection.initial_after:.4f} of "
            f"{projection.balance:.4f} leaves {free:.4f} after the fill, "
            f"at least {needed:.4f} must stay free"
        )
    return None


def judge(
    state: State,
    hedge: Instrument,
    size_native: Decimal,
    policy: GatePolicy,
    rates: Rates,
    quotes: QuotePolicy,
) -> Approved | Trimmed | Refused:
    """Let an order pass, shrink it to the largest part that passes, or refuse it."""
    whole = project(state, hedge, size_native, rates, quotes)
    if isinstance(whole, Refused):
        return whole
    trouble = trouble_of(whole, policy)
    if trouble is None:
        kept = (
            "the fill lowers the margin requirement"
            if whole.reduces
            else f"after the fill {whole.usage_after:.1%} of {hedge.currency} margin is used"
        )
        return Approved(size_native=size_native, reason=kept)
    size = _largest_passing(state, hedge, size_native, policy, rates, quotes)
    if not size:
        return Refused(reason=trouble)
    return Trimmed(size_native=size, reason=f"{size} of {size_native} {hedge.name}: {trouble}")


def _largest_passing(
    state: State,
    hedge: Instrument,
    size_native: Decimal,
    policy: GatePolicy,
    rates: Rates,
    quotes: QuotePolicy,
) -> Decimal:
    """Bisect over whole lots.

    What passes is an interval from zero: margin grows with the size once it grows.
    """
    low, high = 0, int(abs(size_native) / hedge.lot)
    for _ in range(TRIM_STEPS):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        part = (hedge.lot * middle).copy_sign(size_native)
        projected = project(state, hedge, part, rates, quotes)
        passes = isinstance(projected, Projection) and trouble_of(projected, policy) is None
        low, high = (middle, high) if passes else (low, middle)
    size = (hedge.lot * low).copy_sign(size_native)
    return size if low and abs(size) >= hedge.size_min else units.ZERO


def stage(state: State, policy: GatePolicy, currencies: Sequence[str]) -> Judgement | None:
    """Return the mode that margin use asks for now, None if it asks for none.

    There is one mode for all: the currency in the worst state decides.
    """
    return _stage(state.balances, policy, currencies)


@remembered
def _stage(
    balances: Mapping[str, BalanceSeen], policy: GatePolicy, currencies: Sequence[str]
) -> Judgement | None:
    used = {currency: _usage_now(balances, currency) for currency in currencies}
    currency, u = max(used.items(), key=lambda item: item[1])
    for mode, limit, what in (
        (Mode.HOLD, policy.hold, "hold"),
        (Mode.DEGRADED, policy.reduce_only, "reduce-only"),
    ):
        if u >= limit:
            reason = f"{currency} margin use {u:.1%} is over the {what} limit {limit:.0%}"
            clears = f"{currency} margin use under {limit:.0%}"
            return Judgement(mode=mode, reason=reason, clears=clears)
    return None


def warned(state: State, policy: GatePolicy, currencies: Sequence[str]) -> Mapping[str, str]:
    """Say, by currency, that margin use is over the warning stage."""
    return _warned(state.balances, policy, currencies)


@remembered
def _warned(
    balances: Mapping[str, BalanceSeen], policy: GatePolicy, currencies: Sequence[str]
) -> Mapping[str, str]:
    used = {currency: _usage_now(balances, currency) for currency in currencies}
    return {
        currency: f"{currency} margin use {u:.1%} is over the warning limit {policy.warn:.0%}"
        for currency, u in used.items()
        if u >= policy.warn
    }


def _usage_now(balances: Mapping[str, BalanceSeen], currency: str) -> float:
    """Return u by the venue's own figures, 0 before they are known."""
    balance = balances.get(currency)
    return usage(balance.maintenance_margin, balance.margin_balance) if balance else 0.0
