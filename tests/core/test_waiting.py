"""What a hedge waits for, and what it must not wait for."""

from dataclasses import replace
from decimal import Decimal

from bot.core.events import VenueStatus
from tests.builders import CALL, PERP, World, book, order_seen, policy, quote, submits


def short_calls() -> World:
    """An account short ten calls, read and not yet quoted."""
    world = World()
    world.begin({CALL: "-10"})
    return world


def test_an_order_that_traded_nothing_is_no_reason_to_wait_for_a_move() -> None:
    world = World(policy(book(move_min=0.01)))
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    gone = order_seen(order.order_id, VenueStatus.CANCELLED, size=str(order.size_native))

    assert len(submits(world.fold(gone).actions)) == 1


def test_a_balance_of_long_ago_backs_no_order() -> None:
    world = short_calls()
    world.fold(after_ms=121_000)
    step = world.quotes()

    assert world.orders() == []
    assert "balance is 121 s old" in step.verdicts["main"].reason


def test_no_order_is_sent_on_a_clock_that_the_venue_has_left_behind() -> None:
    world = short_calls()
    ahead = quote(PERP, arrived_ns=world.now_ns, venue_ms=world.now_ms + 3_600_000)
    step = world.fold(quote(CALL, arrived_ns=world.now_ns), ahead)

    assert world.orders() == []
    assert "the venue's clock is 3599.9 s ahead of ours" in step.verdicts["main"].reason
    assert len(submits(world.quotes().actions)) == 1


def test_what_a_clip_left_over_does_not_wait_for_the_market_to_move() -> None:
    rules = policy(book(move_min=0.01))
    world = World(replace(rules, safety=replace(rules.safety, order_max_usd=100_000.0)))
    world.begin({CALL: "-10"})
    step, sent = world.quotes(), []
    while orders := submits(step.actions):
        sent.append(orders[0].size_native)
        step = world.settle(orders[0])

    assert sent == [Decimal(100_000), Decimal(100_000), Decimal(87_160)]
