"""No path of prices and fills makes the core send an order beyond a limit: recounted from outside.

The oracle knows only what left and what was filled; it shares no count with the core.
"""

import os
import random
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from bot.core import codec, engine, units
from bot.core.actions import SubmitOrder
from bot.core.engine import Step
from bot.core.events import (
    Command,
    CommandGiven,
    Fact,
    FillSeen,
    OrderRejected,
    OrderSeen,
    VenueStatus,
)
from bot.core.exposure import Exposure
from bot.core.safety import SafetyPolicy
from bot.core.standing import Standing
from bot.core.state import Mode
from tests.builders import (
    CALL,
    PERP,
    World,
    balance,
    book,
    fill,
    order_seen,
    policy,
    positions,
    submits,
)

LIMITS = SafetyPolicy(
    order_max_usd=90_000.0,
    orders_per_minute_max=6,
    hedge_max_usd=260_000.0,
    hedge_over_options_max=0.05,
    hedge_unbacked_max_usd=1_000.0,
    turnover_per_hour_max_usd=700_000.0,
    fees_per_day_max_usd=450.0,
    reversals_per_hour_max=3,
    collar_max=0.003,
    rejects_max=20,
)
RULES = policy(book(price_cap_bps=20.0), safety=LIMITS)
FATES = ("filled", "filled", "filled", "partly", "cancelled", "rejected")
PAUSES_MS = (200, 1_500, 20_000, 400_000, 1_900_000)
SEEDS = int(os.environ.get("DELTABAND_SEEDS", "15"))


@dataclass
class Oracle:
    """What left and what was filled, and nothing else."""

    position: Decimal = Decimal(0)
    sent_ms: list[int] = field(default_factory=list)
    fills: list[tuple[int, float, float]] = field(default_factory=list)  # when, signed USD, fee
    forgiven_ms: int = 0

    def judge(self, order: SubmitOrder, world: World, price: float, seen: Exposure) -> None:
        now_ms, usd = world.now_ms, abs(float(order.size_native))
        after = self.position + order.size_native
        assert usd <= LIMITS.order_max_usd
        assert sum(1 for at in self.sent_ms if at > now_ms - 60_000) < LIMITS.orders_per_minute_max
        assert abs(after) <= LIMITS.hedge_max_usd or abs(after) < abs(self.position)
        self.judge_share(float(after), seen)
        since_ms = max(now_ms - units.MS_PER_HOUR, self.forgiven_ms)
        hour = [one for one in self.fills if one[0] > since_ms]
        assert sum(abs(one[1]) for one in hour) + usd <= LIMITS.turnover_per_hour_max_usd + 1e-6
        since_ms = max(now_ms - units.MS_PER_DAY, self.forgiven_ms)
        fees = sum(one[2] for one in self.fills if one[0] > since_ms)
        assert fees + usd * 0.0005 <= LIMITS.fees_per_day_max_usd + 1e-6
        turns = sum(
            later[1] * earlier[1] < 0 and later in hour
            for earlier, later in zip(self.fills, self.fills[1:], strict=False)
        )
        assert turns < LIMITS.reversals_per_hour_max
        beyond = (float(order.limit) / price - 1.0) * (1 if order.size_native > 0 else -1)
        assert beyond <= LIMITS.collar_max + 1e-9
        self.sent_ms.append(now_ms)

    def judge_share(self, after: float, seen: Exposure) -> None:
        need = -seen.options_delta_coin * seen.hedge_mark_usd
        edges = (0.0, need * (1.0 + LIMITS.hedge_over_options_max))
        free = LIMITS.hedge_unbacked_max_usd + 1e-6
        inside = min(edges) - free <= after <= max(edges) + free
        nearer = abs(after - need) < abs(float(self.position) - need)
        assert inside or nearer, (after, need)


class Watched(World):
    """A world whose every order is judged as it leaves, and then waits for its fate."""

    def __init__(self, storm: "Storm", standing: Standing | None) -> None:
        super().__init__(RULES, standing=standing)
        self.storm = storm

    def fold(self, *facts: Fact, after_ms: int = 100) -> Step:
        step = super().fold(*facts, after_ms=after_ms)
        for order in submits(step.actions):
            seen = step.exposures["main"]
            assert isinstance(seen, Exposure)
            self.storm.oracle.judge(order, self, self.storm.price, seen)
            self.storm.waiting.append(order)
            self.storm.orders += 1
        verdict = step.verdicts["main"]
        self.storm.reasons |= {verdict.reason, step.state.mode_reason}
        return step


class Storm:
    """Prices, fates of orders, restarts and resumes."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.price = 100_000.0
        self.orders = 0
        self.waiting: list[SubmitOrder] = []
        self.reasons: set[str] = set()
        self.world = self.started(None)

    def started(self, standing: Standing | None) -> World:
        world = Watched(self, standing)
        if standing is not None:
            world.now_ns = self.world.now_ns
            world.state = engine.begin(standing, world.now_ms, world.now_ns)
        held = {CALL: "-10"} | ({PERP: str(self.oracle.position)} if self.oracle.position else {})
        world.begin(held)
        return world

    def step(self, move: int, fate: str, after_ms: int, then: str) -> None:
        if then == "restart":
            known = codec.loads(codec.dumps(self.world.state.standing))
            assert isinstance(known, Standing)
            self.world = self.started(known)
        elif then == "resume" and self.world.state.mode is Mode.HOLD:
            self.oracle.forgiven_ms = self.world.now_ms + 100
            self.world.fold(
                CommandGiven(
                    command=Command.RESUME,
                    command_id=f"r{self.world.now_ns}",
                    actor="op",
                    note="seen",
                )
            )
        self.price *= 1.0 + move / 1_000
        self.quotes(after_ms)
        for _ in range(6):
            if not self.waiting:
                return
            self.answer(self.waiting.pop(0), fate)
            self.quotes(300)
        while self.waiting:
            self.answer(self.waiting.pop(0), "cancelled")

    def quotes(self, after_ms: int) -> None:
        at = self.world.now_ns + after_ms * units.NS_PER_MS
        self.world.quotes(self.price, balance(arrived_ns=at), after_ms=after_ms)

    def answer(self, order: SubmitOrder, fate: str) -> None:
        if fate == "rejected":
            self.world.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no"))
            return
        parts = {"filled": Decimal(1), "partly": Decimal("0.3"), "cancelled": Decimal(0)}
        done = (order.size_native * parts[fate]).quantize(Decimal(10))
        self.world.fold(*self.told(order, done))

    def told(self, order: SubmitOrder, done: Decimal) -> list[Fact]:
        status = VenueStatus.FILLED if done == order.size_native else VenueStatus.CANCELLED
        news: OrderSeen = order_seen(
            order.order_id, status, size=str(order.size_native), filled=str(done)
        )
        if not done:
            return [news]
        one: FillSeen = fill(order.order_id, size=str(done), trade_id=f"T-{order.order_id}")
        self.oracle.position += done
        usd = float(done)
        self.oracle.fills.append((self.world.now_ms, usd, abs(usd) * 0.0005))
        held = positions(
            {PERP: str(self.oracle.position)},
            complete=False,
            asked_ns=None,
            arrived_ns=self.world.now_ns,
        )
        return [one, news, held]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_path_of_prices_fills_restarts_and_resumes_leads_beyond_a_limit(seed) -> None:
    chance, storm = random.Random(seed), Storm()
    for _ in range(40):
        storm.step(
            chance.randint(-25, 25), chance.choice(FATES), chance.choice(PAUSES_MS),
            chance.choice(("", "", "", "", "restart", "resume")),
        )  # fmt: skip


def test_the_storm_reaches_its_limits() -> None:
    """A storm that never meets a limit proves nothing."""
    storm = Storm()
    for at in range(60):
        storm.step(30 if at % 2 else -29, "filled", 20_000, "resume" if at % 20 == 19 else "")

    assert storm.orders > 5
    words = " | ".join(storm.reasons)
    for limit in (
        "changed direction 3 times in the last hour, limit 3",
        "one order is at most 90000 USD",
        "hedges are at most 260,000 USD together",
    ):
        assert limit in words, limit
