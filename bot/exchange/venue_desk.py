"""What the venue does to accounts on its own authority: positions set, money moved."""

from dataclasses import replace
from decimal import Decimal
from typing import Final, assert_never

from bot.exchange.admission import NOT_FOUND
from bot.exchange.commands import Answer, Refused, invalid_params
from bot.exchange.desk import Desk, EventLog
from bot.exchange.portfolio import account_view
from bot.exchange.venue_commands import (
    Deposit,
    SetMarginModel,
    SetPosition,
    Transfer,
)
from bot.exchange.wallets import Wallet, money

INSUFFICIENT_FUNDS: Final = Refused(code=10009, message="not_enough_funds")
HouseCommand = SetPosition | Deposit | Transfer | SetMarginModel


def decree(desk: Desk, command: HouseCommand, now_ms: int) -> Answer[None] | Refused:
    """Carry out one."""
    desk.revision += 1
    match command:
        case SetPosition():
            return _set_position(desk, command, now_ms)
        case Deposit():
            return _deposit(desk, command, now_ms)
        case Transfer():
            return _transfer(desk, command, now_ms)
        case SetMarginModel():
            return _set_margin_model(desk, command, now_ms)
        case _:
            assert_never(command)


def _done(desk: Desk, log: EventLog) -> Answer[None]:
    return Answer(result=None, events=tuple(log.closed(desk.revision)))


def _set_position(desk: Desk, command: SetPosition, now_ms: int) -> Answer[None] | Refused:
    contract = desk.board.contract(command.instrument_name)
    if contract is None or contract.expiry_ms <= now_ms:
        return NOT_FOUND
    if command.account not in desk.accounts:
        return invalid_params("account", f"no account {command.account!r}")
    if not command.size.is_finite() or command.size % contract.lot != 0:
        return invalid_params("size", f"must be a multiple of {contract.lot}")
    return _done(desk, desk.set_position(command.account, contract, command.size, now_ms))


def _wallet(desk: Desk, account: str, currency: str) -> Wallet | Refused:
    if account not in desk.accounts:
        return invalid_params("account", f"no account {account!r}")
    wallet = desk.accounts[account].get(currency)
    return invalid_params("currency", f"{currency} is not held here") if wallet is None else wallet


def _is_free(desk: Desk, wallet: Wallet, amount: Decimal, now_ms: int) -> bool:
    at = desk.situation(wallet.account, wallet.currency, now_ms)
    return float(amount) <= account_view(at).available_withdrawal_funds


def _deposit(desk: Desk, command: Deposit, now_ms: int) -> Answer[None] | Refused:
    wallet = _wallet(desk, command.account, command.currency)
    if isinstance(wallet, Refused):
        return wallet
    if not command.amount.is_finite() or command.amount == 0:
        return invalid_params("amount", "must be a number and not zero")
    if command.amount < 0 and not _is_free(desk, wallet, -command.amount, now_ms):
        return INSUFFICIENT_FUNDS
    desk.deposit(command.account, command.currency, money(command.amount), now_ms)
    log = EventLog(wallets={(wallet.account, wallet.currency): None})
    return _done(desk, log)


def _set_margin_model(desk: Desk, command: SetMarginModel, now_ms: int) -> Answer[None] | Refused:
    account, model = command.account, command.model
    if account not in desk.accounts:
        return invalid_params("account", f"no account {account!r}")
    if not command.forced:
        for currency in desk.accounts[account]:
            at = desk.situation(account, currency, now_ms, model)
            needed, have = at.margins().initial, at.margin_balance()
            if needed > have:
                why = f"initial margin {needed:.8f} under {model} exceeds {have:.8f} {currency}"
                return replace(INSUFFICIENT_FUNDS, data={"reason": why})
    desk.margin_models[account] = model
    changed = {(account, currency): None for currency in desk.accounts[account]}
    return _done(desk, EventLog(wallets=changed))


def _transfer(desk: Desk, command: Transfer, now_ms: int) -> Answer[None] | Refused:
    sender = _wallet(desk, command.sender, command.currency)
    recipient = _wallet(desk, command.recipient, command.currency)
    if isinstance(sender, Refused):
        return sender
    if isinstance(recipient, Refused):
        return recipient
    if sender is recipient:
        return invalid_params("destination", "must be another account")
    if not command.amount.is_finite() or command.amount <= 0:
        return invalid_params("amount", "must be positive")
    if not _is_free(desk, sender, command.amount, now_ms):
        return INSUFFICIENT_FUNDS
    desk.transfer(sender, recipient, money(command.amount), now_ms)
    both = (sender, recipient)
    return _done(desk, EventLog(wallets={(w.account, w.currency): None for w in both}))
