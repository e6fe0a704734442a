"""What the venue does by itself and a simulation may ask for: busts of trades, halts of books.

A bust is the other way round at the trade's price, with its fee given back, for both parties. It is
no trade: the position and the balance tell of it, and the trade is gone from the list of fills. The
order keeps what it filled.
"""

from bot.exchange.admission import NOT_FOUND
from bot.exchange.commands import Answer, Refused, invalid_params
from bot.exchange.contracts import Contract
from bot.exchange.desk import Desk, EventLog
from bot.exchange.orders import signed
from bot.exchange.reports import TradeView
from bot.exchange.trading_commands import BookHalted, BustTrade, HaltBook, VenueAct
from bot.exchange.wallets import money


def act(desk: Desk, command: VenueAct, now_ms: int) -> Answer[None] | Refused:
    """Carry out one act of the venue."""
    match command:
        case BustTrade():
            return _bust(desk, command, now_ms)
        case HaltBook():
            return _halt(desk, command, now_ms)


def _bust(desk: Desk, command: BustTrade, now_ms: int) -> Answer[None] | Refused:
    fills = desk.trades.standing(command.account)
    found = [trade for trade in fills if command.trade_id in (None, trade.trade_id)]
    if not found:
        return invalid_params("trade_id", "there is no such trade to take back")
    contract = desk.board.contract(found[-1].instrument_name)
    if contract is None:
        return invalid_params("trade_id", f"{found[-1].instrument_name} has been delivered")
    desk.revision += 1
    log, parties = EventLog(), desk.trades.parties(found[-1])
    for trade in parties:
        _take_back(desk, trade, contract, now_ms, log)
    if len(parties) == 1:
        _house_gives_back(desk, found[-1], contract, now_ms)
    return Answer(result=None, events=tuple(log.closed(desk.revision)))


def _take_back(
    desk: Desk, trade: TradeView, contract: Contract, now_ms: int, log: EventLog
) -> None:
    wallet = desk.wallet(trade.account, contract)
    paid, before = desk.accrue(wallet, contract, now_ms), wallet.balance
    change = -signed(trade.direction, trade.amount)
    realised = wallet.trade(contract, change, trade.price, paid)
    desk.charge(wallet, -money(trade.fee))
    reversal = desk.trades.take_back(trade, now_ms, float(realised))
    desk.note_fill(wallet, before, reversal, realised)
    desk.told(reversal, wallet.size(contract.name), contract, log)
    desk.trim_reduce_only(trade.account, contract, now_ms, log)


def _house_gives_back(desk: Desk, trade: TradeView, contract: Contract, now_ms: int) -> None:
    house = desk.treasury.vault(contract.settlement_currency).house
    paid = desk.paid_at(now_ms)(contract)
    house.trade(contract, signed(trade.direction, trade.amount), trade.price, paid)


def _halt(desk: Desk, command: HaltBook, now_ms: int) -> Answer[None] | Refused:
    name = command.instrument_name
    if desk.board.contract(name) is None:
        return NOT_FOUND
    if command.is_halted is (name in desk.halted):
        return Answer(result=None)
    if command.is_halted:
        desk.halted.add(name)
    else:
        desk.halted.discard(name)
    told = BookHalted(instrument_name=name, is_halted=command.is_halted, at_ms=now_ms)
    return Answer(result=None, events=(told,))
