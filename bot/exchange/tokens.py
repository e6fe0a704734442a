"""Logins and the tokens that stand for them.

A login belongs to its connection, unless its scope names a session: then it outlives connections
and may be used on any. Tokens live in wire time.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bot.exchange.protocol import FORBIDDEN, Json, RpcError, unauthorized
from bot.exchange.scopes import Accesses, Scope, words

TOKENS_MAX: Final = 10_000  # the oldest fall out; a client that logs in more often is broken
NS_PER_S: Final = 1_000_000_000
UNAVAILABLE_IN_SUBACCOUNT: Final = 13012
# A refresh token outlives its access token, so that a client which refreshes late still may.
REFRESH_LIFETIMES: Final = 100
# Signs nothing but what the exchange itself hands out; a token must only be hard to guess by error.
TOKEN_SALT: Final = b"tokens of a simulated exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where and when somebody stands at the door. `connection` is None over HTTP.

    `epoch_ms` is what signatures are held against, `monotonic_ns` what tokens live in.
    """

    epoch_ms: int
    monotonic_ns: int
    connection: int | None = None
    ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A login. `connection` is the WebSocket it is bound to, None for a session.

    `account` is the one that is acted for, `home` the one that the key belongs to. `expires_ns` is
    on the wire's monotonic clock; None for a signed request, which is one call.
    """

    client_id: str
    account: str
    home: str
    is_main: bool
    accesses: Accesses
    lifetime_s: int
    connection: int | None
    session: str | None
    ip: str | None
    expires_ns: int | None = None

    def is_live(self, now_ns: int) -> bool:
        """Whether the login still counts."""
        return self.expires_ns is None or now_ns < self.expires_ns

    def require(self, scope: Scope) -> None:
        """RpcError 13021, or 13012 in a subaccount, unless the login reaches as far as `scope`."""
        if self.accesses[scope.area] < scope.access:
            raise RpcError(FORBIDDEN, "forbidden", {"reason": f"scope {scope} is required"})
        if scope.main_only and not self.is_main:
            raise RpcError(UNAVAILABLE_IN_SUBACCOUNT, "unavailable_in_subaccount")

    def check_place(self, visit: Visit) -> None:
        """RpcError 13009 where the login is bound to another connection or address."""
        if self.connection is not None and self.connection != visit.connection:
            raise unauthorized("a connection scope token cannot be used on another connection")
        if self.ip is not None and self.ip != visit.ip:
            raise unauthorized(f"the token is for {self.ip} only")

    def is_same_session(self, other: "Grant") -> bool:
        """Whether both are logins of one connection, or of one named session."""
        return (self.client_id, self.account, self.connection, self.session) == (
            other.client_id,
            other.account,
            other.connection,
            other.session,
        )

    def scope_text(self) -> str:
        """The scope as the venue words it in the answer to `public/auth`."""
        told = words(self.accesses)
        told.append("connection" if self.session is None else f"session:{self.session}")
        if self.ip is not None:
            told.append(f"ip:{self.ip}")
        if self.is_main:
            told.append("mainaccount")
        return " ".join(told)


class TokenBook:
    """Access and refresh tokens that still count."""

    def __init__(self) -> None:
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._issued = 0

    def issue(self, grant: Grant, visit: Visit) -> tuple[Grant, dict[str, Json]]:
        """Hand out a pair of tokens: the login with its lifetime set, and the venue's reply."""
        lifetime_ns = grant.lifetime_s * NS_PER_S
        live = replace(grant, expires_ns=visit.monotonic_ns + lifetime_ns)
        late = replace(grant, expires_ns=visit.monotonic_ns + lifetime_ns * REFRESH_LIFETIMES)
        access, refresh = self._word(live, visit), self._word(late, visit)
        _remember(self._access, access, live)
        _remember(self._refresh, refresh, late)
        reply: dict[str, Json] = {
            "access_token": access,
            "expires_in": grant.lifetime_s,
            "refresh_token": refresh,
            "scope": live.scope_text(),
            "token_type": "bearer",
        }
        if grant.session is not None:
            reply["sid"] = grant.session
        return live, reply

    def by_access(self, token: str, visit: Visit) -> Grant:
        """The login behind an access token; RpcError 13009 if unknown, late or another's."""
        grant = self._access.get(token)
        if grant is None or not grant.is_live(visit.monotonic_ns):
            self._access.pop(token, None)
            raise unauthorized("the access token is unknown or has expired")
        grant.check_place(visit)
        return grant

    def by_refresh(self, token: str, visit: Visit) -> Grant | None:
        """The login behind a refresh token; None if it is unknown, used up or late."""
        grant = self._refresh.get(token)
        if grant is None or not grant.is_live(visit.monotonic_ns):
            return None
        grant.check_place(visit)
        return grant

    def use_up(self, refresh_token: str) -> None:
        """A refresh token works once."""
        self._refresh.pop(refresh_token, None)

    def revoke(self, is_meant: Callable[[Grant], bool]) -> None:
        """Forget every token whose login is meant."""
        for tokens in (self._access, self._refresh):
            for token in [token for token, grant in tokens.items() if is_meant(grant)]:
                del tokens[token]

    def sessions(self, client_id: str, now_ns: int) -> set[str]:
        """The names of a key's sessions that can still be used or refreshed."""
        return {
            grant.session
            for grant in self._refresh.values()
            if grant.client_id == client_id and grant.session is not None and grant.is_live(now_ns)
        }

    def _word(self, grant: Grant, visit: Visit) -> str:
        self._issued += 1
        text = f"{grant.client_id}\n{grant.expires_ns}\n{visit.epoch_ms}\n{self._issued}"
        digest = hmac.new(TOKEN_SALT, text.encode(), hashlib.sha256).hexdigest()
        return f"{visit.epoch_ms}.{digest}"


def _remember(tokens: dict[str, Grant], token: str, grant: Grant) -> None:
    tokens[token] = grant
    while len(tokens) > TOKENS_MAX:
        del tokens[next(iter(tokens))]
