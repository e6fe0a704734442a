"""Who may do what: API keys, HMAC signatures, tokens that expire.

Signatures carry the host's epoch, never market time; tokens live in wire time. Deribit:
"Authentication" of the API v2 description: `deri-hmac-sha256` and `bearer` headers over HTTP,
`public/auth` over WebSocket, where a login belongs to its connection unless the scope names a
session.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from bot.exchange.protocol import (
    FORBIDDEN,
    INVALID_CREDENTIALS,
    Json,
    Params,
    RpcError,
    invalid_param,
    unauthorized,
)

SIGNATURE_PREFIX: Final = "deri-hmac-sha256 "
BEARER_PREFIX: Final = "bearer "
TOKENS_MAX: Final = 10_000  # the oldest fall out; a client that logs in more often is broken
NS_PER_S: Final = 1_000_000_000
# A refresh token outlives its access token, so that a client which refreshes late still may.
REFRESH_LIFETIMES: Final = 100


class Access(IntEnum):
    """How far a scope reaches; a wider one includes the narrower."""

    NONE = 0
    READ = 1
    READ_WRITE = 2


ACCESS_BY_WORD: Final = {"none": Access.NONE, "read": Access.READ, "read_write": Access.READ_WRITE}
WORD_BY_ACCESS: Final = {access: word for word, access in ACCESS_BY_WORD.items()}


class Area(StrEnum):
    """What a scope speaks about, in the order in which the venue lists them."""

    ACCOUNT = "account"
    BLOCK_RFQ = "block_rfq"
    BLOCK_TRADE = "block_trade"
    CUSTODY = "custody"
    TRADE = "trade"
    WALLET = "wallet"


AREA_BY_WORD: Final = {area.value: area for area in Area}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The permission that a method needs."""

    area: Area
    access: Access


ACCOUNT_READ: Final = Scope(area=Area.ACCOUNT, access=Access.READ)
ACCOUNT_WRITE: Final = Scope(area=Area.ACCOUNT, access=Access.READ_WRITE)
TRADE_READ: Final = Scope(area=Area.TRADE, access=Access.READ)
TRADE_WRITE: Final = Scope(area=Area.TRADE, access=Access.READ_WRITE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key of the exchange. `scope` is its widest: "account:read trade:read_write ..."."""

    client_id: str
    secret: str
    account: str
    scope: str = "account:read_write trade:read_write"

    def accesses(self) -> dict[Area, Access]:
        """The widest access in each area; an area that the scope does not name has none."""
        return parse_scope(self.scope)


# Public on purpose: it opens a simulated account on loopback and nothing else.
DEMO_KEY: Final = ApiKey(client_id="demo", secret="demo-secret", account="demo")  # noqa: S106


def parse_scope(text: str) -> dict[Area, Access]:
    """Areas and accesses of a scope string; words that are not about an area are passed over."""
    accesses = dict.fromkeys(Area, Access.NONE)
    for word in text.split():
        area, _, access = word.partition(":")
        if area in AREA_BY_WORD and access in ACCESS_BY_WORD:
            accesses[AREA_BY_WORD[area]] = ACCESS_BY_WORD[access]
    return accesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A login. `connection` is the WebSocket it is bound to, None for a session.

    `expires_ns` is on the wire's monotonic clock; None for a signed request, which is one call.
    """

    client_id: str
    account: str
    accesses: Mapping[Area, Access]
    connection: int | None
    session: str | None
    expires_ns: int | None

    def is_live(self, now_ns: int) -> bool:
        """Whether the login still counts."""
        return self.expires_ns is None or now_ns < self.expires_ns

    def require(self, scope: Scope) -> None:
        """RpcError 13021 unless the login reaches as far as `scope`."""
        if self.accesses[scope.area] < scope.access:
            raise RpcError(
                FORBIDDEN,
                "forbidden",
                {"reason": f"scope {scope.area}:{WORD_BY_ACCESS[scope.access]} is required"},
            )

    def scope_text(self) -> str:
        """The scope as the venue words it in the answer to `public/auth`."""
        words = [f"{area}:{WORD_BY_ACCESS[self.accesses[area]]}" for area in Area]
        binding = "connection" if self.session is None else f"session:{self.session}"
        return " ".join([*words, binding, "mainaccount"])


class GrantType(StrEnum):
    """How a caller proves who it is to `public/auth`."""

    CLIENT_CREDENTIALS = "client_credentials"
    CLIENT_SIGNATURE = "client_signature"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """Lifetimes and tolerances, all in wire time."""

    token_lifetime_s: int = 900
    signature_age_max_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The two wire readings that authentication needs."""

    epoch_ms: int
    monotonic_ns: int


class Gatekeeper:
    """Keys and live tokens. The only place that decides who a caller is."""

    def __init__(self, *, keys: tuple[ApiKey, ...], policy: AuthPolicy) -> None:
        self._keys = {key.client_id: key for key in keys}
        self._policy = policy
        self._access_tokens: dict[str, Grant] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        self._issued = 0

    def login(
        self, params: Params, now: Now, connection: int | None
    ) -> tuple[Grant, dict[str, Json]]:
        """Answer `public/auth`: the grant and the reply. RpcError 13004 on wrong credentials."""
        grant_type = params.choice("grant_type", GrantType)
        return self._issue(self._proved(grant_type, params, now, connection), params, now)

    def _proved(
        self, grant_type: GrantType, params: Params, now: Now, connection: int | None
    ) -> Grant:
        wanted = params.text("scope", "")
        match grant_type:
            case GrantType.CLIENT_CREDENTIALS:
                return self._grant(self._by_secret(params), wanted, connection)
            case GrantType.CLIENT_SIGNATURE:
                return self._grant(self._by_client_signature(params, now), wanted, connection)
            case GrantType.REFRESH_TOKEN:
                return self._refreshed(params.text("refresh_token"), now, connection)

    def by_header(self, header: str, request: "SignedRequest", now: Now) -> Grant:
        """The caller behind an `Authorization` header of an HTTP request."""
        if header.lower().startswith(BEARER_PREFIX):
            return self.by_token(header[len(BEARER_PREFIX) :].strip(), now, connection=None)
        if not header.startswith(SIGNATURE_PREFIX):
            raise unauthorized("the Authorization header is neither bearer nor deri-hmac-sha256")
        fields = _header_fields(header[len(SIGNATURE_PREFIX) :])
        key = self._keys.get(fields.get("id", ""))
        text = f"{fields.get('ts')}\n{fields.get('nonce')}\n{request.text()}"
        self._verify(key, text, fields.get("sig", ""))
        assert key is not None
        self._check_age(fields.get("ts", ""), now)
        return self._grant(key, "", connection=None)

    def by_token(self, token: str, now: Now, connection: int | None) -> Grant:
        """The caller behind an access token. RpcError 13009 if it is unknown, late or another's."""
        grant = self._access_tokens.get(token)
        if grant is None or not grant.is_live(now.monotonic_ns):
            self._access_tokens.pop(token, None)
            raise unauthorized("the access token is unknown or has expired")
        if grant.connection is not None and grant.connection != connection:
            raise unauthorized("a connection scope token cannot be used on another connection")
        return grant

    def revoke(self, grant: Grant) -> None:
        """Forget every token of a session (`private/logout`)."""
        for tokens in (self._access_tokens, self._refresh_tokens):
            stale = [
                token
                for token, held in tokens.items()
                if (held.client_id, held.connection, held.session)
                == (grant.client_id, grant.connection, grant.session)
            ]
            for token in stale:
                del tokens[token]

    def _by_secret(self, params: Params) -> ApiKey:
        key = self._keys.get(params.text("client_id"))
        secret = params.text("client_secret").encode()
        if key is None or not hmac.compare_digest(key.secret.encode(), secret):
            raise _invalid_credentials()
        return key

    def _by_client_signature(self, params: Params, now: Now) -> ApiKey:
        key = self._keys.get(params.text("client_id"))
        timestamp = params.text("timestamp")
        text = f"{timestamp}\n{params.text('nonce', '')}\n{params.text('data', '')}"
        self._verify(key, text, params.text("signature"))
        assert key is not None
        self._check_age(timestamp, now)
        return key

    @staticmethod
    def _verify(key: ApiKey | None, text: str, signature: str) -> None:
        secret = key.secret if key is not None else ""
        wanted = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        # Compared even for an unknown key, so that a guess takes the same time.
        equal = hmac.compare_digest(wanted.encode(), signature.lower().encode())
        if key is None or not equal:
            raise _invalid_credentials()

    def _check_age(self, timestamp: str, now: Now) -> None:
        if not re.fullmatch(r"\d{1,16}", timestamp):
            raise invalid_param("timestamp", f"must be epoch milliseconds, got {timestamp!r}")
        age_s = abs(now.epoch_ms - int(timestamp)) / 1000
        if age_s > self._policy.signature_age_max_s:
            raise RpcError(
                INVALID_CREDENTIALS,
                "invalid_credentials",
                {
                    "reason": f"the signature's timestamp is {age_s:.0f} s away from the "
                    f"server's clock; at most {self._policy.signature_age_max_s:.0f} s are allowed"
                },
            )

    def _grant(self, key: ApiKey, wanted: str, connection: int | None) -> Grant:
        widest = key.accesses()
        asked = {word.partition(":")[0] for word in wanted.split()}
        narrowed = parse_scope(wanted)
        session = next(
            (word.partition(":")[2] for word in wanted.split() if word.startswith("session:")), None
        )
        return Grant(
            client_id=key.client_id,
            account=key.account,
            accesses={
                area: min(widest[area], narrowed[area]) if area in asked else widest[area]
                for area in Area
            },
            connection=connection if session is None else None,
            session=session,
            expires_ns=None,
        )

    def _refreshed(self, token: str, now: Now, connection: int | None) -> Grant:
        grant = self._refresh_tokens.pop(token, None)
        if grant is None or not grant.is_live(now.monotonic_ns):
            raise _invalid_credentials()
        if grant.connection is not None and grant.connection != connection:
            raise unauthorized("a connection scope token cannot be used on another connection")
        return grant

    def _issue(self, grant: Grant, params: Params, now: Now) -> tuple[Grant, dict[str, Json]]:
        lifetime_s = self._lifetime_s(params.text("scope", ""))
        live = replace(grant, expires_ns=now.monotonic_ns + lifetime_s * NS_PER_S)
        late = replace(
            grant, expires_ns=now.monotonic_ns + lifetime_s * NS_PER_S * REFRESH_LIFETIMES
        )
        access, refresh = self._token(live, now), self._token(late, now)
        _remember(self._access_tokens, access, live)
        _remember(self._refresh_tokens, refresh, late)
        reply: dict[str, Json] = {
            "access_token": access,
            "expires_in": lifetime_s,
            "refresh_token": refresh,
            "scope": live.scope_text(),
            "token_type": "bearer",
            "enabled_features": [],
        }
        if params.has("state"):
            reply["state"] = params.text("state")
        return live, reply

    def _lifetime_s(self, scope: str) -> int:
        """The policy's lifetime, or a shorter one that the scope asks for (`expires:60`)."""
        found = re.search(r"(?:^|\s)expires:(\d{1,9})(?:\s|$)", scope)
        asked_s = int(found.group(1)) if found else self._policy.token_lifetime_s
        return max(1, min(asked_s, self._policy.token_lifetime_s))

    def _token(self, grant: Grant, now: Now) -> str:
        # Unguessable without the secret, and the same run gives the same tokens.
        self._issued += 1
        secret = self._keys[grant.client_id].secret
        text = f"{grant.client_id}\n{grant.expires_ns}\n{now.epoch_ms}\n{self._issued}"
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return f"{now.epoch_ms}.{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What an HTTP signature covers: the method, the path with its query as sent, the body."""

    method: str
    path: str
    body: str

    def text(self) -> str:
        """The signed text after timestamp and nonce."""
        return f"{self.method}\n{self.path}\n{self.body}\n"


def _remember(tokens: dict[str, Grant], token: str, grant: Grant) -> None:
    tokens[token] = grant
    while len(tokens) > TOKENS_MAX:
        del tokens[next(iter(tokens))]


def _header_fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    return fields


def _invalid_credentials() -> RpcError:
    return RpcError(INVALID_CREDENTIALS, "invalid_credentials")
