"""The shell's numbers, as a scrape sees them, and its latencies."""

import asyncio

import pytest

from bot.core.state import Mode
from bot.runtime.daemon import run_daemon
from bot.runtime.latency import KEPT, Reservoir
from bot.runtime.metrics import ShellMetrics
from tests.runtime.desk import House, until


@pytest.mark.usefixtures("compiled_kernels")
async def test_a_scrape_shows_hedges_facts_latencies_and_the_clock(tmp_path):
    metrics = ShellMetrics()
    async with House(tmp_path, observers=(metrics.on_step,)) as house:
        metrics.watch(
            inbox=house.inbox,
            outbox=house.outbox,
            ledger=house.ledger,
            market=house.market,
            alerts=house.alerts,
            tape=house.tape,
        )
        daemon = house.daemon()
        task = asyncio.create_task(run_daemon(daemon))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        house.desk.somebody_trades(50_000)
        await until(lambda: house.desk.requests)
        daemon.stop.set()
        await task
        metrics.on_lag(0.003)
        text = metrics.exposition().decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['deltaband_hedges_total{side="sell"}'] == "1.0"
    assert lines['deltaband_facts_total{kind="FillSeen"}'] == "1.0"
    assert float(lines["deltaband_ledger_rows"]) > 3
    assert float(lines["deltaband_tasks"]) >= 1
    assert float(lines["deltaband_tick_to_decision_seconds_count"]) >= 1
    assert float(lines["deltaband_journal_append_seconds_count"]) >= 1
    assert lines['deltaband_loop_lag_seconds_bucket{le="0.005"}'] == "1.0"
    assert lines["deltaband_market_clock_rate"] == "1.0"


def test_a_reservoir_is_bounded_and_fair_to_the_whole_run():
    kept = Reservoir()
    assert kept.quantiles() is None
    for number in range(20 * KEPT):
        kept.add(number * 1_000)
    seen = kept.quantiles()
    assert seen is not None
    assert seen.count == 20 * KEPT
    assert abs(seen.p50 / (20 * KEPT) - 0.5) < 0.03
    assert abs(seen.p99 / (20 * KEPT) - 0.99) < 0.01
