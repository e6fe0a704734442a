"""Delivers pages in tasks of its own. Nothing that happens here reaches the order path.

`tell` and `on_step` are called from the loop: they count and queue, and never wait. Each channel
has a queue and a task of its own, so that one that hangs holds up no other. Only delivery is tried
again; where a channel does not take a page its stand-in gets it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import structlog

from bot.core.actions import Alert, Severity, Topic
from bot.core.events import Command, CommandGiven
from bot.core.units import NS_PER_SECOND
from bot.runtime import channels, page_words, paging, scenes
from bot.runtime.channels import Address, Delivered, Outcome, Undelivered
from bot.runtime.clock import WireClock
from bot.runtime.heard import read_heard, write_heard
from bot.runtime.lookout import Lookout
from bot.runtime.loop import Stepped
from bot.runtime.page_queue import Letter, Pace, PageQueue
from bot.runtime.paging import Board, Moment, Page, PagingPolicy, Route

ATTEMPTS_MAX: Final = 3
BACKOFF_SECONDS: Final = 1.0  # before the second attempt; twice as long before each further one
PATIENCE_SECONDS: Final = 15.0  # a service that wants more is left alone, and its stand-in told
TICK_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0  # after what should not have happened

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to a person: where, and what is told there."""

    address: Address
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerPolicy:
    """What a person wants to be told, and how often.

    `stuck_ns` is how long the daemon may go without an answer of the venue, `open_ns` how long a
    book may go unhedged, before that calls a person.
    """

    paging: PagingPolicy
    stuck_ns: int
    open_ns: int


@dataclass(slots=True, kw_only=True)
class Desk:
    """One channel at work. `failing` says why it did not take the last page, empty if it did."""

    channel: Channel
    queue: PageQueue
    pace: Pace
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    delivered: int = 0
    failed: int = 0
    failing: str = ""

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.channel.route.name


class Pager:
    """Tells people. `run` is a task of the daemon that never ends by itself."""

    def __init__(
        self,
        *,
        daemon: str,
        channels: Sequence[Channel],
        policy: PagerPolicy,
        wire: WireClock,
        client: Callable[[], httpx.AsyncClient] = httpx.AsyncClient,
        heard: Path | None = None,
        place: str = "",
    ) -> None:
        """Put up the desks.

        Args:
            daemon: Which daemon is speaking, in every message.
            channels: The ways to a person; none at all is allowed.
            policy: What is told how often.
            wire: Paces and stamps.
            client: Makes what requests go out with; once a run.
            heard: The file that keeps over a restart what a person has heard of; None for none.
            place: Where a person types, in every message: the machine and the ledger.
        """
        self._daemon = daemon
        self._place = place
        self._policy = policy
        self._wire = wire
        self._client = client
        now_ns = wire.monotonic_ns()
        self._routes = tuple(channel.route for channel in channels)
        self.desks = {
            channel.route.name: Desk(
                channel=channel,
                queue=PageQueue(),
                pace=Pace(channel.route.per_minute_max, now_ns),
            )
            for channel in channels
        }
        self._heard_file = heard
        before = {} if heard is None else read_heard(heard)
        self.board = Board(heard_before=before)
        self._kept = self.board.heard
        self.undelivered = ""
        self._sent = 0
        self._begun_ms = wire.epoch_ms()
        self._last: Stepped | None = None
        self._lookout = Lookout(stuck_ns=policy.stuck_ns, open_ns=policy.open_ns)

    def tell(self, alert: Alert) -> None:
        """Take an alert in; returns at once."""
        self._take(paging.raised(self.board, alert, self._now()))

    def over(self, alert: Alert, words: str) -> None:
        """Take note that what an alert told of is over; the all-clear follows if it lasts."""
        self.board = paging.over(self.board, alert, words, self._now())

    def on_step(self, stepped: Stepped) -> None:
        """Watch the folds: who has heard, and whether the daemon gets nowhere."""
        self._last = stepped
        for fact in stepped.facts:
            if isinstance(fact, CommandGiven) and fact.command is Command.ACK:
                note = f": {fact.note}" if fact.note else ""
                self._take(paging.heard(self.board, f"by {fact.actor}{note}", self._now()))
                self._keep_heard()
        for sighting in self._lookout.seen(stepped):
            if sighting.over:
                self.board = paging.over(self.board, sighting.alert, sighting.over, self._now())
            else:
                self.tell(sighting.alert)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self._work()
            except Exception:  # a fault of the pager must not be one of the daemon
                log.exception("the pager failed and begins again")
            await asyncio.sleep(PAUSE_SECONDS)

    async def farewell(self, reason: str, severity: Severity) -> None:
        """Say that the daemon has ended, and what still waits; for a few seconds at the most."""
        try:
            self.tell(Alert(severity=severity, text=f"ended: {reason}", topic=Topic.ENDED))
            if self._waits():
                made = await asyncio.to_thread(self._client)
                async with asyncio.timeout(FAREWELL_SECONDS), made as client:
                    while self._waits():  # a stand-in is given more while it is being emptied
                        await asyncio.gather(*(self._empty(d, client) for d in self.desks.values()))
        except TimeoutError:
            log.warning("left with alerts undelivered")
        except Exception:  # nothing that goes wrong here changes how the daemon ended
            log.exception("could not say that the daemon ended")

    async def _work(self) -> None:
        if not self.desks:  # nobody to tell; the board is not looked at either
            await asyncio.Event().wait()
        # In a thread: to read the machine's certificates takes longer than a tick.
        made = await asyncio.to_thread(self._client)
        async with made as client, asyncio.TaskGroup() as group:
            for desk in self.desks.values():
                group.create_task(self._serve(desk, client), name=f"channel {desk.name}")
            while True:
                await asyncio.sleep(TICK_SECONDS)
                self._take(paging.ticked(self.board, self._now(), self._policy.paging))
                self._keep_heard()

    def _keep_heard(self) -> None:
        heard = self.board.heard
        if self._heard_file is not None and heard != self._kept:
            write_heard(self._heard_file, heard)
        self._kept = heard

    def _now(self) -> Moment:
        return Moment(wire_ns=self._wire.monotonic_ns(), epoch_ms=self._wire.epoch_ms())

    def _take(self, paged: paging.Paged) -> None:
        self.board, pages = paged
        for page in pages:
            self._post(page)

    def _post(self, page: Page) -> None:
        self._sent += 1
        names = paging.addressed(page, self._routes)
        letter = Letter(page=page, page_id=f"{self._begun_ms}-{self._sent}", told=set(names))
        for name in names:
            self._put(name, letter)

    def _put(self, name: str, letter: Letter) -> None:
        desk = self.desks[name]
        desk.queue.put(letter)
        desk.woken.set()

    async def _serve(self, desk: Desk, client: httpx.AsyncClient) -> None:
        while True:
            try:
                await self._next(desk)
                if len(desk.queue):
                    await self._settle(desk, client)
            except Exception:  # a fault of the pager must not be one of the daemon
                log.exception("a channel failed", channel=desk.name)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _next(self, desk: Desk) -> None:
        """Wait until a letter may go out."""
        while True:
            desk.woken.clear()
            loudest = desk.queue.loudest
            if loudest is None:
                await desk.woken.wait()
                continue
            wait_ns = desk.pace.wait_ns(loudest, self._wire.monotonic_ns())
            if not wait_ns or self._is_passed_on(desk, loudest, wait_ns):
                return
            try:
                async with asyncio.timeout(wait_ns / NS_PER_SECOND):
                    await desk.woken.wait()  # something louder may have come
            except TimeoutError:
                pass

    def _is_passed_on(self, desk: Desk, loudest: Severity, wait_ns: int) -> bool:
        """Give a call to the stand-in where this channel is closed for longer than it can wait."""
        if loudest is not Severity.CRITICAL or wait_ns <= PATIENCE_SECONDS * NS_PER_SECOND:
            return False
        letter = desk.queue.take()
        if paging.stand_in(desk.name, letter.told, self._routes) is None:
            desk.queue.put(letter)
            return False
        closed = f"it wants to be left alone for {wait_ns / NS_PER_SECOND:.0f} s"
        self._conclude(desk, letter, Undelivered(reason=closed))
        return True

    async def _settle(self, desk: Desk, client: httpx.AsyncClient) -> None:
        """Deliver the next letter, or see who stands in."""
        letter = desk.queue.take()
        try:
            outcome = await self._tried(desk, client, letter)
        except asyncio.CancelledError:
            desk.queue.put(letter)  # the farewell may still deliver it
            raise
        self._conclude(desk, letter, outcome)

    async def _tried(self, desk: Desk, client: httpx.AsyncClient, letter: Letter) -> Outcome:
        """Try a few times; only once where the channel failed the last time."""
        attempts = 1 if desk.failing else ATTEMPTS_MAX
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(desk, client, letter)
            wait = pause_after(attempt, outcome, attempts)
            if wait is None:
                return outcome
            await asyncio.sleep(wait)

    async def _attempt(self, desk: Desk, client: httpx.AsyncClient, letter: Letter) -> Outcome:
        scene = scenes.scene_of(self._daemon, self._last, self._place)
        message = page_words.worded(letter.page, scene, letter.page_id)
        desk.pace.spend(self._wire.monotonic_ns())
        outcome = await channels.deliver(client, desk.channel.address, message)
        desk.pace.close(outcome.wait_seconds, self._wire.monotonic_ns())
        return outcome

    def _conclude(self, desk: Desk, letter: Letter, outcome: Outcome) -> None:
        if isinstance(outcome, Delivered):
            desk.delivered += 1
            desk.failing = ""
            if letter.page.audience is Severity.CRITICAL:
                self.undelivered = ""
            return
        desk.failed += 1
        desk.failing = outcome.reason
        name = paging.stand_in(desk.name, letter.told, self._routes)
        log.error(
            "alert not delivered", channel=desk.name, reason=outcome.reason, stand_in=name or "none"
        )
        if name is not None:
            letter.told.add(name)
            self._put(name, letter)
        elif letter.page.severity is Severity.CRITICAL and self._all_fail(letter):
            self.undelivered = f"no channel took alert {letter.page.number}: {letter.page.text}"

    def _all_fail(self, letter: Letter) -> bool:
        return all(self.desks[name].failing for name in letter.told)

    def _waits(self) -> bool:
        return any(len(desk.queue) for desk in self.desks.values())

    async def _empty(self, desk: Desk, client: httpx.AsyncClient) -> None:
        """Give every waiting letter one try, whatever the pace."""
        while len(desk.queue):
            letter = desk.queue.take()
            self._conclude(desk, letter, await self._attempt(desk, client, letter))


def pause_after(attempt: int, outcome: Outcome, attempts_max: int) -> float | None:
    """Return how many seconds to wait before trying once more, None to let it be."""
    if not isinstance(outcome, Undelivered) or outcome.is_final or attempt >= attempts_max:
        return None
    wait = max(outcome.wait_seconds, BACKOFF_SECONDS * 2 ** (attempt - 1))
    return wait if wait <= PATIENCE_SECONDS else None
