"""Facts, actions, policies and standings as canonical JSON, and back.

One form for the ledger, the tape and digests: dataclasses carry their name under `$`, decimals
are text, sets and keys are sorted, numbers are the shortest that read back the same. Equal values
give equal bytes.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final

import numpy as np

from bot.core import (
    actions,
    agreement,
    attribution,
    books,
    cash,
    columns,
    dealing,
    events,
    evidence,
    exposure,
    gate,
    hedger,
    instruments,
    modes,
    orders,
    quotes,
    reconcile,
    reported,
    safety,
    sizing,
    standing,
    state,
    tally,
)
from bot.core.margin import (
    bybit,
    bybit_portfolio,
    deribit_charges,
    deribit_portfolio,
    deribit_standard,
    deribit_table,
    derive_portfolio,
    derive_standard,
    gating_stages,
    hyperliquid,
    modelling,
    okx,
    okx_portfolio,
    paradex,
    paradex_portfolio,
    report,
    risk_units,
)
from bot.quant import conventions

_MODULES = (
    actions,
    agreement,
    attribution,
    books,
    bybit,
    bybit_portfolio,
    cash,
    columns,
    conventions,
    dealing,
    deribit_charges,
    deribit_portfolio,
    deribit_standard,
    deribit_table,
    derive_portfolio,
    derive_standard,
    events,
    evidence,
    exposure,
    gate,
    gating_stages,
    hedger,
    hyperliquid,
    instruments,
    modelling,
    modes,
    okx,
    okx_portfolio,
    orders,
    paradex,
    paradex_portfolio,
    quotes,
    reconcile,
    report,
    reported,
    risk_units,
    safety,
    sizing,
    standing,
    state,
    tally,
)
MARGIN: Final = "bot.core.margin."

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class CodecError(ValueError):
    """A text is not what this codec writes."""


@cache
def _named() -> Mapping[str, type]:
    """Every type that may be written by name."""
    return {
        _tag(found): found
        for module in _MODULES
        for found in vars(module).values()
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum))
    }


def _tag(kind: type) -> str:
    """Return what a type is called: of margin models with its module, as each has parameters."""
    name, module = kind.__name__, kind.__module__
    return f"{module.removeprefix(MARGIN)}.{name}" if module.startswith(MARGIN) else name


def dumps(value: object, *, in_order: bool = False) -> bytes:
    """Write a value of the core as canonical JSON.

    Args:
        value: What to write.
        in_order: Keep the order of keys, for whom a sum over a mapping must come out to the bit.
            Then equal values may give different bytes.

    Raises:
        CodecError: a type that the core does not use for data.
    """
    encoder = _IN_ORDER if in_order else _SORTED
    return encoder.encode(_plain(value)).encode()


def loads(text: bytes | str) -> object:
    """Read back what `dumps` wrote.

    Raises:
        CodecError: not JSON, or a name this version does not know.
    """
    try:
        return _valued(json.loads(text))
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise CodecError(f"not a record of this version: {error}") from error


def digest(value: object) -> str:
    """Return the 32-digit BLAKE2b fingerprint of a value: equal values, equal digests."""
    return hashlib.blake2b(dumps(value), digest_size=16).hexdigest()


def _plain(value: object) -> Json:
    """Return what stands for a value in JSON."""
    return _WRITERS[type(value)](value)


Writer = Callable[[Any], Json]


class _Writers(dict[type, Writer]):
    """How each type is written, found out the first time that one is."""

    def __missing__(self, kind: type) -> Writer:
        self[kind] = _writer_of(kind)
        return self[kind]


def _writer_of(kind: type) -> Writer:
    """Return how values of a type are written. The first row that fits decides."""
    for kinds, writer in _ROWS:
        if issubclass(kind, kinds):
            return writer
    if is_dataclass(kind):
        return _dataclass_writer(kind)
    raise CodecError(f"{kind.__name__} is not data of the core")


def _dataclass_writer(kind: type) -> Writer:
    tag, names = _tag(kind), tuple(field.name for field in fields(kind))

    def write(value: object) -> Json:
        body: dict[str, Json] = {"$": tag}
        for name in names:
            item = getattr(value, name)
            body[name] = item if type(item) in _AS_THEY_ARE else _WRITERS[type(item)](item)
        return body

    return write


def _as_it_is(value: Json) -> Json:
    return value


def _plain_mapping(value: Mapping[object, object]) -> Json:
    return {_escaped(str(key)): _plain(item) for key, item in value.items()}


def _plain_array(value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Json:
    return {"$array": [str(value.dtype), value.tolist()]} if _finite(value) else _hexed(value)


_ROWS: Final[tuple[tuple[type | tuple[type, ...], Writer], ...]] = (
    ((type(None), bool), _as_it_is),
    (Enum, lambda value: {"$enum": [_tag(type(value)), str(value.value)]}),
    ((int, str), _as_it_is),
    (float, lambda value: value if math.isfinite(value) else {"$float": str(value)}),
    (Decimal, lambda value: {"$decimal": str(value)}),
    (timedelta, lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]}),
    (date, lambda value: {"$date": value.isoformat()}),
    ((list, tuple), lambda value: [_plain(item) for item in value]),
    (frozenset, lambda value: {"$set": [_plain(item) for item in sorted(value)]}),
    (Mapping, _plain_mapping),
    (np.ndarray, _plain_array),
)
_WRITERS: Final = _Writers()
_AS_THEY_ARE: Final = frozenset((type(None), bool, int, str))  # most of what is written
_SORTED: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_IN_ORDER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _escaped(key: str) -> str:
    """Double a leading `$`, so that no key of a mapping is taken for a tag."""
    return f"${key}" if key.startswith("$") else key


def _unescaped(key: str) -> str:
    return key.removeprefix("$") if key.startswith("$$") else key


def _finite(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _hexed(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Json:
    return {"$array": [str(array.dtype), [{"$float": str(item)} for item in array.tolist()]]}


def _valued(plain: Json) -> object:  # noqa: PLR0911 (one case a type is the point)
    match plain:
        case list():
            return tuple(_valued(item) for item in plain)
        case {"$enum": [str(name), member]}:
            return _named()[name](member)
        case {"$decimal": str(text)}:
            return Decimal(text)
        case {"$timedelta": [int(days), int(seconds), int(microseconds)]}:
            return timedelta(days=days, seconds=seconds, microseconds=microseconds)
        case {"$date": str(text)}:
            return date.fromisoformat(text)
        case {"$float": str(text)}:
            return float(text)
        case {"$set": list(items)}:
            return frozenset(_valued(item) for item in items)
        case {"$array": [str(dtype), list(items)]}:
            array = np.array([_valued(item) for item in items], dtype=dtype)
            array.setflags(write=False)
            return array
        case dict():
            values = {_unescaped(key): _valued(item) for key, item in plain.items() if key != "$"}
            return _named()[str(plain["$"])](**values) if "$" in plain else values
        case _:
            return plain
