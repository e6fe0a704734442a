"""A daemon and the exchange that it trades at, both in this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bot import settings
from bot.core.state import Mode
from bot.exchange.clock import MarketClock, WireClocks
from bot.exchange.engine import Engine
from bot.exchange.keys import DEMO_KEY
from bot.exchange.server import ExchangeServer
from bot.runtime.clock import WireClock
from bot.runtime.daemon import run_daemon
from bot.runtime.loop import Observer
from bot.wiring.daemon import System, build_daemon, secrets_of
from tests.end_to_end.processes import PATIENCE

ACCOUNT: Final = DEMO_KEY.account
DEMO: Final = Path(__file__).parents[2] / "config" / "demo.yaml"
SPEED: Final = 60.0


@asynccontextmanager
async def trading(
    engine: Engine,
    folder: Path,
    *configured: str,
    speed: float = SPEED,
    observers: Sequence[Observer] = (),
) -> AsyncIterator[tuple[System, ExchangeServer]]:
    """Serve the engine and run a daemon against it, from its first RUN until the block ends."""
    wire = WireClock()
    clock = MarketClock(start_ms=engine.now_ms, speed=speed, monotonic_ns=wire.monotonic_ns)
    clocks = WireClocks(epoch_ms=wire.epoch_ms, monotonic_ns=wire.monotonic_ns)
    server = ExchangeServer(engine=engine, market_clock=clock, clocks=clocks, sim_account=ACCOUNT)
    place = f"127.0.0.1:{await server.start()}"
    words = (
        f"venue.rest_url=http://{place}",
        f"venue.ws_url=ws://{place}/ws/api/v2",
        f"journal.path={folder / 'ledger.db'}",
        *configured,
    )
    config = settings.load(DEMO, words)
    try:
        async with build_daemon(config, secrets_of(config), observers=observers) as system:
            task = asyncio.create_task(run_daemon(system.daemon))
            ready = (Mode.RUN, Mode.DEGRADED, Mode.HOLD)
            assert await system.window.until(lambda step: step.state.mode in ready, PATIENCE)
            try:
                yield system, server
            finally:
                system.daemon.stop.set()
                await task
            assert system.loop.observers_dropped == 0
    finally:
        await server.stop()
