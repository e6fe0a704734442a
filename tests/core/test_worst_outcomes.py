"""What orders in flight may come to, and positions that moved further than anybody explains."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import codec, standing
from bot.core.actions import Alert, Severity
from bot.core.dealing import BookPlan
from bot.core.engine import Step
from bot.core.events import AccountRead, Command, CommandGiven
from bot.core.exposure import Exposure
from bot.core.fills import allocated
from bot.core.orders import Order, OrderStatus, Share
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from bot.quant.conventions import Convention
from tests.builders import CALL, PERP, PUT, World, book, fill, policy, positions
from tests.core.order_truth import ID, order_of, requested

DECAY = 1e-6  # of delta in a fraction of a second
RESUME = CommandGiven(command=Command.RESUME, command_id="r", actor="op", note="looked")


def valued(step: Step, name: str) -> Exposure:
    exposure = step.exposures[name]
    assert isinstance(exposure, Exposure)
    return exposure


@pytest.mark.parametrize("status", [OrderStatus.WORKING, OrderStatus.UNKNOWN])
def test_whatever_an_order_comes_to_the_delta_of_every_book_stays_in_its_interval(status) -> None:
    rules = policy(book("one", band_low_coin=-1e6, band_high_coin=1e6), book("two"))
    world = World(rules)
    world.begin({CALL: "-10"})
    world.quotes()
    order = replace(
        order_of(requested(Decimal(60_000))),
        status=status,
        shares=(
            Share(book="one", size_native=Decimal(100_000)),
            Share(book="two", size_native=Decimal(-40_000)),
        ),
    )
    known = standing.with_order(world.state.standing, order)
    world.state = replace(world.state, standing=known)
    step = world.quotes()
    bounds = {name: valued(step, name) for name in ("one", "two")}
    for done in range(0, 60_001, 6_000):
        outcome = World(rules, standing=known)
        outcome.begin({CALL: "-10"})
        if done:
            outcome.fold(fill(ID, size=str(done)))
        step = outcome.quotes()
        for name, bound in bounds.items():
            delta = valued(step, name).delta_coin
            assert bound.delta_low_coin - DECAY <= delta <= bound.delta_high_coin + DECAY, done
    assert all(b.delta_high_coin - b.delta_low_coin > 0.3 for b in bounds.values())


def buying_back(option: str, size: str, status: OrderStatus) -> Order:
    order = order_of(requested(Decimal(size)))
    return replace(order, instrument=option, status=status, shares=(), reason="timeout")


@pytest.mark.parametrize("convention", [Convention.COIN, Convention.USD, Convention.BOOK])
@pytest.mark.parametrize("option", [CALL, PUT])
@pytest.mark.parametrize("status", [OrderStatus.WORKING, OrderStatus.UNKNOWN])
def test_whatever_becomes_of_an_option_bought_back_the_delta_stays_in_its_interval(
    convention: Convention, option: str, status: OrderStatus
) -> None:
    rules = policy(book(convention=convention, band_low_coin=-1e6, band_high_coin=1e6))
    held = {CALL: "-10", PUT: "-10"}
    world = World(rules)
    world.begin(held)
    world.quotes()
    order = buying_back(option, "4", status)
    known = standing.with_order(world.state.standing, order)
    world.state = replace(world.state, standing=known)
    bound = valued(world.quotes(), "main")
    found = []
    for done in range(5):
        outcome = World(rules)
        outcome.begin(held | {option: str(done - 10)})
        found.append(valued(outcome.quotes(), "main").delta_coin)
        assert bound.delta_low_coin - DECAY <= found[-1] <= bound.delta_high_coin + DECAY, done
    wide = bound.delta_high_coin - bound.delta_low_coin
    assert wide == pytest.approx(max(found) - min(found), rel=1e-3), "and it is no wider than that"
    assert wide > 0.5


def test_an_option_bought_back_widens_only_the_books_that_hold_it() -> None:
    rules = policy(book("one", band_low_coin=-1e6, band_high_coin=1e6), apart("two"))
    world = World(rules)
    world.begin({CALL: "-10", PUT: "-10"})
    world.quotes()
    order = buying_back(CALL, "4", OrderStatus.UNKNOWN)
    known = standing.with_order(world.state.standing, order)
    world.state = replace(world.state, standing=known)
    step = world.quotes()

    one, two = valued(step, "one"), valued(step, "two")
    assert one.delta_high_coin - one.delta_coin > 1.0
    assert two.delta_low_coin == two.delta_coin == two.delta_high_coin


def apart(name: str) -> BookPlan:
    """A book without the call."""
    plan = book(name, band_low_coin=-1e6, band_high_coin=1e6)
    selector = replace(plan.book.selector, exclude=frozenset({CALL}))
    return replace(plan, book=replace(plan.book, selector=selector))


@pytest.mark.parametrize(("limit", "mode"), [(90_000.0, Mode.HALT), (400_000.0, Mode.RUN)])
def test_an_option_bought_back_whose_fate_is_unknown_halts_where_its_book_may_be_too_far(
    limit: float, mode: Mode
) -> None:
    rules = policy(
        book(band_low_coin=-1e6, band_high_coin=1e6),
        safety=SafetyPolicy(unknown_delta_max_usd=limit, hedge_max_usd=1e9),
    )
    world = World(rules)
    world.begin({CALL: "-10", PERP: "287160"})
    world.quotes()
    order = buying_back(CALL, "4", OrderStatus.UNKNOWN)
    order = replace(order, requested_ns=world.now_ns, unknown_since_ns=world.now_ns)
    known = standing.with_order(world.state.standing, order)
    world.state = replace(world.state, standing=known)
    world.quotes()

    assert world.state.mode is mode, world.state.mode_reason
    if mode is Mode.HALT:
        assert f"by order {ID}, whose fate is unknown: timeout" in world.state.mode_reason


def test_a_fill_is_divided_as_the_order_was_asked_for() -> None:
    shares = (
        Share(book="one", size_native=Decimal(100)),
        Share(book="two", size_native=Decimal(-40)),
    )
    parts = {share.book: share.size_native for share in allocated(Decimal(30), shares)}

    assert parts == {"one": Decimal(50), "two": Decimal(-20)}


# ------------------------------------------------------------------------------ too far to be borne


def unknown(size: int, status: OrderStatus = OrderStatus.UNKNOWN, **limits: float) -> World:
    """A book short 2.87 coins of delta, and an order of unknown fate."""
    wide = book(band_low_coin=-1e6, band_high_coin=1e6)
    world = World(policy(wide, safety=SafetyPolicy(**limits)))  # type: ignore[arg-type]
    world.begin({CALL: "-10"})
    world.quotes()
    in_doubt(world, size, status)
    world.quotes()
    return world


def in_doubt(
    world: World, size: int, status: OrderStatus = OrderStatus.UNKNOWN, order_id: str = ID
) -> None:
    """Put an order of unknown fate among those of a world."""
    share = Share(book="main", size_native=Decimal(size))
    order = replace(
        order_of(requested(Decimal(size))),
        order_id=order_id,
        status=status,
        shares=(share,),
        reason="timeout",
        requested_ns=world.now_ns,
        unknown_since_ns=world.now_ns,
    )
    known = standing.with_order(world.state.standing, order)
    world.state = replace(world.state, standing=known)


def test_an_unknown_order_that_may_have_gone_too_far_halts_and_pages() -> None:
    world = unknown(-100_000, unknown_delta_max_usd=380_000.0)

    assert world.state.mode is Mode.HALT
    assert world.state.mode_reason == (
        "book main may be -3.8716 coin from its target (387,163 USD, limit 380,000) "
        f"by order {ID}, whose fate is unknown: timeout"
    )
    assert world.last is not None
    loud = [a for a in world.last.actions if isinstance(a, Alert) and "may be" in a.text]
    assert [a.severity for a in loud] == [Severity.CRITICAL]


@pytest.mark.parametrize(
    ("size", "limit", "status"),
    [
        (-100_000, 390_000.0, OrderStatus.UNKNOWN),  # within the limit
        (100_000, 100_000.0, OrderStatus.UNKNOWN),  # it can only have brought the book back
        (-100_000, 380_000.0, OrderStatus.REQUESTED),  # its answer is on the way
    ],
)
def test_an_order_that_is_no_new_danger_does_not_halt(size, limit, status) -> None:
    assert unknown(size, status, unknown_delta_max_usd=limit).state.mode is not Mode.HALT


def test_an_order_so_large_that_it_overshoots_counts_on_the_other_side() -> None:
    world = unknown(700_000, unknown_delta_max_usd=400_000.0)

    assert world.state.mode is Mode.HALT
    assert "may be +4.1284 coin from its target" in world.state.mode_reason


@pytest.mark.parametrize(
    ("sizes", "mode"),
    [
        ([-100_000], Mode.DEGRADED),  # closes a part of the hedge, as a person wants it
        ([-287_170], Mode.HALT),  # and this more than the hedge
        ([100_000], Mode.HALT),  # and this adds to it
        ([-150_000, -150_000], Mode.HALT),  # each closes a part, and both turn it over
        ([-150_000, -137_160], Mode.DEGRADED),  # together they close it
    ],
)
def test_closing_orders_in_doubt_do_not_break_a_flatten_off(sizes: list[int], mode: Mode) -> None:
    world = World(
        policy(
            book(band_low_coin=-1e6, band_high_coin=1e6),
            safety=SafetyPolicy(unknown_delta_max_usd=90_000.0, hedge_max_usd=1e9),
        )
    )
    world.begin({CALL: "-10", PERP: "287160"})
    world.quotes()
    world.fold(CommandGiven(command=Command.PAUSE, command_id="p", actor="op", note="drill"))
    for number, size in enumerate(sizes):
        in_doubt(world, size, order_id=f"{ID[:-1]}{number}")
    flatten = replace(world.state.standing, flatten_reason="flattening by op: drill")
    world.state = replace(world.state, standing=replace(flatten, pause_reason=""))
    world.quotes()

    assert world.state.mode is mode, world.state.mode_reason


def test_a_book_without_a_number_is_not_judged_by_it() -> None:
    world = unknown(-100_000, unknown_delta_max_usd=1e9)
    world.policy = replace(world.policy, safety=SafetyPolicy(unknown_delta_max_usd=1.0))
    world.fold(after_ms=60_000)  # every quote is stale
    assert world.state.mode is not Mode.HALT


# ---------------------------------------------------------------------------- a position that jumps


def steady(jump_max_usd: float = 10_000.0) -> World:
    wide = book(band_low_coin=-1e6, band_high_coin=1e6)
    world = World(policy(wide, safety=SafetyPolicy(position_jump_max_usd=jump_max_usd)))
    world.begin({CALL: "-10", PERP: "100000"})
    world.quotes()
    assert world.state.mode is Mode.RUN, "what was there before us is where we start from"
    return world


def moved(world: World, size: str) -> None:
    pushed = positions(
        {PERP: size}, complete=False, asked_ns=None, arrived_ns=world.now_ns + 100_000_000
    )
    world.quotes(100_000.0, pushed)


def read_again(world: World) -> None:
    """Read the account whole, some seconds after the venue may have taken something."""
    world.fold(after_ms=6_000)
    world.fold(AccountRead(asked_ns=world.now_ns))
    world.quotes()


@pytest.mark.parametrize("size", ["110010", "89990"])
def test_a_hedge_that_jumps_is_adopted_and_waits_for_a_person(size) -> None:
    world = steady()
    moved(world, size)

    assert world.state.standing.positions[PERP] == Decimal(size), "the venue is right"
    assert world.state.mode is Mode.HOLD
    assert "10,010 USD, limit 10,000" in world.state.mode_reason
    assert world.last is not None
    severities = {a.severity for a in world.last.actions if isinstance(a, Alert)}
    assert Severity.CRITICAL in severities, "nobody knows of it: it must wake somebody"
    read_again(world)
    assert "10,010 USD, limit 10,000" in world.state.mode_reason, "time does not clear it"
    world.quotes(100_000.0, RESUME)
    assert world.state.mode is not Mode.HOLD


@pytest.mark.parametrize(("size", "mode"), [("110000", Mode.RUN), ("90000", Mode.HOLD)])
def test_a_smaller_change_by_hand_is_adopted_without_a_word_to_wait_for(size, mode) -> None:
    """A hedge that shrank may have been taken by the venue: it waits until the account was read."""
    world = steady()
    moved(world, size)

    assert world.state.mode is mode
    read_again(world)
    assert world.state.mode is Mode.RUN


def test_a_jump_while_the_daemon_was_away_waits_for_a_person_too() -> None:
    before = steady()
    world = World(before.policy, standing=before.state.standing)
    world.begin({CALL: "-10", PERP: "50000"})
    world.quotes()

    assert world.state.mode is Mode.HOLD
    again = World(before.policy, standing=codec.loads(codec.dumps(world.state.standing)))  # type: ignore[arg-type]
    again.begin({CALL: "-10", PERP: "50000"})
    again.quotes()
    assert again.state.mode is Mode.HOLD, "a restart is no confirmation"


def test_our_own_trades_and_options_by_hand_are_no_jump() -> None:
    world = steady()
    world.fold(fill("", size="50000"))
    moved(world, "151000")
    assert not world.state.standing.pause_reason

    pushed = positions({CALL: "-900"}, complete=False, asked_ns=None, arrived_ns=world.now_ns)
    world.quotes(100_000.0, pushed)
    assert world.state.standing.positions[CALL] == Decimal(-900)
    assert not world.state.standing.pause_reason


def test_a_pause_by_a_person_is_not_replaced_by_a_jump() -> None:
    world = steady()
    world.fold(CommandGiven(command=Command.PAUSE, command_id="p", actor="op"))
    moved(world, "5000")

    assert world.state.mode_reason == "paused by op"
