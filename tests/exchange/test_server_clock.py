"""Market time on the wire: its own day, its own speed, and its jumps."""

import asyncio
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from bot.exchange.clock import MarketClock
from bot.exchange.server import ExchangeOptions, build
from bot.exchange.synthetic import SyntheticMarket
from tests.exchange.test_recorded import NOON, rows_of
from tests.exchange.wire import HOST_CLOCKS, StoppedClocks, line_to, serving


async def test_market_time_runs_at_its_own_speed_from_its_own_day() -> None:
    start_ms = SyntheticMarket(7).start_ms
    made_ns = HOST_CLOCKS.monotonic_ns()
    async with serving(speed=100.0) as server, line_to(server) as line:
        began_ns = HOST_CLOCKS.monotonic_ns()
        before = await line.call("public/get_time")
        await asyncio.sleep(0.2)
        passed_ms = await line.call("public/get_time") - before
        now_ns = HOST_CLOCKS.monotonic_ns()
        wire_ms, lived_ms = ((now_ns - since_ns) / 1e6 for since_ns in (began_ns, made_ns))

    assert start_ms <= before < start_ms + 100.0 * lived_ms
    assert 20_000 <= passed_ms <= 100.0 * wire_ms + 1


def test_a_market_clock_neither_starts_by_itself_nor_forgets_a_skip() -> None:
    wire = StoppedClocks()
    clock = MarketClock(start_ms=1_000, speed=10.0, monotonic_ns=wire.clocks().monotonic_ns)
    wire.pass_ms(50)
    assert clock.market_ms() == 1_000

    clock.start()
    wire.pass_ms(5)
    clock.skip(600_000)

    assert clock.market_ms() == 601_050
    with pytest.raises(ValueError, match="speed must be a positive number"):
        MarketClock(start_ms=0, speed=0.0, monotonic_ns=wire.clocks().monotonic_ns)


def test_a_hole_in_recorded_data_moves_the_clock_and_is_announced(tmp_path: Path) -> None:
    path = tmp_path / "chain.parquet"
    rows = rows_of(NOON, 90_000.0) + rows_of(NOON + timedelta(hours=2), 91_000.0)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    wire, said = StoppedClocks(), list[str]()
    options = ExchangeOptions(market=path, speed=60.0, book="none", equity_coin=1.0)
    floor = build(options, wire.clocks(), announce=said.append).floor
    floor.market_clock.start()

    for _ in range(4):  # four market minutes: the quotes hold
        wire.pass_ms(1_000)
        floor.pump()
    assert floor.skips == 0
    for _ in range(2):
        wire.pass_ms(1_000)
        floor.pump()

    noon_ms = int(NOON.timestamp() * 1000)
    assert floor.skips == 1
    assert len(said) == 1
    assert "115 minutes" in said[0]
    assert floor.engine.now_ms == floor.market_clock.market_ms()
    assert 0 <= floor.engine.now_ms - (noon_ms + 2 * 3_600_000) <= 65_000
    assert floor.engine.index_usd("btc_usd") == pytest.approx(91_000.0, rel=0.001)


def test_a_machine_that_cannot_keep_up_slows_the_market_instead_of_filling_its_memory() -> None:
    wire, said = StoppedClocks(), list[str]()
    options = ExchangeOptions(speed=3_600.0, book="none", equity_coin=1.0)
    floor = build(options, wire.clocks(), announce=said.append).floor
    floor.market_clock.start()
    began_ms = floor.engine.now_ms

    wire.pass_ms(10_000)  # ten market hours at once
    floor.pump()
    held_ms = floor.market_clock.market_ms()
    wire.pass_ms(1)
    floor.pump()

    assert held_ms == began_ms + floor.policy.advance_max_ms
    assert floor.engine.now_ms == held_ms + 3_600
    assert len(said) == 1
    assert "slower" in said[0]


@pytest.mark.parametrize(("speed", "at_once_ms"), [(1.0, 60_000), (60.0, 60_000), (300.0, 300_000)])
def test_a_machine_that_stood_still_has_little_to_make_up_for_and_answers_soon(
    speed: float, at_once_ms: int
) -> None:
    wire = StoppedClocks()
    options = ExchangeOptions(speed=speed, book="none", equity_coin=1.0)
    floor = build(options, wire.clocks(), announce=lambda _: None).floor
    floor.market_clock.start()
    began_ms = floor.engine.now_ms

    wire.pass_ms(100_000)
    floor.pump()

    assert floor.engine.now_ms == began_ms + at_once_ms
    assert floor.market_clock.market_ms() == floor.engine.now_ms
