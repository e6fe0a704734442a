"""The services that carry a message to a person, and one attempt to deliver it.

* Telegram: `sendMessage` of the Bot API, plain text of at most 4,096 UTF-16 units; 429 says how
  long to wait in `parameters.retry_after`.
* Slack: an incoming webhook takes `text`, in which `&`, `<` and `>` are written as entities, and
  answers `ok`; 429 says how long to wait in `Retry-After`.
* Discord: a webhook takes `content` of at most 2,000 characters and answers 204; `retry_after` of
  a 429, and `X-RateLimit-Reset-After` where `X-RateLimit-Remaining` is 0, say how long to wait.
* Webhook: any address that takes a JSON object and answers 2xx.

An attempt ends in `Delivered` or `Undelivered`, never in an exception, and never says a secret.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, assert_never

import httpx

from bot.core.actions import Severity
from bot.runtime.page_words import Message
from bot.runtime.redaction import Redactor

TELEGRAM: Final = "https://api.telegram.org"
TELEGRAM_CHARS_MAX: Final = 4_096
SLACK_CHARS_MAX: Final = 3_000
DISCORD_CHARS_MAX: Final = 2_000
ATTEMPT_SECONDS_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 16_384
REASON_CHARS_MAX: Final = 200
_MARKDOWN: Final = re.compile(r"([\\*_~`|>#])")
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """A bot and the chat it writes to."""

    token: str = field(repr=False)
    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """An incoming webhook of Slack."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discord:
    """A webhook of Discord."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Any address that takes JSON; `token` is sent as a bearer token if there is one."""

    url: str = field(repr=False)
    token: str = field(default="", repr=False)


Address = Telegram | Slack | Discord | Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent where: an object as JSON, or plain text; a GET takes nothing along."""

    url: str = field(repr=False)
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The service took it. It wants nothing more for `wait_seconds`."""

    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """The service did not take it, or nobody knows. `is_final`: asking again would not help."""

    reason: str
    is_final: bool = False
    wait_seconds: float = 0.0


Outcome = Delivered | Undelivered


def secrets_of(address: Address) -> tuple[str, ...]:
    """Return what must not be said of an address: the whole URL, and its telling part."""
    match address:
        case Telegram():
            return (address.token,)
        case Slack() | Discord():
            return _url_secrets(address.url)
        case Webhook():
            return (*_url_secrets(address.url), *((address.token,) if address.token else ()))
    assert_never(address)


def _url_secrets(url: str) -> tuple[str, ...]:
    told = url.partition("://")[2].partition("/")[2]
    return (url, f"/{told}") if told else (url,)


def request_of(address: Address, message: Message) -> Request:
    """Return what to post to a service so that it shows a message."""
    match address:
        case Telegram():
            return Request(
                url=f"{TELEGRAM}/bot{address.token}/sendMessage",
                body={
                    "chat_id": address.chat,
                    "text": message.fitted(TELEGRAM_CHARS_MAX),
                    "disable_notification": message.severity is Severity.INFO,
                    "link_preview_options": {"is_disabled": True},
                },
            )
        case Slack():
            plain = message.fitted(SLACK_CHARS_MAX)
            text = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return Request(url=address.url, body={"text": text, "mrkdwn": False})
        case Discord():
            return Request(
                url=address.url,
                body={"content": _discord(message), "allowed_mentions": {"parse": []}},
            )
        case Webhook():
            bearer = {"Authorization": f"Bearer {address.token}"} if address.token else {}
            return Request(url=address.url, body=_object(message), headers=bearer)
    assert_never(address)


def _discord(message: Message) -> str:
    """Return the text with markdown taken literally, cut before the marks that this adds."""
    room = DISCORD_CHARS_MAX
    while True:
        text = _MARKDOWN.sub(r"\\\1", message.fitted(room))
        if len(text) <= DISCORD_CHARS_MAX:
            return text
        room -= len(text) - DISCORD_CHARS_MAX


def _object(message: Message) -> Mapping[str, Any]:
    return {
        "source": "deltaband",
        "id": message.page_id,
        "severity": message.severity.value,
        "kind": message.kind.value,
        "topic": message.topic.value,
        "head": message.head,
        "what": message.what,
        "did": message.did,
        "do": message.do,
        "now": list(message.now),
        "place": message.place,
        "raised_at": message.raised_at.isoformat(),
        "text": message.fitted(TELEGRAM_CHARS_MAX),
    }


async def deliver(client: httpx.AsyncClient, address: Address, message: Message) -> Outcome:
    """Try once, for at most `ATTEMPT_SECONDS_MAX`."""
    request = request_of(address, message)
    outcome = await sent(client, request)
    if isinstance(outcome, Delivered):
        return outcome
    redact = Redactor(secrets_of(address))
    return Undelivered(
        reason=redact(outcome.reason),
        is_final=outcome.is_final,
        wait_seconds=outcome.wait_seconds,
    )


async def sent(client: httpx.AsyncClient, request: Request) -> Outcome:
    """Send once and judge the answer. The reason may hold secrets yet."""
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS_MAX):
            return await _asked(client, request)
    except TimeoutError:
        return Undelivered(reason=f"no answer within {ATTEMPT_SECONDS_MAX:g} s")
    except Exception as error:  # noqa: BLE001  whatever it is, it must not reach the daemon
        said = f": {error}" if str(error) else ""
        return Undelivered(reason=f"{type(error).__name__}{said}"[:REASON_CHARS_MAX])


async def _asked(client: httpx.AsyncClient, request: Request) -> Outcome:
    payload: dict[str, Any] = {} if request.method == "GET" else _payload(request.body)
    async with client.stream(
        request.method, request.url, headers=dict(request.headers), **payload
    ) as answer:
        said = b""
        async for part in answer.aiter_bytes():
            said += part
            if len(said) > ANSWER_BYTES_MAX:
                break
    return judged(answer.status_code, answer.headers, said)


def _payload(body: Mapping[str, Any] | str) -> dict[str, Any]:
    return {"content": body} if isinstance(body, str) else {"json": dict(body)}


def judged(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Return what an answer of any of the services means."""
    said = _said(body)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and said.get("ok") is not False:
        return Delivered(wait_seconds=_exhausted(headers))
    is_passing = status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    wait = _wait(headers, said) if is_passing else 0.0
    return Undelivered(
        reason=_reason(status, said, body), is_final=not is_passing, wait_seconds=wait
    )


def _said(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(status: int, said: Mapping[str, Any], body: bytes) -> str:
    words = said.get("description") or said.get("message") or body.decode(errors="replace")
    text = " ".join(str(words).split())[:REASON_CHARS_MAX]
    return f"HTTP {status}: {text}" if text else f"HTTP {status}"


def _wait(headers: Mapping[str, str], said: Mapping[str, Any]) -> float:
    """Return how many seconds the service wants to be left alone."""
    parameters = said.get("parameters")
    asked = [said.get("retry_after"), headers.get("retry-after")]
    if isinstance(parameters, dict):
        asked.insert(0, parameters.get("retry_after"))
    return next((seconds for one in asked if (seconds := _seconds(one)) > 0), 0.0)


def _exhausted(headers: Mapping[str, str]) -> float:
    if headers.get("x-ratelimit-remaining") != "0":
        return 0.0
    return _seconds(headers.get("x-ratelimit-reset-after"))


def _seconds(told: object) -> float:
    """Return a number of seconds, 0 for whatever is none (a date, too)."""
    try:
        seconds = float(str(told))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e6 else 0.0
