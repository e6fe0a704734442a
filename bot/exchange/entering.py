"""How an order gets into the market: admitted, matched, then rested or ended.

New orders, edited ones and those that a trigger brings forth all pass here.
"""

from decimal import Decimal

from bot.exchange.admission import (
    BOOK_CLOSED,
    NO_LIQUIDITY,
    ORDER_OVERLAP,
    POST_ONLY_REJECT,
    check_funds,
    clamped,
    price_band,
)
from bot.exchange.commands import OrderChanged, Refused
from bot.exchange.desk import Desk, EventLog
from bot.exchange.mmp import size_in_base
from bot.exchange.orders import ZERO, Order
from bot.exchange.reports import (
    CancelReason,
    Direction,
    OrderState,
    OrderType,
    PlacedView,
    TimeInForce,
)
from bot.exchange.situation import Situation


def admit(desk: Desk, order: Order, at: Situation, now_ms: int) -> Refused | None:
    """The checks that need the market and the account; the order is cut and priced on the way.

    `at` is the account without the order. The order is to be thrown away if it is refused.
    """
    return (
        (BOOK_CLOSED if order.contract.name in desk.halted else None)
        or _limit_price(desk, order)
        or (desk.cut_to_reduce(order) if order.reduce_only else None)
        or (_price_behind(desk, order) if order.post_only else None)
        or _check_own_orders(desk, order)
        or (_check_protection(desk, order, now_ms) if order.mmp else None)
        or check_funds(at, order)
    )


def enter(desk: Desk, order: Order, now_ms: int, log: EventLog) -> None:
    """Match an admitted order; what is left rests if it may, and is cancelled if not."""
    if not _is_short_of_all(desk, order):
        desk.execute(order, now_ms, log)
    if order.state is not OrderState.OPEN:
        return
    if order.time_in_force.rests and order.order_type is OrderType.LIMIT:
        desk.rest(order, log)
        log.wallets[order.account, order.contract.settlement_currency] = None
        log.events.append(OrderChanged(account=order.account, order=order.view()))
    else:
        desk.cancel(order, CancelReason.USER_REQUEST, now_ms, log)


def placed_view(desk: Desk, order: Order, trades_before: int) -> PlacedView:
    """The order as it stands, with the fills since its account had so many."""
    since = desk.trades.of(order.account)[trades_before:]
    own = tuple(trade for trade in since if trade.order_id == order.order_id)
    return PlacedView(order=order.view(), trades=own)


def _limit_price(desk: Desk, order: Order) -> Refused | None:
    """Set the limit that matching obeys: the order's own within the band, else what the type says.

    A market order may go to the band's edge. A market-limit order takes the best price there is
    and becomes a limit order at that price.
    """
    band = price_band(desk.rules.price_band, desk.board, order.contract)
    lowest, highest = band
    edge = highest if order.direction is Direction.BUY else lowest
    match order.order_type:
        case OrderType.MARKET:
            order.price = edge
        case OrderType.MARKET_LIMIT:
            best = next(desk.meets(order.contract, order.direction, edge), None)
            if best is None:
                return NO_LIQUIDITY
            order.price = best.price
            order.order_type, order.original_type = OrderType.LIMIT, OrderType.MARKET_LIMIT
        case _:
            price = clamped(order, band)
            if isinstance(price, Refused):
                return price
            order.price = price
    return None


def _price_behind(desk: Desk, order: Order) -> Refused | None:
    """A post-only order that would trade goes one tick behind the other side, or is refused."""
    best = next(desk.meets(order.contract, order.direction, order.price), None)
    if best is None:
        return None
    if order.reject_post_only:
        return POST_ONLY_REJECT
    contract = order.contract
    if order.direction is Direction.BUY:
        order.price = contract.floor_price(best.price - contract.tick_at(best.price))
    else:
        order.price = contract.ceil_price(best.price + contract.tick_at(best.price))
    return None if order.price > 0 else POST_ONLY_REJECT


def _check_own_orders(desk: Desk, order: Order) -> Refused | None:
    """An order that would trade with its own owner is refused, unless the resting one gives way."""
    if not desk.self_trading.rejects_taker(order.account):
        return None
    left = order.remaining
    for piece in desk.meets(order.contract, order.direction, order.price):
        if left <= 0:
            return None
        if piece.maker is not None and desk.self_trading.is_own(order, piece.maker):
            return ORDER_OVERLAP
        left -= piece.amount
    return None


def _check_protection(desk: Desk, order: Order, now_ms: int) -> Refused | None:
    resting = sum(
        size_in_base(other.contract, other.remaining, float(other.price))
        for other in desk.register.open_on(order.account, order.contract.name)
        if other.mmp and other.direction is order.direction and other.order_id != order.order_id
    )
    return desk.mmp.check(order, resting, float(order.price), now_ms)


def _is_short_of_all(desk: Desk, order: Order) -> bool:
    """Whether a fill-or-kill order cannot be filled whole."""
    if order.time_in_force is not TimeInForce.FILL_OR_KILL:
        return False
    return _on_offer(desk, order) < order.remaining


def _on_offer(desk: Desk, order: Order) -> Decimal:
    """What the order could take within its limit: icebergs whole, its owner's orders not."""
    total = ZERO
    for piece in desk.meets(order.contract, order.direction, order.price):
        if piece.maker is None:
            total += piece.amount
        elif not desk.self_trading.is_own(order, piece.maker):
            total += piece.maker.remaining
    return total
