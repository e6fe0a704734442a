"""How the daemon calls a person, in virtual time: two services, either of which may be down.

The pager is the one that ships; only the bytes to the services are left out.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Final

import httpx

from bot.core.actions import Severity
from bot.core.units import NS_PER_SECOND
from bot.runtime.channels import Webhook
from bot.runtime.clock import WireClock
from bot.runtime.pager import Channel, Pager, PagerPolicy
from bot.runtime.paging import PagingPolicy, Route

FIRST: Final = "first.example"
SECOND: Final = "second.example"
TOKEN: Final = "webhook-token-of-the-lab"  # noqa: S105  of a service that is not there
POLICY: Final = PagerPolicy(
    paging=PagingPolicy(
        same_ns=60 * NS_PER_SECOND, repeat_ns=30 * NS_PER_SECOND, calm_ns=20 * NS_PER_SECOND
    ),
    stuck_ns=60 * NS_PER_SECOND,
    open_ns=60 * NS_PER_SECOND,
)


@dataclass(slots=True)
class Phone:
    """Both services. `down` says how a service fails that is down; `taken` is what each took."""

    down: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    said: list[str] = field(default_factory=list)
    taken: dict[str, list[str]] = field(default_factory=lambda: {FIRST: [], SECOND: []})

    def pager(self, wire: WireClock) -> Pager:
        """Return the pager of one life of the daemon."""
        first = Route(name="first", severity=Severity.WARNING, fallback="second")
        second = Route(name="second", severity=None)
        return Pager(
            daemon="deltaband in the lab",
            channels=(
                Channel(address=Webhook(url=f"https://{FIRST}/a", token=TOKEN), route=first),
                Channel(address=Webhook(url=f"https://{SECOND}/b", token=TOKEN), route=second),
            ),
            policy=POLICY,
            wire=wire,
            client=lambda: httpx.AsyncClient(transport=_Lines(self), trust_env=False),
        )


class _Lines(httpx.AsyncBaseTransport):
    """The way to the services."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as a service does, or as one that is down."""
        host, phone = request.url.host, self._phone
        phone.said.append(request.content.decode())
        how = phone.down.get(host)
        await asyncio.sleep(0.05)
        if how is None:
            phone.taken[host].append(json.loads(request.content)["id"])
            return httpx.Response(200)
        phone.refused += 1
        if how == "hangs":
            await asyncio.sleep(3_600.0)
        if how == "refuses":
            raise httpx.ConnectError("connection refused", request=request)
        return httpx.Response(503)
