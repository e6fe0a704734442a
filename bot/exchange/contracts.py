"""What is traded: perpetuals, dated futures and options, inverse and linear, under Deribit's names.

A contract is a frozen description: name, pair, lot, price steps, fees. Amounts are in native units:
USD for inverse perpetuals and futures, coin for everything else. Prices are USD (USDC) for
perpetuals, futures and linear options, coin for inverse options.

Sources: Deribit's `public/get_instruments` and its naming rule (the examples of its API description
and recorded answers for BTC); the price steps of linear options from quotes of December 2025 (BTC:
5 and, above 1,000, 20 USDC; ETH: 0.2 and, above 50, 1 USDC). The steps and lots of the linear
perpetuals, the lots of linear options and of ETH are the venue's as traders report them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from types import MappingProxyType
from typing import Final

PERPETUAL_EXPIRY_MS: Final = 32_503_708_800_000  # 3000-01-01T08:00Z, the venue's "never"
PERPETUAL_CREATION_MS: Final = 1_534_167_754_000  # 2018-08-13, when BTC-PERPETUAL was listed
EXPIRY_HOUR_UTC: Final = 8
FRIDAY: Final = 4
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH_NUMBER: Final[Mapping[str, int]] = {code: at for at, code in enumerate(MONTHS, start=1)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A market by its underlying coin and what it is quoted in: USD is inverse, USDC linear.

    Inverse contracts settle in the coin, linear ones in USDC. There is one object of each, in
    `PAIRS`. Without slots, as `Contract`: what follows from the fields is asked for with every
    price, and worked out once.
    """

    base: str
    quote: str

    @cached_property
    def is_linear(self) -> bool:
        """Whether profit is linear in the price, in the quote currency."""
        return self.quote != "USD"

    @cached_property
    def settlement_currency(self) -> str:
        """What margin, profit and fees are in."""
        return self.quote if self.is_linear else self.base

    @cached_property
    def index_name(self) -> str:
        """The index that the contracts settle on: `btc_usd`, `btc_usdc`."""
        return f"{self.base}_{self.quote}".lower()

    @cached_property
    def prefix(self) -> str:
        """What instrument names begin with: `BTC`, `BTC_USDC`."""
        return f"{self.base}_{self.quote}" if self.is_linear else self.base


BTC_USD: Final = Pair(base="BTC", quote="USD")
ETH_USD: Final = Pair(base="ETH", quote="USD")
BTC_USDC: Final = Pair(base="BTC", quote="USDC")
ETH_USDC: Final = Pair(base="ETH", quote="USDC")
PAIRS: Final = (BTC_USD, ETH_USD, BTC_USDC, ETH_USDC)
PAIR_OF_PREFIX: Final[Mapping[str, Pair]] = {pair.prefix: pair for pair in PAIRS}
PAIR_OF_INDEX: Final[Mapping[str, Pair]] = {pair.index_name: pair for pair in PAIRS}


class Kind(StrEnum):
    """What an instrument is. The venue's word for both perpetuals and futures is `future`."""

    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"


class SettlementPeriod(StrEnum):
    """How long a contract is listed for, in the venue's words."""

    PERPETUAL = "perpetual"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickStep:
    """From `above_price` (native, exclusive) upward, prices step by `tick_size`."""

    above_price: Decimal
    tick_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """What all contracts of a pair share. Lots are both the smallest amount and its step, native.

    A contract's size is its lot, but for inverse options, of which one is a whole coin.
    """

    perpetual_tick: Decimal
    future_tick: Decimal
    future_lot: Decimal
    option_tick: Decimal
    option_tick_steps: tuple[TickStep, ...]
    option_lot: Decimal
    option_contract_size: Decimal
    option_fee: Decimal = Decimal("0.0003")
    future_maker_fee: Decimal = Decimal(0)
    future_taker_fee: Decimal = Decimal("0.0005")


def _steps(above_price: str, tick_size: str) -> tuple[TickStep, ...]:
    return (TickStep(above_price=Decimal(above_price), tick_size=Decimal(tick_size)),)


TERMS: Final[Mapping[Pair, PairTerms]] = MappingProxyType(
    {
        BTC_USD: PairTerms(
            perpetual_tick=Decimal("0.5"),
            future_tick=Decimal("2.5"),
            future_lot=Decimal(10),
            option_tick=Decimal("0.0001"),
            option_tick_steps=_steps("0.005", "0.0005"),
            option_lot=Decimal("0.1"),
            option_contract_size=Decimal(1),
        ),
        ETH_USD: PairTerms(
            perpetual_tick=Decimal("0.05"),
            future_tick=Decimal("0.25"),
            future_lot=Decimal(1),
            option_tick=Decimal("0.0001"),
            option_tick_steps=_steps("0.005", "0.0005"),
            option_lot=Decimal(1),
            option_contract_size=Decimal(1),
        ),
        BTC_USDC: PairTerms(
            perpetual_tick=Decimal("0.5"),
            future_tick=Decimal("0.5"),
            future_lot=Decimal("0.0001"),
            option_tick=Decimal(5),
            option_tick_steps=_steps("1000", "20"),
            option_lot=Decimal("0.01"),
            option_contract_size=Decimal("0.01"),
        ),
        ETH_USDC: PairTerms(
            perpetual_tick=Decimal("0.05"),
            future_tick=Decimal("0.05"),
            future_lot=Decimal("0.001"),
            option_tick=Decimal("0.2"),
            option_tick_steps=_steps("50", "1"),
            option_lot=Decimal("0.1"),
            option_contract_size=Decimal("0.1"),
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One instrument of the exchange.

    `lot` is both the smallest amount and its step, native units. `strike` (USD) and `is_call` are
    None for perpetuals and futures. Fees are fractions of the notional; the option's cap is the
    account's.
    """

    name: str
    kind: Kind
    pair: Pair
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

    @cached_property
    def base(self) -> str:
        """The underlying coin."""
        return self.pair.base

    @cached_property
    def quote(self) -> str:
        """What prices are in: the coin itself for inverse options."""
        return self.base if self.is_option and not self.pair.is_linear else self.pair.quote

    @cached_property
    def settlement_currency(self) -> str:
        """What margin, profit and fees are in."""
        return self.pair.settlement_currency

    @cached_property
    def is_option(self) -> bool:
        """Whether it is an option; perpetuals and futures are not."""
        return self.kind is Kind.OPTION

    @cached_property
    def is_sized_in_usd(self) -> bool:
        """Whether amounts are USD: inverse perpetuals and futures. All others count coins."""
        return self.kind is not Kind.OPTION and not self.pair.is_linear

    @cached_property
    def settlement_period(self) -> SettlementPeriod:
        """By the day of its expiry: month on a month's last Friday, week on another, else day."""
        if self.kind is Kind.PERPETUAL:
            return SettlementPeriod.PERPETUAL
        day = datetime.fromtimestamp(self.expiry_ms / 1000, UTC).date()
        if day.weekday() != FRIDAY:
            return SettlementPeriod.DAY
        is_last = (day + timedelta(days=7)).month != day.month
        return SettlementPeriod.MONTH if is_last else SettlementPeriod.WEEK

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


NAMES_KEPT: Final = 10_000  # of what was parsed: every trade of a list is asked what it is
OPTION_CREATED_BEFORE_MS: Final = 90 * 86_400_000
FUTURE_CREATED_BEFORE_MS: Final = 90 * 86_400_000


def perpetual_name(pair: Pair) -> str:
    """The perpetual's name: `BTC-PERPETUAL`, `BTC_USDC-PERPETUAL`."""
    return f"{pair.prefix}-PERPETUAL"


def future_name(pair: Pair, expiry_ms: int) -> str:
    """A dated future's name: `BTC-27MAR26`."""
    return f"{pair.prefix}-{expiry_code(expiry_ms)}"


@lru_cache(NAMES_KEPT)
def expiry_code(expiry_ms: int) -> str:
    """The venue's date code, without a leading zero: `26DEC25`, `5JAN26`."""
    day = datetime.fromtimestamp(expiry_ms / 1000, UTC)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def parse_expiry_code(code: str) -> int:
    """Expiry in epoch milliseconds (08:00 UTC) of a date code. ValueError if it is none."""
    month = MONTH_NUMBER.get(code[-5:-2])
    if month is None or not (code[:-5].isdigit() and code[-2:].isdigit()):
        raise ValueError(f"{code!r} is not an expiry code such as 26DEC25")
    day = date(2000 + int(code[-2:]), month, int(code[:-5]))
    moment = datetime(day.year, day.month, day.day, EXPIRY_HOUR_UTC, tzinfo=UTC)
    return int(moment.timestamp()) * 1000


def option_name(
    pair: Pair,
    expiry_ms: int,
    strike: float,
    is_call: bool,  # noqa: FBT001 (a column like the others)
) -> str:
    """`BTC-26DEC25-90000-C`; a fractional strike is written with `d` for the point."""
    text = f"{strike:.10f}".rstrip("0").rstrip(".").replace(".", "d")
    return f"{pair.prefix}-{expiry_code(expiry_ms)}-{text}-{'C' if is_call else 'P'}"


@cache
def perpetual(pair: Pair) -> Contract:
    """The perpetual of a pair: amounts in USD and settled in the coin, or in coins and in USDC."""
    terms = TERMS[pair]
    return Contract(
        name=perpetual_name(pair),
        kind=Kind.PERPETUAL,
        pair=pair,
        contract_size=terms.future_lot,
        lot=terms.future_lot,
        tick_size=terms.perpetual_tick,
        tick_steps=(),
        creation_ms=PERPETUAL_CREATION_MS,
        expiry_ms=PERPETUAL_EXPIRY_MS,
        strike=None,
        is_call=None,
        maker_fee=terms.future_maker_fee,
        taker_fee=terms.future_taker_fee,
    )


def future(pair: Pair, expiry_ms: int, *, creation_ms: int | None = None) -> Contract:
    """The dated future of a pair: like the perpetual, but delivered at its expiry.

    `creation_ms` is when it was listed; unknown, it is taken as 90 days before expiry.
    """
    terms = TERMS[pair]
    return Contract(
        name=future_name(pair, expiry_ms),
        kind=Kind.FUTURE,
        pair=pair,
        contract_size=terms.future_lot,
        lot=terms.future_lot,
        tick_size=terms.future_tick,
        tick_steps=(),
        creation_ms=expiry_ms - FUTURE_CREATED_BEFORE_MS if creation_ms is None else creation_ms,
        expiry_ms=expiry_ms,
        strike=None,
        is_call=None,
        maker_fee=terms.future_maker_fee,
        taker_fee=terms.future_taker_fee,
    )


def option(
    pair: Pair,
    expiry_ms: int,
    strike: float,
    is_call: bool,  # noqa: FBT001 (a column like the others)
    *,
    creation_ms: int | None = None,
) -> Contract:
    """An option: amounts in coin, strike in USD, prices in coin (inverse) or USDC (linear).

    `creation_ms` is when it was listed; unknown, it is taken as 90 days before expiry.
    """
    terms = TERMS[pair]
    return Contract(
        name=option_name(pair, expiry_ms, strike, is_call),
        kind=Kind.OPTION,
        pair=pair,
        contract_size=terms.option_contract_size,
        lot=terms.option_lot,
        tick_size=terms.option_tick,
        tick_steps=terms.option_tick_steps,
        creation_ms=expiry_ms - OPTION_CREATED_BEFORE_MS if creation_ms is None else creation_ms,
        expiry_ms=expiry_ms,
        strike=strike,
        is_call=is_call,
        maker_fee=terms.option_fee,
        taker_fee=terms.option_fee,
    )


@lru_cache(NAMES_KEPT)
def parse_name(name: str) -> Contract:
    """The contract behind a venue name. ValueError, with the name in it, if there is none."""
    prefix, *parts = name.split("-")
    pair = PAIR_OF_PREFIX.get(prefix)
    if pair is None:
        raise ValueError(f"{name!r}: nothing is listed on {prefix!r}")
    match parts:
        case ["PERPETUAL"]:
            return perpetual(pair)
        case [code]:
            return future(pair, parse_expiry_code(code))
        case [code, strike, "C" | "P" as side]:
            return option(pair, parse_expiry_code(code), _strike(name, strike), side == "C")
        case _:
            raise ValueError(f"{name!r} is not an instrument such as BTC-26DEC25-90000-C")


def _strike(name: str, text: str) -> float:
    try:
        strike = float(text.replace("d", "."))
    except ValueError:
        raise ValueError(f"{name!r}: {text!r} is not a strike") from None
    if not 0.0 < strike < math.inf:
        raise ValueError(f"{name!r}: a strike must be a positive number of USD")
    return strike
