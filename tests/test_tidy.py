"""The house rules that a linter cannot express. A message here is advice: it says what to do."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import bot

ROOT = Path(__file__).parent.parent

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
PARAMETERS_MAX = 6

# The ratchet. What was over a wall when the wall went up, at its size of that day: an entry may
# shrink and disappear; it may not grow, and nothing may join.
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
WIDE_FUNCTIONS: dict[str, int] = {}

REMEDY = {
    "LONG_FILES": "give one of its subjects a file of its own",
    "LONG_FUNCTIONS": "decide in the parent, compute in the leaves",
    "WIDE_FUNCTIONS": "gather what belongs together in a frozen dataclass",
}

NAMELESS_ROOMS = {
    "utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc", "shared",
}  # fmt: skip
EMPTY_SUFFIXES = (
    "Manager", "Helper", "Util", "Utils", "Handler", "Processor", "Service", "Base", "Impl",
    "Data", "Info",
)  # fmt: skip
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b")
WORDS_IN_A_SENTENCE_MIN = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=place(path))


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Yield (dotted name, node) of every function of a file, methods and inner ones as well."""

    def walk(node: ast.AST, inside: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{inside}{child.name}", child
            if isinstance(child, Function | ast.ClassDef):
                yield from walk(child, f"{inside}{child.name}.")
            else:
                yield from walk(child, inside)

    return walk(tree, "")


def lines_of(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def parameters_of(node: Function) -> int:
    """Count what a caller has to know; a keyword-only constructor names each thing: it is free."""
    positional = [*node.args.posonlyargs, *node.args.args]
    is_method = bool(positional) and positional[0].arg in {"self", "cls"}
    count = len(positional) - is_method
    if node.name == "__init__" and count == 0:
        return 0
    return count + len(node.args.kwonlyargs)


def ratchet(found: dict[str, int], allowed: dict[str, int], wall: int, table: str) -> list[str]:
    """Return advice on everything over the wall, and on exceptions that have become generous."""
    advice = [
        f"{name}: {size} is over the wall of {allowed.get(name, wall)}: {REMEDY[table]}"
        for name, size in found.items()
        if size > allowed.get(name, wall)
    ]
    for name, limit in allowed.items():
        size = found.get(name, 0)
        if size <= wall:
            advice.append(f"{name} is within the wall now: take it out of {table}")
        elif size < limit:
            advice.append(f"{name} has shrunk to {size}: write that into {table}")
    return advice


def test_a_file_is_about_one_subject() -> None:
    sizes = {place(path): path.read_text().count("\n") for path in files("bot", "tests")}

    advice = ratchet(sizes, LONG_FILES, FILE_LINES_MAX, "LONG_FILES")

    assert not advice, "\n".join(advice)


def test_a_function_fits_the_screen() -> None:
    sizes = {
        f"{place(path)}:{name}": lines_of(node)
        for path in files("bot", "tests")
        for name, node in functions(parsed(path))
    }

    advice = ratchet(sizes, LONG_FUNCTIONS, FUNCTION_LINES_MAX, "LONG_FUNCTIONS")

    assert not advice, "\n".join(advice)


def test_a_call_can_be_read() -> None:
    """Verbs are free, as each parameter is an option; so is a formula, which has what it has.

    So are the tests' builders, which name every field that there is.
    """
    counts = {
        f"{place(path)}:{name}": parameters_of(node)
        for path in files("bot")
        if not place(path).startswith(("bot/cli/", "bot/quant/"))
        for name, node in functions(parsed(path))
    }

    advice = ratchet(counts, WIDE_FUNCTIONS, PARAMETERS_MAX, "WIDE_FUNCTIONS")

    assert not advice, "\n".join(advice)


def test_every_room_has_a_name_of_its_own() -> None:
    advice = [
        f"{place(path)}: {part!r} says nothing about what lives there; name the subject"
        for path in files("bot", "tests")
        for part in path.relative_to(ROOT).with_suffix("").parts
        if part.lstrip("_") in NAMELESS_ROOMS
    ]

    assert not advice, "\n".join(advice)


def test_a_class_is_a_noun_of_the_domain() -> None:
    advice = [
        f"{place(path)}:{node.lineno} {node.name}: the suffix adds nothing; say what it is "
        "(fact, action, step, book, quote, venue, inbox, ...)"
        for path in files("bot", "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(EMPTY_SUFFIXES)
    ]

    assert not advice, "\n".join(advice)


def broad_excepts(text: str) -> Iterator[int]:
    """Yield the line of every handler that swallows anything and gives no reason beside it.

    Beside it is anywhere from the line before to its first statement, or above the `try`. A
    handler that only cleans up and raises again swallows nothing.
    """
    lines = ["", *text.splitlines(), ""]
    for block in ast.walk(ast.parse(text)):
        if not isinstance(block, ast.Try | ast.TryStar):
            continue
        for handler in block.handlers:
            last = handler.body[-1]
            if not catches_anything(handler) or (isinstance(last, ast.Raise) and not last.exc):
                continue
            near = [block.lineno - 1, *range(handler.lineno - 1, handler.body[0].lineno + 1)]
            comments = [lines[number].partition("#")[2] for number in near]
            reasons = [re.sub(r"noqa(: ?[A-Z0-9, ]+)?", "", comment) for comment in comments]
            if not any(re.search(r"[A-Za-z]{3}", reason) for reason in reasons):
                yield handler.lineno


def catches_anything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {one.id if isinstance(one, ast.Name) else None for one in caught if one}
    return handler.type is None or bool(names & {"Exception", "BaseException"})


def test_whoever_catches_everything_says_why() -> None:
    advice = [
        f"{place(path)}:{line} catches anything: name what can go wrong, or say in a comment "
        "beside it why nothing may pass"
        for path in files("bot")
        for line in broad_excepts(path.read_text())
    ]

    assert not advice, "\n".join(advice)


def test_nothing_unfinished_is_committed() -> None:
    advice = [
        f"{place(path)}:{number} {line.strip()[:60]}: finish it, or write it in the issue"
        for path in files("bot")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if UNFINISHED.search(line)
    ]

    assert not advice, "\n".join(advice)


def test_the_tests_mirror_the_house() -> None:
    rooms = {path.name for path in (ROOT / "bot").iterdir() if path.is_dir()}
    inside = [path.relative_to(ROOT / "tests").parts for path in files("tests")]
    folders = {parts[0] for parts in inside if len(parts) > 1}

    # What no single room can show, what is no room, and what the tests are tried on.
    beside = {"end_to_end", "deploy", "mutants"}
    strange = folders - rooms - beside
    assert not strange, f"{sorted(strange)}: tests/ mirrors bot/, so that a test is where one looks"


def test_a_test_is_a_sentence_and_mocks_nothing() -> None:
    advice = []
    for path in files("tests"):
        text = path.read_text()
        tree = parsed(path)
        if re.search(r"^\s*(from|import) unittest", text, re.MULTILINE):
            advice.append(f"{place(path)}: use builders or the embedded exchange instead of mocks")
        for name, node in functions(tree):
            last = name.rpartition(".")[2]
            if last.startswith("test_") and last.count("_") < WORDS_IN_A_SENTENCE_MIN:
                advice.append(
                    f"{place(path)}:{node.lineno} {last}: say what happened, in a sentence"
                )

    assert not advice, "\n".join(advice)


def test_the_first_screen_of_the_readme_gives_the_two_commands() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])

    for command in ("deploy/demo", "deploy/test"):
        assert command in first_screen, (
            f"README.md: a stranger should see {command} without scrolling"
        )


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "deploy" / "CHANGELOG.md").read_text()

    assert f"[{bot.__version__}]" in text or "[Unreleased]" in text
    assert "### Added" in text


def test_a_planted_broad_except_is_found_and_a_reasoned_one_is_not() -> None:
    silent = "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass\n"
    reasoned = "try:\n    f()\n# It must live to cancel.\nexcept Exception:\n    pass\n"
    cleaned = "try:\n    f()\nexcept BaseException:\n    g()\n    raise\n"
    narrow = "try:\n    f()\nexcept ValueError:\n    pass\n"

    assert list(broad_excepts(silent)) == [3]
    assert list(broad_excepts("try:\n    f()\nexcept (OSError, Exception):\n    pass\n")) == [3]
    assert list(broad_excepts(reasoned)) == []
    assert list(broad_excepts(cleaned)) == []
    assert list(broad_excepts(narrow)) == []


def test_a_planted_long_function_and_a_generous_exception_are_found() -> None:
    def told(size: int, allowed: dict[str, int]) -> str:
        return " ".join(ratchet({"a": size}, allowed, 50, "LONG_FUNCTIONS"))

    assert told(60, {}).startswith("a: 60 is over the wall of 50: decide in the parent")
    assert told(61, {"a": 60}).startswith("a: 61 is over the wall of 60")
    assert told(60, {"a": 60}) == ""
    assert told(55, {"a": 60}) == "a has shrunk to 55: write that into LONG_FUNCTIONS"
    assert told(40, {"a": 60}) == "a is within the wall now: take it out of LONG_FUNCTIONS"
