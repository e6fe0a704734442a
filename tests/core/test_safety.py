"""Limits that are not about margin, and which of all that is wrong decides the mode."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import modes, safety
from bot.core.events import (
    AccountRead,
    Command,
    CommandGiven,
    Link,
    LinkDown,
    LinkUp,
    OrderRejected,
    ReadFailed,
    VenueStatus,
)
from bot.core.orders import Order, OrderStatus, Outcome
from bot.core.safety import SafetyPolicy
from bot.core.standing import CLOSED_ORDERS_KEPT
from bot.core.state import Mode, State
from tests.builders import (
    CALL,
    PERP,
    World,
    balance,
    book,
    order_seen,
    policy,
    positions,
    quote,
)

POLICY = SafetyPolicy()


def steady(**changes: object) -> World:
    """An account read and quoted, in a band too wide to trade, in RUN."""
    rules = policy(book(band_low_coin=-1e6, band_high_coin=1e6))
    world = World(replace(rules, safety=replace(POLICY, **changes)))  # type: ignore[arg-type]
    world.begin({CALL: "-10"})
    world.quotes()
    assert mode_of(world) is Mode.RUN
    assert world.state.mode_clears == ""
    return world


def shown(state: State) -> tuple[Mode, str, str]:
    return state.mode, state.mode_reason, state.mode_clears


def mode_of(world: World) -> Mode:
    return world.state.mode


def given(command: Command, at: int = 1) -> CommandGiven:
    return CommandGiven(command=command, command_id=f"c{at}", actor="op", note="drill")


@pytest.mark.parametrize("link", list(Link))
def test_a_lost_connection_is_named_with_its_cause(link) -> None:
    world = steady()
    world.fold(LinkDown(link=link, reason="reset by peer"))

    mode, reason, clears = shown(world.state)
    assert mode is Mode.RECONCILING
    assert reason == f"{link} connection: reset by peer"
    assert clears == "the connection is back"


def test_the_market_connection_back_needs_no_new_read_but_the_trading_connection_does() -> None:
    world = steady()
    world.fold(LinkDown(link=Link.MARKET, reason="x"))
    world.fold(LinkUp(link=Link.MARKET))
    assert mode_of(world) is Mode.RUN

    world.fold(LinkDown(link=Link.TRADING, reason="x"))
    before_ns = world.now_ns
    world.fold(LinkUp(link=Link.TRADING))
    assert world.state.mode_reason == "the account has not been read since connecting"
    world.fold(ReadFailed(what="account", reason="HTTP 503"))
    assert "(HTTP 503)" in world.state.mode_reason
    world.fold(AccountRead(asked_ns=before_ns))
    assert mode_of(world) is Mode.RECONCILING, "asked before the connection was back"
    world.fold(AccountRead(asked_ns=world.now_ns))
    assert mode_of(world) is Mode.RUN


def test_without_a_balance_there_is_no_trading() -> None:
    world = World()
    world.fold(LinkUp(link=Link.MARKET), LinkUp(link=Link.TRADING))
    world.fold(AccountRead(asked_ns=world.now_ns))

    assert shown(world.state) == (
        Mode.RECONCILING,
        "the BTC balance is not known",
        "a balance report",
    )


def test_a_pause_holds_and_a_resume_ends_it() -> None:
    world = steady()
    world.fold(given(Command.PAUSE))
    assert shown(world.state) == (Mode.HOLD, "paused by op: drill", "a person resumes")
    world.fold(given(Command.RESUME, 2))
    assert mode_of(world) is Mode.RUN
    assert world.state.standing.pause_reason == ""


def test_a_halt_outranks_everything_and_a_lost_line_outranks_a_pause() -> None:
    world = steady()
    world.fold(given(Command.PAUSE), LinkDown(link=Link.TRADING, reason="x"))
    assert mode_of(world) is Mode.RECONCILING
    world.fold(given(Command.HALT, 2))
    assert shown(world.state) == (Mode.HALT, "halted by op: drill", "a person resumes")


def test_a_command_without_a_note_still_names_who_gave_it() -> None:
    world = steady()
    world.fold(CommandGiven(command=Command.HALT, command_id="c", actor="op"))

    assert world.state.mode_reason == "halted by op"


def test_a_pause_of_the_margin_stages_comes_after_all_other_reasons() -> None:
    world = steady()
    world.fold(balance(maintenance_margin=7.5))
    assert mode_of(world) is Mode.DEGRADED
    world.fold(balance(maintenance_margin=9.0))
    assert mode_of(world) is Mode.HOLD
    assert "BTC margin use 90.0%" in world.state.mode_reason
    world.fold(given(Command.PAUSE))
    assert world.state.mode_reason == "paused by op: drill"


def test_an_order_of_an_earlier_run_keeps_the_daemon_from_trading_until_it_is_answered() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    after = World(standing=world.state.standing)
    after.begin({CALL: "-10"})
    after.quotes()
    mode, reason, clears = shown(after.state)

    assert mode is Mode.RECONCILING
    assert reason == f"order {order.order_id} of an earlier run is unknown"
    assert clears == "the venue's answer"
    after.now_ns += 61 * 10**9
    after.fold()
    after.quotes()
    assert after.state.mode is Mode.HOLD
    assert "cannot be proved" in after.state.mode_reason


def rejected(world: World, count: int) -> None:
    for _ in range(100):
        world.quotes(after_ms=500)
        for order in world.orders():
            world.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no funds"))
            count -= 1
        if not count:
            return
    raise AssertionError("fewer orders were sent than were to be rejected")


def test_rejections_in_a_row_stop_trading_until_a_person_resumes() -> None:
    world = World(policy(safety=replace(POLICY, rejects_max=3)))
    world.begin({CALL: "-10"})
    rejected(world, 3)
    world.quotes()
    assert mode_of(world) is Mode.HOLD
    assert "3 orders in a row were rejected" in world.state.mode_reason

    world.fold(given(Command.RESUME))
    world.quotes()
    assert mode_of(world) is Mode.RUN, "what was forgiven does not count again"
    rejected(world, 2)
    world.quotes()
    assert mode_of(world) is Mode.RUN
    rejected(world, 1)
    world.quotes()
    assert mode_of(world) is Mode.HOLD


def test_a_fill_between_rejections_breaks_their_row() -> None:
    world = World(policy(safety=replace(POLICY, rejects_max=3)))
    world.begin({CALL: "-10"})
    rejected(world, 2)
    while not world.orders():
        world.quotes(after_ms=500)
    world.settle(world.orders()[0])
    world.quotes(105_000.0, after_ms=500)
    (order,) = world.orders()
    world.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no funds"))
    world.quotes(105_000.0, after_ms=500)

    assert mode_of(world) is Mode.RUN


@pytest.mark.parametrize("side", ["bid", "ask", "mark", "index_usd"])
def test_no_order_is_priced_on_half_a_quote(side) -> None:
    found = safety.quote_trouble(replace(quote(PERP), **{side: None}), 0.005, POLICY)  # type: ignore[arg-type]

    assert found == "BTC-PERPETUAL has no two-sided quote"


@pytest.mark.parametrize(
    ("bid", "ask", "wide"), [(99_750, 100_250, False), (99_740, 100_260, True)]
)
def test_a_spread_over_its_limit_refuses(bid, ask, wide) -> None:
    found = safety.quote_trouble(quote(PERP, bid=float(bid), ask=float(ask)), 0.005, POLICY)

    assert (found is not None) is wide
    assert not wide or "spread 0.520% of BTC-PERPETUAL is over 0.500%" in (found or "")


@pytest.mark.parametrize(
    ("index", "apart"), [(98_100.0, False), (97_900.0, True), (102_000.0, False), (102_100.0, True)]
)
def test_a_mark_far_from_the_index_refuses_in_both_directions(index, apart) -> None:
    found = safety.quote_trouble(quote(PERP, index_usd=index), 0.005, POLICY)

    assert (found is not None) is apart


def test_orders_of_the_last_market_minute_are_counted() -> None:
    world = World(policy(safety=replace(POLICY, orders_per_minute_max=2)))
    world.begin({CALL: "-10"})
    price, sent = 100_000.0, []
    for _ in range(70):
        price += 600.0
        world.quotes(price, after_ms=1_000)
        sent += [world.now_ms] * len(world.orders())
        for order in world.orders():
            world.settle(order)
        if sent[2:]:
            break

    assert sent[1] - sent[0] < 10_000
    assert sent[2] - sent[0] >= 60_000, "the third waited until the first was a minute old"
    assert "safety" in world.state.counts.refusals


def test_positions_that_differ_at_start_name_themselves_and_their_cure() -> None:
    world = World()
    step = world.begin({CALL: "-10"})

    assert shown(step.state) == (
        Mode.RECONCILING,
        f"{CALL}: -10 at the venue, 0 here",
        f"a good quote of {CALL}",
    )
    world.fold(positions({CALL: "-10"}), quote(CALL, arrived_ns=world.now_ns))
    assert mode_of(world) is Mode.RUN


@pytest.mark.parametrize("limit", [CLOSED_ORDERS_KEPT, 1_000])
def test_a_limit_beyond_what_is_remembered_still_limits(limit) -> None:
    world = steady()
    orders = {
        f"dbt1a2{at:07d}": Order(
            order_id=f"dbt1a2{at:07d}",
            instrument=PERP,
            size_native=Decimal(10),
            limit=Decimal(1),
            shares=(),
            requested_ms=world.now_ms,
            requested_ns=world.now_ns,
            valid_until_ms=world.now_ms,
            status=OrderStatus.CLOSED,
            outcome=Outcome.REJECTED,
        )
        for at in range(CLOSED_ORDERS_KEPT)
    }
    known = replace(world.state.standing, orders=orders, order_counter=CLOSED_ORDERS_KEPT)
    state = replace(world.state, standing=known)
    rules = replace(POLICY, orders_per_minute_max=limit, rejects_max=limit)

    assert f"{CLOSED_ORDERS_KEPT} orders in a row" in (
        modes.judge_mode(state, rules, ("BTC",), None).reason
    )


def test_orders_of_a_market_that_began_anew_do_not_count_in_the_last_minute() -> None:
    rules = policy(safety=replace(POLICY, orders_per_minute_max=1))
    world = World(rules)
    world.begin({CALL: "-10"})
    world.now_ns += 10**13
    world.fold(LinkUp(link=Link.MARKET), balance(arrived_ns=world.now_ns))
    world.quotes()
    (order,) = world.orders()
    world.fold(order_seen(order.order_id, VenueStatus.CANCELLED))
    assert safety.rate_trouble(world.state, rules.safety) is not None

    after = World(rules, standing=world.state.standing)
    after.begin({CALL: "-10"})
    after.quotes()
    assert len(after.orders()) == 1
