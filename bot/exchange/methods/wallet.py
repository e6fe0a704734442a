"""Money that comes and goes: nothing does, so most of it is empty, and withdrawing is refused."""

import hashlib
from typing import Final

from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, RpcError, invalid_param

NO_CURRENCY: Final = "the embedded exchange keeps no wallet in it"
ADDRESS_KINDS: Final = ("transfer", "withdrawal", "deposit_source")
SWITCHED_OFF: Final = 13025


def get_deposits(call: Call) -> Json:
    """Deposits from outside: the accounts were opened with what they have."""
    _one_currency(call)
    return {"count": 0, "data": []}


def get_withdrawals(call: Call) -> Json:
    """Withdrawals: there are none."""
    _one_currency(call)
    return {"count": 0, "data": []}


def get_current_deposit_address(call: Call) -> Json:
    """Where deposits would go: an address that no chain knows, the same from run to run."""
    currency = _one_currency(call)
    digest = hashlib.sha256(f"{call.account}.{currency}".encode()).hexdigest()
    return {
        "currency": currency,
        "type": "deposit",
        "address": f"rehearsal-{digest[:32]}",
        "creation_timestamp": call.floor.market_clock.start_ms,
    }


def get_address_book(call: Call) -> Json:
    """Addresses of others: nobody has entered any."""
    _one_currency(call)
    kind = call.params.text("type")
    if kind not in ADDRESS_KINDS:
        raise invalid_param("type", f"must be one of {', '.join(ADDRESS_KINDS)}; got {kind!r}")
    return []


def withdraw(call: Call) -> Json:
    """Refused, whatever the key may do: there is nothing to send anything with."""
    _one_currency(call)
    call.params.decimal("amount")
    call.params.text("address")
    raise RpcError(SWITCHED_OFF, "method_switched_off_by_admin")


def _one_currency(call: Call) -> str:
    currency = call.currency()
    if currency is None:
        raise invalid_param("currency", NO_CURRENCY)
    return currency
