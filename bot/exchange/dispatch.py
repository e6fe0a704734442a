"""From a call to its answer: who asks, may they, and what the method says.

Synchronous, like the engine: between the arrival of a request and its answer nothing else happens.
"""

from dataclasses import dataclass

from bot.exchange.auth import Grant, SignedRequest
from bot.exchange.floor import TradingFloor
from bot.exchange.methods.call import Call, Method
from bot.exchange.methods.table import METHODS
from bot.exchange.protocol import (
    METHOD_NOT_FOUND,
    MUST_BE_WEBSOCKET,
    Json,
    Params,
    RpcError,
    RpcRequest,
    Stamp,
    Transport,
    failure,
    success,
    unauthorized,
)
from bot.exchange.session import Session
from bot.exchange.sim_ledger import SeenRequest

US_PER_MS = 1_000
NS_PER_US = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a call came from: a WebSocket session, or an HTTP request with its header."""

    transport: Transport
    session: Session | None = None
    authorization: str | None = None
    signed: SignedRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The text of an answer, and whether it is an error."""

    text: str
    is_error: bool


def answer(floor: TradingFloor, request: RpcRequest, caller: Caller) -> Reply:
    """Answer one call. What it caused waits for `floor.publish`, so that the answer goes first."""
    us_in = floor.wire.epoch_ms() * US_PER_MS
    began_ns = floor.wire.monotonic_ns()
    content: Json | RpcError
    try:
        content = _run(floor, request, caller)
    except RpcError as error:
        content = error
    spent_us = (floor.wire.monotonic_ns() - began_ns) // NS_PER_US
    stamp = Stamp(us_in=us_in, us_out=us_in + spent_us, testnet=floor.policy.is_testnet)
    if isinstance(content, RpcError):
        return Reply(text=failure(request.id, content, stamp), is_error=True)
    return Reply(text=success(request.id, content, stamp), is_error=False)


def refusal(floor: TradingFloor, error: RpcError) -> Reply:
    """The answer to something that was no call at all."""
    us_in = floor.wire.epoch_ms() * US_PER_MS
    stamp = Stamp(us_in=us_in, us_out=us_in, testnet=floor.policy.is_testnet)
    return Reply(text=failure(None, error, stamp), is_error=True)


def _run(floor: TradingFloor, request: RpcRequest, caller: Caller) -> Json:
    method = METHODS.get(request.method)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    if method.counts and floor.ledger is not None:
        seen = SeenRequest(
            at_ms=floor.wire.epoch_ms(),
            transport=caller.transport,
            method=request.method,
            params=request.params,
        )
        floor.ledger.note(seen)
    if method.websocket_only and caller.session is None:
        raise RpcError(MUST_BE_WEBSOCKET, "must_be_websocket_request")
    params = Params(request.params)
    grant = _grant(floor, method, params, caller)
    floor.advance()
    return method.run(
        Call(
            floor=floor,
            params=params,
            transport=caller.transport,
            session=caller.session,
            grant=grant,
        )
    )


def _grant(floor: TradingFloor, method: Method, params: Params, caller: Caller) -> Grant | None:
    """The caller's login where the method or the caller brings one; 13009 where it is missing."""
    now = floor.now()
    session = caller.session
    if not method.login:
        held = None if session is None else session.grant
        return held if held is not None and held.is_live(now.monotonic_ns) else None
    if params.has("access_token"):
        connection = None if session is None else session.number
        grant = floor.gatekeeper.by_token(params.text("access_token"), now, connection)
    elif session is not None:
        if session.grant is None:
            raise unauthorized("a login is required: public/auth")
        if not session.grant.is_live(now.monotonic_ns):
            raise unauthorized("the login has expired: public/auth again")
        grant = session.grant
    elif caller.authorization is not None and caller.signed is not None:
        grant = floor.gatekeeper.by_header(caller.authorization, caller.signed, now)
    else:
        raise unauthorized("an Authorization header is required")
    if method.scope is not None:
        grant.require(method.scope)
    return grant
