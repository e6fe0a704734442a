"""From a validator's complaint to one line that a person can act on."""

import difflib
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError

from bot.settings.document import Document, shown
from bot.settings.models import Config
from bot.settings.problems import KeyPath, dotted
from bot.settings.sections import SecretReference, Shape

UNITS: Final[dict[str, str]] = {
    "coin": "coins",
    "usd": "US dollars",
    "percent": "percent, so 50 means 50 %",
    "seconds": "seconds",
    "minute": "a minute",
    "days": "days",
    "bps": "basis points",
    "mb": "megabytes",
}
REFERENCE_EXPECTED: Final = (
    "expected {env: NAME} or {file: PATH}; a secret is never written into a configuration"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place of the configuration: the type that belongs there and what limits it."""

    annotation: Any
    limits: tuple[Any, ...]


def explain(error: ValidationError, document: Document) -> None:
    """Add every complaint of `error` to the document's problems."""
    complaints = error.errors(include_url=False, include_context=False, include_input=True)
    told = {problem.key for problem in document.problems}
    misspelt: set[KeyPath] = set()
    for complaint in complaints:
        if complaint["type"] == "extra_forbidden":
            path = complaint["loc"]
            message, meant = _unknown_key(path)
            misspelt |= {(*path[:-1], name) for name in meant}
            _report(document, path, message)
    for complaint in complaints:
        path, kind = complaint["loc"], complaint["type"]
        if kind == "extra_forbidden" or path in misspelt or dotted(path) in told:
            continue
        if kind == "too_short" and any(_below(other["loc"], path) for other in complaints):
            continue  # the list is not short: its entries are wrong, and counted as absent
        _report(document, path, _message(kind, path, complaint["input"]))


def _below(path: KeyPath, above: KeyPath) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def _report(document: Document, path: KeyPath, message: str) -> None:
    depth = secret_depth(path)
    if depth is not None:  # a key below a secret may be the secret itself, put into braces
        inside = len(path) > depth and path[depth] not in SecretReference.model_fields
        document.report(path[:depth] if inside else path, message)
    else:
        document.report(path, message)


def secret_depth(path: KeyPath) -> int | None:
    """Return how long the path is of a secret that `path` leads to or into, None if it does not.

    What is written there may be the secret itself, put into the wrong place.
    """
    for length in range(1, len(path) + 1):
        slot = slot_at(path[:length])
        if slot is not None and SecretReference in _alternatives(slot.annotation):
            return length
    return None


def _message(kind: str, path: KeyPath, found: Any) -> str:
    if kind == "missing":
        return f"required, but missing; expected {expected(path)}"
    depth = secret_depth(path)
    if depth is not None:
        return REFERENCE_EXPECTED if len(path) == depth else f"expected {expected(path)}"
    if isinstance(found, str) and "@" in found:  # a URL may carry a password
        return f"expected {expected(path)}"
    return f"expected {expected(path)}, found {shown(found)}{_hint(path, found)}"


def _hint(path: KeyPath, found: Any) -> str:
    slot = slot_at(path)
    types_wanted = _alternatives(slot.annotation) if slot else ()
    if isinstance(found, str):
        for wanted in types_wanted:
            if wanted in (int, float) and any(letter.isdigit() for letter in found):
                return "; write the bare number, its unit is in the key's name"
            if isinstance(wanted, type) and issubclass(wanted, StrEnum):
                return _did_you_mean(found, [str(choice) for choice in wanted])
    percent = str(path[-1]).endswith("_percent") if path else False
    if percent and isinstance(found, float) and 0 < found <= 1:
        return f"; {found * 100:g} % is written {found * 100:g}"
    return ""


def _unknown_key(path: KeyPath) -> tuple[str, list[str]]:
    """Return what to say about a key that does not exist, and the keys that were probably meant."""
    parent = slot_at(path[:-1])
    model = _model_of(parent.annotation) if parent else None
    known = list(model.model_fields) if model else []
    wrong = str(path[-1])
    if model is SecretReference:
        return REFERENCE_EXPECTED, []
    near = nearest(wrong, known)
    if near:
        return f"unknown key; did you mean {' or '.join(_with_unit(name) for name in near)}?", near
    homes = [home for home in _homes(wrong) if home != path]
    if homes:
        return f"unknown key here; it belongs at {' or '.join(dotted(home) for home in homes)}", []
    return f"unknown key; known here: {', '.join(known)}", []


def nearest(wrong: str, known: Sequence[str]) -> list[str]:
    """Return the known words that `wrong` probably stands for, best first, at most two.

    A word that lacks its unit (`ratio`) or has another one (`interval_min_ms`) counts as near.
    """
    stem = _stem(wrong)
    starts = [word for word in known if wrong and word.startswith((f"{wrong}_", f"{stem}_"))]
    if 1 <= len(starts) <= 2:
        return starts
    return difflib.get_close_matches(wrong.lower().replace("-", "_"), known, n=1, cutoff=0.6)


def _stem(word: str) -> str:
    head, _, tail = word.rpartition("_")
    return head if head and tail in {*UNITS, "ms", "ns", "s", "sec", "pct", "btc"} else word


def _did_you_mean(wrong: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong.lower(), [word.lower() for word in known], n=1)
    by_lower = {word.lower(): word for word in known}
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def expected(path: KeyPath) -> str:
    """Say what belongs at `path`: kind, range and unit."""
    slot = slot_at(path)
    if slot is None:
        return "nothing"
    words = next((limit.words for limit in reversed(slot.limits) if isinstance(limit, Shape)), None)
    if words:
        return words
    unit = _unit(str(path[-1])) if path and isinstance(path[-1], str) else ""
    wanted = next(kind for kind in _alternatives(slot.annotation) if kind is not type(None))
    return f"{_kind(wanted)}{_range(slot.limits)}{f' ({unit})' if unit else ''}"


def _kind(wanted: Any) -> str:
    if get_origin(wanted) is tuple:
        return "a list"
    if wanted is float:
        return "a number"
    if wanted is int:
        return "a whole number"
    if wanted is bool:
        return "true or false"
    if issubclass(wanted, SecretReference):
        return "{env: NAME} or {file: PATH}"
    if issubclass(wanted, StrEnum):
        choices = [str(choice) for choice in wanted]
        return (
            f"{choices[0]} (the only choice)"
            if len(choices) == 1
            else f"one of {', '.join(choices)}"
        )
    if issubclass(wanted, BaseModel):
        return f"a mapping with the keys {', '.join(wanted.model_fields)}"
    return "text"


def _range(limits: Iterable[Any]) -> str:
    low, high = "", ""
    for limit in limits:
        match limit:
            case Ge(ge=edge):
                low = f"at least {_number(edge)}"
            case Gt(gt=edge):
                low = f"above {_number(edge)}"
            case Le(le=edge):
                high = f"at most {_number(edge)}"
            case Lt(lt=edge):
                high = f"below {_number(edge)}"
            case MinLen(min_length=1):
                low = "with at least 1 entry"
            case _:
                pass
    both = " and ".join(part for part in (low, high) if part)
    return f" {both}" if both else ""


def _number(edge: Any) -> str:
    return f"{edge:,.0f}" if float(edge).is_integer() else f"{edge:g}"


def _unit(key: str) -> str:
    for word in reversed(key.split("_")):
        if word in UNITS:
            return UNITS[word]
    return ""


def _with_unit(key: str) -> str:
    unit = _unit(key)
    return f"{key} ({unit})" if unit else key


def slot_at(path: KeyPath) -> Slot | None:
    """Return what belongs at a key path, or None where nothing does."""
    slot = Slot(annotation=Config, limits=())
    for part in path:
        model = _model_of(slot.annotation)
        if isinstance(part, str):
            if model is None or part not in model.model_fields:
                return None
            field = model.model_fields[part]
            slot = _unwrapped(field.annotation, tuple(field.metadata))
        else:
            element = _element(slot.annotation, part)
            if element is None:
                return None
            slot = _unwrapped(element, ())
    return slot


def _unwrapped(annotation: Any, limits: tuple[Any, ...]) -> Slot:
    """Peel `Annotated` and `| None` off, keeping what they say."""
    while True:
        if get_origin(annotation) is Annotated:
            inner, *more = get_args(annotation)
            found = [limit for one in more for limit in getattr(one, "metadata", (one,))]
            annotation, limits = inner, (*found, *limits)
            continue
        kinds = [kind for kind in _alternatives(annotation) if kind is not type(None)]
        if len(kinds) != 1 or kinds[0] is annotation:
            return Slot(annotation=annotation, limits=limits)
        annotation = kinds[0]


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _element(annotation: Any, index: int) -> Any:
    if get_origin(annotation) is not tuple:
        return None
    kinds = get_args(annotation)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return kinds[0]
    return kinds[index] if index < len(kinds) else None


def _homes(name: str) -> list[KeyPath]:
    """Return every key path of the configuration that ends in `name`, with 0 for list entries."""
    found: list[KeyPath] = []
    waiting: list[tuple[KeyPath, type[BaseModel]]] = [((), Config)]
    while waiting:
        path, model = waiting.pop(0)
        for key, field in model.model_fields.items():
            here: KeyPath = (*path, key)
            if key == name:
                found.append(here)
            annotation = field.annotation
            element = _element(_unwrapped(annotation, ()).annotation, 0)
            inside = _model_of(annotation) or (_model_of(element) if element else None)
            if inside is not None and inside is not SecretReference:
                waiting.append(((*here, 0) if element else here, inside))
    return found
