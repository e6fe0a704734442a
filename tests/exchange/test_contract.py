"""Every method's answer and every channel's push, against the venue's description and our own past.

The description lies beside the checkout or not at all: without it those tests are skipped. The
shapes are our own answers as they were committed (`python -m tests.exchange.contract --write`).
"""

import typing

import pytest

from bot.exchange import channels
from bot.exchange.methods.table import METHODS
from tests.exchange.contract import described, shapes
from tests.exchange.contract.channels import (
    ALWAYS_REFUSED,
    answers_by_method,
    faults_of_pushes,
    pushes_by_family,
    refused_methods,
)
from tests.exchange.wire import openapi

pytestmark = pytest.mark.timeout(300)  # whichever test comes first plays all the scenes
METHODS_MIN = 115
FAMILIES_MIN = 22
# Told by the venue's reference in prose, and in no schema.
UNDESCRIBED_METHODS: frozenset[str] = frozenset()
FAMILIES = sorted(shapes.committed().keys() - METHODS.keys())


def test_every_method_of_the_table_is_played_in_a_scene() -> None:
    assert METHODS.keys() - answers_by_method().keys() == ALWAYS_REFUSED
    assert refused_methods() >= ALWAYS_REFUSED
    assert len(METHODS) >= METHODS_MIN


def test_every_family_of_channels_is_heard_in_a_scene() -> None:
    heard = {type(push.channel) for pushes in pushes_by_family().values() for push in pushes}

    assert [each.__name__ for each in typing.get_args(channels.Channel) if each not in heard] == []
    assert len(pushes_by_family()) >= FAMILIES_MIN


def test_every_method_that_is_played_is_one_that_the_venue_has() -> None:
    known = openapi()["paths"].keys()

    assert {name for name in METHODS if f"/{name}" not in known} == UNDESCRIBED_METHODS


@pytest.mark.parametrize("method", sorted(METHODS.keys() - UNDESCRIBED_METHODS - ALWAYS_REFUSED))
def test_an_answer_is_as_the_venue_describes_it(method: str) -> None:
    openapi()

    for answer in answers_by_method()[method]:
        assert described.faults_of_answer(method, answer.result) == [], answer.params


@pytest.mark.parametrize("family", FAMILIES)
def test_a_push_is_as_the_venue_describes_its_object(family: str) -> None:
    openapi()

    assert faults_of_pushes(family) == []


@pytest.mark.parametrize("method", sorted(METHODS.keys() - ALWAYS_REFUSED))
def test_an_answer_has_the_shape_that_was_committed(method: str) -> None:
    known = shapes.committed()[method]

    for answer in answers_by_method()[method]:
        assert shapes.is_covered(shapes.shape_of(answer.result), known), answer.params


def test_a_push_has_the_shape_that_was_committed() -> None:
    known = shapes.committed()

    for family, pushes in pushes_by_family().items():
        for push in pushes:
            assert shapes.is_covered(shapes.shape_of(push.datum), known[family]), push.name


def test_a_missing_and_an_unknown_field_break_the_shape() -> None:
    shape = shapes.shape_of({"price": 1.5, "label": None})
    known = shapes.merged([shape, shapes.shape_of({"price": 2, "label": "a", "iv": 60})])

    assert known == {"iv?": "number", "label": "null|string", "price": "number"}
    assert shapes.is_covered(shape, known)
    assert not shapes.is_covered(shapes.shape_of({"label": None}), known)
    assert not shapes.is_covered(shapes.shape_of({"price": "1.5", "label": None}), known)
    assert not shapes.is_covered(shapes.shape_of({"price": 1, "label": "", "x": 1}), known)


def test_the_description_condemns_what_it_does_not_know() -> None:
    openapi()

    status = {"locked": "false", "locked_indices": []}
    assert described.faults_of_answer("public/status", status) == []
    (unknown,) = described.faults_of_answer("public/status", status | {"mood": "good"})
    (missing,) = described.faults_of_answer("public/status", {"locked_indices": []})
    (false,) = described.faults_of_answer("public/status", status | {"locked": False})
    assert "mood" in unknown
    assert "locked" in missing
    assert "string" in false
