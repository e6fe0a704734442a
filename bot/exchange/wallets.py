"""Money and positions of an account in one settlement currency: the exchange's own arithmetic.

Buying moves a *flow*, what the amount is worth at its price: N/S coins for an inverse contract of N
USD (with a minus: who buys USD contracts sells coins forward), amount x price for everything else.
An option's flow is its premium and leaves the balance at once, so that `options_value` carries the
rest. The flow of a perpetual or future stays in the position as its cost, and its profit, what it
is worth now less the cost, runs in the session (`futures_session_upl`, `_rpl`, funding included)
until the daily settlement puts it into the balance.

Money is `Decimal`, rounded to 1e-16 of a coin where it first appears and exact from there on: two
sides of a trade differ in sign and nothing else, and no sum loses a digit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract, Kind
from bot.exchange.orders import ZERO

QUANTUM: Final = Decimal("1e-16")
INVERSE_OPTION_MARK_DIGITS: Final = 4  # as published
LINEAR_OPTION_MARK_DIGITS: Final = 6
FUTURE_MARK_DIGITS: Final = 2


def money(amount: float | Decimal) -> Decimal:
    """An amount as it is booked: to 1e-16, exact from here on."""
    return Decimal(amount).quantize(QUANTUM)


def flow(contract: Contract, amount: Decimal, price: float | Decimal) -> Decimal:
    """What buying `amount` (native, signed) at `price` moves, in the settlement currency."""
    exact = Decimal(price)
    return money(-amount / exact if contract.is_sized_in_usd else amount * exact)


def profit(contract: Contract, size: float, from_price: float, to_price: float) -> float:
    """What holding `size` (native, signed) between two prices earns, settlement currency."""
    if size == 0:
        return 0.0
    if contract.is_sized_in_usd:
        return size * (1.0 / from_price - 1.0 / to_price)
    return size * (to_price - from_price)


def price_of(contract: Contract, size: Decimal, cost: Decimal) -> float:
    """The price at which `size` has this cost: an average, harmonic for inverse contracts."""
    if size == 0 or cost == 0:
        return 0.0
    return float(-size / cost if contract.is_sized_in_usd else cost / size)


@dataclass(slots=True, kw_only=True, eq=False)
class Position:
    """One position: `size` signed and native.

    `cost` is the flow behind it since the last settlement, `life_cost` over its life.
    `funding_mark` is the meter's reading up to which funding has been paid.
    """

    contract: Contract
    size: Decimal = ZERO
    cost: Decimal = ZERO
    life_cost: Decimal = ZERO
    session_realised: Decimal = ZERO
    session_funding: Decimal = ZERO
    settlement_price: float = 0.0
    funding_mark: float = 0.0

    @property
    def average_price(self) -> float:
        """Average price over the position's life; 0 when flat."""
        return price_of(self.contract, self.size, self.life_cost)

    @property
    def session_price(self) -> float:
        """The same since the last settlement."""
        return price_of(self.contract, self.size, self.cost)

    def floating(self, mark: float) -> float:
        """Unrealised profit of this session at `mark`."""
        return float(flow(self.contract, self.size, mark) - self.cost)

    def total(self, mark: float) -> float:
        """Unrealised profit since the average price."""
        return float(flow(self.contract, self.size, mark) - self.life_cost)

    def profits(self, mark: float) -> tuple[float, float]:
        """Both: `floating` and `total`."""
        worth = flow(self.contract, self.size, mark)
        return float(worth - self.cost), float(worth - self.life_cost)

    def pending_funding(self, paid_per_unit: float) -> float:
        """Funding received (positive) since it was last booked."""
        if self.contract.kind is not Kind.PERPETUAL:
            return 0.0
        return -float(self.size) * (paid_per_unit - self.funding_mark)

    def change(self, amount: Decimal, price: float | Decimal) -> Decimal:
        """Trade `amount` (signed) at `price`: returns the profit that this realises."""
        moved, before = flow(self.contract, amount, price), self.size
        self.size += amount
        if before * amount >= 0:
            self.cost += moved
            self.life_cost += moved
            return ZERO
        if abs(amount) > abs(before):  # flipped: what is left was opened here
            closing = money(moved * (-before / amount))
            released, self.cost = self.cost, moved - closing
            self.life_cost = self.cost
        else:
            share = -amount / before
            closing = moved
            released = self.cost if self.size == 0 else money(self.cost * share)
            self.cost -= released
            self.life_cost = ZERO if self.size == 0 else money(self.life_cost * (1 - share))
        realised = -closing - released
        self.session_realised += realised
        return realised

    def revalue(self, mark: float) -> Decimal:
        """Start the session's profit anew at `mark`: returns what it was until here."""
        worth = flow(self.contract, self.size, mark)
        earned, self.cost = worth - self.cost, worth
        return earned


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """What a session brought on one instrument: unrealised, realised, funding in the latter."""

    size: Decimal
    upl: Decimal
    rpl: Decimal
    interest: Decimal


@dataclass(slots=True, kw_only=True, eq=False)
class Wallet:
    """One account in one currency. `fees_paid` and `funding_paid` count since it was opened.

    `futures_rpl` is what the session has realised so far, by instrument, funding included.
    """

    account: str
    currency: str
    balance: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    futures_rpl: dict[str, Decimal] = field(default_factory=dict)
    options_session_rpl: Decimal = ZERO
    fees_paid: Decimal = ZERO
    funding_paid: Decimal = ZERO

    @property
    def futures_session_rpl(self) -> Decimal:
        """What perpetuals and futures have realised in this session."""
        return sum(self.futures_rpl.values(), ZERO)

    @property
    def coins(self) -> Decimal:
        """What the wallet has brought together: conserved by trades over all their parties.

        Balance, the session's realised profit, and the flows that open perpetuals and futures owe.
        """
        owed = (p.cost for p in self.positions.values() if not p.contract.is_option)
        return self.balance + self.futures_session_rpl - sum(owed, ZERO)

    def size(self, name: str) -> Decimal:
        """Signed native size held in the instrument."""
        position = self.positions.get(name)
        return position.size if position is not None else ZERO

    def trade(
        self, contract: Contract, amount: Decimal, price: float | Decimal, paid_per_unit: float
    ) -> Decimal:
        """Book a fill of `amount` (signed) at `price`; returns the profit it realised.

        Funding up to `paid_per_unit` must have been accrued before.
        """
        position = self.positions.get(contract.name)
        if position is None:
            position = Position(contract=contract, funding_mark=paid_per_unit)
            self.positions[contract.name] = position
        realised = position.change(amount, price)
        if contract.is_option:
            self.balance -= flow(contract, amount, price)
            self.options_session_rpl += realised
        else:
            self._earn(contract.name, realised)
        self._drop_if_flat(position)
        return realised

    def rebase(self, name: str, mark: float) -> None:
        """Realise a position's profit at the mark, and forget what it was bought for."""
        position = self.positions.get(name)
        if position is None:
            return
        earned = position.revalue(mark)
        position.life_cost = position.cost
        position.session_realised += earned
        if position.contract.is_option:
            self.options_session_rpl += earned
        else:
            self._earn(name, earned)

    def pay_fee(self, fee: Decimal) -> None:
        """Pay a fee (negative: a rebate) out of the balance."""
        self.balance -= fee
        self.fees_paid += fee

    def accrue(self, name: str, paid_per_unit: float) -> Decimal:
        """Book funding up to the meter's reading; returns what was received (negative: paid)."""
        position = self.positions.get(name)
        if position is None or position.contract.kind is not Kind.PERPETUAL:
            return ZERO
        received = money(position.pending_funding(paid_per_unit))
        position.funding_mark = paid_per_unit
        position.session_funding += received
        position.session_realised += received
        if received:
            self._earn(name, received)
        self.funding_paid -= received
        return received

    def settle(self, name: str, mark: float) -> SessionResult:
        """End the session for one instrument: its future's profit goes into the balance.

        Funding must have been accrued before. Options have been paid for; they only start anew.
        """
        position = self.positions.get(name)
        size, earned, interest = ZERO, ZERO, ZERO
        if position is not None:
            revalued = position.revalue(mark)
            size, interest = position.size, position.session_funding
            earned = ZERO if position.contract.is_option else revalued
            position.settlement_price = mark
            position.session_realised = position.session_funding = ZERO
        realised = self.futures_rpl.pop(name, ZERO)
        self.balance += earned + realised
        return SessionResult(size=size, upl=earned, rpl=realised, interest=interest)

    def _earn(self, name: str, amount: Decimal) -> None:
        self.futures_rpl[name] = self.futures_rpl.get(name, ZERO) + amount

    def _drop_if_flat(self, position: Position) -> None:
        if position.size == 0:
            self.positions.pop(position.contract.name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """What a wallet is worth at one moment. Funding not yet booked is in `futures_rpl`."""

    balance: float
    futures_upl: float
    futures_rpl: float
    options_value: float

    @property
    def margin_balance(self) -> float:
        """Balance and the futures' session profit; options count only in equity."""
        return self.balance + self.futures_upl + self.futures_rpl

    @property
    def equity(self) -> float:
        """Everything the wallet is worth."""
        return self.margin_balance + self.options_value


def published_mark(contract: Contract, mark: float) -> float:
    """A mark rounded to the digits that are published."""
    if not contract.is_option:
        return round(mark, FUTURE_MARK_DIGITS)
    linear = contract.pair.is_linear
    return round(mark, LINEAR_OPTION_MARK_DIGITS if linear else INVERSE_OPTION_MARK_DIGITS)


def value_wallet(
    wallet: Wallet,
    mark_of: Callable[[Contract], float],
    paid_of: Callable[[Contract], float],
    *,
    rounded: bool = False,
) -> Valuation:
    """Value the wallet on marks as they are, or `rounded` to the digits that are published.

    `mark_of` is `Board.mark`; `paid_of` reads the funding meter of a perpetual.
    """
    futures_upl, pending, options_value = 0.0, 0.0, 0.0
    for position in wallet.positions.values():
        contract = position.contract
        mark = mark_of(contract)
        if rounded:
            mark = published_mark(contract, mark)
        if contract.is_option:
            options_value += float(position.size) * mark
        else:
            futures_upl += position.floating(mark)
        if contract.kind is Kind.PERPETUAL:
            pending += position.pending_funding(paid_of(contract))
    return Valuation(
        balance=float(wallet.balance),
        futures_upl=futures_upl,
        futures_rpl=float(wallet.futures_session_rpl) + pending,
        options_value=options_value,
    )
