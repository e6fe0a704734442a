"""One WebSocket: frames in, answers and channel messages out, through a queue with a limit."""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, web

from bot.exchange.dispatch import Caller, answer, refusal
from bot.exchange.fault_bench import FaultBench
from bot.exchange.fault_line import FaultyLine
from bot.exchange.floor import TradingFloor
from bot.exchange.protocol import TOO_MANY_REQUESTS, NoCallError, RpcError, Transport, parse_body
from bot.exchange.session import Session

CLOSE_SECONDS_MAX: Final = 1.0


class Connection:
    """A client's socket and its session. It lives as long as `serve` runs.

    With `faults`, in a simulation, all that is heard and said passes through them.
    """

    def __init__(
        self,
        *,
        floor: TradingFloor,
        number: int,
        request: web.Request,
        faults: FaultBench | None = None,
    ) -> None:
        now_ns = floor.wire.monotonic_ns()
        self._floor = floor
        self._request = request
        # Ping frames are answered here, not by the library, because they count as life.
        self._socket = web.WebSocketResponse(
            max_msg_size=floor.policy.frame_bytes_max + 1,  # the library refuses at, not above
            autoping=False,
            compress=floor.policy.compresses_frames,
            timeout=CLOSE_SECONDS_MAX,
        )
        # Texts are messages, bytes go out as they are: only a fault sends those.
        self._outgoing: asyncio.Queue[str | bytes | None] = asyncio.Queue(
            floor.policy.queue_frames_max
        )
        self._is_closing = False
        self._reason = ""
        self._line = None if faults is None else FaultyLine(faults, number, outlet=self)
        self.session = Session(
            number=number,
            send=self.put if self._line is None else self._line.say,
            close=self.close if self._line is None else self._line.close,
            heard_ns=now_ns,
            alive_ns=now_ns,
            ip=request.remote or "",
        )

    @property
    def ip(self) -> str:
        """Where it comes from."""
        return self.session.ip

    async def serve(self) -> web.WebSocketResponse:
        """Answer until the client, or the exchange, ends the connection."""
        await self._socket.prepare(self._request)
        self._floor.connect(self.session)
        writer = asyncio.create_task(self._write(), name=f"socket-{self.session.number}-writer")
        try:
            await self._read()
        finally:
            self._is_closing = True
            writer.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await writer
            self._floor.disconnect(self.session)
        return self._socket

    async def _read(self) -> None:
        async for message in self._socket:
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    self.session.hear(self._floor.wire.monotonic_ns())
                    if self._line is None:
                        self._answer(message.data)
                    else:
                        await self._line.hear(message.data, self._answer)
                case _ if self._line is not None and self._line.is_dead:
                    pass  # it takes everything and says nothing
                case WSMsgType.PING:
                    self.session.alive_ns = self._floor.wire.monotonic_ns()
                    with suppress(ConnectionError):  # it is gone: the next read will say so
                        await self._socket.pong(message.data)
                case _:
                    self.session.alive_ns = self._floor.wire.monotonic_ns()

    def _answer(self, data: str | bytes, instead: RpcError | None = None) -> None:
        caller = Caller(
            transport=Transport.WS, session=self.session, ip=self.session.ip, refusal=instead
        )
        try:
            request = parse_body(data)
        except NoCallError as error:
            self.session.send(refusal(self._floor, error).text)
            return
        said_goodbye = self.session.said_goodbye
        reply = answer(self._floor, request, caller)
        if self.session.said_goodbye == said_goodbye:  # the venue does not answer a goodbye
            self.session.send(reply.text)
        self._floor.publish()
        is_too_much = reply.code == TOO_MANY_REQUESTS and instead is None
        if is_too_much and self._floor.limits.policy.ends_connection:
            self.session.close("too many requests")

    async def _write(self) -> None:
        while (frame := await self._outgoing.get()) is not None:
            try:
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    self._write_raw(frame)
            except ConnectionError:
                return  # it is gone: the reader finds out and cleans up
        await self._socket.close(message=self._reason.encode())

    def _write_raw(self, data: bytes) -> None:
        transport = self._request.transport
        if isinstance(transport, asyncio.Transport):
            if data:
                transport.write(data)
            else:
                transport.close()

    def put(self, frame: str | bytes) -> None:
        """Send a text after what waits already, or bytes as they are."""
        if self._is_closing:
            return
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self._abort()

    def hang_up(self) -> None:
        """End the line without a goodbye, after what is queued has gone out."""
        self.put(b"")

    def cut(self) -> None:
        """End the line at once, what is queued included."""
        self._is_closing = True
        transport = self._request.transport
        if transport is not None:
            transport.abort()

    def close(self, reason: str) -> None:
        """Close after what is queued has gone out; at once if the client does not read."""
        if self._is_closing:
            return
        self._is_closing = True
        self._reason = reason
        try:
            self._outgoing.put_nowait(None)
        except asyncio.QueueFull:
            self._abort()

    def _abort(self) -> None:
        """Cut the line: the client reads too slowly, and nobody may wait for it."""
        waiting = self._outgoing.qsize()
        self._floor.announce(f"connection {self.session.number} is cut: {waiting} frames wait")
        self.cut()
