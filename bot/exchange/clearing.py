"""Who holds what: wallets, the house's side of every trade, fees, funding and deliveries.

Money moves between a wallet and another wallet, the house, or the fees, never out of nothing:
`Treasury.excess` stays zero.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind, Pair, parse_name
from bot.exchange.fees import delivery_fee
from bot.exchange.funding import FundingMeter
from bot.exchange.orders import ZERO, Order, signed
from bot.exchange.reports import FillCause, TradeView
from bot.exchange.rules import Rules
from bot.exchange.settlement import delivery_price
from bot.exchange.statement import EntryKind, Statement, Subject, traded_side
from bot.exchange.trades import Delivery
from bot.exchange.treasury import Treasury
from bot.exchange.wallets import Wallet, flow, money


@dataclass(slots=True, kw_only=True)
class Clearing:
    """The books. `accounts` are the wallets of each account, by settlement currency."""

    rules: Rules
    board: Board
    funding: dict[Pair, FundingMeter]
    accounts: dict[str, dict[str, Wallet]] = field(default_factory=dict)
    treasury: Treasury = field(default_factory=Treasury)
    statement: Statement = field(default_factory=Statement)

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

    def deposit(self, account: str, currency: str, amount: Decimal, now_ms: int) -> None:
        """Money comes in from outside (negative: it leaves)."""
        wallet = self.accounts[account][currency]
        before = wallet.balance
        wallet.balance += amount
        self.treasury.vault(currency).deposited += amount
        kind = EntryKind.DEPOSIT if amount > 0 else EntryKind.WITHDRAWAL
        self.statement.note(wallet, before, Subject(kind=kind, at_ms=now_ms, cashflow=amount))

    def transfer(self, sender: Wallet, recipient: Wallet, amount: Decimal, now_ms: int) -> None:
        """Move money between two wallets of a currency."""
        for wallet, change, other in (
            (sender, -amount, recipient.account),
            (recipient, amount, sender.account),
        ):
            before = wallet.balance
            wallet.balance += change
            subject = Subject(
                kind=EntryKind.TRANSFER, at_ms=now_ms, cashflow=change, other_account=other
            )
            self.statement.note(wallet, before, subject)

    def insure(self, wallet: Wallet, amount: Decimal, now_ms: int) -> None:
        """The insurance fund pays what a bankrupt wallet lacks."""
        before = wallet.balance
        wallet.balance += amount
        self.treasury.vault(wallet.currency).insurance -= amount
        subject = Subject(kind=EntryKind.CORRECTION, at_ms=now_ms, cashflow=amount)
        self.statement.note(wallet, before, subject)

    def accrue(self, wallet: Wallet, contract: Contract, now_ms: int) -> float:
        """Book a position's funding up to now, between wallet and house; the meter's reading."""
        paid = self.paid_at(now_ms)(contract)
        received = wallet.accrue(contract.name, paid)
        self.treasury.vault(wallet.currency).house.balance -= received
        return paid

    def charge(self, wallet: Wallet, fee: Decimal, *, is_liquidation: bool = False) -> None:
        """Take a fee (negative: give it back); the insurance fund gets those of liquidations."""
        wallet.pay_fee(fee)
        vault = self.treasury.vault(wallet.currency)
        if is_liquidation:
            vault.insurance += fee
        else:
            vault.fees += fee

    def house_trades(self, order: Order, amount: Decimal, price: Decimal, now_ms: int) -> None:
        """The house's side of a fill. Its funding is booked with the accounts' own."""
        house = self.treasury.vault(order.contract.settlement_currency).house
        paid = self.paid_at(now_ms)(order.contract)
        house.trade(order.contract, -signed(order.direction, amount), price, paid)

    def note_fill(
        self, wallet: Wallet, before: Decimal, trade: TradeView, realised: Decimal
    ) -> None:
        """Add the row of a fill that has just been booked."""
        change, position = signed(trade.direction, trade.amount), wallet.size(trade.instrument_name)
        commission, is_premium = money(trade.fee), trade.iv_percent is not None
        kinds = {
            FillCause.LIQUIDATION: EntryKind.LIQUIDATION,
            FillCause.BUST: EntryKind.CORRECTION,
        }
        subject = Subject(
            kind=kinds.get(trade.cause, EntryKind.TRADE),
            at_ms=trade.at_ms,
            instrument_name=trade.instrument_name,
            side=traded_side(position - change, change),
            amount=trade.amount,
            price=float(trade.price),
            position=position,
            mark_price=trade.mark_price,
            index_price=trade.index_usd,
            trade_id=trade.trade_id,
            order_id=trade.order_id,
            role=trade.liquidity,
            commission=commission,
            cashflow=wallet.balance - before + commission if is_premium else realised,
            session_rpl=realised,
        )
        self.statement.note(wallet, before, subject)

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
        before = wallet.balance
        realised = wallet.trade(contract, -size, price, 0.0)
        vault.house.trade(contract, size, price, 0.0)
        self.charge(wallet, money(fee))
        subject = Subject(
            kind=EntryKind.DELIVERY,
            at_ms=now_ms,
            instrument_name=contract.name,
            side="close sell" if size > 0 else "close buy",
            amount=abs(size),
            price=price,
            position=ZERO,
            mark_price=price,
            index_price=delivery_usd,
            commission=money(fee),
            cashflow=-flow(contract, -size, price) if contract.is_option else realised,
            session_rpl=realised,
        )
        self.statement.note(wallet, before, subject)
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
        """Put everybody's session profit into the balance, instrument by instrument."""
        for wallet in self.wallets():
            for position in list(wallet.positions.values()):
                self.accrue(wallet, position.contract, now_ms)
            for name in dict.fromkeys((*wallet.positions, *wallet.futures_rpl)):
                self._settle(wallet, name, now_ms)
            wallet.options_session_rpl = ZERO

    def _settle(self, wallet: Wallet, name: str, now_ms: int) -> None:
        contract = parse_name(name)
        is_held, before = name in wallet.positions, wallet.balance
        mark = self.board.mark(contract) if is_held else 0.0
        result = wallet.settle(name, mark)
        if contract.is_option:
            return
        subject = Subject(
            kind=EntryKind.SETTLEMENT,
            at_ms=now_ms,
            instrument_name=name,
            side="short" if result.size < 0 else "long",
            amount=abs(result.size),
            price=mark if is_held else None,
            position=result.size,
            mark_price=mark if is_held else None,
            index_price=self.board.index_usd(contract.pair),
            cashflow=result.upl + result.rpl,
            interest=result.interest,
            session_upl=result.upl,
            session_rpl=result.rpl,
        )
        self.statement.note(wallet, before, subject)
