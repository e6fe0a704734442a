"""The faults of one WebSocket: what it hears and says passes through here, in a simulation.

Nothing here decides who is struck (`bot.exchange.faults` does): it does to the frame, or to the
socket, what the struck fault is about.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from bot.exchange import fault_frames
from bot.exchange.clock import NS_PER_MS
from bot.exchange.fault_bench import FaultBench
from bot.exchange.faults import WS_PUSH, WS_REQUEST, Armed, FaultKind, Moment
from bot.exchange.protocol import RpcError

PUSH: Final = '{"jsonrpc":"2.0","method":"subscription","params":{"channel":'
UNASKED: Final = '{"jsonrpc":"2.0","method":"'
SWAP_SECONDS_MAX: Final = 1.0  # a push waits no longer for one to change places with
MS_PER_S: Final = 1_000

Frame = str | bytes
Answer = Callable[[str | bytes, RpcError | None], None]


class Outlet(Protocol):
    """The socket's own end: what is given to it goes out in this order."""

    def put(self, frame: Frame) -> None:
        """Send a text, or bytes as they are."""

    def cut(self) -> None:
        """End the line at once, what waits included."""

    def hang_up(self) -> None:
        """End the line without a goodbye, after what waits has gone out."""

    def close(self, reason: str) -> None:
        """End the line with a goodbye, after what waits has gone out."""


class FaultyLine:
    """One WebSocket's wire. `hear` and `say` are those of the connection, with what befalls them.

    Args:
        bench: plan and levers.
        number: the connection's.
        outlet: the socket.
    """

    def __init__(self, bench: FaultBench, number: int, *, outlet: Outlet) -> None:
        self._bench = bench
        self._number = number
        self._outlet = outlet
        self._answering: tuple[Armed, ...] = ()
        self._first: dict[tuple[int, str], str] = {}
        self._held: tuple[Armed, str] | None = None
        self.is_dead = False

    # ------------------------------------------------------------------ what the client asks

    async def hear(self, data: str | bytes, answer: Answer) -> None:
        """Take one request; `answer` works on it, unless a fault is in the way."""
        if self.is_dead:
            return
        if self._bench.is_idle:
            self._work(data, answer, ())
            return
        struck = self._bench.strike(
            Moment(place=WS_REQUEST, name=_method(data), connection=self._number)
        )
        kinds = {armed.fault.kind for armed in struck}
        if FaultKind.HALF_OPEN in kinds:
            self.is_dead = True
            return
        if FaultKind.DROP_BEFORE in kinds:
            self._lose(struck)
            return
        pauses = [armed for armed in struck if armed.fault.kind is FaultKind.SLOW_READER]
        if pauses:
            await asyncio.sleep(_wait_s(pauses))
        late = [armed for armed in struck if _waits_before(armed)]
        if late:
            asyncio.get_running_loop().call_later(_wait_s(late), self._work, data, answer, struck)
            return
        self._work(data, answer, struck)

    def _lose(self, struck: Iterable[Armed]) -> None:
        if any(a.fault.harm.cut for a in struck if a.fault.kind is FaultKind.DROP_BEFORE):
            self.is_dead = True
            self._outlet.cut()

    def _work(self, data: str | bytes, answer: Answer, struck: tuple[Armed, ...]) -> None:
        if self.is_dead:
            return
        self._answering = struck
        answer(data, self._bench.refusal(struck))
        self._answering = ()
        for armed in struck:
            if armed.fault.kind is FaultKind.RATE_LIMIT and armed.fault.harm.cut:
                self._end_with(armed)

    def _end_with(self, armed: Armed) -> None:
        """Close the session when a fault is over; one that has no end closes nothing."""
        now_ns, window_ms = self._bench.now_ns(), armed.fault.quota.window_ms
        if armed.is_over(now_ns):
            self._outlet.close(armed.fault.harm.message)
        elif window_ms is not None:
            left_s = window_ms / MS_PER_S - (now_ns - armed.armed_ns) / NS_PER_MS / MS_PER_S
            asyncio.get_running_loop().call_later(
                left_s, self._outlet.close, armed.fault.harm.message
            )

    # ------------------------------------------------------------------ what the exchange says

    def close(self, reason: str) -> None:
        """Say goodbye, unless the line is past that."""
        if self.is_dead:
            self._outlet.cut()
        else:
            self._outlet.close(reason)

    def say(self, text: str) -> None:
        """Send an answer, a push or a heartbeat, with what befalls it."""
        if self.is_dead:
            return
        if self._bench.is_idle and self._held is None and not self._answering:
            self._outlet.put(text)
        elif text.startswith(PUSH):
            self._push(text)
        elif text.startswith(UNASKED):
            self._outlet.put(text)
        else:
            struck, self._answering = self._answering, ()
            self._deliver(text, "", struck)

    def _push(self, text: str) -> None:
        channel = text[len(PUSH) + 1 : text.index('"', len(PUSH) + 1)]
        moment = Moment(place=WS_PUSH, name=channel, connection=self._number)
        struck = self._bench.strike(moment)
        held = self._held
        if held is not None and held[0].fault.target.fits(moment):
            self._held = None
            self._deliver(text, channel, tuple(each for each in struck if each is not held[0]))
            self._emit(held[1])
            return
        self._deliver(text, channel, struck)

    def _deliver(self, text: str, channel: str, struck: tuple[Armed, ...]) -> None:
        frame: Frame | None = text
        copies, wait_s = 1, 0.0
        for armed in struck:
            if frame is None:
                return
            match armed.fault.kind:
                case FaultKind.DUPLICATE:
                    copies += 1
                case FaultKind.DELAY if not armed.fault.harm.before:
                    wait_s += armed.fault.harm.delay_ms / MS_PER_S
                case _:
                    frame = self._harmed(armed, frame, channel)
        for _ in range(copies):
            self._send(frame, wait_s)

    def _harmed(self, armed: Armed, frame: Frame, channel: str) -> Frame | None:
        """What is left of a frame; None if nothing goes out now."""
        harm = armed.fault.harm
        match armed.fault.kind:
            case FaultKind.DROP_AFTER_ACCEPT:
                self._gone(cut=harm.cut)
                return None
            case FaultKind.HALF_OPEN:
                self.is_dead = True
                return None
            case FaultKind.SILENT_STALL | FaultKind.SEQUENCE_GAP:
                return None
            case FaultKind.CORRUPT_COMPRESSION:
                return fault_frames.garbage_frame()
            case FaultKind.ERROR_FRAME:
                self._outlet.put(fault_frames.error_frame(harm.code, harm.message))
            case _ if isinstance(frame, str):
                return self._reworded(armed, frame, channel)
            case _:
                pass
        return frame

    def _reworded(self, armed: Armed, text: str, channel: str) -> Frame | None:
        harm = armed.fault.harm
        match armed.fault.kind:
            case FaultKind.TRUNCATE:
                if harm.whole:
                    return fault_frames.half_text(text)
                self._break_off(text)
                return None
            case FaultKind.CLOCK_STEP:
                return fault_frames.stepped(text, harm.step_ms)
            case FaultKind.WRONG_SCHEMA:
                return fault_frames.of_another_shape(text)
            case FaultKind.STUCK_TIMESTAMP:
                first = self._first.setdefault((armed.number, channel), text)
                return first if harm.whole else fault_frames.with_timestamp_of(text, first)
            case FaultKind.REORDER:
                self._held = (armed, text)
                asyncio.get_running_loop().call_later(SWAP_SECONDS_MAX, self._let_go, armed, text)
                return None
            case _:
                return text

    def _let_go(self, armed: Armed, text: str) -> None:
        if self._held == (armed, text):
            self._held = None
            self._emit(text)

    def _break_off(self, text: str) -> None:
        self._outlet.put(fault_frames.half_frame(text))
        self._outlet.hang_up()
        self.is_dead = True

    def _gone(self, *, cut: bool) -> None:
        if cut:
            self.is_dead = True
            self._outlet.cut()

    def _send(self, frame: Frame | None, wait_s: float) -> None:
        if frame is None:
            return
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._emit, frame)
        else:
            self._emit(frame)

    def _emit(self, frame: Frame) -> None:
        if not self.is_dead:
            self._outlet.put(frame)


def _method(data: str | bytes) -> str:
    """The method of a request; "" for what is none, which the connection will refuse."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    method = body.get("method") if isinstance(body, dict) else None
    return method.removeprefix("/") if isinstance(method, str) else ""


def _waits_before(armed: Armed) -> bool:
    return armed.fault.kind is FaultKind.DELAY and armed.fault.harm.before


def _wait_s(struck: Iterable[Armed]) -> float:
    return sum(armed.fault.harm.delay_ms for armed in struck) / MS_PER_S
