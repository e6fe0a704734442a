"""What the runbook tells of limits and stops is what the configuration has and the daemon says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings.safety_models import Safety

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
CORE = ROOT / "bot" / "core"
CELLS = 5
PIECE_CHARS_MIN = 6
# Where the reasons are made for which the daemon stops, or is careful.
STOPS = (
    "agreement", "engine", "flatten", "losses", "modes", "news", "outcomes", "pace",
    "margin/gating_seizure", "margin/gating_watch", "margin/second_opinion",
)  # fmt: skip
# Words in those files that are no reason of a mode.
OTHERS = (
    "all inputs are good",
    "maintenance alone is compared",  # a note of the second opinion
    "of a copy, or before a backup was put back",  # a part of another's
    "the account changed while the venue was asked",  # why an answer was not compared
    "not every quote arrived close enough to the venue's answer",
    "the venue's second opinion",  # a part, told behind the row's own words
    " is on , book  on ",  # stands in the row of what does not fit, in words too short to look for
    "UTC and not since",  # another such part
    "closing all of it takes u from",  # told with a clip of a flatten
)


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the first table behind a line, without its head."""
    table = RUNBOOK.partition(heading)[2].partition("\n|")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def limits() -> list[list[str]]:
    return rows_of("### A limit of `safety` stops it")


def quoted(cells: list[str]) -> list[str]:
    """Return what stands between backticks, divided where it leaves something out."""
    return [
        piece.strip(" ,")
        for cell in cells
        for words in re.findall(r"`([^`]+)`", cell)
        for piece in words.split("...")
        if len(piece.strip(" ,")) >= PIECE_CHARS_MIN
    ]


def text_of(node: ast.expr) -> str:
    """Return a string of the source as it is said, without what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(text_of, parts))
        case ast.BinOp(left=left, right=right):
            return text_of(left) + text_of(right)
        case _:
            return ""


def said() -> str:
    """Return all that the core may say, without comments and docstrings."""
    trees = [ast.parse(path.read_text()) for path in sorted(CORE.rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    told = [node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)]
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return "\n".join(text_of(node) for node in told if id(node) not in docs)


def reasons(path: Path) -> Iterator[str]:
    """Yield the reasons that a file gives: assigned, passed on, returned as text, or yielded."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Assign(targets=[ast.Name(id="reason" | "stuck" | "words")]):
                yield text_of(node.value)
            case ast.Call(func=ast.Name(id="_wait"), args=[reason, *_]):
                yield text_of(reason)
            case ast.keyword(arg=str(name)) if name.endswith("_reason") or name == "swapped":
                yield text_of(node.value)
            case (
                ast.FunctionDef(returns=ast.Name(id="str"))
                | ast.FunctionDef(returns=ast.BinOp(left=ast.Name(id="str")))
            ):
                ends = [one for one in ast.walk(node) if isinstance(one, ast.Return)]
                yield from (text_of(end.value) for end in ends if end.value is not None)
            case ast.Yield(value=ast.Tuple(elts=[_, reason])):
                yield text_of(reason)
            case _:
                pass


def test_every_limit_of_safety_is_explained_once() -> None:
    rows = limits()
    assert {len(row) for row in rows} == {CELLS}
    keys = [key for row in rows for key in re.findall(r"`([a-z_]+)`", row[0])]
    assert sorted(keys) == sorted(Safety.model_fields)


def test_the_words_by_which_a_person_finds_a_limit_are_the_daemon_s_own() -> None:
    told = said()
    assert [piece for row in limits() for piece in quoted(row[1:2]) if piece not in told] == []


@pytest.mark.parametrize("name", STOPS)
def test_every_reason_of_a_stop_is_found_in_the_runbook(name: str) -> None:
    rows = rows_of("`status` shows the reason of the mode and what clears it.")
    known = quoted([row[0] for row in rows]) + quoted([row[1] for row in limits()])

    given = [text for text in reasons(CORE / f"{name}.py") if len(text) >= PIECE_CHARS_MIN]
    stops = [text for text in given if not any(other in text for other in OTHERS)]

    assert [text for text in stops if not any(piece in text for piece in known)] == []
