"""The shape of an answer: which fields it has and of which types, without the numbers.

An object is a map of fields, `name?` where the field is not always there; a list is a list of one
shape; a map with open keys is `{"*": shape}`; a scalar is its types, such as `number|null`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[1] / "data/shapes.json"
ANY_KEY: Final = "*"
EITHER: Final = " or "
Shape = str | list[Any] | dict[str, Any]

# Maps whose keys are names of currencies, indices, instruments and the like.
OPEN_MAP: Final = re.compile(
    r"(_map|limits|fees|expirations|portfolio|info|_vectors|^ticker|^margins|^currency_pair|^index_price|^position)$"
)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "string"


def shape_of(value: Any, name: str = "") -> Shape:
    """The shape of one value; `name` is that of its field."""
    match value:
        case dict() if OPEN_MAP.search(name) and value:
            return {ANY_KEY: merged(shape_of(item) for item in value.values())}
        case dict():
            return {key: shape_of(item, key) for key, item in value.items()}
        case list():
            return [merged(shape_of(item) for item in value)] if value else []
        case _:
            return _scalar(value)


def merged(shapes: Iterable[Shape]) -> Shape:
    """One shape that covers all."""
    found = list(shapes)
    whole = found[0]
    for shape in found[1:]:
        whole = _both(whole, shape)
    return whole


def _both(one: Shape, other: Shape) -> Shape:
    match one, other:
        case dict(), dict():
            return _both_objects(one, other)
        case list(), list():
            items = [*one, *other]
            return [merged(items)] if items else []
        case str(), str() if EITHER not in one + other:
            return "|".join(sorted({*one.split("|"), *other.split("|")}))
        case _ if one == other:
            return one
        case _:
            return _either(one, other)


def _either(one: Shape, other: Shape) -> Shape:
    """Shapes of different kinds side by side, those of the same kind made one."""
    kinds: dict[type, Shape] = {}
    for text in (*_alternatives(one), *_alternatives(other)):
        shape: Shape = json.loads(text) if text[0] in "[{" else text
        known = kinds.get(type(shape), shape)
        kinds[type(shape)] = shape if known == shape else _both(known, shape)
    texts = (
        each if isinstance(each, str) else json.dumps(each, sort_keys=True)
        for each in kinds.values()
    )
    return EITHER.join(sorted(texts))


def _alternatives(shape: Shape) -> list[str]:
    if isinstance(shape, str):
        return shape.split(EITHER)
    return [json.dumps(shape, sort_keys=True)]


def _both_objects(one: Mapping[str, Any], other: Mapping[str, Any]) -> Shape:
    fields: dict[str, Any] = {}
    plain_one = {key.removesuffix("?"): shape for key, shape in one.items()}
    plain_other = {key.removesuffix("?"): shape for key, shape in other.items()}
    for name in sorted({*plain_one, *plain_other}):
        is_optional = not (name in one and name in other) and name != ANY_KEY
        both = [part[name] for part in (plain_one, plain_other) if name in part]
        fields[f"{name}?" if is_optional else name] = merged(both)
    return fields


def is_covered(shape: Shape, by: Shape) -> bool:
    """Whether an answer of the one shape is an answer of the other too."""
    return _both(shape, by) == _both(by, by)


def committed() -> Mapping[str, Shape]:
    """Shapes by method and channel, as they were committed."""
    known: Mapping[str, Shape] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


def write(known: Mapping[str, Shape]) -> None:
    """Commit: one line for each method and channel, so that a change is seen as one."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(known[name], sort_keys=True)}" for name in sorted(known)
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
