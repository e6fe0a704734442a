"""Which request, answer or push is harmed: a plan of faults, each by count, rate or window.

Pure and seeded: the same faults armed before the same moments strike the same ones. What a struck
moment suffers is done by `bot.exchange.fault_line` on a WebSocket, by `bot.exchange.fault_http`
over HTTP; what may be asked for, and in which words, is in `bot.exchange.fault_words`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from bot.exchange.clock import NS_PER_MS
from bot.exchange.protocol import Transport

FAULTS_MAX: Final = 1_000  # the oldest that is over falls out first
CONNECT: Final = "connect"  # the opening of a WebSocket, as if it were a method


class FaultKind(StrEnum):
    """What can go wrong on the wire, or be said there."""

    DROP_AFTER_ACCEPT = "drop_after_accept"
    DROP_BEFORE = "drop_before"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    CORRUPT_COMPRESSION = "corrupt_compression"
    WRONG_SCHEMA = "wrong_schema"
    HTML_200 = "html_200"
    EMPTY_200 = "empty_200"
    HTTP_STATUS = "http_status"
    ERROR_FRAME = "error_frame"
    SILENT_STALL = "silent_stall"
    STUCK_TIMESTAMP = "stuck_timestamp"
    SEQUENCE_GAP = "sequence_gap"
    HALF_OPEN = "half_open"
    SLOW_READER = "slow_reader"
    TOKEN_EXPIRY = "token_expiry"  # noqa: S105 - the name of a fault, not a secret
    RATE_LIMIT = "rate_limit"
    MAINTENANCE = "maintenance"
    BUST = "bust"
    CLOCK_STEP = "clock_step"


class Stage(StrEnum):
    """What passes on the wire. A request stands for its answer too: they share their fate."""

    REQUEST = "request"
    PUSH = "push"
    OPENING = "opening"


class Place(NamedTuple):
    """What passes, and over what."""

    stage: Stage
    transport: Transport


HTTP_REQUEST: Final = Place(Stage.REQUEST, Transport.HTTP)
WS_REQUEST: Final = Place(Stage.REQUEST, Transport.WS)
WS_PUSH: Final = Place(Stage.PUSH, Transport.WS)
WS_OPENING: Final = Place(Stage.OPENING, Transport.WS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something passes on the wire: `name` is a method, a channel, or `connect`.

    `connection` is the number of the WebSocket, 0 over HTTP.
    """

    place: Place
    name: str
    connection: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which moments a fault is about. Method and channel are prefixes; "" fits every one.

    Which of the market and the trading connection a socket is, nobody says: a fault that concerns
    a whole connection takes the one on which its method or channel is next seen.
    """

    places: frozenset[Place]
    method: str = ""
    channel: str = ""
    connection: int | None = None

    def fits(self, moment: Moment) -> bool:
        """Whether the fault is about this moment."""
        prefix = self.channel if moment.place.stage is Stage.PUSH else self.method
        return (
            moment.place in self.places
            and moment.name.startswith(prefix)
            and self.connection in {None, moment.connection}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How often, how likely and for how long a fault strikes; None is without that limit.

    The first `after` moments that fit pass unharmed. `window_ms` is wire time from the arming on.
    `rate` is the chance of each moment, drawn from `seed` and the number of the moment.
    """

    count: int | None = None
    rate: float | None = None
    window_ms: float | None = None
    after: int = 0
    seed: int = 0

    def draws(self, number: int) -> bool:
        """Whether chance takes the moment with this number."""
        if self.rate is None:
            return True
        digest = hashlib.sha256(f"{self.seed}:{number}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.rate * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The particulars of a fault; each kind reads those that concern it.

    `delay_ms` is wire time, `step_ms` market time. `code` and `message` are the venue's.
    """

    cut: bool = True
    processed: bool = False
    before: bool = False
    whole: bool = False
    delay_ms: float = 0.0
    step_ms: int = 0
    status: int = 503
    content: str = "html"
    code: int = 0
    message: str = ""
    trade_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as it was asked for."""

    kind: FaultKind
    target: Target
    quota: Quota
    harm: Harm = Harm()


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault that waits for its moments: how many fitted so far, and how many it struck."""

    number: int
    fault: Fault
    armed_ns: int
    seen: int = 0
    struck: int = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether it will never strike again."""
        quota = self.fault.quota
        is_used_up = quota.count is not None and self.struck >= quota.count
        return is_used_up or (
            quota.window_ms is not None and now_ns - self.armed_ns >= quota.window_ms * NS_PER_MS
        )

    def strikes(self, moment: Moment, now_ns: int) -> bool:
        """Take note of a moment, and say whether it is harmed."""
        if self.is_over(now_ns) or not self.fault.target.fits(moment):
            return False
        self.seen += 1
        quota = self.fault.quota
        if self.seen <= quota.after or not quota.draws(self.seen):
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class FaultPlan:
    """The faults of a simulation, in the order in which they were armed.

    Those that are over stay to be read, and are no longer asked whether they strike.
    """

    _armed: dict[int, Armed] = field(default_factory=dict)
    _waiting: list[Armed] = field(default_factory=list)
    _last_number: int = 0

    def arm(self, fault: Fault, now_ns: int) -> Armed:
        """Let a fault wait for its moments from now on."""
        self._last_number += 1
        if len(self._armed) >= FAULTS_MAX:
            oldest = next(self.over(now_ns), None) or next(iter(self._armed.values()))
            self.clear(oldest.number)
        armed = Armed(number=self._last_number, fault=fault, armed_ns=now_ns)
        self._armed[armed.number] = armed
        self._waiting.append(armed)
        return armed

    def clear(self, number: int | None = None) -> list[Armed]:
        """Disarm one fault, or all of them; answers those that were there."""
        numbers = list(self._armed) if number is None else [number]
        cleared = [self._armed.pop(each) for each in numbers if each in self._armed]
        self._waiting = [armed for armed in self._waiting if armed.number in self._armed]
        return cleared

    def all(self) -> list[Armed]:
        """Every fault, also those that are over: how often each struck stays to be read."""
        return list(self._armed.values())

    def over(self, now_ns: int) -> Iterator[Armed]:
        """Those that will never strike again."""
        return (armed for armed in self._armed.values() if armed.is_over(now_ns))

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for its moment."""
        return not self._waiting

    def strike(self, moment: Moment, now_ns: int) -> tuple[Armed, ...]:
        """What harms this moment; usually nothing."""
        if not self._waiting:
            return ()
        struck = tuple(armed for armed in self._waiting if armed.strikes(moment, now_ns))
        self._waiting = [armed for armed in self._waiting if not armed.is_over(now_ns)]
        return struck
