"""A person orders to flatten: hedges are closed, nothing else is sent, then it is halted."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from bot.core import codec, units
from bot.core.actions import Alert
from bot.core.dealing import BookPlan
from bot.core.events import Command, CommandGiven, OrderRejected, OrderUnknown, VenueStatus
from bot.core.hedger import Code, Verdict
from bot.core.orders import OrderStatus
from bot.core.safety import SafetyPolicy
from bot.core.standing import Standing, with_order
from bot.core.state import Mode
from bot.core.tally import Spree
from tests.builders import (
    CALL,
    PERP,
    World,
    balance,
    book,
    fill,
    order_seen,
    policy,
    positions,
    quote,
)

SAFETY = SafetyPolicy(order_max_usd=200_000.0, hedge_max_usd=1_000.0, turnover_per_hour_max_usd=1e9)


def given(command: Command, at: int = 1, note: str = "drill") -> CommandGiven:
    return CommandGiven(command=command, command_id=f"c{at}", actor="op", note=note)


def hedged(
    size: str = "287160", *plans: BookPlan, safety: SafetyPolicy = SAFETY, held: str = "-10"
) -> World:
    """An account whose book is hedged, in a band too wide to trade."""
    wide = plans or (book(band_low_coin=-1e6, band_high_coin=1e6),)
    world = World(policy(*wide, safety=safety))
    world.begin({CALL: held, PERP: size})
    world.quotes()
    assert mode_of(world) is Mode.RUN
    assert world.orders() == []
    return world


def mode_of(world: World) -> Mode:
    return world.state.mode


def flattened(world: World, times: int = 10) -> list[Decimal]:
    """Let the venue fill every clip; return their sizes."""
    sizes = []
    for _ in range(times):
        for order in world.orders():
            assert order.reduce_only
            sizes.append(order.size_native)
            world.settle(order)
        if not world.orders():
            world.quotes()
        if mode_of(world) is Mode.HALT:
            break
    return sizes


def test_hedges_are_closed_in_clips_and_then_it_halts_and_says_what_is_left_open() -> None:
    world = hedged()
    step = world.fold(given(Command.FLATTEN))
    assert mode_of(world) is Mode.DEGRADED
    assert step.verdicts["main"].code is Code.FLATTEN
    (order,) = world.orders()
    assert (order.size_native, order.reduce_only) == (Decimal(-100_000), True), "half while careful"

    assert flattened(world) == [Decimal(-100_000), Decimal(-100_000), Decimal(-87_160)]
    assert mode_of(world) is Mode.HALT
    assert world.state.standing.positions == {CALL: Decimal(-10)}, "options are left alone"
    reason = world.state.mode_reason
    assert reason.startswith("flattened by op: drill; delta left open: main -2.87"), reason
    assert world.state.standing.flatten_reason == ""
    world.quotes(110_000.0)
    assert world.orders() == [], "halted is halted"


def test_flattening_goes_on_after_a_restart() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN))
    world.settle(world.orders()[0])
    known = codec.loads(codec.dumps(world.state.standing))
    assert isinstance(known, Standing)
    after = World(world.policy, standing=known)
    after.begin({CALL: "-10", PERP: str(known.positions[PERP])})
    (open_id,) = [one.order_id for one in known.orders.values() if not one.is_quiet]
    after.fold(order_seen(open_id, VenueStatus.CANCELLED))
    after.quotes()

    assert after.state.mode_reason == "flattening by op: drill"
    assert after.orders()[0].size_native < 0


def test_a_short_hedge_is_bought_back() -> None:
    world = hedged("-50000", held="-0.1")
    world.fold(given(Command.FLATTEN))

    assert flattened(world) == [Decimal(50_000)]


def test_a_halt_ends_a_flatten_and_a_pause_only_stays_it() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN), given(Command.PAUSE, 2))
    assert (mode_of(world), world.orders()) == (Mode.HOLD, [])
    world.fold(given(Command.RESUME, 3))
    assert len(world.orders()) == 1, "it goes on"
    world.settle(world.orders()[0])
    world.fold(given(Command.HALT, 4))
    assert (mode_of(world), world.orders()) == (Mode.HALT, [])
    world.fold(given(Command.RESUME, 5))
    assert world.state.standing.flatten_reason == ""
    assert mode_of(world) is not Mode.HALT


def test_a_flatten_while_halted_waits_for_a_resume_and_says_so() -> None:
    world = hedged()
    world.fold(given(Command.HALT))
    step = world.fold(given(Command.FLATTEN, 2))
    assert world.orders() == []
    (told,) = [one for one in step.actions if isinstance(one, Alert)]
    assert told.text == "flatten by op waits for a resume: halted by op: drill"
    world.fold(given(Command.RESUME, 3))
    assert world.state.mode_reason == "flattening by op: drill"


def test_a_resume_calls_no_flatten_off_and_says_so() -> None:
    """Who types it has seen a hold that may be gone by now."""
    world = hedged()
    world.fold(given(Command.FLATTEN))
    world.settle(world.orders()[0])
    for order in world.orders():
        world.settle(order)
    step = world.fold(given(Command.RESUME, 2))

    assert world.state.standing.flatten_reason == "flattening by op: drill"
    told = [one.text for one in step.actions if isinstance(one, Alert)]
    words = "resumed by op, and goes on flattening by op: drill: only `halt` calls it off"
    assert words in told
    assert world.state.mode_clears == "no hedge is held, which halts; `halt` calls it off"


def test_a_halt_and_then_a_resume_call_a_flatten_off() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN))
    world.settle(world.orders()[0])
    world.fold(given(Command.HALT, 2))
    for order in world.orders():
        world.settle(order)
    step = world.fold(given(Command.RESUME, 3))

    assert world.state.standing.flatten_reason == ""
    assert not [one for one in step.actions if isinstance(one, Alert) and "goes on" in one.text]


def test_a_resume_after_rejections_lets_the_flatten_go_on_until_nothing_is_held() -> None:
    world = hedged(safety=replace(SAFETY, rejects_max=3))
    world.fold(given(Command.FLATTEN))
    for _ in range(40):
        for order in world.orders():
            world.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no"))
        world.quotes(after_ms=500)
    assert mode_of(world) is Mode.HOLD
    world.fold(given(Command.RESUME, 2, "the venue lets us again"))

    assert flattened(world) == [Decimal(-100_000), Decimal(-100_000), Decimal(-87_160)]
    assert mode_of(world) is Mode.HALT
    assert PERP not in world.state.standing.positions


@pytest.mark.parametrize("status", [OrderStatus.UNPROVABLE, OrderStatus.UNKNOWN])
def test_a_resume_past_a_clip_in_doubt_goes_on_closing(status: OrderStatus) -> None:
    """Who clears what stands in the way has not said that the hedge is to come back."""
    world = hedged()
    world.fold(given(Command.FLATTEN))
    (sent,) = world.orders()
    known = world.state.standing
    clip = replace(known.orders[sent.order_id], status=status)
    world.state = replace(world.state, standing=with_order(known, clip))
    world.fold(given(Command.RESUME, 2))

    assert world.state.standing.flatten_reason


def test_a_resume_past_orders_that_repeat_goes_on_closing() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN))
    world.settle(world.orders()[0])
    known = world.state.standing
    spree = replace(known.sprees.get(PERP, Spree()), stuck="ten orders brought delta no nearer")
    world.state = replace(world.state, standing=replace(known, sprees={PERP: spree}))
    world.fold(given(Command.RESUME, 2))

    assert world.state.standing.flatten_reason


def test_an_unknown_clip_is_never_sent_again_while_it_is_unknown() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN))
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    step = world.quotes()
    assert world.orders() == []
    assert f"order {order.order_id} is unknown" in step.verdicts["main"].reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mark": 95_000.0, "index_usd": 100_000.0}, "from the index"),
        ({"bid": 90_000.0}, "spread"),
    ],
)
def test_quotes_hold_for_a_flatten_too(change, words) -> None:
    world = hedged()
    arrived = world.now_ns
    step = world.fold(given(Command.FLATTEN), quote(PERP, arrived_ns=arrived, **change))

    assert world.orders() == []
    assert step.verdicts["main"].verdict is Verdict.REFUSED
    assert words in step.verdicts["main"].reason


def test_a_stale_quote_closes_nothing() -> None:
    world = hedged()
    step = world.fold(given(Command.FLATTEN), after_ms=10_000)

    assert world.orders() == []
    assert "last good quote" in step.verdicts["main"].reason


def test_rejected_clips_rest_and_in_the_end_hold() -> None:
    world = hedged(safety=replace(SAFETY, rejects_max=3))
    world.fold(given(Command.FLATTEN))
    sent = 0
    for _ in range(40):
        for order in world.orders():
            sent += 1
            world.fold(OrderRejected(order_id=order.order_id, code=10009, reason="no"))
        world.quotes(after_ms=500)
    assert sent == 3
    assert mode_of(world) is Mode.HOLD


def test_clips_that_meet_an_empty_book_rest_for_longer_each_time_and_say_so() -> None:
    """Prices are shown, and nobody stands behind them: the venue is not knocked at all the time."""
    world = hedged()
    world.fold(given(Command.FLATTEN))
    sent_ns: list[int] = []
    said = set()
    while world.now_ns < 30 * units.NS_PER_SECOND:
        for order in world.orders():
            sent_ns.append(world.now_ns)
            size = str(order.size_native)
            world.fold(order_seen(order.order_id, VenueStatus.CANCELLED, size=size, filled="0"))
        if not world.orders():
            said.add(world.quotes().verdicts["main"].reason.partition("; ")[2])
    rests_s = [(after - before) / units.NS_PER_SECOND for before, after in pairwise(sent_ns)]
    assert rests_s[1:4] == pytest.approx([1.0, 2.0, 4.0], abs=0.3)
    assert min(rests_s[3:]) >= 4.0
    assert "the last 4 orders ended unfilled" in said


def test_margin_and_the_limits_on_hedges_do_not_hold_a_flatten_back() -> None:
    world = hedged()
    world.fold(given(Command.FLATTEN), balance(maintenance_margin=9.0, arrived_ns=world.now_ns))

    assert len(world.orders()) == 1


def test_every_clip_says_what_closing_all_of_the_hedge_does_to_margin() -> None:
    """The hedge lowers the stressed use of a short option, and a person takes it away."""
    world = hedged()
    step = world.fold(given(Command.FLATTEN))
    made = step.verdicts["main"]
    (order,) = world.orders()

    assert order.size_native == -100_000, "and it keeps nothing back"
    assert made.numbers["stressed_u_after"] > made.numbers["stressed_u_before"]
    shown = f"to {made.numbers['stressed_u_after']:.1%}"
    assert "closing all of it takes u from" in made.reason
    assert shown in made.reason


def test_a_flatten_whose_margin_cannot_be_reckoned_goes_and_says_so() -> None:
    world = hedged()
    arrived = world.now_ns + 40_000_000_000
    step = world.fold(given(Command.FLATTEN), quote(PERP, arrived_ns=arrived), after_ms=40_000)

    assert len(world.orders()) == 1
    assert "not asked of margin (no margin projection: " in step.verdicts["main"].reason


def test_books_give_up_what_they_hold_and_what_is_shared_crosses() -> None:
    plans = [book(name, band_low_coin=-1e6, band_high_coin=1e6) for name in ("one", "two")]
    world = hedged("100000", *plans)
    known = world.state.standing
    split = {"one": {PERP: Decimal(150_000)}, "two": {PERP: Decimal(-50_000)}}
    world.state = replace(world.state, standing=replace(known, holdings=split))
    world.fold(given(Command.FLATTEN))
    flattened(world)

    held = world.state.standing.holdings
    assert {name: sizes[PERP] for name, sizes in held.items()} == {"one": 0, "two": 0}


def test_a_hedge_of_others_that_appears_while_flattening_is_closed_too() -> None:
    world = hedged("0")
    told = positions({PERP: "30000"}, complete=False, asked_ns=None, arrived_ns=world.now_ns + 10)
    world.fold(fill("", size="30000"), told, given(Command.FLATTEN))
    sizes = flattened(world)

    assert sizes == [Decimal(-30_000)]
    assert mode_of(world) is Mode.HALT
