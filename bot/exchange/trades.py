"""Fills as they are told and kept: numbered over the exchange and over each instrument."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import numpy as np

from bot.exchange.board import Board
from bot.exchange.contracts import Contract
from bot.exchange.orders import Order
from bot.exchange.pair_board import YEAR_MS
from bot.exchange.reports import (
    Direction,
    FillCause,
    Liquidity,
    OrderState,
    OrderType,
    TradeView,
)
from bot.exchange.tape import Tape
from bot.quant.implied_vol import implied_vol

PAYOFF_DIGITS: Final = 8  # a settlement's price is told to the satoshi; money moves unrounded


def iv_percent(board: Board, contract: Contract, price: float) -> float | None:
    """The volatility that explains an option's price now, percent; 0 if none does."""
    if not contract.is_option:
        return None
    forward, discount = board.underlying(contract), board.discount(contract)
    years = max(contract.expiry_ms - board.frame(contract.pair).at_ms, 0) / YEAR_MS
    assert contract.strike is not None
    usd = price if contract.pair.is_linear else price * forward
    found = implied_vol(usd, forward, contract.strike, years, bool(contract.is_call), discount)
    return 100 * float(np.nan_to_num(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One fill as the wallet booked it. Amount native and positive, money settlement currency."""

    amount: Decimal
    price: Decimal
    role: Liquidity
    at_ms: int
    fee: float
    realised: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A trade between others. `direction` is the taker's, the amount native."""

    contract: Contract
    direction: Direction
    amount: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A position closed by an expiry: the average it settled on, and the price that makes, native.

    `size` is what was held, signed; `fee` and `realised` in the settlement currency.
    """

    account: str
    contract: Contract
    size: Decimal
    price_usd: float
    price: float
    at_ms: int
    fee: float
    realised: float


@dataclass(slots=True, kw_only=True)
class TradeBook:
    """Every fill, oldest first, with the numbers of the next one."""

    next_number: int
    _all: list[TradeView] = field(default_factory=list)
    _of: dict[str, list[TradeView]] = field(default_factory=dict)
    _tapes: dict[str, Tape] = field(default_factory=dict)
    _busted: set[tuple[str, str]] = field(default_factory=set)

    def tape(self, name: str) -> Tape:
        """What traded in an instrument."""
        tape = self._tapes.get(name)  # every ticker asks: none is made in vain
        if tape is None:
            tape = self._tapes[name] = Tape()
        return tape

    def all(self) -> Sequence[TradeView]:
        """Every fill, settlements included, oldest first."""
        return self._all

    def of(self, account: str) -> Sequence[TradeView]:
        """The account's fills, settlements included, oldest first."""
        return self._of.get(account, ())

    def filled(self, order: Order, fill: Fill, board: Board) -> TradeView:
        """Number and keep a fill of an order, the order already as it stands after it."""
        contract, tape = order.contract, self.tape(order.contract.name)
        tick_direction = tape.record(fill.at_ms, fill.price, fill.amount)
        return self._keep(
            TradeView(
                trade_id=self._number(contract),
                trade_seq=tape.trades_count,
                account=order.account,
                instrument_name=contract.name,
                order_id=order.order_id,
                label=order.label,
                direction=order.direction,
                amount=fill.amount,
                price=fill.price,
                contracts=float(fill.amount / contract.contract_size),
                at_ms=fill.at_ms,
                order_type=order.order_type,
                order_state=order.state,
                liquidity=fill.role,
                fee=fill.fee,
                fee_currency=contract.settlement_currency,
                profit_loss=fill.realised,
                index_usd=board.index_usd(contract.pair),
                mark_price=board.mark(contract),
                underlying_usd=board.underlying(contract) if contract.is_option else None,
                iv_percent=iv_percent(board, contract, float(fill.price)),
                tick_direction=tick_direction,
                post_only=order.post_only,
                reduce_only=order.reduce_only,
                cause=FillCause.LIQUIDATION if order.is_liquidation else FillCause.TRADE,
                mmp=order.mmp,
            )
        )

    def printed(self, seen: Print, at_ms: int, board: Board) -> TradeView:
        """Number a trade of others. It is on the tape and in nobody's account."""
        contract, tape = seen.contract, self.tape(seen.contract.name)
        tick_direction = tape.record(at_ms, seen.price, seen.amount)
        return TradeView(
            trade_id=self._number(contract),
            trade_seq=tape.trades_count,
            account="",
            instrument_name=contract.name,
            order_id="",
            label="",
            direction=seen.direction,
            amount=seen.amount,
            price=seen.price,
            contracts=float(seen.amount / contract.contract_size),
            at_ms=at_ms,
            order_type=OrderType.LIMIT,
            order_state=OrderState.FILLED,
            liquidity=Liquidity.TAKER,
            fee=0.0,
            fee_currency=contract.settlement_currency,
            profit_loss=0.0,
            index_usd=board.index_usd(contract.pair),
            mark_price=board.mark(contract),
            underlying_usd=board.underlying(contract) if contract.is_option else None,
            iv_percent=iv_percent(board, contract, float(seen.price)),
            tick_direction=tick_direction,
            post_only=False,
            reduce_only=False,
            cause=FillCause.TRADE,
        )

    def settled(self, delivery: Delivery) -> TradeView:
        """Number and keep the settlement of a delivered position: it closes at the payoff."""
        contract, size = delivery.contract, delivery.size
        return self._keep(
            TradeView(
                trade_id=self._number(contract),
                trade_seq=self.tape(contract.name).trades_count + 1,
                account=delivery.account,
                instrument_name=contract.name,
                order_id="",
                label="",
                direction=Direction.SELL if size > 0 else Direction.BUY,
                amount=abs(size),
                price=Decimal(f"{delivery.price:.{PAYOFF_DIGITS}f}"),
                contracts=float(abs(size) / contract.contract_size),
                at_ms=delivery.at_ms,
                order_type=OrderType.MARKET,
                order_state=OrderState.FILLED,
                liquidity=Liquidity.TAKER,
                fee=delivery.fee,
                fee_currency=contract.settlement_currency,
                profit_loss=delivery.realised,
                index_usd=delivery.price_usd,
                mark_price=delivery.price,
                underlying_usd=delivery.price_usd if contract.is_option else None,
                iv_percent=None,
                tick_direction=0,
                post_only=False,
                reduce_only=False,
                cause=FillCause.SETTLEMENT,
            )
        )

    def standing(self, account: str) -> Sequence[TradeView]:
        """The account's fills by orders that have not been taken back, oldest first."""
        return [
            trade
            for trade in self.of(account)
            if trade.cause in (FillCause.TRADE, FillCause.LIQUIDATION)
            and (account, trade.trade_id) not in self._busted
        ]

    def parties(self, trade: TradeView) -> Sequence[TradeView]:
        """Both users' sides of a trade, or one if the house was the other.

        The maker's side is kept right behind the taker's.
        """
        at = self._all.index(trade)
        beside = at + 1 if trade.liquidity is Liquidity.TAKER else at - 1
        near = self._all[max(beside, 0) : beside + 1]
        return [trade, *(each for each in near if _is_other_side(each, trade))]

    def take_back(self, trade: TradeView, at_ms: int, realised: float) -> TradeView:
        """Number and keep the reversal of a fill: the other way, at its price, its fee returned."""
        self._busted.add((trade.account, trade.trade_id))
        head = trade.trade_id.rpartition("-")[0]
        number, self.next_number = self.next_number, self.next_number + 1
        is_buy = trade.direction is Direction.BUY
        return self._keep(
            replace(
                trade,
                trade_id=f"{head}-{number}",
                direction=Direction.SELL if is_buy else Direction.BUY,
                at_ms=at_ms,
                fee=-trade.fee,
                profit_loss=realised,
                cause=FillCause.BUST,
            )
        )

    def _keep(self, trade: TradeView) -> TradeView:
        self._all.append(trade)
        self._of.setdefault(trade.account, []).append(trade)
        return trade

    def _number(self, contract: Contract) -> str:
        number = self.next_number
        self.next_number += 1
        return f"{contract.pair.prefix}-{number}"


def _is_other_side(one: TradeView, trade: TradeView) -> bool:
    return (
        one.account != trade.account
        and one.direction is not trade.direction
        and one.liquidity is not trade.liquidity
        and (one.instrument_name, one.price, one.amount, one.at_ms)
        == (trade.instrument_name, trade.price, trade.amount, trade.at_ms)
    )
