"""What unknown orders may come to, at worst."""

from collections.abc import Sequence

from bot.core.dealing import BookPlan
from bot.core.exposure import Unpriced, exposure_of
from bot.core.hedger import deviation_coin
from bot.core.ladder import DOUBTFUL
from bot.core.quotes import QuotePolicy
from bot.core.standing import open_orders
from bot.core.state import State


def beyond(
    state: State, plans: Sequence[BookPlan], quotes: QuotePolicy, most_usd: float
) -> str | None:
    """Say that orders of unknown fate may have left a book too far from its target, or None.

    Too far is over `most_usd`, and further than it is if they came to nothing: an order that can
    only have brought it back is no new danger. A book without a number is not judged; nothing is
    sent for it either.
    """
    waiting = open_orders(state.standing.orders)
    if not waiting:
        return None
    unknown = {order.instrument: order for order in waiting if order.status in DOUBTFUL}
    for plan in plans:
        order = unknown.get(plan.book.hedge_instrument)
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
                f"book {plan.book.name} may be {worst:+.4f} from its target ({worst_usd:,.0f} USD, "
                f"limit {most_usd:,.0f}) by order {order.order_id}, whose fate is unknown: "
                f"{order.reason}"
            )
    return None
