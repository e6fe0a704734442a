"""What can be traded: the terms of an instrument, as the venue lists them."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core import units


class Kind(StrEnum):
    """What an instrument is."""

    OPTION = "option"
    PERPETUAL = "perpetual"
    FUTURE = "future"


class Settlement(StrEnum):
    """Which money an instrument pays in: its own coin (inverse) or dollars (linear)."""

    INVERSE = "inverse"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickStep:
    """Above `above_price` prices move in steps of `tick_size`."""

    above_price: Decimal
    tick_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One listed instrument.

    Native sizes are US dollars for inverse perpetuals and futures, coins for everything else.
    `lot` and `size_min` are native; `maker_fee` and `taker_fee` are shares of the traded value.
    `index_name` is the venue's name of the price index (`btc_usd`, `eth_usdc`), empty in ledgers
    written before it was kept.
    """

    name: str
    kind: Kind
    settlement: Settlement
    underlying: str
    currency: str
    lot: Decimal
    size_min: Decimal
    tick_size: Decimal
    tick_steps: tuple[TickStep, ...] = ()
    maker_fee: Decimal = units.ZERO
    taker_fee: Decimal = units.ZERO
    expiry_ms: int | None = None
    strike: float | None = None
    is_call: bool | None = None
    index_name: str = ""

    @property
    def is_usd_sized(self) -> bool:
        """Whether the native size counts dollars (inverse perpetuals and futures)."""
        return self.settlement is Settlement.INVERSE and self.kind is not Kind.OPTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """A trade that nobody made: what margin would be after it can be asked."""

    instrument: str
    size_native: Decimal


def tick_at(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the price step that the venue applies at `price`."""
    tick = instrument.tick_size
    for step in instrument.tick_steps:
        if price > step.above_price:
            tick = max(tick, step.tick_size)
    return tick


def cap_price(instrument: Instrument, price: float, direction: int) -> Decimal:
    """Round a worst acceptable price onto the tick, never beyond it.

    Args:
        instrument: whose ticks apply.
        price: the worst price accepted, in the instrument's price unit.
        direction: +1 for a buy (rounds down), -1 for a sell (rounds up).
    """
    wanted = units.exact(price)
    tick = tick_at(instrument, wanted)
    return units.floor_to(wanted, tick) if direction > 0 else units.ceil_to(wanted, tick)


def size_coin(instrument: Instrument, size_native: Decimal, price_usd: float) -> float:
    """Return a native size in coins at `price_usd`."""
    return float(size_native) / price_usd if instrument.is_usd_sized else float(size_native)


def size_native(instrument: Instrument, coins: float, price_usd: float) -> Decimal:
    """Return coins as native size at `price_usd`: whole lots toward zero, 0 below the minimum."""
    raw = coins * price_usd if instrument.is_usd_sized else coins
    lots = units.to_lots(raw, instrument.lot)
    return lots if abs(lots) >= instrument.size_min else units.ZERO
