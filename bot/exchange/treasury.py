"""Where money is that no account has: the house's book, the fees, the insurance fund.

Each currency has a vault. What has ever been deposited equals what the accounts, the house, the
fees and the insurance fund have brought together, to the last digit: `Treasury.excess` says by how
much it does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.orders import ZERO
from bot.exchange.wallets import Wallet

HOUSE: Final = "house"


@dataclass(slots=True, kw_only=True)
class Vault:
    """The venue's side of one currency. `deposited` is net of what was withdrawn."""

    house: Wallet
    fees: Decimal = ZERO
    insurance: Decimal = ZERO
    deposited: Decimal = ZERO


@dataclass(slots=True)
class Treasury:
    """The vaults by currency."""

    vaults: dict[str, Vault] = field(default_factory=dict)

    def vault(self, currency: str) -> Vault:
        """The currency's vault, opened on first use."""
        found = self.vaults.get(currency)
        if found is None:
            found = Vault(house=Wallet(account=HOUSE, currency=currency))
            self.vaults[currency] = found
        return found

    def excess(self, currency: str, wallets: Iterable[Wallet]) -> Decimal:
        """Money that exists less what was deposited: zero, exactly."""
        vault = self.vault(currency)
        held = sum((wallet.coins for wallet in wallets if wallet.currency == currency), ZERO)
        return held + vault.house.coins + vault.fees + vault.insurance - vault.deposited
