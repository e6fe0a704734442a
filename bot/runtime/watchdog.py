"""Watches over a daemon from a process of its own, and cancels what a silent one left resting.

It never trades. It has a key and a connection of its own, and proves again and again that it could
cancel. When the daemon has not beaten for too long it cancels the orders that carry the daemon's
labels and no others, looks that none is left, calls a person, and goes on watching.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from bot.core.actions import Alert, Severity, Topic
from bot.core.units import NS_PER_SECOND
from bot.runtime.beat import Beat
from bot.venues.port import CannotCancelError, Sweeper

LOOK_SECONDS: Final = 0.25
PAUSED_NS: Final = NS_PER_SECOND  # between two of our own looks: it was we who stood still
AGAIN_SECONDS: Final = 5.0  # a silent daemon's orders are looked for again, one may have been late
RETRY_SECONDS: Final = 1.0
NEVER_NS: Final = 1 << 62
LABELS_TOLD_MAX: Final = 5

log = structlog.get_logger(__name__)


class Watch(StrEnum):
    """How the daemon fares, as far as its beats tell."""

    WAITING = "waiting"
    ALIVE = "alive"
    ENDED = "ended"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogPolicy:
    """How long a daemon may be silent, and how often the right to cancel is proved. Wire time."""

    silent_ns: int
    prove_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """Whom to call: `tell` calls, `over` says that what was called about is over."""

    tell: Callable[[Alert], None]
    over: Callable[[Alert, str], None]


class Watchdog:
    """Looks, proves and sweeps, one `look` at a time."""

    def __init__(
        self,
        *,
        read: Callable[[], Beat | None],
        sweeper: Sweeper,
        bell: Bell,
        policy: WatchdogPolicy,
        monotonic_ns: Callable[[], int],
    ) -> None:
        """Begin without knowing the daemon.

        Args:
            read: Returns the daemon's last beat.
            sweeper: Cancels.
            bell: Calls people.
            policy: When to act.
            monotonic_ns: The wire clock.
        """
        self._read = read
        self._sweeper = sweeper
        self._bell = bell
        self._policy = policy
        self._now_ns = monotonic_ns
        self._beat: Beat | None = None
        self._looked_ns = self._changed_ns = monotonic_ns()
        self._prove_at_ns = self._sweep_at_ns = self._looked_ns
        self._raised: dict[str, Alert] = {}
        self.watch = Watch.WAITING
        self.proofs = 0
        self.sweeps = 0
        self.cancelled = 0

    @property
    def said(self) -> str:
        """How things stand, in one line."""
        daemon = "no daemon has been seen" if self._beat is None else f"process {self._beat.pid}"
        can = self._raised["proof"].text if "proof" in self._raised else "can cancel"
        return f"{self.watch}: {daemon}; {can}, proved {self.proofs} times"

    async def run(
        self, sleep: Callable[[float], Awaitable[None]], each: Callable[[], None]
    ) -> None:
        """Look for ever; `each` is called after every look."""
        while True:
            await self.look()
            each()
            await sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once, and do what that asks for."""
        now_ns = self._now_ns()
        gap_ns = now_ns - self._looked_ns
        if gap_ns > PAUSED_NS:  # nobody saw the daemon meanwhile: that is no silence of its
            self._changed_ns += gap_ns
        self._looked_ns = now_ns
        self._heard(self._read(), now_ns)
        if self.watch in (Watch.SILENT, Watch.ENDED) and now_ns >= self._sweep_at_ns:
            await self._swept()
        if now_ns >= self._prove_at_ns:
            await self._proved()
        self._looked_ns = max(self._looked_ns, self._now_ns())

    def _heard(self, beat: Beat | None, now_ns: int) -> None:
        if beat is not None and beat != self._beat:
            self._beat, self._changed_ns = beat, now_ns
            self._moved(Watch.ENDED if beat.ended else Watch.ALIVE)
        elif self.watch is Watch.ALIVE and now_ns - self._changed_ns > self._policy.silent_ns:
            self._moved(Watch.SILENT)

    def _moved(self, watch: Watch) -> None:
        if watch is self.watch:
            return
        before, self.watch = self.watch, watch
        assert self._beat is not None, "only a daemon that was seen can fare somehow"
        self._sweep_at_ns = self._now_ns()
        log.info("watching", watch=watch.value, pid=self._beat.pid, ended=self._beat.ended)
        if before is Watch.SILENT:
            self._calmed("silence", f"process {self._beat.pid} beats again")

    async def _swept(self) -> None:
        """Cancel until the venue shows none of ours; a daemon that went in peace left none."""
        assert self._beat is not None, "only a daemon that was seen has labels"
        self._sweep_at_ns = self._now_ns() + int(RETRY_SECONDS * NS_PER_SECOND)
        try:
            found = await self._sweeper.open_labels(self._beat.labels)
            for label in found:
                await self._sweeper.cancel(label)
            left = await self._sweeper.open_labels(self._beat.labels) if found else ()
        except CannotCancelError as error:
            self._alarm("sweep", f"{self._why()}: its orders could NOT be cancelled: {error}")
            return
        self.sweeps += 1
        self.cancelled += len(set(found) - set(left))
        if left:
            self._alarm("sweep", f"{self._why()}: still open after cancelling: {_told(left)}")
            return
        self._calmed("sweep", "none of its orders is open any more")
        self._tell_swept(found)
        once = self.watch is Watch.ENDED
        wait_ns = NEVER_NS if once else int(AGAIN_SECONDS * NS_PER_SECOND)
        self._sweep_at_ns = self._now_ns() + wait_ns

    def _tell_swept(self, cancelled: tuple[str, ...]) -> None:
        done = f"cancelled {len(cancelled)} ({_told(cancelled)}), and " if cancelled else ""
        if cancelled or (self.watch is Watch.SILENT and "silence" not in self._raised):
            self._alarm("silence", f"{self._why()}: {done}none of its orders is open now")

    def _why(self) -> str:
        assert self._beat is not None, "only a daemon that was seen has orders"
        who = f"process {self._beat.pid}"
        if self.watch is Watch.ENDED:
            return f"{who} ended ({self._beat.ended})"
        seconds = self._policy.silent_ns / NS_PER_SECOND
        return f"no heartbeat of {who}, last in mode {self._beat.mode}, for over {seconds:g} s"

    async def _proved(self) -> None:
        try:
            await self._sweeper.prove()
        except CannotCancelError as error:
            self._prove_at_ns = self._now_ns() + int(AGAIN_SECONDS * NS_PER_SECOND)
            self._alarm("proof", f"the watchdog can NOT cancel: {error}")
            return
        self.proofs += 1
        self._prove_at_ns = self._now_ns() + self._policy.prove_ns
        self._calmed("proof", "the watchdog can cancel again")

    def _alarm(self, what: str, text: str) -> None:
        if what in self._raised and self._raised[what].text == text:
            return
        self._raised[what] = Alert(severity=Severity.CRITICAL, text=text, topic=Topic.WATCHDOG)
        log.error("watchdog", text=text)
        self._bell.tell(self._raised[what])

    def _calmed(self, what: str, words: str) -> None:
        raised = self._raised.pop(what, None)
        if raised is not None:
            log.info("watchdog", text=words)
            self._bell.over(raised, words)


def _told(labels: tuple[str, ...]) -> str:
    more = len(labels) - LABELS_TOLD_MAX
    return ", ".join(labels[:LABELS_TOLD_MAX]) + (f" and {more} more" if more > 0 else "")
