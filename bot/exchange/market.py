"""What the exchange's world looks like at one market instant, and who moves it.

A `Market` produces frames at a fixed step of market time, so that the path does not depend on how
often or in what portions one asks for it. A frame is of one pair; a market may have several.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bot.exchange.contracts import Contract, Pair

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Item = TypeVar("Item", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureQuote:
    """A perpetual or a dated future: its prices in USD (USDC for linear ones), and what is shown.

    `depth` lists, from the touch outward and for both sides, (distance from the best price in
    ticks, displayed size in native units).
    """

    contract: Contract
    mark_usd: float
    bid_usd: float
    ask_usd: float
    depth: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketFrame:
    """Index, futures, forwards and option quotes of a pair at `at_ms` (market time, epoch ms).

    Arrays are read-only and aligned with `contracts` (options only). Option prices are in coin for
    inverse pairs, in USDC for linear ones; volatilities in decimals, sizes in coin; nan in a bid or
    ask price means no quote on that side, and the size there is 0. `forwards` (USD) and `discounts`
    (1 for inverse pairs) go by expiry. `futures` are the dated ones, by expiry.
    """

    pair: Pair
    at_ms: int
    index_usd: float
    perpetual: FutureQuote
    futures: tuple[FutureQuote, ...]
    forwards: Mapping[int, float]
    discounts: Mapping[int, float]
    contracts: tuple[Contract, ...]
    mark_price: FloatArray
    mark_iv: FloatArray
    bid_price: FloatArray
    ask_price: FloatArray
    bid_size_coin: FloatArray
    ask_size_coin: FloatArray
    is_call: BoolArray
    strike: FloatArray
    expiry_ms: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A hole in recorded data was jumped over: market time moves from `from_ms` to `to_ms`."""

    from_ms: int
    to_ms: int


class Market(Protocol):
    """A source of frames of one or more pairs. `start_ms` is where the market clock starts."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs there are frames of; the first is the one that a book is made for."""
        ...

    @property
    def start_ms(self) -> int:
        """Market time of the first frames: where the market clock starts."""
        ...

    def frame(self, pair: Pair) -> MarketFrame:
        """The pair's latest frame."""
        ...

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame (and every skip) after the latest up to and including `to_ms`, in order.

        Frames of several pairs at the same instant come in the order of `pairs`. After a `Skipped`
        come the frames at its `to_ms`, and the call ends there: the caller shifts its clock by
        `to_ms - from_ms` and asks again on the new one.
        """
        ...

    def shock(self, underlying: str, move: float) -> None:
        """Move a coin in all its pairs by the fraction `move` (-0.05 = down 5 %), for ever after.

        It shows in the next frames, one market step later.
        """
        ...


def frozen(values: NDArray[Item]) -> NDArray[Item]:
    """The array, no longer writable: frames are shared by everyone."""
    values.flags.writeable = False
    return values
