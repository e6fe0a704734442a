"""What the engine shows of itself: frozen views of orders, trades, positions, accounts and books.

Amounts, sizes and order prices are `Decimal`, native, because the venue compares them exactly.
Marks, margins, Greeks and money are floats: whoever writes JSON rounds. Names are the venue's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from bot.exchange.contracts import Kind
from bot.exchange.margin_reports import TotalsUsd
from bot.exchange.rules import MarginModel


class Direction(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """What an order does about price, and what it waits for; the venue's words."""

    LIMIT = "limit"
    MARKET = "market"
    MARKET_LIMIT = "market_limit"
    STOP_LIMIT = "stop_limit"
    STOP_MARKET = "stop_market"
    TAKE_LIMIT = "take_limit"
    TAKE_MARKET = "take_market"
    TRAILING_STOP = "trailing_stop"

    @property
    def is_trigger(self) -> bool:
        """Whether such an order waits outside the book until a price is reached."""
        return self in TRIGGER_TYPES

    @property
    def is_priced(self) -> bool:
        """Whether such an order carries a limit price of its own."""
        return self in PRICED_TYPES


TRIGGER_TYPES: Final = frozenset(
    {
        OrderType.STOP_LIMIT,
        OrderType.STOP_MARKET,
        OrderType.TAKE_LIMIT,
        OrderType.TAKE_MARKET,
        OrderType.TRAILING_STOP,
    }
)
PRICED_TYPES: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_LIMIT})


class TriggerSource(StrEnum):
    """The price that a trigger order watches."""

    INDEX = "index_price"
    MARK = "mark_price"
    LAST = "last_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTerms:
    """When a trigger order fires. Prices are those of its source: USD of an index, else native.

    `offset` and `reference` (the source's price at placement) are a trailing stop's only; its
    `price` follows the source at that distance and never goes back.
    """

    source: TriggerSource
    price: Decimal
    offset: Decimal | None = None
    reference: float | None = None


class TimeInForce(StrEnum):
    """How long an order lives."""

    GOOD_TIL_CANCELLED = "good_til_cancelled"
    GOOD_TIL_DAY = "good_til_day"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"

    @property
    def rests(self) -> bool:
        """Whether what is not filled at once waits in the book."""
        return self in (TimeInForce.GOOD_TIL_CANCELLED, TimeInForce.GOOD_TIL_DAY)


class OrderState(StrEnum):
    """Where an order stands; the venue's words."""

    OPEN = "open"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"


class CancelReason(StrEnum):
    """Why an order was cancelled; the venue's enumeration, as far as it can happen here."""

    USER_REQUEST = "user_request"
    CANCEL_ON_DISCONNECT = "cancel_on_disconnect"
    RISK_MITIGATION = "risk_mitigation"
    AUTOLIQUIDATION = "autoliquidation"
    SETTLEMENT = "settlement"
    MMP_TRIGGER = "mmp_trigger"
    MMP_CONFIG_CURTAILMENT = "mmp_config_curtailment"
    EDIT_POST_ONLY_REJECT = "edit_post_only_reject"


class Liquidity(StrEnum):
    """The part an order played in a fill: resting or arriving."""

    MAKER = "M"
    TAKER = "T"


class FillCause(StrEnum):
    """What brought a fill about."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    BUST = "bust"


class BookState(StrEnum):
    """Where a contract stands: trading, halted for a while, or past its expiry."""

    OPEN = "open"
    HALTED = "halted"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One order as it stands. `price` is None for a market order; `average_price` 0 unfilled.

    Rejected orders carry the venue's code and message in `reject_code` and `reject_message`.
    `display_amount` and `refresh_amount` are an iceberg's: shown now, and shown afresh. A trigger
    order has a `trigger`, and once fired a `spawned_order_id`; that order, a `trigger_order_id`.
    """

    order_id: str
    account: str
    instrument_name: str
    direction: Direction
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None
    amount: Decimal
    filled_amount: Decimal
    average_price: float
    contracts: float
    order_state: OrderState
    cancel_reason: CancelReason | None
    label: str
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    creation_ms: int
    last_update_ms: int
    reject_code: int | None = None
    reject_message: str | None = None
    original_type: OrderType | None = None
    replaced: bool = False
    mmp: bool = False
    is_liquidation: bool = False
    display_amount: Decimal | None = None
    refresh_amount: Decimal | None = None
    trigger: TriggerTerms | None = None
    trigger_order_id: str | None = None
    spawned_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeView:
    """One fill. `direction` is that of the user's order, `fee` what the user paid for it.

    `trade_id` increases over the exchange, `trade_seq` over the instrument. `profit_loss` is what
    the fill realised, in `fee_currency` like the fee. A settlement has `order_id` and `label`
    empty, and `cause` settlement; its price is the payoff, native.
    """

    trade_id: str
    trade_seq: int
    account: str
    instrument_name: str
    order_id: str
    label: str
    direction: Direction
    amount: Decimal
    price: Decimal
    contracts: float
    at_ms: int
    order_type: OrderType
    order_state: OrderState
    liquidity: Liquidity
    fee: float
    fee_currency: str
    profit_loss: float
    index_usd: float
    mark_price: float
    underlying_usd: float | None
    iv_percent: float | None
    tick_direction: int
    post_only: bool
    reduce_only: bool
    cause: FillCause
    mmp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """One position. `size` is signed and native; Greeks are the position's, in the venue's units.

    `delta` is coin (an option's is Black's), `gamma` coin per USD, `vega` USD per volatility point,
    `theta` USD per day. `size_coin` is None for options. Profit is in the settlement currency:
    `floating` since the last settlement, `total` since the average price, `realized` this session,
    funding included.
    """

    instrument_name: str
    kind: Kind
    currency: str
    size: Decimal
    size_coin: float | None
    average_price: float
    average_price_usd: float | None
    mark_price: float
    index_price: float
    settlement_price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    initial_margin: float
    maintenance_margin: float
    open_orders_margin: float
    floating_profit_loss: float
    floating_profit_loss_usd: float | None
    realized_profit_loss: float
    total_profit_loss: float
    realized_funding: float
    interest_value: float
    leverage: int

    @property
    def direction(self) -> str:
        """`buy`, `sell`, or `zero` when flat."""
        if self.size == 0:
            return "zero"
        return "buy" if self.size > 0 else "sell"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The account summary in one settlement currency (venue's field names).

    Deltas are coins, by index in maps. `delta_total` is their sum, less `options_value` if inverse.
    The margins and funds of a cross account are those of all its currencies, converted.
    """

    account: str
    currency: str
    margin_model: MarginModel
    balance: float
    equity: float
    margin_balance: float
    available_funds: float
    available_withdrawal_funds: float
    initial_margin: float
    maintenance_margin: float
    open_orders_margin: float
    projected_initial_margin: float
    projected_maintenance_margin: float
    delta_total: float
    delta_total_map: Mapping[str, float]
    projected_delta_total: float
    options_value: float
    options_delta: float
    options_gamma: float
    options_vega: float
    options_theta: float
    options_gamma_map: Mapping[str, float]
    options_vega_map: Mapping[str, float]
    options_theta_map: Mapping[str, float]
    options_pl: float
    options_session_upl: float
    options_session_rpl: float
    futures_pl: float
    futures_session_upl: float
    futures_session_rpl: float
    session_upl: float
    session_rpl: float
    total_pl: float
    fees_paid: float
    funding_paid: float
    estimated_liquidation_ratio: float
    estimated_liquidation_ratio_map: Mapping[str, float]
    totals_usd: TotalsUsd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """The order book, best first: (price, amount) with the house's and the users' orders summed.

    `change_id` grows whenever the content may have changed and is never reused for another one.
    """

    instrument_name: str
    at_ms: int
    change_id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class OptionFigures(NamedTuple):
    """The part of an option's ticker that a perpetual lacks. Volatilities in percent.

    `interest_rate` is a year's, a fraction, behind a linear option's discount factor.
    Greeks are per coin in the venue's units: delta Black's (decayed in the last half hour),
    gamma per USD, vega USD per point, theta USD per day (or per lifetime if shorter), rho USD
    per 1 %. `bid_iv` and `ask_iv` are 0 where there is no quote or no volatility explains it.
    """

    underlying_price: float
    underlying_index: str
    interest_rate: float
    mark_iv: float
    bid_iv: float
    ask_iv: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


class TickerView(NamedTuple):
    """Everything a ticker says. Prices native; best prices None and amounts 0 without a quote."""

    instrument_name: str
    at_ms: int
    state: BookState
    best_bid_price: Decimal | None
    best_bid_amount: Decimal
    best_ask_price: Decimal | None
    best_ask_amount: Decimal
    mark_price: float
    index_price: float
    last_price: Decimal | None
    min_price: Decimal
    max_price: Decimal
    open_interest: float
    settlement_price: float | None
    estimated_delivery_price: float
    volume: float
    volume_usd: float
    high: Decimal | None
    low: Decimal | None
    funding_8h: float | None
    current_funding: float | None
    interest_value: float | None
    option: OptionFigures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedView:
    """The answer to an order: the order after matching, and the fills that it made at once."""

    order: OrderView
    trades: tuple[TradeView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledView:
    """The answer to a mass cancel: the orders that were cancelled, oldest first."""

    orders: tuple[OrderView, ...]
