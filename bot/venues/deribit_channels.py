"""The channels of one market-data connection: quotes, books of hedges, comings and goings.

Which channel says what, who is subscribed to it, which has fallen silent, and the order books that
belong to this connection and to no other.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bot.core import units
from bot.core.events import BadMessage, QuoteSeen
from bot.core.instruments import Kind
from bot.venues import deribit_names, deribit_requests
from bot.venues.ccxt_socket import AnswerLostError, NotSentError, RpcError
from bot.venues.ccxt_venue import LinkError, brief
from bot.venues.channels import Channels
from bot.venues.credits import Kind as Request
from bot.venues.deribit_line import Line
from bot.venues.deribit_listing import STATE_CHANNEL
from bot.venues.order_book import OrderBook
from bot.venues.pacing import Pacer

DEPTH_SHARE = 0.001  # ten basis points: what rests so near the best price counts as depth
BOOK_APART_S = 2.0  # a book that was silent for longer and shows another price is not the quote's
BOOK_INTERVAL = "100ms"  # quotes are as fast as configured; depth need not be
BOOK_RETRY_FIRST_S = 1.0  # before a lost book is asked for again, doubling
BOOK_RETRY_LONGEST_S = 60.0

UNCERTAIN = (LinkError, NotSentError, AnswerLostError, RpcError)


def wanted(instruments: Iterable[str], interval: str) -> frozenset[str]:
    """Return the channels that quote instruments: a ticker of each, and the books of hedges."""
    channels = {STATE_CHANNEL}
    for name in instruments:
        channels.add(f"ticker.{name}.{interval}")
        known = deribit_names.named(name)
        if known is not None and known.kind is not Kind.OPTION:
            channels.add(f"book.{name}.{BOOK_INTERVAL}")
    return frozenset(channels)


class Books:
    """The order books of one connection, and when a lost one may be asked for again."""

    def __init__(self) -> None:
        self._books: dict[str, OrderBook] = {}
        self._heard_ns: dict[str, int] = {}
        self._losses: dict[str, int] = {}
        self._retry_ns: dict[str, int] = {}

    def begin(self, channels: Iterable[str]) -> None:
        """Start over with the books of channels that are about to be subscribed."""
        for channel in channels:
            if channel.startswith("book."):
                self._books[instrument_of(channel)] = OrderBook()

    def end(self, channels: Iterable[str]) -> None:
        """Forget the books of channels that ended."""
        for channel in channels:
            if channel.startswith("book."):
                self._books.pop(instrument_of(channel), None)

    def heard(self, channel: str, data: Any, now_ns: int) -> str | None:
        """Take one message of a book; return why the book is lost, if it is lost with this one."""
        name = instrument_of(channel)
        book = self._books.get(name)
        if book is None:
            return None  # a change that was on its way when we left the channel
        self._heard_ns[name] = now_ns
        if isinstance(data, dict) and book.take(data):
            return None
        if not isinstance(data, dict):
            book.drop(f"not an object: {data!r:.80}")
        losses = self._losses.get(name, 0)
        pause_s = min(BOOK_RETRY_LONGEST_S, BOOK_RETRY_FIRST_S * 2.0 ** min(losses, 10))
        self._losses[name] = losses + 1
        self._retry_ns[channel] = now_ns + int(pause_s * units.NS_PER_SECOND)
        return book.trouble

    def due(self, now_ns: int) -> tuple[str, ...]:
        """Return the channels of lost books that may be asked for again, each once."""
        due = tuple(name for name, at_ns in self._retry_ns.items() if at_ns <= now_ns)
        for channel in due:
            del self._retry_ns[channel]
        return due

    def deepened(self, quote: QuoteSeen) -> QuoteSeen:
        """Return a quote with the depth of its book, if there is a good one that still lives."""
        book = self._books.get(quote.instrument)
        touch = None if book is None else book.touch(DEPTH_SHARE)
        if touch is None:
            return quote
        is_same = (touch.bid, touch.ask) == (quote.bid, quote.ask)
        silent_ns = quote.arrived_ns - self._heard_ns[quote.instrument]
        if not is_same and silent_ns > BOOK_APART_S * units.NS_PER_SECOND:
            return quote  # the book's channel has died in silence
        return replace(
            quote,
            bid_depth_native=touch.bid_depth_native,
            ask_depth_native=touch.ask_depth_native,
        )


class QuoteSession:
    """What is subscribed on one line.

    Args:
        make: makes the line, given who takes its pushes.
        pacer: bounds the rate of subscriptions and questions.
        is_excused: whether a channel has nothing more to say.
        on_push: takes this session and a push: channel, data, arrival.
    """

    def __init__(
        self,
        *,
        make: Callable[[Callable[[str, Any, int], None]], Line],
        pacer: Pacer,
        is_excused: Callable[[str], bool],
        on_push: "Callable[[QuoteSession, str, Any, int], None]",
    ) -> None:
        self._pacer = pacer
        self._is_excused = is_excused
        self._on_push = on_push
        self._channels = Channels()
        self.books = Books()
        self.line = make(lambda channel, data, at_ns: on_push(self, channel, data, at_ns))

    def heard(self, channel: str, arrived_ns: int) -> None:
        """Take note that a channel spoke."""
        self._channels.heard(channel, arrived_ns)

    async def establish(self, channels: frozenset[str]) -> None:
        """Dial, log in, subscribe what is wanted, ask for quotes that did not come.

        Raises:
            LINK_ERRORS: it cannot be had.
        """
        await self.line.open()
        self._channels.connected()
        await self.follow(channels)

    async def follow(self, channels: frozenset[str]) -> None:
        """Subscribe exactly these channels.

        Raises:
            LinkError, NotSentError, AnswerLostError, RpcError: what is subscribed now is anybody's
                guess.
        """
        self._channels.want(channels)
        surplus = self._channels.surplus()
        await self._change("public/unsubscribe", surplus)
        self._channels.removed(surplus)
        self.books.end(surplus)
        await self._complete()

    async def _complete(self) -> None:
        """Subscribe what is wanted and missing: new, left over, or refused a while ago."""
        refused_for_ns = int(self.line.limits.refused_retry_s * units.NS_PER_SECOND)
        missing = self._channels.missing(self.line.monotonic_ns(), refused_for_ns)
        confirmed = await self._subscribe(missing)
        for channel in sorted(set(missing) - confirmed):
            self._channels.refused(channel, self.line.monotonic_ns())
            self.line.post(BadMessage(source=channel, reason="the venue did not subscribe it"))
        await self._snapshot(list(filter(_is_ticker, missing)))

    async def chase(self) -> str | None:
        """Chase silent channels, lost books and what is missing; return why to recycle the line."""
        now_ns = self.line.monotonic_ns()
        limit_s = self.line.limits.stall_after_s
        stalls = self._channels.stalled(
            now_ns, int(limit_s * units.NS_PER_SECOND), self._is_excused
        )
        silent = (*stalls.resubscribe, *stalls.recycle, *stalls.dead)
        for channel in filter(_is_ticker, silent):
            reason = f"stalled: no push for {limit_s:g} s on a live connection"
            self.line.post(BadMessage(source=channel, reason=reason))
        recycle = tuple(filter(_is_ticker, stalls.recycle))
        if recycle:
            return f"{len(recycle)} channels stay silent, among them {recycle[0]}"
        # A book that nobody touches says nothing, and is begun anew to be sure.
        quiet = {channel for channel in silent if not _is_ticker(channel)}
        again = sorted({*stalls.resubscribe, *quiet, *self.books.due(now_ns)})
        try:
            await self._resubscribe(again)
            await self._complete()
        except UNCERTAIN as error:
            return f"channels could not be subscribed again: {brief(error)}"
        return None

    async def _resubscribe(self, channels: list[str]) -> None:
        if channels:
            await self._change("public/unsubscribe", channels)
            await self._subscribe(channels)

    async def _subscribe(self, channels: list[str]) -> set[str]:
        def begin(chunk: list[str]) -> None:
            # Before the answer: the first pushes may come with it.
            self._channels.added(chunk, self.line.monotonic_ns())
            self.books.begin(chunk)

        return await self._change("public/subscribe", channels, begin)

    async def _change(
        self, method: str, channels: list[str], begin: Callable[[list[str]], None] | None = None
    ) -> set[str]:
        """Send one change in frames of bounded size and rate; return what the venue confirmed."""
        limits = self.line.limits
        confirmed: set[str] = set()
        for chunk in deribit_requests.chunked(
            channels, limits.channels_per_frame, limits.frame_bytes_max
        ):
            await self._pacer.wait(Request.SUBSCRIPTION)
            if begin is not None:
                begin(chunk)
            confirmed.update(await self.line.subscribe(method, chunk))
        return confirmed

    async def _snapshot(self, channels: list[str]) -> None:
        """Ask for the quotes of channels that have not spoken yet, a few at a time.

        The answers come over the same connection as the pushes, so an older quote cannot overtake a
        newer one.
        """
        at_once = self.line.limits.snapshots_at_once
        for start in range(0, len(channels), at_once):
            batch = channels[start : start + at_once]
            silent = [name for name in batch if self._channels.is_silent(name)]
            await asyncio.gather(*(self._ask_quote(instrument_of(name)) for name in silent))

    async def _ask_quote(self, instrument: str) -> None:
        await self._pacer.wait(Request.QUESTION)
        try:
            answer = await self.line.socket.call("public/ticker", {"instrument_name": instrument})
        except RpcError as error:
            self.line.post(BadMessage(source=f"public/ticker {instrument}", reason=brief(error)))
        else:
            self._on_push(self, f"ticker.{instrument}", answer.result, answer.arrived_ns)


def instrument_of(channel: str) -> str:
    """Return the instrument that a ticker's or a book's channel is about."""
    return channel.split(".")[1]


def _is_ticker(channel: str) -> bool:
    return channel.startswith("ticker.")
