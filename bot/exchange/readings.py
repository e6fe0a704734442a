"""What one may read off the engine: views of the market, orders, fills and accounts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.exchange.accounts import Valuation, value_account
from bot.exchange.admission import NOT_FOUND, ORDERBOOK_CLOSED, hypothetical_margins
from bot.exchange.commands import Refused, invalid_params
from bot.exchange.contracts import PERPETUAL_EXPIRY_MS, Contract, Kind
from bot.exchange.desk import Desk
from bot.exchange.funding import IndexHistory
from bot.exchange.market import MarketFrame
from bot.exchange.orders import Order
from bot.exchange.portfolio import account_view, position_view
from bot.exchange.reports import (
    AccountView,
    BookView,
    FillCause,
    MarginsView,
    OrderView,
    PositionView,
    TickerView,
    TradeView,
)
from bot.exchange.tickers import book_view, ticker_view
from bot.exchange.trading_commands import MmpKey, MmpLimits, SelfTradeRule


class Readings:
    """The queries of the exchange. None of them changes anything; see `TradingEngine`."""

    def __init__(self, *, desk: Desk, index_history: IndexHistory, start_ms: int) -> None:
        self.desk = desk
        self.index_history = index_history
        self.delivered: dict[str, float] = {}
        self.settlement_prices: dict[str, float] = {}
        self._now_ms = start_ms

    @property
    def now_ms(self) -> int:
        """Market time up to which the engine has advanced."""
        return self._now_ms

    @property
    def frame(self) -> MarketFrame:
        """The latest frame."""
        return self.desk.board.frame

    # ---- the market --------------------------------------------------------------------------

    def contracts(self) -> tuple[Contract, ...]:
        """Listed contracts: the perpetual first, then options in the frame's order."""
        listed = self.desk.board.contracts()
        if self.frame.contracts and self.frame.expiry_ms.min() > self.now_ms:
            return listed
        return tuple(contract for contract in listed if contract.name not in self.delivered)

    def contract(self, instrument_name: str) -> Contract | None:
        """A listed contract by name, else None."""
        if instrument_name in self.delivered:
            return None
        return self.desk.board.contract(instrument_name)

    def tradable(self, instrument_name: str) -> Contract | Refused:
        """A contract that may be traded now, or why the venue refuses."""
        if instrument_name in self.delivered:
            return ORDERBOOK_CLOSED
        contract = self.desk.board.contract(instrument_name)
        return NOT_FOUND if contract is None else contract

    def expired_contracts(self) -> Mapping[str, float]:
        """Delivery price in USD by name of contracts that expired while the engine ran."""
        return dict(self.delivered)

    def index_usd(self) -> float:
        """The index of the latest frame."""
        return self.frame.index_usd

    def ticker(self, instrument_name: str) -> TickerView | None:
        """None if the contract is not listed."""
        contract = self.contract(instrument_name)
        if contract is None:
            return None
        return ticker_view(
            self.desk,
            contract,
            now_ms=self.now_ms,
            settlement_price=self.settlement_prices.get(instrument_name),
            estimated_delivery_usd=self.estimated_delivery_usd(contract),
        )

    def estimated_delivery_usd(self, contract: Contract) -> float:
        """The settlement average so far, the index held to the end; the index before it starts."""
        window_ms = self.desk.rules.settlement_average_ms
        start_ms = contract.expiry_ms - window_ms
        if contract.expiry_ms == PERPETUAL_EXPIRY_MS or self.now_ms <= start_ms:
            return self.frame.index_usd
        return self.index_history.average(start_ms, contract.expiry_ms)

    def book(self, instrument_name: str, depth: int = 20) -> BookView | None:
        """At most `depth` levels a side, best first; None if the contract is not listed."""
        contract = self.contract(instrument_name)
        return None if contract is None else book_view(self.desk, contract, depth, self.now_ms)

    # ---- orders and fills --------------------------------------------------------------------

    def order(self, account: str, order_id: str) -> OrderView | None:
        """Any order of the account that was ever accepted, open or closed."""
        order = self.desk.register.find(account, order_id)
        return None if order is None else order.view()

    def orders_by_label(self, account: str, label: str) -> Sequence[OrderView]:
        """Accepted orders with this label, open and closed, newest first."""
        return _views(self.desk.register.labelled(account, label))

    def open_orders(
        self, account: str, *, instrument_name: str | None = None, kind: Kind | None = None
    ) -> Sequence[OrderView]:
        """Open orders and trigger orders that wait, oldest first."""
        return _views(
            order
            for order in self.desk.register.live_of(account)
            if instrument_name in (None, order.contract.name)
            and kind in (None, order.contract.kind)
        )

    def closed_orders(self, account: str) -> Sequence[OrderView]:
        """Orders that are over, in the order in which they ended."""
        return _views(self.desk.register.closed_of(account))

    def order_margin(self, account: str, order_id: str) -> float | None:
        """What an open order adds to the initial margin, settlement currency; None if not open."""
        order = self.desk.register.open_of(account).get(order_id)
        if order is None:
            return None
        at = self.desk.situation(account, self.now_ms)
        others = replace(at, open_orders=[each for each in at.open_orders if each is not order])
        return at.margins().initial - others.margins().initial

    def self_trading(self, account: str) -> SelfTradeRule:
        """The account's self-trade rule."""
        return self.desk.self_trading.rule(account)

    def mmp_limits(self, account: str) -> Mapping[MmpKey, MmpLimits]:
        """The account's market maker protections."""
        return self.desk.mmp.limits_of(account)

    def mmp_frozen(self, account: str) -> Mapping[MmpKey, int]:
        """Protections that are frozen now, with the time they thaw; 0 = when they are reset."""
        return self.desk.mmp.frozen_of(account, self.now_ms)

    def trades(
        self,
        account: str,
        *,
        instrument_name: str | None = None,
        kind: Kind | None = None,
        order_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Sequence[TradeView]:
        """The account's fills by orders (settlements excluded), oldest first."""
        return [
            trade
            for trade in self.desk.trades.of(account)
            if trade.cause is not FillCause.SETTLEMENT
            and instrument_name in (None, trade.instrument_name)
            and (kind is None or (trade.iv_percent is None) is (kind is Kind.PERPETUAL))
            and order_id in (None, trade.order_id)
            and (start_ms is None or trade.at_ms >= start_ms)
            and (end_ms is None or trade.at_ms <= end_ms)
        ]

    # ---- accounts ----------------------------------------------------------------------------

    def position(self, account: str, instrument_name: str) -> PositionView | None:
        """One position, flat ones included; None if the contract is not listed."""
        contract = self.contract(instrument_name)
        if contract is None:
            return None
        return position_view(self.desk.situation(account, self.now_ms), contract)

    def positions(self, account: str, *, kind: Kind | None = None) -> Sequence[PositionView]:
        """Positions that are not flat, by name."""
        situation = self.desk.situation(account, self.now_ms)
        held = situation.account.positions
        return [
            position_view(situation, held[name].contract)
            for name in sorted(held)
            if kind in (None, held[name].contract.kind)
        ]

    def account(self, account: str) -> AccountView:
        """The account summary, valued at the latest frame. KeyError for an unknown account."""
        return account_view(self.desk.situation(account, self.now_ms))

    def accounts(self) -> Sequence[str]:
        """Names of the accounts."""
        return list(self.desk.accounts)

    def valuation(
        self, account: str, at: MarketFrame | None = None, *, rounded: bool = False
    ) -> Valuation:
        """What the account would be worth at another frame (or now), on unrounded marks."""
        board = self.desk.board if at is None else self.desk.board.at(at)
        paid = self.desk.funding.paid_per_usd(self.now_ms)
        return value_account(self.desk.accounts[account], board.mark, paid, rounded=rounded)

    def equity_coin(self, account: str, at: MarketFrame | None = None) -> float:
        """The account's equity at another frame, or now: unrounded marks and sizes."""
        return self.valuation(account, at).equity

    def margins(
        self, account: str, instrument_name: str, amount: Decimal, price: Decimal
    ) -> MarginsView | Refused:
        """What such an order would need by itself, and the price band."""
        contract = self.contract(instrument_name)
        if contract is None:
            return NOT_FOUND
        if not amount.is_finite() or amount <= 0:
            return invalid_params("amount", "must be positive")
        if not price.is_finite() or price <= 0:
            return invalid_params("price", "must be positive")
        situation = self.desk.situation(account, self.now_ms)
        return hypothetical_margins(situation, contract, amount, price)

    # ---- the venue's ledger ------------------------------------------------------------------

    def ledger_orders(self) -> Sequence[OrderView]:
        """Every order that reached the engine, refused ones as `rejected`, oldest first."""
        return _views(self.desk.register)

    def ledger_fills(self) -> Sequence[TradeView]:
        """Every fill, settlements included, oldest first."""
        return list(self.desk.trades.all())

    def ledger_positions(self, account: str) -> Mapping[str, Decimal]:
        """Signed native size by instrument, flat ones left out."""
        held = self.desk.accounts[account].positions
        return {name: held[name].size for name in sorted(held)}


def _views(orders: Iterable[Order]) -> list[OrderView]:
    return [order.view() for order in orders]
