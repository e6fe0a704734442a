"""The market-data line: exactly the wanted quote channels, and none of them silent unnoticed."""

import asyncio
from collections.abc import Callable
from typing import Any

from bot.core import units
from bot.core.events import BadMessage
from bot.venues import deribit_requests
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import AnswerLostError, NotSentError, RpcError
from bot.venues.ccxt_venue import LinkError, brief
from bot.venues.channels import Channels
from bot.venues.deribit_line import Line
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Pacer


class MarketFeed:
    """Quotes of the wanted instruments over one line.

    No order book is kept: what a quote says is all in its own frame, so a reconnect cannot corrupt
        it.

    Args:
        line: the connection.
        interval: of the ticker channels, `raw` or `100ms`.
        pacer: bounds the rate of questions.
        has_lapsed: whether an instrument has expired, so that its silence is no stall.
    """

    def __init__(
        self, *, line: Line, interval: str, pacer: Pacer, has_lapsed: Callable[[str], bool]
    ) -> None:
        self._has_lapsed = has_lapsed
        self._line = line
        self._interval = interval
        self._pacer = pacer
        self._channels = Channels()
        self._changing = asyncio.Lock()

    def heard(self, channel: str, arrived_ns: int) -> None:
        """Take note that a channel spoke."""
        self._channels.heard(channel, arrived_ns)

    async def connect(self) -> None:
        """Dial, log in, subscribe what is wanted, ask for quotes that did not come."""
        async with self._changing:
            await self._line.open()
            self._channels.connected()
            await self._follow()

    async def watch(self, instruments: frozenset[str]) -> None:
        """Want quotes of exactly these instruments. While the line is down this only takes note."""
        self._channels.want(f"ticker.{name}.{self._interval}" for name in instruments)
        async with self._changing:
            if not self._line.is_ready:
                return
            try:
                await self._follow()
            except (LinkError, NotSentError, AnswerLostError, RpcError) as error:
                # What is subscribed now is anybody's guess: a new connection starts from nothing.
                await self._line.close(f"subscriptions are uncertain: {brief(error)}")

    async def mind(self) -> str | None:
        """Chase silent channels; return why the connection has to be recycled, if it has to be."""
        now_ns = self._line.monotonic_ns()
        limit_s = self._line.limits.stall_after_s
        stalls = self._channels.stalled(
            now_ns,
            int(limit_s * units.NS_PER_SECOND),
            lambda channel: self._has_lapsed(_instrument(channel)),
        )
        for channel in (*stalls.resubscribe, *stalls.recycle, *stalls.dead):
            reason = f"stalled: no push for {limit_s:g} s on a live connection"
            self._line.post(BadMessage(source=channel, reason=reason))
        if stalls.recycle:
            return f"{len(stalls.recycle)} channels stay silent, among them {stalls.recycle[0]}"
        if stalls.resubscribe:
            async with self._changing:
                try:
                    await self._change("public/unsubscribe", list(stalls.resubscribe))
                    await self._change("public/subscribe", list(stalls.resubscribe))
                except (LinkError, NotSentError, AnswerLostError, RpcError) as error:
                    return f"silent channels could not be subscribed again: {brief(error)}"
        return None

    async def _follow(self) -> None:
        surplus = self._channels.surplus()
        await self._change("public/unsubscribe", surplus)
        self._channels.removed(surplus)
        missing = self._channels.missing()
        asked_ns = self._line.monotonic_ns()
        confirmed = await self._change("public/subscribe", missing, asked_ns)
        for channel in sorted(set(missing) - confirmed):
            self._channels.refused(channel)
            self._line.post(BadMessage(source=channel, reason="the venue did not subscribe it"))
        await self._snapshot(missing)

    async def _change(
        self, method: str, channels: list[str], asked_ns: int | None = None
    ) -> set[str]:
        """Send one change in frames of bounded size and rate; return what the venue confirmed."""
        limits = self._line.limits
        confirmed: set[str] = set()
        chunks = deribit_requests.chunked(
            channels, limits.channels_per_frame, limits.frame_bytes_max
        )
        for number, chunk in enumerate(chunks):
            if number:
                await self._line.sleep(limits.frame_pause_s)
            if asked_ns is not None:
                self._channels.added(chunk, self._line.monotonic_ns())
            confirmed.update(await self._line.subscribe(method, chunk))
        return confirmed

    async def _snapshot(self, channels: list[str]) -> None:
        """Ask for the quotes of channels that have not spoken yet, a few at a time.

        The answers come over the same connection as the pushes, so an older quote cannot overtake a
        newer one.
        """
        at_once = self._line.limits.snapshots_at_once
        for start in range(0, len(channels), at_once):
            batch = channels[start : start + at_once]
            silent = [name for name in batch if self._channels.is_silent(name)]
            await asyncio.gather(*(self._ask_quote(_instrument(name)) for name in silent))

    async def _ask_quote(self, instrument: str) -> None:
        await self._pacer.wait()
        try:
            answer = await self._line.socket.call("public/ticker", {"instrument_name": instrument})
            self._line.post(raw.quote(_fields(answer.result), answer.arrived_ns))
        except (RpcError, MessageError) as error:
            self._line.post(BadMessage(source=f"public/ticker {instrument}", reason=brief(error)))


def _instrument(channel: str) -> str:
    return channel.split(".")[1]


def _fields(result: Any) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise MessageError(f"not an object: {result!r:.100}")
    return result
