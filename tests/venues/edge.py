"""The Deribit edge against a server: facts as they come, and a way to wait for them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from bot.core.actions import SubmitOrder, TimeInForce
from bot.core.events import Fact, Link, LinkUp
from bot.venues.ccxt_venue import Clocks
from bot.venues.credits import CreditPolicy, Rate
from bot.venues.deribit import DeribitOptions, DeribitVenue
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from tests.venues.deribit_server import Server
from tests.venues.payloads import NOW_MS, PERPETUAL

FactT = TypeVar("FactT")

QUICK = VenueLimits(
    order_timeout_s=60.0,
    read_attempts=2,
    read_pause_s=0.01,
    credits=CreditPolicy(
        questions=Rate(burst=1000.0, per_second=1000.0),
        subscriptions=Rate(burst=1000.0, per_second=1000.0),
        listings=Rate(burst=1000.0, per_second=1000.0),
        logs=Rate(burst=1000.0, per_second=1000.0),
        matching=Rate(burst=1000.0, per_second=1000.0),
    ),
    reload_every_s=0.02,
    check_every_s=0.02,
    backoff_first_s=0.01,
    backoff_longest_s=0.05,
)


SOON_UNKNOWN = replace(QUICK, order_timeout_s=1.0)  # where an order's answer never comes


class HandClock:
    """A wire clock that only the test moves: a machine that stands still makes nothing old."""

    def __init__(self) -> None:
        self.now_ns = time.monotonic_ns()

    def read(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


class Facts(list[Any]):
    """What the venue posted, in order."""

    def of(self, kind: type[FactT]) -> list[FactT]:
        return [fact for fact in self if isinstance(fact, kind)]


def venue(
    server: Server,
    limits: VenueLimits = QUICK,
    *,
    market_ms: Callable[[], int] = lambda: NOW_MS,
    age_ns: Callable[[int, int], float] = lambda _stamp, _arrival: 0.0,
    shut: Callable[[], str] = str,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
    **changes: Any,
) -> DeribitVenue:
    options = {
        "rest_url": server.rest_url,
        "ws_url": server.ws_url,
        "network": Network.REHEARSAL,
    } | changes
    return DeribitVenue(
        options=DeribitOptions(**options),
        credentials=Credentials(key="demo", secret="demo-secret"),
        clocks=Clocks(
            epoch_ms=lambda: time.time_ns() // 1_000_000,
            monotonic_ns=monotonic_ns,
            market_ms=market_ms,
            age_ns=age_ns,
        ),
        sleep=asyncio.sleep,
        chance=lambda: 0.5,
        limits=limits,
        shut=shut,
    )


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(edge: DeribitVenue) -> AsyncIterator[Facts]:
    """Open a venue and run it until both links are up; close it after the block."""
    facts = Facts()
    await edge.open(facts.append)
    task = asyncio.get_running_loop().create_task(edge.run())
    try:
        await until(lambda: both_up(facts) or task.done())
        assert not task.done(), task.exception()
        yield facts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await edge.close()


def both_up(facts: list[Fact]) -> bool:
    return {fact.link for fact in facts if isinstance(fact, LinkUp)} == set(Link)


def submit(order_id: str = "db-1", size: str = "100", **changes: Any) -> SubmitOrder:
    values: dict[str, Any] = {
        "order_id": order_id,
        "instrument": PERPETUAL,
        "size_native": Decimal(size),
        "limit": Decimal("100100.5"),
        "time_in_force": TimeInForce.IOC,
        "valid_until_ms": NOW_MS + 2_000,
    } | changes
    return SubmitOrder(**values)


def kinds(facts: Iterable[Any]) -> list[type]:
    return [type(fact) for fact in facts]


def one(facts: Iterable[Any], kind: type[FactT]) -> FactT:
    """Return the only fact of a kind."""
    (fact,) = (fact for fact in facts if isinstance(fact, kind))
    return fact
