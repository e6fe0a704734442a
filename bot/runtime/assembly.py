"""The parts of the shell, put together: whoever brings venue, clocks and ledger gets a daemon.

The composition root brings this machine's; the fault lab brings simulated ones, and runs the same.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core import codec, engine
from bot.core.dealing import BookPlan
from bot.core.engine import Policy
from bot.core.events import Fact, InstrumentsSeen
from bot.core.instruments import Instrument
from bot.core.standing import Standing
from bot.core.units import MS_PER_MINUTE
from bot.runtime.alerts import Alerts
from bot.runtime.clock import MarketClock, WireClock
from bot.runtime.inbox import Inbox
from bot.runtime.journal import Ledger, since_last
from bot.runtime.ledger_file import LedgerRefusedError
from bot.runtime.loop import Loop
from bot.runtime.outbox import Outbox
from bot.runtime.records import STANDING_KINDS, latest_standing
from bot.runtime.sampler import SAMPLE_SECONDS, ClockSampler
from bot.runtime.stopcock import Stopcock, halt_path
from bot.runtime.tape import Tape
from bot.runtime.timers import Timers
from bot.venues.port import Venue, VenueRefusedError, VenueUnreachableError

INSTANCE_BYTES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A venue that is open, what it lists, its time, and what both post to."""

    venue: Venue
    listed: Mapping[str, Instrument]
    market: MarketClock
    sampler: ClockSampler
    timers: Timers
    inbox: Inbox


async def connect(
    venue: Venue,
    market: MarketClock,
    wire: WireClock,
    *,
    place: str,
    sample_seconds: float = SAMPLE_SECONDS,
) -> Connected:
    """Open the venue at `place` and learn its time, which is then asked every `sample_seconds`.

    Raises:
        VenueRefusedError: its terms, or ours, are not acceptable.
        VenueUnreachableError: nobody answers, or nobody tells the time.
    """
    inbox, heard = Inbox(), _Listed()
    await venue.open(heard.heard_by(inbox.admit))
    timers = Timers(post=inbox.admit, market=market)
    sampler = ClockSampler(
        ask_ms=venue.market_time_ms,
        clock=market,
        wire=wire,
        interval_seconds=sample_seconds,
        on_sample=timers.retime,
    )
    if not await sampler.settle():
        raise VenueUnreachableError(f"{place} does not tell its time")
    return Connected(
        venue=venue,
        listed=heard.instruments,
        market=market,
        sampler=sampler,
        timers=timers,
        inbox=inbox,
    )


def check_hedges(
    plans: Sequence[BookPlan], listed: Mapping[str, Instrument], now_ms: int, *, place: str
) -> None:
    """Refuse to start with a hedge that nobody at `place` can trade.

    Raises:
        VenueRefusedError: a hedge instrument is unknown, or expires within the minute.
    """
    for book in (plan.book for plan in plans):
        name = book.hedge_instrument
        terms = listed.get(name)
        if terms is None:
            raise VenueRefusedError(
                f"book {book.name}: hedge instrument {name} is not listed at {place} "
                "(unknown or expired)"
            )
        if terms.expiry_ms is not None and terms.expiry_ms < now_ms + MS_PER_MINUTE:
            raise VenueRefusedError(f"book {book.name}: hedge instrument {name} has expired")
        if (terms.underlying, terms.currency) != (book.selector.underlying, book.currency):
            raise VenueRefusedError(
                f"book {book.name}: {name} is on {terms.underlying} and settles in "
                f"{terms.currency}, which is not what its name says"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where a daemon writes: what must be durable, and the quotes, if anywhere.

    `stopcock` keeps the flag beside the ledger; it is given where the venue asks it as well.
    """

    ledger: Ledger
    tape: Tape | None = None
    stopcock: Stopcock | None = None


def recovered_loop(
    connected: Connected,
    policy: Policy,
    records: Records,
    alerts: Alerts,
    wire: WireClock,
    *,
    instance: Callable[[], str] = lambda: secrets.token_hex(INSTANCE_BYTES),
) -> tuple[Loop, Outbox]:
    """Return the loop, which begins where the ledger ends, and the outbox that acts for it.

    `instance` names a ledger that begins now.

    Raises:
        LedgerRefusedError: the ledger was left by a version that this one cannot follow.
    """
    market, inbox = connected.market, connected.inbox
    outbox = Outbox(
        perform=connected.venue.perform,
        post=inbox.admit,
        alerts=alerts,
        market=market,
        stopcock=records.stopcock or Stopcock(halt_path(records.ledger.path)),
    )
    standing = last_standing(records.ledger, market.now_ms(), instance)
    outbox.stopcock.latch(standing.halt_reason)
    loop = Loop(
        step=engine.step,
        state=engine.begin(standing, market.now_ms(), wire.monotonic_ns(), wire.boot),
        policy=policy,
        inbox=inbox,
        outbox=outbox,
        ledger=records.ledger,
        market=market,
        wire=wire,
        tape=records.tape,
    )
    return loop, outbox


def last_standing(ledger: Ledger, now_ms: int, instance: Callable[[], str]) -> Standing:
    """Return what an earlier run of this ledger left, or what a new ledger begins with."""
    try:
        known = latest_standing(since_last(ledger.path, *STANDING_KINDS))
    except codec.CodecError as error:
        reason = f"{ledger.path} was left by another version, which this one cannot take up"
        raise LedgerRefusedError(f"{reason}: {error}") from error
    return known or engine.fresh_standing(instance(), now_ms)


class _Listed:
    """Listens in while the venue opens: which instruments are there?"""

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}

    def heard_by(self, post: Callable[[Fact], None]) -> Callable[[Fact], None]:
        """Pass every fact on to `post`, remembering what is listed."""

        def listen(fact: Fact) -> None:
            if isinstance(fact, InstrumentsSeen):
                self.instruments |= {listed.name: listed for listed in fact.instruments}
            post(fact)

        return listen
