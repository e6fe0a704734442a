"""What the venue itself does to accounts and markets, and what one may read of its books."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bot.exchange.rules import MarginModel
from bot.exchange.statement import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPosition:
    """Set the position to `size` (signed, native) at the mark: no fee, no profit. Not a trade."""

    account: str
    instrument_name: str
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """Move a coin, such as `BTC`, in all its pairs by the fraction `move` for ever after."""

    underlying: str
    move: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """Open an account with nothing in it, for itself or as one of an owner's."""

    account: str
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money comes in from outside; a negative `amount` leaves, if it may be withdrawn."""

    account: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Move money from one account to another, if it may be withdrawn there."""

    sender: str
    recipient: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMarginModel:
    """Margin an account by another model, if it has the funds for that or is `forced`."""

    account: str
    model: MarginModel
    forced: bool = False


VenueCommand = SetPosition | Shock | OpenAccount | Deposit | Transfer | SetMarginModel


class VenueReadings(Protocol):
    """What one may read of the venue's own books."""

    def statement(self, account: str, currency: str) -> Sequence[Entry]:
        """The transaction log of an account in a currency, oldest first."""
        ...

    def insurance_fund(self, currency: str) -> Decimal:
        """What the insurance fund holds."""
        ...

    def excess(self, currency: str) -> Decimal:
        """Money that exists less what was deposited: zero."""
        ...
