"""Logins, subscriptions, heartbeats, cancel-on-disconnect."""

from collections.abc import Iterable
from enum import StrEnum

from bot.exchange.channels import (
    AccountChannel,
    PortfolioChannel,
    PrivateChannel,
    UserChannel,
    needs_login,
    parse_channel,
)
from bot.exchange.clock import NS_PER_MS
from bot.exchange.methods.call import Call
from bot.exchange.methods.market_data import VERSION
from bot.exchange.protocol import (
    MUST_BE_WEBSOCKET,
    RAW_NEEDS_LOGIN,
    Json,
    RpcError,
    invalid_param,
)
from bot.exchange.scopes import ACCOUNT_READ, TRADE_READ
from bot.exchange.session import Heartbeat

GENERAL_ERROR = 10001


def auth(call: Call) -> Json:
    """Log in by secret, signature or refresh token; over WebSocket the connection is logged in."""
    session = call.session
    grant, reply = call.floor.gatekeeper.login(call.params, call.visit())
    call.floor.note_access(grant.account, call.visit().ip, "success")
    if session is not None:
        call.floor.log_in(session, grant)
    return reply


def exchange_token(call: Call) -> Json:
    """Tokens for another account of the family; a connection's own login stays what it was."""
    return call.floor.gatekeeper.exchange(call.params, call.visit())


def fork_token(call: Call) -> Json:
    """Tokens for another named session of the same login."""
    return call.floor.gatekeeper.fork(call.params, call.visit())


def logout(call: Call) -> Json:
    """Say goodbye: the connection closes, and its orders stay."""
    session, grant = call.socket(), call.grant
    session.said_goodbye = True
    if grant is not None and call.params.flag("invalidate_token", default=True):
        call.floor.log_out(grant.is_same_session)
    session.close("logged out")
    return "ok"


def test(call: Call) -> Json:
    """The version; also the answer to a `test_request`."""
    if call.session is not None and call.session.heartbeat is not None:
        call.session.heartbeat.is_tested = False
    if call.params.text("expected_result", "") == "exception":
        raise RpcError(GENERAL_ERROR, "error", {"reason": "asked for by expected_result"})
    return {"version": VERSION}


def set_heartbeat(call: Call) -> Json:
    """Ask for heartbeats and test requests every `interval` seconds."""
    interval_s = call.params.decimal("interval")
    least_s = call.floor.policy.heartbeat_min_s
    if float(interval_s) < least_s:
        raise invalid_param("interval", f"must be at least {least_s:g} seconds, got {interval_s}")
    call.socket().heartbeat = Heartbeat(
        interval_ns=int(interval_s * 1000) * NS_PER_MS, beaten_ns=call.floor.wire.monotonic_ns()
    )
    return "ok"


def disable_heartbeat(call: Call) -> Json:
    """No more heartbeats."""
    call.socket().heartbeat = None
    return "ok"


def subscribe_public(call: Call) -> Json:
    """Listen to market data; the answer names the channels that were subscribed."""
    names = call.params.texts("channels")
    return _subscribe(call, [name for name in names if not _is_private(name)])


def subscribe_private(call: Call) -> Json:
    """Listen to market data and to news of the account."""
    session = call.socket()
    if call.grant is not None and call.grant is not session.grant:
        call.floor.log_in(session, call.grant)  # it brought a token along instead of logging in
    return _subscribe(call, call.params.texts("channels"))


def _is_private(name: str) -> bool:
    return isinstance(parse_channel(name), PrivateChannel)


def _subscribe(call: Call, names: Iterable[str]) -> Json:
    session, now_ns = call.socket(), call.floor.wire.monotonic_ns()
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        channel = parse_channel(name)
        if channel is not None and needs_login(channel) and call.grant is None:
            raise RpcError(RAW_NEEDS_LOGIN, "raw_subscriptions_not_available_for_unauthorized")
    allowed = [name for name in wanted if _may_hear(call, name)]
    return [name for name in allowed if call.floor.hub.subscribe(session, name, now_ns)]


def _may_hear(call: Call, name: str) -> bool:
    """Whether the login's scope covers a channel; one that it does not is left out."""
    match parse_channel(name):
        case UserChannel():
            scope = TRADE_READ
        case PortfolioChannel() | AccountChannel():
            scope = ACCOUNT_READ
        case _:
            return True
    return call.grant is not None and call.grant.accesses[scope.area] >= scope.access


def unsubscribe(call: Call) -> Json:
    """Stop listening; the answer names the channels that were listened to."""
    session = call.socket()
    names = call.params.texts("channels")
    return [name for name in names if call.floor.hub.unsubscribe(session, name)]


def unsubscribe_all(call: Call) -> Json:
    """Stop listening to everything."""
    call.floor.hub.drop(call.socket())
    return "ok"


class DisconnectScope(StrEnum):
    """How far cancel-on-disconnect reaches: this connection, or every one opened from now on."""

    CONNECTION = "connection"
    ACCOUNT = "account"


def enable_cancel_on_disconnect(call: Call) -> Json:
    """Have a connection's orders cancelled when it breaks."""
    match _scope(call):
        case DisconnectScope.CONNECTION:
            call.socket().cancels_on_disconnect = True
        case DisconnectScope.ACCOUNT:
            call.floor.accounts_cancelling_on_disconnect.add(call.account)
    return "ok"


def disable_cancel_on_disconnect(call: Call) -> Json:
    """Leave a connection's orders alone when it breaks."""
    match _scope(call):
        case DisconnectScope.CONNECTION:
            call.socket().cancels_on_disconnect = False
        case DisconnectScope.ACCOUNT:
            call.floor.accounts_cancelling_on_disconnect.discard(call.account)
    return "ok"


def get_cancel_on_disconnect(call: Call) -> Json:
    """Whether a broken connection's orders are cancelled."""
    scope = _scope(call)
    if scope is DisconnectScope.ACCOUNT:
        is_enabled = call.account in call.floor.accounts_cancelling_on_disconnect
    elif call.session is not None:
        is_enabled = call.session.cancels_on_disconnect is True
    else:
        raise RpcError(MUST_BE_WEBSOCKET, "must_be_websocket_request")
    return {"scope": scope.value, "enabled": is_enabled}


def _scope(call: Call) -> DisconnectScope:
    return call.params.choice("scope", DisconnectScope, DisconnectScope.CONNECTION)
