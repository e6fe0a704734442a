"""What waits for one channel: bounded, the loudest first, no faster than the channel may be told.

Time is told by the caller, on the wire clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bot.core.actions import Severity
from bot.core.units import NS_PER_SECOND
from bot.runtime.paging import RANK, Page

WAITING_MAX: Final = 50
SECONDS_PER_MINUTE: Final = 60


@dataclass(slots=True, kw_only=True)
class Letter:
    """A page on its way, and the channels that were told or tried: shared by its copies."""

    page: Page
    page_id: str
    told: set[str] = field(default_factory=set)


class PageQueue:
    """The letters that wait for one channel."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._letters: list[Letter] = []
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._letters)

    def put(self, letter: Letter) -> None:
        """Let a letter wait; where there is no room the oldest of the least loud is dropped."""
        self._letters.append(letter)
        if len(self._letters) > self._waiting_max:
            least = min(_rank(waiting) for waiting in self._letters)
            at = next(n for n, waiting in enumerate(self._letters) if _rank(waiting) == least)
            del self._letters[at]
            self.dropped += 1

    def take(self) -> Letter:
        """Return the loudest letter, of those the oldest.

        Raises:
            IndexError: nothing waits.
        """
        if not self._letters:
            raise IndexError("nothing waits")
        loudest = max(_rank(waiting) for waiting in self._letters)
        at = next(n for n, waiting in enumerate(self._letters) if _rank(waiting) == loudest)
        return self._letters.pop(at)

    @property
    def loudest(self) -> Severity | None:
        """The severity of the next letter, None if nothing waits."""
        pages = [letter.page for letter in self._letters]
        return max(pages, key=lambda page: RANK[page.severity]).severity if pages else None


def _rank(letter: Letter) -> int:
    return RANK[letter.page.severity]


class Pace:
    """How fast a channel may be told: `per_minute_max`, of which the last is kept for a call.

    Tokens come back evenly. `close` keeps everything away for a while, because the service said so.
    """

    def __init__(self, per_minute_max: int, now_ns: int) -> None:
        self._most = float(per_minute_max)
        self._tokens = self._most
        self._at_ns = now_ns
        self._closed_until_ns = now_ns

    def wait_ns(self, severity: Severity, now_ns: int) -> int:
        """Return how long a page of this severity has to wait, 0 for not at all."""
        self._refill(now_ns)
        kept = 0.0 if severity is Severity.CRITICAL or self._most < 2 else 1.0
        missing = max(0.0, 1.0 + kept - self._tokens)
        seconds = missing * SECONDS_PER_MINUTE / self._most
        return max(int(seconds * NS_PER_SECOND), self._closed_until_ns - now_ns, 0)

    def spend(self, now_ns: int) -> None:
        """Count one page."""
        self._refill(now_ns)
        self._tokens -= 1.0

    def close(self, seconds: float, now_ns: int) -> None:
        """Keep everything away for so long."""
        until_ns = now_ns + int(seconds * NS_PER_SECOND)
        self._closed_until_ns = max(self._closed_until_ns, until_ns)

    def _refill(self, now_ns: int) -> None:
        gained = (now_ns - self._at_ns) / NS_PER_SECOND * self._most / SECONDS_PER_MINUTE
        self._tokens = min(self._most, self._tokens + gained)
        self._at_ns = now_ns
