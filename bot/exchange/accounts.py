"""An account's money and positions: the exchange's own arithmetic.

Inverse perpetual of N USD: profit N (1/S0 - 1/S1) coins, exactly. Options: premium paid and
received in coin at once, so that `balance` moves with a trade and `options_value` carries the rest.
Profit of the perpetual runs in the session (`futures_session_upl`, `_rpl`, funding included) and
goes into the balance at the daily settlement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract, Kind
from bot.exchange.orders import ZERO
from bot.exchange.reports import Liquidity
from bot.exchange.rules import FeeRules

MARK_DIGITS: Final[Mapping[Kind, int]] = {Kind.PERPETUAL: 2, Kind.OPTION: 4}  # as published


def profit_coin(kind: Kind, size: float, from_price: float, to_price: float) -> float:
    """What holding `size` (native, signed) between two prices earns, in coin."""
    if size == 0:
        return 0.0
    if kind is Kind.PERPETUAL:
        return size * (1.0 / from_price - 1.0 / to_price)
    return size * (to_price - from_price)


def blended_price(kind: Kind, size: float, price: float, more: float, more_price: float) -> float:
    """Average price of two same-sided sizes: harmonic for the inverse perpetual."""
    if size == 0:
        return more_price
    if kind is Kind.PERPETUAL:
        return (size + more) / (size / price + more / more_price)
    return (size * price + more * more_price) / (size + more)


def fee_coin(rules: FeeRules, kind: Kind, amount: float, price: float, role: Liquidity) -> float:
    """Fee of a fill in coin. An option's is capped at a share of its premium."""
    if kind is Kind.PERPETUAL:
        rate = rules.perp_maker if role is Liquidity.MAKER else rules.perp_taker
        return rate * amount / price
    return amount * min(rules.option_coin, rules.option_premium_cap * price)


@dataclass(slots=True, kw_only=True, eq=False)
class Position:
    """One position: `size` signed and native.

    `average_price` is over its life, `session_price` since the last settlement. `funding_mark` is
    the meter's reading up to which funding has been paid.
    """

    contract: Contract
    size: Decimal = ZERO
    average_price: float = 0.0
    session_price: float = 0.0
    session_realised: float = 0.0
    session_funding: float = 0.0
    settlement_price: float = 0.0
    funding_mark: float = 0.0

    def floating(self, mark: float) -> float:
        """Unrealised profit of this session at `mark`, coin."""
        return profit_coin(self.contract.kind, float(self.size), self.session_price, mark)

    def total(self, mark: float) -> float:
        """Unrealised profit since the average price, coin."""
        return profit_coin(self.contract.kind, float(self.size), self.average_price, mark)

    def pending_funding(self, paid_per_usd: float) -> float:
        """Funding received (positive) since it was last booked, coin."""
        if self.contract.kind is not Kind.PERPETUAL:
            return 0.0
        return -float(self.size) * (paid_per_usd - self.funding_mark)

    def change(self, amount: Decimal, price: float) -> float:
        """Trade `amount` (signed) at `price`: returns the profit that this realises, coin."""
        kind, size, more = self.contract.kind, float(self.size), float(amount)
        if size * more >= 0:
            self.average_price = blended_price(kind, size, self.average_price, more, price)
            self.session_price = blended_price(kind, size, self.session_price, more, price)
            self.size += amount
            return 0.0
        closed = -more if abs(more) <= abs(size) else size
        realised = profit_coin(kind, closed, self.session_price, price)
        self.size += amount
        if float(self.size) * more > 0:  # flipped: what is left was opened here
            self.average_price = self.session_price = price
        self.session_realised += realised
        return realised


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """One account in one currency. `fees_paid` and `funding_paid` count since it was opened."""

    name: str
    currency: str
    balance: float
    positions: dict[str, Position] = field(default_factory=dict)
    futures_session_rpl: float = 0.0
    options_session_rpl: float = 0.0
    fees_paid: float = 0.0
    funding_paid: float = 0.0

    def size(self, name: str) -> Decimal:
        """Signed native size held in the instrument."""
        position = self.positions.get(name)
        return position.size if position is not None else ZERO

    def trade(
        self, contract: Contract, amount: Decimal, price: Decimal, fee: float, paid_per_usd: float
    ) -> float:
        """Book a fill of `amount` (signed) at `price`; returns the profit it realised, coin."""
        position = self._position(contract, paid_per_usd)
        realised = position.change(amount, float(price))
        if contract.kind is Kind.PERPETUAL:
            self.futures_session_rpl += realised
        else:
            self.balance -= float(amount) * float(price)
            self.options_session_rpl += realised
        self.balance -= fee
        self.fees_paid += fee
        self._drop_if_flat(position)
        return realised

    def set_position(
        self, contract: Contract, size: Decimal, mark: float, paid_per_usd: float
    ) -> None:
        """Hold `size` from now on, at the mark: equity does not change."""
        position = self._position(contract, paid_per_usd)
        self._realise(position, position.floating(mark))
        if contract.kind is Kind.OPTION:
            self.balance -= float(size - position.size) * mark
        position.size = size
        position.average_price = position.session_price = mark
        self._drop_if_flat(position)

    def deliver(self, name: str, payoff: float) -> Position | None:
        """Settle an expired option at `payoff` coin each: the position that was held, if any."""
        position = self.positions.pop(name, None)
        if position is None:
            return None
        self._realise(position, position.floating(payoff))
        self.balance += float(position.size) * payoff
        return position

    def settle_session(self, mark_of: Callable[[Contract], float], paid_per_usd: float) -> None:
        """The daily settlement: the perpetual's session profit goes into the balance."""
        for position in self.positions.values():
            self._book_funding(position, paid_per_usd)
            mark = mark_of(position.contract)
            if position.contract.kind is Kind.PERPETUAL:
                self.futures_session_rpl += position.floating(mark)
            position.session_price = position.settlement_price = mark
            position.session_realised = position.session_funding = 0.0
        self.balance += self.futures_session_rpl
        self.futures_session_rpl = self.options_session_rpl = 0.0

    def _position(self, contract: Contract, paid_per_usd: float) -> Position:
        position = self.positions.get(contract.name)
        if position is None:
            position = Position(contract=contract, funding_mark=paid_per_usd)
            self.positions[contract.name] = position
        self._book_funding(position, paid_per_usd)
        return position

    def _book_funding(self, position: Position, paid_per_usd: float) -> None:
        received = position.pending_funding(paid_per_usd)
        position.funding_mark = paid_per_usd
        if received:
            position.session_funding += received
            position.session_realised += received
            self.futures_session_rpl += received
            self.funding_paid -= received

    def _realise(self, position: Position, profit: float) -> None:
        position.session_realised += profit
        if position.contract.kind is Kind.PERPETUAL:
            self.futures_session_rpl += profit
        else:
            self.options_session_rpl += profit

    def _drop_if_flat(self, position: Position) -> None:
        if position.size == 0:
            self.positions.pop(position.contract.name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What an account is worth at one frame, coin. Funding not yet booked is in `futures_rpl`."""

    balance: float
    futures_upl: float
    futures_rpl: float
    options_value: float

    @property
    def margin_balance(self) -> float:
        """Balance and the perpetual's session profit; options count only in equity."""
        return self.balance + self.futures_upl + self.futures_rpl

    @property
    def equity(self) -> float:
        """Everything the account is worth."""
        return self.margin_balance + self.options_value


def value_account(
    account: Account,
    mark_of: Callable[[Contract], float],
    paid_per_usd: float,
    *,
    rounded: bool = False,
) -> Valuation:
    """Value the account on marks as they are, or `rounded` to the digits that are published.

    `mark_of` is `Board.mark` of any frame; `paid_per_usd` is the funding meter's reading.
    """
    futures_upl, pending, options_value = 0.0, 0.0, 0.0
    for position in account.positions.values():
        kind = position.contract.kind
        mark = mark_of(position.contract)
        if rounded:
            mark = round(mark, MARK_DIGITS[kind])
        if kind is Kind.PERPETUAL:
            futures_upl += position.floating(mark)
            pending += position.pending_funding(paid_per_usd)
        else:
            options_value += float(position.size) * mark
    return Valuation(
        balance=account.balance,
        futures_upl=futures_upl,
        futures_rpl=account.futures_session_rpl + pending,
        options_value=options_value,
    )
