"""`--set path=value`: single values of a configuration, replaced from the command line."""

import re
from collections.abc import Sequence
from typing import Any

from bot.settings.document import Document, value
from bot.settings.problems import ConfigError, KeyPath, Place, Problem

PATH_PATTERN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+|\[\d+\])*$")


def apply(document: Document, overrides: Sequence[str]) -> None:
    """Write every override into the document, in order; what cannot be written is a problem.

    A path is written with dots, list entries by number from 0: `books.0.hedge.band_low_coin=-0.1`.
    The value is YAML: `0.5`, `text`, `[option, future]`, `{env: NAME}`. Problems name the path of
    the override, never its value, which may be a secret in the wrong place.
    """
    for number, text in enumerate(overrides, start=1):
        path_text, equals, value_text = text.partition("=")
        path_text = path_text.strip()
        if not equals or not PATH_PATTERN.match(path_text):
            _refuse(
                document,
                f"--set number {number}",
                "",
                "expected PATH=VALUE, for example mode=testnet",
            )
            continue
        path = _path(path_text)
        try:
            new = value(value_text)
        except ConfigError as error:
            _refuse(document, f"--set {path_text}", "", error.problems[0].message)
            continue
        _write(document, path, new, Place(file=f"--set {path_text}"))


def _path(text: str) -> KeyPath:
    parts = re.sub(r"\[(\d+)\]", r".\1", text).split(".")
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _write(document: Document, path: KeyPath, new: Any, place: Place) -> None:
    """Put one value into the tree, making the sections on its way."""
    holder: Any = document.tree
    trail: list[tuple[Any, str | int]] = []
    for depth, part in enumerate(path):
        complaint = _misfit(holder, part, path[:depth])
        if complaint:
            _refuse(document, place.file, "", complaint)
            return
        trail.append((holder, part))
        if isinstance(holder, dict):
            holder = {} if holder.get(str(part)) is None else holder[str(part)]
        else:
            holder = holder[int(part)]
    for holder, part in reversed(trail):
        new = _with(holder, part, new)
    document.tree = new
    for known in [known for known in document.places if known[: len(path)] == path]:
        del document.places[known]
    document.places[path] = place


def _misfit(holder: Any, part: str | int, around: KeyPath) -> str | None:
    where = ".".join(str(step) for step in around) or "the file"
    if isinstance(holder, dict):
        return (
            None
            if isinstance(part, str)
            else f"{where} is a mapping, {part} is not one of its keys"
        )
    if not isinstance(holder, tuple):
        return f"{where} is a single value, it has nothing inside"
    if isinstance(part, str):
        return f"{where} is a list; name its entries by number, from 0"
    if part >= len(holder):
        entries = "1 entry" if len(holder) == 1 else f"{len(holder)} entries"
        return f"{where} has {entries}, counted from 0; there is no {part}"
    return None


def _with(holder: Any, part: str | int, new: Any) -> Any:
    if isinstance(holder, dict):
        return {**holder, str(part): new}
    return tuple(new if index == part else old for index, old in enumerate(holder))


def _refuse(document: Document, file: str, key: str, message: str) -> None:
    document.problems.append(Problem(file=file, line=None, key=key, message=message))
