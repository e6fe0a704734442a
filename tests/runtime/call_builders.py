"""Alerts, pages and channels for the tests of whoever calls a person."""

from bot.core.actions import Alert, Severity, Topic
from bot.runtime import page_words
from bot.runtime.channels import Address, Webhook
from bot.runtime.page_words import Message, Scene
from bot.runtime.pager import Channel
from bot.runtime.paging import Page, PageKind, Route

SCENE = Scene(
    daemon="deltaband live deribit BTC dbl",
    mode="hold",
    reason="order db-1 is unprovable",
    books=("Book main: delta +0.5231 coin, +523 USD if +1 %",),
)


def alert(
    text: str = "run -> hold: order db-1 is unprovable",
    severity: Severity = Severity.CRITICAL,
    topic: Topic = Topic.HOLD,
) -> Alert:
    return Alert(severity=severity, text=text, topic=topic)


def page(
    text: str = "run -> hold: order db-1 is unprovable; cleared by: a person resumes",
    severity: Severity = Severity.CRITICAL,
    topic: Topic = Topic.HOLD,
    kind: PageKind = PageKind.NEW,
    *,
    told: int = 1,
    more: int = 0,
) -> Page:
    return Page(
        kind=kind,
        number=7,
        severity=severity,
        audience=severity,
        topic=topic,
        text=text,
        raised_ms=1_767_236_525_000,
        told=told,
        more=more,
    )


def message(text: str = "so", severity: Severity = Severity.CRITICAL) -> Message:
    return page_words.worded(page(text, severity), SCENE, "1-7")


def channel(
    name: str = "desk",
    address: Address | None = None,
    severity: Severity | None = Severity.INFO,
    fallback: str | None = None,
    per_minute_max: int = 60,
) -> Channel:
    return Channel(
        address=address or Webhook(url=f"http://127.0.0.1:9/{name}"),
        route=Route(name=name, severity=severity, fallback=fallback, per_minute_max=per_minute_max),
    )
