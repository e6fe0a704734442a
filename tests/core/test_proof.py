"""What proves that an order never was: two sources, late enough, and a position that agrees."""

import pytest

from bot.core.events import AccountRead, OrderNotFound, OrderUnknown, Source
from tests.builders import CALL, PERP, positions
from tests.core.test_engine import short_calls


def test_one_source_proves_nothing() -> None:
    world = short_calls()
    world.quotes()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    world.fold(after_ms=4_000)
    world.fold(
        positions({CALL: "-10"}, asked_ns=world.now_ns, arrived_ns=world.now_ns),
        AccountRead(asked_ns=world.now_ns),
        OrderNotFound(order_id=order.order_id, sources=(Source.LABEL,) * 2, asked_ms=world.now_ms),
    )

    assert not world.state.standing.orders[order.order_id].is_quiet


@pytest.mark.parametrize(("held", "asked_late"), [("287160", True), (None, False)])
def test_an_order_is_not_absent_by_a_position_that_moved_or_was_read_too_early(
    held, asked_late
) -> None:
    """What the venue holds must be what our fills say, read after the order could last start."""
    world = short_calls()
    world.quotes()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    early_ns = world.now_ns
    world.fold(after_ms=4_000)
    asked_ns = world.now_ns if asked_late else early_ns
    seen = {CALL: "-10"} | ({PERP: held} if held else {})
    world.fold(
        positions(seen, asked_ns=asked_ns, arrived_ns=world.now_ns),
        AccountRead(asked_ns=asked_ns),
        OrderNotFound(
            order_id=order.order_id, sources=(Source.LABEL, Source.TRADES), asked_ms=world.now_ms
        ),
    )

    assert not world.state.standing.orders[order.order_id].is_quiet


def test_a_market_clock_that_steps_ahead_proves_nothing_before_its_wire_time() -> None:
    """The deadline may pass at a step of the clock; the position is not read late by one."""
    world = short_calls()
    world.quotes()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))

    def told_of_none(after_ms: int) -> bool:
        world.fold(after_ms=after_ms)
        world.fold(
            positions({CALL: "-10"}, asked_ns=world.now_ns, arrived_ns=world.now_ns),
            AccountRead(asked_ns=world.now_ns),
            OrderNotFound(
                order_id=order.order_id,
                sources=(Source.LABEL, Source.OPEN_ORDERS, Source.TRADES),
                asked_ms=world.now_ms + 90_000,
            ),
        )
        return world.state.standing.orders[order.order_id].is_quiet

    assert not told_of_none(after_ms=1_000), "it may still start, whatever the clock says"
    assert not told_of_none(after_ms=2_500), "a venue whose clock is behind may still start it"
    assert told_of_none(after_ms=500)
