"""Money that comes and goes: nothing does, so most of it is empty, and withdrawing is refused."""

from typing import Final

from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.views.statements import deposit_address

ADDRESS_KINDS: Final = ("transfer", "withdrawal", "deposit_source")
SWITCHED_OFF: Final = 13025


def get_withdrawals(call: Call) -> Json:
    """Withdrawals: there are none."""
    call.one_currency()
    return {"count": 0, "data": []}


def get_current_deposit_address(call: Call) -> Json:
    """Where deposits would go: an address that no chain knows, the same from run to run."""
    currency = call.one_currency()
    return {
        "currency": currency,
        "type": "deposit",
        "address": deposit_address(call.account, currency),
        "creation_timestamp": call.floor.market_clock.start_ms,
    }


def get_address_book(call: Call) -> Json:
    """Addresses of others: nobody has entered any."""
    call.one_currency()
    kind = call.params.text("type")
    if kind not in ADDRESS_KINDS:
        raise invalid_param("type", f"must be one of {', '.join(ADDRESS_KINDS)}; got {kind!r}")
    return []


def withdraw(call: Call) -> Json:
    """Refused, whatever the key may do: there is nothing to send anything with."""
    call.one_currency()
    call.params.decimal("amount")
    call.params.text("address")
    raise RpcError(SWITCHED_OFF, "method_switched_off_by_admin")
