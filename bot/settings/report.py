"""What `deltaband check` shows: every value in force, and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.settings.document import shown
from bot.settings.loading import Settings
from bot.settings.problems import KeyPath, dotted

DEFAULT = "default"
VALUE_WIDTH_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """One value in force. `source` is `FILE:LINE`, `--set PATH` or `default`."""

    key: str
    value: Any
    source: str


def effective(settings: Settings) -> tuple[Effective, ...]:
    """Return every value in force, in the order of the schema. Secrets appear as references."""
    return tuple(
        Effective(key=dotted(path), value=value, source=_source(settings, path))
        for path, value in _leaves(settings.redacted(), ())
    )


def check_report(settings: Settings) -> list[str]:
    """Return the values in force as aligned lines (key, value, source) below a heading."""
    rows = [(one.key, _text(one.value), one.source) for one in effective(settings)]
    keys = max(len(key) for key, _, _ in rows)
    values = min(max(len(text) for _, text, _ in rows), VALUE_WIDTH_MAX)
    head = f"{settings.file}: mode {settings.mode}, digest {settings.digest()}"
    return [head, *(f"{key:<{keys}}  {text:<{values}}  {source}" for key, text, source in rows)]


def _source(settings: Settings, path: KeyPath) -> str:
    place = settings.origin(path)
    return DEFAULT if place is None else str(place)


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inside in value.items():
            yield from _leaves(inside, (*path, key))
    elif isinstance(value, list) and any(isinstance(inside, Mapping) for inside in value):
        for index, inside in enumerate(value):
            yield from _leaves(inside, (*path, index))
    else:
        yield path, value


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case list():
            return f"[{', '.join(_text(inside) for inside in value)}]"
        case float():
            return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"
        case _:
            return shown(value)
