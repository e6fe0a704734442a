"""The gatekeeper: who a caller is, by secret, signature or token.

Deribit: "Authentication" of the API v2 description: `deri-hmac-sha256` and `bearer` headers over
HTTP, `public/auth` over WebSocket, where a login belongs to its connection unless the scope names a
session.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bot.exchange import signatures
from bot.exchange.keys import KeyRecord, KeyRing
from bot.exchange.protocol import FORBIDDEN, Json, Params, RpcError, invalid_param, unauthorized
from bot.exchange.register import Register
from bot.exchange.scopes import read_scope
from bot.exchange.signatures import SIGNATURE_PREFIX, SignedRequest, invalid_credentials
from bot.exchange.tokens import Grant, TokenBook, Visit

BEARER_PREFIX: Final = "bearer "


class GrantType(StrEnum):
    """How a caller proves who it is to `public/auth`."""

    CLIENT_CREDENTIALS = "client_credentials"
    CLIENT_SIGNATURE = "client_signature"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """Lifetimes and tolerances, all in wire time, and how many sessions a key may have."""

    token_lifetime_s: int = 900
    signature_age_max_s: float = 60.0
    sessions_per_key_max: int = 16


class Gatekeeper:
    """The only place that decides who a caller is."""

    def __init__(self, *, ring: KeyRing, register: Register, policy: AuthPolicy) -> None:
        self.ring = ring
        self._register = register
        self._policy = policy
        self._tokens = TokenBook()

    def login(self, params: Params, visit: Visit) -> tuple[Grant, dict[str, Json]]:
        """Answer `public/auth`: the grant and the reply. RpcError 13004 on wrong credentials."""
        grant = self._proved(params.choice("grant_type", GrantType), params, visit)
        self._check_sessions(grant, visit)
        live, reply = self._tokens.issue(grant, visit)
        reply["enabled_features"] = list(self._key(grant).features)
        if params.has("state"):
            reply["state"] = params.text("state")
        return live, reply

    def exchange(self, params: Params, visit: Visit) -> dict[str, Json]:
        """Answer `public/exchange_token`: tokens for another account of the same family."""
        held = self._by_refresh(params, visit)
        number = params.integer("subject_id")
        subject = self._register.numbered(number)
        if subject is None or subject not in self._register.family(held.home):
            raise invalid_param("subject_id", f"there is no subaccount {number}")
        if subject.name != held.home and not self._register.member(held.home).is_main:
            raise _forbidden("only a main account may switch to another")
        asked = read_scope(params.text("scope", ""))
        grant = replace(
            held,
            account=subject.name,
            is_main=subject.is_main,
            accesses=asked.narrowed(held.accesses),
            lifetime_s=self._lifetime_s(asked.expires_s),
            connection=held.connection if asked.session is None else None,
            session=held.session if asked.session is None else asked.session,
        )
        self._check_sessions(grant, visit)
        return self._tokens.issue(grant, visit)[1]

    def fork(self, params: Params, visit: Visit) -> dict[str, Json]:
        """Answer `public/fork_token`: the same login once more, under another session's name."""
        held = self._by_refresh(params, visit)
        name = params.text("session_name")
        if held.session is None:
            raise _forbidden("only a session scoped token can be forked")
        if not name or " " in name:
            raise invalid_param("session_name", "must be a word")
        grant = replace(held, session=name)
        self._check_sessions(grant, visit)
        return self._tokens.issue(grant, visit)[1]

    def by_header(self, header: str, request: SignedRequest, visit: Visit) -> Grant:
        """The caller behind an `Authorization` header of an HTTP request."""
        if header.lower().startswith(BEARER_PREFIX):
            return self.by_token(header[len(BEARER_PREFIX) :].strip(), visit)
        if not header.startswith(SIGNATURE_PREFIX):
            raise unauthorized("the Authorization header is neither bearer nor deri-hmac-sha256")
        key = self._signed(signatures.of_header(header, request), visit)
        return self._grant(key, "", visit)

    def by_token(self, token: str, visit: Visit) -> Grant:
        """The caller behind an access token. RpcError 13009 if it is unknown, late or another's."""
        return self._tokens.by_access(token, visit)

    def revoke(self, is_meant: Callable[[Grant], bool]) -> None:
        """Forget every token whose login is meant."""
        self._tokens.revoke(is_meant)

    def _proved(self, grant_type: GrantType, params: Params, visit: Visit) -> Grant:
        wanted = params.text("scope", "")
        match grant_type:
            case GrantType.CLIENT_CREDENTIALS:
                return self._grant(self._by_secret(params, visit), wanted, visit)
            case GrantType.CLIENT_SIGNATURE:
                return self._grant(self._signed(signatures.of_login(params), visit), wanted, visit)
            case GrantType.REFRESH_TOKEN:
                grant = self._by_refresh(params, visit)
                self._tokens.use_up(params.text("refresh_token"))
                return replace(grant, expires_ns=None)

    def _by_refresh(self, params: Params, visit: Visit) -> Grant:
        grant = self._tokens.by_refresh(params.text("refresh_token"), visit)
        if grant is None:
            raise invalid_credentials()
        return grant

    def _by_secret(self, params: Params, visit: Visit) -> KeyRecord:
        key = self.ring.get(params.text("client_id"))
        secret = params.text("client_secret").encode()
        wanted = b"" if key is None else key.secret.encode()
        if not hmac.compare_digest(wanted, secret) or key is None:
            raise invalid_credentials()
        return _open_key(key, visit)

    def _signed(self, signature: signatures.Signature, visit: Visit) -> KeyRecord:
        key = self.ring.get(signature.client_id)
        # Compared even for an unknown key, so that a guess takes the same time.
        if not signature.is_by("" if key is None else key.secret) or key is None:
            raise invalid_credentials()
        signature.check_age(visit.epoch_ms, self._policy.signature_age_max_s)
        return _open_key(key, visit)

    def _grant(self, key: KeyRecord, wanted: str, visit: Visit) -> Grant:
        asked = read_scope(wanted)
        return Grant(
            client_id=key.client_id,
            account=key.account,
            home=key.account,
            is_main=self._register.member(key.account).is_main,
            accesses=asked.narrowed(key.accesses),
            lifetime_s=self._lifetime_s(asked.expires_s),
            connection=visit.connection if asked.session is None else None,
            session=asked.session,
            ip=asked.ip,
        )

    def _key(self, grant: Grant) -> KeyRecord:
        key = self.ring.get(grant.client_id)
        assert key is not None, "tokens go when their key goes"
        return key

    def _lifetime_s(self, asked_s: int | None) -> int:
        """The policy's lifetime, or a shorter one that the scope asks for (`expires:60`)."""
        longest_s = self._policy.token_lifetime_s
        return longest_s if asked_s is None else max(1, min(asked_s, longest_s))

    def _check_sessions(self, grant: Grant, visit: Visit) -> None:
        if grant.session is None:
            return
        known = self._tokens.sessions(grant.client_id, visit.monotonic_ns)
        most = self._policy.sessions_per_key_max
        if grant.session not in known and len(known) >= most:
            raise _forbidden(f"a key has at most {most} sessions")


def _open_key(key: KeyRecord, visit: Visit) -> KeyRecord:
    """The key, if it opens anything from there."""
    if not key.is_enabled:
        raise invalid_credentials("the API key is disabled")
    if key.ips and visit.ip not in key.ips:
        raise invalid_credentials(f"the API key may not be used from {visit.ip}")
    return key


def _forbidden(reason: str) -> RpcError:
    return RpcError(FORBIDDEN, "forbidden", {"reason": reason})
