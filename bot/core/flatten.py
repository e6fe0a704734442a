"""To close what books are hedged with, because a person said so; then the daemon halts.

Only the positions in hedge instruments are closed, with reduce-only orders. Quotes, collar, order
size, order rate and repeats hold as for any order; band, margin and the limits on hedges do not.
Options stay, and with them their delta: the halt says how much of it. That margin holds nothing
back, since a person has confirmed it, is no reason to hide it: every clip says what closing all
that is left does to u and to the stressed u.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from bot.core import gate, pace, placing, reconcile, sizing, units
from bot.core.actions import SubmitOrder
from bot.core.books import BookPolicy
from bot.core.exposure import Exposure, Unpriced, hedge_trouble
from bot.core.hedger import Code, Decision, Verdict
from bot.core.instruments import size_coin
from bot.core.orders import Share
from bot.core.sizing import Asked, DealPolicy, Need
from bot.core.standing import EMPTY, open_orders
from bot.core.state import Mode, State
from bot.core.tally import Try


class Flattened(NamedTuple):
    """The state, the orders that close, and what is said of each book."""

    state: State
    actions: tuple[SubmitOrder, ...]
    verdicts: Mapping[str, Decision]


class _Answer(NamedTuple):
    """What comes of closing one instrument now."""

    verdict: Verdict
    reason: str
    order: SubmitOrder | None = None
    numbers: Mapping[str, float] | None = None  # of margin, before and after all is closed


def is_on(state: State) -> bool:
    """Whether hedges are being closed now: ordered, and nothing in the way."""
    return bool(state.standing.flatten_reason) and state.mode is Mode.DEGRADED


def flattened(
    state: State,
    books: Sequence[BookPolicy],
    exposures: Mapping[str, Exposure | Unpriced],
    cap_bps: float,
    policy: DealPolicy,
) -> Flattened:
    """Send one clip of each hedge that is still held; halt when none is.

    Args:
        state: What is known.
        books: All of them.
        exposures: Theirs, by name.
        cap_bps: The worst price, from the far side of the quote.
        policy: What an order passes.
    """
    sent: list[SubmitOrder] = []
    verdicts: dict[str, Decision] = {}
    for name in dict.fromkeys(book.hedge_instrument for book in books):
        ours = [book.name for book in books if book.hedge_instrument == name]
        state, answer = _closed(state, name, ours, cap_bps, policy)
        sent += [answer.order] if answer.order else []
        verdicts |= {book: _decision(state, book, name, answer) for book in ours}
    if not sent and is_flat(state, books):
        state = _halted(state, _left_open(books, exposures))
    return Flattened(state=state, actions=tuple(sent), verdicts=verdicts)


def is_flat(state: State, books: Sequence[BookPolicy]) -> bool:
    """Whether nothing is held of what hedges, to the lot, and nothing is on its way."""
    names = {book.hedge_instrument for book in books}
    if any(order.instrument in names for order in open_orders(state.standing.orders)):
        return False
    return all(
        not held or (name in state.instruments and abs(held) < state.instruments[name].size_min)
        for name, held in state.standing.positions.items()
        if name in names
    )


def _closed(
    state: State, name: str, books: Sequence[str], cap_bps: float, policy: DealPolicy
) -> tuple[State, _Answer]:
    """Close one instrument by one order, if it may go now."""
    held = state.standing.positions.get(name, units.ZERO)
    if not held:
        return state, _Answer(Verdict.HOLD, "no hedge is held")
    if name not in state.instruments:
        return state, _Answer(Verdict.REFUSED, f"{name} is not listed at the venue")
    waits = reconcile.unsettled(state, name)
    if waits is not None:
        return state, _Answer(Verdict.HOLD, waits)
    stale = hedge_trouble(state, name, policy.quotes)
    if stale is not None:
        return state, _Answer(Verdict.REFUSED, f"unpriced: {stale}")
    asked = _asked(state, name, -held, cap_bps, policy)
    repeats = pace.repeat_trouble(
        state, asked.hedge.name, -held, asked.noted, asked.coin_per_native, policy.safety
    )
    if repeats is not None:
        return pace.stuck(state, name, repeats), _Answer(Verdict.REFUSED, repeats)
    trouble = sizing.trouble(state, asked, policy)
    if trouble is not None:
        return state, _Answer(Verdict.REFUSED, trouble)
    size, why = sizing.clips(state, asked, policy.safety)
    if abs(size) < asked.hedge.size_min:
        return state, _Answer(Verdict.REFUSED, why or f"{held} is below the minimum of an order")
    shares = _shares(state, name, books, -held)
    margin, numbers = _on_margin(state, asked, policy)
    state, order = placing.placed(state, asked, size, shares, policy.orders, reduce_only=True)
    return state, _Answer(Verdict.HEDGE, f"{why or 'all of it'}; {margin}", order, numbers)


def _on_margin(state: State, asked: Asked, policy: DealPolicy) -> tuple[str, Mapping[str, float]]:
    """Say what closing all of a hedge does to margin use. It is asked, and keeps nothing back."""
    basis = gate.basis_of(state, asked.hedge, policy.gate, policy.model, policy.quotes)
    if isinstance(basis, gate.Refused):
        return f"not asked of margin ({basis.reason})", {}
    seen = basis.project(asked.size_native)
    before, after = seen.before, seen.after
    words = (
        f"closing all of it takes u from {before.usage:.1%} to {after.usage:.1%}, under stress "
        f"from {before.stressed.usage:.1%} ({before.stressed.node}) to "
        f"{after.stressed.usage:.1%} ({after.stressed.node})"
    )
    return words, seen.numbers


def _asked(state: State, name: str, size: Decimal, cap_bps: float, policy: DealPolicy) -> Asked:
    hedge, quote = state.instruments[name], state.quotes[name]
    assert quote.mark is not None, "apply admits no quote without a mark"
    assert quote.index_usd is not None, "apply admits no quote without an index"
    coins = size_coin(hedge, size, quote.mark)
    return Asked(
        hedge=hedge,
        quote=quote,
        size_native=size,
        limit=sizing.worst_price(hedge, quote, size, cap_bps),
        noted=Try(
            order_id=placing.next_id(state, policy.orders),
            at_ms=state.now_ms,
            deviation_coin=-coins,
            index_usd=quote.index_usd,
        ),
        coin_per_native=coins / float(size),
        need=Need(),
        hedges=frozenset(),
    )


def _shares(state: State, name: str, books: Sequence[str], size: Decimal) -> tuple[Share, ...]:
    """Return what each book gives up; the first answers for what no book holds."""
    held = {
        book: size_held
        for book in books
        if (size_held := state.standing.holdings.get(book, EMPTY).get(name, units.ZERO))
    }
    if sum(held.values(), units.ZERO) != -size:
        return (Share(book=books[0], size_native=size),)
    return tuple(Share(book=book, size_native=-size_held) for book, size_held in held.items())


def _decision(state: State, book: str, name: str, answer: _Answer) -> Decision:
    held = state.standing.positions.get(name, units.ZERO)
    sent = answer.order.size_native if answer.order else units.ZERO
    return Decision(
        book=book,
        at_ms=state.now_ms,
        verdict=answer.verdict,
        code=Code.FLATTEN,
        reason=f"{state.standing.flatten_reason}: {held} {name}; {answer.reason}",
        numbers={"held_native": float(held), "sent_native": float(sent)}
        | dict(answer.numbers or {}),
        order_id=answer.order.order_id if answer.order else "",
    )


def _left_open(books: Sequence[BookPolicy], exposures: Mapping[str, Exposure | Unpriced]) -> str:
    """Say what delta is left, book by book."""
    left: list[str] = []
    for book in books:
        valued = exposures[book.name]
        if isinstance(valued, Unpriced):
            left.append(f"{book.name} unknown ({valued.reason})")
        else:
            left.append(f"{book.name} {valued.delta_coin:+.4f} coin ({book.convention} delta)")
    return ", ".join(left)


def _halted(state: State, left_open: str) -> State:
    said = state.standing.flatten_reason.replace("flattening", "flattened", 1)
    reason = f"{said}; delta left open: {left_open}"
    known = replace(state.standing, halt_reason=reason, flatten_reason="")
    return replace(state, standing=known)
