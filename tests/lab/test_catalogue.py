"""The catalogue of faults is whole, and what it says of the lab is so."""

from pathlib import Path

from bot.cli import chaos as verb
from bot.lab import catalogue, swarm
from bot.lab.catalogue import CATALOGUE, Held

LETTERS = {"N": 15, "O": 13, "V": 6, "M": 9, "A": 9, "T": 3, "P": 9, "D": 6, "C": 4, "U": 3, "X": 2}
ROOT = Path(__file__).parents[2]


def test_all_79_faults_are_listed_in_order():
    wanted = [f"{letter}{n}" for letter, most in LETTERS.items() for n in range(1, most + 1)]
    assert list(CATALOGUE) == wanted
    assert len(wanted) == 79


def test_what_is_called_struck_is_what_the_swarm_strikes():
    assert set(catalogue.held(Held.STRUCK)) == set(swarm.CATALOGUE)
    assert len(catalogue.held(Held.STRUCK)) + len(catalogue.held(Held.BROUGHT)) >= 66


def test_what_is_not_struck_names_its_test_or_its_reason():
    for fault in CATALOGUE.values():
        if fault.held in {Held.ELSEWHERE, Held.NOWHERE}:
            assert fault.where
        for word in fault.where.replace(";", " ").replace(",", " ").split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word


def test_the_verb_tells_of_every_fault_that_is_not_struck():
    told = verb.chaos.__doc__ or ""
    for fault_id in (*catalogue.held(Held.ELSEWHERE), *catalogue.held(Held.NOWHERE)):
        assert fault_id in told
