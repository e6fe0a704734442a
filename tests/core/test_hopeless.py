"""What only a person can clear is a hold, which calls one, and not a start that never ends."""

from decimal import Decimal

import pytest

from bot.core.events import (
    AccountRead,
    Command,
    CommandGiven,
    Link,
    LinkDown,
    LinkUp,
    OrderUnknown,
    VenueStatus,
)
from bot.core.orders import OrderStatus
from bot.core.state import Mode
from tests.builders import CALL, PERP, World, order_seen, positions

HELD = {CALL: "-10"}


def reconnected(world: World, held: dict[str, str]) -> None:
    """Lose the trading line, get it back, and read the account."""
    world.fold(LinkDown(link=Link.TRADING, reason="reset"))
    world.fold(LinkUp(link=Link.TRADING))
    read(world, held)


def read(world: World, held: dict[str, str]) -> None:
    asked_ns = world.now_ns
    told = positions(held, asked_ns=asked_ns, arrived_ns=asked_ns)
    world.quotes(100_000.0, told, AccountRead(asked_ns=asked_ns))


def mode_of(world: World) -> Mode:
    return world.state.mode


def sent(world: World) -> str:
    """Have one order sent."""
    world.begin(HELD)
    world.quotes()
    (order,) = world.orders()
    return order.order_id


def test_an_order_nobody_can_explain_beside_a_position_that_differs_calls_a_person() -> None:
    world = World()
    order_id = sent(world)
    world.fold(OrderUnknown(order_id=order_id, reason="no answer"))
    world.fold(after_ms=61_000)
    reconnected(world, {**HELD, PERP: "770"})

    assert world.state.standing.orders[order_id].status is OrderStatus.UNPROVABLE
    assert mode_of(world) is Mode.HOLD
    assert "cannot be proved" in world.state.mode_reason
    resume = CommandGiven(command=Command.RESUME, command_id="r", actor="op", note="looked")
    world.quotes(100_000.0, resume)
    read(world, {**HELD, PERP: "770"})
    assert world.state.standing.positions[PERP] == Decimal(770)
    assert mode_of(world) is Mode.RUN


@pytest.mark.parametrize(("after_ms", "mode"), [(100, Mode.RECONCILING), (61_000, Mode.HOLD)])
def test_fills_that_never_come_after_a_restart_call_a_person_in_the_end(after_ms, mode) -> None:
    first = World()
    order_id = sent(first)
    size = first.state.standing.orders[order_id].size_native
    first.fold(order_seen(order_id, VenueStatus.FILLED, size=str(size), filled=str(size)))
    world = World(standing=first.state.standing)
    world.begin({**HELD, PERP: str(size)})
    world.quotes(after_ms=after_ms)

    assert world.state.mode is mode
