"""What became of an account's money: its log, its settlements, its transfers."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from bot.exchange.methods.call import Call
from bot.exchange.methods.paging import NO_MORE, continued, offset_part, span_of
from bot.exchange.methods.settlements import settlement_type
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.register import Member
from bot.exchange.statement import Entry, EntryKind
from bot.exchange.summaries import CURRENCIES
from bot.exchange.venue_commands import Transfer
from bot.exchange.views import statements as words

LOG_DEFAULT: Final = 100
LOG_MAX: Final = 1_000
HISTORY_DEFAULT: Final = 20
SETTLEMENT_KINDS: Final = (EntryKind.SETTLEMENT, EntryKind.DELIVERY)


def _entries(call: Call, currency: str | None, *kinds: EntryKind) -> list[Entry]:
    """The caller's rows in a currency (None: any), of some kinds (none: all), oldest first."""
    engine, account = call.floor.engine, call.subject()
    found = [
        entry
        for each in (CURRENCIES if currency is None else (currency,))
        for entry in engine.statement(account, each)
        if not kinds or entry.subject.kind in kinds
    ]
    return sorted(found, key=lambda entry: entry.entry_id)


def get_transaction_log(call: Call) -> Json:
    """Every change of a balance between two times, newest first; `query` picks words out."""
    start_ms, end_ms = span_of(call)
    query = call.params.text("query", "").lower().split()
    owner = call.floor.register.member(call.subject())
    rows = [
        words.transaction(entry, owner)
        for entry in _entries(call, call.currency())
        if start_ms <= entry.subject.at_ms <= end_ms
    ]
    found = [row for row in rows if all(_mentions(row, word) for word in query)]
    part, rest = continued(call, found, default=LOG_DEFAULT, most=LOG_MAX)
    return {"logs": part, "continuation": rest}


def _mentions(row: dict[str, Json], word: str) -> bool:
    """Whether a word of the query is the row's kind, role, instrument, or part of its side."""
    told = (row["type"], row.get("user_role"), row.get("instrument_name"))
    return word in str(row["side"]).split() or word in [str(each).lower() for each in told]


def get_settlement_history_by_currency(call: Call) -> Json:
    """The account's settlements and deliveries in a currency, newest first."""
    return _settlements(call, _entries(call, call.currency(), *SETTLEMENT_KINDS))


def get_settlement_history_by_instrument(call: Call) -> Json:
    """The account's settlements of one instrument, its delivery included, newest first."""
    name = call.params.text("instrument_name")
    rows = _entries(call, None, *SETTLEMENT_KINDS)
    return _settlements(call, [row for row in rows if row.subject.instrument_name == name])


def _settlements(call: Call, rows: Sequence[Entry]) -> Json:
    word, since_ms = settlement_type(call), call.params.integer("search_start_timestamp", 0)
    found = [
        row
        for row in rows
        if word in (None, row.subject.kind.value) and row.subject.at_ms >= since_ms
    ]
    part, rest = continued(call, found, default=HISTORY_DEFAULT, most=LOG_MAX)
    return {
        "settlements": [words.settlement_of(row) for row in part],
        "continuation": NO_MORE if rest is None else str(rest),
    }


def get_deposits(call: Call) -> Json:
    """Money that came from outside, newest first."""
    rows = _entries(call, call.one_currency(), EntryKind.DEPOSIT)
    part = offset_part(call, rows, default=10, most=LOG_MAX)
    return {"count": len(rows), "data": [words.deposit(row) for row in part]}


def get_transfers(call: Call) -> Json:
    """Money that went to or came from another account, newest first."""
    rows = _entries(call, call.one_currency(), EntryKind.TRANSFER)
    part = offset_part(call, rows, default=10, most=LOG_MAX)
    told = [words.transfer(row, _other_side(call, row)) for row in part]
    return {"count": len(rows), "data": told}


def _other_side(call: Call, row: Entry) -> str:
    other = row.subject.other_account
    return "" if other is None else call.floor.register.member(other).username


def submit_transfer_to_subaccount(call: Call) -> Json:
    """Move money from the caller to one of its subaccounts."""
    register = call.floor.register
    number = call.params.integer("destination")
    recipient = register.subaccount(call.account, number, "destination")
    return _transfer(call, register.member(call.account), recipient)


def submit_transfer_between_subaccounts(call: Call) -> Json:
    """Move money between two accounts of the family; from the caller unless `source` is given."""
    source = call.params.optional_integer("source")
    sender = call.floor.register.member(call.account)
    if source is not None:
        sender = _relative(call, source, "source")
    recipient = _relative(call, call.params.integer("destination"), "destination")
    if recipient.name == sender.name:
        raise invalid_param("destination", "must be another account than the source")
    return _transfer(call, sender, recipient)


def _relative(call: Call, number: int, param: str) -> Member:
    for member in call.floor.register.family(call.account):
        if member.number == number:
            return member
    raise invalid_param(param, f"there is no account {number} in the family")


def _transfer(call: Call, sender: Member, recipient: Member) -> Json:
    currency, amount = call.one_currency(), call.params.decimal("amount")
    if amount <= Decimal(0):
        raise invalid_param("amount", f"must be positive, got {amount}")
    engine = call.floor.engine
    command = Transfer(
        sender=sender.name, recipient=recipient.name, currency=currency, amount=amount
    )
    call.floor.accept(engine.handle(command))
    return words.transfer(engine.statement(sender.name, currency)[-1], recipient.username)
