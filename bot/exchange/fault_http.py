"""The faults of HTTP: of a request and its response, and of a WebSocket's opening."""

import asyncio
import gzip
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bot.exchange import fault_frames
from bot.exchange.fault_bench import FaultBench
from bot.exchange.faults import (
    CONNECT,
    HTTP_REQUEST,
    WS_OPENING,
    Armed,
    Fault,
    FaultKind,
    Moment,
)
from bot.exchange.protocol import Json, RpcError, dumps

HELD_SECONDS_MAX: Final = 600.0
LOOK_SECONDS: Final = 0.1
MS_PER_S: Final = 1_000
JSON: Final = "application/json"

Work = Callable[[RpcError | None], web.Response]

# In place of the venue's answer; only with `processed` does the venue see the request.
GATEWAY: Final = frozenset({FaultKind.HTML_200, FaultKind.EMPTY_200, FaultKind.HTTP_STATUS})


async def respond(
    bench: FaultBench, method: str, request: web.Request, work: Work
) -> web.StreamResponse:
    """Answer one request by `work`, with what befalls it."""
    struck = bench.strike(Moment(place=HTTP_REQUEST, name=method))
    await asyncio.sleep(_wait_s(struck, before=True))
    instead = await _instead(struck, request, work)
    if instead is not None:
        return instead
    response = work(bench.refusal(struck))
    await asyncio.sleep(_wait_s(struck, before=False))
    return await _delivered(struck, request, response)


async def opening(bench: FaultBench, request: web.Request) -> web.StreamResponse | None:
    """What answers a WebSocket's opening in place of a handshake; None: it is opened."""
    struck = bench.strike(Moment(place=WS_OPENING, name=CONNECT))
    await asyncio.sleep(_wait_s(struck, before=True) + _wait_s(struck, before=False))
    return await _instead(struck, request, None)


async def _instead(
    struck: Iterable[Armed], request: web.Request, work: Work | None
) -> web.Response | None:
    """What comes in place of the venue's answer, if something does."""
    for armed in struck:
        match armed.fault.kind:
            case FaultKind.DROP_BEFORE:
                return await _gone(request, cut=armed.fault.harm.cut)
            case FaultKind.HALF_OPEN:
                return await _gone(request, cut=False)
            case kind if kind in GATEWAY:
                if armed.fault.harm.processed and work is not None:
                    work(None)
                return _gateway(armed.fault)
            case _:
                pass
    return None


async def _delivered(
    struck: Iterable[Armed], request: web.Request, response: web.Response
) -> web.Response:
    """The venue's answer as it arrives."""
    for armed in struck:
        match armed.fault.kind:
            case FaultKind.DROP_AFTER_ACCEPT:
                return await _gone(request, cut=armed.fault.harm.cut)
            case FaultKind.TRUNCATE:
                return await _broken_off(request, response)
            case FaultKind.CORRUPT_COMPRESSION:
                return _garbled(response)
            case FaultKind.CLOCK_STEP:
                step_ms = armed.fault.harm.step_ms
                _reword(response, partial(fault_frames.stepped, step_ms=step_ms))
            case FaultKind.WRONG_SCHEMA:
                _reword(response, fault_frames.of_another_shape)
            case _:
                pass
    return response


def _wait_s(struck: Iterable[Armed], *, before: bool) -> float:
    waits = (each.fault.harm for each in struck if each.fault.kind is FaultKind.DELAY)
    return sum(harm.delay_ms for harm in waits if harm.before is before) / MS_PER_S


async def _gone(request: web.Request, *, cut: bool) -> web.Response:
    """Answer nothing: the line is cut, or the client waits until it has had enough."""
    if cut and request.transport is not None:
        request.transport.abort()
    waited_s = 0.0
    while request.transport is not None and waited_s < HELD_SECONDS_MAX:
        if request.transport.is_closing():
            break
        await asyncio.sleep(LOOK_SECONDS)
        waited_s += LOOK_SECONDS
    return web.Response()  # into a line that is no more


async def _broken_off(request: web.Request, response: web.Response) -> web.Response:
    """Send the head of the response and half its body, and hang up."""
    body = _body(response)
    reason = HTTPStatus(response.status).phrase
    lines = [f"HTTP/1.1 {response.status} {reason}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    head = "\r\n".join([*lines, "", ""])
    if isinstance(request.transport, asyncio.Transport):
        request.transport.write(head.encode() + body[: len(body) // 2])
        request.transport.close()
    return await _gone(request, cut=False)


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _reword(response: web.Response, reworded: Callable[[str], str]) -> None:
    """Put another text in place of a response's own, packed as that was."""
    body, coding = _body(response), response.headers.get("Content-Encoding")
    if coding == "gzip":
        response.body = gzip.compress(reworded(gzip.decompress(body).decode()).encode())
    else:
        response.body = reworded(body.decode()).encode()


def _garbled(response: web.Response) -> web.Response:
    return web.Response(
        body=fault_frames.GARBAGE,
        status=response.status,
        headers={"Content-Encoding": "gzip", "Content-Type": JSON},
    )


def _gateway(fault: Fault) -> web.Response:
    harm = fault.harm
    match fault.kind:
        case FaultKind.EMPTY_200:
            return web.Response(text="", content_type=JSON)
        case FaultKind.HTTP_STATUS if harm.content == "json":
            error: dict[str, Json] = {"code": harm.code, "message": harm.message}
            body = dumps({"jsonrpc": "2.0", "error": error})
            return web.Response(text=body, status=harm.status, content_type=JSON)
        case FaultKind.HTTP_STATUS:
            page = web.Response(text=fault_frames.HTML, status=harm.status)
        case _:
            page = web.Response(text=fault_frames.HTML)
    page.content_type = "text/html"
    return page
