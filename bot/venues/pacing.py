"""Rates: how often a venue may be asked, and how long to wait before it is dialled again."""

from collections.abc import Awaitable, Callable

from bot.core.units import NS_PER_SECOND

Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """A bucket of `burst` tokens that refills at `per_second`, on the wire clock.

    Waiters are served in the order in which they came: each reserves its token before it sleeps.
    """

    def __init__(
        self, *, burst: int, per_second: float, monotonic_ns: Callable[[], int], sleep: Sleep
    ) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._tokens = float(burst)
        self._refilled_ns = monotonic_ns()

    async def wait(self) -> None:
        """Take one token, sleeping until there is one."""
        now_ns = self._monotonic_ns()
        refill = (now_ns - self._refilled_ns) / NS_PER_SECOND * self._per_second
        self._tokens = min(self._burst, self._tokens + refill) - 1.0
        self._refilled_ns = now_ns
        if self._tokens < 0.0:
            await self._sleep(-self._tokens / self._per_second)


class Backoff:
    """Growing, bounded waits between attempts, cut by chance so that not all dial at once."""

    def __init__(self, *, first_s: float, longest_s: float, chance: Callable[[], float]) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._failures = 0

    def reset(self) -> None:
        """Forget past failures: the connection lived."""
        self._failures = 0

    def next_s(self) -> float:
        """Return the next wait in seconds: half to whole of first * 2**failures, bounded."""
        whole = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return whole * (0.5 + 0.5 * self._chance())
