"""Any facts, in any order: nothing raises, and what must never happen does not."""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core import codec, engine, units
from bot.core.engine import Step
from bot.core.events import (
    AccountRead,
    BadMessage,
    ClockSeen,
    Command,
    CommandGiven,
    Fact,
    InstrumentsSeen,
    Link,
    LinkDown,
    LinkUp,
    OpenOrdersSeen,
    OrderNotFound,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    ReadFailed,
    Source,
    TimerFired,
    VenueStatus,
)
from bot.core.exposure import Exposure
from bot.core.hedger import deviation_coin
from bot.core.orders import Order, OrderStatus
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode, State
from tests.builders import (
    CALL,
    INSTANCE,
    PERP,
    PUT,
    START_MS,
    balance,
    book,
    fill,
    option,
    order_seen,
    perp,
    policy,
    positions,
    quote,
    submits,
)

SAFETY = SafetyPolicy(order_max_usd=200_000.0, orders_per_minute_max=50, rejects_max=20)
RULES = policy(book(), safety=SAFETY)
OPEN = (OrderStatus.REQUESTED, OrderStatus.WORKING, OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE)
NAMES = (PERP, CALL, PUT)
KINDS = (
    *("quotes",) * 4,
    *("seen", "fill", "positions", "read") * 2,
    *("bad-quote", "rejected", "unknown", "not-found", "stranger", "balance", "link-down"),
    *("link-up", "read-failed", "command", "timer", "open-orders", "listed", "sent", "settled"),
    "restart",
)
EVENTS = st.tuples(st.sampled_from(KINDS), st.integers(0, 999), st.integers(-40, 40))
FOLDS = st.lists(
    st.tuples(st.lists(EVENTS, max_size=4), st.sampled_from([0, 1, 50, 500, 1_500, 5_000, 40_000])),
    max_size=25,
)
NUMBERS = (math.nan, math.inf, 0.0, -1.0, None)


def come_back(before: Mapping[str, Order], after: Mapping[str, Order]) -> set[str]:
    """Name the orders that were over and are not: the venue told of more of them."""
    return {
        order_id
        for order_id, order in after.items()
        if order.status in OPEN
        and order_id in before
        and before[order_id].status is OrderStatus.CLOSED
    }


class Storm:
    """The engine under facts that know no manners."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.state: State = engine.begin(engine.fresh_standing(INSTANCE, START_MS), START_MS, 0)
        self.ids: list[str] = []
        self.returned: set[str] = set()  # orders that were over, until the venue told of more
        self.commands = 0
        self.fold(InstrumentsSeen(instruments=(perp(), option(CALL), option(PUT))), after_ms=1)
        for link in Link:
            self.fold(LinkUp(link=link), after_ms=1)
        self.fold(*self.made("read", 0, 0), *self.made("quotes", 0, 0), after_ms=100)

    def fold(self, *facts: Fact, after_ms: int) -> Step:
        before = self.state
        self.now_ns += after_ms * units.NS_PER_MS
        clock = ClockSeen(market_ms=START_MS + self.now_ns // units.NS_PER_MS, wire_ns=self.now_ns)
        step = engine.step(self.state, (clock, *facts), RULES)
        self.state = step.state
        self.judge(before, step)
        return step

    def made(self, kind: str, pick: int, size: int) -> tuple[Fact, ...]:
        known = self.ids[pick % len(self.ids)] if self.ids else "nobody"
        order = self.state.standing.orders.get(known)
        asked = order.size_native if order else Decimal(10 * size)
        part = str((asked * (pick % 5) / 4).quantize(Decimal(10)))
        name = NAMES[pick % 3]
        price = 100_000.0 * math.exp(size / 400)
        at = self.now_ns
        match kind:
            case "quotes":
                return tuple(quote(each, price=price, arrived_ns=at) for each in NAMES)
            case "bad-quote":
                field = ("bid", "ask", "mark", "index_usd", "iv", "forward_usd")[pick % 6]
                bad: dict[str, Any] = {field: NUMBERS[pick % 5]}
                return (replace(quote(name, arrived_ns=at), **bad),)
            case "seen":
                status = list(VenueStatus)[pick % 4]
                return (order_seen(known, status, size=str(asked), filled=part),)
            case "rejected":
                return (OrderRejected(order_id=known, code=10009, reason="not_enough_funds"),)
            case "unknown":
                return (OrderUnknown(order_id=known, reason="timeout"),)
            case "not-found":
                sources = (Source.TRADES, Source.LABEL)[: 1 + pick % 2]
                asked_ms = self.state.now_ms - 100 * (pick % 50)
                return (OrderNotFound(order_id=known, sources=sources, asked_ms=asked_ms),)
            case "fill":
                return (fill(known, size=part, trade_id=f"t{pick % 40}"),)
            case _:
                return self.account_news(kind, pick, size)

    def account_news(self, kind: str, pick: int, size: int) -> tuple[Fact, ...]:
        at, name = self.now_ns, NAMES[pick % 3]
        held = {CALL: "-10", PUT: str(Decimal(size) / 10), PERP: str(1_000 * size)}
        report = positions(
            held if pick % 2 else {name: held[name]},
            complete=bool(pick % 2),
            asked_ns=at if pick % 3 else None,
            arrived_ns=at,
        )
        match kind:
            case "positions":
                return (report,)
            case "balance":
                used = abs(size) / 4
                delta = size / 100 if pick % 3 else None
                return (balance(maintenance_margin=used, delta_total_coin=delta, arrived_ns=at),)
            case "read":
                rows = positions({CALL: "-10"}, asked_ns=at, arrived_ns=at)
                return (rows, balance(arrived_ns=at), AccountRead(asked_ns=at))
            case "read-failed":
                return (ReadFailed(what=("account", "other")[pick % 2], reason="timeout"),)
            case "stranger":
                lots = str(Decimal(size) / 10) if name != PERP else str(10 * size)
                return (fill("by-hand", size=lots, trade_id=f"x{pick}", name=name),)
            case "settled":
                return (fill("", size="10", trade_id=f"s{pick}", name=CALL),)
            case _:
                return self.other_news(kind, pick)

    def other_news(self, kind: str, pick: int) -> tuple[Fact, ...]:
        link = list(Link)[pick % 2]
        match kind:
            case "link-down":
                return (LinkDown(link=link, reason="reset"),)
            case "link-up":
                return tuple(LinkUp(link=each) for each in Link)
            case "command":
                self.commands += 1
                word = (Command.RESUME, Command.RESUME, Command.PAUSE, Command.HALT)[pick % 4]
                told = CommandGiven(
                    command=word, command_id=f"c{self.commands}", actor="op", note="drill"
                )
                return (told,)
            case "timer":
                name = ("reconcile", "reload-instruments", "expiry-roll", "report")[pick % 4]
                return (TimerFired(name=name), BadMessage(source="ws", reason="not JSON"))
            case "open-orders":
                rows = tuple(order_seen(each, VenueStatus.OPEN) for each in self.ids[-2:])
                return (OpenOrdersSeen(orders=rows, asked_ns=self.now_ns),)
            case "listed":
                return (InstrumentsSeen(instruments=(perp(), option(CALL))),)
            case "sent":
                return tuple(OrderSent(order_id=each, wire_ns=0) for each in self.ids[-1:])
            case "restart":
                known = codec.loads(codec.dumps(self.state.standing))
                assert known == self.state.standing
                self.state = engine.begin(known, self.state.now_ms, self.now_ns)
                return ()
            case _:
                raise AssertionError(kind)

    def judge(self, before: State, step: Step) -> None:
        state = step.state
        sent = submits(step.actions)
        self.returned |= come_back(before.standing.orders, state.standing.orders)
        for name in NAMES:
            alive = [
                order.order_id
                for order in state.standing.orders.values()
                if order.instrument == name and order.status in OPEN
            ]
            ours = [order_id for order_id in alive if order_id not in self.returned]
            assert len(ours) <= 1, "two unresolved orders on one instrument"
            for order in sent:
                assert order.instrument != name or alive == [order.order_id], "sent beside another"
        for order in sent:
            assert state.mode in (Mode.RUN, Mode.DEGRADED)
            assert not state.standing.halt_reason
            assert order.order_id not in self.ids, "one id, one order"
            assert abs(order.size_native) <= SAFETY.order_max_usd
            assert order.size_native % perp().lot == 0
            self.ids.append(order.order_id)
            self.judge_size(step, float(order.size_native))
        assert state.standing.order_counter == before.standing.order_counter + len(sent)
        held = sum((b.get(PERP, Decimal(0)) for b in state.standing.holdings.values()), Decimal(0))
        assert held == state.standing.positions.get(PERP, 0), "a hedge that no book holds"

    def judge_size(self, step: Step, size_usd: float) -> None:
        seen = step.exposures["main"]
        assert isinstance(seen, Exposure), "hedged without a number"
        before = deviation_coin(seen, RULES.books[0].hedge)
        lot_coin = float(perp().lot) / seen.hedge_mark_usd
        after = before + size_usd / seen.hedge_mark_usd
        assert abs(after) < abs(before)
        assert after * before >= -1e-6 or abs(after) <= lot_coin


@settings(max_examples=60)
@given(FOLDS)
@example([([("rejected", 0, 0)], 1_500), ([("open-orders", 0, 0)], 0)])
def test_whatever_is_heard_no_invariant_breaks(folds) -> None:
    storm = Storm()
    for events, after_ms in folds:
        facts = [fact for kind, pick, size in events for fact in storm.made(kind, pick, size)]
        storm.fold(*facts, after_ms=after_ms)


@settings(max_examples=15)
@given(FOLDS)
def test_the_same_facts_give_the_same_digest_to_the_last_bit(folds) -> None:
    def digest() -> str:
        storm = Storm()
        trail = []
        for events, after_ms in folds:
            facts = [fact for kind, pick, size in events for fact in storm.made(kind, pick, size)]
            step = storm.fold(*facts, after_ms=after_ms)
            trail.append((step.actions, step.decisions, step.notes, storm.state.standing))
        return codec.digest((tuple(trail), replace(storm.state)))

    assert digest() == digest()


def test_the_storm_does_trade() -> None:
    storm = Storm()
    for count in range(20):
        storm.fold(*storm.made("quotes", 0, count), after_ms=50)

    assert storm.ids, "a storm in which nothing is sent proves nothing"
    assert storm.fold(*storm.made("quotes", 0, 0), after_ms=1).state.standing.orders
