"""How long what the venue says is on its way, by the venue's own stamps: frames that come too late.

A frame's age is the wire time between the moment that the venue put on it and its arrival, by what
is known of the venue's clock. The least of many ages is the transport and what is left of the
clocks' offset; an age far over that is a queue somewhere, or a stamp that stands still. Prices so
old must not look new, whatever their arrival says.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

from bot.core.units import NS_PER_MS, NS_PER_SECOND

AGES_KEPT: Final = 512
TOLD_EVERY_S: Final = 30.0  # while a source stays late, it is reported so often

Age = Callable[[int, int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Ages of recent frames, in wire milliseconds. The least may be negative: clocks disagree."""

    frames: int
    least_ms: float
    median_ms: float
    most_ms: float


class Transit:
    """The ages of frames as they arrive.

    Args:
        age_ns: wire time between a venue stamp (market ms) and an arrival (wire ns).
        late_s: an age above this makes a frame too late to be believed.
    """

    def __init__(self, *, age_ns: Age, late_s: float) -> None:
        self._age_ns = age_ns
        self._late_ns = late_s * NS_PER_SECOND
        self._recent: deque[float] = deque(maxlen=AGES_KEPT)
        self._told_ns: dict[str, int] = {}
        self.frames = 0
        self.late_frames = 0

    def is_late(self, venue_ms: int, arrived_ns: int) -> bool:
        """Take note of one frame and return whether it comes too late to be believed."""
        age_ns = self._age_ns(venue_ms, arrived_ns)
        self._recent.append(age_ns)
        self.frames += 1
        is_late = age_ns > self._late_ns
        self.late_frames += is_late
        return is_late

    def complaint(self, source: str, venue_ms: int, arrived_ns: int) -> str | None:
        """Return what to say of a late frame, None while it was said a moment ago."""
        told_ns = self._told_ns.get(source)
        if told_ns is not None and arrived_ns - told_ns < TOLD_EVERY_S * NS_PER_SECOND:
            return None
        self._told_ns[source] = arrived_ns
        age_s = self._age_ns(venue_ms, arrived_ns) / NS_PER_SECOND
        return f"late: the venue's stamp is {age_s:.1f} s old on arrival"

    def in_time(self, source: str) -> None:
        """Take note that a source is in time again."""
        self._told_ns.pop(source, None)

    def ages(self) -> Ages | None:
        """Return the ages of the last few hundred frames, None before the first."""
        if not self._recent:
            return None
        return Ages(
            frames=self.frames,
            least_ms=min(self._recent) / NS_PER_MS,
            median_ms=median(self._recent) / NS_PER_MS,
            most_ms=max(self._recent) / NS_PER_MS,
        )
