"""The log's story of the hedging: a line when an order is decided, one when it has ended.

Watches the loop like any other observer and changes nothing. Sizes are signed; `size_usd` for what
is traded in dollars, `size_coin` for the rest. Prices and limits are USD per coin (`_usd`), of an
option that settles in its coin parts of that coin (`_coin`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import structlog

from bot.core.actions import SubmitOrder
from bot.core.events import FillSeen
from bot.core.hedger import Decision, Verdict
from bot.core.instruments import Instrument, Settlement
from bot.core.orders import Order, OrderStatus, Outcome
from bot.core.state import State
from bot.runtime.loop import Stepped

COIN_DIGITS: Final = 8
DOUBTFUL: Final = frozenset({OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE})
WELL: Final = frozenset({Outcome.FILLED, Outcome.CANCELLED})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The fills of one order that were told of, and the last doubt that was said of it."""

    trades: frozenset[str] = frozenset()
    size_native: Decimal = Decimal(0)
    price_weighted: float = 0.0
    coins: float = 0.0
    fee: float = 0.0
    doubt: OrderStatus | None = None

    def with_fill(self, fill: FillSeen) -> "Tally":
        """Count one fill, once."""
        if fill.trade_id in self.trades:
            return self
        size = float(fill.size_native)
        return replace(
            self,
            trades=self.trades | {fill.trade_id},
            size_native=self.size_native + fill.size_native,
            price_weighted=self.price_weighted + size * fill.price,
            coins=self.coins + size / fill.price,
            fee=self.fee + fill.fee,
        )

    def price(self, terms: Instrument | None) -> float | None:
        """Return the average price: dollars over coins for an inverse contract; None unfilled."""
        if not self.size_native:
            return None
        size = float(self.size_native)
        inverse = terms is not None and terms.is_usd_sized
        return size / self.coins if inverse else self.price_weighted / size


@dataclass(slots=True)
class Narrator:
    """Tells of every step in which something happened to our orders."""

    _open: dict[str, Tally] = field(default_factory=dict)
    _orders: Mapping[str, Order] | None = None

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one step."""
        self._count(stepped)
        orders = stepped.state.standing.orders
        if orders is not self._orders:
            self._orders = orders
            for order in orders.values():
                self._follow(order, stepped.state)
        for decision in stepped.step.decisions:
            _tell_decision(decision, stepped)

    def _count(self, stepped: Stepped) -> None:
        for fact in stepped.facts:
            if isinstance(fact, FillSeen) and fact.order_id in self._open:
                self._open[fact.order_id] = self._open[fact.order_id].with_fill(fact)

    def _follow(self, order: Order, state: State) -> None:
        tally = self._open.get(order.order_id)
        if order.is_quiet:
            if tally is not None:
                _tell_end(order, tally, state.instruments.get(order.instrument))
                del self._open[order.order_id]
            return
        tally = tally or Tally()
        if order.status in DOUBTFUL and order.status is not tally.doubt:
            tally = replace(tally, doubt=order.status)
            log.warning(
                "order in doubt",
                order_id=order.order_id,
                instrument=order.instrument,
                fate=order.status.value,
                reason=order.reason,
            )
        self._open[order.order_id] = tally


def _tell_decision(decision: Decision, stepped: Stepped) -> None:
    """Say what was decided, if it acts or refuses to."""
    if decision.order_id:
        log.info("hedge", book=decision.book, **_order_words(decision, stepped))
    elif decision.verdict is Verdict.REFUSED:
        log.warning(
            "hedge refused", book=decision.book, kind=decision.code.value, reason=decision.reason
        )


def _order_words(decision: Decision, stepped: Stepped) -> dict[str, Any]:
    for action in stepped.step.actions:
        if isinstance(action, SubmitOrder) and action.order_id == decision.order_id:
            terms = stepped.state.instruments.get(action.instrument)
            return {
                **_sized("size", action.size_native, terms),
                "instrument": action.instrument,
                **_priced("limit", float(action.limit), terms),
                "order_id": action.order_id,
                "verdict": decision.verdict.value,
                "reason": decision.reason,
            }
    return {"order_id": decision.order_id, "reason": decision.reason}


def _tell_end(order: Order, tally: Tally, terms: Instrument | None) -> None:
    words: dict[str, Any] = {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "outcome": order.outcome.value,
        **_sized("filled", order.filled_native, terms),
        **_sized("asked", order.size_native, terms),
    }
    price = tally.price(terms)
    if price is not None and tally.size_native == order.filled_native:
        words |= _priced("price", price, terms) | {"fee": round(tally.fee, 10)}
        words |= {"fee_currency": terms.currency if terms else ""}
    if order.reason:
        words["reason"] = order.reason
    (log.info if order.outcome in WELL else log.warning)("order ended", **words)


def _priced(name: str, price: float, terms: Instrument | None) -> dict[str, float]:
    """Return a price under its unit: an option that settles in its coin is quoted in that coin."""
    if terms is None or terms.settlement is not Settlement.INVERSE or terms.is_usd_sized:
        return {f"{name}_usd": round(price, 2)}
    return {f"{name}_coin": round(price, COIN_DIGITS)}


def _sized(name: str, size_native: Decimal, terms: Instrument | None) -> dict[str, float]:
    if terms is None:
        return {f"{name}_native": float(size_native)}
    return {f"{name}_usd" if terms.is_usd_sized else f"{name}_coin": float(size_native)}
