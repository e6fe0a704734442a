"""What was worked out for one fold and kept for the next changes no answer, only its time."""

import copy
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import codec, engine, units
from bot.core.books import Selector, holds, members
from bot.core.columns import table_of
from bot.core.dealing import BookPlan
from bot.core.engine import Policy, Step
from bot.core.events import ClockSeen, Fact
from bot.core.exposure import Exposure
from bot.core.instruments import Kind
from bot.core.state import State
from bot.quant import book_totals
from bot.quant.conventions import Convention
from tests.builders import EXPIRY_MS, PERP, START_MS, World, policy, quote
from tests.core.pairs import BTC, MARKETS, Account
from tests.core.test_storm import FOLDS, RULES, Storm

STRIKES = range(90_000, 110_000, 500)
OPTIONS = [BTC.option(strike, "C") for strike in STRIKES]


def cold(state: State, facts: Sequence[Fact], rules: Policy) -> Step:
    """The same step of copies, of which nothing can have been kept."""
    return engine.step(copy.deepcopy(state), copy.deepcopy(facts), copy.deepcopy(rules))


class CompareStorm(Storm):
    """A storm whose every step is taken a second time from copies."""

    def fold(self, *facts: Fact, after_ms: int) -> Step:
        before = self.state
        step = super().fold(*facts, after_ms=after_ms)
        clock = ClockSeen(market_ms=step.state.now_ms, wire_ns=step.state.now_ns)
        assert codec.digest(cold(before, (clock, *facts), RULES)) == codec.digest(step)
        return step


@settings(max_examples=15)
@given(FOLDS)
def test_a_step_after_any_storm_is_that_of_a_process_that_remembers_nothing(folds):
    storm = CompareStorm()
    for events, after_ms in folds:
        facts = [fact for kind, pick, size in events for fact in storm.made(kind, pick, size)]
        storm.fold(*facts, after_ms=after_ms)


JUMPS_MS = st.sampled_from(
    [1, 100, 60_000, 10 * units.MS_PER_MINUTE, units.MS_PER_HOUR, units.MS_PER_DAY]
)


@settings(max_examples=10)
@given(st.lists(JUMPS_MS, max_size=12))
def test_books_of_every_pair_age_alike_whatever_another_account_was_asked_before(jumps_ms):
    """Two accounts with books of the same names, in turn, up to their expiry and beyond."""
    expiry_ms = START_MS + 2 * units.MS_PER_DAY
    accounts = []
    for size in ("-3", "2"):
        held = {market.option(strike, "C"): size for market in MARKETS for strike in (1, 100_000)}
        plans = [market.plan(Convention.COIN) for market in MARKETS]
        accounts.append(Account(*plans, held=held, expiry_ms=expiry_ms))
    for jump_ms in jumps_ms:
        for account in accounts:
            account.quotes(after_ms=jump_ms)
            state, rules = account.world.state, account.world.policy
            now = ClockSeen(market_ms=state.now_ms, wire_ns=state.now_ns)
            warm = engine.step(state, (now,), rules)
            assert codec.digest(cold(state, (now,), rules)) == codec.digest(warm)


def selecting(**terms: Any) -> BookPlan:
    plan = BTC.plan(Convention.COIN)
    return replace(plan, book=replace(plan.book, selector=Selector(underlying="BTC", **terms)))


DURATIONS = st.none() | st.sampled_from(
    [timedelta(0), timedelta(milliseconds=3), timedelta(microseconds=2_500), timedelta(hours=1)]
)


@given(DURATIONS, DURATIONS, st.lists(st.integers(-4, 8) | st.integers(-4_000_000, 8), min_size=1))
def test_a_book_holds_what_its_selector_says_at_every_moment_in_any_order(least, most, offsets_ms):
    """Around each moment at which something leaves the book or comes into its range."""
    book = selecting(
        expiry_min=least, expiry_max=most, include=frozenset({OPTIONS[3]}), exclude={OPTIONS[5]}
    ).book
    terms = [BTC.terms(name, EXPIRY_MS + 2 * at) for at, name in enumerate(OPTIONS[:7])]
    table = table_of([(one, 1.0) for one in terms], {})
    for offset_ms in offsets_ms:
        now_ms = EXPIRY_MS + offset_ms
        live = [one for one in terms if one.expiry_ms is not None and one.expiry_ms > now_ms]
        wanted = [one.name for one in live if holds(book, one, now_ms)]
        found = members(table, book, now_ms)
        assert [table.held.names[row] for row in found.rows] == wanted
        assert found.strike.tolist() == [BTC.terms(name).strike for name in wanted]


def desk(plans: Sequence[BookPlan], names: Sequence[str]) -> World:
    world = World(policy(*plans))
    world.begin(dict.fromkeys(names, "-0.1"), equity=1e4)
    world.quotes()
    world.quotes()
    return world


def quoted(world: World, names: Sequence[str]) -> tuple[Fact, ...]:
    world.now_ns += units.NS_PER_MS
    clock = ClockSeen(market_ms=world.now_ms, wire_ns=world.now_ns)
    return (clock, *(quote(name, arrived_ns=world.now_ns) for name in names))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of options in each call of the kernel."""
    rows: list[int] = []
    whole = book_totals.totals

    def counting(**columns: Any) -> book_totals.Totals:
        rows.append(len(columns["size"]))
        return whole(**columns)

    with monkeypatch.context() as patch:
        patch.setattr(book_totals, "totals", counting)
        yield rows


def by_chunks(count: int) -> list[BookPlan]:
    """The options among so many books, each of its own by name, in turn: no two side by side."""
    plans = []
    for at in range(count):
        plan = selecting(include=frozenset(OPTIONS[at::count]), kinds=frozenset[Kind]())
        plans.append(replace(plan, book=replace(plan.book, name=f"book {at}")))
    return plans


@pytest.mark.parametrize("burst", [1, 20])
@pytest.mark.parametrize("books", [1, 2, 8])
def test_a_fold_values_every_option_once_however_many_were_quoted(monkeypatch, books, burst):
    world = desk(by_chunks(books), OPTIONS)

    with counted(monkeypatch) as rows:
        step = engine.step(world.state, quoted(world, OPTIONS[:burst]), world.policy)

    assert sum(rows) == len(OPTIONS)
    assert len(rows) == books
    seen = [valued for valued in step.exposures.values() if isinstance(valued, Exposure)]
    assert sum(valued.options_held for valued in seen) == len(OPTIONS)


def bytecodes(world: World, names: Sequence[str]) -> int:
    """How many instructions of the interpreter one fold takes."""
    facts = quoted(world, names)
    world.state = engine.step(world.state, facts, world.policy).state  # what can be kept is kept
    facts = quoted(world, names)
    seen: Counter[str] = Counter()

    def traced(frame: FrameType, event: str, _argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        seen[event] += 1
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        engine.step(world.state, facts, world.policy)
    finally:
        sys.settrace(before)
    return seen["opcode"]


def test_a_fold_of_one_quote_takes_no_more_steps_in_a_larger_book():
    """The columns do the work: not one instruction of Python is spent on an option by itself."""
    small, large = (desk([selecting()], OPTIONS[:count]) for count in (10, 40))

    assert bytecodes(large, OPTIONS[:1]) == bytecodes(small, OPTIONS[:1])


def test_a_fold_takes_as_many_more_steps_for_each_further_quote():
    world = desk([selecting()], OPTIONS)
    one, eleven, twenty_one = (bytecodes(world, OPTIONS[:count]) for count in (1, 11, 21))

    assert twenty_one - eleven == eleven - one
    assert (eleven - one) / 10 < one / 5


def test_a_fold_takes_as_many_more_steps_for_each_further_book():
    two, four, six = (bytecodes(desk(by_chunks(count), OPTIONS), [PERP]) for count in (2, 4, 6))

    assert six - four == four - two
