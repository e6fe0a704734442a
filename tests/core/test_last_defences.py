"""What bounds a hedge though a number on its way went wrong: size, money spent, money lost."""

from decimal import Decimal

from bot.core import engine, sizing
from bot.core.dealing import BookPlan
from bot.core.events import Command, CommandGiven
from bot.core.safety import SafetyPolicy, Stop
from bot.core.sizing import Asked, Need
from bot.core.state import Mode
from bot.core.tally import Try
from tests.builders import CALL, PERP, World, balance, perp, policy

WIDE = SafetyPolicy(order_max_usd=1e9)
OWN_USD = 287_160  # what the calls' own delta asks for, at 100,000


def world(*plans: BookPlan, safety: SafetyPolicy = WIDE) -> World:
    """Ten calls short, read but not yet quoted: -2.8716 coins of delta."""
    made = World(policy(*plans, safety=safety))
    made.begin({CALL: "-10"})
    return made


def asked(made: World, size: int) -> Asked:
    """Ask for a size of the perpetual, whatever the books need."""
    bought = made.state.quotes[PERP]
    limit = sizing.worst_price(perp(), bought, Decimal(size), 20.0)
    noted = Try(order_id="x", at_ms=made.now_ms, deviation_coin=-size / 1e5, index_usd=1e5)
    return Asked(
        hedge=perp(), quote=bought, size_native=Decimal(size), limit=limit, noted=noted,
        coin_per_native=1e-5, need=Need(long_native=OWN_USD, delta_coin=OWN_USD / 1e5),
        hedges=frozenset({PERP}),
    )  # fmt: skip


def test_a_size_ten_times_too_large_opens_no_naked_perpetual() -> None:
    made = world()
    made.quotes()
    backed = int(1.1 * OWN_USD + 50_000) // 10 * 10
    wanted = (OWN_USD, 10 * OWN_USD, -10 * OWN_USD)
    found = [sizing.answered(made.state, asked(made, one), made.policy.deal) for one in wanted]
    assert [one.size_native for one in found] == [OWN_USD, backed, -50_000]
    assert "the books' own delta is 2.8716 coin" in found[-1].reason


def test_what_was_traded_in_an_hour_bounds_what_follows_also_after_a_restart() -> None:
    tight = SafetyPolicy(order_max_usd=1e9, turnover_per_hour_max_usd=100_000.0)
    made = world(safety=tight)
    made.quotes()
    (order,) = made.orders()
    assert order.size_native == Decimal(100_000)
    made.settle(order)
    assert made.state.mode is Mode.HOLD
    assert "in the last hour" in made.state.mode_reason

    again = World(policy(safety=tight), standing=made.state.standing)
    again.begin({CALL: "-10", PERP: "100000"})
    again.quotes()
    assert again.orders() == []
    assert again.state.mode is Mode.HOLD


def test_fees_of_a_day_bound_what_follows() -> None:
    made = world(safety=SafetyPolicy(order_max_usd=1e9, fees_per_day_max_usd=50.0))
    made.quotes()
    (order,) = made.orders()
    assert order.size_native == Decimal(100_000), "at five basis points"
    made.settle(order)
    assert made.orders() == []
    assert made.state.mode is Mode.HOLD


def test_a_quarter_of_the_equity_lost_in_a_day_stops_trading_until_a_person_has_looked() -> None:
    for stop, mode in ((Stop.HOLD, Mode.HOLD), (Stop.HALT, Mode.HALT)):
        made = world(safety=SafetyPolicy(order_max_usd=1e9, loss_stop=stop))
        made.quotes()
        made.settle(made.orders()[0])
        made.quotes(100_000.0, balance(equity=7.6, arrived_ns=made.now_ns))
        assert made.state.mode is Mode.RUN
        made.quotes(100_000.0, balance(equity=7.4, arrived_ns=made.now_ns))
        assert made.state.mode is mode, made.state.mode_reason


def test_who_flattens_closes_every_hedge_with_orders_that_only_reduce_and_is_halted() -> None:
    made = world(safety=SafetyPolicy(order_max_usd=200_000.0))
    while not made.orders():
        made.quotes()
    made.settle(made.orders()[0])
    made.settle(made.orders()[0])
    held = made.state.standing.positions[PERP]
    assert held > 200_000
    made.fold(CommandGiven(command=Command.FLATTEN, command_id="f", actor="op", note="drill"))
    sold, waiting = Decimal(0), made.orders()
    while waiting:
        (order,) = waiting
        assert order.reduce_only
        assert abs(order.size_native) <= 200_000
        sold += order.size_native
        made.settle(order)
        waiting = made.orders()
    assert sold == -held
    made.quotes()
    assert made.state.mode is Mode.HALT
    assert "delta left open: main -2.8716 coin" in made.state.mode_reason
    restarted = engine.begin(made.state.standing, made.now_ms, 0)
    assert restarted.standing.halt_reason
