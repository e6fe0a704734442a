"""What must hold, whatever breaks: small checks, each with the id that reliability gives it.

Every check takes plain values and returns what is wrong, None if nothing is. Who calls them, and
when, is `bot.lab.judge`.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import numpy as np

from bot.core.actions import SubmitOrder
from bot.core.engine import Policy
from bot.core.exposure import Exposure, net_delta_coin, valued
from bot.core.hedger import deviation_coin
from bot.core.instruments import Kind, tick_at
from bot.core.orders import Order, OrderStatus
from bot.core.standing import Standing
from bot.core.state import Mode, State
from bot.core.units import MS_PER_MINUTE, NS_PER_SECOND
from bot.quant.conventions import Convention

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "I1": "an order reaches the venue at most once, and executes at most its size",
        "I2": "no order leaves before its row is durable",
        "I3": "every order of ours at the venue is in the ledger",
        "I4": "nothing is sent on an instrument with an order in doubt",
        "I5": "when all is calm our positions are the venue's",
        "I6": "an order stays under its limit, in the collar, and does not cross the target",
        "I7": "an order, and the delta it is decided on, rest on good, fresh quotes",
        "I8": "orders stay under their limit a market minute",
        "I9": "once halted nothing is sent until a person resumes, restarts included",
        "I10": "once faults heal the daemon runs, with every fate known and delta in its band",
        "I11": "what is recovered is what was last written, and recovering twice changes nothing",
        "I12": "the ledger's chain is whole and reaches its high-water mark",
        "I13": "of two daemons on one account at most one sends",
        "I14": "what is adopted is what the venue reported",
        "I15": "nothing is adopted that the venue did not hold lately",
        "I16": "delta lies where orders in doubt may have brought it, and they are bounded",
        "I17": "no order of ours rests at the venue",
        "I18": "no key, token or secret is written anywhere",
        "I19": "a halt is obeyed within 100 ms, and a command given twice is obeyed once",
        "I20": "setting the host's clock changes no decision",
        "I21": "queues and tasks stay bounded, and no task fails unseen",
        "I22": "a seed leaves one trace, and what ledger and tape hold replays to the same actions",
        "I23": "what the account gained is what options, hedge, fees and funding made",
    }
)

COLLAR: Final = (
    0.025  # an order's limit from the mark: the price cap and a spread of half a percent
)
OUTSIDE_MAX_NS: Final = 10 * NS_PER_SECOND
IN_FLIGHT_MAX: Final = 60
DOUBTFUL: Final = frozenset({OrderStatus.REQUESTED, OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE})


def sent_once(order_id: str, before: Collection[str]) -> str | None:
    """I1: the venue hears of an order once."""
    return f"order {order_id} reached the venue again" if order_id in before else None


def executed_within(sizes: Mapping[str, Decimal], filled: Mapping[str, Decimal]) -> str | None:
    """I1: what an order executed is at most its size. Both by order id, unsigned."""
    for order_id, size in filled.items():
        if size > sizes.get(order_id, size):
            return f"order {order_id} of {sizes[order_id]} executed {size}"
    return None


def durable(order_id: str, on_disk: Collection[str]) -> str | None:
    """I2, I3: an order that the venue hears of is on disk."""
    return None if order_id in on_disk else f"order {order_id} left before its row was durable"


def bounded_life(
    order_id: str, valid_until_ms: object, market_ms: int, longest_ms: float
) -> str | None:
    """I1: the venue is told until when it may begin to work on an order, and that is soon."""
    if not isinstance(valid_until_ms, int):
        return f"order {order_id} may be begun at any time: valid_until is {valid_until_ms!r}"
    left_ms = valid_until_ms - market_ms
    return f"order {order_id} may be begun for {left_ms} ms" if left_ms > longest_ms else None


def kept_open(known: Mapping[str, Order], recovered: Mapping[str, Order]) -> str | None:
    """I11: an order whose fate was not known is not known at the next start either."""
    for order_id, order in known.items():
        after = recovered.get(order_id)
        if not order.is_quiet and (after is None or after.is_quiet):
            return f"order {order_id} was {order.status}, and is forgotten at the next start"
        if (
            order.status is not OrderStatus.CLOSED
            and after is not None
            and (after.status not in DOUBTFUL)
        ):
            return f"order {order_id} was {order.status}, and is {after.status} unasked"
    return None


def absent_for_real(absent: Iterable[str], taken: Collection[str]) -> str | None:
    """I15: what is called absent never came to be. `taken` are labels of orders that did."""
    for order_id in absent:
        if order_id in taken:
            return f"order {order_id} was called absent, and the venue took it"
    return None


def noticed_excess(before: Mapping[str, Order], after: Standing) -> str | None:
    """I1: more traded under an id than was ordered is seen at once, and stops everything."""
    for order_id, order in after.orders.items():
        was = before.get(order_id)
        if abs(order.filled_native) <= abs(order.size_native):
            continue
        if (was is None or was.filled_native != order.filled_native) and not after.halt_reason:
            return f"{order_id} of {order.size_native} was filled {order.filled_native}, unnoticed"
    return None


def spanned(exposure: object, state: State, orders: Iterable[Order], policy: Policy) -> str | None:
    """I16: the interval of delta covers what orders in flight may come to, and is bounded.

    For one book, whose all orders are, by the convention `coin`. What is not its hedge is an option
    on its way back, whose dollars are judged when it is sent: there is one at a time.
    """
    if not isinstance(exposure, Exposure):
        return None
    hedge, most_usd = policy.books[0].book.hedge_instrument, policy.safety.order_max_usd
    low = high = low_usd = high_usd = 0.0
    for order in orders:
        if order.status is OrderStatus.CLOSED:
            continue
        left = float(order.size_native - order.filled_native)
        left = left if left * float(order.size_native) > 0.0 else 0.0
        if order.instrument != hedge:
            moves = left * _option_delta(state, order.instrument)
        else:
            moves = left * exposure.hedge_coin_per_native
            low_usd, high_usd = low_usd + min(left, 0.0), high_usd + max(left, 0.0)
        low, high = low + min(moves, 0.0), high + max(moves, 0.0)
    below = exposure.delta_low_coin - exposure.delta_coin
    above = exposure.delta_high_coin - exposure.delta_coin
    if below > low + 1e-6 or above < high - 1e-6:
        return f"orders in flight may move delta by {[low, high]}, counted are {[below, above]}"
    worst_usd = max(-low_usd, high_usd)
    if worst_usd > most_usd + 1e-6:
        return f"orders in flight come to {worst_usd:.0f} USD one way, at most {most_usd:.0f}"
    return None


def _option_delta(state: State, name: str) -> float:
    """Return the delta in coins of one coin of an inverse option: nothing if it is not held."""
    row = state.table.held.rows.get(name)
    if row is None:
        return 0.0
    seen = valued(state, np.array([row]))
    return net_delta_coin(seen, Convention.COIN) / float(seen.size[0])


def alone(
    strangers: Mapping[str, bool], sent: Sequence[SubmitOrder], *, is_resumed: bool
) -> str | None:
    """I13: once another daemon was heard of, nothing is sent until a person resumes.

    `strangers` are labels of its orders, True for those at which nobody has looked yet.
    """
    unseen = [label for label, is_new in strangers.items() if is_new]
    if unseen and sent and not is_resumed:
        return f"{sent[0].order_id} was sent although {unseen[0]} is another daemon's"
    return None


def obeyed_once(before: Standing, after: Standing, *, repeated: bool) -> str | None:
    """I19: a command that was given before changes nothing. `repeated`: no other was given."""
    if not repeated:
        return None
    was = (before.pause_reason, before.flatten_reason)
    now = (after.pause_reason, after.flatten_reason)
    return f"a command given twice was obeyed twice: {was} became {now}" if was != now else None


def conserved(gained: float, attributed: float, most: float) -> str | None:
    """I23: what the account gained by the venue's books is what was attributed (coins)."""
    residual = gained - attributed
    if abs(residual) <= most:
        return None
    return f"the account gained {gained:.5f}, attributed are {attributed:.5f}: {residual:+.5f}"


def counted(brought: Decimal, moved: Decimal) -> str | None:
    """I23: what came from outside and went there by the venue's log is what was counted as such."""
    if brought == moved:
        return None
    told, ours = (f"{amount.normalize():+f}" for amount in (brought, moved))
    return f"{told} came from outside by the venue's log, counted are {ours}"


def come_back(before: Mapping[str, Order], after: Mapping[str, Order]) -> frozenset[str]:
    """Name the orders that were over and are in doubt: the venue told of more of them."""
    return frozenset(
        order_id
        for order_id, order in after.items()
        if order.status in DOUBTFUL
        and order_id in before
        and before[order_id].status is OrderStatus.CLOSED
    )


def one_doubt(
    orders: Iterable[Order], sent: Sequence[SubmitOrder], returned: Collection[str] = ()
) -> str | None:
    """I4: nothing is sent beside an order in doubt, and so no two are, but what has `returned`."""
    doubtful: dict[str, list[str]] = {}
    for order in orders:
        if order.status in DOUBTFUL:
            doubtful.setdefault(order.instrument, []).append(order.order_id)
    for order_ids in doubtful.values():
        ours = [one for one in order_ids if one not in returned]
        if len(ours) > 1:
            return f"{' and '.join(ours)} are all in doubt"
    for action in sent:
        beside = [one for one in doubtful.get(action.instrument, ()) if one != action.order_id]
        if beside:
            return f"{action.order_id} was sent beside {' and '.join(beside)}"
    return None


def bounded(action: SubmitOrder, state: State, exposure: object, policy: Policy) -> str | None:
    """I6: size and price of one order, and where it brings the delta of its book."""
    quote = state.quotes[action.instrument]
    if quote.mark is None or quote.index_usd is None:
        return f"{action.order_id} was sent without a mark or an index"
    if state.instruments[action.instrument].kind is Kind.OPTION:
        return _bounded_option(action, state, quote.mark, quote.index_usd, policy)
    if float(abs(action.size_native)) > policy.safety.order_max_usd + 1e-6:
        return f"{action.order_id} of {action.size_native} is over the largest order"
    for name, price in (("mark", quote.mark), ("index", quote.index_usd)):
        if abs(float(action.limit) / price - 1.0) > COLLAR + policy.safety.divergence_max:
            return f"{action.order_id} at {action.limit} is far from the {name} {price}"
    if not isinstance(exposure, Exposure):
        return f"{action.order_id} was sent for a book without a number"
    x = deviation_coin(exposure, policy.books[0].hedge)
    lot = 2.0 * float(state.instruments[action.instrument].lot) / quote.mark
    after = x + float(action.size_native) * exposure.hedge_coin_per_native
    if abs(after) > abs(x) + lot or (abs(after) > lot and after * x < 0.0):
        return f"{action.order_id} brings the delta from {x:.4f} to {after:.4f} coins"
    return None


def _bounded_option(
    action: SubmitOrder, state: State, mark: float, index_usd: float, policy: Policy
) -> str | None:
    """I6: an option is only bought back, no more than an order may be, at a price near its mark."""
    held = state.standing.positions.get(action.instrument, Decimal(0))
    size, most_usd = action.size_native, policy.safety.order_max_usd
    if size * held >= 0 or abs(size) > abs(held):
        return f"{action.order_id} of {size} does not only reduce {held} {action.instrument}"
    if float(abs(size)) * index_usd > most_usd + 1e-6:
        return f"{action.order_id} of {size} coins is over the largest order"
    tick = float(tick_at(state.instruments[action.instrument], action.limit))
    if float(action.limit) > mark + policy.gate.buy_back_spread_max + 2.0 * tick:
        return f"{action.order_id} at {action.limit} is far from the mark {mark}"
    return None


def fresh(action: SubmitOrder, state: State, policy: Policy) -> str | None:
    """I7: an order is priced on a quote that is two-sided, finite and young; options are young."""
    quote = state.quotes[action.instrument]
    is_option = state.instruments[action.instrument].kind is Kind.OPTION
    quotes, age_ns = policy.quotes, state.now_ns - quote.arrived_ns
    if age_ns > (quotes.option_age_max_ns if is_option else quotes.hedge_age_max_ns):
        return f"{action.order_id} was priced on a quote {age_ns / NS_PER_SECOND:.1f} s old"
    stale = _stale_option(state, policy)
    if stale is not None:
        return f"{action.order_id} was decided on a stale quote of {stale}"
    numbers: tuple[float | None, ...] = (quote.bid, quote.ask, quote.mark, quote.index_usd)
    if is_option:  # one that is bought back may be worth nothing, and nobody bid for it
        numbers = (quote.ask, quote.index_usd)
    if any(number is None or not math.isfinite(number) or number <= 0.0 for number in numbers):
        return f"{action.order_id} was priced on {numbers}"
    return None


def valued_fresh(exposure: object, state: State, policy: Policy) -> str | None:
    """I7: a book with an option whose quote is too old has no number. For one book of all options.

    Looked at in every fold, not only where an order leaves: the margin gate asks the same of the
    quotes once more, and would hide for long that what is shown and judged has grown old.
    """
    if not isinstance(exposure, Exposure):
        return None
    stale = _stale_option(state, policy)
    return None if stale is None else f"the book has a number on a stale quote of {stale}"


def _stale_option(state: State, policy: Policy) -> str | None:
    """Name an option held, not yet expired, whose quote is older than is borne."""
    table, oldest_ns = state.table, state.now_ns - policy.quotes.option_age_max_ns
    if not len(table.quoted_ns) or table.quoted_ns.min() >= oldest_ns:
        return None
    for name, quoted_ns in zip(table.held.names, table.quoted_ns.tolist(), strict=True):
        expiry_ms = state.instruments[name].expiry_ms or 0
        if quoted_ns < oldest_ns and expiry_ms > state.now_ms:
            return name
    return None


def at_rate(orders: Iterable[Order], now_ms: int, most: int) -> str | None:
    """I8: orders requested within the last market minute."""
    since_ms = now_ms - MS_PER_MINUTE
    sent = sum(1 for order in orders if since_ms < order.requested_ms <= now_ms)
    return f"{sent} orders within a market minute, at most {most}" if sent > most else None


def halted(before: Standing, sent: Sequence[SubmitOrder], *, is_resumed: bool) -> str | None:
    """I9: a halt lets nothing out, and only a person ends it."""
    if before.halt_reason and sent and not is_resumed:
        return f"{sent[0].order_id} was sent after a halt: {before.halt_reason}"
    return None


def still_halted(before: Standing, after: Standing, *, is_resumed: bool) -> str | None:
    """I9: the latch opens by a command only."""
    if before.halt_reason and not after.halt_reason and not is_resumed:
        return f"nobody resumed, and the halt is gone: {before.halt_reason}"
    return None


def agreed(ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> str | None:
    """I5: positions, instrument by instrument."""
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(name, Decimal(0)), theirs.get(name, Decimal(0))
        if here != there:
            return f"{name}: {here} here, {there} at the venue"
    return None


def inside(exposure: object, policy: Policy) -> bool:
    """Whether the first book's delta is known and in its band."""
    plan = policy.books[0].hedge
    if not isinstance(exposure, Exposure):
        return False
    return plan.band_low_coin <= deviation_coin(exposure, plan) <= plan.band_high_coin


def healed(state: State, outside_ns: int) -> str | None:
    """I10: running, no fate unknown, and delta not outside its band for longer than a moment.

    A quick market carries it out at any instant, and two hedges are some time apart.
    """
    if state.mode is not Mode.RUN:
        return f"{state.mode}: {state.mode_reason}"
    for order in state.standing.orders.values():
        if not order.is_quiet and state.now_ns - order.requested_ns > OUTSIDE_MAX_NS:
            return f"order {order.order_id} is {order.status}"
    if outside_ns > OUTSIDE_MAX_NS:
        return f"delta is outside its band for {outside_ns / NS_PER_SECOND:.1f} s"
    return None
