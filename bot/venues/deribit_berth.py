"""A place for a line: a fresh one can take over from the one in use without a gap.

The venue keeps channels of expired instruments on a connection, so both connections are replaced
after the daily roll. The fresh line is dialled, logged in and subscribed while the old one still
serves; only then it takes over, and the old one is closed once nothing waits for an answer on it.
What arrives twice meanwhile is known by its id. If the fresh one cannot be had, the old one stays.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bot.core.units import MS_PER_DAY
from bot.venues.ccxt_venue import LINK_ERRORS, brief
from bot.venues.deribit_line import Line
from bot.venues.deribit_listing import Listing
from bot.venues.deribit_names import EXPIRY_OF_DAY_MS
from bot.venues.pacing import Pacer
from bot.venues.port import Post
from bot.venues.transit import Transit

RETRY_S = 60.0  # after a succession that failed
LEAVE_S = 5.0  # the longest that an old line waits for its answers


class HasLine(Protocol):
    """Anything that lives on one line."""

    @property
    def line(self) -> Line:
        """The line it lives on."""


SessionT = TypeVar("SessionT", bound=HasLine)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollWatch:
    """Knows when the venue's day has rolled over: so many market ms after 08:00 UTC."""

    market_ms: Callable[[], int]
    after_ms: int

    def day(self) -> int:
        """Return the number of the last roll that is over."""
        return (self.market_ms() - EXPIRY_OF_DAY_MS - self.after_ms) // MS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What both links of a venue have in common.

    Attributes:
        make: makes a line, given who takes its pushes.
        pacer: bounds the rate of everything that is sent.
        listing: hears of instruments that come and go, and knows what has expired.
        roll: tells when the venue's day has rolled over.
        transit: measures how old what arrives is.
        post: takes what was pushed, and what could not be read.
    """

    make: Callable[[Callable[[str, Any, int], None]], Line]
    pacer: Pacer
    listing: Listing
    roll: RollWatch
    transit: Transit
    post: Post


class Berth(Generic[SessionT]):
    """Holds the session in use.

    Args:
        make: makes a session on a fresh line, not yet dialled.
        establish: dials, logs in and subscribes a session.
        roll: tells when the venue's day has rolled over.
    """

    def __init__(
        self,
        *,
        make: Callable[[], SessionT],
        establish: Callable[[SessionT], Awaitable[None]],
        roll: RollWatch,
    ) -> None:
        self._make = make
        self._establish = establish
        self._roll = roll
        self._day = 0  # the last roll that the line in use has seen
        self._retry_ns = 0
        self.session = make()

    @property
    def line(self) -> Line:
        """The line in use."""
        return self.session.line

    async def connect(self) -> None:
        """Establish the session in use.

        Raises:
            LINK_ERRORS: it cannot be had.
        """
        await self._establish(self.session)
        self._day = self._roll.day()

    async def live(self, mind: Callable[[], Awaitable[str | None]]) -> str:
        """Stay until the connection has to be given up, and return why; a succession is no end."""
        while True:
            session = self.session
            reason = await session.line.live(lambda: self._minded(mind))
            if self.session is session:
                return reason

    async def _minded(self, mind: Callable[[], Awaitable[str | None]]) -> str | None:
        day, now_ns = self._roll.day(), self.line.monotonic_ns()
        if day < self._day:
            self._day = day  # a rehearsal whose market began anew
        elif day > self._day and now_ns >= self._retry_ns:
            self._retry_ns = now_ns + int(RETRY_S * 1e9)
            if await self._succeeded():
                self._day = day
                return None
        return await mind()

    async def _succeeded(self) -> bool:
        fresh, old = self._make(), self.session
        try:
            await self._establish(fresh)
        except LINK_ERRORS as error:
            old.line.report(f"no fresh connection after the daily roll: {brief(error)}")
            await fresh.line.retire("not wanted")
            return False
        except BaseException:
            await fresh.line.retire("cancelled")
            raise
        self.session = fresh
        await _left(old.line)
        return True

    async def close(self, reason: str) -> None:
        """Close the connection in use; it may be dialled again."""
        await self.line.close(reason)

    async def retire(self, reason: str) -> None:
        """Close the connection in use for good."""
        await self.line.retire(reason)


async def _left(line: Line) -> None:
    """Let an old line hear its answers, then close it."""
    until_ns = line.monotonic_ns() + int(LEAVE_S * 1e9)
    try:
        while line.socket.unanswered and line.socket.is_up and line.monotonic_ns() < until_ns:
            await line.sleep(line.limits.check_every_s / 10.0)
    finally:
        await line.retire("replaced after the daily roll")
