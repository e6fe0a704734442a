"""The venue's second opinion beside somebody else's orders, and while it fails for long."""

import time
from dataclasses import replace

from bot.core.events import Command, CommandGiven, NoOpinionHere, OpenOrdersSeen, VenueStatus
from tests.builders import PERP, World, order_seen
from tests.core.margin.test_second_opinion import (
    answered,
    asking,
    failing,
    given,
    mode_of,
    opinions,
    ours,
    until_asked,
)


def resting(world: World, *names: str) -> None:
    """Let a person's orders rest at the venue, and no others."""
    orders = tuple(
        replace(order_seen("", VenueStatus.OPEN, name=name), venue_order_id=f"hand {at}")
        for at, name in enumerate(names)
    )
    world.fold(OpenOrdersSeen(orders=orders, asked_ns=world.now_ns), after_ms=0)


def test_while_somebody_else_s_order_rests_only_the_maintenance_is_compared_and_it_says_so() -> (
    None
):
    world = asking()
    resting(world, PERP)
    for _ in range(6):
        question, _ = until_asked(world)
        world.quotes(after_ms=100)
        initial, maintenance = ours(world, question)
        world.fold(given(world, question, initial * 2.0, maintenance), after_ms=0)
    found = opinions(world)
    assert len(found) == 3
    assert {one.figure for one in found.values()} == {"maintenance"}
    assert max(abs(one.gap) for one in found.values()) < 1e-9
    assert mode_of(world) == "run"
    assert world.state.margin_seen["BTC"].beside == (
        "an order of another rests: maintenance alone is compared"
    )

    for _ in range(6):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    assert mode_of(world) == "degraded", "the maintenance still has its say"


def test_once_nobody_else_s_order_rests_the_initial_margin_is_compared_again() -> None:
    world = asking()
    resting(world, PERP)
    gone = replace(order_seen("", VenueStatus.CANCELLED), venue_order_id="hand 0")
    world.fold(gone)
    for _ in range(6):
        question, _ = until_asked(world)
        world.quotes(after_ms=100)
        initial, maintenance = ours(world, question)
        world.fold(given(world, question, initial * 2.0, maintenance), after_ms=0)

    assert {one.figure for one in opinions(world).values()} == {"initial"}
    assert mode_of(world) == "degraded"


def test_a_venue_that_never_answered_is_told_of_once_a_limit_comes_near() -> None:
    world = asking()
    assert not failing(world, "forbidden (13021)", times=3)
    world.policy = replace(world.policy, gate=replace(world.policy.gate, warn=0.11))

    (alert,) = failing(world, "forbidden (13021)")
    assert "forbidden (13021)" in alert.text


def test_near_a_limit_an_opinion_that_fails_now_and_then_calls_nobody() -> None:
    world = asking(warn=0.11)
    told = []
    for _ in range(6):
        told += failing(world, "the account changed while the venue was asked", times=2)
        question, _ = until_asked(world)
        answered(world, question)

    assert not told


def test_a_gap_is_forgotten_where_the_venue_gives_no_opinions_any_more() -> None:
    world = asking()
    for _ in range(6):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    assert mode_of(world) == "degraded"
    until_asked(world)
    world.fold(NoOpinionHere(reason="method not found"))
    world.quotes()

    assert mode_of(world) == "run"


def degraded() -> World:
    """A world in which the venue has reckoned otherwise for long enough."""
    world = asking()
    for _ in range(6):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    assert mode_of(world) == "degraded"
    assert "not since" not in world.state.mode_reason
    assert world.state.mode_clears == "both agree again on that trade"
    return world


def resumed(world: World) -> None:
    note = "the venue's what-if is down"
    world.fold(CommandGiven(command=Command.RESUME, command_id="r", actor="ann", note=note))


def test_a_gap_that_nobody_can_close_says_of_when_it_is_and_why_there_is_no_newer_word() -> None:
    world = degraded()
    at_ms = max(one.compared_ms for one in opinions(world).values())
    assert not failing(world, "no answer within 15.0 s", times=3)
    world.quotes(after_ms=3_600_000)

    assert mode_of(world) == "degraded"
    stamps = {one.compared_ms for one in opinions(world).values()}
    assert max(stamps) == at_ms, "nothing was compared since"
    said = [f"seen {moment(at_ms)} and not since: no answer within 15.0 s" for at_ms in stamps]
    assert any(world.state.mode_reason.endswith(one) for one in said)
    assert world.state.mode_clears == "both agree again on that trade, or a person resumes"


def test_a_person_is_told_that_a_gap_has_no_newer_word() -> None:
    (alert,) = failing(degraded(), "no answer within 15.0 s")

    assert alert.text == (
        "no second opinion on BTC margin, on which the last ones differed: no answer within 15.0 s"
    )


def moment(at_ms: int) -> str:
    return time.strftime("%d %b %H:%M:%S UTC", time.gmtime(at_ms // 1000))


def test_who_resumes_closes_a_gap_of_which_there_is_no_newer_word() -> None:
    world = degraded()
    failing(world, "no answer within 15.0 s", times=3)
    resumed(world)
    world.quotes(after_ms=100)

    assert mode_of(world) == "run"


def test_who_resumes_does_not_close_a_gap_that_the_venue_still_sees() -> None:
    world = degraded()
    resumed(world)
    world.quotes(after_ms=100)

    assert mode_of(world) == "degraded"
