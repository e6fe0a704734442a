"""What one may ask of the engine, what it answers, and what it tells.

Commands go in with the market's time, events come out; nothing here reads a clock or does I/O.
A command is answered by `Answer(result, events)` or by `Refused` with the venue's code and words.
The engine itself is `bot.exchange.engine.Engine`; `TradingEngine` is its whole public signature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, Protocol, TypeVar, overload

from bot.exchange.contracts import Contract, Kind, Pair
from bot.exchange.margin_reports import MarginsView
from bot.exchange.market import MarketFrame, Skipped
from bot.exchange.reports import (
    AccountView,
    BookView,
    CancelledView,
    CancelReason,
    Direction,
    OrderType,
    OrderView,
    PlacedView,
    PositionView,
    TickerView,
    TimeInForce,
    TradeView,
    TriggerTerms,
)
from bot.exchange.rules import MarginModel, Rules
from bot.exchange.trading_commands import (
    Choice,
    ClosePosition,
    EditByLabel,
    EditOrder,
    TraderReadings,
    TradingEvent,
    VenueAct,
)
from bot.exchange.venue_commands import VenueCommand, VenueReadings

# ---- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Buy or sell `amount` (native, positive). `price` None is for orders without a limit.

    `valid_until_ms` is market time: processing that starts later is refused. Post-only orders
    that would trade are re-priced one tick behind the other side, or refused with
    `reject_post_only`. A reduce-only order is cut to what it can reduce. `display_amount` makes
    an iceberg. Trigger types need `trigger`; a trailing stop's price is worked out on arrival.
    """

    account: str
    instrument_name: str
    direction: Direction
    amount: Decimal
    order_type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GOOD_TIL_CANCELLED
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    valid_until_ms: int | None = None
    label: str = ""
    mmp: bool = False
    display_amount: Decimal | None = None
    trigger: TriggerTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel one open order of the account. Answer: OrderView."""

    account: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll:
    """Cancel the account's open and waiting orders that pass every filter that is given.

    `order_ids` serves cancel-on-disconnect: the orders that one connection placed.
    """

    account: str
    instrument_name: str | None = None
    kinds: frozenset[Kind] | None = None
    order_types: frozenset[OrderType] | None = None
    currencies: frozenset[str] | None = None
    index_name: str | None = None
    order_ids: frozenset[str] | None = None
    reason: CancelReason = CancelReason.USER_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelByLabel:
    """Cancel every open order of the account with exactly this label."""

    account: str
    label: str
    currency: str | None = None


OrderCommand = PlaceOrder | EditOrder | EditByLabel | ClosePosition
MassCancel = CancelAll | CancelByLabel
Setting = VenueCommand | Choice | VenueAct
Command = OrderCommand | CancelOrder | MassCancel | Setting

# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """An order was opened, filled in part or whole, or cancelled. Refused orders do not appear."""

    account: str
    order: OrderView


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """An order (or, at expiry, a settlement) of the account was filled."""

    account: str
    trade: TradeView


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """Others traded: on the tape, and in nobody's account."""

    trade: TradeView


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged:
    """The account's position in the instrument is now `size` (signed, native; 0 = gone)."""

    account: str
    instrument_name: str
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioChanged:
    """The account's money in a currency changed by a command or a settlement.

    Market moves, which change it anyway, are not told.
    """

    account: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketMoved:
    """A new frame: every ticker and book of its pair may have changed, without a BookChanged."""

    frame: MarketFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChanged:
    """Orders or trades changed this instrument's book between two frames."""

    instrument_name: str
    change_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentListed:
    """A contract is tradable from now on."""

    instrument_name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentExpired:
    """A contract has been delivered at `delivery_price_usd`; it is no longer listed."""

    instrument_name: str
    delivery_price_usd: float
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettled:
    """08:00 UTC: every account's session profit went into its balance."""

    at_ms: int


Event = (
    OrderChanged
    | Traded
    | Printed
    | PositionChanged
    | PortfolioChanged
    | MarketMoved
    | BookChanged
    | InstrumentListed
    | InstrumentExpired
    | SessionSettled
    | TradingEvent
    | Skipped
)

# ---- answers -------------------------------------------------------------------------------------

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T_co]):
    """The command was carried out: what to answer, and what everybody else is told."""

    result: T_co
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command was not carried out. `code` and `message` are the venue's; `data` explains."""

    code: int
    message: str
    data: Mapping[str, object] = field(default_factory=dict)


def invalid_params(param: str, reason: str) -> Refused:
    """The venue's JSON-RPC answer to a bad argument: code -32602 with the reason in `data`."""
    return Refused(code=-32602, message="Invalid params", data={"reason": reason, "param": param})


# ---- the engine's whole public signature ---------------------------------------------------------


class TradingEngine(TraderReadings, VenueReadings, Protocol):
    """What a server or a laboratory may use of the engine. Queries never change it.

    Constructed as `Engine(market=..., rules=Rules(), accounts=[OpeningAccount(...)])`.
    """

    @property
    def now_ms(self) -> int:
        """Market time up to which the engine has advanced."""
        ...

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are traded; the first is the one that the book is made for."""
        ...

    @property
    def currencies(self) -> tuple[str, ...]:
        """The settlement currencies of the pairs: `BTC`, `ETH`, `USDC`."""
        ...

    @property
    def rules(self) -> Rules:
        """What holds here: fees, margins, funding."""
        ...

    def frame(self, pair: Pair) -> MarketFrame:
        """The pair's latest frame."""
        ...

    def advance(self, to_ms: int) -> list[Event]:
        """Let market time pass up to and including `to_ms`; going back is a no-op.

        If a `Skipped` is among the events, time stands at its `to_ms`, with the frame beyond the
        hole, and the caller shifts its clock by the difference and asks again.
        """
        ...

    @overload
    def handle(self, command: OrderCommand) -> Answer[PlacedView] | Refused: ...
    @overload
    def handle(self, command: CancelOrder) -> Answer[OrderView] | Refused: ...
    @overload
    def handle(self, command: MassCancel) -> Answer[CancelledView] | Refused: ...
    @overload
    def handle(self, command: Setting) -> Answer[None] | Refused: ...

    def contracts(self) -> tuple[Contract, ...]:
        """Listed contracts, pair after pair: the perpetual, futures, options in frame order."""
        ...

    def contract(self, instrument_name: str) -> Contract | None:
        """A listed contract by name, else None."""
        ...

    def expired_contracts(self) -> Mapping[str, float]:
        """Delivery price in USD by name of contracts that expired while the engine ran."""
        ...

    def index_usd(self, index_name: str) -> float:
        """An index of the latest frames, such as `btc_usd`. KeyError if it is not served."""
        ...

    def ticker(self, instrument_name: str) -> TickerView | None:
        """None if the contract is not listed."""
        ...

    def book(self, instrument_name: str, depth: int = 20) -> BookView | None:
        """At most `depth` levels a side, best first; None if the contract is not listed."""
        ...

    def order(self, account: str, order_id: str) -> OrderView | None:
        """Any order of the account that was ever accepted, open or closed."""
        ...

    def orders_by_label(self, account: str, label: str) -> Sequence[OrderView]:
        """Accepted orders with this label, open and closed, newest first."""
        ...

    def open_orders(
        self,
        account: str,
        *,
        instrument_name: str | None = None,
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
    ) -> Sequence[OrderView]:
        """Open orders and trigger orders that wait, oldest first."""
        ...

    def trades(
        self,
        account: str,
        *,
        instrument_name: str | None = None,
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
        order_id: str | None = None,
        span_ms: tuple[int | None, int | None] = (None, None),
    ) -> Sequence[TradeView]:
        """The account's fills by orders (settlements excluded), oldest first."""
        ...

    def position(self, account: str, instrument_name: str) -> PositionView | None:
        """One position, flat ones included; None if the contract is not listed."""
        ...

    def positions(
        self,
        account: str,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
    ) -> Sequence[PositionView]:
        """Positions that are not flat, by name; `currency` is what they settle in."""
        ...

    def account(self, account: str, currency: str, model: MarginModel | None = None) -> AccountView:
        """The account's summary in a settlement currency, or what it were under another model.

        KeyError for a currency that is not served.
        """
        ...

    def liquidation_ratios(self, account: str, currency: str) -> Mapping[str, float]:
        """Marks of perpetuals at which the account is liquidated, by index, relative to now's."""
        ...

    def margin_model(self, account: str) -> MarginModel:
        """How the account is margined."""
        ...

    def accounts(self) -> Sequence[str]:
        """Names of the accounts."""
        ...

    def margins(
        self, account: str, instrument_name: str, amount: Decimal, price: Decimal
    ) -> MarginsView | Refused:
        """What such an order would need by itself, and the price band."""
        ...

    def ledger_orders(self) -> Sequence[OrderView]:
        """Every order that reached the engine, refused ones as `rejected`, oldest first."""
        ...

    def ledger_fills(self) -> Sequence[TradeView]:
        """Every fill, settlements included, oldest first."""
        ...

    def ledger_positions(self, account: str) -> Mapping[str, Decimal]:
        """Signed native size by instrument, flat ones left out."""
        ...
