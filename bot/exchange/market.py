"""What the exchange's world looks like at one market instant, and who moves it.

A `Market` produces frames at a fixed step of market time, so that the path does not depend on how
often or in what portions one asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bot.exchange.contracts import Contract

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Item = TypeVar("Item", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketFrame:
    """Index, perpetual, forwards and option quotes at `at_ms` (market time, epoch milliseconds).

    Arrays are read-only and aligned with `contracts` (options only). Option prices are in coin,
    volatilities in decimals, sizes in coin; nan in `bid_coin` or `ask_coin` means no quote on that
    side, and the size there is 0. `perp_depth` lists, from the touch outward and for both sides,
    (distance from the best price in ticks, displayed size in USD).
    """

    at_ms: int
    index_usd: float
    perp_mark_usd: float
    perp_bid_usd: float
    perp_ask_usd: float
    perp_depth: tuple[tuple[int, float], ...]
    forwards: Mapping[int, float]
    contracts: tuple[Contract, ...]
    mark_coin: FloatArray
    mark_iv: FloatArray
    bid_coin: FloatArray
    ask_coin: FloatArray
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
    """A source of frames. `frame` is the latest; `start_ms` is where the market clock starts."""

    @property
    def base(self) -> str:
        """The underlying coin, such as `BTC`."""
        ...

    @property
    def start_ms(self) -> int:
        """Market time of the first frame: where the market clock starts."""
        ...

    @property
    def frame(self) -> MarketFrame:
        """The latest frame."""
        ...

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame (and every skip) after the latest up to and including `to_ms`, in order.

        After a `Skipped` comes the frame at its `to_ms`, and the call ends there: the caller shifts
        its clock by `to_ms - from_ms` and asks again on the new one.
        """
        ...

    def shock(self, move: float) -> None:
        """Move the underlying by the fraction `move` (-0.05 = down 5 %), now and for ever after.

        It shows in the next frame, one market step later.
        """
        ...


def frozen(values: NDArray[Item]) -> NDArray[Item]:
    """The array, no longer writable: frames are shared by everyone."""
    values.flags.writeable = False
    return values
