"""What is traded: the inverse perpetual and the inverse options, under Deribit's names.

A contract is a frozen description: name, currencies, lot, price steps, fees. Amounts are in
native units: USD for the perpetual, coin for options. Prices are USD for the perpetual, coin for
options. Sources: Deribit's `public/get_instruments` (BTC, December 2025) and its naming rule.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Final

PERPETUAL_EXPIRY_MS: Final = 32_503_708_800_000  # 3000-01-01T08:00Z, the venue's "never"
PERPETUAL_CREATION_MS: Final = 1_534_167_754_000  # 2018-08-13, when BTC-PERPETUAL was listed
EXPIRY_HOUR_UTC: Final = 8
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH_NUMBER: Final[Mapping[str, int]] = {code: at for at, code in enumerate(MONTHS, start=1)}


class Kind(StrEnum):
    """The venue's word for what an instrument is."""

    PERPETUAL = "perpetual"
    OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickStep:
    """From `above_price` (coin or USD, exclusive) upward, prices step by `tick_size`."""

    above_price: Decimal
    tick_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One instrument of the exchange.

    `lot` is both the smallest amount and its step, native units. `strike` (USD) and `is_call` are
    None for the perpetual. Fees are fractions of the notional; the option's cap is the account's.
    """

    name: str
    kind: Kind
    base: str
    quote: str
    settlement_currency: str
    contract_size: Decimal
    lot: Decimal
    tick_size: Decimal
    tick_steps: tuple[TickStep, ...]
    creation_ms: int
    expiry_ms: int
    strike: float | None
    is_call: bool | None
    maker_fee: Decimal
    taker_fee: Decimal

    def tick_at(self, price: Decimal) -> Decimal:
        """The price step that holds at `price`."""
        tick = self.tick_size
        for step in self.tick_steps:
            if price > step.above_price:
                tick = step.tick_size
        return tick

    def is_on_tick(self, price: Decimal) -> bool:
        """Whether an order may carry this price."""
        return price % self.tick_at(price) == 0

    def floor_price(self, price: Decimal) -> Decimal:
        """The highest valid price not above `price`."""
        return _to_step(price, self.tick_at(price), ROUND_FLOOR)

    def ceil_price(self, price: Decimal) -> Decimal:
        """The lowest valid price not below `price`."""
        return _to_step(price, self.tick_at(price), ROUND_CEILING)


def _to_step(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    return (price / tick).to_integral_value(rounding=rounding) * tick


OPTION_TICK: Final = Decimal("0.0001")
OPTION_TICK_STEPS: Final = (TickStep(above_price=Decimal("0.005"), tick_size=Decimal("0.0005")),)
OPTION_LOT: Final[Mapping[str, Decimal]] = {"BTC": Decimal("0.1"), "ETH": Decimal(1)}
PERPETUAL_LOT_USD: Final[Mapping[str, Decimal]] = {"BTC": Decimal(10), "ETH": Decimal(1)}
PERPETUAL_TICK_USD: Final[Mapping[str, Decimal]] = {"BTC": Decimal("0.5"), "ETH": Decimal("0.05")}
OPTION_CREATED_BEFORE_MS: Final = 90 * 86_400_000


def perpetual_name(base: str) -> str:
    """The inverse perpetual's name: `BTC-PERPETUAL`."""
    return f"{base}-PERPETUAL"


def expiry_code(expiry_ms: int) -> str:
    """The venue's date code, without a leading zero: `26DEC25`, `5JAN26`."""
    day = datetime.fromtimestamp(expiry_ms / 1000, UTC)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def parse_expiry_code(code: str) -> int:
    """Expiry in epoch milliseconds (08:00 UTC) of a date code. ValueError if it is none."""
    month = MONTH_NUMBER.get(code[-5:-2])
    if month is None or not (code[:-5].isdigit() and code[-2:].isdigit()):
        raise ValueError(f"{code!r} is not an expiry code such as 26DEC25")
    day = datetime(2000 + int(code[-2:]), month, int(code[:-5]), EXPIRY_HOUR_UTC, tzinfo=UTC)
    return int(day.timestamp()) * 1000


def option_name(
    base: str,
    expiry_ms: int,
    strike: float,
    is_call: bool,  # noqa: FBT001 (a column like the others)
) -> str:
    """`BTC-26DEC25-90000-C`; a fractional strike is written with `d` for the point."""
    text = f"{strike:.10f}".rstrip("0").rstrip(".").replace(".", "d")
    return f"{base}-{expiry_code(expiry_ms)}-{text}-{'C' if is_call else 'P'}"


def perpetual(base: str) -> Contract:
    """The inverse perpetual on `base`: amounts in USD, prices in USD, settled in the coin."""
    if base not in PERPETUAL_LOT_USD:
        raise ValueError(f"no perpetual is listed on {base!r}")
    lot = PERPETUAL_LOT_USD[base]
    return Contract(
        name=perpetual_name(base),
        kind=Kind.PERPETUAL,
        base=base,
        quote="USD",
        settlement_currency=base,
        contract_size=lot,
        lot=lot,
        tick_size=PERPETUAL_TICK_USD[base],
        tick_steps=(),
        creation_ms=PERPETUAL_CREATION_MS,
        expiry_ms=PERPETUAL_EXPIRY_MS,
        strike=None,
        is_call=None,
        maker_fee=Decimal(0),
        taker_fee=Decimal("0.0005"),
    )


def option(
    base: str,
    expiry_ms: int,
    strike: float,
    is_call: bool,  # noqa: FBT001 (a column like the others)
    *,
    creation_ms: int | None = None,
) -> Contract:
    """The inverse option on `base`: amounts and prices in coin, strike in USD.

    `creation_ms` is when it was listed; unknown, it is taken as 90 days before expiry.
    """
    if base not in OPTION_LOT:
        raise ValueError(f"no options are listed on {base!r}")
    return Contract(
        name=option_name(base, expiry_ms, strike, is_call),
        kind=Kind.OPTION,
        base=base,
        quote=base,
        settlement_currency=base,
        contract_size=Decimal(1),
        lot=OPTION_LOT[base],
        tick_size=OPTION_TICK,
        tick_steps=OPTION_TICK_STEPS,
        creation_ms=expiry_ms - OPTION_CREATED_BEFORE_MS if creation_ms is None else creation_ms,
        expiry_ms=expiry_ms,
        strike=strike,
        is_call=is_call,
        maker_fee=Decimal("0.0003"),
        taker_fee=Decimal("0.0003"),
    )


def parse_name(name: str) -> Contract:
    """The contract behind a venue name. ValueError, with the name in it, if there is none."""
    parts = name.split("-")
    if len(parts) == 2 and parts[1] == "PERPETUAL":
        return perpetual(parts[0])
    if len(parts) != 4 or parts[3] not in ("C", "P"):
        raise ValueError(f"{name!r} is not an instrument such as BTC-26DEC25-90000-C")
    try:
        strike = float(parts[2].replace("d", "."))
    except ValueError:
        raise ValueError(f"{name!r}: {parts[2]!r} is not a strike") from None
    if not 0.0 < strike < math.inf:
        raise ValueError(f"{name!r}: a strike must be a positive number of USD")
    return option(parts[0], parse_expiry_code(parts[1]), strike, parts[3] == "C")
