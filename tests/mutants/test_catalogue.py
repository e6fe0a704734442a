"""The catalogue fits the code of today; whether its tests find the bugs is what `.ci/mutants` runs.

Both belong together: a mutant that no longer applies proves nothing.
"""

import ast

import pytest

from tests.mutants.catalogue import BY_NAME, CATALOGUE
from tests.mutants.mutant import ROOT, Mutant

MUTANTS_MIN = 24


def named(mutant: Mutant) -> str:
    return mutant.name


@pytest.mark.parametrize("mutant", CATALOGUE, ids=named)
def test_a_mutant_changes_exactly_one_place_and_is_python(mutant: Mutant) -> None:
    planted = mutant.planted_in((ROOT / mutant.file).read_text())

    ast.parse(planted, filename=mutant.file)


@pytest.mark.parametrize("mutant", CATALOGUE, ids=named)
def test_the_test_that_kills_a_mutant_is_there(mutant: Mutant) -> None:
    path, _, name = mutant.killed_by.partition("::")

    defined = {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert name.partition("[")[0] in defined


def test_no_mutant_hides_another_and_there_are_enough() -> None:
    assert len(BY_NAME) == len(CATALOGUE) >= MUTANTS_MIN
    places = {(mutant.file, mutant.was, mutant.becomes) for mutant in CATALOGUE}
    assert len(places) == len(CATALOGUE)
