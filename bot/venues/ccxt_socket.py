"""JSON-RPC over a tapped ccxt.pro WebSocket: requests, answers by our own ids, and pushes."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.core.units import NS_PER_SECOND
from bot.venues import wire_json
from bot.venues.ccxt_tap import Tap, shortened


class RpcError(Exception):
    """The venue answered with an error.

    Attributes:
        code: the venue's error code.
        reason: the venue's message, with its data.
        data: the venue's data about the error, as it came.
        sent_ns: wire time at which the request was handed to the socket.
        arrived_ns: wire time at which the answer came.
    """

    def __init__(self, code: int, reason: str, arrived_ns: int = 0, data: Any = None) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason
        self.data = data
        self.sent_ns = 0
        self.arrived_ns = arrived_ns


class NotSentError(Exception):
    """The request was not handed to any socket: nothing can have come of it."""


class AnswerLostError(Exception):
    """The request was, or may have been, sent, and no answer came.

    Attributes:
        sent_ns: wire time at which the request was handed to the socket.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.sent_ns = 0


class DialError(Exception):
    """The connection could not be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the venue answered, and when the request was sent and its answer came (wire clock)."""

    result: Any
    sent_ns: int
    arrived_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """Bounds of one connection, in seconds of the wire clock.

    A connection is mute when a request was given up after `mute_after_s` or more, and no frame of
    any kind came meanwhile.
    """

    dial_timeout_s: float = 10.0
    answer_timeout_s: float = 5.0
    mute_after_s: float = 3.0
    close_timeout_s: float = 1.0
    pending_max: int = 1_000


class RpcSocket:
    """One JSON-RPC connection over a tapped exchange's WebSocket; may be dialled again when lost.

    Args:
        exchange: the tapped ccxt.pro instance; this socket becomes its listener.
        url: where to dial.
        limits: bounds of the connection.
        monotonic_ns: the wire clock.
        on_push: called with channel, data and arrival time for every subscription frame.
        on_bad: called with a reason for every frame that means nothing to us.
        on_stray: called with the result of an answer that nobody waits for any more, and its
            arrival.
    """

    def __init__(
        self,
        *,
        exchange: Tap,
        url: str,
        limits: SocketLimits,
        monotonic_ns: Callable[[], int],
        on_push: Callable[[str, Any, int], None],
        on_bad: Callable[[str], None],
        on_stray: Callable[[Any, int], None],
    ) -> None:
        self._exchange = exchange
        self._url = url
        self._limits = limits
        self._monotonic_ns = monotonic_ns
        self._on_push = on_push
        self._on_bad = on_bad
        self._on_stray = on_stray
        self._client: Any = None
        self._opened: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[str] | None = None
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self._chores: set[asyncio.Task[None]] = set()
        self.last_frame_ns = 0
        self.is_mute = False
        self.testnet: bool | None = None
        exchange.listener = self

    @property
    def unanswered(self) -> int:
        """How many requests wait for their answer."""
        return len(self._pending)

    @property
    def is_up(self) -> bool:
        """Whether a request made now would be handed to an open connection."""
        return (
            self._client is not None
            and self._ended is not None
            and not self._ended.done()
            and not self._client.closed()
        )

    async def dial(self) -> None:
        """Open the connection, dropping the one before.

        Raises:
            DialError: nobody answered, or not with a WebSocket.
        """
        await self.drop("dialled again")
        self.is_mute = False
        loop = asyncio.get_running_loop()
        self._opened, self._ended = loop.create_future(), loop.create_future()
        self._exchange.open()
        self._client = self._exchange.client(self._url)
        self._client.connect(self._exchange.session, 0)
        try:
            async with asyncio.timeout(self._limits.dial_timeout_s):
                await self._opened
        except TimeoutError:
            await self.drop("dial timed out")
            raise DialError(f"no answer within {self._limits.dial_timeout_s:g} s") from None
        self.last_frame_ns = self._monotonic_ns()

    async def ended(self, *, within_s: float) -> str | None:
        """Return why the connection ended, or None if it still lives after `within_s`."""
        if self._ended is None:
            return "never dialled"
        await asyncio.wait({self._ended}, timeout=within_s)
        if self._ended.done():
            return self._ended.result()
        return None if self.is_up else "connection closed"

    async def call(
        self, method: str, params: dict[str, Any], *, timeout_s: float | None = None
    ) -> Answer:
        """Send one request, once, and wait for its answer.

        Raises:
            NotSentError: nothing was handed to a socket (no open connection, too many unanswered
                requests, or parameters that are not exact JSON). The send was never begun.
            RpcError: the venue answered with an error.
            AnswerLostError: the request was handed over, and the answer did not come.
        """
        if not self.is_up:
            raise NotSentError("the connection is down")
        if len(self._pending) >= self._limits.pending_max:
            raise NotSentError(f"{len(self._pending)} requests are unanswered")
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        try:
            text = wire_json.encode(request)
        except (TypeError, ValueError) as error:
            raise NotSentError(str(error)) from error
        return await self._exchange_text(
            self._last_id, text, timeout_s or self._limits.answer_timeout_s
        )

    async def _exchange_text(self, request_id: int, text: str, timeout_s: float) -> Answer:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = answer
        sent_ns = self._monotonic_ns()
        try:
            async with asyncio.timeout(timeout_s):
                await self._client.send(text)
                sent_ns = self._monotonic_ns()
                result, arrived_ns = await answer
                return Answer(result=result, sent_ns=sent_ns, arrived_ns=arrived_ns)
        except (RpcError, AnswerLostError) as error:
            error.sent_ns = sent_ns
            raise
        except Exception as error:
            # Of any type: once the send was begun, no failure proves that the bytes stayed here.
            is_late = isinstance(error, TimeoutError)
            reason = f"no answer within {timeout_s:g} s" if is_late else f"{error!r}"
            lost = AnswerLostError(shortened(reason))
            lost.sent_ns = sent_ns
            raise lost from error
        finally:
            self._pending.pop(request_id, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, so that asyncio does not report it as forgotten
            else:
                self._gave_up(sent_ns)

    def _gave_up(self, sent_ns: int) -> None:
        """Suspect a line that is open at this end only: it takes requests and says nothing."""
        waited_ns = self._monotonic_ns() - sent_ns
        is_long = waited_ns >= self._limits.mute_after_s * NS_PER_SECOND
        self.is_mute = self.is_mute or (is_long and self.last_frame_ns < sent_ns)

    async def drop(self, reason: str) -> None:
        """Close the connection, whatever state it is in. Unanswered requests fail with `reason`."""
        client, self._client = self._client, None
        if client is None:
            return
        self._end(reason)
        if self._exchange.clients.get(self._url) is client:
            del self._exchange.clients[self._url]
        for chore in tuple(self._chores):
            chore.cancel()
        try:
            async with asyncio.timeout(self._limits.close_timeout_s):
                await client.close()
        except TimeoutError:
            self._on_bad(f"the venue did not say goodbye ({reason})")

    # ------------------------------------------------------------------ what the tap tells

    def connected(self, client: Any) -> None:
        """Take note that the connection is open; one that was given up while dialling is closed."""
        if client is not self._client:
            self._start(client.close())
        elif self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    def disconnected(self, client: Any, reason: str) -> None:
        """Take note that the connection ended; one that was already dropped ends unheard."""
        if client is self._client:
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(DialError(reason))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(AnswerLostError(f"connection lost: {reason}"))

    def failed(self, reason: str) -> None:
        """Count a frame that could not be taken."""
        self._on_bad(reason)

    def took(self, message: Any) -> None:
        """Route one decoded frame: a push, a heartbeat, or an answer."""
        self.last_frame_ns = arrived_ns = self._monotonic_ns()
        if not isinstance(message, dict):
            self._on_bad(shortened(f"not an object: {message!r}"))
            return
        method = message.get("method")
        if method == "subscription":
            params = message["params"]
            self._on_push(params["channel"], params["data"], arrived_ns)
        elif method == "heartbeat":
            self._beat(message.get("params"))
        else:
            self._settle(message, arrived_ns)

    def _settle(self, message: dict[str, Any], arrived_ns: int) -> None:
        testnet = message.get("testnet")
        if isinstance(testnet, bool):
            self.testnet = testnet
        answer = self._pending.get(message.get("id", 0))
        error = message.get("error")
        if error is not None:
            if message.get("result") is not None:  # then not even its code proves anything
                error = f"an error and a result at once: {error!r}"
            failure = _rpc_error(error, arrived_ns)
            if answer is None or answer.done():
                self._on_bad(shortened(f"error that answers nothing: {failure}"))
            else:
                answer.set_exception(failure)
        elif "result" not in message:
            self._on_bad(shortened(f"neither push nor answer: {message!r}"))
        elif answer is None or answer.done():
            self._on_stray(message["result"], arrived_ns)
        else:
            answer.set_result((message["result"], arrived_ns))

    def _beat(self, params: Any) -> None:
        if not isinstance(params, dict) or params.get("type") != "test_request":
            return
        self._start(self._prove_alive())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _prove_alive(self) -> None:
        try:
            await self.call("public/test", {})
        except (NotSentError, AnswerLostError, RpcError) as error:
            self._on_bad(f"heartbeat not answered: {error}")


def _rpc_error(error: Any, arrived_ns: int) -> RpcError:
    """Return the venue's error; one without a usable code gets 0, which no allow-list contains."""
    if not isinstance(error, dict):
        return RpcError(0, shortened(repr(error)), arrived_ns)
    code = error.get("code")
    message = str(error.get("message", ""))
    data = error.get("data")
    reason = shortened(f"{message}: {data}" if data else message)
    return RpcError(code if type(code) is int else 0, reason, arrived_ns, data)
