"""Margin before action: what the account would look like after an order filled completely.

The configured model gives the change, the venue's own figures the level: of the two requirements
the larger counts. An order passes that leaves initial margin free, u and the stressed u under their
limits; where they are over, only one that lowers the stressed u. Of every order in doubt the worst
outcome is supposed. No projection, no order.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from bot.core import instruments, units
from bot.core.events import BalanceSeen
from bot.core.exposure import hedge_trouble, stale_leg
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.margin.gating import DIGITS, Doubtful, Footing, Scene, Told, quotient, scene_of
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import Model, Unmodelled
from bot.core.margin.relief import FEE_OF_PREMIUM_MAX
from bot.core.orders import Order
from bot.core.quotes import QuotePolicy
from bot.core.standing import open_orders
from bot.core.state import State

TRIM_STEPS = 24
BALANCE_AGE_MAX_NS = 2 * 60 * units.NS_PER_SECOND  # pushed with every change, read twice a minute
DOUBTFUL_MAX = 4  # orders in doubt at once: each doubles what must be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The order may go as asked; `numbers` is the arithmetic, as in the other two."""

    size_native: Decimal
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimmed:
    """A smaller order may go."""

    size_native: Decimal
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No order may go."""

    reason: str
    numbers: dict[str, float] = field(default_factory=dict)


class Projection(NamedTuple):
    """The account before and after an order, in its settlement currency.

    `is_exempt` says that the venue takes it without funds if it needs no more of them: what turns a
    position over is no such order where nothing is netted, whatever it leaves.
    """

    currency: str
    before: Footing
    after: Footing
    fee: float
    doubts: tuple[str, ...] = ()
    is_exempt: bool = True

    @property
    def lowers(self) -> bool:
        """Whether the order lowers the stressed u."""
        return self.after.stressed.usage < self.before.stressed.usage

    @property
    def numbers(self) -> dict[str, float]:
        """The arithmetic, in the settlement currency."""
        before, after = self.before, self.after
        return {
            "margin_balance_before": before.balance,
            "margin_fee": self.fee,
            "margin_balance_after": after.balance,
            "initial_before": before.initial,
            "initial_after": after.initial,
            "maintenance_before": before.maintenance,
            "maintenance_after": after.maintenance,
            "u_before": before.usage,
            "u_after": after.usage,
            "stressed_maintenance_before": before.stressed.maintenance,
            "stressed_balance_before": before.stressed.balance,
            "stressed_u_before": before.stressed.usage,
            "stressed_maintenance_after": after.stressed.maintenance,
            "stressed_balance_after": after.stressed.balance,
            "stressed_u_after": after.stressed.usage,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Basis:
    """What every size of one order is projected from."""

    scene: Scene
    hedge: Instrument
    mark_usd: float
    before: Footing
    doubtful: tuple[Doubtful, ...]
    held_coin: float
    nets: bool

    def project(self, size_native: Decimal) -> Projection:
        """Work out the account before and after so much more of the hedge."""
        coins = instruments.size_coin(self.hedge, size_native, self.mark_usd)
        fee = fee_of(self.hedge, size_native, self.mark_usd)
        return Projection(
            currency=self.hedge.currency,
            before=self.before,
            after=self.scene.worst({self.hedge.name: coins}, self.doubtful, fee),
            fee=fee,
            doubts=self.scene.doubts,
            is_exempt=self.nets
            or (coins * self.held_coin <= 0.0 and abs(coins) <= abs(self.held_coin)),
        )


def fee_of(terms: Instrument, size_native: Decimal, mark_usd: float) -> float:
    """Return the taker fee of a trade in a perpetual or future, in its settlement currency."""
    coins = abs(instruments.size_coin(terms, size_native, mark_usd))
    worth = coins * mark_usd if terms.settlement is Settlement.LINEAR else coins
    return worth * float(terms.taker_fee)


def basis_of(
    state: State, hedge: Instrument, policy: GatePolicy, model: Model, quotes: QuotePolicy
) -> Basis | Refused:
    """Value the account that a hedge is margined in; Refused without prices or the balance."""
    balance = fresh_balance(state, hedge.currency)
    if isinstance(balance, str):
        return _unprojected(balance)
    doubtful = orders_in_doubt(state, hedge.currency)
    if len(doubtful) > DOUBTFUL_MAX:
        return _unprojected(f"{len(doubtful)} orders are in doubt, at most {DOUBTFUL_MAX}")
    also = {hedge.name} | {
        order.instrument
        for order in doubtful
        if state.instruments[order.instrument].kind is not Kind.OPTION
    }
    trouble = stale_input(state, hedge.currency, also, quotes)
    if trouble is not None:
        return _unprojected(trouble)
    account = account_of(state, hedge.currency, also=also)
    told = Told(
        balance=balance.margin_balance,
        initial=balance.initial_margin,
        maintenance=balance.maintenance_margin,
    )
    scene = scene_of(account, model, policy.stress, told)
    if isinstance(scene, Unmodelled):
        return _unprojected(scene.reason)
    quote = state.quotes[hedge.name]
    assert quote.mark is not None, "apply admits no quote without a mark"
    fills = tuple(_doubtful(state, order, model) for order in doubtful)
    held = state.standing.positions.get(hedge.name, units.ZERO)
    return Basis(
        scene=scene,
        hedge=hedge,
        mark_usd=quote.mark,
        before=scene.worst({}, fills, 0.0),
        doubtful=fills,
        held_coin=instruments.size_coin(hedge, held, quote.mark),
        nets=model.counts_options,
    )


def _unprojected(reason: str) -> Refused:
    return Refused(reason=f"no margin projection: {reason}")


def fresh_balance(state: State, currency: str) -> BalanceSeen | str:
    """Return the balance, or why it cannot be relied on."""
    balance = state.balances.get(currency)
    if balance is None:
        return f"the {currency} balance is not known"
    age_ns = state.now_ns - balance.arrived_ns
    if age_ns > BALANCE_AGE_MAX_NS:
        return f"the {currency} balance is {age_ns / units.NS_PER_SECOND:.0f} s old"
    return balance


def stale_input(state: State, currency: str, also: set[str], quotes: QuotePolicy) -> str | None:
    """Name what of an account has no good, fresh quote, or None."""
    held = state.table.held
    ours = held.settling_in(currency)
    live = ours[held.expiry_ms[ours] > state.now_ms]
    for name in sorted(also):
        trouble = hedge_trouble(state, name, quotes)
        if trouble is not None:
            return trouble
    return stale_leg(state, state.table, live, quotes)


def orders_in_doubt(state: State, currency: str) -> tuple[Order, ...]:
    """Return the orders that may still fill, of what settles in a currency."""
    listed = state.instruments
    return tuple(
        order
        for order in open_orders(state.standing.orders)
        if order.instrument in listed
        and listed[order.instrument].currency == currency
        and order.remaining_native
    )


def _doubtful(state: State, order: Order, model: Model) -> Doubtful:
    """Return what an order would fill, in coins, and what that costs."""
    terms, left = state.instruments[order.instrument], order.remaining_native
    if terms.kind is Kind.OPTION:
        return _doubtful_option(state, order, terms, model)
    mark = state.quotes[order.instrument].mark
    assert mark is not None, "apply admits no quote without a mark"
    coins = instruments.size_coin(terms, left, mark)
    return Doubtful({terms.name: coins}, fee_of(terms, left, mark))


def _doubtful_option(state: State, order: Order, terms: Instrument, model: Model) -> Doubtful:
    """Return what an option that is bought back changes, at the worst price and the largest fee.

    A balance that counts options gains its mark. An order that reduces moves nothing where nothing
    is held any more, but may have to be paid for all the same.
    """
    coins, price = float(order.remaining_native), float(order.limit)
    paid = coins * price + abs(coins) * price * FEE_OF_PREMIUM_MAX
    row = state.table.held.rows.get(terms.name)
    if row is None:
        return Doubtful({}, paid)
    worth = coins * float(state.table.mark[row]) if model.counts_options else 0.0
    return Doubtful({terms.name: coins}, paid - worth)


def trouble_of(seen: Projection, policy: GatePolicy) -> str | None:
    """Say which limit an order would break, with its arithmetic, or None."""
    return (
        _stress_trouble(seen, policy) or _use_trouble(seen, policy) or _funds_trouble(seen, policy)
    )


def _margin_of_doubt(seen: Projection, policy: GatePolicy) -> float:
    return policy.doubt_buffer if seen.doubts else 0.0


def _stress_trouble(seen: Projection, policy: GatePolicy) -> str | None:
    if policy.stressed_reduce_only is None or seen.lowers:
        return None
    limit, worst = policy.stressed_reduce_only - _margin_of_doubt(seen, policy), seen.after.stressed
    if worst.usage < limit:
        return None
    return (
        f"{seen.currency} at {worst} after the fill, {seen.before.stressed.usage:.1%} before, "
        f"limit {limit:.0%}"
    )


def _use_trouble(seen: Projection, policy: GatePolicy) -> str | None:
    """Judge u: what lowers the stressed u may raise it, but not into the stage of hold."""
    u = seen.after.usage
    limit = policy.hold if seen.lowers else policy.reduce_only
    limit -= _margin_of_doubt(seen, policy)
    if u < limit or u <= seen.before.usage:
        return None
    return (
        f"{seen.currency} {quotient(seen.after.maintenance, seen.after.balance)} after the fill, "
        f"limit {limit:.0%}"
    )


def _funds_trouble(seen: Projection, policy: GatePolicy) -> str | None:
    """Judge initial margin against the balance.

    An order that needs no more of it passes, if the venue would take it without funds.
    """
    if seen.after.initial <= seen.before.initial and (seen.is_exempt or seen.before.free >= 0.0):
        return None
    share = 0.0 if seen.lowers else policy.funds_buffer
    needed = (share + _margin_of_doubt(seen, policy)) * seen.before.balance
    if seen.after.free >= needed:
        return None
    balance, initial = round(seen.after.balance, DIGITS), round(seen.after.initial, DIGITS)
    return (
        f"{seen.currency} balance {balance:.6f} - initial {initial:.6f} "
        f"leaves {balance - initial:.6f} after the fill, at least {needed:.6f} must stay free"
    )


def project(
    state: State,
    hedge: Instrument,
    size_native: Decimal,
    policy: GatePolicy,
    model: Model,
    quotes: QuotePolicy,
) -> Projection | Refused:
    """Work out the account after `size_native` more of `hedge`; Refused without prices."""
    basis = basis_of(state, hedge, policy, model, quotes)
    return basis if isinstance(basis, Refused) else basis.project(size_native)


def judge(
    state: State,
    hedge: Instrument,
    size_native: Decimal,
    policy: GatePolicy,
    model: Model,
    quotes: QuotePolicy,
) -> Approved | Trimmed | Refused:
    """Let an order pass, shrink it to the largest part that passes, or refuse it."""
    basis = basis_of(state, hedge, policy, model, quotes)
    if isinstance(basis, Refused):
        return basis
    whole = basis.project(size_native)
    trouble = trouble_of(whole, policy)
    if trouble is None:
        return Approved(size_native=size_native, reason=_passing(whole), numbers=whole.numbers)
    size = _largest_passing(basis, size_native, policy)
    if not size:
        return Refused(reason=trouble, numbers=whole.numbers)
    why = f"{size} of {size_native} {hedge.name}: {trouble}"
    return Trimmed(size_native=size, reason=why, numbers=basis.project(size).numbers)


def _passing(seen: Projection) -> str:
    after, worst = seen.after, seen.after.stressed
    moved = "lowers" if seen.lowers else "moves"
    return (
        f"{after.usage:.1%} of {seen.currency} margin is used after the fill; it {moved} "
        f"that at {worst.node} from {seen.before.stressed.usage:.1%} to {worst.usage:.1%}"
    )


def _largest_passing(basis: Basis, size_native: Decimal, policy: GatePolicy) -> Decimal:
    """Bisect over whole lots.

    What passes is an interval from zero: margin grows with the size once it grows. Where nothing
    passes, which may be so for every fold of a bad hour, that is known at the smallest.
    """
    hedge = basis.hedge
    if trouble_of(basis.project(hedge.size_min.copy_sign(size_native)), policy) is not None:
        return units.ZERO
    low, high = 0, int(abs(size_native) / hedge.lot)
    for _ in range(TRIM_STEPS):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        part = (hedge.lot * middle).copy_sign(size_native)
        passes = trouble_of(basis.project(part), policy) is None
        low, high = (middle, high) if passes else (low, middle)
    size = (hedge.lot * low).copy_sign(size_native)
    return size if low and abs(size) >= hedge.size_min else units.ZERO
