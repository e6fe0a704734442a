"""What the venue takes from the account is not bought back before it is known what is left."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.events import AccountRead, FillCause
from bot.core.margin import gating_seizure
from bot.core.state import Mode
from tests.builders import CALL, PERP, World, balance, book, fill, policy, positions, submits

QUIET_MS = gating_seizure.QUIET_NS // 1_000_000


def hedged() -> World:
    """A short call whose hedge is held, inside its band."""
    world = World(policy(book(band_low_coin=-0.5, band_high_coin=0.5)))
    world.begin({CALL: "-10", PERP: "287160"})
    world.quotes()
    assert world.state.mode is Mode.RUN
    assert world.orders() == []
    return world


def read(world: World, held: dict[str, str]) -> None:
    """The venue answers the question for the account that was asked last."""
    asked_ns = world.state.read_asked_ns
    assert asked_ns is not None, "the account is to be read"
    told = positions(held, asked_ns=asked_ns, arrived_ns=world.now_ns)
    money = balance(arrived_ns=world.now_ns)
    world.fold(told, money, AccountRead(asked_ns=asked_ns), after_ms=0)


@pytest.mark.parametrize("cause", [FillCause.LIQUIDATION, FillCause.ADL, FillCause.BUST])
def test_a_hedge_that_the_venue_took_is_not_bought_back_before_the_account_was_read(cause) -> None:
    world = hedged()
    rest = {CALL: "-10", PERP: "87160"}
    world.fold(fill(size="-200000", cause=cause))
    step = world.quotes()

    assert world.state.mode is Mode.HOLD
    assert PERP in world.state.mode_reason
    assert "-200,000" in world.state.mode_reason
    assert not submits(step.actions)
    read(world, rest)
    assert world.state.mode is Mode.HOLD, "it may take more: the read was too early to tell"

    world.quotes(after_ms=QUIET_MS + 1)
    read(world, rest)
    (order,) = world.orders()
    assert order.size_native == Decimal(200_000)


def test_a_hedge_that_shrank_beside_a_position_whose_terms_nobody_knows_yet_is_noted() -> None:
    """Somebody traded what was listed a minute ago, and the hedge shrank: once it was the end."""
    world = hedged()
    new = "BTC-4FEB26-95000-P"
    world.fold(fill(size="-1", name=new))
    shrunk = positions(
        {PERP: "87160"}, complete=False, asked_ns=None, arrived_ns=world.now_ns + 100_000_000
    )
    world.quotes(100_000.0, shrunk)

    assert world.state.standing.positions[PERP] == Decimal(87_160)
    assert world.state.mode is Mode.HOLD
    assert f"{PERP} went from +287,160 to +87,160 by no trade known here" in world.state.mode_reason


def test_each_further_liquidation_begins_the_wait_anew() -> None:
    world = hedged()
    world.fold(fill(size="-100000", cause=FillCause.LIQUIDATION))
    world.quotes(after_ms=QUIET_MS - 100)
    world.fold(fill(size="-50000", trade_id="T2", cause=FillCause.LIQUIDATION))
    world.quotes(after_ms=200)

    assert world.state.mode is Mode.HOLD
    assert "-50,000" in world.state.mode_reason


def test_a_liquidation_told_twice_is_one() -> None:
    world = hedged()
    taken = fill(size="-100000", cause=FillCause.LIQUIDATION)
    world.fold(taken)
    since_ns = world.state.seized_ns
    world.fold(taken, after_ms=1_000)

    assert world.state.seized_ns == since_ns


def test_a_hedge_that_is_smaller_by_no_trade_stops_hedging_until_it_is_read_again() -> None:
    world = hedged()
    world.fold(positions({PERP: "187160"}, complete=False, asked_ns=None, arrived_ns=world.now_ns))
    step = world.quotes(after_ms=1_500)
    while world.state.standing.positions[PERP] != 187_160:
        step = world.quotes(after_ms=500)

    assert world.state.mode is Mode.HOLD
    assert "went from +287,160 to +187,160 by no trade known here" in world.state.mode_reason
    assert not submits(step.actions)


def test_a_trade_by_hand_and_a_larger_hedge_stop_nothing() -> None:
    world = hedged()
    world.fold(fill(size="-2000", cause=FillCause.TRADE))
    world.quotes()
    assert world.state.seized_ns is None

    known = world.state
    held = replace(known.standing, positions={**known.standing.positions, PERP: Decimal(300_000)})
    assert gating_seizure.of_positions(known, replace(known, standing=held)).seized_ns is None


def test_what_is_found_at_a_start_was_taken_by_nobody() -> None:
    world = hedged()
    stranger = replace(world.state, has_run=False)
    smaller = replace(stranger, standing=replace(stranger.standing, positions={PERP: Decimal(10)}))

    assert gating_seizure.of_positions(stranger, smaller).seized_ns is None
