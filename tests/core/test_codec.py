"""One form for everything that is written down: it reads back the same, and equal is equal."""

import json
import math
import os
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import actions, codec, engine, events, orders, standing
from bot.core.codec import CodecError
from bot.core.hedger import Code, Decision, Verdict
from bot.core.instruments import Instrument
from bot.core.modes import ModeChanged
from bot.core.reconcile import Adopted
from bot.core.state import Mode, State
from tests import builders
from tests.builders import CALL, INSTANCE, START_MS, World

FACTS = get_args(events.Fact)
ACTIONS = get_args(actions.Action)
DECIMALS = st.decimals(min_value=-(10**12), max_value=10**12, places=6)
FLOATS = st.floats(allow_nan=False)
NAMES = st.text(max_size=12)
for plain, strategy in ((Decimal, DECIMALS), (float, FLOATS), (str, NAMES)):
    st.register_type_strategy(plain, strategy)


def written(value: object) -> object:
    return codec.loads(codec.dumps(value))


@pytest.mark.parametrize(
    "kind",
    [
        *FACTS,
        *ACTIONS,
        Instrument,
        orders.Order,
        orders.Share,
        standing.Standing,
        standing.Account,
        standing.HedgeMark,
        Decision,
        ModeChanged,
        Adopted,
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_record_reads_back_as_it_was_written(kind) -> None:
    @settings(max_examples=15)
    @given(st.from_type(kind))
    def law(value):
        again = written(value)
        assert type(again) is kind
        assert again == value
        assert codec.dumps(again) == codec.dumps(value)
        for field in fields(value):
            mine, read = getattr(value, field.name), getattr(again, field.name)
            if isinstance(mine, Enum):
                assert type(read) is type(mine)

    law()


def reached(kind: Any, found: set[type]) -> set[type]:
    """Add every record and enum that a value of a type may hold."""
    parts = get_args(kind)
    for part in parts:
        reached(part, found)
    if isinstance(kind, type) and not parts and kind not in found:
        if is_dataclass(kind):
            found.add(kind)
            for held in get_type_hints(kind).values():
                reached(held, found)
        elif issubclass(kind, Enum):
            found.add(kind)
    return found


def test_all_that_the_ledger_and_the_tape_may_hold_can_be_read_again() -> None:
    kinds: set[type] = set()
    for root in (State, events.Fact, actions.Action, Decision, ModeChanged, Adopted):
        reached(root, kinds)
    for part in fields(engine.Policy):  # a policy is written part by part
        reached(get_type_hints(engine.Policy)[part.name], kinds)

    assert len(kinds) > 100
    assert {kind for kind in kinds if codec._named().get(codec._tag(kind)) is not kind} == set()


LATER = {"venue_ms", "arrived_ns", "delta_total_map", "is_passing"}
EARLIER = [
    builders.balance(),
    builders.fill(),
    builders.order_seen("x", events.VenueStatus.OPEN),
    builders.positions({builders.PERP: "10"}),
    events.InstrumentsSeen(instruments=(builders.perp(index_name=""),)),
    events.OrderRejected(order_id="x", code=1, reason="no"),
    events.OrderNotFound(order_id="x", sources=(events.Source.LABEL,), asked_ms=1),
    events.OpenOrdersSeen(orders=(builders.order_seen("x", events.VenueStatus.OPEN),), asked_ns=1),
    events.AccountRead(asked_ns=1),
]


def _without(plain: object, keys: set[str]) -> object:
    if isinstance(plain, list):
        return [_without(item, keys) for item in plain]
    if not isinstance(plain, dict):
        return plain
    return {key: _without(item, keys) for key, item in plain.items() if key not in keys}


@pytest.mark.parametrize("fact", EARLIER, ids=lambda fact: type(fact).__name__)
def test_a_ledger_written_before_facts_carried_their_times_is_still_read(fact) -> None:
    kind = type(fact)
    needed = {field.name for field in fields(kind) if _is_required(field)}
    text = json.dumps(_without(json.loads(codec.dumps(fact)), LATER - needed | {"index_name"}))

    assert codec.loads(text) == fact


def _is_required(field) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@settings(max_examples=20)
@given(st.one_of([st.from_type(kind) for kind in ACTIONS]))
def test_equal_actions_give_equal_bytes_and_digests(value) -> None:
    twin = type(value)(**{field.name: getattr(value, field.name) for field in fields(value)})

    assert codec.dumps(twin) == codec.dumps(value)
    assert codec.digest(twin) == codec.digest(value)


@pytest.mark.parametrize("key", ["$", "$$", "$enum", "$set", "a$", ""])
def test_no_key_of_a_mapping_is_taken_for_a_tag(key) -> None:
    assert written({key: ("a", 1)}) == {key: ("a", 1)}
    assert written({key: "x", "other": 2}) == {key: "x", "other": 2}


def test_the_order_in_which_a_mapping_or_a_set_was_made_does_not_show() -> None:
    ahead = actions.Watch(instruments=frozenset(["a", "b", "c"]))
    back = actions.Watch(instruments=frozenset(["c", "b", "a"]))

    assert codec.dumps(ahead) == codec.dumps(back)
    assert codec.dumps({"a": 1, "b": 2}) == codec.dumps({"b": 2, "a": 1})


@pytest.mark.parametrize("number", [math.inf, -math.inf, 0.1, -0.0, 1e300, 5e-324])
def test_every_float_has_a_form(number) -> None:
    assert written(number) == number


def test_a_number_that_is_none_is_written_and_read_as_such() -> None:
    assert math.isnan(written(math.nan))  # type: ignore[arg-type]
    array = np.array([1.0, math.nan, math.inf])
    again = written(array)
    assert isinstance(again, np.ndarray)
    assert np.array_equal(again, array, equal_nan=True)
    assert not again.flags.writeable


@pytest.mark.parametrize("array", [[1, 2, 3], [True, False], [0.1, -2.5], []])
def test_columns_read_back_in_their_type(array) -> None:
    column = np.array(array)
    again = written(column)

    assert isinstance(again, np.ndarray)
    assert again.dtype == column.dtype
    assert again.tolist() == array


def test_a_whole_state_has_a_digest_that_one_quote_changes() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    before = codec.digest(world.state)
    again = written(world.state)

    assert codec.digest(again) == before
    assert len(before) == 32
    world.quotes(100_000.5)
    assert codec.digest(world.state) != before


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", complex(1, 2), np.float32(1.5).astype(np.int64), print]
)
def test_what_is_not_data_of_the_core_is_not_written(value) -> None:
    with pytest.raises(CodecError, match="not data of the core"):
        codec.dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff\xfe",
        '{"$":"NoSuchRecord"}',
        '{"$":"OrderSent"}',
        '{"$":"OrderSent","order_id":"a","wire_ns":1,"more":2}',
        '{"$enum":["Mode","asleep"]}',
        '{"$enum":["NoSuchEnum","run"]}',
        '{"$decimal":"ten"}',
        '{"$float":"ten"}',
        '{"$array":["float64",["ten"]]}',
    ],
)
def test_what_this_version_did_not_write_is_refused_in_one_way(text) -> None:
    with pytest.raises(CodecError):
        codec.loads(text)


PROGRAM = """
from bot.core import codec
from tests import builders
from tests.builders import CALL, PUT, World
world = World()
world.begin({CALL: "-10", PUT: "-3"})
world.quotes()
world.settle(world.orders()[0])
world.quotes(103_000.0)
print(codec.digest(world.state), codec.digest((world.last.actions, world.last.decisions)))
"""


def test_two_processes_with_different_hash_seeds_come_to_the_same_digest() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }

    assert len(told) == 1
    assert len(told.pop().split()) == 2


def test_a_standing_and_a_decision_keep_their_small_print() -> None:
    known = engine.fresh_standing(INSTANCE, START_MS)
    decision = Decision(
        book="main",
        at_ms=START_MS,
        verdict=Verdict.HOLD,
        code=Code.MODE,
        reason="“paused” by op",
        numbers={"deviation_coin": -0.0, "delta_coin": math.inf},
    )
    change = ModeChanged(
        at_ms=1, before=Mode.RUN, after=Mode.HALT, reason="drill", clears="a person resumes"
    )

    assert written((known, decision, change)) == (known, decision, change)
    assert "“paused”".encode() in codec.dumps(decision)
