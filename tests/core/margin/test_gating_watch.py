"""Our margin against the venue's at every balance, and margin use in the stress."""

from dataclasses import replace

import pytest

from bot.core import units
from bot.core.events import OpenOrdersSeen, VenueStatus
from bot.core.margin import gating_watch
from bot.core.margin.gating_stages import GatePolicy, asked, reached
from bot.core.margin.holding import account_of
from bot.core.state import Mode
from tests.builders import CALL, MODEL, PERP, World, balance, book, order_seen, policy

HELD = {CALL: "-3", PERP: "150000"}


def watching(**changes: float) -> World:
    """An account whose margins the venue reckons as we do, with the gate's own limits."""
    world = World(
        policy(book(band_low_coin=-1e9, band_high_coin=1e9), gate=GatePolicy(**changes))  # type: ignore[arg-type]
    )
    world.begin(HELD)
    world.quotes()
    return told(world)


def told(world: World, times: float = 1.0, after_ms: int = 100) -> World:
    """Quotes, then the venue's balance with our requirement `times` over in it."""
    world.quotes(after_ms=after_ms)
    ours = MODEL.report(account_of(world.state, "BTC"))
    world.fold(
        balance(
            arrived_ns=world.now_ns,
            initial_margin=ours.initial * times,
            maintenance_margin=ours.maintenance * times,
        ),
        after_ms=0,
    )
    return world


def mode_of(world: World) -> str:
    return world.state.mode.value


def test_two_who_reckon_alike_agree_to_the_last_digit() -> None:
    world = watching()

    seen = world.state.margin_seen["BTC"]
    assert seen.compared_ns == world.now_ns
    assert abs(seen.gap) < 1e-12
    assert (seen.failure, seen.gap_since_ns) == ("", None)
    assert world.state.mode is Mode.RUN


@pytest.mark.parametrize("times", [0.9, 1.1])
def test_a_gap_that_lasts_allows_careful_orders_only_and_clears_when_it_closes(times) -> None:
    world = told(watching(), times)
    assert mode_of(world) == "run", "a moment is nothing"

    for _ in range(6):
        told(world, times, after_ms=2_000)
    assert mode_of(world) == "degraded"
    assert "own BTC margin (deribit_standard: initial " in world.state.mode_reason
    assert f"differs from the venue's by {1 / times - 1:+.1%}, limit 5%" in world.state.mode_reason

    told(world)
    assert mode_of(world) == "run"


def test_figures_that_no_quote_is_near_are_not_compared() -> None:
    world = watching()
    before = world.state.margin_seen["BTC"]
    world.fold(balance(arrived_ns=world.now_ns + 2_900_000_000), after_ms=2_900)

    assert world.state.margin_seen["BTC"].compared_ns == before.compared_ns


def test_an_order_that_a_person_rests_at_the_venue_is_no_gap_in_ours() -> None:
    world = watching()
    by_hand = order_seen("", VenueStatus.OPEN)
    world.fold(OpenOrdersSeen(orders=(by_hand,), asked_ns=world.now_ns))
    for _ in range(8):
        world.quotes(after_ms=2_000)
        ours = MODEL.report(account_of(world.state, "BTC"))
        margins = {"initial_margin": ours.initial * 2, "maintenance_margin": ours.maintenance}
        world.fold(balance(arrived_ns=world.now_ns, **margins), after_ms=0)

    seen = world.state.margin_seen["BTC"]
    assert (mode_of(world), seen.gap_since_ns) == ("run", None)
    assert seen.beside == "an order of another rests: maintenance alone is compared"


def test_without_a_good_quote_there_is_no_reckoning_and_it_says_so() -> None:
    world = watching()
    world.fold(balance(arrived_ns=world.now_ns + 31 * units.NS_PER_SECOND), after_ms=31_000)

    assert "last good quote" in world.state.margin_seen["BTC"].failure


def test_the_stress_is_worked_out_once_a_second_at_most() -> None:
    world = watching()
    at_ns = world.state.margin_seen["BTC"].stressed_ns
    told(world, after_ms=100)
    assert world.state.margin_seen["BTC"].stressed_ns == at_ns
    told(world, after_ms=1_000)
    assert world.state.margin_seen["BTC"].stressed_ns == world.now_ns


def test_margin_use_in_the_stress_has_stages_of_its_own() -> None:
    state = watching(stressed_reduce_only=0.1, stressed_warn=0.05).state
    use = state.margin_seen["BTC"].stressed_usage
    rules = GatePolicy(stressed_reduce_only=use, stressed_warn=use / 2)
    calm = GatePolicy(stressed_reduce_only=use * 1.01, stressed_warn=use / 2)

    judged = asked(reached(state.balances, state.margin_seen, rules, ("BTC",)))
    assert judged is not None
    assert judged.mode is Mode.DEGRADED
    assert f"BTC margin use at {state.margin_seen['BTC'].node} {use:.1%} is over" in judged.reason
    assert asked(reached(state.balances, state.margin_seen, calm, ("BTC",))) is None


def test_before_the_account_was_read_nothing_is_compared() -> None:
    state = replace(watching().state, mode=Mode.RECONCILING, margin_seen={})
    seen = {"BTC": state.balances["BTC"]}

    after = gating_watch.watched(state, seen, ("BTC",), GatePolicy(), MODEL, policy().quotes)
    assert after.margin_seen == {}
