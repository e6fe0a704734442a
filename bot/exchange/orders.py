"""Orders as the engine keeps them, and the register that finds them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract
from bot.exchange.reports import (
    CancelReason,
    Direction,
    OrderState,
    OrderType,
    OrderView,
    TimeInForce,
    TriggerTerms,
)

ZERO: Final = Decimal(0)


def numbered_id(contract: Contract, number: int, mark: str = "") -> str:
    """An order's id: its pair, the mark of a trigger order, its number; `ETH_USDC-SLIS-12`."""
    prefix = contract.pair.prefix
    return f"{prefix}-{mark}-{number}" if mark else f"{prefix}-{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What an open order holds back: its amount, premium and fee, as it was when worked out.

    `of` is the order's amount, filled amount and price, `coin_usd` the index that the fee is of.
    """

    of: tuple[Decimal, Decimal, Decimal]
    coin_usd: float
    amount: float
    premium: float
    fee: float


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One order, changed in place as it trades. `number` is its place in time.

    `price` is the limit that matching obeys; a market order's is the price band's edge.
    `cost` is what the fills add up to in the other currency, from which the average price comes:
    amount / price for inverse perpetuals and futures, amount x price for the rest.

    An iceberg shows `display` at a time, of which `shown` is left. `queued_ms` and `queue_number`
    are its place among orders of the same price. `trigger` is a trigger order's: it waits outside
    the book, and when its price comes it brings forth another order, which carries its id.
    """

    number: int
    order_id: str
    account: str
    contract: Contract
    direction: Direction
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    amount: Decimal
    label: str
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    creation_ms: int
    last_update_ms: int
    filled: Decimal = ZERO
    cost: float = 0.0
    state: OrderState = OrderState.OPEN
    cancel_reason: CancelReason | None = None
    reject_code: int | None = None
    reject_message: str | None = None
    original_type: OrderType | None = None
    replaced: bool = False
    mmp: bool = False
    is_liquidation: bool = False
    display: Decimal | None = None
    shown: Decimal = ZERO
    queued_ms: int = 0
    queue_number: int = 0
    trigger: TriggerTerms | None = None
    trigger_order_id: str | None = None
    fired_ms: int | None = None
    spawned_order_id: str | None = None
    reserve: Reserve | None = None

    @property
    def remaining(self) -> Decimal:
        """What is still to be traded, native, positive."""
        return self.amount - self.filled

    @property
    def visible(self) -> Decimal:
        """What the book shows of it, native."""
        return self.remaining if self.display is None else min(self.shown, self.remaining)

    def show(self) -> None:
        """Show an iceberg's next piece."""
        if self.display is not None:
            self.shown = min(self.display, self.remaining)

    def fill(self, amount: Decimal, price: Decimal, at_ms: int) -> None:
        """Record a fill of `amount` at `price`; the order is filled when nothing remains."""
        assert amount <= self.remaining, f"{self.order_id} overfilled: {amount} > {self.remaining}"
        self.filled += amount
        self.shown = max(self.shown - amount, ZERO)
        traded, at_price = float(amount), float(price)
        inverse = self.contract.is_sized_in_usd
        self.cost += traded / at_price if inverse else traded * at_price
        self.last_update_ms = at_ms
        if self.remaining == 0:
            self.state = OrderState.FILLED

    def cancel(self, reason: CancelReason, at_ms: int) -> None:
        """End the order with whatever it has filled."""
        self.state = OrderState.CANCELLED
        self.cancel_reason = reason
        self.last_update_ms = at_ms

    def average_price(self) -> float:
        """Average price of the fills, harmonic where they count USD; 0 when there are none."""
        if self.filled == 0:
            return 0.0
        if self.contract.is_sized_in_usd:
            return float(self.filled) / self.cost
        return self.cost / float(self.filled)

    def view(self) -> OrderView:
        """The order as it stands, frozen."""
        return OrderView(
            order_id=self.order_id,
            account=self.account,
            instrument_name=self.contract.name,
            direction=self.direction,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            price=self.price if self.order_type.is_priced else None,
            amount=self.amount,
            filled_amount=self.filled,
            average_price=self.average_price(),
            contracts=float(self.amount / self.contract.contract_size),
            order_state=self.state,
            cancel_reason=self.cancel_reason,
            label=self.label,
            post_only=self.post_only,
            reject_post_only=self.reject_post_only,
            reduce_only=self.reduce_only,
            creation_ms=self.creation_ms,
            last_update_ms=self.last_update_ms,
            reject_code=self.reject_code,
            reject_message=self.reject_message,
            original_type=self.original_type,
            replaced=self.replaced,
            mmp=self.mmp,
            is_liquidation=self.is_liquidation,
            display_amount=None if self.display is None else self.visible,
            refresh_amount=self.display,
            trigger=self.trigger,
            trigger_order_id=self.trigger_order_id,
            spawned_order_id=self.spawned_order_id,
        )


def signed(direction: Direction, amount: Decimal) -> Decimal:
    """`amount` with the sign of the position change it makes."""
    return amount if direction is Direction.BUY else -amount


@dataclass(slots=True)
class OrderRegister:
    """Every order that reached the engine, in order of arrival, with the live ones at hand.

    Open orders are in the book and need margin; waiting ones are trigger orders that do not yet.
    """

    _by_id: dict[str, Order] = field(default_factory=dict)
    _by_label: dict[tuple[str, str], list[Order]] = field(default_factory=dict)
    _open: dict[str, dict[str, Order]] = field(default_factory=dict)
    _open_on: dict[tuple[str, str], dict[str, Order]] = field(default_factory=dict)
    _open_in: dict[tuple[str, str], dict[str, Order]] = field(default_factory=dict)
    _waiting: dict[str, dict[str, Order]] = field(default_factory=dict)
    _closed: dict[str, list[Order]] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        """Remember an order; a live one is also listed among those of its account."""
        self._by_id[order.order_id] = order
        if order.state is OrderState.REJECTED:
            return
        self._by_label.setdefault((order.account, order.label), []).append(order)
        if order.state is OrderState.OPEN:
            for orders in self._lists(order):
                orders[order.order_id] = order
        elif order.state is OrderState.UNTRIGGERED:
            self._waiting.setdefault(order.account, {})[order.order_id] = order

    def closed(self, order: Order) -> None:
        """Take an order that is no longer live off its list."""
        for orders in self._lists(order):
            orders.pop(order.order_id, None)
        self._waiting.get(order.account, {}).pop(order.order_id, None)
        self._closed.setdefault(order.account, []).append(order)

    def _lists(self, order: Order) -> Iterator[dict[str, Order]]:
        """The lists of open orders that this one belongs on."""
        account, contract = order.account, order.contract
        yield self._open.setdefault(account, {})
        yield self._open_on.setdefault((account, contract.name), {})
        yield self._open_in.setdefault((account, contract.settlement_currency), {})

    def owner(self, order_id: str) -> str | None:
        """The account that an accepted order belongs to."""
        order = self._by_id.get(order_id)
        return None if order is None or _never_was(order) else order.account

    def find(self, account: str, order_id: str) -> Order | None:
        """An accepted order of this account."""
        order = self._by_id.get(order_id)
        if order is None or order.account != account or _never_was(order):
            return None
        return order

    def labelled(self, account: str, label: str) -> list[Order]:
        """Accepted orders with the label, newest first."""
        return list(reversed(self._by_label.get((account, label), ())))

    def open_of(self, account: str) -> Mapping[str, Order]:
        """Orders of the account in the book, by id, oldest first."""
        return self._open.get(account, {})

    def open_on(self, account: str, instrument_name: str) -> list[Order]:
        """Orders of the account in one instrument's book, oldest first."""
        return list(self._open_on.get((account, instrument_name), {}).values())

    def open_in(self, account: str, currency: str) -> list[Order]:
        """Orders of the account in the books of what settles in a currency, oldest first."""
        return list(self._open_in.get((account, currency), {}).values())

    def waiting_of(self, account: str) -> Mapping[str, Order]:
        """Trigger orders of the account that wait, by id, oldest first."""
        return self._waiting.get(account, {})

    def waiting(self) -> list[Order]:
        """Everybody's waiting trigger orders, oldest first."""
        everybody = (order for orders in self._waiting.values() for order in orders.values())
        return sorted(everybody, key=lambda order: order.number)

    def live_of(self, account: str) -> list[Order]:
        """Open and waiting orders of the account, oldest first."""
        live = [*self.open_of(account).values(), *self.waiting_of(account).values()]
        return sorted(live, key=lambda order: order.number)

    def closed_of(self, account: str) -> Sequence[Order]:
        """Orders of the account that are over, in the order in which they ended."""
        return self._closed.get(account, ())

    def __iter__(self) -> Iterator[Order]:
        return iter(self._by_id.values())


def _never_was(order: Order) -> bool:
    """Whether the order was refused on arrival; a trigger order may be refused when it fires."""
    return order.state is OrderState.REJECTED and order.fired_ms is None
