"""A figure is the middle of its rounds, judged by its target and divided by its floor."""

from dataclasses import replace

import pytest

from bot.lab.bench.measures import Measured, machine, ratios

ORDERS = Measured(
    name="orders", unit="per second", rounds=(400.0, 900.0, 600.0), more_is_better=True,
    target=500.0, floor="echo",
)  # fmt: skip
ECHO = Measured(name="echo", unit="per second", rounds=(6_000.0,), more_is_better=True)


@pytest.mark.parametrize(
    ("target", "more_is_better", "met"),
    [
        (500.0, True, True),
        (600.0, True, True),
        (601.0, True, False),
        (601.0, False, True),
        (599.0, False, False),
        (None, True, None),
    ],
)
def test_the_middle_round_is_judged(target, more_is_better, met):
    assert ORDERS.median == 600.0
    assert replace(ORDERS, target=target, more_is_better=more_is_better).is_met is met


def test_a_figure_is_told_beside_the_floor_of_the_same_run_and_no_other():
    assert ratios([ORDERS, ECHO]) == {"orders": 0.1}
    assert ratios([ORDERS]) == {}
    assert ratios([ORDERS, replace(ECHO, rounds=(0.0,))]) == {}


def test_the_machine_is_described():
    told = machine()

    assert told["processor"]
    assert isinstance(told["cores"], int)
