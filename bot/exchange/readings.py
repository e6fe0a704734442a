"""What one may read off the engine: views of the market, orders, fills and accounts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.exchange.admission import NOT_FOUND, ORDERBOOK_CLOSED, hypothetical_margins
from bot.exchange.commands import Refused, invalid_params
from bot.exchange.contracts import (
    PAIR_OF_INDEX,
    PERPETUAL_EXPIRY_MS,
    Contract,
    Kind,
    Pair,
    parse_name,
)
from bot.exchange.desk import Desk
from bot.exchange.funding import IndexHistory
from bot.exchange.margin_reports import MarginsView
from bot.exchange.market import MarketFrame
from bot.exchange.orders import Order
from bot.exchange.portfolio import account_view, liquidation_ratios, position_view
from bot.exchange.reports import (
    AccountView,
    BookView,
    OrderView,
    PositionView,
    TickerView,
    TradeView,
)
from bot.exchange.risk_matrix import RiskMatrix, risk_matrix
from bot.exchange.rules import MarginModel, Rules
from bot.exchange.statement import Entry
from bot.exchange.tickers import book_view, ticker_view
from bot.exchange.trading_commands import MmpKey, MmpLimits, SelfTradeRule
from bot.exchange.wallets import Valuation, value_wallet
from bot.exchange.what_if import Change, simulated


class Readings:
    """The queries of the exchange. None of them changes anything; see `TradingEngine`."""

    def __init__(
        self, *, desk: Desk, index_histories: Mapping[Pair, IndexHistory], start_ms: int
    ) -> None:
        self.desk = desk
        self.index_histories = index_histories
        self.delivered: dict[str, float] = {}
        self.settlement_prices: dict[str, float] = {}
        self._now_ms = start_ms

    @property
    def now_ms(self) -> int:
        """Market time up to which the engine has advanced."""
        return self._now_ms

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are traded; the first is the one that the book is made for."""
        return self.desk.board.pairs

    @property
    def currencies(self) -> tuple[str, ...]:
        """The settlement currencies of the pairs."""
        return tuple(dict.fromkeys(pair.settlement_currency for pair in self.pairs))

    def frame(self, pair: Pair) -> MarketFrame:
        """The pair's latest frame."""
        return self.desk.board.frame(pair)

    @property
    def rules(self) -> Rules:
        """What holds here: fees, margins, funding."""
        return self.desk.rules

    # ---- the market --------------------------------------------------------------------------

    def contracts(self) -> tuple[Contract, ...]:
        """Listed contracts, pair after pair: the perpetual, futures, options in frame order."""
        listed = self.desk.board.contracts()
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

    def index_usd(self, index_name: str) -> float:
        """An index of the latest frames. KeyError if it is not served."""
        return self.desk.board.index_usd(PAIR_OF_INDEX[index_name])

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
            return self.desk.board.index_usd(contract.pair)
        return self.index_histories[contract.pair].average(start_ms, contract.expiry_ms)

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
        self,
        account: str,
        *,
        instrument_name: str | None = None,
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
    ) -> Sequence[OrderView]:
        """Open orders and trigger orders that wait, oldest first."""
        return _views(
            order
            for order in self.desk.register.live_of(account)
            if instrument_name in (None, order.contract.name)
            and order.contract.kind in kinds
            and currency in (None, order.contract.settlement_currency)
        )

    def closed_orders(self, account: str) -> Sequence[OrderView]:
        """Orders that are over, in the order in which they ended."""
        return _views(self.desk.register.closed_of(account))

    def order_margin(self, account: str, order_id: str) -> float | None:
        """What an open order adds to the initial margin, settlement currency; None if not open."""
        order = self.desk.register.open_of(account).get(order_id)
        if order is None:
            return None
        at = self.desk.situation_of(order, self.now_ms)
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
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
        order_id: str | None = None,
        span_ms: tuple[int | None, int | None] = (None, None),
    ) -> Sequence[TradeView]:
        """The account's fills by orders (no settlements, no busted ones), oldest first."""
        start_ms, end_ms = span_ms
        return [
            trade
            for trade in self.desk.trades.standing(account)
            if instrument_name in (None, trade.instrument_name)
            and parse_name(trade.instrument_name).kind in kinds
            and currency in (None, trade.fee_currency)
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
        currency = contract.settlement_currency
        return position_view(self.desk.situation(account, currency, self.now_ms), contract)

    def positions(
        self,
        account: str,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        currency: str | None = None,
    ) -> Sequence[PositionView]:
        """Positions that are not flat, by name; `currency` is what they settle in."""
        views: list[PositionView] = []
        for owned, wallet in self.desk.accounts[account].items():
            if currency not in (None, owned) or not wallet.positions:
                continue
            situation = self.desk.situation(account, owned, self.now_ms)
            alone = situation.alone()
            views += [
                position_view(situation, position.contract, alone)
                for position in wallet.positions.values()
                if position.contract.kind in kinds
            ]
        return sorted(views, key=lambda view: view.instrument_name)

    def account(self, account: str, currency: str, model: MarginModel | None = None) -> AccountView:
        """The account's summary in a settlement currency, or what it were under another model.

        KeyError for a currency that is not served.
        """
        return account_view(self.desk.situation(account, currency, self.now_ms, model))

    def liquidation_ratios(self, account: str, currency: str) -> Mapping[str, float]:
        """Marks of perpetuals at which the account is liquidated, by index, relative to now's."""
        return liquidation_ratios(self.desk.situation(account, currency, self.now_ms))

    def margin_model(self, account: str) -> MarginModel:
        """How the account is margined."""
        return self.desk.margin_model(account)

    def accounts(self) -> Sequence[str]:
        """Names of the accounts."""
        return list(self.desk.accounts)

    def valuation(
        self, account: str, currency: str, *at: MarketFrame, rounded: bool = False
    ) -> Valuation:
        """What the account would be worth with other frames (or now), on unrounded marks."""
        board = self.desk.board.at(at) if at else self.desk.board
        wallet, paid_of = self.desk.accounts[account][currency], self.desk.paid_at(self.now_ms)
        return value_wallet(wallet, board.mark, paid_of, rounded=rounded)

    def equity(self, account: str, currency: str, *at: MarketFrame) -> float:
        """The account's equity with other frames, or now: unrounded marks and sizes."""
        return self.valuation(account, currency, *at).equity

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
        currency = contract.settlement_currency
        situation = self.desk.situation(account, currency, self.now_ms)
        return hypothetical_margins(situation, contract, amount, price)

    def simulated(
        self, account: str, currency: str, sizes: Mapping[str, Decimal], *, adds: bool
    ) -> AccountView | None:
        """The account's summary with such positions, added to its own or instead of them.

        None if one of them is not listed, or settles elsewhere.
        """
        changes: list[Change] = []
        for name, size in sizes.items():
            contract = self.contract(name)
            if contract is None or contract.settlement_currency != currency:
                return None
            changes.append((contract, size))
        return simulated(self.desk.situation(account, currency, self.now_ms), changes, adds=adds)

    def risk_matrix(
        self, account: str, currency: str | None, coins: Mapping[str, Decimal], *, adds: bool
    ) -> RiskMatrix | None:
        """A currency of the account, or all together, in the scenarios of portfolio margin.

        With such positions (signed coins), added to its own or instead of them. None if one of them
        is not listed, or settles elsewhere.
        """
        model = MarginModel.CROSS_PM if currency is None else MarginModel.SEGREGATED_PM
        changes: dict[Contract, Decimal] = {}
        for name, size in coins.items():
            contract = self.contract(name)
            if contract is None or currency not in (None, contract.settlement_currency):
                return None
            changes[contract] = size
        own = currency or self.currencies[0]
        at = self.desk.situation(account, own, self.now_ms, model)
        return risk_matrix(at, changes, adds=adds)

    def statement(self, account: str, currency: str) -> Sequence[Entry]:
        """The transaction log of an account in a currency, oldest first."""
        return self.desk.statement.of(account, currency)

    def insurance_fund(self, currency: str) -> Decimal:
        """What the insurance fund holds."""
        return self.desk.treasury.vault(currency).insurance

    def excess(self, currency: str) -> Decimal:
        """Money that exists less what was deposited: zero."""
        return self.desk.treasury.excess(currency, self.desk.wallets())

    # ---- the venue's ledger ------------------------------------------------------------------

    def ledger_orders(self) -> Sequence[OrderView]:
        """Every order that reached the engine, refused ones as `rejected`, oldest first."""
        return _views(self.desk.register)

    def ledger_fills(self) -> Sequence[TradeView]:
        """Every fill, settlements included, oldest first."""
        return list(self.desk.trades.all())

    def ledger_positions(self, account: str) -> Mapping[str, Decimal]:
        """Signed native size by instrument, flat ones left out."""
        wallets = self.desk.accounts[account].values()
        held = {name: p.size for wallet in wallets for name, p in wallet.positions.items()}
        return dict(sorted(held.items()))


def _views(orders: Iterable[Order]) -> list[OrderView]:
    return [order.view() for order in orders]
