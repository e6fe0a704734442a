"""An onlooker: reads an account and its market as they stand, once, and touches nothing.

What it hears goes through the daemon's own fold, so that it sees what the daemon would see; the
orders that the fold asks for are dropped, and the connection lets none out. It takes no lock and no
ledger: a daemon may run beside it.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from bot.core import engine, exposure
from bot.core.actions import ReadAccount, Watch
from bot.core.engine import Policy
from bot.core.events import AccountRead, ClockSeen, Fact, PositionsSeen, QuoteSeen, ReadFailed
from bot.core.instruments import Instrument
from bot.core.state import State
from bot.core.units import NS_PER_SECOND
from bot.runtime import assembly
from bot.runtime.assembly import Connected
from bot.runtime.clock import WireClock
from bot.settings import Credentials, Settings
from bot.venues.port import VenueUnreachableError
from bot.wiring import venue as venue_of

PATIENCE_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.1
NAME: Final = "onlooker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen; `unquoted` are instruments that gave no quote in time."""

    state: State
    unquoted: tuple[str, ...]


async def look(
    settings: Settings, credentials: Credentials, patience_seconds: float = PATIENCE_SECONDS
) -> Sight:
    """Read the account and quotes of all that it holds and is hedged with.

    Raises:
        VenueRefusedError: addresses, credentials or rights are not acceptable.
        VenueUnreachableError: nobody answers, or the account cannot be read.
    """
    wire = WireClock()
    market = venue_of.market_clock(settings, wire)
    async with AsyncExitStack() as stack:
        venue = venue_of.deribit(settings, credentials, wire, market, looks_only=True)
        stack.push_async_callback(venue.close)
        connected = await assembly.connect(venue, market, wire, place=settings.venue.rest_url)
        exposure.warm()
        policy = settings.policy()
        account = await _account(connected)
        wanted = _wanted(connected, policy, account)
        heard = await _heard(connected, wire, wanted, patience_seconds)
        return _folded(connected, wire, policy, (*account, *heard), wanted)


async def _account(connected: Connected) -> tuple[Fact, ...]:
    now_ms = connected.market.now_ms()
    facts = await connected.venue.perform(ReadAccount(reason="stress", trades_since_ms=now_ms))
    if not any(isinstance(fact, AccountRead) for fact in facts):
        failed = [fact.reason for fact in facts if isinstance(fact, ReadFailed)]
        raise VenueUnreachableError(f"the account cannot be read: {'; '.join(failed)}")
    return facts


def _wanted(connected: Connected, policy: Policy, account: tuple[Fact, ...]) -> frozenset[str]:
    """Name all that is held and lives, and every hedge that is listed."""
    now_ms, listed = connected.market.now_ms(), connected.listed
    held = {
        row.instrument
        for fact in account
        if isinstance(fact, PositionsSeen)
        for row in fact.positions
    }
    hedges = {plan.book.hedge_instrument for plan in policy.books}
    return frozenset(name for name in held | hedges if _lives(listed.get(name), now_ms))


def _lives(terms: Instrument | None, now_ms: int) -> bool:
    return terms is not None and (terms.expiry_ms is None or terms.expiry_ms > now_ms)


async def _heard(
    connected: Connected, wire: WireClock, wanted: frozenset[str], patience_seconds: float
) -> tuple[Fact, ...]:
    """Listen until everything wanted has been quoted, or patience is over."""
    await connected.venue.perform(Watch(instruments=wanted))
    running = asyncio.create_task(connected.venue.run())
    heard: list[Fact] = []
    until_ns = wire.monotonic_ns() + round(patience_seconds * NS_PER_SECOND)
    try:
        while _missing(wanted, heard) and wire.monotonic_ns() < until_ns and not running.done():
            await connected.inbox.wait(LOOK_SECONDS)
            heard += connected.inbox.drain()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return tuple(heard)


def _missing(wanted: frozenset[str], heard: list[Fact]) -> frozenset[str]:
    return wanted - {fact.instrument for fact in heard if isinstance(fact, QuoteSeen)}


def _folded(
    connected: Connected,
    wire: WireClock,
    policy: Policy,
    facts: tuple[Fact, ...],
    wanted: frozenset[str],
) -> Sight:
    """Fold what was heard, quotes of what is held after the positions that say so."""
    now_ms, now_ns = connected.market.now_ms(), wire.monotonic_ns()
    state = engine.begin(engine.fresh_standing(NAME, now_ms), now_ms, now_ns)
    clock = ClockSeen(market_ms=now_ms, wire_ns=now_ns)
    money = [fact for fact in facts if not isinstance(fact, QuoteSeen)]
    quotes = [fact for fact in facts if isinstance(fact, QuoteSeen)]
    for part in (money, quotes, quotes):
        state = engine.step(state, (clock, *part), policy).state
    unquoted = wanted - state.quotes.keys()
    return Sight(state=state, unquoted=tuple(sorted(unquoted)))
