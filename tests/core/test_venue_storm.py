"""A venue that is honest behind a network that is not; judged by the venue's books, not ours."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import codec, engine, units
from bot.core.actions import QueryOrder, ReadAccount, SubmitOrder
from bot.core.engine import Step
from bot.core.events import (
    ClockSeen,
    Fact,
    InstrumentsSeen,
    Link,
    LinkDown,
    LinkUp,
    PositionsSeen,
    TimerFired,
)
from bot.core.exposure import Exposure
from bot.core.hedger import deviation_coin
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode, State
from tests.builders import CALL, INSTANCE, PERP, START_MS, book, option, perp, policy, quote
from tests.core.venue import Fate, Venue

RULES = policy(book(), safety=SafetyPolicy(rejects_max=1_000, orders_per_minute_max=60))
PRICES = (99_000.0, 99_600.0, 100_000.0, 100_500.0, 101_500.0)


class Desk:
    """A daemon's core, a venue, and the line between them, on which messages wait and get lost."""

    def __init__(self) -> None:
        self.venue = Venue(positions={CALL: Decimal(-10)})
        self.now_ns = 0
        self.price = 100_000.0
        self.fate = Fate.FILLED
        self.answers_lost = self.pushes_lost = False
        self.pushed: list[Fact] = []
        self.line: list[Fact] = []
        self.attempts: dict[str, Decimal] = {}
        self.state: State = engine.begin(engine.fresh_standing(INSTANCE, START_MS), START_MS, 0)
        self.connect()

    @property
    def now_ms(self) -> int:
        return START_MS + self.now_ns // units.NS_PER_MS

    def connect(self) -> None:
        listed = InstrumentsSeen(instruments=(perp(), option(CALL)))
        self.fold(listed, *(LinkUp(link=link) for link in Link))

    def fold(self, *facts: Fact, after_ms: int = 50) -> Step:
        self.now_ns += after_ms * units.NS_PER_MS
        names = (PERP, CALL)
        quotes = [quote(name, arrived_ns=self.now_ns, price=self.price) for name in names]
        clock = ClockSeen(market_ms=self.now_ms, wire_ns=self.now_ns)
        step = engine.step(self.state, (clock, *facts, *quotes), RULES)
        self.state = step.state
        for action in step.actions:
            match action:
                case SubmitOrder():
                    self.submitted(action)
                case QueryOrder():
                    self.line += self.venue.query(action, self.now_ms)
                case ReadAccount():
                    self.line += self.venue.read(action.trades_since_ms, self.now_ns)
                case _:
                    pass
        return step

    def submitted(self, order: SubmitOrder) -> None:
        assert order.order_id not in self.attempts, "an attempt was sent twice"
        self.attempts[order.order_id] = order.size_native
        pushed, answer = self.venue.submit(order, self.fate, self.now_ms)
        self.pushed += [] if self.pushes_lost else pushed
        self.line += [] if self.answers_lost else [answer]

    def deliver(self, pick: int, count: int) -> None:
        """Deliver some of what waits: pushes in their order, answers in any."""
        taken = []
        for at in range(count):
            if self.pushed and (pick >> at) % 2:
                taken.append(self.pushed.pop(0))
            elif self.line:
                taken.append(self.line.pop((pick + 7 * at) % len(self.line)))
        now = self.now_ns + 50 * units.NS_PER_MS
        self.fold(*(stamped(fact, now) for fact in taken))

    def restart(self) -> None:
        known = codec.loads(codec.dumps(self.state.standing))
        self.line.clear()
        self.pushed.clear()
        self.state = engine.begin(known, self.now_ms, self.now_ns)  # type: ignore[arg-type]
        self.connect()

    def cut(self) -> None:
        self.line.clear()
        self.pushed.clear()
        self.fold(LinkDown(link=Link.TRADING, reason="reset"))
        self.fold(LinkUp(link=Link.TRADING))

    def calm(self) -> None:
        """Let faults end, and everything arrive in order, for a minute and a half.

        The account is read once, as it is every half minute: an old balance backs no order.
        """
        self.fate, self.answers_lost, self.pushes_lost = Fate.FILLED, False, False
        self.fold(TimerFired(name="reconcile"))
        for _ in range(90):
            waiting, self.line, self.pushed = self.pushed + self.line, [], []
            self.fold(*(stamped(fact, self.now_ns) for fact in waiting), after_ms=1_000)


def stamped(fact: Fact, now_ns: int) -> Fact:
    """A push arrives when it is delivered, not when it was sent."""
    if isinstance(fact, PositionsSeen) and fact.asked_ns is None:
        return replace(fact, arrived_ns=now_ns)
    return fact


KINDS = ("deliver",) * 6 + (
    "wait",
    "price",
    "fate",
    "answers",
    "pushes",
    "restart",
    "cut",
    "hand",
    "set",
)
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99)), min_size=5, max_size=40)


def happen(desk: Desk, kind: str, pick: int) -> None:
    match kind:
        case "deliver":
            desk.deliver(pick, 1 + pick % 4)
        case "wait":
            desk.fold(after_ms=(100, 1_000, 3_500, 61_000)[pick % 4])
        case "price":
            desk.price = PRICES[pick % len(PRICES)]
            desk.fold()
        case "fate":
            desk.fate = list(Fate)[pick % len(Fate)]
        case "answers":
            desk.answers_lost = not desk.answers_lost
        case "pushes":
            desk.pushes_lost = not desk.pushes_lost
        case "restart":
            desk.restart()
        case "cut":
            desk.cut()
        case "hand":
            size = Decimal(10 * (pick - 50) or 10)
            desk.pushed += desk.venue.by_hand(size, desk.now_ms)
        case _:
            unexplained(desk, Decimal(10 * (pick - 50)))


def unexplained(desk: Desk, size: Decimal) -> None:
    """Change the position without a trade, heard at once.

    Never while an order is unknown: then it would be what that order may have traded.
    """
    if desk.pushed or not all(order.is_quiet for order in desk.state.standing.orders.values()):
        return
    now = desk.now_ns + 50 * units.NS_PER_MS
    desk.fold(*(stamped(fact, now) for fact in desk.venue.set_position(size)))


def judge(desk: Desk) -> None:
    """Once quiet: one request an attempt, one book, and a hedged one."""
    assert sorted(desk.venue.requests) == sorted(desk.attempts)
    for label, size in desk.attempts.items():
        assert abs(desk.venue.executed(label)) <= abs(size)
    standing = desk.state.standing
    assert all(order.is_quiet for order in standing.orders.values())
    assert standing.positions == {k: v for k, v in desk.venue.positions.items() if v}
    assert desk.state.mode is Mode.RUN, desk.state.mode_reason
    step = desk.fold()
    seen = step.exposures["main"]
    assert isinstance(seen, Exposure)
    assert abs(deviation_coin(seen, RULES.books[0].hedge)) <= 0.1


@settings(max_examples=60)
@given(EVENTS)
def test_once_the_line_is_good_again_the_books_agree_and_the_delta_is_in_the_band(events) -> None:
    desk = Desk()
    for kind, pick in events:
        happen(desk, kind, pick)
    desk.calm()

    judge(desk)


def test_the_storm_sends_orders_under_every_fate() -> None:
    desk = Desk()
    for fate in Fate:
        desk.fate = fate
        desk.price = PRICES[len(desk.attempts) % 5]
        for _ in range(30):
            desk.deliver(0, 4)
            desk.fold(after_ms=300)
    desk.calm()

    assert len(desk.attempts) >= 5
    judge(desk)
