"""JSON text with exact numbers: a `Decimal` is written digit by digit, never as a float."""

import json
from decimal import Decimal
from typing import Any


def encode(value: Any) -> str:
    """Return `value` as JSON text.

    Args:
        value: nested dicts with string keys, lists, tuples, strings, booleans, None, ints and
            finite Decimals.

    Raises:
        TypeError: a value of another type, floats included: what is sent to a venue is exact.
        ValueError: a Decimal that is not finite.
    """
    match value:
        case None | bool() | int() | str():
            return json.dumps(value)
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"not a finite number: {value}")
            return format(value, "f")
        case dict():
            return "{" + ",".join(f"{json.dumps(k)}:{encode(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(encode(item) for item in value) + "]"
        case _:
            raise TypeError(f"cannot be sent to a venue exactly: {value!r}")
