"""Who may talk to the daemon: known Host names, no foreign pages, a bearer token for commands."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

BODY_BYTES_MAX = 4096
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
READING = frozenset({"GET", "HEAD"})
OWN_SITE = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the guard lets through.

    `hosts` are the names under which the daemon may be addressed, without ports; None for any,
    where its name is not known (a container) and a page that was led here has no token to show.
    `token_to_read` wants the token for reading as well, as it must wherever strangers can reach
    the port.
    """

    hosts: frozenset[str] | None
    token: str = field(repr=False)
    token_to_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A request turned away, and the sentence that says why."""

    status: HTTPStatus
    reason: str


def host_name(value: str) -> str:
    """Return a Host header's name without its port, lower case (`[::1]:80` is `::1`)."""
    host = value.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def bearer_matches(value: str, token: str) -> bool:
    """Whether an Authorization header carries `token`; takes the same time for every wrong one."""
    scheme, _, given = value.partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return scheme.lower() == "bearer" and same


def judge(rules: Rules, method: str, path: str, headers: Mapping[str, str]) -> Turned | None:
    """Return why a request is turned away, or None if it may pass."""
    host = host_name(headers.get("host", ""))
    if rules.hosts is not None and host not in rules.hosts:
        return Turned(status=HTTPStatus.MISDIRECTED_REQUEST, reason="unknown Host header")
    writes = method not in READING
    if writes and _is_foreign(rules, headers):
        return Turned(status=HTTPStatus.FORBIDDEN, reason="a page of another site may not command")
    if path in OPEN_PATHS or not (writes or rules.token_to_read):
        return None
    if not bearer_matches(headers.get("authorization", ""), rules.token):
        return Turned(status=HTTPStatus.UNAUTHORIZED, reason="missing or wrong bearer token")
    length = headers.get("content-length", "0" if not writes else "")
    if not length.isascii() or not length.isdigit():
        return Turned(status=HTTPStatus.LENGTH_REQUIRED, reason="a body needs its Content-Length")
    if int(length) > BODY_BYTES_MAX:
        reason = f"body of {length} bytes, at most {BODY_BYTES_MAX} are read"
        return Turned(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason=reason)
    return None


def _is_foreign(rules: Rules, headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    own = rules.hosts or {host_name(headers.get("host", ""))}
    if origin is not None and host_name(origin.partition("://")[2]) not in own:
        return True
    return headers.get("sec-fetch-site", "none") not in OWN_SITE


class Guard:
    """ASGI middleware that asks `judge` about every request before anything else sees it."""

    def __init__(self, app: ASGIApp, *, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or answer it with the reason it was turned away."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        turned = judge(self._rules, scope["method"], scope["path"], headers)
        if turned is None:
            await self._app(scope, receive, send)
        else:
            await _answer(turned, send)


async def _answer(turned: Turned, send: Send) -> None:
    body = json.dumps({"error": turned.reason, "status": turned.status.value}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if turned.status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": turned.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
