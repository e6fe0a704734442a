"""Questions about the account: what became of an order, and what the whole account looks like.

Every function asks through a callable and returns facts; whatever goes wrong on the way is raised,
so that a partial answer can never be read as "flat" or "not found".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.core.actions import QueryOrder, ReadAccount
from bot.core.events import (
    AccountRead,
    BadMessage,
    BalanceSeen,
    Fact,
    FillSeen,
    OpenOrdersSeen,
    OrderNotFound,
    OrderSeen,
    PositionRow,
    PositionsSeen,
    Source,
)
from bot.venues import deribit_names, deribit_scope
from bot.venues import deribit_translate as raw
from bot.venues.deribit_translate import MessageError

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
RowT = TypeVar("RowT")

STATE_BY_LABEL = "private/get_order_state_by_label"
ORDER_STATE = "private/get_order_state"
OPEN_ORDERS = "private/get_open_orders"
OPEN_ORDERS_BY_CURRENCY = "private/get_open_orders_by_currency"
USER_TRADES = "private/get_user_trades_by_currency"
POSITIONS = "private/get_positions"
SUMMARIES = "private/get_account_summaries"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """How reads of the account are cut into questions.

    Trades are "recent" for 24 hours at the venue; beyond `recent_ms` its archive is asked as well.
    A query for an order looks `query_margin_ms` of market time further back than the order, for
    clocks that disagree.
    """

    page_size: int = 1_000
    pages_max: int = 100
    recent_ms: int = 22 * 3_600_000
    query_margin_ms: int = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads one account, as far as it settles in `currencies`.

    `on_limits` takes the rates that an account's summary states.
    """

    ask: Ask
    currencies: tuple[str, ...]
    limits: ReadLimits
    on_limits: Callable[[Any], None]
    market_ms: Callable[[], int]
    monotonic_ns: Callable[[], int]

    async def order(self, action: QueryOrder) -> tuple[Fact, ...]:
        """Ask three independent sources for the orders and trades that carry our id.

        Returns:
            Fills, then orders; or one `OrderNotFound` if every source answered that it knows none.

        Raises:
            MessageError: an answer could not be read whole; nothing may be concluded.
        """
        asked_ms = self.market_ms()
        label = action.order_id
        currency = deribit_names.currency_of(action.instrument) or self.currencies[0]
        scope = {"currency": currency}
        stated = await self._orders(STATE_BY_LABEL, {**scope, "label": label})
        resting = await self._orders(OPEN_ORDERS_BY_CURRENCY, dict(scope))
        since_ms = action.requested_ms - self.limits.query_margin_ms
        fills = [
            trade for trade in await self._fills(currency, since_ms) if trade.order_id == label
        ]
        orders: dict[str, OrderSeen] = {}
        for rows in (resting, stated):  # the label's own answer is the fuller one and wins
            seen = (entry for entry in rows if entry.order_id == label)
            orders |= {entry.venue_order_id: entry for entry in seen}
        for venue_order_id in {trade.venue_order_id for trade in fills} - orders.keys():
            # The label's memory is shorter than that of the trades: ask by the order's own id.
            row = _one(await self.ask(ORDER_STATE, {"order_id": venue_order_id}))
            told = raw.order(row, self.monotonic_ns())
            orders[told.venue_order_id] = told
        if not orders and not fills:
            sources = (Source.LABEL, Source.OPEN_ORDERS, Source.TRADES)
            return (
                OrderNotFound(
                    order_id=label,
                    sources=sources,
                    asked_ms=asked_ms,
                    arrived_ns=self.monotonic_ns(),
                ),
            )
        return (*fills, *orders.values())

    async def account(self, action: ReadAccount) -> tuple[Fact, ...]:
        """Read open orders, trades since a moment, positions and balances, all or nothing.

        Raises:
            MessageError: an answer could not be read whole; nothing may be concluded.
        """
        asked_ns = self.monotonic_ns()
        resting = await self._orders(OPEN_ORDERS, {})
        fills = [
            trade
            for currency in self.currencies
            for trade in await self._fills(currency, action.trades_since_ms)
        ]
        rows = _whole(await self.ask(POSITIONS, {"currency": "any"}), raw.position)
        positions = tuple(row for row in rows if row.size_native)
        balances = await self._balances()
        arrived_ns = self.monotonic_ns()
        return self._scoped(
            OpenOrdersSeen(orders=tuple(resting), asked_ns=asked_ns, arrived_ns=arrived_ns),
            *fills,
            _complete(positions, asked_ns, arrived_ns),
            *balances,
            AccountRead(asked_ns=asked_ns, arrived_ns=arrived_ns),
        )

    def _scoped(self, *facts: Fact) -> tuple[Fact, ...]:
        scope = frozenset(self.currencies)
        kept = (deribit_scope.within(fact, scope) for fact in facts)
        return tuple(fact for fact in kept if fact is not None)

    async def _orders(self, method: str, params: dict[str, Any]) -> list[OrderSeen]:
        answer = await self.ask(method, params)
        return _whole(answer, raw.arrived(raw.order, self.monotonic_ns()))

    async def _balances(self) -> tuple[BalanceSeen, ...]:
        answer = await self.ask(SUMMARIES, {})
        summaries = answer.get("summaries") if isinstance(answer, dict) else None
        arrived_ns = self.monotonic_ns()
        balances = tuple(_whole(summaries, raw.arrived(raw.balance, arrived_ns)))
        told = {balance.currency for balance in balances}
        for currency in self.currencies:
            if currency not in told:
                raise MessageError(f"no summary of the account in {currency}")
        for row in summaries or ():
            self.on_limits(row.get("limits"))
        return balances

    async def _fills(self, currency: str, since_ms: int) -> tuple[FillSeen, ...]:
        """Return every trade that settled in a currency since a moment, oldest first, each once.

        Of futures and options alike: no kind is named, which is every kind.
        """
        archives: tuple[dict[str, Any], ...] = ({},)
        if self.market_ms() - since_ms > self.limits.recent_ms:
            archives = ({"historical": True}, {})
        found: dict[str, FillSeen] = {}
        for archive in archives:
            await self._fill_pages(currency, since_ms, archive, found)
        return tuple(sorted(found.values(), key=lambda trade: trade.venue_ms))

    async def _fill_pages(
        self, currency: str, since_ms: int, archive: dict[str, Any], found: dict[str, FillSeen]
    ) -> None:
        start_ms = max(0, since_ms)
        for _ in range(self.limits.pages_max):
            page = await self.ask(
                USER_TRADES,
                {
                    "currency": currency,
                    "start_timestamp": start_ms,
                    "count": self.limits.page_size,
                    "sorting": "asc",
                    **archive,
                },
            )
            trades, has_more = _page(page, self.monotonic_ns())
            found |= {trade.trade_id: trade for trade in trades}
            if not has_more:
                return
            # The next page starts at the last stamp, not after it: trades may share a millisecond.
            last_ms = max((trade.venue_ms for trade in trades), default=start_ms)
            if last_ms <= start_ms:
                raise MessageError(f"more than {len(trades)} trades at {start_ms} ms: no way on")
            start_ms = last_ms
        raise MessageError(f"trades go on after {self.limits.pages_max} pages")


def _page(page: Any, arrived_ns: int) -> tuple[list[FillSeen], bool]:
    if not isinstance(page, dict) or not isinstance(page.get("has_more"), bool):
        raise MessageError(f"not a page of trades: {page!r:.200}")
    return _whole(page.get("trades"), raw.arrived(raw.fill, arrived_ns)), page["has_more"]


def _whole(rows: Any, translate: Callable[[Any], RowT]) -> list[RowT]:
    """Translate a list of which every row must be readable."""
    if not isinstance(rows, list):
        raise MessageError(f"not a list: {rows!r:.200}")
    read = raw.each(rows, translate, "row")
    for row in read:
        if isinstance(row, BadMessage):
            raise MessageError(row.reason)
    return [row for row in read if not isinstance(row, BadMessage)]


def _one(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise MessageError(f"not an object: {row!r:.200}")
    return row


def _complete(positions: tuple[PositionRow, ...], asked_ns: int, arrived_ns: int) -> PositionsSeen:
    return PositionsSeen(
        positions=positions, complete=True, asked_ns=asked_ns, arrived_ns=arrived_ns
    )
