"""The house: the liquidity that the market's frames display, consumed by takers and refilled.

Each side of each instrument has a few levels: a future's as the frame says, an option's
stepping outward from its bid and ask with growing size. What takers took of a level is remembered
by the level's rank and decays exponentially over market seconds, seen at each new frame, so that
nothing changes between two frames but by trading.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from bot.exchange.board import Board
from bot.exchange.contracts import Contract
from bot.exchange.market import FutureQuote, MarketFrame
from bot.exchange.reports import Direction
from bot.exchange.rules import HouseRules

PRICE_DIGITS: Final = 6  # finer than any tick: cleans a float of its binary tail before rounding
LOT_TOLERANCE: Final = 1e-9  # of a lot: what a float may lack of a whole one
REFILLED_LOTS: Final = 0.01  # consumption below this has come back


class HouseLevel(NamedTuple):
    """One displayed level: `rank` 0 is the touch. Amount native, a multiple of the lot."""

    price: Decimal
    amount: Decimal
    rank: int


@dataclass(frozen=True, slots=True)
class _Consumed:
    amount: float
    at_ms: int


def to_price(contract: Contract, price: float, side: Direction) -> Decimal:
    """A float price on the contract's ticks: a bid rounded down, an ask rounded up."""
    exact = Decimal(f"{price:.{PRICE_DIGITS}f}")
    return contract.floor_price(exact) if side is Direction.BUY else contract.ceil_price(exact)


def to_lots(contract: Contract, amount: float) -> Decimal:
    """A float amount in whole lots, rounded down."""
    lots = math.floor(amount / float(contract.lot) + LOT_TOLERANCE)
    return max(lots, 0) * contract.lot


@dataclass(slots=True)
class House:
    """Displays levels for a frame and remembers what was taken from them."""

    rules: HouseRules
    _consumed: dict[tuple[str, Direction, int], _Consumed] = field(default_factory=dict)

    def levels(self, contract: Contract, board: Board, side: Direction) -> Iterator[HouseLevel]:
        """Levels of one side, best first; `side` BUY are the house's bids. Empty ones left out.

        A contract that the latest frame does not show is not quoted.
        """
        frame, column, future = board.frame(contract.pair), None, None
        if contract.is_option:
            column = board.column(contract)
        else:
            future = board.future(contract)
        if future is not None:
            quoted = _future_levels(future, side)
        elif column is not None:
            quoted = self._option_levels(contract, frame, column, side)
        else:
            return
        for rank, (price, displayed) in enumerate(quoted):
            taken = self._taken((contract.name, side, rank), frame.at_ms)
            gone = taken if taken > REFILLED_LOTS * float(contract.lot) else 0.0
            amount = to_lots(contract, displayed - gone)
            if amount > 0:
                yield HouseLevel(price=price, amount=amount, rank=rank)

    def touch(self, contract: Contract, board: Board, side: Direction) -> HouseLevel | None:
        """The best of `levels`, None if there is none: an untouched option's without the others."""
        column = board.column(contract) if contract.is_option else None
        if column is None or (contract.name, side, 0) in self._consumed:
            return next(self.levels(contract, board, side), None)
        price, size = self._option_touch(board.frame(contract.pair), column, side)
        if not price > 0 or not size > 0:
            return None
        place, amount = to_price(contract, price, side), to_lots(contract, size)
        if place > 0 and amount > 0:
            return HouseLevel(price=place, amount=amount, rank=0)
        return next(self.levels(contract, board, side), None)

    def consume(
        self, name: str, side: Direction, rank: int, amount: Decimal, frame_ms: int
    ) -> None:
        """A taker took `amount` from the level of this rank, while that frame was displayed."""
        key = (name, side, rank)
        taken = self._taken(key, frame_ms) + float(amount)
        self._consumed[key] = _Consumed(taken, frame_ms)

    def forget(self, name: str) -> None:
        """The instrument is gone."""
        for key in [key for key in self._consumed if key[0] == name]:
            del self._consumed[key]

    def _taken(self, key: tuple[str, Direction, int], at_ms: int) -> float:
        consumed = self._consumed.get(key)
        if consumed is None:
            return 0.0
        seconds = (at_ms - consumed.at_ms) / 1000
        return consumed.amount * math.exp(-seconds / self.rules.refill_seconds)

    def _option_touch(
        self, frame: MarketFrame, column: int, side: Direction
    ) -> tuple[float, float]:
        """An option's best price and its size as the frame shows them; nan where there is none."""
        if side is Direction.BUY:
            return float(frame.bid_price[column]), float(frame.bid_size_coin[column])
        return float(frame.ask_price[column]), float(frame.ask_size_coin[column])

    def _option_levels(
        self, contract: Contract, frame: MarketFrame, column: int, side: Direction
    ) -> Iterator[tuple[Decimal, float]]:
        is_bid = side is Direction.BUY
        touch, size = self._option_touch(frame, column, side)
        if not touch > 0 or not size > 0:
            return
        price = to_price(contract, touch, side)
        for _ in range(self.rules.option_levels):
            if price <= 0:
                return
            yield price, size
            step = contract.tick_at(price) * self.rules.option_level_ticks
            price = contract.floor_price(price - step) if is_bid else price + step
            size *= self.rules.option_level_growth


def _future_levels(quote: FutureQuote, side: Direction) -> Iterator[tuple[Decimal, float]]:
    is_bid, contract = side is Direction.BUY, quote.contract
    touch = to_price(contract, quote.bid_usd if is_bid else quote.ask_usd, side)
    for ticks, size in quote.depth:
        distance = contract.tick_size * ticks
        yield (touch - distance if is_bid else touch + distance), size
