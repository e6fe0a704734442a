"""The venue's second opinion beside somebody else's orders, and while it fails for long."""

from dataclasses import replace

from bot.core.events import NoOpinionHere, OpenOrdersSeen, VenueStatus
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
