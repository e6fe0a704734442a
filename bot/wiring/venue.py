"""The venue that the settings describe, and the clock that shows its time."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Final

from bot.runtime.clock import MarketClock, SystemMarketClock, VenueMarketClock, WireClock
from bot.settings import ClockSource, Credentials, RunMode, Settings
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit import DeribitOptions, DeribitVenue
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials as VenueCredentials
from bot.venues.port import Venue

NETWORKS: Final[Mapping[RunMode, Network]] = {
    RunMode.REHEARSAL: Network.REHEARSAL,
    RunMode.TESTNET: Network.TESTNET,
    RunMode.LIVE: Network.LIVE,
}
# Real venues live at the speed of this machine; a rehearsal's speed is learned.
RATES: Final[Mapping[RunMode, float | None]] = {
    RunMode.REHEARSAL: None,
    RunMode.TESTNET: 1.0,
    RunMode.LIVE: 1.0,
}


def market_clock(settings: Settings, wire: WireClock) -> MarketClock:
    """Return the clock that shows the venue's time, as the settings want it learned."""
    match settings.venue.clock:
        case ClockSource.VENUE:
            return VenueMarketClock(wire, rate=RATES[settings.mode])
        case ClockSource.SYSTEM:
            return SystemMarketClock(wire)


def deribit(
    settings: Settings,
    credentials: Credentials,
    wire: WireClock,
    market: MarketClock,
    *,
    shut: Callable[[], str] = str,
    looks_only: bool = False,
) -> Venue:
    """Return the venue, with the clocks that it is handed; nothing is connected yet.

    `shut` says why no order may leave, empty if one may. What `looks_only` sends none, and a key
    that may read is enough for it.
    """
    return DeribitVenue(
        options=DeribitOptions(
            rest_url=settings.venue.rest_url,
            ws_url=settings.venue.ws_url,
            network=NETWORKS[settings.mode],
            currencies=tuple(item.value for item in settings.account.currencies),
            looks_only=looks_only,
        ),
        credentials=VenueCredentials(key=credentials.key, secret=credentials.secret),
        clocks=Clocks(
            epoch_ms=wire.epoch_ms,
            monotonic_ns=wire.monotonic_ns,
            market_ms=market.now_ms,
            age_ns=market.age_ns,
        ),
        sleep=asyncio.sleep,
        chance=random.random,
        shut=shut,
    )
