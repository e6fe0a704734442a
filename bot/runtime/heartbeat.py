"""Tells a dead-man service outside that the daemon lives: it calls a person when nobody tells.

A beat is sent at an interval while the loop turns. A halt, and a critical alert that no channel
took, are told at once and instead of every beat. A loop that stands says nothing, and neither does
a process that is gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx
import structlog

from bot.core.state import Mode
from bot.core.units import NS_PER_SECOND
from bot.runtime import channels
from bot.runtime.channels import Delivered, Outcome, Request, Undelivered
from bot.runtime.clock import WireClock
from bot.runtime.loop import Stepped
from bot.runtime.redaction import Redactor

FOLD_SECONDS_MAX: Final = 5.0  # a loop that has not folded for longer does not live
LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


class Sign(StrEnum):
    """What the service outside is told."""

    BEAT = "beat"
    FAIL = "fail"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How the daemon fares: wire time since the last fold, its mode, and what nobody was told."""

    fold_age_ns: int | None
    mode: str
    trouble: str


def sign(vitals: Vitals) -> Sign:
    """Return what to tell of a daemon that fares so."""
    if vitals.fold_age_ns is None or vitals.fold_age_ns > FOLD_SECONDS_MAX * NS_PER_SECOND:
        return Sign.SILENCE
    return Sign.FAIL if vitals.trouble or vitals.mode == Mode.HALT else Sign.BEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A dead-man switch outside: `url` takes beats, with `fail_suffix` behind its path failures.

    Without a suffix failures are told by silence.
    """

    url: str
    interval_ns: int
    method: str = "POST"
    fail_suffix: str = "/fail"

    def request(self, told: Sign, text: str) -> Request:
        """Return what is sent for a sign."""
        url = httpx.URL(self.url)
        if told is Sign.FAIL:
            url = url.copy_with(path=url.path.rstrip("/") + self.fail_suffix)
        return Request(url=str(url), body=text, method=self.method)


class Heartbeat:
    """Sends the beats. `run` is a task of the daemon that never ends by itself."""

    def __init__(
        self,
        *,
        switch: Switch,
        wire: WireClock,
        trouble: Callable[[], str] = lambda: "",
        client: Callable[[], httpx.AsyncClient] = httpx.AsyncClient,
    ) -> None:
        """Begin with nothing said.

        Args:
            switch: Who is told.
            wire: Measures the loop's silence and the interval.
            trouble: Says what no channel could tell a person, empty if there is nothing.
            client: Makes what requests go out with.
        """
        self._switch = switch
        self._wire = wire
        self._trouble = trouble
        self._client = client
        self._redact = Redactor(channels.secrets_of(channels.Slack(url=switch.url)))
        self._folded_ns: int | None = None
        self._mode, self._reason = "", "starting"
        self._told: Sign | None = None
        self._due_ns = wire.monotonic_ns()
        self.sent = 0
        self.failed = 0

    def on_step(self, stepped: Stepped) -> None:
        """Note that the loop turns, and in which mode."""
        self._folded_ns = stepped.wire_ns
        self._mode = stepped.state.mode.value
        self._reason = stepped.state.mode_reason

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            try:
                # In a thread: to read the machine's certificates takes longer than a tick.
                made = await asyncio.to_thread(self._client)
                async with made as client:
                    while True:
                        await self.look(client)
                        await asyncio.sleep(LOOK_SECONDS)
            except Exception:  # a fault here must not be one of the daemon
                log.exception("the heartbeat failed and begins again")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Tell what is to be told now, if anything."""
        now_ns = self._wire.monotonic_ns()
        age_ns = None if self._folded_ns is None else now_ns - self._folded_ns
        trouble = self._trouble()
        told = sign(Vitals(fold_age_ns=age_ns, mode=self._mode, trouble=trouble))
        if told is Sign.SILENCE or (told is self._told and now_ns < self._due_ns):
            return
        text = trouble or f"{self._mode}: {self._reason}"
        taken = isinstance(await self.tell(client, told, text), Delivered)
        self._told = told
        wait_ns = self._switch.interval_ns
        if not taken:
            wait_ns = min(wait_ns, int(RETRY_SECONDS * NS_PER_SECOND))
        self._due_ns = now_ns + wait_ns

    async def tell(self, client: httpx.AsyncClient, told: Sign, text: str) -> Outcome:
        """Send one sign."""
        if told is Sign.FAIL and not self._switch.fail_suffix:
            return Delivered()
        outcome = await channels.sent(client, self._switch.request(told, text))
        if isinstance(outcome, Delivered):
            self.sent += 1
        else:
            self.failed += 1
            log.warning("heartbeat not taken", reason=self.shown(outcome))
        return outcome

    def shown(self, outcome: Undelivered) -> str:
        """Say why a sign was not taken, without the address."""
        return self._redact(outcome.reason)

    async def farewell(self, reason: str) -> None:
        """Say that the daemon has ended and should not have."""
        try:
            async with self._client() as client:
                await self.tell(client, Sign.FAIL, f"ended: {reason}")
        except Exception:  # nothing that goes wrong here changes how the daemon ended
            log.exception("could not say that the daemon ended")
