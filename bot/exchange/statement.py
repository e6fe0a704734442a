"""The transaction log: why each balance is what it is.

Every change of a balance has a row with the balance after it, so that the changes of a wallet's
rows add up to its balance, to the last digit. Kinds and sides are the venue's words, as in
`private/get_transaction_log`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.exchange.orders import ZERO
from bot.exchange.reports import Liquidity
from bot.exchange.wallets import Wallet


class EntryKind(StrEnum):
    """What a row is about."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    CORRECTION = "correction"  # positions set from outside, busts, what the insurance fund paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What happened, as far as it concerns an instrument or another account.

    `amount` and `position` are native, `price` is too; `commission`, `cashflow` and the rest are in
    the settlement currency. `cashflow` is premium, or session profit that waits for settlement.
    """

    kind: EntryKind
    at_ms: int
    instrument_name: str | None = None
    side: str = "-"
    amount: Decimal = ZERO
    price: float | None = None
    position: Decimal | None = None
    mark_price: float | None = None
    index_price: float | None = None
    trade_id: str | None = None
    order_id: str | None = None
    role: Liquidity | None = None
    commission: Decimal = ZERO
    cashflow: Decimal = ZERO
    interest: Decimal = ZERO
    session_upl: Decimal = ZERO
    session_rpl: Decimal = ZERO
    other_account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: `entry_id` counts over the exchange, `seq` over the wallet."""

    entry_id: int
    seq: int
    account: str
    currency: str
    change: Decimal
    balance: Decimal
    subject: Subject


@dataclass(slots=True)
class Statement:
    """The rows of every wallet, oldest first."""

    _of: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    _noted: int = 0

    def note(self, wallet: Wallet, before: Decimal, subject: Subject) -> None:
        """Add a row: the balance was `before`, and is now what the wallet says."""
        rows = self._of.setdefault((wallet.account, wallet.currency), [])
        self._noted += 1
        rows.append(
            Entry(
                entry_id=self._noted,
                seq=len(rows) + 1,
                account=wallet.account,
                currency=wallet.currency,
                change=wallet.balance - before,
                balance=wallet.balance,
                subject=subject,
            )
        )

    def of(self, account: str, currency: str) -> Sequence[Entry]:
        """A wallet's rows, oldest first."""
        return self._of.get((account, currency), ())


def traded_side(before: Decimal, change: Decimal) -> str:
    """The venue's word for a fill that changes a position of `before`: `open buy`, `close sell`."""
    word = "buy" if change > 0 else "sell"
    return f"close {word}" if before * change < 0 else f"open {word}"
