"""The venue's own what-if over the edge: units, failures, and that it reckons as we do."""

import time
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from bot.core import engine, units
from bot.core.actions import AskMargin, ReadAccount, Watch
from bot.core.engine import Policy
from bot.core.events import (
    SECOND_OPINION,
    ClockSeen,
    Fact,
    Link,
    LinkDown,
    NoOpinionHere,
    OpinionGiven,
    OrderSeen,
    QuoteSeen,
    ReadFailed,
)
from bot.core.instruments import Supposed
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import ModelName
from bot.core.state import State
from bot.exchange.rules import MarginModel
from bot.exchange.server import ExchangeServer
from bot.settings.margin_choice import named
from bot.venues.credits import CreditPolicy, Rate
from bot.venues.deribit import DeribitVenue
from bot.venues.deribit_what_if import SIMULATE
from tests.builders import book, policy
from tests.venues.deribit_server import Failure, Vanish, serving
from tests.venues.edge import QUICK, Facts, kinds, running, submit, until, venue
from tests.venues.payloads import PERPETUAL, summary
from tests.venues.test_embedded_exchange import edge_of, exchange

SOLD = AskMargin(
    currency="BTC", trades=(Supposed(instrument=PERPETUAL, size_native=Decimal(-500_000)),)
)
AS_IT_IS = AskMargin(currency="BTC", trades=())
STILL = 1e-9  # the speed of a market that does not move while it is looked at
FREELY = replace(QUICK, credits=CreditPolicy(what_ifs=Rate(burst=100.0, per_second=100.0)))
MODELS = {
    MarginModel.SEGREGATED_SM: ModelName.DERIBIT_STANDARD,
    MarginModel.SEGREGATED_PM: ModelName.DERIBIT_PORTFOLIO,
}


@dataclass
class Daemon:
    """The core, folded by hand over the edge: what is asked is performed, what came is folded."""

    edge: DeribitVenue
    server: ExchangeServer
    rules: Policy
    facts: Facts
    folded: int = 0
    state: State = field(init=False)
    asked: list[AskMargin] = field(default_factory=list)

    def __post_init__(self) -> None:
        market_ms = self.server.floor.market_clock.market_ms()
        known = engine.fresh_standing("t1a2", market_ms)
        self.state = engine.begin(known, market_ms, time.monotonic_ns())

    def fold(self, *facts: Fact) -> list[AskMargin]:
        """Fold what was posted and what came of an action; return the questions asked."""
        news = [*self.facts[self.folded :], *facts]
        self.folded = len(self.facts)
        market_ms = self.server.floor.market_clock.market_ms()
        clock = ClockSeen(market_ms=market_ms, wire_ns=time.monotonic_ns(), rate=STILL)
        step = engine.step(self.state, (clock, *news), self.rules)
        self.state = step.state
        found = [action for action in step.actions if isinstance(action, AskMargin)]
        self.asked += found
        return found

    async def ready(self) -> None:
        """Read the account, and have a quote of everything that is held."""
        self.fold()  # the links: what is read before they are known does not count
        self.fold(*await self.edge.perform(ReadAccount(reason="start", trades_since_ms=0)))
        names = frozenset({PERPETUAL, *self.state.reported})
        await self.edge.perform(Watch(instruments=names))
        await until(lambda: {one.instrument for one in self.facts.of(QuoteSeen)} >= names)


@pytest.mark.parametrize("model", MODELS)
async def test_the_opinion_of_the_exchange_is_ours_to_a_millionth(model: MarginModel) -> None:
    gate = GatePolicy(
        gap_max=1e9,
        opinion_every_ns=1,
        opinion_near_ns=1,
        gap_skew_max_ns=60 * units.NS_PER_SECOND,  # the market stands still, the machine may too
    )
    rules = policy(book(band_low_coin=-1e9, band_high_coin=1e9), gate=gate)
    rules = replace(rules, model=named(MODELS[model]))
    async with (
        exchange(speed=STILL, margin_model=model) as server,
        running(edge := edge_of(server, limits=FREELY)) as facts,
    ):
        daemon = Daemon(edge, server, rules, facts)
        await daemon.ready()
        await until(lambda: daemon.fold() or daemon.asked)
        questions = daemon.asked[-1:]
        for _ in range(3):
            (question,) = questions
            questions = daemon.fold(*await edge.perform(question))

        seen = daemon.state.margin_seen["BTC"]
        assert (seen.opinion_failure, len(seen.opinions)) == ("", 3)
        gaps = {key: abs(opinion.gap) for key, opinion in seen.opinions.items()}
        print(model, gaps)  # noqa: T201 - for who runs it with -s
        assert max(gaps.values()) < 1e-6
        needs = {opinion.venue_initial for opinion in seen.opinions.values()}
        assert len(needs) > 1, "other trades, other needs"
        assert [len(one.trades) for one in daemon.asked[:3]] == [0, 1, 1]


async def test_sizes_go_out_as_orders_have_them_and_come_on_top_of_what_is_held() -> None:
    async with serving() as server, running(edge := venue(server)):
        server.rules[SIMULATE] = lambda _: summary(initial_margin=1.5, maintenance_margin=0.75)
        (told,) = await edge.perform(SOLD)

        (heard,) = server.methods(SIMULATE)
        assert heard.params == {
            "currency": "BTC",
            "add_positions": True,
            "simulated_positions": {PERPETUAL: -500_000},
        }
        assert isinstance(told, OpinionGiven)
        assert (told.trades, told.initial, told.maintenance) == (SOLD.trades, 1.5, 0.75)
        assert told.arrived_ns is not None
        assert told.asked_ns <= told.arrived_ns


async def test_a_venue_that_does_not_know_the_question_says_so_by_its_answer_s_type() -> None:
    async with serving() as server, running(edge := venue(server)):
        (told,) = await edge.perform(AS_IT_IS)

        assert isinstance(told, NoOpinionHere)
        assert "Method not found" in told.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Failure(code=13021, message="forbidden"), "forbidden"),
        (Vanish(), "RpcError|AnswerLostError"),
        (summary(currency="ETH"), "asked for BTC, the answer is for ETH"),
        (summary(maintenance_margin=None), "maintenance_margin is None"),
        ([], "not an object"),
    ],
    ids=["refused", "cut", "another currency", "a figure lacks", "no object"],
)
async def test_an_opinion_that_cannot_be_had_whole_is_none_and_is_asked_for_once(
    answer: object, reason: str
) -> None:
    async with serving() as server, running(edge := venue(server)):
        server.rules[SIMULATE] = lambda _: answer
        (told,) = await edge.perform(AS_IT_IS)

        assert isinstance(told, ReadFailed)
        assert told.what == SECOND_OPINION
        assert any(part in told.reason for part in reason.split("|"))
        assert len(server.methods(SIMULATE)) == 1


async def test_a_question_that_the_venue_ends_its_connection_for_costs_no_order_its_line() -> None:
    async with serving() as server, running(edge := venue(server, limits=FREELY)) as facts:
        server.rules[SIMULATE] = lambda _: Vanish()
        facts.clear()
        await edge.perform(AS_IT_IS)
        await until(lambda: facts.of(LinkDown))

        assert OrderSeen in kinds(await edge.perform(submit()))
        assert {fact.link for fact in facts.of(LinkDown)} == {Link.MARKET}


async def test_an_opinion_refused_for_want_of_a_right_leaves_the_line_that_orders_go_over() -> None:
    async with serving() as server, running(edge := venue(server, limits=FREELY)):
        server.rules[SIMULATE] = lambda _: Failure(code=13009, message="unauthorized")
        for _ in range(2):
            (told,) = await edge.perform(AS_IT_IS)
            assert isinstance(told, ReadFailed)
            assert "unauthorized" in told.reason

        assert len(server.methods(SIMULATE)) == 2


async def test_the_venue_is_not_asked_twice_within_its_second() -> None:
    """More than one a second, and the venue ends the connection."""
    async with exchange(limits="venue") as server, running(edge := edge_of(server)):
        since_ns = time.monotonic_ns()
        told = [await edge.perform(AS_IT_IS) for _ in range(3)]

        assert all(isinstance(fact, OpinionGiven) for facts in told for fact in facts)
        assert time.monotonic_ns() - since_ns > 2 * units.NS_PER_SECOND
