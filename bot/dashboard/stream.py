"""What happens, as it happens: decisions, actions and modes, as server-sent events.

The loop only puts references into each listener's bounded queue, and never waits: a listener who is
too slow loses the oldest and is told how many. Words are made of them in the listener's own task.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Final

from bot.core import codec
from bot.core.actions import Action
from bot.core.engine import Step
from bot.core.hedger import Decision
from bot.core.state import Mode, State
from bot.dashboard import views
from bot.dashboard.models import ModeShown

LISTENERS_MAX: Final = 8
WAITING_MAX: Final = 1_000  # events of one listener
QUIET_SECONDS_MAX: Final = 15.0  # then a comment shows that the line still lives
COMMENT: Final = b": nothing new\n\n"

Happened = tuple[int, Decision | Action | ModeShown]  # when, on the market clock, and what


class Listener:
    """One client's queue."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Happened]] = deque(maxlen=WAITING_MAX)
        self._news = asyncio.Event()
        self.lost = 0

    def put(self, number: int, happened: Happened) -> None:
        """Take one more, and lose the oldest for it where there is no room."""
        self.lost += len(self._waiting) == WAITING_MAX
        self._waiting.append((number, happened))
        self._news.set()

    async def texts(self, quiet_seconds: float = QUIET_SECONDS_MAX) -> AsyncIterator[bytes]:
        """Tell what happened, without end."""
        while True:
            if self.lost:
                lost, self.lost = self.lost, 0
                yield _event("lost", f'{{"events":{lost}}}')
            elif self._waiting:
                number, happened = self._waiting.popleft()
                yield _told(number, happened)
            else:
                self._news.clear()
                try:
                    async with asyncio.timeout(quiet_seconds):
                        await self._news.wait()
                except TimeoutError:
                    yield COMMENT


class Stream:
    """Everybody who listens. Of one event loop."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._mode: Mode | None = None
        self._number = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else may listen."""
        return len(self._listeners) >= LISTENERS_MAX

    def show(self, step: Step) -> None:
        """Take the loop's latest step; nothing is kept of it where nobody listens."""
        if not self._listeners:
            return
        for happened in self._news(step):
            self._number += 1
            for listener in self._listeners:
                listener.put(self._number, happened)

    def _news(self, step: Step) -> Iterator[Happened]:
        now_ms = step.state.now_ms
        if step.state.mode is not self._mode:
            self._mode = step.state.mode
            yield now_ms, views.mode(step.state)
        for made in step.decisions:
            yield now_ms, made
        for action in step.actions:
            yield now_ms, action

    async def listen(self, state: State | None) -> AsyncIterator[bytes]:
        """Tell one client the mode, if `state` is known, and from then on whatever happens."""
        listener = Listener()
        if state is not None:
            self._mode = state.mode
            listener.put(self._number, (state.now_ms, views.mode(state)))
        self._listeners.append(listener)
        try:
            async for text in listener.texts():
                yield text
        finally:
            self._listeners.remove(listener)


def _told(number: int, happened: Happened) -> bytes:
    at_ms, what = happened
    if isinstance(what, ModeShown):
        return _event("mode", what.model_dump_json(), number)
    if isinstance(what, Decision):
        return _event("decision", views.decision(what).model_dump_json(), number)
    action = codec.dumps(what).decode()
    return _event("action", f'{{"at_ms":{at_ms},"action":{action}}}', number)


def _event(kind: str, told: str, number: int | None = None) -> bytes:
    """Return an event; its number rises by one with each, so that a gap shows."""
    named = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{named}data: {told}\n\n".encode()
