"""Tries the channels before they are needed: one test message to each, one beat."""

import asyncio
from dataclasses import replace
from typing import Final

import httpx

from bot.core.actions import Severity, Topic
from bot.runtime import channels, page_words
from bot.runtime.channels import Delivered
from bot.runtime.clock import WireClock
from bot.runtime.heartbeat import Heartbeat, Sign
from bot.runtime.page_words import Message, Scene
from bot.runtime.pager import Channel
from bot.runtime.paging import Page, PageKind
from bot.settings import AlertSecrets, Settings
from bot.wiring import paging
from bot.wiring.acceptance import Finding, Outcome

TEXT: Final = "this is a test of the channel, sent by deltaband check --alerts"
ADVICE: Final = "nothing; what you read here is what a real call looks like"


async def tried(settings: Settings, secrets: AlertSecrets) -> tuple[Finding, ...]:
    """Send every channel of a configuration a test, and say what became of it."""
    wire = WireClock()
    message = _message(paging.spoken(settings), paging.place(settings), wire)
    async with httpx.AsyncClient() as client:
        ways = paging.ways(settings, secrets)
        found = await asyncio.gather(*(_channel(way, message, client) for way in ways))
        return (*found, *await _beat(settings, secrets, wire, client))


def _message(daemon: str, place: str, wire: WireClock) -> Message:
    page = Page(
        kind=PageKind.NEW,
        number=0,
        severity=Severity.WARNING,  # so that it makes a sound
        audience=Severity.CRITICAL,
        topic=Topic.OTHER,
        text=TEXT,
        raised_ms=wire.epoch_ms(),
    )
    scene = Scene(daemon=daemon, mode="not running, or not asked", place=place)
    said = page_words.worded(page, scene, f"{wire.epoch_ms()}-test")
    return replace(said, head=f"TEST ({daemon})", do=ADVICE)


async def _channel(way: Channel, message: Message, client: httpx.AsyncClient) -> Finding:
    route = way.route
    outcome = await channels.deliver(client, way.address, message)
    item = f"channel {route.name}"
    if not isinstance(outcome, Delivered):
        return Finding(item=item, outcome=Outcome.FAILED, said=outcome.reason)
    told = f"told of {route.severity} and worse" if route.severity else "told as a stand-in only"
    instead = f"; {route.fallback} stands in" if route.fallback else ""
    return Finding(item=item, outcome=Outcome.OK, said=f"took the test; {told}{instead}")


async def _beat(
    settings: Settings, secrets: AlertSecrets, wire: WireClock, client: httpx.AsyncClient
) -> tuple[Finding, ...]:
    switch = paging.dead_man(settings, secrets)
    if switch is None:
        return ()
    heartbeat = Heartbeat(switch=switch, wire=wire)
    outcome = await heartbeat.tell(client, Sign.BEAT, TEXT)
    if isinstance(outcome, Delivered):
        said = "took a beat; it calls once it has heard nothing for as long as you told it"
        return (Finding(item="heartbeat", outcome=Outcome.OK, said=said),)
    said = heartbeat.shown(outcome)
    return (Finding(item="heartbeat", outcome=Outcome.FAILED, said=said),)
