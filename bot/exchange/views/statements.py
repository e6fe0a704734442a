"""Rows of the transaction log, settlements, transfers and deposits as Deribit words them."""

import hashlib
from decimal import Decimal
from typing import Final

from bot.exchange.contracts import Contract, parse_name
from bot.exchange.protocol import Json
from bot.exchange.register import Member
from bot.exchange.reports import Liquidity
from bot.exchange.statement import Entry, EntryKind
from bot.exchange.views.wording import COIN_DIGITS, OPTION_MARK_DIGITS, USD_DIGITS, number

ROLES: Final = {Liquidity.MAKER: "maker", Liquidity.TAKER: "taker"}


def _money(amount: Decimal) -> float:
    return round(float(amount), COIN_DIGITS)


def transaction(entry: Entry, owner: Member) -> dict[str, Json]:
    """One row of the transaction log; what does not concern it is left out."""
    subject = entry.subject
    fields: dict[str, Json] = {
        "id": entry.entry_id,
        "user_seq": entry.seq,
        "user_id": owner.number,
        "username": owner.username,
        "timestamp": subject.at_ms,
        "type": subject.kind.value,
        "currency": entry.currency,
        "change": _money(entry.change),
        "cashflow": _money(subject.cashflow),
        "commission": _money(subject.commission),
        "balance": _money(entry.balance),
        "side": subject.side,
        "info": {} if subject.other_account is None else {"other_user": subject.other_account},
    }
    if subject.instrument_name is not None:
        fields.update(_about_instrument(entry, parse_name(subject.instrument_name)))
    if subject.trade_id is not None:
        fields["trade_id"] = subject.trade_id
    if subject.order_id:
        fields["order_id"] = subject.order_id
    if subject.role is not None:
        fields["user_role"] = ROLES[subject.role]
    return fields


def _about_instrument(entry: Entry, contract: Contract) -> dict[str, Json]:
    subject = entry.subject
    fields: dict[str, Json] = {
        "instrument_name": contract.name,
        "amount": number(subject.amount),
        "contracts": number(abs(subject.amount) / contract.contract_size),
        "price_currency": contract.quote,
    }
    if subject.position is not None:
        fields["position"] = number(subject.position)
    for name, price in (
        ("price", subject.price),
        ("mark_price", subject.mark_price),
        ("index_price", subject.index_price),
    ):
        if price is not None:
            fields[name] = round(price, OPTION_MARK_DIGITS)
    if not contract.is_option:
        fields["interest_pl"] = _money(subject.interest)
        fields["session_upl"] = _money(subject.session_upl)
        fields["session_rpl"] = _money(subject.session_rpl)
    return fields


def settlement_of(entry: Entry) -> dict[str, Json]:
    """A settlement or a delivery as its owner sees it."""
    subject = entry.subject
    is_delivery = subject.kind is EntryKind.DELIVERY
    profit = subject.session_upl + subject.session_rpl
    return {
        "type": "delivery" if is_delivery else "settlement",
        "timestamp": subject.at_ms,
        "instrument_name": subject.instrument_name or "",
        "position": number(subject.amount),
        "index_price": round(subject.index_price or 0.0, USD_DIGITS),
        "mark_price": round(subject.mark_price or subject.price or 0.0, OPTION_MARK_DIGITS),
        "profit_loss": _money(profit),
        "session_profit_loss": _money(entry.change if is_delivery else profit),
        "funding": _money(subject.interest),
    }


def transfer(entry: Entry, other: str) -> dict[str, Json]:
    """A transfer, which here is done as soon as it is asked for."""
    subject = entry.subject
    return {
        "id": entry.entry_id,
        "type": "subaccount",
        "currency": entry.currency,
        "amount": _money(abs(entry.change)),
        "direction": "income" if entry.change > 0 else "payment",
        "other_side": other,
        "state": "confirmed",
        "created_timestamp": subject.at_ms,
        "updated_timestamp": subject.at_ms,
    }


def deposit_address(account: str, currency: str) -> str:
    """An address that no chain knows, the same from run to run."""
    digest = hashlib.sha256(f"{account}.{currency}".encode()).hexdigest()
    return f"rehearsal-{digest[:32]}"


def deposit(entry: Entry) -> dict[str, Json]:
    """Money that came from outside."""
    at_ms = entry.subject.at_ms
    digest = hashlib.sha256(f"deposit.{entry.entry_id}".encode()).hexdigest()
    return {
        "currency": entry.currency,
        "address": deposit_address(entry.account, entry.currency),
        "amount": _money(entry.change),
        "state": "completed",
        "transaction_id": digest,
        "received_timestamp": at_ms,
        "updated_timestamp": at_ms,
    }
