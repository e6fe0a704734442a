"""What every venue behind ccxt.pro shares: two instances, their markets, links that are kept up.

Market data and trading are two ccxt instances, so that an order never queues behind a quote. They
share one set of markets. ccxt retries nothing (`maxRetriesOnFailure` stays 0, for it
would repeat orders too), and its own sockets are used through `bot.venues.ccxt_socket`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ccxt.base.errors import BaseError, NetworkError

from bot.core import units
from bot.core.events import Link, LinkDown, LinkUp
from bot.venues import wording
from bot.venues.ccxt_socket import (
    AnswerLostError,
    DialError,
    NotSentError,
    RpcError,
    SocketLimits,
)
from bot.venues.ccxt_tap import Tap
from bot.venues.pacing import Backoff, Sleep
from bot.venues.port import Post, VenueRefusedError, VenueUnreachableError

# A connection that lived this long forgives the failures before it. One that the venue ends sooner,
# time and again, is a refusal: who logs in without end is locked out. But the venue is there, and
# what is to be hedged cannot wait as long as for one that is not.
SETTLED_NS = 5 * units.NS_PER_SECOND
SHORT_FAILURES_MAX = 4  # three seconds, of a fifth that is doubled each time


class LinkError(Exception):
    """A connection was opened, but cannot be used."""


LINK_ERRORS = (DialError, LinkError, NotSentError, AnswerLostError, RpcError, VenueRefusedError)


def _unknown_age_ns(venue_ms: int, arrived_ns: int) -> float:  # noqa: ARG001  # the clock's signature
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks that a venue is handed.

    `epoch_ms` is the host's time, for signatures; `monotonic_ns` the wire clock, for arrivals and
    waits; `market_ms` the venue's time as the daemon knows it, for the moment of a question;
    `age_ns` the wire time between a stamp of the venue (market ms) and an arrival (wire ns), 0 as
    long as nobody knows.
    """

    epoch_ms: Callable[[], int]
    monotonic_ns: Callable[[], int]
    market_ms: Callable[[], int]
    age_ns: Callable[[int, int], float] = _unknown_age_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two tapped ccxt.pro instances of one venue."""

    market: Tap
    trading: Tap

    async def load(self, *, again: bool) -> list[dict[str, Any]]:
        """Load the venue's markets into both instances.

        Args:
            again: ask the venue even if markets were loaded before.

        Returns:
            The venue's own rows, one a market.

        Raises:
            VenueUnreachableError: nobody answers, or somebody who is not the venue.
        """
        place = self.market.urls["api"]["rest"]
        try:
            markets = await self.market.load_markets(again)
        except NetworkError as error:
            raise VenueUnreachableError(f"nobody answers at {place}: {brief(error)}") from error
        # Of any type: ccxt's parsers raise whatever an odd row makes them raise.
        except Exception as error:
            raise VenueUnreachableError(
                f"{place} does not list its instruments as ccxt reads them: {brief(error)}"
            ) from error
        self.trading.set_markets_from_exchange(self.market)
        return [market["info"] for market in markets.values()]

    async def close(self) -> None:
        """Close both instances' sessions and sockets."""
        await asyncio.gather(self.market.close(), self.trading.close())


def pair(exchange_class: Callable[[dict[str, Any]], Tap], config: dict[str, Any]) -> Pair:
    """Build the two instances from one configuration. Whoever asks them keeps to the venue's rates.

    ccxt's limiter counts by the host's calendar: set back by an hour while a question waits, it
    lets nobody ask anything for that hour.
    """
    common = {"enableRateLimit": False, **config}
    return Pair(market=exchange_class(dict(common)), trading=exchange_class(dict(common)))


def client_options(limits: SocketLimits) -> dict[str, Any]:
    """Return the ccxt options of a socket: how long to dial, and no compression."""
    # ccxt counts whole seconds, and 0 would give up at once. Without compression no order waits for
    # a compressor, and no quote for its inverse.
    seconds = max(1, math.ceil(limits.dial_timeout_s))
    return {"ws": {"connectionTimeout": seconds * units.MS_PER_SECOND, "compress": 0}}


async def ask_rest(exchange: Tap, method: str, params: dict[str, Any]) -> Any:
    """Ask one question over HTTP, for reads while the socket is down: aiohttp may repeat a GET.

    Args:
        exchange: the instance whose key is used.
        method: as on the socket, `scope/name`.
        params: strings, numbers and booleans.

    Raises:
        AnswerLostError: no usable answer, whatever the reason.
    """
    scope, name = method.split("/", 1)
    try:
        answer = await exchange.request(name, [scope], "GET", params)
    except BaseError as error:
        raise AnswerLostError(f"{method} over HTTP: {brief(error)}") from error
    if not isinstance(answer, dict) or "result" not in answer:
        raise AnswerLostError(f"{method} over HTTP: no result")
    return answer["result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """How one link is opened and kept.

    Attributes:
        link: which one.
        connect: opens, logs in and subscribes; raises one of `LINK_ERRORS` if it cannot.
        live: returns why the connection has to be given up.
        drop: closes what is left of a connection, for a reason.
        backoff: how long to wait between attempts.
    """

    link: Link
    connect: Callable[[], Awaitable[None]]
    live: Callable[[], Awaitable[str]]
    drop: Callable[[str], Awaitable[None]]
    backoff: Backoff


async def keep_link(
    upkeep: Upkeep, post: Post, sleep: Sleep, monotonic_ns: Callable[[], int]
) -> None:
    """Keep one link up until cancelled: connect, say so, live, say why it ended, wait, repeat.

    Args:
        upkeep: what connects and watches it.
        post: takes `LinkUp` and `LinkDown`; a failure that repeats itself is told once.
        sleep: waits on the wire clock.
        monotonic_ns: the wire clock.
    """
    told = ""
    while True:
        try:
            await upkeep.connect()
        except LINK_ERRORS as error:
            reason = brief(error)
        else:
            post(LinkUp(link=upkeep.link))
            told = ""
            since_ns = monotonic_ns()
            reason = await upkeep.live()
            if monotonic_ns() - since_ns >= SETTLED_NS:
                upkeep.backoff.reset()
            upkeep.backoff.ease(SHORT_FAILURES_MAX)
        if reason != told:
            post(LinkDown(link=upkeep.link, reason=reason))
            told = reason
        await upkeep.drop(reason)
        await sleep(upkeep.backoff.next_s())


def brief(error: BaseException) -> str:
    """Return an error as one short line; of a way that is not there, why, which ccxt leaves out."""
    if isinstance(error, NetworkError) and isinstance(error.__cause__, OSError):
        error = error.__cause__
    line = wording.plain(" ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= 300 else line[:297] + "..."
