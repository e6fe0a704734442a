"""Which quote channels are wanted, which are subscribed, and which have fallen silent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum


class Silence(Enum):
    """How far a silent channel has been chased."""

    HEARD = 0
    RESUBSCRIBED = 1
    RECYCLED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Channels that stayed silent too long, by what has to be done about them.

    `resubscribe` fell silent, `recycle` stayed silent after that, and `dead` even on a new
    connection: those are only reported, so that one dead contract cannot take the line down for
        ever.
    """

    resubscribe: tuple[str, ...]
    recycle: tuple[str, ...]
    dead: tuple[str, ...]


class Channels:
    """The book-keeping of one socket's channels. Times are on the wire clock."""

    def __init__(self) -> None:
        self._wanted: frozenset[str] = frozenset()
        self._since_ns: dict[str, int] = {}  # subscribed channels: last push, else subscription
        self._silent: set[str] = set()  # subscribed, and never heard on this connection
        self._refused: dict[str, int] = {}  # refused channels: since when
        self._chased: dict[str, Silence] = {}

    def want(self, channels: Iterable[str]) -> None:
        """Want exactly these; if they are others than before, a refused one is asked again."""
        wanted = frozenset(channels)
        if wanted != self._wanted:
            self._wanted = wanted
            self._refused.clear()

    def missing(self, now_ns: int, refused_for_ns: int) -> list[str]:
        """Return the wanted channels that are not subscribed, sorted.

        Args:
            now_ns: the wire clock.
            refused_for_ns: how long one that was refused is not asked for again.
        """
        asked_ns = now_ns - refused_for_ns
        refused = {name for name, since_ns in self._refused.items() if since_ns > asked_ns}
        return sorted(self._wanted - self._since_ns.keys() - refused)

    def surplus(self) -> list[str]:
        """Return the subscribed channels that are not wanted, sorted."""
        return sorted(self._since_ns.keys() - self._wanted)

    def connected(self) -> None:
        """Start over on a new connection: nothing is subscribed, nothing refused."""
        self._since_ns.clear()
        self._silent.clear()
        self._refused.clear()

    def added(self, channels: Iterable[str], now_ns: int) -> None:
        """Take note of channels about to be subscribed; their silence counts from now."""
        for channel in channels:
            self._since_ns[channel] = now_ns
            self._silent.add(channel)

    def removed(self, channels: Iterable[str]) -> None:
        """Take note of channels that ended."""
        for channel in channels:
            self._since_ns.pop(channel, None)
            self._silent.discard(channel)
            self._chased.pop(channel, None)

    def refused(self, channel: str, now_ns: int) -> None:
        """Take note that the venue refused a channel."""
        self.removed((channel,))
        self._refused[channel] = now_ns

    def heard(self, channel: str, now_ns: int) -> None:
        """Take note of a push."""
        if channel in self._since_ns:
            self._since_ns[channel] = now_ns
            self._silent.discard(channel)
            if self._chased:
                self._chased.pop(channel, None)

    def is_silent(self, channel: str) -> bool:
        """Return whether a subscribed channel has not spoken yet on this connection."""
        return channel in self._silent

    def stalled(
        self, now_ns: int, silence_max_ns: int, is_excused: Callable[[str], bool]
    ) -> Stalls:
        """Return the channels silent for longer than allowed, each once per such span.

        Args:
            now_ns: the wire clock.
            silence_max_ns: how long a channel may be silent.
            is_excused: whether a channel has nothing more to say.
        """
        found: dict[Silence, list[str]] = {step: [] for step in Silence}
        for channel, since_ns in self._since_ns.items():
            if now_ns - since_ns <= silence_max_ns or is_excused(channel):
                continue
            step = self._chased.get(channel, Silence.HEARD)
            found[step].append(channel)
            self._since_ns[channel] = now_ns
            self._chased[channel] = Silence(min(step.value + 1, Silence.RECYCLED.value))
        return Stalls(
            resubscribe=tuple(found[Silence.HEARD]),
            recycle=tuple(found[Silence.RESUBSCRIBED]),
            dead=tuple(found[Silence.RECYCLED]),
        )
