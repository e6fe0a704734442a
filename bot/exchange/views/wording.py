"""How the venue writes numbers and names: digits, zeros for absent prices, kinds, indices."""

from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract, Kind

USD_DIGITS: Final = 2
COIN_DIGITS: Final = 8
OPTION_MARK_DIGITS: Final = 6
GREEK_DIGITS: Final = 5
GAMMA_DIGITS: Final = 8
PERCENT_DIGITS: Final = 2
RATE_DIGITS: Final = 8
KIND_WORD: Final = {Kind.PERPETUAL: "future", Kind.FUTURE: "future", Kind.OPTION: "option"}


def number(value: Decimal) -> int | float:
    """A JSON number without a needless fraction."""
    return int(value) if value == value.to_integral_value() else float(value)


def optional_number(value: Decimal | None) -> int | float | None:
    """A JSON number, or null."""
    return None if value is None else number(value)


def price_or_zero(value: Decimal | None) -> int | float:
    """A best price; the venue writes 0 where there is no quote."""
    return 0.0 if value is None else number(value)


def price_digits(contract: Contract) -> int:
    """Decimals of a contract's mark: coin prices are finer than those in USD."""
    return OPTION_MARK_DIGITS if contract.is_option else USD_DIGITS
