"""Successors and remembered answers are what they stand for, only sooner."""

from dataclasses import replace

import pytest

from bot.core import engine
from bot.core.immutable import remembered, succeeded
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


def test_every_argument_counts_for_what_is_remembered():
    @remembered
    def held(sizes: dict[str, int], names: tuple[str, ...]) -> int:
        return sum(sizes[name] for name in names)

    sizes = {"a": 1, "b": 2}
    assert [held(sizes, ("a",)), held(sizes, ("a", "b")), held({"a": 7}, ("a",))] == [1, 3, 7]
