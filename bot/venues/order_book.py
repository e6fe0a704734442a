"""An order book of our own, from one snapshot and the changes that follow it, or none at all.

Every change names the change before it. A change that does not follow the last one, a level that
cannot be, or a book whose bid reaches its ask means that something was lost: the book is dropped
whole and says why, and only a new snapshot begins another. Nothing is ever merged over a gap, and a
book belongs to one subscription of one connection.

Prices and amounts are floats as the venue writes them: equal text, equal float. They are never sent
anywhere; they tell what could be traded.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

NO_SNAPSHOT = "no snapshot yet"


class BookError(ValueError):
    """A message that a book cannot have come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The best prices, and what rests within some distance of each (native sizes)."""

    bid: float
    ask: float
    bid_depth_native: float
    ask_depth_native: float
    venue_ms: int


class _Side:
    """The levels of one side: amounts by price, and the prices in order."""

    def __init__(self) -> None:
        self.amounts: dict[float, float] = {}
        self.prices: list[float] = []

    def put(self, price: float, amount: float) -> None:
        if price not in self.amounts:
            insort(self.prices, price)
        self.amounts[price] = amount

    def drop(self, price: float) -> None:
        if self.amounts.pop(price, None) is None:
            raise BookError(f"level {price} is deleted and was never there")
        del self.prices[bisect_left(self.prices, price)]

    def apply(self, rows: Sequence[Any]) -> None:
        for row in rows:
            action, price, amount = _level(row)
            is_known = price in self.amounts
            if action == "delete":
                self.drop(price)
            elif is_known is (action == "new"):
                raise BookError(
                    f"level {price} is {action}, and was {'' if is_known else 'not '}there"
                )
            else:
                self.put(price, amount)


class OrderBook:
    """One instrument's book over one subscription."""

    def __init__(self) -> None:
        self._bids, self._asks = _Side(), _Side()
        self._change_id: int | None = None
        self._venue_ms = 0
        self.trouble = NO_SNAPSHOT

    @property
    def is_good(self) -> bool:
        """Whether the book is whole: a snapshot, and every change since."""
        return self._change_id is not None

    def take(self, data: Mapping[str, Any]) -> bool:
        """Apply one message of the channel.

        Returns:
            False if the book was lost with this message; `trouble` says why. A book that is already
            lost ignores everything but a snapshot, and has nothing new to say.
        """
        # Frames of 2019 carry no type; a snapshot is what follows nothing.
        is_snapshot = data.get("type", data.get("prev_change_id", "snapshot")) == "snapshot"
        if not is_snapshot and self._change_id is None:
            return True
        try:
            if is_snapshot:
                self._begin(data)
            else:
                self._follow(data)
        except BookError as error:
            self.drop(str(error))
            return False
        return True

    def drop(self, reason: str) -> None:
        """Forget everything: what is here cannot be true any more."""
        self._bids, self._asks = _Side(), _Side()
        self._change_id = None
        self.trouble = reason

    def touch(self, depth_share: float) -> Touch | None:
        """Return the best prices and the depth behind them, None without a good two-sided book.

        Args:
            depth_share: how far from the best price a level may be and still count, as a share of
                it (0.001 is ten basis points).
        """
        bids, asks = self._bids, self._asks
        if self._change_id is None or not bids.prices or not asks.prices:
            return None
        bid, ask = bids.prices[-1], asks.prices[0]
        low, high = bid * (1.0 - depth_share), ask * (1.0 + depth_share)
        bid_depth = ask_depth = 0.0
        for price in reversed(bids.prices):
            if price < low:
                break
            bid_depth += bids.amounts[price]
        for price in asks.prices:
            if price > high:
                break
            ask_depth += asks.amounts[price]
        return Touch(
            bid=bid,
            ask=ask,
            bid_depth_native=bid_depth,
            ask_depth_native=ask_depth,
            venue_ms=self._venue_ms,
        )

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Return bids and asks as (price, amount), best first; empty when the book is not good."""
        bids = [(price, self._bids.amounts[price]) for price in reversed(self._bids.prices)]
        asks = [(price, self._asks.amounts[price]) for price in self._asks.prices]
        return bids, asks

    def _begin(self, data: Mapping[str, Any]) -> None:
        self._bids, self._asks = _Side(), _Side()
        self._change_id = None
        change_id, stamp = _id(data, "change_id"), _id(data, "timestamp")
        self._bids.apply(_rows(data, "bids"))
        self._asks.apply(_rows(data, "asks"))
        self._settled(change_id, stamp)

    def _follow(self, data: Mapping[str, Any]) -> None:
        if data.get("type", "change") != "change":
            raise BookError(f"neither snapshot nor change: {data.get('type')!r:.40}")
        before, change_id = _id(data, "prev_change_id"), _id(data, "change_id")
        if before != self._change_id:
            raise BookError(
                f"gap: change {change_id} follows {before}, the book is at {self._change_id}"
            )
        stamp = _id(data, "timestamp")
        self._bids.apply(_rows(data, "bids"))
        self._asks.apply(_rows(data, "asks"))
        self._settled(change_id, stamp)

    def _settled(self, change_id: int, stamp: int) -> None:
        bids, asks = self._bids.prices, self._asks.prices
        if bids and asks and bids[-1] >= asks[0]:
            word = "locked" if bids[-1] == asks[0] else "crossed"
            raise BookError(f"{word}: bid {bids[-1]}, ask {asks[0]}")
        self._change_id, self._venue_ms = change_id, stamp
        self.trouble = ""


def _level(row: Any) -> tuple[str, float, float]:
    if not isinstance(row, list | tuple) or len(row) != 3:
        raise BookError(f"not a level: {row!r:.80}")
    action, price, amount = row
    if action not in ("new", "change", "delete"):
        raise BookError(f"not an action on a level: {action!r:.40}")
    for number in (price, amount):
        if type(number) not in (int, float) or not -inf < number < inf:
            raise BookError(f"not a level: {row!r:.80}")
    if amount < 0 or (amount == 0 and action != "delete"):
        raise BookError(f"an amount of {amount} at {price}")
    return action, float(price), float(amount)


def _rows(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise BookError(f"{key} is {rows!r:.80}")
    return rows


def _id(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if type(value) is not int:
        raise BookError(f"{key} is {value!r:.40}")
    return value
