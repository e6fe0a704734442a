"""The floors of the house: who may import whom, and who may read a clock.

import-linter keeps the floors inside `bot` (its contracts are in pyproject.toml). What is below is
what it cannot see: third parties, the standard library, and clocks.
"""

import ast
import logging
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter import cli as linter

ROOT = Path(__file__).parent.parent
BOT = ROOT / "bot"

# The parts of the standard library that neither do anything nor ask anything of the machine.
PURE = frozenset(
    {
        "__future__",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "math",
        "types",  # read-only mappings
        "typing",
    }
)
CORE = PURE | {"numpy"}
QUANT = CORE | {"scipy", "numba"}
EXTRA = {"bot/core/codec.py": frozenset({"json", "hashlib"})}

# Third parties that have one home; everyone else takes what that home makes of them.
HOMES = {
    "aiohttp": ("bot/exchange", "bot/venues", "bot/lab/bench"),
    "ccxt": ("bot/venues", "bot/lab/bench"),
    "fastapi": ("bot/dashboard",),
    "numba": ("bot/quant",),
    "pydantic": ("bot/settings", "bot/dashboard"),
    "ruamel": ("bot/settings", "bot/exchange", "bot/cli", "bot/wiring"),
    "scipy": ("bot/quant",),
    "sqlite3": ("bot/runtime", "bot/lab"),
    "typer": ("bot/cli",),
    "uvicorn": ("bot/dashboard",),
}

CLOCK = "bot/runtime/clock.py"
CLOCK_CALLS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.process_time_ns",
        "time.localtime",
        "time.gmtime",
        "time.ctime",
        "time.strftime",
        "time.sleep",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "uuid.uuid1",
    }
)
LOOP_MAKERS = frozenset({"asyncio.get_running_loop", "asyncio.get_event_loop"})


def sources() -> list[Path]:
    return sorted(BOT.rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=place(path))


def is_in(name: str, homes: tuple[str, ...]) -> bool:
    """Say whether a file is one of the homes (`bot/cli` is both `bot/cli.py` and `bot/cli/...`)."""
    return any(name == f"{home}.py" or name.startswith(f"{home}/") for home in homes)


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted module) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "."


def origins(tree: ast.AST) -> dict[str, str]:
    """Map each name that an import binds to the dotted thing that it stands for."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                bound[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return bound


def dotted(node: ast.expr, bound: dict[str, str]) -> str | None:
    """Spell `dt.now` as `datetime.datetime.now`, if its first name came from an import."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in bound:
        return None
    return ".".join([bound[node.id], *reversed(parts)])


def clock_reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of everything that reads, or hands on, a clock of the host."""
    bound = origins(tree)
    loops: set[str] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and dotted(node.value.func, bound) in LOOP_MAKERS
        ):
            loops.update(target.id for target in node.targets if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = dotted(node, bound)
            if name in CLOCK_CALLS:
                yield node.lineno, name
        if isinstance(node, ast.Attribute) and node.attr == "time":
            owner = node.value
            if isinstance(owner, ast.Call) and dotted(owner.func, bound) in LOOP_MAKERS:
                yield node.lineno, "the event loop's time"
            if isinstance(owner, ast.Name) and (owner.id in loops or owner.id == "loop"):
                yield node.lineno, "the event loop's time"


def foreign_imports(path: Path, allowed: frozenset[str]) -> list[str]:
    name = place(path)
    allowed = allowed | EXTRA.get(name, frozenset())
    return [
        f"{name}:{line} imports {module}: the core and the mathematics decide, they neither "
        "do nor ask; move what needs it to the shell and pass its result as a fact or an argument"
        for line, module in imports(parsed(path))
        if module.partition(".")[0] not in allowed | {"bot"}
    ]


@pytest.mark.parametrize(("room", "allowed"), [("core", CORE), ("quant", QUANT)])
def test_the_pure_rooms_import_nothing_that_acts_or_asks(
    room: str, allowed: frozenset[str]
) -> None:
    advice = [
        line
        for path in sorted((BOT / room).rglob("*.py"))
        for line in foreign_imports(path, allowed)
    ]

    assert not advice, "\n".join(advice)


def test_only_the_clock_reads_clocks() -> None:
    advice = [
        f"{place(path)}:{line} reads {what}: time arrives in facts; take a callable from {CLOCK}"
        for path in sources()
        if place(path) != CLOCK
        for line, what in clock_reads(parsed(path))
    ]

    assert not advice, "\n".join(advice)


def test_each_third_party_stays_at_home() -> None:
    advice = [
        f"{place(path)}:{line} imports {module}, whose home is {' and '.join(homes)}: "
        "take what its home makes of it"
        for path in sources()
        for line, module in imports(parsed(path))
        if (homes := HOMES.get(module.partition(".")[0])) and not is_in(place(path), homes)
    ]

    assert not advice, "\n".join(advice)


def test_the_embedded_exchange_is_pure_but_for_its_server() -> None:
    """Its engine is driven by the lab in virtual time, so it may not wait, log or open anything."""
    pure = ("engine", "matching", "accounts", "synthetic", "settlement", "funding", "margins")
    forbidden = {
        "asyncio",
        "aiohttp",
        "logging",
        "structlog",
        "socket",
        "random",
        "threading",
        "os",
    }
    advice = [
        f"{place(path)}:{line} imports {module}: the engine takes commands and market time, and "
        "returns events; the server does the rest"
        for path in sources()
        if is_in(place(path), tuple(f"bot/exchange/{name}" for name in pure))
        for line, module in imports(parsed(path))
        if module.partition(".")[0] in forbidden
    ]

    assert not advice, "\n".join(advice)


@pytest.fixture
def logging_unharmed() -> Iterator[None]:
    """Give every logger its voice back: import-linter's own set-up silences those that exist."""
    yield
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.mark.usefixtures("logging_unharmed")
def test_imports_point_down_only(capsys: pytest.CaptureFixture[str]) -> None:
    code = linter.lint_imports(
        config_filename=str(ROOT / "pyproject.toml"), no_cache=True, verbose=False, no_logo=True
    )

    told = capsys.readouterr().out
    assert code == linter.EXIT_STATUS_SUCCESS, f"imports point down only (see DESIGN):\n{told}"


PLANTED = """
import asyncio
import time as t
from datetime import datetime as dt, UTC
from time import monotonic

def f():
    loop = asyncio.get_running_loop()
    return dt.now(UTC), t.time_ns(), monotonic(), loop.time(), asyncio.get_running_loop().time()

def g(clock):
    return clock.time(), dt.fromtimestamp(0, UTC), t.struct_time
"""


def test_a_planted_clock_is_found_under_any_name() -> None:
    found = sorted(what for _, what in clock_reads(ast.parse(PLANTED)))

    assert found == [
        "datetime.datetime.now",
        "the event loop's time",
        "the event loop's time",
        "time.monotonic",
        "time.time_ns",
    ]


def test_a_planted_import_inside_a_function_is_found() -> None:
    assert list(imports(ast.parse("def f():\n    import socket\n"))) == [(2, "socket")]
    assert "socket" in sys.stdlib_module_names - PURE
