"""A YAML file as a plain tree that remembers where everything was written.

YAML 1.2 through ruamel.yaml: `no` is text, `1e5` is a number. The node graph is read instead of the
constructed objects, because only nodes know the line of every key, including the ones given twice.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bot.settings.problems import ConfigError, KeyPath, Place, Problem, problem_at

FILE_BYTES_MAX = 1_000_000
DEPTH_MAX = 20
TREE_ROOT: KeyPath = ()
_NUMBER_WITH_LEADING_ZERO = re.compile(r"^[-+]?0\d")
_QUOTED_TEXT = re.compile(r"'[^'<\s][^']*[^'\s]'")


@dataclass(slots=True)
class Document:
    """The values of one file, where each was written, and what was already found wrong.

    `tree` holds str, int, float, bool, None, dict and tuple only. `places` knows every key path
    in it.
    """

    file: str
    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Return where `path` was written, or the nearest thing around it that was."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place(file=self.file, line=1)

    def report(self, path: KeyPath, message: str) -> None:
        """Note that something is wrong at `path`."""
        self.problems.append(problem_at(self.place(path), path, message))


def read(path: Path) -> Document:
    """Read a file.

    Raises:
        ConfigError: the file cannot be read, or is not YAML, or not a mapping.
    """
    shown = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _fatal(shown, None, f"cannot be read: {error.strerror or error}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise _fatal(
            shown, None, f"is larger than {FILE_BYTES_MAX:,} bytes; is it a configuration?"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _fatal(shown, line, "is not text in UTF-8") from None
    return parse(text, shown)


def parse(text: str, file: str) -> Document:
    """Turn YAML text into a document; `file` is the name that problems mention.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    root = _compose(text, file)
    if root is None:
        raise _fatal(file, 1, "is empty; expected a mapping with the keys mode, venue, books, ...")
    document = Document(file=file)
    if not isinstance(root, MappingNode):
        found = "a list" if isinstance(root, SequenceNode) else "a single value"
        raise _fatal(file, _line(root), f"expected a mapping with the key mode, ..., found {found}")
    document.tree = _Reader(document).mapping(root, TREE_ROOT)
    return document


def value(text: str) -> Any:
    """Return what a piece of YAML on the command line means.

    Raises:
        ConfigError: it is not YAML.
    """
    root = _compose(text, "")
    document = Document(file="")
    found = None if root is None else _Reader(document).value(root, TREE_ROOT)
    if document.problems:
        raise ConfigError(document.problems)
    return found


def _compose(text: str, file: str) -> Node | None:
    yaml = YAML(typ="rt", pure=True)
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        raise _fatal(file, _error_line(error, text), _syntax(error)) from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _fatal(file, line, "a character that YAML does not allow") from None
    except (YAMLError, RecursionError, ValueError):
        raise _fatal(file, 1, "is not YAML") from None
    return root


def _error_line(error: MarkedYAMLError, text: str) -> int | None:
    """Return the line to look at: where a thing began, if it never ended."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return None
    at_end = mark.line >= text.count("\n") and error.context_mark is not None
    line: int = error.context_mark.line if at_end else mark.line
    return min(line, text.rstrip().count("\n")) + 1


def _syntax(error: MarkedYAMLError) -> str:
    """Say what is wrong without quoting the file: the text may be a secret."""
    problem = str(error.problem or "").strip()
    if "\\t" in problem:
        return "a tab character; YAML is indented and separated with spaces only"
    if error.context and "alias" in str(error.context):
        return "an alias (*name); aliases are not supported, write the value out"
    if "undefined alias" in str(error):
        return "an alias (*name); aliases are not supported, write the value out"
    if "another document" in problem:
        return "a second document (---); one file holds one configuration"
    if "mapping values are not allowed" in problem:
        return "not YAML: a colon where none may be; quote the value, or check the indentation"
    context = _QUOTED_TEXT.sub("it", str(error.context or "")).strip()
    return (
        f"not YAML: {' '.join(part for part in (context, _QUOTED_TEXT.sub('it', problem)) if part)}"
    )


def _fatal(file: str, line: int | None, message: str) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, key="", message=message)])


def _line(node: Node) -> int:
    line: int = node.start_mark.line
    return line + 1


class _Reader:
    """Walks nodes into plain values, noting places and what is not allowed."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def value(self, node: Node, path: KeyPath) -> Any:
        if node.anchor is not None or id(node) in self._seen:
            self._complain(node, path, "anchors and aliases are not supported; write the value out")
            return None
        if len(path) > DEPTH_MAX:
            self._complain(node, path[:DEPTH_MAX], "nested too deep")
            return None
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return tuple(self._items(node, path))
        assert isinstance(node, ScalarNode), f"YAML has no such node: {type(node)}"
        return self._scalar(node, path)

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in found:
                first = self._document.places[here].line
                self._complain(key_node, here, f"given twice; first on line {first}")
                continue
            self._document.places[here] = Place(file=self._document.file, line=_line(key_node))
            found[key] = self.value(value_node, here)
        return found

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if isinstance(node, ScalarNode) and node.value == "<<":
            self._complain(node, path, "merge keys (<<) are not supported; write the keys out")
            return None
        if not isinstance(node, ScalarNode) or node.anchor is not None:
            self._complain(node, path, "a key must be a plain word")
            return None
        return str(node.value)

    def _items(self, node: SequenceNode, path: KeyPath) -> Iterator[Any]:
        for index, item in enumerate(node.value):
            here = (*path, index)
            self._document.places[here] = Place(file=self._document.file, line=_line(item))
            yield self.value(item, here)

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        text = str(node.value)
        match str(node.tag).removeprefix("tag:yaml.org,2002:"):
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float":
                return _number(text)
            case "str" | "bool" | "timestamp":
                return text
            case _:
                self._complain(node, path, "tags (!name) are not supported; write a plain value")
                return None

    def _complain(self, node: Node, path: KeyPath, message: str) -> None:
        place = Place(file=self._document.file, line=_line(node))
        self._document.problems.append(problem_at(place, path, message))


def _number(text: str) -> int | float | str:
    """Return what YAML takes for a number.

    `.inf` and `.nan` are included, to be refused where the key is known.
    What only looks like one (0777 is 511 to some and 777 to others, 1:30 is 90 to some) stays text.
    """
    plain = text.replace("_", "").lower()
    if _NUMBER_WITH_LEADING_ZERO.match(plain):
        return text
    for read_as in (_whole, float):
        try:
            return read_as(plain.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            continue
    return text


def _whole(text: str) -> int:
    return int(text, 0)


def shown(found: Any) -> str:
    """Return a value as a message quotes it, short."""
    match found:
        case None:
            return "nothing"
        case bool():
            return "true" if found else "false"
        case str():
            return f'"{found[:40]}{"..." if len(found) > 40 else ""}"'
        case int() | float():
            return f"{found!r}"
        case Mapping():
            return "a mapping"
        case Sequence():
            return f"a list of {len(found)}"
        case _:
            return type(found).__name__
