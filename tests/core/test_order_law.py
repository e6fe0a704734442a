"""Facts of an order in any order, twice, late or never: all come to the same.

`DELTABAND_SEEDS` multiplies the number of examples of the machine at the end.
"""

import os
from dataclasses import asdict
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.core import codec, engine
from bot.core.events import (
    AccountRead,
    Fact,
    FillCause,
    Link,
    LinkDown,
    OrderNotFound,
    PositionRow,
    PositionsSeen,
    ReadFailed,
    Source,
    VenueStatus,
)
from bot.core.orders import OrderPolicy, OrderStatus
from bot.core.reconcile import minded
from bot.core.state import State
from tests.builders import PERP, START_MS
from tests.core.order_truth import (
    EARLY_NONE,
    ID,
    LOST,
    REJECTED,
    expected,
    later,
    order_of,
    part,
    requested,
    seen,
    standing,
    told,
)

OPEN, DONE, GONE = VenueStatus.OPEN, VenueStatus.FILLED, VenueStatus.CANCELLED

STORIES: dict[str, tuple[Fact, ...]] = {
    "an ack and two fills, while the answer is lost": (
        seen(OPEN),
        LOST,
        part("40", "T1"),
        part("60", "T2"),
        seen(DONE, "100"),
    ),
    "a partial fill, and the rest cancelled": (
        seen(OPEN),
        seen(OPEN, "30"),
        part("30", "T1"),
        seen(GONE, "30"),
        EARLY_NONE,
    ),
    "a cancel that races a fill": (
        seen(OPEN),
        seen(GONE, "0"),
        part("100", "T1"),
        LOST,
        seen(DONE, "100"),
    ),
    "one intent, split in two by the venue": (
        seen(OPEN, leg="V1", size="60"),
        seen(DONE, "60", leg="V1", size="60"),
        seen(GONE, "10", leg="V2", size="40"),
        part("60", "T1"),
        part("10", "T2"),
        LOST,
    ),
    "a rejection of an order that is there": (
        REJECTED,
        seen(OPEN),
        part("20", "T1"),
        seen(GONE, "20"),
        LOST,
    ),
    "a fill that is taken back": (
        part("100", "T1"),
        part("-100", "T1b", FillCause.BUST),
        seen(DONE, "100"),
        LOST,
        seen(OPEN),
    ),
}


def matches(known: State, certain: dict[str, object]) -> None:
    found = asdict(standing(known))
    assert {key: found[key] for key in certain} == certain


@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_the_facts_of_an_order_comes_to_the_same(story: str) -> None:
    facts = STORIES[story]
    ends = set()
    for told_in in permutations(facts):
        after = told(requested(), *told_in)
        matches(after, expected(facts))
        assert order_of(after).status is OrderStatus.CLOSED
        ends.add(standing(after))

    assert len(ends) == 1


@pytest.mark.parametrize("story", STORIES)
def test_facts_heard_twice_in_every_order_are_heard_once(story: str) -> None:
    facts = STORIES[story][:5]
    once = standing(told(requested(), *facts))
    for told_in in permutations(facts):
        assert standing(told(requested(), *told_in, *told_in)) == once
        assert standing(told(requested(), *(f for f in told_in for _ in range(2)))) == once


@pytest.mark.parametrize("story", STORIES)
def test_facts_on_both_sides_of_a_restart_come_to_the_same(story: str) -> None:
    facts = STORIES[story]
    whole = standing(told(requested(), *facts))
    for told_in in list(permutations(facts))[::29]:
        for cut in range(len(facts)):
            before = told(requested(), *told_in[:cut])
            known = codec.loads(codec.dumps(before.standing))
            again = engine.begin(known, before.now_ms, 5)  # type: ignore[arg-type]
            assert standing(told(again, *told_in[cut:])) == whole
            twice = engine.begin(again.standing, before.now_ms, 5)
            assert codec.digest(twice.standing) == codec.digest(again.standing)


# ------------------------------------------------------------------------------------ any history

POLICY = OrderPolicy(label_prefix="db")
FATES = {
    "filled": (("V1", "100", DONE, ("60", "40")),),
    "partly": (("V1", "30", GONE, ("30",)),),
    "cancelled": (("V1", "0", GONE, ()),),
    "split": (("V1", "60", DONE, ("60",)), ("V2", "10", GONE, ("10",))),
    "lost on the way": (),
}


class Life(RuleBasedStateMachine):
    """One order: a venue that knows its fate, and a line that does what it likes with the news."""

    @initialize(fate=st.sampled_from(sorted(FATES)), is_sale=st.booleans())
    def send(self, fate: str, *, is_sale: bool) -> None:
        sign = "-" if is_sale else ""
        self.known = requested(Decimal(f"{sign}100"))
        self.news: list[Fact] = []
        self.heard: list[Fact] = []
        self.finals: list[Fact] = []
        for leg, total, end, trades in FATES[fate]:
            size = f"{sign}{ {'V1': 60, 'V2': 40}[leg] if fate == 'split' else 100 }"
            filled = f"{sign}{total}" if total != "0" else "0"
            fills = [part(f"{sign}{one}", f"{leg}{at}") for at, one in enumerate(trades)]
            last = seen(end, filled, leg, size)
            self.news += [seen(OPEN, "0", leg, size), *fills, last]
            self.finals += [*fills, last]
        self.news.append(LOST)

    def tell(self, fact: Fact) -> None:
        self.heard.append(fact)
        self.known = told(self.known, fact)

    @precondition(lambda self: self.news)
    @rule(pick=st.integers(0, 99), copies=st.integers(1, 2))
    def news_comes(self, pick: int, copies: int) -> None:
        fact = self.news.pop(pick % len(self.news))
        for _ in range(copies):
            self.tell(fact)

    @precondition(lambda self: self.news)
    @rule(pick=st.integers(0, 99))
    def news_is_lost(self, pick: int) -> None:
        self.news.pop(pick % len(self.news))

    @precondition(lambda self: self.heard)
    @rule(pick=st.integers(0, 99))
    def old_news_comes_again(self, pick: int) -> None:
        self.tell(self.heard[pick % len(self.heard)])

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.known = minded(later(self.known, seconds), POLICY)

    @rule()
    def the_line_is_cut(self) -> None:
        self.known = told(self.known, LinkDown(link=Link.TRADING, reason="reset"))
        assert order_of(self.known).status is not OrderStatus.WORKING

    @rule()
    def a_question_is_in_vain(self) -> None:
        before = standing(self.known)
        self.tell(ReadFailed(what=f"order {ID}", reason="timeout"))
        assert standing(self.known) == before

    @rule()
    def it_dies_and_comes_again(self) -> None:
        known = codec.loads(codec.dumps(self.known.standing))
        begun = engine.begin(known, self.known.now_ms, self.known.now_ns)  # type: ignore[arg-type]
        twice = engine.begin(begun.standing, begun.now_ms, begun.now_ns)
        assert codec.digest(twice.standing) == codec.digest(begun.standing)
        self.known = told(begun)
        assert order_of(begun).status in (OrderStatus.UNKNOWN, OrderStatus.CLOSED)

    @invariant()
    def what_is_certain_is_known(self) -> None:
        if not hasattr(self, "known"):
            return
        certain = expected(self.heard)
        if order_of(self.known).status is OrderStatus.CLOSED:
            assert "status" in certain, "closed, and no fact had said so"
        matches(self.known, certain)
        assert not self.known.standing.halt_reason
        assert not self.known.foreign

    def teardown(self) -> None:
        """Ask, and be answered: the order stands as the venue knows it."""
        if not hasattr(self, "known"):
            return
        self.known = later(self.known, 10.0)
        if self.finals:
            for fact in self.finals:
                self.tell(fact)
        else:
            self._nobody_knows()
        order = order_of(self.known)
        assert order.is_quiet
        assert not order.remaining_native
        truth = expected(self.finals)
        assert standing(self.known).filled == truth["filled"]
        assert standing(self.known).position == standing(self.known).held == truth["position"]

    def _nobody_knows(self) -> None:
        ns = self.known.now_ns
        row = PositionRow(instrument=PERP, size_native=Decimal(0), average_price=0.0)
        asked_ms = START_MS + ns // 1_000_000
        none = OrderNotFound(order_id=ID, sources=tuple(Source), asked_ms=asked_ms)
        self.known = told(
            minded(self.known, POLICY),
            PositionsSeen(positions=(row,), complete=True, asked_ns=ns, arrived_ns=ns),
            AccountRead(asked_ns=ns),
            none,
        )


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=60 * int(os.environ.get("DELTABAND_SEEDS", "1")),
    stateful_step_count=25,
    deadline=None,
)
