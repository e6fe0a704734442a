"""What limits count, what they refuse in which words, what clears them, what a restart keeps."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import codec, engine, hedger, limits, tally, units
from bot.core.actions import Alert, Severity
from bot.core.events import (
    Command,
    CommandGiven,
    InstrumentsSeen,
    VenueStatus,
)
from bot.core.pace import FEES, TURNOVER
from bot.core.safety import SafetyPolicy
from bot.core.standing import Standing
from bot.core.state import Mode
from bot.core.tally import DAY, HOUR, NOTHING
from tests.builders import (
    CALL,
    PERP,
    START_MS,
    World,
    book,
    fill,
    order_seen,
    perp,
    policy,
    quote,
)
from tests.core.limited import made, mode_of, settled, told


def restarted(world: World) -> World:
    """The daemon of the same ledger, started again at the same moment."""
    known = codec.loads(codec.dumps(world.state.standing))
    assert isinstance(known, Standing)
    after = World(world.policy, standing=known)
    after.now_ns = world.now_ns
    after.state = engine.begin(known, world.now_ms, world.now_ns)
    after.begin({name: str(size) for name, size in known.positions.items()})
    return after


def resume(at: int = 1) -> CommandGiven:
    return CommandGiven(command=Command.RESUME, command_id=f"r{at}", actor="op", note="looked")


def test_a_sum_counts_a_little_longer_than_its_span_and_then_forgets() -> None:
    one = tally.added(NOTHING, 5.0, HOUR, START_MS + 299_999)
    for late_ms, kept in ((0, 5.0), (3_600_000, 5.0), (3_899_999, 5.0), (3_900_000, 0.0)):
        assert tally.total(one, HOUR, START_MS + late_ms) == kept
    assert tally.falls_ms(one, HOUR, START_MS) == START_MS + 3_900_000
    many = NOTHING
    for at in range(2_000):
        many = tally.added(many, 1.0, HOUR, START_MS + at * 60_000)
    assert len(many.buckets) <= 14, "what no longer counts is not kept"
    assert tally.total(many, HOUR, START_MS + 1_999 * 60_000) == 65.0


def test_turnover_trims_then_holds_survives_a_restart_and_clears_after_the_hour() -> None:
    world = made(turnover_per_hour_max_usd=200_000.0, order_max_usd=150_000.0)
    told(world)
    assert [one.size_native for one in world.orders()] == [Decimal(150_000)]
    step = world.settle(world.orders()[0])
    assert [one.size_native for one in world.orders()] == [Decimal(50_000)]
    assert "turnover of 150,000 USD in the last hour, limit 200,000" in step.verdicts["main"].reason
    world.settle(world.orders()[0])
    told(world)
    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason == "turnover of 200,000 USD in the last hour, limit 200,000"
    assert world.state.mode_clears == "the sum falls below 200,000, or a person resumes"

    after = restarted(world)
    told(after)
    assert (mode_of(after), after.orders()) == (Mode.HOLD, [])
    told(after, after_ms=65 * units.MS_PER_MINUTE)
    assert mode_of(after) is Mode.RUN


def test_orders_in_flight_count_as_if_they_were_filled() -> None:
    other, plan = "BTC-OTHER", book("other")
    rules = policy(
        book(),
        replace(plan, book=replace(plan.book, hedge_instrument=other)),
        safety=replace(SafetyPolicy(), turnover_per_hour_max_usd=300_000.0),
    )
    world = World(rules)
    world.begin({CALL: "-10"})
    world.fold(InstrumentsSeen(instruments=(perp(name=other),)))
    at = world.now_ns + 100 * units.NS_PER_MS
    prices = {"bid": 99_999.5, "ask": 100_000.5, "mark": 100_000.0}
    world.quotes(100_000.0, quote(other, arrived_ns=at, **prices))
    sizes = [order.size_native for order in world.orders()]
    assert sizes == [Decimal(287_160), Decimal(12_840)]


def test_a_resume_forgives_a_sum_that_is_at_its_limit_and_no_other() -> None:
    world = made(turnover_per_hour_max_usd=150_000.0, order_max_usd=150_000.0)
    told(world)
    settled(world)
    told(world)
    assert mode_of(world) is Mode.HOLD
    world.fold(resume())
    assert mode_of(world) is Mode.RUN
    known = world.state.standing.tallies
    assert TURNOVER not in known
    assert tally.total(known[FEES], DAY, world.now_ms) == pytest.approx(75.0)


def test_a_rehearsal_whose_market_begins_anew_is_not_held_by_what_was_traded_in_another() -> None:
    world = made(turnover_per_hour_max_usd=150_000.0, order_max_usd=150_000.0)
    told(world, after_ms=3 * units.MS_PER_HOUR)
    settled(world)
    after = World(world.policy, standing=world.state.standing)
    after.begin({CALL: "-10", PERP: "150000"})
    told(after)
    assert mode_of(after) is Mode.RUN
    assert after.state.standing.tallies == {}


def test_fees_of_a_day_are_counted_in_dollars_with_those_of_the_order_to_be() -> None:
    world = made(fees_per_day_max_usd=100.0)
    reason = told(world)
    assert [one.size_native for one in world.orders()] == [Decimal(200_000)]
    assert "fees of 0.00 USD in the last day, limit 100.00" in reason
    settled(world)
    told(world)
    assert world.state.mode_reason == "fees of 100.00 USD in the last day, limit 100.00"
    assert mode_of(restarted(world)) is not Mode.RUN


def test_a_fill_that_comes_before_its_instrument_is_listed_counts_once_it_is() -> None:
    """A restart: what was traded while nobody was there is told before the list of instruments."""
    world = made()
    told(world)
    (order,) = world.orders()
    after = World(world.policy, standing=world.state.standing)
    after.fold(fill(order.order_id, size="150000"))
    assert TURNOVER not in after.state.standing.tallies, "nothing is guessed"
    again = restarted(after)
    for _ in range(2):
        counted = again.state.standing.tallies[TURNOVER]
        assert tally.total(counted, HOUR, again.now_ms) == 150_000.0
        again.fold()
    assert again.state.standing.uncounted == ()


def test_fills_of_others_count_for_nothing() -> None:
    world = made(wide=True, turnover_per_hour_max_usd=150_000.0)
    told(world)
    world.fold(fill("by-hand", size="900000"))
    told(world)
    assert world.state.standing.tallies == {}


def test_buying_and_selling_in_turn_holds_after_so_many_changes() -> None:
    world = made(reversals_per_hour_max=2)
    for price in (100_000.0, 96_000.0, 104_000.0, 97_000.0):
        told(world, price, after_ms=10_000)
        settled(world)
    told(world, 97_000.0)
    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason == f"{PERP}: changed direction 2 times in the last hour, limit 2"
    assert world.state.mode_clears == "they fall below 2, or a person resumes"
    after = restarted(world)
    told(after, 97_000.0)
    assert mode_of(after) is Mode.HOLD


def test_orders_that_do_not_bring_delta_nearer_hold_until_a_person_resumes() -> None:
    """As at Knight: fills that are not counted where the next order is decided."""
    world = made(order_max_usd=20_000.0, repeats_max=3, orders_per_minute_max=100)
    told(world)
    waiting = world.orders()
    for at in range(12):
        for order in waiting:
            size = str(order.size_native)
            world.fold(
                fill(order.order_id, size=size, trade_id=f"T{at}"),
                order_seen(order.order_id, VenueStatus.FILLED, size=size, filled=size),
            )
            known = world.state.standing  # the planted fault: positions forget the fill
            lost = replace(known, positions={CALL: Decimal(-10)}, holdings={})
            world.state = replace(world.state, standing=lost)
        waiting = world.orders()
        if not waiting:
            told(world)
            waiting = world.orders()
    spree = world.state.standing.sprees[PERP]
    assert mode_of(world) is Mode.HOLD
    assert "3 orders one way in" in spree.stuck
    assert world.state.mode_reason == f"{PERP}: {spree.stuck}"
    assert spree.executed_native <= Decimal(80_000)
    after = restarted(world)
    told(after)
    assert (mode_of(after), after.orders()) == (Mode.HOLD, [])
    after.fold(resume())
    told(after)
    assert mode_of(after) is Mode.RUN


def test_an_order_that_was_filled_beyond_its_size_holds() -> None:
    world = made(order_max_usd=20_000.0)
    told(world)
    (order,) = world.orders()
    world.fold(fill(order.order_id, size="20010"))
    assert mode_of(world) in (Mode.HOLD, Mode.HALT)
    stuck = f"order {order.order_id} was filled 20010 of 20000"
    assert world.state.standing.sprees[PERP].stuck == stuck


def test_clips_of_a_large_hedge_are_no_repetition() -> None:
    world = made(order_max_usd=20_000.0, repeats_max=3, orders_per_minute_max=100)
    told(world)
    settled(world)
    told(world)
    assert mode_of(world) is Mode.RUN
    assert world.state.standing.sprees[PERP].tries == ()


def test_a_sizing_fault_opens_no_naked_position(monkeypatch) -> None:
    def wrong(native: float, hedge: object) -> Decimal:
        del hedge
        return Decimal(round(native * 10 / 10)) * 10

    monkeypatch.setattr(hedger, "_sized", wrong)
    world = made(hedge_unbacked_max_usd=0.0, hedge_over_options_max=0.1, order_max_usd=1e9)
    reason = told(world)
    (order,) = world.orders()
    need_usd = 287_160
    assert abs(float(order.size_native) - need_usd * 1.1) < 20
    assert "a hedge is at most 110% of it" in reason


def test_all_hedges_together_stay_below_their_limit_and_may_always_shrink() -> None:
    world = made(hedge_max_usd=100_000.0)
    assert "hedges are at most 100,000 USD together" in told(world)
    assert [one.size_native for one in world.orders()] == [Decimal(100_000)]
    settled(world)
    assert "hedges are at most 100,000 USD together, held are 100,000" in told(world)
    assert world.orders() == []

    over = made(hedge_max_usd=100_000.0)
    over.fold(fill("", size="900000"))
    told(over)
    assert over.orders()[0].size_native < 0


def test_a_limit_that_a_new_configuration_widens_is_told_once_with_both_numbers() -> None:
    world = made(wide=True)
    told(world)
    rules = replace(
        world.policy,
        safety=replace(world.policy.safety, order_max_usd=900_000.0, collar_max=0.01),
    )
    after = World(rules, standing=world.state.standing)
    step = after.fold()
    alerts = [(one.severity, one.text) for one in step.actions if isinstance(one, Alert)]
    assert alerts == [
        (Severity.INFO, "limit changed: safety.collar_max_percent 3 -> 1 (narrower)"),
        (Severity.WARNING, "limit changed: safety.order_max_usd 500000 -> 900000 (wider)"),
    ]
    assert step.state.standing.limits["safety.order_max_usd"] == 900_000.0
    assert not [one for one in after.fold().actions if isinstance(one, Alert)]


@pytest.mark.parametrize("of", ["safety.delta_gap_skew", "margin.gap_skew"])
def test_comparing_fewer_figures_with_the_venue_s_allows_more(of: str) -> None:
    """Nothing is compared any more: once that was told as a limit that had become narrower."""
    key = f"{of}_max_seconds"
    ((text, wider),) = limits.changed({key: 2.0}, {key: 0.01})

    assert wider
    assert text == f"{key} 2 -> 0.01 (wider)"


def test_a_limit_that_a_new_configuration_takes_away_or_sets_is_told_as_well() -> None:
    """The stressed stage of reduce-only, never reached any more: once nobody heard of it."""
    world = made(wide=True)
    told(world)
    gate = replace(world.policy.gate, stressed_reduce_only=None, stressed_hold=1.5)
    after = World(replace(world.policy, gate=gate), standing=world.state.standing)
    alerts = [(one.severity, one.text) for one in after.fold().actions if isinstance(one, Alert)]
    assert alerts == [
        (Severity.INFO, "limit changed: margin.stressed_hold_percent none -> 150 (narrower)"),
        (
            Severity.WARNING,
            "limit changed: margin.stressed_reduce_only_percent 100 -> none (wider)",
        ),
    ]


def test_a_resume_without_a_reason_is_refused_with_words_and_changes_nothing() -> None:
    world = made(wide=True)
    told(world)
    halt = CommandGiven(command=Command.HALT, command_id="h", actor="op", note="drill")
    world.fold(halt)
    step = world.fold(CommandGiven(command=Command.RESUME, command_id="r", actor="op", note="  "))
    assert mode_of(world) is Mode.HALT
    assert (
        Alert(severity=Severity.WARNING, text="resume by op was refused: it needs a reason")
        in step.actions
    )
    world.fold(resume(2))
    assert mode_of(world) is not Mode.HALT


def test_a_ledger_of_a_version_without_these_counts_still_opens() -> None:
    text = codec.dumps(engine.fresh_standing("t1a2", START_MS)).decode()
    new = ("flatten_reason", "tallies", "sprees", "worths", "limits")
    old = json.loads(text)
    for name in new:
        del old[name]
    assert codec.loads(json.dumps(old)) == engine.fresh_standing("t1a2", START_MS)
