"""How much may still be asked of a venue: buckets of credits, one a kind of request, on wire time.

A bucket holds at most `burst` credits and refills at a rate that it learns: the venue's own limits
set it, a refusal for asking too often halves it and stops the bucket for as long as the venue said,
or for a few seconds, and quiet brings it back. Orders and cancels draw on one bucket, as they do at
the venue, but orders leave a share of it untouched, so that a cancel finds a credit whatever was
sent before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any

from bot.core.units import NS_PER_SECOND

SLOWEST_SHARE = 0.1  # of the venue's rate, however often it refuses
RECOVERY_S = 60.0  # from half the rate back to the whole
PENALTY_S = 1.0  # the venue refused and did not say for how long
PENALTY_LONGEST_S = 4.0  # whatever it said: less than a cancel may take, and then it says so again


class Kind(Enum):
    """What a request is to the venue's limits."""

    QUESTION = "question"
    SUBSCRIPTION = "subscription"
    LISTING = "listing"
    WHAT_IF = "what-if"
    LOG = "transaction log"
    ORDER = "order"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What may be asked: so many at once, so many a second after that."""

    burst: float
    per_second: float


class Bucket:
    """Credits for requests. A request takes its credit at once and waits until it is covered."""

    def __init__(self, rate: Rate, now_ns: int) -> None:
        self._rate = rate
        self._credits = rate.burst
        self._share = 1.0  # of the rate, less after refusals
        self._at_ns = now_ns
        self._blocked_until_ns = now_ns

    @property
    def rate(self) -> Rate:
        """The rate that was configured or learned, refusals aside."""
        return self._rate

    def learn(self, rate: Rate, now_ns: int) -> None:
        """Take over another rate; the bucket stays as full as it was."""
        self._refill(now_ns)
        if self._credits > 0.0:
            self._credits *= rate.burst / self._rate.burst
        self._rate = rate

    def wait_ns(self, now_ns: int, keep: float = 0.0) -> int:
        """Return how long a request made now would wait for a credit above `keep`."""
        self._refill(now_ns)
        missing = max(0.0, keep + 1.0 - self._credits)
        refilled_ns = int(missing / (self._rate.per_second * self._share) * NS_PER_SECOND)
        return max(refilled_ns, self._blocked_until_ns - now_ns, 0)

    def take(self, now_ns: int, keep: float = 0.0) -> int:
        """Take a credit and return how long to wait until it is covered, in nanoseconds."""
        wait_ns = self.wait_ns(now_ns, keep)
        self._credits -= 1.0
        return wait_ns

    def give_back(self) -> None:
        """Take back a credit that was not used."""
        self._credits = min(self._rate.burst, self._credits + 1.0)

    def refused(self, now_ns: int, wait_s: float | None) -> None:
        """Take note that the venue refused: we asked too often, by its count."""
        self._refill(now_ns)
        self._credits = min(self._credits, 0.0)
        self._share = max(SLOWEST_SHARE, self._share / 2.0)
        pause_s = PENALTY_S if wait_s is None else min(wait_s, PENALTY_LONGEST_S)
        pause_ns = int(pause_s * NS_PER_SECOND)
        self._blocked_until_ns = max(self._blocked_until_ns, now_ns + pause_ns)

    def _refill(self, now_ns: int) -> None:
        gone_s = max(0, now_ns - self._at_ns) / NS_PER_SECOND
        self._at_ns = now_ns
        gained = gone_s * self._rate.per_second * self._share
        self._credits = min(self._rate.burst, self._credits + gained)
        self._share = min(1.0, self._share + 0.5 * gone_s / RECOVERY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPolicy:
    """What may be asked until the venue has said more.

    Deribit's own rates for a new account: 20 questions a second after a hundred at once, five
    orders after twenty, 3.3 subscriptions, one list of instruments, one simulated portfolio and one
    page of the transaction log after eight.
    `share` of what the venue allows is used, so that a person beside the daemon, with the same
    account, is not shut out. Orders leave `cancel_reserve` of the matching engine's burst to
    cancels.
    """

    questions: Rate = Rate(burst=60.0, per_second=15.0)
    subscriptions: Rate = Rate(burst=5.0, per_second=3.0)
    listings: Rate = Rate(burst=2.0, per_second=0.5)
    what_ifs: Rate = Rate(burst=1.0, per_second=0.75)
    logs: Rate = Rate(burst=6.0, per_second=0.75)
    matching: Rate = Rate(burst=20.0, per_second=5.0)
    share: float = 0.75
    cancel_reserve: float = 0.25


class Credits:
    """The buckets of one account."""

    def __init__(self, policy: CreditPolicy, now_ns: int) -> None:
        self._policy = policy
        matching = Bucket(policy.matching, now_ns)
        self._buckets = {
            Kind.QUESTION: Bucket(policy.questions, now_ns),
            Kind.SUBSCRIPTION: Bucket(policy.subscriptions, now_ns),
            Kind.LISTING: Bucket(policy.listings, now_ns),
            Kind.WHAT_IF: Bucket(policy.what_ifs, now_ns),
            Kind.LOG: Bucket(policy.logs, now_ns),
            Kind.ORDER: matching,
            Kind.CANCEL: matching,
        }

    def rate(self, kind: Kind) -> Rate:
        """Return what is allowed now of a kind of request, refusals aside."""
        return self._buckets[kind].rate

    def wait_ns(self, kind: Kind, now_ns: int) -> int:
        """Return how long a request of this kind, made now, would wait."""
        return self._buckets[kind].wait_ns(now_ns, self._kept(kind))

    def take(self, kind: Kind, now_ns: int) -> int:
        """Take a credit and return how long to wait before the request may be sent."""
        return self._buckets[kind].take(now_ns, self._kept(kind))

    def give_back(self, kind: Kind) -> None:
        """Take back the credit of a request that was not sent."""
        self._buckets[kind].give_back()

    def refused(self, kind: Kind, now_ns: int, wait_s: float | None) -> None:
        """Slow a kind of request down: the venue said that it comes too often."""
        self._buckets[kind].refused(now_ns, wait_s)

    def learn(self, limits: Mapping[str, Any], now_ns: int) -> None:
        """Take over the limits that an account's summary states; what it does not say, stays."""
        questions = _rate(limits, "non_matching_engine")
        if questions is not None:
            share = self._policy.share
            used = Rate(burst=questions.burst * share, per_second=questions.per_second * share)
            self._buckets[Kind.QUESTION].learn(used, now_ns)
        orders = _rate(limits, "matching_engine", "trading", "total")
        if orders is not None:
            self._buckets[Kind.ORDER].learn(orders, now_ns)

    def _kept(self, kind: Kind) -> float:
        if kind is not Kind.ORDER:
            return 0.0
        burst = self._buckets[kind].rate.burst
        return min(burst * self._policy.cancel_reserve, burst - 1.0)  # one order must always fit


def _rate(limits: Mapping[str, Any], *path: str) -> Rate | None:
    """Return the rate at a path of the venue's limits, None if there is none that makes sense."""
    found: Any = limits
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    burst, per_second = positive(found.get("burst")), positive(found.get("rate"))
    if burst is None or per_second is None:
        return None
    return Rate(burst=max(1.0, burst), per_second=per_second)


def positive(value: Any) -> float | None:
    """Return a positive finite number as the venue wrote it, None for anything else."""
    if type(value) not in (int, float) or not 0 < value < inf:
        return None
    return float(value)
