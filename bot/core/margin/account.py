"""What a margin model is asked about: positions, open orders and the market they are seen in.

One `Account` holds what one settlement currency answers for, by price index. An instrument that is
not held but has an open order, or that a what-if may trade, has a row of size nothing.
"""

from dataclasses import dataclass, field

import numpy as np

from bot.core.columns import Flags, Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Options:
    """Options of one price index, one row each; arrays of shape (rows,), read-only.

    `size` is signed, in coins; `strike` and `forward` (of its own expiry) in US dollars; `iv` a
    decimal; `mark` in the price unit: coins of an inverse option, dollars of a linear one;
    `discount` is 1 for inverse options.
    """

    names: tuple[str, ...]
    size: Floats
    strike: Floats
    years: Floats
    is_call: Flags
    forward: Floats
    iv: Floats
    mark: Floats
    discount: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Futures:
    """Perpetuals and futures of one price index, one row each; arrays of shape (rows,), read-only.

    `size_coin` is signed: of an inverse contract the dollars that it counts over its own mark.
    `years` to delivery is 0 for a perpetual.
    """

    names: tuple[str, ...]
    size_coin: Floats
    mark_usd: Floats
    years: Floats


NO_FLOATS: Floats = np.zeros(0)
NO_FLAGS: Flags = np.zeros(0, dtype=np.bool_)
NO_FLOATS.setflags(write=False)
NO_FLAGS.setflags(write=False)
NO_FUTURES = Futures(names=(), size_coin=NO_FLOATS, mark_usd=NO_FLOATS, years=NO_FLOATS)
NO_OPTIONS = Options(
    names=(),
    size=NO_FLOATS,
    strike=NO_FLOATS,
    years=NO_FLOATS,
    is_call=NO_FLAGS,
    forward=NO_FLOATS,
    iv=NO_FLOATS,
    mark=NO_FLOATS,
    discount=NO_FLOATS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Everything on one price index (`btc_usd`, `eth_usdc`), and its price in US dollars."""

    index_name: str
    underlying: str
    is_linear: bool
    index_usd: float
    options: Options = NO_OPTIONS
    futures: Futures = NO_FUTURES

    @property
    def names(self) -> tuple[str, ...]:
        """Every instrument: options first, then futures."""
        return self.options.names + self.futures.names

    @property
    def sizes(self) -> Floats:
        """Signed coins of every instrument, in the order of `names`."""
        return np.concatenate((self.options.size, self.futures.size_coin))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order that rests: signed coins still open, and its limit in the price unit."""

    instrument: str
    size_coin: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Parts of a requirement that only the venue can work out, as it states them.

    In the settlement currency; `open_orders` None where ours is to be used.
    """

    mmp: float = 0.0
    spot: float = 0.0
    open_orders: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Positions, orders and market of one settlement currency; a dollar account has `USD`.

    `currency_usd` is what one unit of it is worth.
    """

    currency: str
    currency_usd: float
    pairs: tuple[Pair, ...]
    orders: tuple[OpenOrder, ...] = ()
    stated: Stated = field(default_factory=Stated)

    @property
    def knows_its_orders(self) -> bool:
        """Whether each order's instrument has its row: what has none cannot be margined."""
        names = {name for pair in self.pairs for name in pair.names} if self.orders else set()
        return all(order.instrument in names for order in self.orders)
