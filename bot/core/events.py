"""Facts: everything the world can tell the core, in the past tense.

`_ms` stamps are on the market clock (the venue's), `_ns` stamps on the wire clock (monotonic,
local); see the two clocks of the design. Sizes are signed and native. A fact never carries a guess:
what a message did not say is None.

Every fact that the venue told carries `venue_ms`, the time that the venue put on it (None where it
puts none), and `arrived_ns`, when its frame reached this machine (None in ledgers written before
facts carried it). What the edge itself noticed (`OrderSent`, `OrderUnknown`, `ReadFailed`, links,
messages that cannot be read) was told by nobody and carries neither; `HostMeasured` is the shell's
own, stamped on its wire clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.cash import CashMoved, CashRead
from bot.core.instruments import Instrument, Supposed

SECOND_OPINION = "second opinion"  # what the question is called in `ReadFailed.what`


class Link(StrEnum):
    """The two connections to a venue: one is watched, the other is traded on."""

    MARKET = "market"
    TRADING = "trading"


class VenueStatus(StrEnum):
    """What the venue says an order is."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class FillCause(StrEnum):
    """Why a position changed hands."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    ADL = "auto-deleveraging"
    SETTLEMENT = "settlement"
    BUST = "bust"


class Source(StrEnum):
    """Who was asked for an order: three that do not know of each other."""

    LABEL = "label"
    OPEN_ORDERS = "open orders"
    TRADES = "trade history"


class Command(StrEnum):
    """What a person may order the daemon to do."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    ACK = "ack"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSeen:
    """The loop read its clocks; first fact of every fold, so that silence passes time too.

    `rate` is market time per wire time: 1 live, the speed in a rehearsal.
    """

    market_ms: int
    wire_ns: int
    rate: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentsSeen:
    """The venue listed these instruments; replaces what was known of them."""

    instruments: tuple[Instrument, ...]
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSeen:
    """A ticker. Prices in the instrument's own unit (coin for inverse options, else USD).

    `index_usd` and `forward_usd` are in USD per coin; `iv` is the mark volatility as a decimal
    (0.55). `bid_depth_native` and `ask_depth_native` are what rests within ten basis points of the
    best price, None while no consistent order book of the instrument is known.
    """

    instrument: str
    venue_ms: int
    arrived_ns: int
    bid: float | None
    ask: float | None
    mark: float | None
    index_usd: float | None
    bid_size_native: float | None = None
    ask_size_native: float | None = None
    forward_usd: float | None = None
    iv: float | None = None
    funding_8h: float | None = None
    bid_depth_native: float | None = None
    ask_depth_native: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """One position as the venue reports it."""

    instrument: str
    size_native: Decimal
    average_price: float
    realized_funding_coin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsSeen:
    """The venue reported positions: all of the account's (`complete`) or only those that changed.

    `asked_ns` is the wire time of the question when this answers one, None when the venue pushed
    it.
    """

    positions: tuple[PositionRow, ...]
    complete: bool
    asked_ns: int | None
    arrived_ns: int
    venue_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSeen:
    """The account's money in one settlement currency, all figures in that currency.

    `delta_total_coin` is the venue's own net delta of the positions that settle in this currency,
    None where it gives none. `delta_total_map` is its Black delta of them in coins, by price index
    (`btc_usd`): futures at their base size plus the options' Black delta, marks not subtracted.
    """

    currency: str
    equity: float
    margin_balance: float
    available_funds: float
    initial_margin: float
    maintenance_margin: float
    delta_total_coin: float | None
    arrived_ns: int
    venue_ms: int | None = None
    delta_total_map: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSent:
    """The order's bytes were handed to the socket at `wire_ns`. Says nothing about its fate."""

    order_id: str
    wire_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """The venue told of an order: ours, by `order_id` (the label), or another's."""

    order_id: str
    venue_order_id: str
    instrument: str
    status: VenueStatus
    size_native: Decimal
    filled_native: Decimal
    reason: str = ""
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected:
    """The venue refused an order with a code from the allow-list of definite rejections.

    `is_passing` says that it was not about the order: the venue takes none just now (maintenance,
    settlement, too many requests, no connection), and will take the next.
    """

    order_id: str
    code: int
    reason: str
    is_passing: bool = False
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUnknown:
    """An order was sent, or may have been, and no definite answer came."""

    order_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotFound:
    """The venue was asked for an order and each of these independent sources answered "none".

    `asked_ms` is the market time of the question: only an answer asked after `valid_until` proves
    absence.
    """

    order_id: str
    sources: tuple[Source, ...]
    asked_ms: int
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSeen:
    """A trade of the account. `fee` is in the settlement currency, positive when paid."""

    trade_id: str
    order_id: str
    venue_order_id: str
    instrument: str
    size_native: Decimal
    price: float
    fee: float
    is_maker: bool
    cause: FillCause
    venue_ms: int
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrdersSeen:
    """Every order of the account that rests at the venue, asked at `asked_ns`."""

    orders: tuple[OrderSeen, ...]
    asked_ns: int
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRead:
    """Open orders, trades, positions and balances were read; they are in the facts before this."""

    asked_ns: int
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionGiven:
    """What the account would have to hold by the venue's own reckoning after trades nobody made.

    Money in `currency`. They come on top of what it held, and had ordered, when the venue answered.
    `asked_ns` is the wire time of the question.
    """

    currency: str
    trades: tuple[Supposed, ...]
    initial: float
    maintenance: float
    asked_ns: int
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOpinionHere:
    """The venue knows no such question: of margin there is one opinion, ours."""

    reason: str
    venue_ms: int | None = None
    arrived_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailed:
    """A question to the venue got no usable answer.

    Never to be read as flat, empty or not found.
    """

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp:
    """A connection is open, logged in and subscribed."""

    link: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """A connection was lost."""

    link: Link
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadMessage:
    """A message could not be translated; it changed nothing but this count."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandGiven:
    """A person gave a command. A `command_id` seen before is a repeat and does nothing."""

    command: Command
    command_id: str
    actor: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMeasured:
    """What the shell measured of its own machine since it last said so, about once a second.

    `loop_lag_ns` is the longest that the event loop came late, `journal_ns` the longest that a row
    of the ledger took to be durable. `clock_skew_ms` is by how far the host's clock has drifted
    from the venue's (positive: ours is ahead), None while that is not known.
    """

    loop_lag_ns: int
    journal_ns: int
    clock_skew_ms: float | None
    arrived_ns: int

    def after(self, earlier: "HostMeasured") -> "HostMeasured":
        """Return this one with the worst of an earlier one in it, which nobody has looked at."""
        skews = [one for one in (self.clock_skew_ms, earlier.clock_skew_ms) if one is not None]
        return HostMeasured(
            loop_lag_ns=max(self.loop_lag_ns, earlier.loop_lag_ns),
            journal_ns=max(self.journal_ns, earlier.journal_ns),
            clock_skew_ms=max(skews, key=abs, default=None),
            arrived_ns=self.arrived_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A scheduled moment came (`reconcile`, `reload-instruments`, `expiry-roll`, ...)."""

    name: str


Fact = (
    ClockSeen
    | InstrumentsSeen
    | QuoteSeen
    | PositionsSeen
    | BalanceSeen
    | OrderSent
    | OrderSeen
    | OrderRejected
    | OrderUnknown
    | OrderNotFound
    | FillSeen
    | OpenOrdersSeen
    | AccountRead
    | CashMoved
    | CashRead
    | OpinionGiven
    | NoOpinionHere
    | ReadFailed
    | LinkUp
    | LinkDown
    | BadMessage
    | CommandGiven
    | HostMeasured
    | TimerFired
)
Facts = Sequence[Fact]
