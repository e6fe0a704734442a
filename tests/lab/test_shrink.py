"""Shrinking leaves out what a failure does not take."""

import pytest

from bot.lab.shrink import smallest


@pytest.mark.parametrize("cause", [{0}, {11}, {3, 9}, {0, 1, 2}, {2, 7, 11}])
def test_what_is_left_is_the_cause(cause):
    assert set(smallest(list(range(12)), lambda kept: cause <= set(kept))) == cause


def test_a_failure_that_takes_everything_keeps_everything():
    assert smallest([1, 2, 3], lambda kept: len(kept) == 3) == [1, 2, 3]
