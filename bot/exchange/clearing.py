"""Who holds what: wallets, the house's side of every trade, fees, funding and deliveries.

Money moves between a wallet and another wallet, the house, or the fees, never out of nothing:
`Treasury.excess` stays zero.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind, Pair
from bot.exchange.fees import delivery_fee
from bot.exchange.funding import FundingMeter
from bot.exchange.orders import ZERO, Order, signed
from bot.exchange.rules import Rules
from bot.exchange.settlement import delivery_price
from bot.exchange.trades import Delivery
from bot.exchange.treasury import Treasury
from bot.exchange.wallets import Wallet, money


@dataclass(slots=True, kw_only=True)
class Clearing:
    """The books. `accounts` are the wallets of each account, by settlement currency."""

    rules: Rules
    board: Board
    funding: dict[Pair, FundingMeter]
    accounts: dict[str, dict[str, Wallet]] = field(default_factory=dict)
    treasury: Treasury = field(default_factory=Treasury)

    def wallet(self, account: str, contract: Contract) -> Wallet:
        """The account's wallet that the contract settles in."""
        return self.accounts[account][contract.settlement_currency]

    def wallets(self) -> Iterator[Wallet]:
        """Every account's wallets."""
        for wallets in self.accounts.values():
            yield from wallets.values()

    def held(self, account: str, instrument_name: str) -> Decimal:
        """Signed native size that the account holds in an instrument, by name."""
        wallets = self.accounts[account].values()
        return sum((wallet.size(instrument_name) for wallet in wallets), ZERO)

    def open_interest(self, contract: Contract) -> Decimal:
        """Native size that the accounts hold, long and short together."""
        currency = contract.settlement_currency
        held = (wallets[currency].size(contract.name) for wallets in self.accounts.values())
        return sum((abs(size) for size in held), ZERO)

    def paid_at(self, now_ms: int) -> Callable[[Contract], float]:
        """Reads the funding meters: what a long of one unit of a perpetual has paid so far."""

        def paid_of(contract: Contract) -> float:
            if contract.kind is not Kind.PERPETUAL:
                return 0.0
            return self.funding[contract.pair].paid_per_unit(now_ms)

        return paid_of

    def deposit(self, account: str, currency: str, amount: Decimal) -> None:
        """Money comes in from outside (negative: it leaves)."""
        self.accounts[account][currency].balance += amount
        self.treasury.vault(currency).deposited += amount

    def accrue(self, wallet: Wallet, contract: Contract, now_ms: int) -> float:
        """Book a position's funding up to now, between wallet and house; the meter's reading."""
        paid = self.paid_at(now_ms)(contract)
        received = wallet.accrue(contract.name, paid)
        self.treasury.vault(wallet.currency).house.balance -= received
        return paid

    def charge(self, wallet: Wallet, fee: Decimal) -> None:
        """Take a fee (negative: pay a rebate)."""
        wallet.pay_fee(fee)
        self.treasury.vault(wallet.currency).fees += fee

    def house_trades(self, order: Order, amount: Decimal, price: Decimal, now_ms: int) -> None:
        """The house's side of a fill. Its funding is booked with the accounts' own."""
        house = self.treasury.vault(order.contract.settlement_currency).house
        paid = self.paid_at(now_ms)(order.contract)
        house.trade(order.contract, -signed(order.direction, amount), price, paid)

    def delivered(
        self, account: str, contract: Contract, delivery_usd: float, now_ms: int
    ) -> Delivery | None:
        """Sell what the account holds to the house at the delivery price, for the fee of that."""
        wallet = self.wallet(account, contract)
        size = wallet.size(contract.name)
        if size == 0:
            return None
        vault = self.treasury.vault(wallet.currency)
        price = delivery_price(contract, delivery_usd)
        fee = delivery_fee(self.rules.fees, contract, float(abs(size)), price, delivery_usd)
        realised = wallet.trade(contract, -size, price, 0.0)
        vault.house.trade(contract, size, price, 0.0)
        self.charge(wallet, money(fee))
        return Delivery(
            account=account,
            contract=contract,
            size=size,
            price_usd=delivery_usd,
            price=price,
            at_ms=now_ms,
            fee=fee,
            realised=float(realised),
        )

    def settle_session(self, now_ms: int) -> None:
        """Put everybody's session profit into the balance."""
        for wallet in self.wallets():
            for position in list(wallet.positions.values()):
                self.accrue(wallet, position.contract, now_ms)
            wallet.settle_session(self.board.mark)
