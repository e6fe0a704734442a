"""A watchdog as a running system: settings name the daemon, the venue and who is called."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from bot.core.units import NS_PER_SECOND
from bot.runtime import notify
from bot.runtime.beat import beat_path, read_beat
from bot.runtime.clock import WireClock
from bot.runtime.pager import Pager
from bot.runtime.watchdog import Bell, Watchdog, WatchdogPolicy
from bot.settings import AlertSecrets, Credentials, Settings
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit_requests import Credentials as VenueCredentials
from bot.venues.deribit_sweeper import DeribitSweeper, Place
from bot.wiring import paging
from bot.wiring.venue import NETWORKS

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSystem:
    """A watchdog that is ready to run, and who it calls with."""

    watchdog: Watchdog
    pager: Pager
    send: notify.Send
    note: Path

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pager.run(), name="pager")
            group.create_task(self.watchdog.run(asyncio.sleep, self._said), name="watchdog")

    def _said(self) -> None:
        """Tell the service manager and whoever reads the note; ready is who has proved itself."""
        try:
            self.note.write_text(f"{self.watchdog.said}\n")
        except OSError as error:
            log.warning("the watchdog's note was not written", error=error.strerror)
        ready = ["READY=1"] if self.watchdog.proofs else []
        words = [*ready, "WATCHDOG=1", f"STATUS={self.watchdog.said}"]
        self.send("\n".join(words).encode())


@asynccontextmanager
async def build_watchdog(
    settings: Settings, credentials: Credentials, secrets: AlertSecrets
) -> AsyncIterator[WatchSystem]:
    """Put a watchdog together; hang up when the block ends.

    Raises:
        CannotCancelError: it could not cancel, so it would watch in vain.
    """
    wire = WireClock()
    journal = Path(settings.journal.path)
    sweeper = DeribitSweeper(
        place=Place(
            rest_url=settings.venue.rest_url,
            ws_url=settings.venue.ws_url,
            network=NETWORKS[settings.mode],
            credentials=VenueCredentials(key=credentials.key, secret=credentials.secret),
        ),
        clocks=Clocks(
            epoch_ms=wire.epoch_ms,
            monotonic_ns=wire.monotonic_ns,
            market_ms=wire.epoch_ms,  # nothing that a watchdog does depends on market time
        ),
    )
    pager = paging.callers(settings, secrets, wire, of="watchdog of ").pager
    try:
        await sweeper.prove()
        yield WatchSystem(
            watchdog=Watchdog(
                read=partial(read_beat, beat_path(journal)),
                sweeper=sweeper,
                bell=Bell(tell=pager.tell, over=pager.over),
                policy=WatchdogPolicy(
                    silent_ns=round(settings.watchdog.silent_seconds * NS_PER_SECOND),
                    prove_ns=round(settings.watchdog.prove_seconds * NS_PER_SECOND),
                ),
                monotonic_ns=wire.monotonic_ns,
            ),
            pager=pager,
            send=notify.speaker(os.environ),
            note=journal.with_name(journal.name + ".watchdog"),
        )
    finally:
        await sweeper.close()
