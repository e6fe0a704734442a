"""Two clocks: the market's, which may start on another day and run faster, and the wire's.

Nothing here reads a clock. The wire's readings are callables that the composition root hands in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WireClocks:
    """Readings of the host: `epoch_ms` signs and stamps requests, `monotonic_ns` paces."""

    epoch_ms: Callable[[], int]
    monotonic_ns: Callable[[], int]


@dataclass(slots=True, kw_only=True)
class MarketClock:
    """The venue's time: `speed` market milliseconds a wire millisecond, from `start_ms` on.

    It stands at `start_ms` until `start`. It never runs backwards, and jumps ahead only through
    `skip`, when a recorded market jumps over a hole in its data.
    """

    start_ms: int
    speed: float
    monotonic_ns: Callable[[], int]
    skipped_ms: int = 0
    _origin_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.speed < float("inf"):
            raise ValueError(
                f"speed must be a positive number of market seconds a second, got {self.speed}"
            )

    def start(self) -> None:
        """Begin to run."""
        assert self._origin_ns is None, "the market clock is started once"
        self._origin_ns = self.monotonic_ns()

    def market_ms(self) -> int:
        """Market time now, epoch milliseconds."""
        if self._origin_ns is None:
            return self.start_ms
        passed_ns = self.monotonic_ns() - self._origin_ns
        return self.start_ms + self.skipped_ms + int(passed_ns * self.speed) // NS_PER_MS

    def hold(self, at_ms: int) -> None:
        """Go back to `at_ms`, if it is past: what came after was told to nobody."""
        self.skipped_ms -= max(0, self.market_ms() - at_ms)

    def skip(self, by_ms: int) -> None:
        """Jump `by_ms` market milliseconds ahead."""
        assert by_ms >= 0, "market time may not run backwards"
        self.skipped_ms += by_ms
