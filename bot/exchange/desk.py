"""The trading floor: books, wallets and orders, changed by commands and by the house's quotes.

`Desk` carries out what has been admitted. Time comes in as `now_ms`; what happened goes into an
`EventLog`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bot.exchange.admission import NOTHING_TO_REDUCE
from bot.exchange.clearing import Clearing
from bot.exchange.commands import (
    BookChanged,
    Event,
    OrderChanged,
    PortfolioChanged,
    PositionChanged,
    Refused,
    Traded,
)
from bot.exchange.contracts import Contract, Pair
from bot.exchange.fees import liquidation_fee, trade_fee
from bot.exchange.liquidity import House
from bot.exchange.margins import MarginMemory
from bot.exchange.matching import RestingOrders, Slice, is_within, opposite, slices
from bot.exchange.mmp import MmpBook, index_of, mmp_fill
from bot.exchange.orders import ZERO, Order, OrderRegister, signed
from bot.exchange.reports import (
    CancelReason,
    Direction,
    Liquidity,
    OrderState,
    OrderType,
    TradeView,
)
from bot.exchange.rules import MarginModel
from bot.exchange.self_trade import SelfTrading
from bot.exchange.situation import Situation
from bot.exchange.statement import EntryKind, Subject
from bot.exchange.trades import Fill, TradeBook
from bot.exchange.wallets import money


@dataclass(slots=True)
class EventLog:
    """What one command or one frame brought about; money and books are told once, at the end."""

    events: list[Event] = field(default_factory=list)
    wallets: dict[tuple[str, str], None] = field(default_factory=dict)
    books: dict[str, None] = field(default_factory=dict)

    def closed(self, change_id: int) -> list[Event]:
        """Everything that happened, the summaries last."""
        portfolios = [
            PortfolioChanged(account=account, currency=currency)
            for account, currency in self.wallets
        ]
        books = [BookChanged(instrument_name=name, change_id=change_id) for name in self.books]
        return [*self.events, *portfolios, *books]


@dataclass(slots=True, kw_only=True)
class Desk(Clearing):
    """The state of trading, on the books of clearing.

    `liquidated_ms` is when each wallet had its last round of liquidation. Accounts that are not
    among `margin_models` have standard margin, each currency by itself.
    """

    house: House
    trades: TradeBook
    next_order_number: int
    register: OrderRegister = field(default_factory=OrderRegister)
    resting: dict[str, RestingOrders] = field(default_factory=dict)
    self_trading: SelfTrading = field(default_factory=SelfTrading)
    mmp: MmpBook = field(default_factory=MmpBook)
    halted: set[str] = field(default_factory=set)
    revision: int = 0
    liquidated_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    margin_models: dict[str, MarginModel] = field(default_factory=dict)
    margin_memory: MarginMemory = field(default_factory=MarginMemory)

    def situation(
        self, account: str, currency: str, now_ms: int, model: MarginModel | None = None
    ) -> Situation:
        """The account in one currency as margin and views see it, or under another `model`."""
        model, wallets = model or self.margin_model(account), self.accounts[account]
        others = [one for one in wallets if one != currency] if model.is_cross else ()
        beside = tuple(self._situation(account, one, model, now_ms) for one in others)
        return self._situation(account, currency, model, now_ms, beside)

    def _situation(
        self,
        account: str,
        currency: str,
        model: MarginModel,
        now_ms: int,
        beside: tuple[Situation, ...] = (),
    ) -> Situation:
        return Situation(
            rules=self.rules,
            board=self.board,
            paid_of=self.paid_at(now_ms),
            wallet=self.accounts[account][currency],
            open_orders=self.register.open_in(account, currency),
            model=model,
            beside=beside,
            memory=self.margin_memory,
        )

    def margin_model(self, account: str) -> MarginModel:
        """How the account is margined."""
        return self.margin_models.get(account, MarginModel.SEGREGATED_SM)

    def situation_of(self, order: Order, now_ms: int) -> Situation:
        """The situation that an order is judged by: its account's in its currency."""
        return self.situation(order.account, order.contract.settlement_currency, now_ms)

    def book_of(self, name: str) -> RestingOrders:
        """The users' resting orders on an instrument."""
        return self.resting.setdefault(name, RestingOrders())

    def meets(self, contract: Contract, taker: Direction, limit: Decimal) -> Iterator[Slice]:
        """What a taker within this limit would trade with, in priority."""
        other = opposite(taker)
        return slices(
            taker=taker,
            limit=limit,
            house=self.house.levels(contract, self.board, other),
            resting=self.book_of(contract.name).side(other),
            frame_ms=self.board.frame(contract.pair).at_ms,
        )

    def execute(self, order: Order, now_ms: int, log: EventLog) -> None:
        """Match an admitted order as taker until nothing is left within its limit."""
        while order.state is OrderState.OPEN:
            piece = next(self.meets(order.contract, order.direction, order.price), None)
            if piece is None:
                return
            amount = min(piece.amount, order.remaining)
            if piece.maker is not None and self.self_trading.is_own(order, piece.maker):
                self.cancel(piece.maker, CancelReason.USER_REQUEST, now_ms, log)
            elif piece.maker is not None:
                self._fill(order, amount, piece.price, Liquidity.TAKER, now_ms, log)
                self._fill(piece.maker, amount, piece.price, Liquidity.MAKER, now_ms, log)
            else:
                assert piece.house_rank is not None
                self._take_from_house(order, piece.house_rank, amount)
                self._fill(order, amount, piece.price, Liquidity.TAKER, now_ms, log)
                self.house_trades(order, amount, piece.price, now_ms)

    def rest(self, order: Order, log: EventLog) -> None:
        """Queue what is left of an order."""
        order.show()
        self.book_of(order.contract.name).add(order)
        log.books[order.contract.name] = None

    def cancel(self, order: Order, reason: CancelReason, now_ms: int, log: EventLog) -> None:
        """End an order, resting or just matched, with what it has filled."""
        self.withdraw(order, log)
        order.cancel(reason, now_ms)
        self.ended(order, log)

    def withdraw(self, order: Order, log: EventLog) -> None:
        """Take an order out of its book, if it is there."""
        book = self.book_of(order.contract.name)
        if order in book.side(order.direction):
            book.remove(order)
            log.books[order.contract.name] = None

    def sweep(self, pair: Pair, now_ms: int, log: EventLog) -> None:
        """The house has re-quoted a pair: resting orders that it reaches are filled as makers."""
        for name, book in list(self.resting.items()):
            if not book:
                del self.resting[name]
                continue
            for order in [*book.bids, *book.asks] if name not in self.halted else ():
                if order.contract.pair == pair and order.state is OrderState.OPEN:
                    self._meet_house(order, now_ms, log)

    def deliver(self, contract: Contract, delivery_usd: float, now_ms: int, log: EventLog) -> None:
        """Close an expired contract for everybody and cancel the orders on it."""
        for account in self.accounts:
            live = self.register.live_of(account)
            for order in [each for each in live if each.contract.name == contract.name]:
                self.cancel(order, CancelReason.SETTLEMENT, now_ms, log)
            delivery = self.delivered(account, contract, delivery_usd, now_ms)
            if delivery is not None:
                self.told(self.trades.settled(delivery), ZERO, contract, log)
        self.resting.pop(contract.name, None)
        self.house.forget(contract.name)
        self.board.drop(contract)

    def set_position(
        self, account: str, contract: Contract, size: Decimal, now_ms: int
    ) -> EventLog:
        """Hold `size` from now on, at the mark."""
        log = EventLog()
        wallet, mark = self.wallet(account, contract), self.board.mark(contract)
        paid, before = self.accrue(wallet, contract, now_ms), wallet.balance
        wallet.rebase(contract.name, mark)
        change = size - wallet.size(contract.name)
        if change:
            wallet.trade(contract, change, mark, paid)
            self.treasury.vault(wallet.currency).house.trade(contract, -change, mark, paid)
            subject = Subject(
                kind=EntryKind.CORRECTION,
                at_ms=now_ms,
                instrument_name=contract.name,
                amount=abs(change),
                price=mark,
                position=size,
                cashflow=wallet.balance - before,
            )
            self.statement.note(wallet, before, subject)
        log.events.append(
            PositionChanged(account=account, instrument_name=contract.name, size=size)
        )
        log.wallets[account, wallet.currency] = None
        self.trim_reduce_only(account, contract, now_ms, log)
        return log

    def reducible(self, order: Order) -> Decimal:
        """How much a reduce-only order, new or edited, may take off the position.

        What the others promise to reduce is theirs, unless this one never rests: it comes first,
        and they give way when it is filled.
        """
        size = self.wallet(order.account, order.contract).size(order.contract.name)
        if size == 0 or (size > 0) is (order.direction is Direction.BUY):
            return ZERO
        if order.order_type is OrderType.MARKET or not order.time_in_force.rests:
            return abs(size)
        promised = sum(
            (
                other.remaining
                for other in self.register.open_on(order.account, order.contract.name)
                if other.reduce_only
                and other.direction is order.direction
                and other.order_id != order.order_id
            ),
            ZERO,
        )
        return max(abs(size) - promised, ZERO)

    def cut_to_reduce(self, order: Order) -> Refused | None:
        """Cut a reduce-only order to what it may reduce; refuse it if that is nothing."""
        allowed = self.reducible(order)
        if allowed == 0:
            return NOTHING_TO_REDUCE
        order.amount = order.filled + min(order.remaining, allowed)
        return None

    def _meet_house(self, order: Order, now_ms: int, log: EventLog) -> None:
        contract, side = order.contract, opposite(order.direction)
        for level in self.house.levels(contract, self.board, side):
            if order.state is not OrderState.OPEN:
                return
            if not is_within(level.price, order.price, order.direction):
                return
            amount = min(level.amount, order.remaining)
            self._take_from_house(order, level.rank, amount)
            self._fill(order, amount, order.price, Liquidity.MAKER, now_ms, log)
            self.house_trades(order, amount, order.price, now_ms)

    def _take_from_house(self, order: Order, rank: int, amount: Decimal) -> None:
        contract, side = order.contract, opposite(order.direction)
        frame_ms = self.board.frame(contract.pair).at_ms
        self.house.consume(contract.name, side, rank, amount, frame_ms)

    def _fill(
        self,
        order: Order,
        amount: Decimal,
        price: Decimal,
        role: Liquidity,
        now_ms: int,
        log: EventLog,
    ) -> None:
        contract, wallet = order.contract, self.wallet(order.account, order.contract)
        index_usd = self.board.index_usd(contract.pair)
        rules, is_liquidation = self.rules.fees, order.is_liquidation
        if is_liquidation:
            fee = liquidation_fee(rules, contract, float(amount), float(price), index_usd)
        else:
            fee = trade_fee(rules, contract, float(amount), float(price), role, index_usd)
        paid = self.accrue(wallet, contract, now_ms)
        before = wallet.balance
        realised = wallet.trade(contract, signed(order.direction, amount), price, paid)
        self.charge(wallet, money(fee), is_liquidation=is_liquidation)
        order.fill(amount, price, now_ms)
        fill = Fill(
            amount=amount,
            price=price,
            role=role,
            at_ms=now_ms,
            fee=fee,
            realised=float(realised),
        )
        trade = self.trades.filled(order, fill, self.board)
        self.note_fill(wallet, before, trade, realised)
        self.told(trade, wallet.size(contract.name), contract, log)
        if role is Liquidity.MAKER:
            self._leave_or_show(order)
        if order.state is OrderState.FILLED:
            self.ended(order, log)
        elif role is Liquidity.MAKER:
            log.events.append(OrderChanged(account=order.account, order=order.view()))
        self.trim_reduce_only(order.account, contract, now_ms, log)
        if order.mmp:
            self._protect(order, fill, log)

    def _leave_or_show(self, maker: Order) -> None:
        """A filled maker leaves the book; an iceberg shows its next piece, behind the others."""
        book = self.book_of(maker.contract.name)
        if maker.state is OrderState.FILLED:
            book.remove(maker)
        elif maker.visible == 0:
            book.remove(maker)
            maker.show()
            book.add(maker)

    def _protect(self, order: Order, fill: Fill, log: EventLog) -> None:
        """Count an MMP order's fill; a protection that trips cancels all that it covers."""
        counted = mmp_fill(self.board, order, fill.amount, fill.price)
        tripped = self.mmp.observe(order, counted, fill.at_ms)
        if tripped is None:
            return
        log.events.append(tripped)
        for other in list(self.register.open_of(order.account).values()):
            if other.mmp and index_of(other.contract) == tripped.key.index_name:
                self.cancel(other, CancelReason.MMP_TRIGGER, fill.at_ms, log)

    def ended(self, order: Order, log: EventLog) -> None:
        """The order is no longer live: off the list, and told."""
        self.register.closed(order)
        log.events.append(OrderChanged(account=order.account, order=order.view()))
        log.wallets[order.account, order.contract.settlement_currency] = None

    def told(self, trade: TradeView, size: Decimal, contract: Contract, log: EventLog) -> None:
        """A fill left the account with `size` of the instrument."""
        name = trade.instrument_name
        log.events.append(Traded(account=trade.account, trade=trade))
        log.events.append(PositionChanged(account=trade.account, instrument_name=name, size=size))
        log.wallets[trade.account, contract.settlement_currency] = None
        log.books[name] = None

    def trim_reduce_only(
        self, account: str, contract: Contract, now_ms: int, log: EventLog
    ) -> None:
        """Reduce-only orders may together not exceed the position: the youngest give way."""
        size = self.wallet(account, contract).size(contract.name)
        left = abs(size)
        for order in self.register.open_on(account, contract.name):
            if not order.reduce_only:
                continue
            against = (size < 0) is (order.direction is Direction.BUY)
            allowed = min(order.remaining, left) if against else ZERO
            left -= allowed
            if allowed == 0:
                self.cancel(order, CancelReason.RISK_MITIGATION, now_ms, log)
            elif allowed < order.remaining:
                order.amount = order.filled + allowed
                order.last_update_ms = now_ms
                log.events.append(OrderChanged(account=account, order=order.view()))
