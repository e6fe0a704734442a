"""What the private channels say: one message for each engine transaction.

A transaction is everything that one command, or one advance of market time, did to one account:
its orders, fills and the positions they left, which belong together and are told together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.exchange import summaries, views
from bot.exchange.channels import (
    ANY,
    AccountChannel,
    AccountTopic,
    Cadence,
    PortfolioChannel,
    Selector,
    UserChannel,
    UserTopic,
)
from bot.exchange.commands import (
    Event,
    MarketMoved,
    OrderChanged,
    PortfolioChanged,
    PositionChanged,
    SessionSettled,
    Traded,
    TradingEngine,
)
from bot.exchange.contracts import parse_name
from bot.exchange.protocol import Json, dumps
from bot.exchange.reports import FillCause, OrderView, TradeView


@dataclass(slots=True)
class Transaction:
    """What happened to one account at once: the instruments and currencies that changed, too."""

    orders: list[OrderView] = field(default_factory=list)
    trades: list[TradeView] = field(default_factory=list)
    positions: dict[str, None] = field(default_factory=dict)
    currencies: dict[str, None] = field(default_factory=dict)

    def instruments(self) -> list[str]:
        """Names of the instruments concerned, in the order in which they were."""
        names = dict.fromkeys(order.instrument_name for order in self.orders)
        names.update(dict.fromkeys(trade.instrument_name for trade in self.trades))
        names.update(self.positions)
        return list(names)

    def narrowed(self, selector: Selector) -> "Transaction":
        """The part that a channel with this selector covers."""
        names = {name for name in self.instruments() if selector.covers(parse_name(name))}
        return Transaction(
            orders=[order for order in self.orders if order.instrument_name in names],
            trades=[trade for trade in self.trades if trade.instrument_name in names],
            positions={name: None for name in self.positions if name in names},
        )


def transactions(events: Iterable[Event]) -> Mapping[str, Transaction]:
    """The private part of a batch of events, by account.

    Settlements and busts are no trades: the venue tells of them through position and balance.
    """
    by_account: dict[str, Transaction] = {}
    for event in events:
        match event:
            case OrderChanged():
                by_account.setdefault(event.account, Transaction()).orders.append(event.order)
            case Traded():
                if event.trade.cause not in (FillCause.SETTLEMENT, FillCause.BUST):
                    by_account.setdefault(event.account, Transaction()).trades.append(event.trade)
            case PositionChanged():
                found = by_account.setdefault(event.account, Transaction())
                found.positions[event.instrument_name] = None
            case PortfolioChanged():
                found = by_account.setdefault(event.account, Transaction())
                found.currencies[event.currency] = None
            case _:
                pass
    return by_account


@dataclass(slots=True, kw_only=True)
class UserFeed:
    """`user.orders`, `user.trades` or `user.changes` of one account."""

    channel: UserChannel
    account: str
    _pending: list[Transaction] = field(default_factory=list)

    @property
    def is_stale(self) -> bool:
        """Whether something happened since the channel last spoke."""
        return bool(self._pending)

    def hear(self, transaction: Transaction) -> None:
        """Keep the part that the channel covers."""
        part = transaction.narrowed(self.channel.selector)
        if part.instruments():
            self._pending.append(part)

    def payloads(self, engine: TradingEngine) -> list[str]:
        """Everything kept, as the topic words it; raw channels speak of each change by itself."""
        pending, self._pending = self._pending, []
        if self.channel.cadence is not Cadence.RAW:
            pending = [_merged(pending)]
        texts: list[str] = []
        for transaction in pending:
            match self.channel.topic:
                case UserTopic.ORDERS:
                    texts += self._orders(transaction)
                case UserTopic.TRADES:
                    texts += _trades(transaction)
                case UserTopic.CHANGES:
                    texts += self._changes(transaction, engine)
        return texts

    def _orders(self, transaction: Transaction) -> list[str]:
        if self.channel.cadence is Cadence.RAW:
            return [dumps(views.order(order)) for order in transaction.orders]
        return [dumps(views.orders(transaction.orders))] if transaction.orders else []

    def _changes(self, transaction: Transaction, engine: TradingEngine) -> list[str]:
        texts: list[str] = []
        for name in transaction.instruments():
            changed = name in transaction.positions or any(
                trade.instrument_name == name for trade in transaction.trades
            )
            content: dict[str, Json] = {
                "instrument_name": name,
                "trades": [
                    views.trade(trade)
                    for trade in transaction.trades
                    if trade.instrument_name == name
                ],
                "orders": [
                    views.order(order)
                    for order in transaction.orders
                    if order.instrument_name == name
                ],
                "position": [_position(engine, self.account, name)] if changed else [],
            }
            texts.append(dumps(content))
        return texts


def _trades(transaction: Transaction) -> list[str]:
    return [dumps(views.trades(transaction.trades))] if transaction.trades else []


def _position(engine: TradingEngine, account: str, name: str) -> dict[str, Json]:
    view = engine.position(account, name)
    if view is not None:
        return summaries.position(engine, account, view)
    return views.gone_position(name, engine.index_usd(parse_name(name).pair.index_name))


def _merged(pending: list[Transaction]) -> Transaction:
    whole = Transaction()
    for transaction in pending:
        whole.orders += transaction.orders
        whole.trades += transaction.trades
        whole.positions.update(transaction.positions)
    return whole


@dataclass(slots=True, kw_only=True)
class PortfolioFeed:
    """`user.portfolio` of one account: at once when its money changed, in time with the market."""

    channel: PortfolioChannel
    account: str
    is_urgent: bool = False
    is_stale: bool = False

    def hear_market(self, event: Event) -> None:
        """Every frame revalues the account."""
        self.is_stale |= isinstance(event, MarketMoved | SessionSettled)

    def hear(self, transaction: Transaction) -> None:
        """Money that changed is told at once."""
        wanted = self.channel.currency
        self.is_urgent |= any(
            wanted in (ANY, name, name.lower()) for name in transaction.currencies
        )

    def payloads(self, engine: TradingEngine) -> list[str]:
        """The portfolio at this moment; one message a currency for `any`."""
        self.is_urgent = self.is_stale = False
        return [dumps(content) for content in self.contents(engine)]

    def contents(self, engine: TradingEngine) -> list[dict[str, Json]]:
        """The same, before it becomes text."""
        wanted = self.channel.currency
        currencies = engine.currencies if wanted == ANY else (wanted.upper(),)
        return [summaries.in_currency(engine, self.account, currency) for currency in currencies]


@dataclass(slots=True, kw_only=True)
class AccountFeed:
    """`user.lock` and the like: what the exchange has to say to an account."""

    channel: AccountChannel
    _pending: list[str] = field(default_factory=list)

    @property
    def is_stale(self) -> bool:
        """Whether there is something to say."""
        return bool(self._pending)

    def take(self, topic: AccountTopic, content: Mapping[str, Json]) -> None:
        """Keep what is about the channel's topic, and its index if it has one."""
        index_name = self.channel.index_name
        if topic is self.channel.topic and index_name in (None, content.get("index_name")):
            self._pending.append(dumps(content))

    def payloads(self, engine: TradingEngine) -> list[str]:  # noqa: ARG002 - as of its siblings
        """Everything kept."""
        pending, self._pending = self._pending, []
        return pending
