"""What a person sees of the venue's second opinion on margin."""

from dataclasses import replace
from decimal import Decimal

from rich.console import Console

from bot.cli import screens
from bot.core.instruments import Supposed
from bot.core.reported import Consulted, MarginSeen, Opinion
from bot.core.state import State
from bot.dashboard import views
from bot.dashboard.models import SecondOpinionShown
from tests.dashboard.scenes import PERP, SECOND_NS, running


def opinion(size: str, gap: float, seconds_ago: int, state: State) -> Opinion:
    return Opinion(
        trades=(Supposed(instrument=PERP, size_native=Decimal(size)),),
        compared_ns=state.now_ns - seconds_ago * SECOND_NS,
        compared_ms=state.now_ms - seconds_ago * 1_000,
        initial=1.0 + gap,
        maintenance=0.5,
        venue_initial=1.0,
        venue_maintenance=0.5,
        figure="initial",
        gap=gap,
        apart=gap,
    )


def shown(state: State) -> SecondOpinionShown:
    (row,) = views.balances(state)
    return row.second_opinion


def test_before_one_was_asked_for_there_is_none() -> None:
    told = shown(running().state)

    assert (told.of, told.gap, told.apart, told.age_seconds, told.doubt) == (
        "",
        None,
        None,
        None,
        "",
    )


def test_of_several_the_one_that_ours_is_furthest_from_is_shown_with_the_age_of_the_last() -> None:
    state = running().state
    told = {"+": opinion("500000", 0.01, 5, state), "-": opinion("-500000", -0.04, 40, state)}
    seen = MarginSeen(opinions=told, opinion_failure="no answer within 15.0 s")
    now = shown(replace(state, margin_seen={"BTC": seen}))

    assert (now.of, now.gap, now.apart) == (f"after -500,000 {PERP}", -0.04, -0.04)
    assert now.age_seconds == 5.0
    assert now.doubt == "no answer within 15.0 s"


def test_a_venue_that_has_none_is_said_to_have_none() -> None:
    state = running().state
    absent = replace(state, consulted=Consulted(absent="method not found"))

    assert shown(absent).doubt == "method not found"


def test_the_status_says_by_how_much_after_which_trade_and_since_when() -> None:
    scene = running()
    told = {"-": opinion("-500000", -0.04, 40, scene.state)}
    status = scene.window.status()
    assert status is not None
    seen = MarginSeen(opinions=told, opinion_failure="no answer")
    row = views.balances(replace(scene.state, margin_seen={"BTC": seen}))[0]
    answer = status.model_dump(mode="json") | {"balances": [row.model_dump(mode="json")]}
    console = Console(width=200)
    with console.capture() as drawn:
        console.print(screens.status(answer))

    assert (
        f"the venue's what-if on BTC margin: ours -4.00% (-0.040000 BTC) after -500,000 {PERP}, "
        "compared 40 s ago; since then: no answer"
    ) in drawn.get()
