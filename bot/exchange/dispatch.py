"""From a call to its answer: who asks, may they, and what the method says.

Synchronous, like the engine: between the arrival of a request and its answer nothing else happens.
"""

from dataclasses import dataclass
from typing import Final

from bot.exchange.floor import TradingFloor
from bot.exchange.methods.call import Call, Method
from bot.exchange.methods.table import METHODS
from bot.exchange.protocol import (
    METHOD_NOT_FOUND,
    MUST_BE_WEBSOCKET,
    NoCallError,
    Params,
    Result,
    RpcError,
    RpcRequest,
    Stamp,
    Transport,
    failure,
    success,
    unauthorized,
)
from bot.exchange.session import Session
from bot.exchange.signatures import SignedRequest
from bot.exchange.sim_ledger import SeenRequest
from bot.exchange.tokens import Grant

US_PER_MS = 1_000
NS_PER_US = 1_000
PLACING: Final = frozenset(
    f"private/{name}" for name in ("buy", "sell", "edit", "edit_by_label", "close_position")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a call came from: a WebSocket session, or an HTTP request with its header.

    `refusal`, in a simulation, is what the venue says instead of working.
    """

    transport: Transport
    session: Session | None = None
    ip: str = "127.0.0.1"
    authorization: str | None = None
    signed: SignedRequest | None = None
    refusal: RpcError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The text of an answer, and the code of its error, if it is one."""

    text: str
    code: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether the answer is an error."""
        return self.code is not None


def answer(floor: TradingFloor, request: RpcRequest, caller: Caller) -> Reply:
    """Answer one call. What it caused waits for `floor.publish`, so that the answer goes first."""
    us_in = floor.wire.epoch_ms() * US_PER_MS
    began_ns = floor.wire.monotonic_ns()
    content: Result | RpcError
    try:
        content = _run(floor, request, caller)
    except RpcError as error:
        content = error
    spent_us = (floor.wire.monotonic_ns() - began_ns) // NS_PER_US
    stamp = Stamp(us_in=us_in, us_out=us_in + spent_us, testnet=floor.policy.is_testnet)
    if isinstance(content, RpcError):
        return Reply(text=failure(request.id, content, stamp), code=content.code)
    return Reply(text=success(request.id, content, stamp))


def refusal(floor: TradingFloor, error: NoCallError) -> Reply:
    """The answer to something that was no call at all."""
    us_in = floor.wire.epoch_ms() * US_PER_MS
    stamp = Stamp(us_in=us_in, us_out=us_in, testnet=floor.policy.is_testnet)
    return Reply(text=failure(error.call_id, error, stamp), code=error.code)


def _run(floor: TradingFloor, request: RpcRequest, caller: Caller) -> Result:
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
    if caller.refusal is not None:
        raise caller.refusal
    if method.websocket_only and caller.session is None:
        raise RpcError(MUST_BE_WEBSOCKET, "must_be_websocket_request")
    params = Params(request.params)
    grant = _charged(floor, request.method, method, params, caller)
    floor.advance()
    _admit(floor, request, method, params, grant)
    return method.run(
        Call(
            floor=floor,
            params=params,
            transport=caller.transport,
            session=caller.session,
            grant=grant,
            ip=caller.ip,
        )
    )


def _charged(
    floor: TradingFloor, name: str, method: Method, params: Params, caller: Caller
) -> Grant | None:
    """The caller's login, once the call is paid for; a stranger's address pays for a stranger."""
    now_ns = floor.wire.monotonic_ns()
    try:
        grant = _grant(floor, method, params, caller)
    except RpcError:
        floor.limits.charge(caller.ip, name, now_ns)
        raise
    floor.limits.charge(caller.ip if grant is None else grant.account, name, now_ns)
    return grant


def _admit(
    floor: TradingFloor, request: RpcRequest, method: Method, params: Params, grant: Grant | None
) -> None:
    """RpcError where the platform's state does not allow the call, or its login's scope."""
    if grant is None:
        floor.platform.admit_stranger(request.method)
    elif method.scope is not None:
        grant.require(method.scope)
    if method.counts:
        floor.platform.admit_trading(floor.wire.monotonic_ns())
    if request.method in PLACING and floor.platform.locked_indices:
        _admit_order(floor, params, grant)


def _admit_order(floor: TradingFloor, params: Params, grant: Grant | None) -> None:
    """RpcError where the index of the order's instrument is locked."""
    name = params.optional_text("instrument_name")
    if name is None and grant is not None and params.has("order_id"):
        order = floor.engine.order(grant.account, params.text("order_id"))
        name = None if order is None else order.instrument_name
    contract = None if name is None else floor.engine.contract(name)
    if contract is not None:
        floor.platform.admit_order(contract.pair.index_name)


def _grant(floor: TradingFloor, method: Method, params: Params, caller: Caller) -> Grant | None:
    """The caller's login where the method or the caller brings one; 13009 where it is missing."""
    if not method.login:
        return _known(floor, params, caller)
    grant = _shown(floor, params, caller) or _held(floor, caller.session)
    if grant is None:
        raise unauthorized(_missing(caller))
    return grant


def _known(floor: TradingFloor, params: Params, caller: Caller) -> Grant | None:
    """The caller's login where none is needed; one that does not count is no matter."""
    try:
        return _shown(floor, params, caller) or _held(floor, caller.session)
    except RpcError:
        return _held(floor, caller.session)


def _shown(floor: TradingFloor, params: Params, caller: Caller) -> Grant | None:
    """The login that the call itself carries, in a parameter or in a header."""
    if params.has("access_token"):
        visit = floor.visit(caller.session, caller.ip)
        return floor.gatekeeper.by_token(params.text("access_token"), visit)
    if caller.authorization is not None and caller.signed is not None:
        visit = floor.visit(caller.session, caller.ip)
        return floor.gatekeeper.by_header(caller.authorization, caller.signed, visit)
    return None


def _held(floor: TradingFloor, session: Session | None) -> Grant | None:
    """The login that the connection holds, if it still counts."""
    if session is None or session.grant is None:
        return None
    return session.grant if session.grant.is_live(floor.wire.monotonic_ns()) else None


def _missing(caller: Caller) -> str:
    if caller.session is None:
        return "an Authorization header is required"
    if caller.session.grant is not None:
        return "the login has expired: public/auth again"
    return "a login is required: public/auth"
