"""The safety contract names tests and faults: all of them are real, and none is missing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bot.lab.catalogue import CATALOGUE, Held
from bot.lab.invariants import TEXTS
from tests.deploy.files import DEPLOY, ROOT

TEXT = (DEPLOY / "SAFETY.md").read_text(encoding="utf-8")


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", TEXT, flags=re.MULTILINE))


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_contract_names_exists(path: str, name: str) -> None:
    assert name in functions_of(ROOT / "tests" / path)


def test_every_fault_and_every_invariant_has_its_row() -> None:
    assert rows().keys() == CATALOGUE.keys() | TEXTS.keys()


def test_the_contract_says_of_a_fault_that_the_lab_strikes_it_only_if_it_does() -> None:
    said = {
        fault
        for fault, row in rows().items()
        if not fault.startswith("I") and re.search(r"\blab\b", row.rsplit("|", 1)[-1])
    }
    assert said == {
        name for name, fault in CATALOGUE.items() if fault.held in {Held.STRUCK, Held.BROUGHT}
    }


def test_every_promise_is_one_that_the_lab_checks_and_names_a_test() -> None:
    promises = {name: row for name, row in rows().items() if name.startswith("I")}
    assert promises.keys() == TEXTS.keys()
    assert all("::test_" in row for row in promises.values())
