"""Which of Deribit's error codes prove that an order was refused.

Source: the venue's table of RPC error codes. A code belongs in `REFUSALS` only if the venue answers
it *instead of* accepting the order. Whatever is missing here leaves the order UNKNOWN: 10001
(error), 11031 (other_error), 11094 (internal_server_error), 13028 (temporarily_unavailable), 13888
(timed_out: says that time ran out, not on which side of the matching engine), and every code that
the venue may add tomorrow.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bot.venues.port import NOT_SENT_CODE

REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        9999: "api_not_enabled",
        10000: "authorization_required",
        10002: "qty_too_low",
        10003: "order_overlap",
        10005: "price_too_low",
        10006: "price_too_low4idx",
        10007: "price_too_high",
        10008: "price_too_high4idx",
        10009: "not_enough_funds",
        10011: "price_not_allowed",
        10012: "book_closed",
        10013: "pme_max_total_open_orders",
        10014: "pme_max_future_open_orders",
        10015: "pme_max_option_open_orders",
        10016: "pme_max_future_open_orders_size",
        10017: "pme_max_option_open_orders_size",
        10018: "non_pme_max_future_position_size",
        10019: "locked_by_admin",
        10020: "invalid_or_unsupported_instrument",
        10021: "invalid_amount",
        10022: "invalid_quantity",
        10023: "invalid_price",
        10026: "price_precision_exceeded",
        10027: "non_integer_contract_amount",
        10028: "too_many_requests",
        10031: "invalid_args_for_instrument",
        10032: "whole_cost_too_low",
        10033: "not_implemented",
        10040: "retry",
        10041: "settlement_in_progress",
        10043: "price_wrong_tick",
        10047: "matching_engine_queue_full",
        11029: "invalid_arguments",
        11030: "other_reject",
        11042: "permission_denied",
        11043: "bad_argument",
        11046: "outdated_instrument",
        11047: "unsupported_arg_combination",
        11049: "bad_arguments",
        11050: "bad_request",
        11051: "system_maintenance",
        11054: "post_only_reject",
        13002: "account_blocked",
        13004: "invalid_credentials",
        13009: "unauthorized",
        13010: "value_required",
        13012: "unavailable_in_subaccount",
        13016: "invalid_input",
        13019: "orderbook_closed",
        13020: "not_found",
        13021: "forbidden",
        13025: "method_switched_off_by_admin",
        -32602: "invalid params",
        -32601: "method not found",
        -32700: "parse error",
        -32000: "missing params",
    }
)
METHOD_NOT_FOUND: Final = -32601

# A question refused with one of these may be asked again after a moment.
BUSY = frozenset({10028, 10040, 10041, 10047, 10066, 11051, 13028})

# We asked too often: the venue may say for how long to wait.
TOO_OFTEN = frozenset({10028})

# The instrument is unknown, expired or closed, or its lot or tick is another one than we think: our
# list of instruments is out of date.
UNLISTED = frozenset({10012, 10020, 11046, 13019, 13020})
MISFIT = frozenset({10002, 10021, 10022, 10023, 10026, 10027, 10043, -32602})
OUTDATED = UNLISTED | MISFIT

CREDENTIALS = frozenset({10000, 13004, 13009})

# An order refused with one of these was not judged: the venue, or the line to it, takes none now.
PASSING = BUSY | {NOT_SENT_CODE, 13009}


def is_refusal(code: int) -> bool:
    """Return whether an answer with this code proves that no order came to be."""
    return code in REFUSALS
