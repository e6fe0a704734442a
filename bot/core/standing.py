"""What survives a restart.

Orders, positions, who holds what, the latch. Written to the ledger whenever it changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.core import units
from bot.core.cash import Cash, CashMoved
from bot.core.events import FillSeen
from bot.core.immutable import remembered
from bot.core.orders import Order
from bot.core.tally import Spree, Tally, Worth

ORDER_ID_MAX = 32
TRADES_KEPT_MS = units.MS_PER_HOUR
TRADES_KEPT_MIN = 128
ASKED_BACK_MS = 10 * units.MS_PER_MINUTE  # trades before an order that asking for it may bring
CLOSED_ORDERS_KEPT = 24

EMPTY: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Cash that an instrument's trades moved, in its settlement currency: what attribution needs.

    For a dollar-sized inverse contract `cost` is the sum of size/price over its fills (coins); for
    everything else it is the sum of size x price. `fees` is positive when paid. `funding` is what
    was received; `funding_base` and `funding_session` are the venue's last figure and its day.
    Fills of an instrument whose terms are not known wait in `by_price` (the sum of size x price)
    and `over_price` (of size/price), one of which is the cost once it is listed.
    """

    cost: float = 0.0
    by_price: float = 0.0
    over_price: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    funding_base: float | None = None
    funding_session: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeMark:
    """When a book last sent for its hedge, the index then, and the order (none when it crossed)."""

    at_ms: int
    index_usd: float
    order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The durable part of the state.

    `positions` are native sizes: the sum of fills, settlements and external changes. `holdings`
    divide the position of each hedge instrument among the books. `instance` names this ledger's
    daemon in every order label; the ledger begins at `since_ms`. The number in the last order's id
    is `order_counter`, which leaves gaps; `orders_sent` counts them all. Rejections of orders up
    to `forgiven_counter` no longer count. `tallies` (by what they count), `sprees` (by instrument)
    and `worths` (by currency) are what limits count, `uncounted` the fills that wait for the terms
    of what was traded; `limits` are those that the last run obeyed, by their keys in the
    configuration. `cash` is what came from outside or went there. `boot` names the start of the
    host that wire times in here count from, empty where it is not known.
    """

    instance: str
    since_ms: int
    orders: Mapping[str, Order] = field(default_factory=dict)
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    holdings: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    hedge_marks: Mapping[str, HedgeMark] = field(default_factory=dict)
    trades_seen: Mapping[str, int] = field(default_factory=dict)
    trades_until_ms: int = 0
    commands_seen: tuple[str, ...] = ()
    order_counter: int = 0
    orders_sent: int = 0
    forgiven_counter: int = 0
    halt_reason: str = ""
    pause_reason: str = ""
    flatten_reason: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    sprees: Mapping[str, Spree] = field(default_factory=dict)
    worths: Mapping[str, Worth] = field(default_factory=dict)
    uncounted: tuple[FillSeen, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    cash: Cash = field(default_factory=Cash)
    boot: str = ""


@remembered
def open_orders(orders: Mapping[str, Order]) -> tuple[Order, ...]:
    """Return those of a standing's orders of which something is still expected."""
    return tuple(order for order in orders.values() if not order.is_quiet)


def order_id_of(prefix: str, instance: str, counter: int) -> str:
    """Return the id of an order, such as every venue takes: at most 32 letters and digits."""
    order_id = f"{prefix}{instance}{counter:07d}"
    assert order_id.isascii(), f"{order_id} holds more than letters and digits"
    assert order_id.isalnum(), f"{order_id} holds more than letters and digits"
    assert len(order_id) <= ORDER_ID_MAX, f"{order_id} is longer than {ORDER_ID_MAX}"
    return order_id


def numbered(standing: Standing, prefix: str) -> tuple[Standing, str]:
    """Give out the next order id, which no order had."""
    counter = standing.order_counter + 1
    order_id = order_id_of(prefix, standing.instance, counter)
    assert order_id not in standing.orders, f"{order_id} was given out before"
    sent = standing.orders_sent + 1
    return replace(standing, order_counter=counter, orders_sent=sent), order_id


def renumbered(standing: Standing, now_ms: int) -> Standing:
    """Go on with ids that nobody can have given out, even on a ledger put back from a backup.

    What was given out since the backup is not in it. So a start goes on from the milliseconds of
    market time since the ledger began, which no daemon outruns. How many orders there were since a
    person last forgave rejections stays as it is.
    """
    skipped = max(0, now_ms - standing.since_ms - standing.order_counter)
    return replace(
        standing,
        order_counter=standing.order_counter + skipped,
        forgiven_counter=standing.forgiven_counter + skipped,
    )


def halted(standing: Standing, reason: str) -> Standing:
    """Latch a halt; the first reason stays."""
    return standing if standing.halt_reason else replace(standing, halt_reason=reason)


def with_order(standing: Standing, order: Order) -> Standing:
    """Return `standing` with an order put in or replaced, old closed ones dropped."""
    if standing.orders.get(order.order_id) is order:
        return standing
    return replace(standing, orders=_pruned({**standing.orders, order.order_id: order}))


def _pruned(orders: dict[str, Order]) -> dict[str, Order]:
    """Forget the oldest quiet orders beyond the limit.

    Order ids count upward, so their order is age. Those of the last minute stay whatever their
    number: the limit on orders a minute counts them.
    """
    newest_ms = max(order.requested_ms for order in orders.values())
    quiet = [order_id for order_id, order in orders.items() if order.is_quiet]
    for order_id in quiet[: max(0, len(quiet) - CLOSED_ORDERS_KEPT)]:
        if orders[order_id].requested_ms < newest_ms - units.MS_PER_MINUTE:
            del orders[order_id]
    return orders


def with_position(standing: Standing, instrument: str, size_native: Decimal) -> Standing:
    """Return `standing` with a position set; a flat one is dropped."""
    positions = {**standing.positions, instrument: size_native}
    if not size_native:
        del positions[instrument]
    return replace(standing, positions=positions)


def with_holding(standing: Standing, book: str, instrument: str, change: Decimal) -> Standing:
    """Return `standing` with a book's part of a hedge instrument changed."""
    held = standing.holdings.get(book, EMPTY)
    size = held.get(instrument, units.ZERO) + change
    return replace(standing, holdings={**standing.holdings, book: {**held, instrument: size}})


def with_account(standing: Standing, instrument: str, account: Account) -> Standing:
    """Return `standing` with an instrument's cash account replaced."""
    return replace(standing, accounts={**standing.accounts, instrument: account})


def with_move(standing: Standing, fact: CashMoved) -> Standing:
    """Count money that came or went, once. A worth that was first noted later holds it already."""
    cash = standing.cash.hearing(fact)
    if cash is standing.cash:
        return standing
    worths, worth = standing.worths, standing.worths.get(fact.currency)
    if worth is not None and fact.venue_ms <= worth.since_ms:
        held = replace(worth, moved=worth.moved + fact.change)
        worths = {**worths, fact.currency: held}
    return replace(standing, cash=cash, worths=worths)


def with_trade(standing: Standing, trade_id: str, venue_ms: int) -> Standing:
    """Remember a trade id, and forget those too old to be reported again.

    Age alone is not enough: a rehearsal's market may jump by hours, either way, while an answer is
    on its way. So those heard last are kept whatever their time; and so are all since an order was
    sent of which something is still expected, because asking for it brings its trades once more.
    """
    until = max(standing.trades_until_ms, venue_ms)
    kept = {**standing.trades_seen, trade_id: venue_ms}
    if len(kept) > TRADES_KEPT_MIN:
        asked_for = (order.requested_ms for order in open_orders(standing.orders))
        oldest_ms = min(
            until - TRADES_KEPT_MS,
            sorted(kept.values())[-TRADES_KEPT_MIN],
            min(asked_for, default=until) - ASKED_BACK_MS,
        )
        heard_last = set(list(kept)[-TRADES_KEPT_MIN:])
        kept = {
            known: at_ms
            for known, at_ms in kept.items()
            if at_ms >= oldest_ms or known in heard_last
        }
    return replace(standing, trades_seen=kept, trades_until_ms=until)
