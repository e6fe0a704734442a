"""Which moments a fault strikes, and how faults are asked for in words."""

from typing import Any

import pytest

from bot.exchange.fault_words import TRAITS, described, read_fault, shown, strikes_at_once
from bot.exchange.faults import (
    HTTP_REQUEST,
    WS_OPENING,
    WS_PUSH,
    WS_REQUEST,
    FaultKind,
    FaultPlan,
    Moment,
    Place,
)
from bot.exchange.protocol import RpcError

MS = 1_000_000
NEEDED: dict[str, Any] = {"delay_ms": 5, "step_ms": -7, "window_ms": 100}


def moment(name: str, place: Place = WS_REQUEST, connection: int = 1) -> Moment:
    return Moment(place=place, name=name, connection=connection)


def plan_of(**body: Any) -> FaultPlan:
    plan = FaultPlan()
    plan.arm(read_fault(body), now_ns=0)
    return plan


def hits(plan: FaultPlan, *names: str, place: Place = WS_REQUEST, now_ns: int = 0) -> list[bool]:
    return [bool(plan.strike(moment(name, place), now_ns)) for name in names]


def test_a_fault_without_limits_strikes_once_and_only_what_its_prefix_names() -> None:
    plan = plan_of(kind="drop_before", method="private/")
    assert hits(plan, "public/test", "private/buy", "private/buy") == [False, True, False]


def test_a_count_strikes_so_often_after_letting_the_first_pass() -> None:
    plan = plan_of(kind="drop_before", method="private/buy", count=2, after=1)
    assert hits(plan, *["private/buy"] * 5) == [False, True, True, False, False]


def test_a_window_begins_with_the_arming_and_ends_in_wire_time() -> None:
    plan = plan_of(kind="silent_stall", channel="ticker.", window_ms=100)
    assert hits(plan, "ticker.A", "book.A", place=WS_PUSH, now_ns=99 * MS) == [True, False]
    assert hits(plan, "ticker.A", place=WS_PUSH, now_ns=100 * MS) == [False]


def test_a_rate_is_a_matter_of_the_seed_alone() -> None:
    def struck(seed: int) -> list[bool]:
        plan = plan_of(kind="drop_before", method="private/buy", rate=0.3, seed=seed)
        return hits(plan, *["private/buy"] * 1_000)

    assert struck(7) == struck(7) != struck(8)
    assert 240 < sum(struck(7)) < 360


def test_a_rate_a_count_and_a_window_hold_together() -> None:
    plan = plan_of(kind="drop_before", method="private/buy", rate=0.5, count=3, window_ms=50)
    assert sum(hits(plan, *["private/buy"] * 100)) == 3
    plan = plan_of(kind="drop_before", method="private/buy", rate=0.5, count=3, window_ms=50)
    assert sum(hits(plan, *["private/buy"] * 100, now_ns=60 * MS)) == 0


def test_a_fault_of_one_transport_or_connection_leaves_the_others_alone() -> None:
    plan = plan_of(kind="drop_before", transport="http", window_ms=1)
    assert plan.strike(moment("private/buy", HTTP_REQUEST, 0), 0)
    assert not plan.strike(moment("private/buy"), 0)
    plan = plan_of(kind="half_open", connection=2, window_ms=1)
    assert not plan.strike(moment("private/buy", connection=1), 0)
    assert plan.strike(moment("private/buy", connection=2), 0)


def test_the_opening_of_a_socket_is_struck_by_its_own_name() -> None:
    plan = plan_of(kind="http_status", method="connect")
    assert not plan.strike(moment("private/buy", HTTP_REQUEST, 0), 0)
    assert plan.strike(moment("connect", WS_OPENING, 0), 0)


def test_what_was_cleared_strikes_no_more_and_what_is_over_can_still_be_read() -> None:
    plan = FaultPlan()
    first = plan.arm(read_fault({"kind": "drop_before"}), now_ns=0)
    second = plan.arm(read_fault({"kind": "delay", "delay_ms": 9, "rate": 0.5}), now_ns=0)
    hits(plan, "private/buy", "private/buy")
    assert shown(first, 0) | {"id": 0} == {
        "id": 0, "kind": "drop_before", "count": 1, "cut": True,
        "seen": 1, "struck": 1, "over": True,
    }  # fmt: skip
    assert shown(second, 0)["rate"] == 0.5
    assert plan.clear(second.number) == [second]
    assert plan.all() == [first]
    plan.clear()
    assert hits(plan, "private/buy") == [False]


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_can_be_armed_with_no_more_than_it_needs_and_is_described(
    kind: FaultKind,
) -> None:
    needed = {name: NEEDED[name] for name in TRAITS[kind].required}
    fault = read_fault({"kind": kind.value, **needed})
    assert fault.kind is kind
    kinds = described()["kinds"]
    assert isinstance(kinds, dict)
    assert len(kinds[kind.value]["does"]) > 30


def test_only_what_waits_for_no_request_strikes_at_once() -> None:
    assert strikes_at_once(read_fault({"kind": "token_expiry"}))
    assert not strikes_at_once(read_fault({"kind": "token_expiry", "method": "private/buy"}))
    assert not strikes_at_once(read_fault({"kind": "drop_before"}))


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({}, "kind", "value required"),
        ({"kind": "fire"}, "kind", "must be one of drop_after_accept, drop_before"),
        ({"kind": "delay"}, "delay_ms", "delay needs it"),
        ({"kind": "delay", "delay_ms": 0}, "delay_ms", "must be above 0"),
        ({"kind": "delay", "delay_ms": "soon"}, "delay_ms", "must be a finite number"),
        ({"kind": "duplicate", "transport": "http"}, "transport", "does not strike over http"),
        ({"kind": "duplicate", "transport": "fax"}, "transport", "must be one of http, ws"),
        ({"kind": "reorder", "method": "private/buy"}, "method", "concerns pushes: name a channel"),
        ({"kind": "drop_before", "channel": "ticker."}, "channel", "concerns requests"),
        ({"kind": "sequence_gap", "channel": "ticker."}, "channel", "must begin with 'book.'"),
        ({"kind": "delay", "delay_ms": 1, "method": "a", "channel": "b"}, "channel", "not both"),
        ({"kind": "drop_before", "count": 0}, "count", "must be at least 1, got 0"),
        ({"kind": "drop_before", "count": 1.5}, "count", "must be a whole number"),
        ({"kind": "drop_before", "rate": 1.1}, "rate", "must be above 0 and at most 1, got 1.1"),
        ({"kind": "drop_before", "window_ms": 0}, "window_ms", "must be above 0, got 0"),
        ({"kind": "drop_before", "after": -1}, "after", "must be at least 0, got -1"),
        ({"kind": "drop_before", "cut": "maybe"}, "cut", "must be true or false"),
        ({"kind": "http_status", "status": 200}, "status", "must be from 400 to 599, got 200"),
        ({"kind": "http_status", "content": "pdf"}, "content", "must be html or json"),
        ({"kind": "drop_before", "delay_ms": 5}, "delay_ms", "drop_before takes only after, "),
        ({"kind": "maintenance"}, "window_ms", "maintenance needs it"),
    ],
)
def test_a_wrong_fault_is_refused_with_the_field_and_what_was_expected(
    body: dict[str, Any], field: str, expected: str
) -> None:
    with pytest.raises(RpcError) as refused:
        read_fault(body)
    assert refused.value.data is not None
    assert refused.value.data["param"] == field
    assert expected in str(refused.value.data["reason"])
