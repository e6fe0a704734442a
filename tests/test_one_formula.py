"""There is one Black-Scholes in the house: `bot.quant`'s. Everybody else asks it.

A second one begins with a normal distribution of its own. So whoever names one (an error function,
a library's `norm`, `NormalDist`) or computes a d1 must be on the list below, with a reason.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

DISTRIBUTIONS = frozenset(
    {
        "NormalDist", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "log_ndtr", "ncdf", "ndtr",
        "ndtri", "norm", "norm_cdf", "normcdf", "npdf", "stdtr",
    }
)  # fmt: skip
MOMENTS = re.compile(r"d_?(1|2|plus|minus)")
ANY_SIGN = re.compile(rf"\b({'|'.join(sorted(DISTRIBUTIONS))}|{MOMENTS.pattern})\b")

# Who may, and why.
HOMES = {
    "bot/quant/black76_kernels.py": "the formula",
    "bot/quant/implied_vol_kernels.py": "its inverse, whose search needs both tails and the bound",
    "tests/quant/exact.py": "the formula in 50 digits, to judge the first by",
    "tests/core/margin/slowly.py": "a margin table in plain arithmetic, to judge the kernel by",
    "tests/quant/test_black76.py": "an integral of the payoff, which has a d2 as its bound",
    "tests/quant/test_black76_accuracy.py": "the kernel's normal tail, judged in 50 digits",
    "tests/quant/test_processes.py": "what a normal premium is expected to pay beyond an edge",
}


def files() -> list[Path]:
    rooms = ("bot", "tests", "deploy", "config")
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def signs_in(path: Path) -> tuple[tuple[int, str], ...]:
    """The signs of a file; most have not even the words, and need no parsing."""
    text = path.read_text()
    return tuple(signs(ast.parse(text))) if ANY_SIGN.search(text) else ()


def signs(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of everything that a second formula would begin with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            yield from (
                (node.lineno, name)
                for name in named(node)
                if name in DISTRIBUTIONS or MOMENTS.fullmatch(name)
            )


def named(node: ast.stmt | ast.expr) -> list[str]:
    """Return the names that a node takes from elsewhere, or gives to something."""
    match node:
        case ast.ImportFrom(names=names):
            return [alias.name for alias in names]
        case ast.Attribute(attr=name) if not is_of_linear_algebra(node):
            return [name]
        case ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case _:
            return []


def is_of_linear_algebra(node: ast.Attribute) -> bool:
    """Say whether it is `linalg.norm`, a length and no distribution."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "linalg"


def test_nobody_prices_an_option_but_the_one_formula():
    strangers = [
        f"{place(path)}:{line} {name}: ask bot.quant.black76, implied_vol or scenarios instead"
        for path in files()
        if place(path) not in HOMES
        for line, name in signs_in(path)
    ]

    assert not strangers, "\n".join(strangers)


def test_every_home_of_the_formula_still_needs_its_place():
    idle = [name for name in HOMES if not signs_in(ROOT / name)]

    assert idle == []


@pytest.mark.parametrize(
    "text",
    [
        "from scipy.special import ndtr",
        "from scipy.stats import norm as n",
        "import math\nx = 0.5 * math.erfc(-y)",
        "import statistics as s\nN = s.NormalDist().cdf",
        "import scipy\nscipy.stats.norm.cdf(0.0)",
        "d1 = (a + b) / c",
        "d_plus, d_minus = f(x)",
        "def norm_cdf(x):\n    return x",
    ],
)
def test_a_planted_second_formula_is_found(text):
    assert list(signs(ast.parse(text)))
    assert ANY_SIGN.search(text)


@pytest.mark.parametrize(
    "text", ["import numpy as np\nnp.linalg.norm(x)", "d10 = 1", "x.normal(0.0, 1.0)"]
)
def test_lengths_and_draws_are_no_formula(text):
    assert not list(signs(ast.parse(text)))
