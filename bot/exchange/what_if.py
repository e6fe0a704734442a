"""What an account would be with other positions: taken over at their marks, free of charge.

Equity does not change by it, so that what differs is what the positions themselves need.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from decimal import Decimal

from bot.exchange.contracts import Contract
from bot.exchange.margins import MarginMemory
from bot.exchange.portfolio import account_view
from bot.exchange.reports import AccountView
from bot.exchange.situation import Situation
from bot.exchange.wallets import Wallet

Change = tuple[Contract, Decimal]


def simulated(at: Situation, changes: Sequence[Change], *, adds: bool) -> AccountView:
    """Return the account's summary after `changes` (signed, native).

    Args:
        at: the wallet as it is; it is left alone.
        changes: what is bought, or sold, of which contract.
        adds: to the positions that are held; otherwise instead of them, and of the open orders.
    """
    wallet = _twin(at.wallet)
    trades = list(changes)
    if not adds:
        held = wallet.positions.values()
        trades = [(position.contract, -position.size) for position in held] + trades
    for contract, amount in trades:
        wallet.trade(contract, amount, at.board.mark(contract), at.paid_of(contract))
    orders = at.open_orders if adds else ()
    beside = at.beside if adds else tuple(_emptied(one) for one in at.beside)
    return account_view(
        replace(at, wallet=wallet, open_orders=orders, beside=beside, memory=MarginMemory())
    )


def _twin(wallet: Wallet) -> Wallet:
    """A wallet that may be traded with: nothing of the account's own changes by it."""
    held = {name: copy(position) for name, position in wallet.positions.items()}
    return replace(wallet, positions=held, futures_rpl=dict(wallet.futures_rpl))


def _emptied(at: Situation) -> Situation:
    """A currency with its money and nothing else."""
    wallet = _twin(at.wallet)
    for position in list(wallet.positions.values()):
        contract = position.contract
        wallet.trade(contract, -position.size, at.board.mark(contract), at.paid_of(contract))
    return replace(at, wallet=wallet, open_orders=())
