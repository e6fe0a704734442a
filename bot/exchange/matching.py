"""Price-time priority between the users' resting orders and the house.

The house re-quotes with every frame and so goes to the back of the queue at its price: a user's
order older than the frame trades before it, a younger one after it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bot.exchange.liquidity import HouseLevel
from bot.exchange.orders import Order
from bot.exchange.reports import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The next piece of a match: at most `amount` at `price`, from an order or a house level.

    Of an iceberg, `amount` is what it shows; behind it stands the rest, at the queue's end.
    """

    price: Decimal
    amount: Decimal
    maker: Order | None
    house_rank: int | None


def _priority(order: Order) -> tuple[Decimal, int]:
    price = -order.price if order.direction is Direction.BUY else order.price
    return price, order.queue_number


@dataclass(slots=True)
class RestingOrders:
    """One instrument's resting user orders, each side best first."""

    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    _queued_count: int = 0

    def side(self, direction: Direction) -> list[Order]:
        """The resting orders of this direction, best first."""
        return self.bids if direction is Direction.BUY else self.asks

    def add(self, order: Order) -> None:
        """Queue an order, as it was last changed, behind the others at its price."""
        self._queued_count += 1
        order.queue_number, order.queued_ms = self._queued_count, order.last_update_ms
        insort(self.side(order.direction), order, key=_priority)

    def remove(self, order: Order) -> None:
        """Take an order out of its queue; it must be there."""
        queue = self.side(order.direction)
        at = bisect_left(queue, _priority(order), key=_priority)
        assert queue[at] is order, f"{order.order_id} is not where it queued"
        del queue[at]

    def __bool__(self) -> bool:
        return bool(self.bids or self.asks)


def opposite(direction: Direction) -> Direction:
    """The side that an order of this direction trades with."""
    return Direction.SELL if direction is Direction.BUY else Direction.BUY


def is_within(price: Decimal, limit: Decimal, taker: Direction) -> bool:
    """Whether a taker with this limit accepts the price."""
    return price <= limit if taker is Direction.BUY else price >= limit


def slices(
    *,
    taker: Direction,
    limit: Decimal,
    house: Iterator[HouseLevel],
    resting: list[Order],
    frame_ms: int,
) -> Iterator[Slice]:
    """What an order of direction `taker` meets within its limit, in priority."""
    queue = iter(list(resting))
    order, level = next(queue, None), next(house, None)
    while order is not None or level is not None:
        if _order_first(order, level, taker, frame_ms):
            assert order is not None
            found = Slice(price=order.price, amount=order.visible, maker=order, house_rank=None)
            order = next(queue, None)
        else:
            assert level is not None
            found = Slice(price=level.price, amount=level.amount, maker=None, house_rank=level.rank)
            level = next(house, None)
        if not is_within(found.price, limit, taker):
            return
        yield found


def _order_first(
    order: Order | None, level: HouseLevel | None, taker: Direction, frame_ms: int
) -> bool:
    if order is None or level is None:
        return order is not None
    if order.price == level.price:
        return order.queued_ms < frame_ms
    return is_within(order.price, level.price, taker)
