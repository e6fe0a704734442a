"""The filter `type` of mass cancels and of lists of orders."""

from collections.abc import Mapping
from typing import Final

from bot.exchange.methods.call import Call
from bot.exchange.protocol import invalid_param
from bot.exchange.reports import TRIGGER_TYPES, OrderType

STOPS: Final = frozenset({OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
TAKES: Final = frozenset({OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET})
TRAILING: Final = frozenset({OrderType.TRAILING_STOP})
# Those of mass cancels and those of lists name the same things differently.
ORDER_TYPES_ASKED: Final[Mapping[str, frozenset[OrderType] | None]] = {
    "all": None,
    "limit": frozenset({OrderType.LIMIT}),
    "trigger_all": TRIGGER_TYPES,
    "stop": STOPS,
    "stop_all": STOPS,
    "stop_limit": frozenset({OrderType.STOP_LIMIT}),
    "stop_market": frozenset({OrderType.STOP_MARKET}),
    "take": TAKES,
    "take_all": TAKES,
    "take_limit": frozenset({OrderType.TAKE_LIMIT}),
    "take_market": frozenset({OrderType.TAKE_MARKET}),
    "trailing_all": TRAILING,
    "trailing_stop": TRAILING,
}


def order_types(call: Call) -> frozenset[OrderType] | None:
    """The filter `type` of mass cancels and of lists; None for all."""
    word = call.params.text("type", "all")
    if word not in ORDER_TYPES_ASKED:
        raise invalid_param("type", f"must be one of {', '.join(ORDER_TYPES_ASKED)}; got {word!r}")
    return ORDER_TYPES_ASKED[word]
