"""A step's cost is bounded, generously: what makes it several times dearer shows here."""

import time

import pytest

from bot.core import engine, exposure
from bot.core.events import ClockSeen, Fact
from bot.core.exposure import Exposure
from tests.builders import PERP, World, book, policy, quote

NS_PER_MS = 1_000_000


@pytest.mark.parametrize(
    ("options", "quoted", "most_ms"), [(6, 1, 0.6), (300, 50, 2.0)], ids=["small", "large"]
)
def test_a_fold_of_quotes_stays_cheap(options, quoted, most_ms):
    """CPU time of the thread, the least of many: measured at 0.1 and 0.4 ms."""
    exposure.warm()
    strikes = range(50_000, 50_000 + 500 * options, 500)
    held = {f"BTC-4FEB26-{strike}-C": "-0.1" for strike in strikes}
    world = World(policy(book(band_low_coin=-1_000.0, band_high_coin=1_000.0)))
    world.begin(held, equity=10_000.0)
    world.quotes()
    world.quotes()
    names = [PERP, *sorted(held)][:quoted]
    took_ns = []
    for _ in range(50):
        arrived_ns = world.now_ns = world.now_ns + NS_PER_MS
        clock = ClockSeen(market_ms=world.now_ms, wire_ns=world.now_ns)
        facts: tuple[Fact, ...] = (clock, *(quote(name, arrived_ns=arrived_ns) for name in names))
        since_ns = time.thread_time_ns()
        step = engine.step(world.state, facts, world.policy)
        took_ns.append(time.thread_time_ns() - since_ns)
        world.state = step.state
        valued = step.exposures["main"]
        assert isinstance(valued, Exposure)
        assert valued.options_held == options
    assert min(took_ns) / NS_PER_MS < most_ms
