"""Tickers and order books as anybody may see them: the house and the users' orders together."""

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import merge
from itertools import groupby, islice
from typing import Final

from bot.exchange.admission import price_band
from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind, future_name
from bot.exchange.desk import Desk
from bot.exchange.margins import size_in_coin
from bot.exchange.orders import ZERO
from bot.exchange.pair_board import YEAR_MS
from bot.exchange.reports import BookState, BookView, Direction, OptionFigures, TickerView

Level = tuple[Decimal, Decimal]
NO_LEVEL: Final = (None, ZERO)


def levels(desk: Desk, contract: Contract, side: Direction) -> Iterator[Level]:
    """(price, amount) of one side, best first, amounts at the same price summed."""
    house = ((level.price, level.amount) for level in desk.house.levels(contract, desk.board, side))
    resting = desk.resting.get(contract.name)
    users: Iterable[Level] = ()
    if resting:
        users = ((order.price, order.visible) for order in resting.side(side))
    both = merge(house, users, key=lambda level: level[0], reverse=side is Direction.BUY)
    for price, same in groupby(both, key=lambda level: level[0]):
        yield price, sum((amount for _, amount in same), ZERO)


def best_level(desk: Desk, contract: Contract, side: Direction) -> Level | tuple[None, Decimal]:
    """(price, amount) of the best level, which most often is the house's alone."""
    if desk.resting.get(contract.name):
        return next(levels(desk, contract, side), NO_LEVEL)
    house = desk.house.touch(contract, desk.board, side)
    return NO_LEVEL if house is None else (house.price, house.amount)


def book_view(desk: Desk, contract: Contract, depth: int, now_ms: int) -> BookView:
    """The best `depth` levels of both sides."""
    return BookView(
        instrument_name=contract.name,
        at_ms=now_ms,
        change_id=desk.revision,
        bids=tuple(islice(levels(desk, contract, Direction.BUY), depth)),
        asks=tuple(islice(levels(desk, contract, Direction.SELL), depth)),
    )


def ticker_view(
    desk: Desk,
    contract: Contract,
    *,
    now_ms: int,
    settlement_price: float | None,
    estimated_delivery_usd: float,
) -> TickerView:
    """Everything a ticker says about one contract."""
    board, tape = desk.board, desk.trades.tape(contract.name)
    bid = best_level(desk, contract, Direction.BUY)
    ask = best_level(desk, contract, Direction.SELL)
    lowest, highest = price_band(desk.rules.price_band, board, contract)
    funding = desk.funding[contract.pair] if contract.kind is Kind.PERPETUAL else None
    mark, traded = board.mark(contract), tape.range(now_ms)
    volume = float(tape.volume(now_ms))
    index = board.index_usd(contract.pair)
    return TickerView(
        instrument_name=contract.name,
        at_ms=now_ms,
        state=BookState.HALTED if contract.name in desk.halted else BookState.OPEN,
        best_bid_price=bid[0],
        best_bid_amount=bid[1],
        best_ask_price=ask[0],
        best_ask_amount=ask[1],
        mark_price=mark,
        index_price=index,
        last_price=tape.last_price,
        min_price=lowest,
        max_price=highest,
        open_interest=float(desk.open_interest(contract)),
        settlement_price=settlement_price,
        estimated_delivery_price=estimated_delivery_usd,
        volume=size_in_coin(contract, volume, mark),
        volume_usd=_volume_usd(desk, contract, volume),
        low=traded[0] if traded else None,
        high=traded[1] if traded else None,
        funding_8h=None if funding is None else funding.trailing_8h(),
        current_funding=None if funding is None else funding.rate_8h,
        interest_value=None if funding is None else funding.interest_value(now_ms),
        option=_option_figures(desk, contract) if contract.is_option else None,
    )


def _volume_usd(desk: Desk, contract: Contract, volume: float) -> float:
    if contract.is_sized_in_usd:
        return volume
    coin = desk.board.underlying(contract) if contract.quote == contract.base else 1.0
    return volume * desk.board.mark(contract) * coin


def _option_figures(desk: Desk, contract: Contract) -> OptionFigures:
    board = desk.board
    greeks, (bid_iv, ask_iv) = board.greeks(contract), board.quote_iv_percent(contract)
    return OptionFigures(
        underlying_price=board.underlying(contract),
        underlying_index=_underlying_index(board, contract),
        interest_rate=_interest_rate(board, contract),
        mark_iv=100 * board.mark_iv(contract),
        bid_iv=bid_iv,
        ask_iv=ask_iv,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        rho=greeks.rho,
    )


def _underlying_index(board: Board, contract: Contract) -> str:
    """The future of the same expiry, or the synthetic one where none is listed."""
    name = future_name(contract.pair, contract.expiry_ms)
    return name if board.contract(name) is not None else f"SYN.{name}"


def _interest_rate(board: Board, contract: Contract) -> float:
    """The rate a year behind the discount factor of a linear option; 0 for inverse ones."""
    years = (contract.expiry_ms - board.frame(contract.pair).at_ms) / YEAR_MS
    discount = board.discount(contract)
    return -math.log(discount) / years if discount < 1.0 and years > 0.0 else 0.0
