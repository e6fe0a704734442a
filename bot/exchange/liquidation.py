"""Liquidation: a wallet whose maintenance margin exceeds its margin balance is reduced by rounds.

One round a market second, while the requirement is not met. The first takes the wallet's orders
away. Each sells or buys back a part of one position at the market: perpetuals and futures before
options, since they lower the requirement at the least cost, then short options, then long ones,
which raise the balance. The fee of these fills goes to the insurance fund, and the fund pays what a
wallet without positions still owes. Sources: the venue's description of liquidations ("incremental,
one round a second, stops when the requirement is met"), and of its insurance fund; the size of a
round's part is not published.
"""

from collections.abc import Iterable
from decimal import ROUND_UP, Decimal

from bot.exchange.admission import price_band
from bot.exchange.contracts import Contract
from bot.exchange.desk import Desk, EventLog
from bot.exchange.orders import ZERO, Order, numbered_id
from bot.exchange.portfolio import Situation
from bot.exchange.reports import CancelReason, Direction, OrderState, OrderType, TimeInForce
from bot.exchange.wallets import Position, Wallet, money


def liquidate(desk: Desk, currency: str, now_ms: int, log: EventLog) -> None:
    """One round for every wallet of the currency that is due one."""
    for account, wallets in desk.accounts.items():
        wallet = wallets[currency]
        if not wallet.positions or not _is_due(desk, wallet, now_ms):
            continue
        at = desk.situation(account, currency, now_ms)
        if at.margins().maintenance >= at.value().margin_balance:
            desk.liquidated_ms[account, currency] = now_ms
            _round(desk, wallet, now_ms, log)
            log.wallets[account, currency] = None


def _is_due(desk: Desk, wallet: Wallet, now_ms: int) -> bool:
    last_ms = desk.liquidated_ms.get((wallet.account, wallet.currency))
    return last_ms is None or now_ms - last_ms >= desk.rules.liquidation.round_ms


def _round(desk: Desk, wallet: Wallet, now_ms: int, log: EventLog) -> None:
    for order in desk.register.live_of(wallet.account):
        if order.contract.settlement_currency == wallet.currency:
            desk.cancel(order, CancelReason.AUTOLIQUIDATION, now_ms, log)
    at = desk.situation(wallet.account, wallet.currency, now_ms)
    if at.margins().maintenance < at.value().margin_balance:
        return
    for position in _in_order(at, wallet.positions.values()):
        if _reduce(desk, wallet.account, position, now_ms, log):
            break
    if not wallet.positions:
        _cover(desk, wallet, now_ms)


def _in_order(at: Situation, positions: Iterable[Position]) -> list[Position]:
    """Futures, then short options, then long ones; the greatest requirement or value first."""

    def rank(position: Position) -> tuple[int, float]:
        contract, size = position.contract, float(position.size)
        exposure = at.exposure_on(contract)
        required = exposure.position_margin(at.rules, size)[1]
        if not contract.is_option:
            return (0, -required)
        return (1, -required) if size < 0 else (2, -size * exposure.mark)

    return sorted(positions, key=rank)


def _reduce(desk: Desk, account: str, position: Position, now_ms: int, log: EventLog) -> bool:
    """Trade a part of the position at the market; False if nobody quotes."""
    contract = position.contract
    if desk.board.contract(contract.name) is None or contract.name in desk.halted:
        return False
    order = _order(desk, account, position, now_ms)
    desk.register.add(order)
    desk.execute(order, now_ms, log)
    traded = order.filled > 0
    if order.state is OrderState.OPEN:
        desk.cancel(order, CancelReason.AUTOLIQUIDATION, now_ms, log)
    return traded


def _order(desk: Desk, account: str, position: Position, now_ms: int) -> Order:
    contract, number = position.contract, desk.next_order_number
    desk.next_order_number += 1
    direction = Direction.SELL if position.size > 0 else Direction.BUY
    lowest, highest = price_band(desk.rules.price_band, desk.board, contract)
    return Order(
        number=number,
        order_id=numbered_id(contract, number),
        account=account,
        contract=contract,
        direction=direction,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        price=lowest if direction is Direction.SELL else highest,
        amount=_part(contract, abs(position.size), Decimal(str(desk.rules.liquidation.share))),
        label="",
        post_only=False,
        reject_post_only=False,
        reduce_only=True,
        creation_ms=now_ms,
        last_update_ms=now_ms,
        is_liquidation=True,
    )


def _part(contract: Contract, size: Decimal, share: Decimal) -> Decimal:
    """A share of the position in whole lots, at least one, never more than there is."""
    lots = (size * share / contract.lot).to_integral_value(rounding=ROUND_UP)
    return min(lots * contract.lot, size)


def _cover(desk: Desk, wallet: Wallet, now_ms: int) -> None:
    """Nothing is left to sell: the insurance fund pays the debt."""
    owed = -(wallet.balance + wallet.futures_session_rpl)
    if owed > ZERO:
        desk.insure(wallet, money(owed), now_ms)
