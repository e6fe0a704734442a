"""Tickers and order books as anybody may see them: the house and the users' orders together."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import merge
from itertools import groupby, islice

from bot.exchange.admission import price_band
from bot.exchange.contracts import Contract, Kind
from bot.exchange.desk import Desk
from bot.exchange.orders import ZERO
from bot.exchange.reports import BookState, BookView, Direction, OptionFigures, TickerView

Level = tuple[Decimal, Decimal]


def levels(desk: Desk, contract: Contract, side: Direction) -> Iterator[Level]:
    """(price, amount) of one side, best first, amounts at the same price summed."""
    column = desk.board.column(contract)
    house = (
        (level.price, level.amount)
        for level in desk.house.levels(contract, desk.board.frame, column, side)
    )
    resting = desk.resting.get(contract.name)
    users: Iterable[Level] = ()
    if resting:
        users = ((order.price, order.visible) for order in resting.side(side))
    both = merge(house, users, key=lambda level: level[0], reverse=side is Direction.BUY)
    for price, same in groupby(both, key=lambda level: level[0]):
        yield price, sum((amount for _, amount in same), ZERO)


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
    none = (None, ZERO)
    bid = next(levels(desk, contract, Direction.BUY), none)
    ask = next(levels(desk, contract, Direction.SELL), none)
    lowest, highest = price_band(desk.rules.price_band, board, contract)
    is_perpetual = contract.kind is Kind.PERPETUAL
    mark, traded = board.mark(contract), tape.range(now_ms)
    volume = float(tape.volume(now_ms))
    index = board.frame.index_usd
    return TickerView(
        instrument_name=contract.name,
        at_ms=now_ms,
        state=BookState.OPEN,
        best_bid_price=bid[0],
        best_bid_amount=bid[1],
        best_ask_price=ask[0],
        best_ask_amount=ask[1],
        mark_price=mark,
        index_price=index,
        last_price=tape.last_price,
        min_price=lowest,
        max_price=highest,
        open_interest=sum(abs(float(a.size(contract.name))) for a in desk.accounts.values()),
        settlement_price=settlement_price,
        estimated_delivery_price=estimated_delivery_usd,
        volume=volume / mark if is_perpetual else volume,
        volume_usd=volume if is_perpetual else volume * mark * board.underlying(contract),
        low=traded[0] if traded else None,
        high=traded[1] if traded else None,
        funding_8h=desk.funding.trailing_8h() if is_perpetual else None,
        current_funding=desk.funding.rate_8h if is_perpetual else None,
        interest_value=desk.funding.paid_per_usd(now_ms) * index if is_perpetual else None,
        option=None if is_perpetual else _option_figures(desk, contract),
    )


def _option_figures(desk: Desk, contract: Contract) -> OptionFigures:
    board = desk.board
    greeks, (bid_iv, ask_iv) = board.greeks(contract), board.quote_iv_percent(contract)
    code = contract.name.split("-")[1]
    return OptionFigures(
        underlying_price=board.underlying(contract),
        underlying_index=f"SYN.{contract.base}-{code}",
        interest_rate=0.0,
        mark_iv=100 * board.mark_iv(contract),
        bid_iv=bid_iv,
        ask_iv=ask_iv,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        rho=greeks.rho,
    )
