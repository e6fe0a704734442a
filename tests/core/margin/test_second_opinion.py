"""The venue's own what-if against ours: when it is asked, what is compared, what a gap stops."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import units
from bot.core.actions import Action, Alert, AskMargin, SubmitOrder, Topic
from bot.core.events import (
    SECOND_OPINION,
    Command,
    CommandGiven,
    Link,
    LinkDown,
    NoOpinionHere,
    OpinionGiven,
    ReadFailed,
)
from bot.core.instruments import Supposed, size_coin
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.holding import account_of
from bot.core.margin.second_opinion import supposed
from bot.core.reported import Opinion
from bot.core.state import Mode
from tests.builders import CALL, MODEL, PERP, World, balance, book, perp, policy

HELD = {CALL: "-3", PERP: "150000"}
EVERY_S, NEAR_S = 60, 10
LARGEST = Decimal(500_000)


def asking(held: dict[str, str] | None = None, **changes: object) -> World:
    """A world that is comfortable, has run a while and has asked nothing yet."""
    rules = GatePolicy(
        gap_max=1e9,  # the balances are made up
        opinion_every_ns=EVERY_S * units.NS_PER_SECOND,
        opinion_near_ns=NEAR_S * units.NS_PER_SECOND,
        opinion_near=0.02,
    )
    bands = book(band_low_coin=-1e9, band_high_coin=1e9)
    world = World(policy(bands, gate=replace(rules, **changes)))  # type: ignore[arg-type]
    world.begin(HELD if held is None else held)
    return world


def asked(actions: tuple[Action, ...]) -> list[AskMargin]:
    return [action for action in actions if isinstance(action, AskMargin)]


def asked_now(world: World) -> AskMargin:
    """The question of the last fold."""
    assert world.last is not None
    (question,) = asked(world.last.actions)
    return question


def ours(world: World, question: AskMargin) -> tuple[float, float]:
    """What we reckon of a question, the account rebuilt with its trades in it."""
    state = world.state
    account = account_of(state, "BTC", also={PERP})
    found = MODEL.valued(account).after(
        {
            trade.instrument: size_coin(perp(), trade.size_native, _mark(world))
            for trade in question.trades
        }
    )
    return found.initial, found.maintenance


def _mark(world: World) -> float:
    mark = world.state.quotes[PERP].mark
    assert mark is not None
    return mark


def answered(world: World, question: AskMargin, times: float = 1.0, after_ms: int = 100) -> None:
    """Let the venue answer with what we reckon, so many times over, on fresh quotes."""
    world.quotes(after_ms=after_ms)
    initial, maintenance = ours(world, question)
    world.fold(given(world, question, initial * times, maintenance * times), after_ms=0)


def given(world: World, question: AskMargin, initial: float, maintenance: float) -> OpinionGiven:
    return OpinionGiven(
        currency=question.currency,
        trades=question.trades,
        initial=initial,
        maintenance=maintenance,
        asked_ns=world.now_ns,
        arrived_ns=world.now_ns,
    )


def until_asked(world: World, most_s: int = 600) -> tuple[AskMargin, float]:
    """Quote every second until a question is asked; return it and how long that took."""
    since_ns = world.now_ns
    for _ in range(most_s):
        found = asked(
            world.quotes(100_000.0, balance(arrived_ns=world.now_ns), after_ms=1_000).actions
        )
        if found:
            return found[0], (world.now_ns - since_ns) / units.NS_PER_SECOND
    raise AssertionError(f"nothing was asked in {most_s} s")


def mode_of(world: World) -> str:
    return world.state.mode.value


def opinions(world: World) -> dict[str, Opinion]:
    return dict(world.state.margin_seen["BTC"].opinions)


# ---- when, and what -----------------------------------------------------------------------------


def test_once_it_runs_the_venue_is_asked_about_the_account_then_the_largest_order_either_way() -> (
    None
):
    world = asking()

    seen = []
    for _ in range(4):
        question, _ = until_asked(world)
        seen.append([(one.instrument, one.size_native) for one in question.trades])
        answered(world, question)
    assert seen == [[], [(PERP, LARGEST)], [(PERP, -LARGEST)], []]


def test_nothing_is_asked_where_nobody_wants_a_second_opinion() -> None:
    world = asking(opinion_every_ns=None)

    assert not [q for _ in range(200) for q in asked(world.quotes(after_ms=1_000).actions)]


def test_the_timer_holds_between_two_questions() -> None:
    world = asking()
    question, _ = until_asked(world)
    answered(world, question)
    _, after_s = until_asked(world)

    assert after_s == pytest.approx(EVERY_S, abs=1.5)


def test_near_a_threshold_it_is_asked_more_often() -> None:
    world = asking(warn=0.11)  # u is 0.10
    question, _ = until_asked(world)
    answered(world, question)
    _, after_s = until_asked(world)

    assert after_s == pytest.approx(NEAR_S, abs=1.5)


def test_near_a_threshold_of_the_stress_it_is_asked_more_often() -> None:
    world = asking()
    until_asked(world)
    world.quotes(100_000.0, balance(arrived_ns=world.now_ns))
    use = world.state.margin_seen["BTC"].stressed_usage
    assert use > 0.0
    near = asking(stressed_warn=use - 0.01)
    question, _ = until_asked(near)
    answered(near, question)
    _, after_s = until_asked(near)

    assert after_s == pytest.approx(NEAR_S, abs=1.5)


def test_never_two_questions_at_once_and_a_lost_one_does_not_end_the_asking() -> None:
    world = asking(warn=0.11)
    until_asked(world)
    _, after_s = until_asked(world)  # nobody answers

    assert 30.0 <= after_s < 33.0


def test_nothing_is_asked_while_an_order_is_under_way() -> None:
    world = asking()
    world.policy = replace(world.policy, books=(book(),))
    step = world.quotes()
    (order,) = world.orders()
    assert not asked(step.actions)
    for _ in range(3):
        assert not asked(world.quotes(after_ms=100).actions)

    assert [question.trades for question in asked(world.settle(order).actions)] == [()]


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.HALT])
def test_it_is_asked_while_nothing_may_be_sent_too(mode: Mode) -> None:
    world = asking()
    command = Command.HALT if mode is Mode.HALT else Command.PAUSE
    world.fold(CommandGiven(command=command, command_id="c", actor="me"))
    until_asked(world)

    assert world.state.mode is mode


def test_nobody_is_asked_without_a_trading_connection_or_before_the_account_was_read() -> None:
    world = asking()
    world.fold(LinkDown(link=Link.TRADING, reason="cut"))
    steps = [world.quotes(after_ms=1_000) for _ in range(10)]
    assert not [q for step in steps for q in asked(step.actions)]

    halted = World(world.policy)
    halted.fold(CommandGiven(command=Command.HALT, command_id="c", actor="me"))
    steps = [halted.fold(balance(arrived_ns=halted.now_ns)) for _ in range(10)]
    assert halted.state.mode is Mode.HALT
    assert not [q for step in steps for q in asked(step.actions)]


def test_a_venue_without_such_a_question_is_asked_once() -> None:
    world = asking()
    until_asked(world)
    world.fold(NoOpinionHere(reason="method not found"))

    assert not [q for _ in range(200) for q in asked(world.quotes(after_ms=1_000).actions)]
    assert world.state.consulted.absent == "method not found"
    assert mode_of(world) == "run"


# ---- what is compared ---------------------------------------------------------------------------


def test_both_reckonings_of_the_same_trades_agree_to_the_last_digit() -> None:
    world = asking()
    for _ in range(3):
        question, _ = until_asked(world)
        answered(world, question)

    assert set(opinions(world)) == {"", f"+{PERP}", f"-{PERP}"}
    for opinion in opinions(world).values():
        assert abs(opinion.gap) < 1e-12
        assert opinion.gap_since_ns is None
    plain, bought = opinions(world)[""], opinions(world)[f"+{PERP}"]
    assert bought.initial - plain.initial == pytest.approx(0.02 * 500_000 / 100_000)


def test_the_gap_is_of_the_figure_that_differs_more_in_money_and_as_a_share() -> None:
    world = asking()
    question, _ = until_asked(world)
    world.quotes()
    initial, maintenance = ours(world, question)
    world.fold(given(world, question, initial, maintenance / 1.25), after_ms=0)

    (opinion,) = opinions(world).values()
    assert (opinion.figure, opinion.venue_maintenance) == ("maintenance", maintenance / 1.25)
    assert opinion.gap == pytest.approx(0.25)
    assert opinion.apart == pytest.approx(maintenance * 0.2)


@pytest.mark.parametrize("what", ["quotes", "position", "order"])
def test_an_answer_about_another_account_or_another_market_is_not_compared(what: str) -> None:
    world = asking()
    question, _ = until_asked(world)
    if what == "quotes":
        world.now_ns += 2_500 * units.NS_PER_MS
    elif what == "position":
        world.policy = replace(world.policy, books=(book(),))
        world.quotes()
        world.settle(world.orders()[0])
        world.policy = replace(world.policy, books=(book(band_low_coin=-1e9, band_high_coin=1e9),))
    else:
        world.policy = replace(world.policy, books=(book(),))
        world.quotes()
        assert world.orders()
    world.fold(given(world, question, 1e6, 1e6), after_ms=0)

    assert not opinions(world)
    told = {
        "quotes": "not every quote arrived close enough to the venue's answer",
        "position": "the account changed while the venue was asked",
        "order": "the account changed while the venue was asked",
    }
    assert world.state.margin_seen["BTC"].opinion_failure == told[what]
    assert world.state.consulted.question is None


def test_an_answer_to_a_question_that_is_not_asked_is_no_news() -> None:
    world = asking()
    question, _ = until_asked(world)
    other = replace(question, trades=(Supposed(instrument=PERP, size_native=Decimal(10)),))
    before = world.state.consulted
    world.fold(given(world, other, 1.0, 1.0), given(world, replace(question, currency="ETH"), 1, 1))

    assert world.state.consulted is before
    answered(world, question)
    answered(world, question, times=5.0)
    assert abs(opinions(world)[""].gap) < 1e-12


def test_without_a_good_quote_there_is_no_opinion_and_it_says_so() -> None:
    world = asking(gap_skew_max_ns=60 * units.NS_PER_SECOND)
    question, _ = until_asked(world)
    world.fold(after_ms=20_000)
    world.fold(given(world, question, 1.0, 1.0), after_ms=0)

    assert "last good quote" in world.state.margin_seen["BTC"].opinion_failure
    assert not opinions(world)


# ---- what it stops ------------------------------------------------------------------------------


def test_a_gap_that_lasts_allows_careful_orders_only_with_its_arithmetic_and_clears() -> None:
    world = asking()
    question, _ = until_asked(world)
    answered(world, question)
    question, _ = until_asked(world)
    answered(world, question, times=0.8)
    assert mode_of(world) == "run", "a moment is nothing"

    questions = []
    for _ in range(3):
        question, after_s = until_asked(world)
        assert after_s < NEAR_S + 2, "where they differ it is asked again soon"
        questions.append(question.trades)
        answered(world, question, times=0.8 if question.trades[:1] else 1.0)
    assert len(set(questions)) == 3
    assert mode_of(world) == "degraded"
    (initial, _) = ours(world, AskMargin(currency="BTC", trades=questions[-1]))
    assert world.state.mode_reason == (
        f"own BTC margin (deribit_standard) after +500,000 {PERP} is initial {initial:.6f}, the "
        f"venue's second opinion {initial * 0.8:.6f}: {initial * 0.2:+.6f} BTC, +25.0%, limit 5%"
    )

    for _ in range(3):
        question, _ = until_asked(world)
        answered(world, question)
    assert mode_of(world) == "run"


def test_while_they_differ_what_brings_delta_nearer_goes_and_margin_still_has_its_say() -> None:
    world = asking()
    for _ in range(3):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    for _ in range(3):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    assert mode_of(world) == "degraded"
    world.policy = replace(world.policy, books=(book(),))
    step = world.quotes()

    (order,) = [action for action in step.actions if isinstance(action, SubmitOrder)]
    assert order.size_native * Decimal(HELD[PERP]) < 0
    assert abs(order.size_native) < LARGEST, "in smaller clips"


def test_an_opinion_that_fails_stops_nothing_and_far_from_a_limit_calls_nobody() -> None:
    world = asking()
    until_asked(world)
    step = world.fold(ReadFailed(what=SECOND_OPINION, reason="no answer within 15.0 s"))

    assert mode_of(world) == "run"
    assert not [action for action in step.actions if isinstance(action, Alert)]
    assert world.state.margin_seen["BTC"].opinion_failure == "no answer within 15.0 s"


def test_an_opinion_that_fails_near_a_limit_is_told_once_and_stops_nothing() -> None:
    world = asking(warn=0.11)
    (alert,) = failing(world, "no answer within 15.0 s")
    assert (alert.topic, world.state.mode) == (Topic.MARGIN, Mode.RUN)
    assert alert.text == (
        "no second opinion on BTC margin, which is near a limit: no answer within 15.0 s"
    )


def failing(world: World, reason: str, times: int = 12) -> list[Alert]:
    """Let so many questions fail; return what a person was told."""
    told: list[Alert] = []
    for _ in range(times):
        until_asked(world)
        step = world.fold(ReadFailed(what=SECOND_OPINION, reason=reason))
        told += [action for action in step.actions if isinstance(action, Alert)]
    return told


def test_a_failure_leaves_the_gap_that_is_open() -> None:
    world = asking()
    for _ in range(6):
        question, _ = until_asked(world)
        answered(world, question, times=0.5)
    assert mode_of(world) == "degraded"
    until_asked(world)
    world.fold(ReadFailed(what=SECOND_OPINION, reason="cut"))

    assert mode_of(world) == "degraded"


def test_trades_are_named_as_a_person_would() -> None:
    trades = (Supposed(instrument=PERP, size_native=Decimal(-5000)),)

    assert supposed(()) == "as the account is"
    assert supposed(trades) == f"after -5,000 {PERP}"
