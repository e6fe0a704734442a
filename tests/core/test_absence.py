"""A position that one report leaves out is not gone yet: lists are cut short."""

from decimal import Decimal
from itertools import permutations

from bot.core import codec
from tests.builders import CALL, PERP, PUT, World
from tests.core.test_reconcile import answered, steady


def test_a_list_of_positions_that_was_cut_short_once_is_not_a_flat_account() -> None:
    world = steady({CALL: "-10", PERP: "100"})
    answered(world, {}, world.now_ns)
    assert world.state.standing.positions == {CALL: Decimal(-10), PERP: Decimal(100)}
    world.fold(after_ms=1_100)
    answered(world, {CALL: "-10", PERP: "100"}, world.now_ns)
    world.fold(after_ms=1_100)
    answered(world, {CALL: "-10"}, world.now_ns)
    assert world.state.standing.positions == {CALL: Decimal(-10), PERP: Decimal(100)}


def test_one_empty_report_heard_twice_is_one_report() -> None:
    world = steady({CALL: "-10"})
    asked_ns = world.now_ns
    answered(world, {}, asked_ns)
    answered(world, {}, asked_ns)
    assert world.state.standing.positions == {CALL: Decimal(-10)}


def test_in_whatever_order_a_report_names_positions_the_same_is_adopted() -> None:
    held = {CALL: "-4", PERP: "2500", PUT: "3"}
    ends = set()
    for names in permutations(held):
        world = steady({CALL: "-10"})
        answered(world, {name: held[name] for name in names}, world.now_ns)
        step = world.quotes()
        assert world.state.standing.positions == {CALL: -4, PERP: 2_500, PUT: 3}
        ends.add((codec.digest(world.state.standing), codec.digest(step.notes)))

    assert len(ends) == 1


def test_what_a_report_leaves_out_has_one_order_in_every_process() -> None:
    names = [f"BTC-4FEB26-{strike}000-C" for strike in range(130, 110, -1)]
    world = steady(dict.fromkeys(names, "-1"))
    fresh = World(standing=world.state.standing)
    fresh.begin({})
    assert list(fresh.state.reported) == sorted(names)
