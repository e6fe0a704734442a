"""Waiting: until a venue may be asked again, and before it is dialled again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.core.units import NS_PER_SECOND
from bot.venues.credits import CreditPolicy, Credits, Kind, Rate, positive

Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """Waits for credits. Waiters of a kind are served in the order in which they came.

    Args:
        policy: what may be asked until the venue has said more.
        monotonic_ns: the wire clock.
        sleep: waits on the wire clock, in seconds.
    """

    def __init__(
        self, *, policy: CreditPolicy, monotonic_ns: Callable[[], int], sleep: Sleep
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._credits = Credits(policy, monotonic_ns())

    async def wait(self, kind: Kind) -> None:
        """Take a credit for one request, sleeping until there is one."""
        wait_ns = self._credits.take(kind, self._monotonic_ns())
        if not wait_ns:
            return
        try:
            await self._sleep(wait_ns / NS_PER_SECOND)
        except BaseException:  # whoever asked waits no more: nothing is sent
            self._credits.give_back(kind)
            raise

    async def wait_at_most(self, kind: Kind, limit_s: float) -> float | None:
        """Take a credit for one request, if it comes in time.

        Returns:
            None once the request may be sent; else in how many seconds it could be, with no credit
            taken.
        """
        wait_s = self._credits.wait_ns(kind, self._monotonic_ns()) / NS_PER_SECOND
        if wait_s > limit_s:
            return wait_s
        await self.wait(kind)
        return None

    def refused(self, kind: Kind, data: Any) -> None:
        """Slow down: the venue refused a request for coming too soon, with this `data`."""
        said = positive(data.get("wait")) if isinstance(data, Mapping) else None
        self._credits.refused(kind, self._monotonic_ns(), said)

    def learn(self, limits: Any) -> None:
        """Take over the limits that an account's summary states."""
        if isinstance(limits, Mapping):
            self._credits.learn(limits, self._monotonic_ns())

    def rate(self, kind: Kind) -> Rate:
        """Return what is allowed now of a kind of request, refusals aside."""
        return self._credits.rate(kind)


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

    def ease(self, failures_max: int) -> None:
        """Forget failures but so many: the venue is there, though the connection was short."""
        self._failures = min(self._failures, failures_max)

    def next_s(self) -> float:
        """Return the next wait in seconds: half to whole of first * 2**failures, bounded."""
        whole = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return whole * (0.5 + 0.5 * self._chance())
