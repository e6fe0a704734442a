"""What lasts too long calls a person, once, and its end is noticed."""

import pytest

from bot.core.actions import Severity, SubmitOrder, Topic
from bot.core.engine import Policy
from bot.core.events import (
    Command,
    CommandGiven,
    Fact,
    Link,
    LinkDown,
    LinkUp,
    OrderSeen,
    VenueStatus,
)
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from bot.runtime.lookout import Lookout, Sighting
from bot.runtime.loop import Stepped
from tests.builders import CALL, World, book, fill, order_seen, policy

SECOND_NS = 1_000_000_000


class Watch:
    """A world that a lookout watches fold by fold; each sighting with its second."""

    def __init__(self, rules: Policy | None = None) -> None:
        self.world = World(rules)
        self.lookout = Lookout(stuck_ns=60 * SECOND_NS, open_ns=30 * SECOND_NS)
        self.sightings: list[tuple[int, Sighting]] = []

    def seconds(self, count: int, *facts: Fact, quoted: bool = True) -> None:
        for _ in range(count):
            world = self.world
            step = (
                world.quotes(100_000.0, *facts, after_ms=1_000)
                if quoted
                else world.fold(*facts, after_ms=1_000)
            )
            facts = ()
            seen = self.lookout.seen(
                Stepped(
                    fold=1,
                    state=step.state,
                    step=step,
                    facts=(),
                    market_ms=world.now_ms,
                    wire_ns=world.now_ns,
                    tick_to_decision_ns=None,
                    tick_to_order_ns=(),
                    journal_ns=None,
                )
            )
            self.sightings += [(world.now_ns // SECOND_NS, one) for one in seen]


def test_a_daemon_that_never_hears_of_its_account_calls_once() -> None:
    watch = Watch()
    watch.seconds(200, quoted=False)

    ((second, seen),) = watch.sightings
    assert second == 61
    assert (seen.alert.severity, seen.alert.topic) == (Severity.CRITICAL, Topic.RECONCILING)
    assert seen.alert.text.startswith("reconciling for over 60 s: market connection")


def test_a_book_without_a_price_calls_once_and_its_end_is_noticed() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"})
    watch.seconds(1)
    watch.world.settle(watch.world.orders()[0])
    watch.seconds(5)
    assert watch.sightings == []
    watch.seconds(100, quoted=False)  # quotes age, and the book has no number
    watch.seconds(5)

    called, over = (seen for _, seen in watch.sightings)
    assert (called.alert.severity, called.alert.topic) == (Severity.CRITICAL, Topic.UNHEDGED)
    assert called.alert.text.startswith("book main is not hedged for over 30 s: unpriced: ")
    assert over.alert == called.alert
    assert over.over.startswith("book main: delta ")


def end(order: SubmitOrder, status: VenueStatus, filled: str) -> OrderSeen:
    return order_seen(order.order_id, status, size=str(order.size_native), filled=filled)


@pytest.mark.parametrize("traded", ["0", "10"])
def test_a_book_whose_orders_hardly_trade_calls_although_it_waits_between_two_as_it_should(
    traded: str,
) -> None:
    """Each order ended with next to nothing, and to wait for the next one passed for health."""
    watch = Watch(policy(book(interval_min_ms=10_000)))
    watch.world.begin({CALL: "-10"})
    watch.seconds(1)
    sent = 0
    for _ in range(60):
        ended: list[Fact] = []
        for one in watch.world.orders():
            sent += 1
            ended.append(end(one, VenueStatus.CANCELLED, traded))
            if traded != "0":
                ended.append(fill(one.order_id, size=traded, trade_id=f"T{sent}"))
        watch.seconds(1, *ended)

    assert sent > 3
    ((second, seen),) = watch.sightings
    assert second in range(30, 45)
    assert (seen.alert.severity, seen.alert.topic) == (Severity.CRITICAL, Topic.UNHEDGED)


def test_a_large_hedge_that_goes_clip_by_clip_calls_nobody_while_each_of_them_trades() -> None:
    watch = Watch(policy(book(interval_min_ms=10_000), safety=SafetyPolicy(order_max_usd=20_000.0)))
    watch.world.begin({CALL: "-10"})
    watch.seconds(1)
    for _ in range(60):
        for order in watch.world.orders():
            watch.world.settle(order)
        watch.seconds(1)

    assert len(watch.world.state.standing.orders) > 3
    assert watch.sightings == []


def test_a_book_that_waits_for_margin_calls() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"}, equity=0.5)
    watch.seconds(60)

    assert ["is not hedged for over 30 s: " in one.alert.text for _, one in watch.sightings] == [
        True
    ]


def test_a_book_that_a_person_has_paused_calls_nobody() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"})
    watch.seconds(100, CommandGiven(command=Command.PAUSE, command_id="c1", actor="ann"))

    assert watch.sightings == []


def test_time_in_which_a_book_could_not_be_hedged_anyway_does_not_count() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"}, equity=0.5)
    watch.seconds(20)
    watch.seconds(20, CommandGiven(command=Command.PAUSE, command_id="c1", actor="ann"))
    watch.seconds(
        1, CommandGiven(command=Command.RESUME, command_id="c2", actor="ann", note="looked")
    )
    watch.seconds(20)

    assert watch.sightings == []


def test_a_line_that_comes_and_goes_before_anything_is_hedged_calls_once() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"}, equity=0.5)
    for _ in range(12):
        watch.seconds(20, LinkDown(link=Link.MARKET, reason="cut"), quoted=False)
        assert watch.world.state.mode is Mode.RECONCILING
        watch.seconds(2, LinkUp(link=Link.MARKET))
        assert watch.world.state.mode is not Mode.RECONCILING

    called = [seen.alert for _, seen in watch.sightings]
    assert [alert.topic for alert in called] == [Topic.RECONCILING]


def test_a_book_that_cannot_be_hedged_between_two_losses_of_a_line_calls_once() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"}, equity=0.5)
    for _ in range(6):
        watch.seconds(1, LinkDown(link=Link.MARKET, reason="cut"), quoted=False)
        watch.seconds(12, LinkUp(link=Link.MARKET))

    called = [seen.alert for _, seen in watch.sightings]
    assert [alert.topic for alert in called] == [Topic.UNHEDGED]


def test_a_line_that_comes_and_goes_while_all_is_hedged_calls_nobody() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"})
    watch.seconds(1)
    watch.world.settle(watch.world.orders()[0])
    for _ in range(12):
        watch.seconds(20, LinkDown(link=Link.MARKET, reason="cut"), quoted=False)
        watch.seconds(2, LinkUp(link=Link.MARKET))

    assert watch.sightings == []
