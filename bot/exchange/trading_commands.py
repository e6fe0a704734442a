"""What a trader may ask besides placing an order: edits, closing, self-trade rule, protection.

They are commands like those of `bot.exchange.commands`, which gathers them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from bot.exchange.reports import AccountView, OrderType, OrderView
from bot.exchange.risk_matrix import RiskMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """What to change of an order; None leaves it as it is.

    `amount` (native) is the whole order's, what is filled included. The trigger fields are for
    orders that have not triggered yet.
    """

    amount: Decimal | None = None
    price: Decimal | None = None
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    mmp: bool | None = None
    display_amount: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOrder:
    """Change an open order. It keeps its place in the queue only if it shrinks at its price."""

    account: str
    order_id: str
    change: OrderChange
    valid_until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditByLabel:
    """The same for the only live order with this label on an instrument."""

    account: str
    label: str
    instrument_name: str
    change: OrderChange
    valid_until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePosition:
    """Close a position with one reduce-only order. `price` None is for market orders only."""

    account: str
    instrument_name: str
    order_type: OrderType
    price: Decimal | None = None


class SelfTradeMode(StrEnum):
    """What happens when an account would trade with itself; the venue's words."""

    REJECT_TAKER = "reject_taker"
    CANCEL_MAKER = "cancel_maker"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTradeRule:
    """An owner's wish. The block flag is kept and shown; there are no block trades here."""

    mode: SelfTradeMode = SelfTradeMode.REJECT_TAKER
    extended_to_subaccounts: bool = False
    block_rfq_self_match_prevention: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSelfTrading:
    """Choose the self-trade rule of the account's owner."""

    account: str
    rule: SelfTradeRule


@dataclass(frozen=True, slots=True, kw_only=True)
class MmpKey:
    """One protection of an account: its index, and a group of quotes or None for its orders."""

    account: str
    index_name: str
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MmpLimits:
    """Market maker protection. Quantities and delta in the base currency, vega USD per point.

    `frozen_s` 0 means until a person resets it; limits that are None are not watched.
    """

    interval_s: int
    frozen_s: int
    quantity: Decimal | None = None
    delta: Decimal | None = None
    vega: Decimal | None = None
    quote_quantity_max: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMmp:
    """Set a protection's limits; None removes it."""

    key: MmpKey
    limits: MmpLimits | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMmp:
    """Thaw a protection and forget what it counted."""

    key: MmpKey


@dataclass(frozen=True, slots=True, kw_only=True)
class MmpTriggered:
    """A protection's limit was passed; 0 = frozen until it is reset."""

    key: MmpKey
    frozen_until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BustTrade:
    """The venue takes a trade of the account back; `trade_id` None is its last."""

    account: str
    trade_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltBook:
    """The venue closes an instrument's book to trading, or opens it again. Orders stay in it."""

    instrument_name: str
    is_halted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookHalted:
    """An instrument's book was closed to trading, or opened again."""

    instrument_name: str
    is_halted: bool
    at_ms: int


Choice = SetSelfTrading | SetMmp | ResetMmp
VenueAct = BustTrade | HaltBook
TradingEvent = MmpTriggered | BookHalted


class TraderReadings(Protocol):
    """What a trader may read of his past and his choices; part of the engine's signature."""

    def closed_orders(self, account: str) -> Sequence[OrderView]:
        """Orders that are over, in the order in which they ended."""
        ...

    def order_margin(self, account: str, order_id: str) -> float | None:
        """What an open order adds to the initial margin, settlement currency; None if not open."""
        ...

    def self_trading(self, account: str) -> SelfTradeRule:
        """The account's self-trade rule."""
        ...

    def mmp_limits(self, account: str) -> Mapping[MmpKey, MmpLimits]:
        """The account's market maker protections."""
        ...

    def mmp_frozen(self, account: str) -> Mapping[MmpKey, int]:
        """Protections that are frozen now, with the time they thaw; 0 = when they are reset."""
        ...

    def simulated(
        self, account: str, currency: str, sizes: Mapping[str, Decimal], *, adds: bool
    ) -> AccountView | None:
        """The account's summary with such positions, added to its own or instead of them.

        None if one of them is not listed, or settles elsewhere.
        """
        ...

    def risk_matrix(
        self, account: str, currency: str | None, coins: Mapping[str, Decimal], *, adds: bool
    ) -> RiskMatrix | None:
        """A currency of the account, or all together, in the scenarios of portfolio margin.

        With such positions (signed coins), added to its own or instead of them. None if one of them
        is not listed, or settles elsewhere.
        """
        ...
