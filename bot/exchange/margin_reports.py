"""What is told of margins besides an account's summary."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsUsd:
    """A cross account over all its currencies, USD (venue's field names, `total_..._usd`)."""

    equity: float
    margin_balance: float
    initial_margin: float
    maintenance_margin: float
    delta_total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginsView:
    """What a hypothetical order would need by itself, and the price band of the moment."""

    buy: float
    sell: float
    min_price: Decimal
    max_price: Decimal
