"""What unknown orders may come to, at worst."""

from collections.abc import Sequence

from bot.core import units
from bot.core.books import BookPolicy
from bot.core.dealing import BookPlan
from bot.core.exposure import Unpriced, exposure_of, option_row
from bot.core.hedger import deviation_coin
from bot.core.ladder import DOUBTFUL
from bot.core.orders import Order
from bot.core.quotes import QuotePolicy
from bot.core.standing import open_orders
from bot.core.state import State


def beyond(
    state: State, plans: Sequence[BookPlan], quotes: QuotePolicy, most_usd: float
) -> str | None:
    """Say that orders of unknown fate may have left a book too far from its target, or None.

    Too far is over `most_usd`, and further than it is if they came to nothing: an order that can
    only have brought it back is no new danger. Nor is one by which a person closes the hedge: it
    was meant to open delta, and ends where no hedge is left. A book without a number is not judged;
    nothing is sent for it either.
    """
    waiting = open_orders(state.standing.orders)
    if not waiting:
        return None
    closing = bool(state.standing.flatten_reason)
    unknown = [
        order
        for order in waiting
        if order.status in DOUBTFUL and not (closing and _only_close(state, order.instrument))
    ]
    for plan in plans:
        order = next((each for each in unknown if _moves(state, plan.book, each)), None)
        valued = exposure_of(state, plan.book, quotes) if order else None
        if order is None or valued is None or isinstance(valued, Unpriced):
            continue
        x = deviation_coin(valued, plan.hedge)
        low = x + valued.delta_low_coin - valued.delta_coin
        high = x + valued.delta_high_coin - valued.delta_coin
        worst = max(low, high, key=abs)
        worst_usd = abs(worst) * valued.index_usd
        if abs(worst) > abs(x) and worst_usd > most_usd:
            return (
                f"book {plan.book.name} may be {worst:+.4f} coin from its target "
                f"({worst_usd:,.0f} USD, limit {most_usd:,.0f}) "
                f"by order {order.order_id}, whose fate is unknown: {order.reason}"
            )
    return None


def _moves(state: State, book: BookPolicy, order: Order) -> bool:
    """Whether an order trades what a book is hedged with, or an option of the book."""
    is_hedge = order.instrument == book.hedge_instrument
    return is_hedge or option_row(state, book, order.instrument) is not None


def _only_close(state: State, instrument: str) -> bool:
    """Return whether all that is left of an instrument's orders only brings it nearer to zero.

    Of all of them together: two that each close a part may turn the position over.
    """
    held = state.standing.positions.get(instrument, units.ZERO)
    left = [
        order.size_native - order.filled_native
        for order in open_orders(state.standing.orders)
        if order.instrument == instrument
    ]
    return all(held * each < 0 for each in left if each) and abs(sum(left, units.ZERO)) <= abs(held)
