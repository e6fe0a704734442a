"""What counts as found: a test that ran and said what is wrong, and nothing else."""

import pytest

from tests.mutants.catalogue import CATALOGUE
from tests.mutants.hunt import Fate, Ran, judged
from tests.mutants.mutant import MisplacedError, Mutant

MUTANT = Mutant(
    name="planted", incident="", file="a.py", was="x = 1", becomes="x = 2", killed_by="t.py::t"
)


def fate(code: int | None, *failures: str, errors: tuple[str, ...] = ()) -> Fate:
    found = Ran(code=code, failures=failures, errors=errors, said="")
    return judged(MUTANT, found, 0.0).fate


@pytest.mark.parametrize(
    "message", ["assert 1 == 2", "AssertionError: not here", "Failed: DID NOT RAISE ValueError"]
)
def test_a_bug_is_found_by_an_assertion(message: str) -> None:
    assert fate(1, message) is Fate.KILLED


def test_a_test_that_passes_has_found_nothing() -> None:
    assert fate(0) is Fate.SURVIVED


@pytest.mark.parametrize(
    "message", ["Failed: Timeout (>60.0s) from pytest-timeout.", "ImportError: no name", "KeyError"]
)
def test_a_test_that_ends_otherwise_has_not_looked(message: str) -> None:
    assert fate(1, message) is Fate.UNTESTED


def test_what_never_came_to_its_test_has_not_looked_either() -> None:
    assert fate(1, errors=("failed on setup",)) is Fate.UNTESTED
    assert fate(2, "assert 1 == 2") is Fate.UNTESTED
    assert fate(4) is Fate.UNTESTED
    assert fate(None) is Fate.UNTESTED


def test_a_mutant_of_text_that_is_gone_or_there_twice_is_an_error() -> None:
    assert MUTANT.planted_in("x = 1\n") == "x = 2\n"
    for text in ("y = 1\n", "x = 1\nx = 1\n"):
        with pytest.raises(MisplacedError, match="times, not once"):
            MUTANT.planted_in(text)


def test_every_incident_is_told() -> None:
    assert all(len(mutant.incident) > 20 for mutant in CATALOGUE)
