"""What could not be understood, told no more often than a ledger can keep.

A venue that changes a frame's shape overnight sends thousands of such frames a second, and each is
a fact with a row of its own. The first are told one by one, then one a second, with the number of
those that were not.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bot.core.events import BadMessage
from bot.venues.credits import Bucket, Rate

TOLD: Final = Rate(burst=200.0, per_second=1.0)


class Complaints:
    """Bounds the rate of complaints. `monotonic_ns` is the wire clock."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._bucket = Bucket(TOLD, monotonic_ns())
        self._untold = 0

    def told(self, complaint: BadMessage) -> BadMessage | None:
        """Return what to tell of one more complaint, None if it is only counted."""
        now_ns = self._monotonic_ns()
        if self._bucket.wait_ns(now_ns):
            self._untold += 1
            return None
        self._bucket.take(now_ns)
        if not self._untold:
            return complaint
        reason = f"{complaint.reason} (after {self._untold} more that were not told one by one)"
        self._untold = 0
        return replace(complaint, reason=reason)
