"""The market-data link: exactly the wanted channels, none of them silent unnoticed."""

import asyncio
from typing import Any

from bot.core.events import BadMessage, Fact, QuoteSeen
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_venue import brief
from bot.venues.deribit_berth import Berth, Shared
from bot.venues.deribit_channels import UNCERTAIN, QuoteSession, instrument_of, wanted
from bot.venues.deribit_line import Line
from bot.venues.deribit_listing import STATE_CHANNEL
from bot.venues.deribit_translate import MessageError


class MarketFeed:
    """Quotes of the wanted instruments, with the depth of the hedges' books.

    A quote is all in its own frame, so a reconnect cannot corrupt it; a book lives and dies with
    its subscription, and a quote goes without depth while there is none.

    Args:
        shared: what both links have in common.
        interval: of the ticker channels, `raw` or `100ms`.
    """

    def __init__(self, *, shared: Shared, interval: str) -> None:
        self._shared = shared
        self._interval = interval
        self._listing = shared.listing
        self._post = shared.post
        self._wanted = wanted((), interval)
        self._changing = asyncio.Lock()
        self.berth: Berth[QuoteSession] = Berth(
            make=self._session, establish=self._establish, roll=shared.roll
        )

    @property
    def line(self) -> Line:
        """The line in use."""
        return self.berth.line

    def _session(self) -> QuoteSession:
        return QuoteSession(
            make=self._shared.make,
            pacer=self._shared.pacer,
            is_excused=self._is_excused,
            on_push=self._pushed,
        )

    async def _establish(self, session: QuoteSession) -> None:
        async with self._changing:
            await session.establish(self._wanted)

    async def watch(self, instruments: frozenset[str]) -> None:
        """Want quotes of exactly these instruments. While the line is down this only takes note."""
        self._wanted = wanted(instruments, self._interval)
        async with self._changing:
            session = self.berth.session
            if not session.line.is_ready:
                return
            try:
                await session.follow(self._wanted)
            except UNCERTAIN as error:
                # What is subscribed now is anybody's guess: a new connection starts from nothing.
                await session.line.close(f"subscriptions are uncertain: {brief(error)}")

    async def mind(self) -> str | None:
        """Chase what is silent or lost; return why the connection must be recycled, if it must."""
        async with self._changing:
            return await self.berth.session.chase()

    def _is_excused(self, channel: str) -> bool:
        # Nothing may come or go for a day; an expired instrument is done talking.
        return channel == STATE_CHANNEL or self._listing.has_lapsed(instrument_of(channel))

    def _pushed(self, session: QuoteSession, channel: str, data: Any, arrived_ns: int) -> None:
        session.heard(channel, arrived_ns)
        if channel.startswith("book."):
            trouble = session.books.heard(channel, data, arrived_ns)
            if trouble is not None:
                self._post(BadMessage(source=channel, reason=f"book dropped: {trouble}"))
        elif channel == STATE_CHANNEL:
            try:
                self._listing.heard_state(data)
            except MessageError as error:
                self._post(BadMessage(source=channel, reason=f"{error}"))
        else:
            for fact in raw.pushed(channel, data, arrived_ns):
                told = self._timely(session, fact) if isinstance(fact, QuoteSeen) else fact
                if told is not None:
                    self._post(told)

    def _timely(self, session: QuoteSession, quote: QuoteSeen) -> Fact | None:
        """Return a quote with its depth; of one that comes too late only a complaint, now and then.

        It is not posted: the last good quote stays, and ages.
        """
        transit, name = self._shared.transit, quote.instrument
        if transit.is_late(quote.venue_ms, quote.arrived_ns):
            reason = transit.complaint(name, quote.venue_ms, quote.arrived_ns)
            return None if reason is None else BadMessage(source=name, reason=reason)
        transit.in_time(name)
        return session.books.deepened(quote)
