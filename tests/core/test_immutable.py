"""Successors and remembered answers are what they stand for, only sooner."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from bot.core import engine
from bot.core.immutable import KEYS_MAX, remembered, remembered_while, steady, succeeded
from bot.core.state import State


def begun() -> State:
    return engine.begin(engine.fresh_standing("abc123", 1_000), 1_000, 2_000)


def test_a_successor_is_what_replace_would_have_made_and_its_predecessor_stays():
    state = begun()
    successor = succeeded(state, now_ms=5_000, rate=60.0)
    assert vars(successor) == vars(replace(state, now_ms=5_000, rate=60.0))
    assert (state.now_ms, state.rate) == (1_000, 1.0)


def test_a_successor_with_a_field_that_does_not_exist_is_refused():
    with pytest.raises(AssertionError, match="another name"):
        succeeded(begun(), now=5_000)


def test_an_answer_is_remembered_for_the_same_object_and_not_for_an_equal_one():
    asked: list[dict[str, int]] = []

    @remembered
    def total(sizes: dict[str, int]) -> int:
        asked.append(sizes)
        return sum(sizes.values())

    first, equal = {"a": 1, "b": 2}, {"a": 1, "b": 2}
    assert [total(first), total(first), total(equal), total(first)] == [3, 3, 3, 3]
    assert [id(sizes) for sizes in asked] == [id(first), id(equal), id(first)]


def one(a):
    return (a,)


def two(a, b):
    return a, b


def three(a, b, c):
    return a, b, c


def four(a, b, c, d):
    return a, b, c, d


def five(a, b, c, d, e):
    return a, b, c, d, e


@pytest.mark.parametrize("function", [one, two, three, four, five])
def test_every_argument_counts_for_what_is_remembered(function):
    known, asked = remembered(function), [object() for _ in range(function.__code__.co_argcount)]
    assert known(*asked) is known(*asked)
    for at in range(len(asked)):
        asked[at] = object()
        assert known(*asked) == function(*asked)


def test_an_equal_answer_is_the_very_same_one_so_that_what_was_made_from_it_holds():
    @steady
    def names(sizes: dict[str, int]) -> frozenset[str]:
        return frozenset(sizes)

    first = names({"a": 1, "b": 2})
    assert names({"a": 1, "b": 3}) is first
    assert names({"a": 1}) == {"a"}
    assert names({"a": 1, "b": 2}) == first


@dataclass(frozen=True)
class Day:
    number: int
    since_ms: float
    until_ms: float


def daily() -> tuple[list[int], Callable[[str, int, str], Day]]:
    """A function whose answer holds for a hundred milliseconds, and the moments it looked at."""
    looked: list[int] = []

    def number(now_ms: int, _of: str) -> Day:
        looked.append(now_ms)
        return Day(now_ms // 100, now_ms // 100 * 100, now_ms // 100 * 100 + 100)

    return looked, remembered_while(number)


def test_an_answer_is_kept_for_as_long_as_it_says_that_it_holds():
    looked, day = daily()
    numbers = [day("a", now_ms, "x").number for now_ms in (100, 199, 150, 200, 199, 100)]

    assert numbers == [1, 1, 1, 2, 1, 1]
    assert looked == [100, 200, 199]


def test_each_key_keeps_its_own_answer_and_another_object_gets_a_new_one():
    looked, day = daily()
    for key, of in (("a", "x"), ("b", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
        day(key, 100, of)

    assert len(looked) == 4


def test_no_more_keys_are_kept_than_a_daemon_has_books():
    looked, day = daily()
    for _ in range(2):
        for number in range(KEYS_MAX + 1):
            day(str(number), 100, "x")

    assert len(looked) == 2 * (KEYS_MAX + 1)
