"""The figures of a rehearsal, on signals whose answers are known."""

import math

import pytest

from bot.lab.judged import MeanSquare, Spells, spread_of


def test_a_value_counts_for_as_long_as_it_held() -> None:
    signal = MeanSquare()
    signal.hold(2.0, 3_000)
    signal.hold(0.0, 1_000)

    assert signal.root == pytest.approx(math.sqrt(3.0))


def test_nothing_seen_has_no_root_mean_square() -> None:
    assert MeanSquare().root is None


def test_a_breach_lasts_until_the_first_step_back_inside() -> None:
    seen = Spells()
    for now_ns, outside in [
        (0, False),
        (10, True),
        (25, True),
        (40, False),
        (50, True),
        (60, False),
    ]:
        seen.see(is_so=outside, now_ns=now_ns)

    assert (seen.count, seen.longest_ns) == (2, 30)


def test_a_breach_that_has_not_ended_is_measured_too() -> None:
    seen = Spells()
    seen.see(is_so=True, now_ns=0)
    seen.see(is_so=True, now_ns=70)

    assert seen.longest_ns == 70


def test_the_spread_is_the_sample_standard_deviation() -> None:
    assert spread_of([1.0, 3.0]) == pytest.approx(math.sqrt(2.0))
    assert spread_of([5.0]) is None
