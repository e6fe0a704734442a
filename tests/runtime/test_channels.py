"""What each service is sent, and what its answers mean."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import respx

from bot.core.actions import Severity
from bot.runtime import channels
from bot.runtime.channels import (
    Address,
    Delivered,
    Discord,
    Outcome,
    Request,
    Slack,
    Telegram,
    Undelivered,
    Webhook,
)
from tests.runtime.call_builders import message

TOKEN = "123456:AA-secret-of-a-bot"
TELEGRAM = Telegram(token=TOKEN, chat="-100123")
SLACK = Slack(url="https://hooks.slack.com/services/T0/B0/c0ffee")
DISCORD = Discord(url="https://discord.com/api/webhooks/1/c0ffee")
WEBHOOK = Webhook(url="https://pager.example/hook/c0ffee", token="bearer-c0ffee")
ALL = [TELEGRAM, SLACK, DISCORD, WEBHOOK]


def posted_to(address: Address) -> str:
    return channels.request_of(address, message()).url


async def asked(address: Address, answer: httpx.Response | Exception) -> Outcome:
    with respx.mock() as wire:
        route = wire.post(posted_to(address))
        if isinstance(answer, Exception):
            route.side_effect = answer
        else:
            route.return_value = answer
        async with httpx.AsyncClient() as client:
            return await channels.deliver(client, address, message())


@respx.mock
async def test_telegram_is_sent_plain_text_to_a_chat() -> None:
    url = f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    route = respx.post(url).respond(200, json={"ok": True, "result": {}})
    async with httpx.AsyncClient() as client:
        outcome = await channels.deliver(client, TELEGRAM, message("a <b> & *c*"))

    assert outcome == Delivered()
    body = json.loads(route.calls.last.request.content)
    assert body["chat_id"] == "-100123"
    assert "a <b> & *c*" in body["text"]
    assert "parse_mode" not in body
    assert (body["disable_notification"], body["link_preview_options"]) == (
        False,
        {"is_disabled": True},
    )


def test_telegram_makes_no_sound_for_mere_information() -> None:
    body = channels.request_of(TELEGRAM, message(severity=Severity.INFO)).body

    assert isinstance(body, Mapping)
    assert body["disable_notification"] is True


def test_slack_is_sent_its_three_characters_as_entities() -> None:
    body: Any = channels.request_of(SLACK, message("run -> hold: <!channel> & *so*")).body

    assert "run -&gt; hold: &lt;!channel&gt; &amp; *so*" in body["text"]
    assert body["mrkdwn"] is False


def test_discord_is_sent_markdown_taken_literally_and_mentions_nobody() -> None:
    body: Any = channels.request_of(DISCORD, message("BTC_USDC-PERPETUAL @everyone *x*")).body

    assert r"BTC\_USDC-PERPETUAL @everyone \*x\*" in body["content"]
    assert body["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("text", ["x" * 9_000, "_" * 9_000, "ab_" * 3_000])
def test_discord_is_sent_no_more_than_it_takes(text: str) -> None:
    body: Any = channels.request_of(DISCORD, message(text)).body

    assert len(body["content"]) <= 2_000
    assert "You: deltaband status" in body["content"]


def test_a_webhook_is_sent_an_object_and_its_token() -> None:
    request = channels.request_of(WEBHOOK, message("so"))
    body: Any = request.body

    assert request.headers == {"Authorization": "Bearer bearer-c0ffee"}
    assert (body["severity"], body["topic"], body["what"]) == ("critical", "hold", "so")
    assert body["id"] == "1-7"
    assert body["raised_at"] == "2026-01-01T03:02:05+00:00"
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("address", ALL, ids=lambda address: type(address).__name__)
@pytest.mark.parametrize("status", [200, 201, 204])
async def test_every_service_says_yes_with_a_status_in_the_two_hundreds(
    address: Address, status: int
) -> None:
    assert await asked(address, httpx.Response(status, text="ok")) == Delivered()


ANSWERS: dict[str, tuple[Address, httpx.Response, Outcome]] = {
    "telegram asks for patience": (
        TELEGRAM,
        httpx.Response(
            429,
            json={
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests: retry after 35",
                "parameters": {"retry_after": 35},
            },
        ),
        Undelivered(reason="HTTP 429: Too Many Requests: retry after 35", wait_seconds=35),
    ),
    "telegram knows no such chat": (
        TELEGRAM,
        httpx.Response(
            400,
            json={"ok": False, "error_code": 400, "description": "Bad Request: chat not found"},
        ),
        Undelivered(reason="HTTP 400: Bad Request: chat not found", is_final=True),
    ),
    "a proxy says yes and telegram no": (
        TELEGRAM,
        httpx.Response(200, json={"ok": False, "description": "Unauthorized"}),
        Undelivered(reason="HTTP 200: Unauthorized", is_final=True),
    ),
    "slack asks for patience": (
        SLACK,
        httpx.Response(429, headers={"Retry-After": "30"}, text="rate_limited"),
        Undelivered(reason="HTTP 429: rate_limited", wait_seconds=30),
    ),
    "slack's webhook was revoked": (
        SLACK,
        httpx.Response(404, text="no_service"),
        Undelivered(reason="HTTP 404: no_service", is_final=True),
    ),
    "discord asks for patience": (
        DISCORD,
        httpx.Response(
            429,
            json={"message": "You are being rate limited.", "retry_after": 0.65, "global": False},
        ),
        Undelivered(reason="HTTP 429: You are being rate limited.", wait_seconds=0.65),
    ),
    "discord took it and wants no more for a while": (
        DISCORD,
        httpx.Response(
            204, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}
        ),
        Delivered(wait_seconds=1.5),
    ),
    "discord took it and takes more": (
        DISCORD,
        httpx.Response(
            204, headers={"X-RateLimit-Remaining": "3", "X-RateLimit-Reset-After": "1.5"}
        ),
        Delivered(),
    ),
    "a gateway is down": (
        WEBHOOK,
        httpx.Response(503, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, html="<h1>"),
        Undelivered(reason="HTTP 503: <h1>"),
    ),
    "the address has moved": (
        WEBHOOK,
        httpx.Response(301, headers={"Location": "https://elsewhere.example"}),
        Undelivered(reason="HTTP 301", is_final=True),
    ),
    "a wait that no clock knows": (
        WEBHOOK,
        httpx.Response(429, headers={"Retry-After": "inf"}),
        Undelivered(reason="HTTP 429"),
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_means_what_the_service_says_it_means(case: str) -> None:
    address, answer, outcome = ANSWERS[case]

    assert await asked(address, answer) == outcome


@pytest.mark.parametrize("address", ALL, ids=lambda address: type(address).__name__)
@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("Name or service not known"),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("Server disconnected"),
        ValueError("a library's own mistake"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_no_exception_leaves_an_attempt(address: Address, fault: Exception) -> None:
    outcome = await asked(address, fault)

    assert isinstance(outcome, Undelivered)
    assert not outcome.is_final
    assert outcome.reason.startswith(type(fault).__name__)


@pytest.mark.parametrize("address", ALL, ids=lambda address: type(address).__name__)
async def test_an_answer_that_repeats_a_secret_is_not_repeated(address: Address) -> None:
    said = " ".join((posted_to(address), *channels.secrets_of(address)))
    for answer in (httpx.Response(404, text=said), httpx.ConnectError(said)):
        outcome = await asked(address, answer)
        assert isinstance(outcome, Undelivered)
        assert "c0ffee" not in outcome.reason
        assert TOKEN not in outcome.reason


@pytest.mark.parametrize("address", ALL, ids=lambda address: type(address).__name__)
def test_an_address_shows_no_secret(address: Address) -> None:
    shown = repr(address) + repr(channels.request_of(address, message()))

    assert "c0ffee" not in shown
    assert TOKEN not in shown


@respx.mock
async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1_000

    respx.post(WEBHOOK.url).mock(return_value=httpx.Response(200, content=endless()))
    async with httpx.AsyncClient() as client:
        assert await channels.deliver(client, WEBHOOK, message()) == Delivered()
    assert read < 30


@respx.mock
async def test_a_get_takes_nothing_along() -> None:
    route = respx.get("https://hc.example/ping").respond(200, text="OK")
    async with httpx.AsyncClient() as client:
        outcome = await channels.sent(
            client, Request(url="https://hc.example/ping", body="run: so", method="GET")
        )

    assert outcome == Delivered()
    assert route.calls.last.request.content == b""
