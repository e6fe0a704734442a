"""Liquidation: an account whose maintenance margin exceeds its margin balance is reduced by rounds.

One round a market second, while the requirement is not met. The first takes the account's orders
away. Each trades a part of one position at the market. Under standard margin perpetuals and futures
go before options, since they lower the requirement at the least cost, then short options, then long
ones, which raise the balance. In a portfolio account the venue first hedges the delta with the
perpetual, which it may open for that, while this still lowers the requirement; then it reduces the
option that lowers it most. The fee of these fills goes to the insurance fund, and the fund pays
what an account without positions still owes. Sources: the venue's description of liquidations
("incremental, one round a second, stops when the requirement is met", "hedge deltas, including
opening new futures"), and of its insurance fund; the size of a round's part is not published.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final

from bot.core.margin import deribit_standard
from bot.exchange.admission import price_band
from bot.exchange.board import Board
from bot.exchange.contracts import Contract
from bot.exchange.desk import Desk, EventLog
from bot.exchange.margins import FORWARD_DIGITS, MARK_DIGITS, size_in_coin
from bot.exchange.orders import ZERO, Order, numbered_id
from bot.exchange.relief import Relief, hedges, reductions
from bot.exchange.reports import CancelReason, Direction, OrderState, OrderType, TimeInForce
from bot.exchange.rules import MarginModel
from bot.exchange.situation import Situation
from bot.exchange.wallets import Position, Wallet, money

CROSS: Final = "cross"  # in place of a currency, where all are liquidated together
SUMMING_ERROR: Final = 1e-9  # by which a sum may depend on the order of its parts, and more


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What a round would trade: signed, native."""

    contract: Contract
    change: Decimal


def liquidate(desk: Desk, currency: str, now_ms: int, log: EventLog) -> None:
    """One round for every account that is due one, of those that the currency concerns."""
    for account, wallets in desk.accounts.items():
        is_cross = desk.margin_model(account).is_cross
        concerned = list(wallets.values()) if is_cross else [wallets[currency]]
        if not any(wallet.positions for wallet in concerned):
            continue
        key = (account, CROSS if is_cross else currency)
        if not _is_due(desk, key, now_ms):
            continue
        if _is_short(desk.situation(account, currency, now_ms)):
            desk.liquidated_ms[key] = now_ms
            _round(desk, account, concerned, now_ms, log)
            log.wallets.update(dict.fromkeys((account, wallet.currency) for wallet in concerned))


def _is_due(desk: Desk, key: tuple[str, str], now_ms: int) -> bool:
    last_ms = desk.liquidated_ms.get(key)
    return last_ms is None or now_ms - last_ms >= desk.rules.liquidation.round_ms


def _is_short(at: Situation) -> bool:
    """Whether an account holds no more than it must.

    Every frame asks, and most accounts hold several times as much: those are not margined whole.
    """
    balance = at.margin_balance()
    if at.model is MarginModel.SEGREGATED_SM and maintenance_at_most(at) < balance:
        return False
    return at.margins().maintenance >= balance


def maintenance_at_most(at: Situation) -> float:
    """No less than the maintenance margin of one currency under standard margin.

    A short call counts as a put of the same mark, which needs no less; the rest is what the model
    says, position by position. It costs a tenth.
    """
    board, rates, most = at.board, at.rules.standard_margin, 0.0
    for position in at.wallet.positions.values():
        contract, size = position.contract, float(position.size)
        mark = board.mark(contract)
        if not contract.is_option:
            coins = abs(size_in_coin(contract, size, mark))
            share = deribit_standard.future_share(rates, contract.base, coins).maintenance
            most += coins * (mark if contract.pair.is_linear else 1.0) * share
        elif size < 0.0:
            unit, told = _coin_of(board, contract), round(mark, MARK_DIGITS)
            most -= size * (max(unit, told) * rates.option_maintenance + told)
    return most * (1.0 + SUMMING_ERROR)


def _coin_of(board: Board, contract: Contract) -> float:
    """What a coin of an option is margined as, in its settlement currency."""
    if not contract.pair.is_linear:
        return 1.0
    return max(board.index_usd(contract.pair), round(board.underlying(contract), FORWARD_DIGITS))


def _round(desk: Desk, account: str, wallets: list[Wallet], now_ms: int, log: EventLog) -> None:
    currencies = {wallet.currency for wallet in wallets}
    for order in desk.register.live_of(account):
        if order.contract.settlement_currency in currencies:
            desk.cancel(order, CancelReason.AUTOLIQUIDATION, now_ms, log)
    at = desk.situation(account, wallets[0].currency, now_ms)
    if not _is_short(at):
        return
    pieces = _of_portfolio(at, desk) if at.model.is_portfolio else _one_by_one(at, desk)
    for piece in pieces:
        if _trade(desk, account, piece, now_ms, log):
            break
    if not any(wallet.positions for wallet in wallets):
        _cover(desk, at, now_ms)


def _one_by_one(at: Situation, desk: Desk) -> Iterator[_Piece]:
    """Futures, then short options, then long ones; the greatest requirement or value first."""
    ranked = [
        (*_rank(one, position), position)
        for one in (at, *at.beside)
        for position in one.wallet.positions.values()
    ]
    for _, _, position in sorted(ranked, key=lambda each: each[:2]):
        part = _part(position.contract, abs(position.size), desk)
        yield _Piece(contract=position.contract, change=part.copy_sign(-position.size))


def _rank(at: Situation, position: Position) -> tuple[int, float]:
    """Where a position stands in the order, and how much of it, USD, counts within its kind."""
    contract, needs = position.contract, at.alone().positions
    required = float(needs.maintenance[needs.names.index(contract.name)])
    if not contract.is_option:
        return 0, -required * at.currency_usd
    if position.size < 0:
        return 1, -required * at.currency_usd
    return 2, -float(position.size) * at.board.mark(contract) * at.currency_usd


def _of_portfolio(at: Situation, desk: Desk) -> Iterator[_Piece]:
    """The hedge while it helps, then options by what they save, then whatever can be traded."""
    least = desk.rules.liquidation.hedge_saves_min * at.margins().maintenance
    for relief in hedges(at):
        piece = _Piece(contract=relief.contract, change=_hedge_part(relief, desk))
        if relief.saves >= least and piece.change:
            yield piece
    for relief in reductions(at, desk.rules.liquidation.share):
        part = _part(relief.contract, abs(relief.whole), desk)
        yield _Piece(contract=relief.contract, change=part.copy_sign(relief.whole))


def _hedge_part(relief: Relief, desk: Desk) -> Decimal:
    """A share of the hedge in whole lots, never more than the hedge."""
    lot = relief.contract.lot
    most = abs(relief.whole) // lot * lot
    return min(_part(relief.contract, abs(relief.whole), desk), most).copy_sign(relief.whole)


def _trade(desk: Desk, account: str, piece: _Piece, now_ms: int, log: EventLog) -> bool:
    """Trade a piece at the market; False if nobody quotes."""
    contract = piece.contract
    if desk.board.contract(contract.name) is None or contract.name in desk.halted:
        return False
    order = _order(desk, account, piece, now_ms)
    desk.register.add(order)
    desk.execute(order, now_ms, log)
    traded = order.filled > 0
    if order.state is OrderState.OPEN:
        desk.cancel(order, CancelReason.AUTOLIQUIDATION, now_ms, log)
    return traded


def _order(desk: Desk, account: str, piece: _Piece, now_ms: int) -> Order:
    contract, number = piece.contract, desk.next_order_number
    desk.next_order_number += 1
    direction = Direction.SELL if piece.change < 0 else Direction.BUY
    lowest, highest = price_band(desk.rules.price_band, desk.board, contract)
    held = desk.wallet(account, contract).size(contract.name)
    return Order(
        number=number,
        order_id=numbered_id(contract, number),
        account=account,
        contract=contract,
        direction=direction,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        price=lowest if direction is Direction.SELL else highest,
        amount=abs(piece.change),
        label="",
        post_only=False,
        reject_post_only=False,
        reduce_only=held * piece.change < 0 and abs(piece.change) <= abs(held),
        creation_ms=now_ms,
        last_update_ms=now_ms,
        is_liquidation=True,
    )


def _part(contract: Contract, size: Decimal, desk: Desk) -> Decimal:
    """A share of a size in whole lots, at least one, never more than there is."""
    share = Decimal(str(desk.rules.liquidation.share))
    lots = (size * share / contract.lot).to_integral_value(rounding=ROUND_UP)
    return min(lots * contract.lot, size)


def _cover(desk: Desk, at: Situation, now_ms: int) -> None:
    """Nothing is left to sell: the insurance fund pays what all the currencies together owe."""
    owed_usd = -at.margin_balance() * at.currency_usd
    for one in (at, *at.beside):
        wallet = one.wallet
        debt = -(wallet.balance + wallet.futures_session_rpl)
        owed = debt if not at.beside else min(debt, money(max(owed_usd, 0.0) / one.currency_usd))
        if owed > ZERO:
            desk.insure(wallet, money(owed), now_ms)
            owed_usd -= float(owed) * one.currency_usd
