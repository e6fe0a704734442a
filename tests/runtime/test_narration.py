"""The log tells the story of each order: what was decided, why, and what came of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.core.actions import SubmitOrder, TimeInForce
from bot.core.engine import Step
from bot.core.events import Fact, OrderRejected, OrderUnknown, VenueStatus
from bot.core.safety import SafetyPolicy
from bot.runtime.loop import Stepped
from bot.runtime.narration import Narrator
from tests.builders import CALL, PERP, World, fill, order_seen, policy, positions


class Story:
    """A world whose every step is narrated."""

    def __init__(self, **rules: object) -> None:
        self.world = World(policy(**rules))
        self.narrator = Narrator()
        self.lines: list[Any] = []

    def tell(self, step: Step, *facts: Fact) -> list[Any]:
        """Return the lines of one step."""
        stepped = Stepped(
            fold=1,
            state=step.state,
            step=step,
            facts=facts,
            market_ms=self.world.now_ms,
            wire_ns=self.world.now_ns,
            tick_to_decision_ns=None,
            tick_to_order_ns=(),
            journal_ns=None,
        )
        with capture_logs() as lines:
            self.narrator(stepped)
        return lines

    def fold(self, *facts: Fact, after_ms: int = 100) -> list[Any]:
        return self.tell(self.world.fold(*facts, after_ms=after_ms), *facts)

    def quoted(self, **times: int) -> list[Any]:
        return self.tell(self.world.quotes(**times))

    def begun(self) -> list[Any]:
        """Short a call, so that the first quotes ask for a hedge."""
        self.tell(self.world.begin({CALL: "-2"}))
        return self.quoted()


def test_a_hedge_is_one_line_when_decided_and_one_when_it_has_ended():
    story = Story()
    (decided,) = story.begun()
    (order,) = story.world.orders()
    size = order.size_native
    parts = [size - 10, Decimal(10)]
    first, second = (
        fill(order.order_id, size=str(part), trade_id=f"T{number}", price=price, fee=0.00001)
        for number, (part, price) in enumerate(zip(parts, (100_000.0, 90_000.0), strict=True))
    )
    seen = order_seen(order.order_id, VenueStatus.FILLED, size=str(size), filled=str(size))

    quiet = story.fold(first)
    (ended,) = story.fold(first, second, seen)
    after = story.fold(second)

    assert (decided["event"], decided["log_level"]) == ("hedge", "info")
    assert decided["book"] == "main"
    assert decided["size_usd"] == float(size) > 0
    assert decided["instrument"] == PERP
    assert decided["limit_usd"] == float(order.limit)
    assert decided["order_id"] == order.order_id
    assert "is outside [-0.1000, +0.1000]: back to the target" in decided["reason"]
    assert quiet == after == []
    assert (ended["event"], ended["log_level"], ended["outcome"]) == (
        "order ended",
        "info",
        "filled",
    )
    assert ended["filled_usd"] == ended["asked_usd"] == float(size)
    coins = float(parts[0]) / 100_000 + 10 / 90_000
    assert ended["price_usd"] == pytest.approx(float(size) / coins, abs=0.01)
    assert (ended["fee"], ended["fee_currency"]) == (pytest.approx(0.00002), "BTC")


def test_an_order_that_was_rejected_is_a_warning_with_the_venue_s_words():
    story = Story()
    story.begun()
    (order,) = story.world.orders()

    ended, refused = story.fold(
        OrderRejected(order_id=order.order_id, code=10009, reason="no funds")
    )

    assert (ended["log_level"], ended["outcome"]) == ("warning", "rejected")
    assert ended["filled_usd"] == 0.0
    assert ended["reason"] == "no funds (code 10009)"
    assert "price_usd" not in ended
    assert "the venue rejected the last order: no funds" in refused["reason"]


def test_an_order_without_an_answer_is_doubted_once_until_its_end():
    story = Story()
    story.begun()
    (order,) = story.world.orders()
    told = f"{order.size_native}"

    (doubt,) = story.fold(OrderUnknown(order_id=order.order_id, reason="connection lost"))
    again = story.fold()
    (ended,) = story.fold(
        fill(order.order_id, size=told),
        order_seen(order.order_id, VenueStatus.FILLED, size=told, filled=told),
        positions({PERP: told}, complete=False, asked_ns=None, arrived_ns=story.world.now_ns),
    )

    assert (doubt["event"], doubt["fate"]) == ("order in doubt", "unknown")
    assert doubt["reason"] == "connection lost"
    assert again == []
    assert ended["event"] == "order ended"


def test_a_refusal_is_told_when_its_kind_changes_not_with_every_tick():
    story = Story(safety=replace(SafetyPolicy(), divergence_max=1e-12, orders_per_minute_max=0))

    told = story.begun()
    for _ in range(5):
        told += story.quoted()

    (refused,) = told
    assert (refused["event"], refused["log_level"]) == ("hedge refused", "warning")
    assert (refused["book"], refused["kind"]) == ("main", "safety")
    assert "orders in the last minute, limit 0" in refused["reason"]


def test_an_option_is_priced_in_its_coin_and_not_said_to_have_cost_nothing():
    story = Story()
    story.begun()
    step = story.world.last
    assert step is not None
    (decided,) = step.decisions
    bought = SubmitOrder(
        order_id=decided.order_id,
        instrument=CALL,
        size_native=Decimal("0.9"),
        limit=Decimal("0.0003"),
        time_in_force=TimeInForce.IOC,
        valid_until_ms=1,
    )

    (line,) = story.tell(step._replace(actions=(bought,)))

    assert (line["event"], line["size_coin"], line["limit_coin"]) == ("hedge", 0.9, 0.0003)
    assert "limit_usd" not in line
