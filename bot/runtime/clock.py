"""The two clocks, and the only place where time is read.

The *wire clock* is monotonic and local: ages, timeouts, latency. The *market clock* is the venue's:
expiry, theta, funding, `valid_until`. Live they run at one speed; in a rehearsal the venue may
stand on another day, run faster and jump ahead over a hole in recorded data, and the daemon learns
that from the venue's answers.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import structlog

from bot.core.units import NS_PER_MS, NS_PER_SECOND

SAMPLES_MAX: Final = 32  # half a minute at the sampler's pace: long for the rate, short for a drift
SAMPLES_TRUSTED: Final = 4  # from so many on, a rate outlives a jump
HOST_DRIFT: Final = 200e-6  # what a host's crystal may lose against a venue's, unlearned
GIVE_WAY_SECONDS: Final = 100e-6
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
OFFSETS: Final = Path("/proc/self/timens_offsets")
QUANTUM_MS: Final = 1.0  # a venue tells its time in whole milliseconds

log = structlog.get_logger(__name__)


def _epoch_ms() -> int:
    return time.time_ns() // NS_PER_MS


@cache
def host_boot() -> str:
    """Name the start of this host, empty where it does not tell (proc_sys_kernel(5): boot_id).

    A container may count from elsewhere (time_namespaces(7)): the name says how far off.
    """
    try:
        boot = BOOT.read_text().strip()
        offsets = OFFSETS.read_text() if OFFSETS.exists() else ""
    except OSError:
        return ""
    return " ".join([boot, *offsets.split()]) if boot else ""


def give_way() -> None:
    """Let whoever waits have processor and interpreter, in a thread with long work of its own.

    It sleeps: merely to let go of the interpreter is no help to a loop that lacks a processor.
    """
    time.sleep(GIVE_WAY_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireClock:
    """Readings of this host: `monotonic_ns` paces and measures, `epoch_ms` signs and stamps.

    Both are callables, to be handed to whoever needs one of them; a test or a simulation brings its
    own. `boot` names the start of the host that `monotonic_ns` counts from: readings of two
    processes compare where it is the same, and nowhere where it is empty.
    """

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    epoch_ms: Callable[[], int] = _epoch_ms
    boot: str = field(default_factory=host_boot)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSample:
    """The venue said `venue_ms`; it was asked and its answer arrived at these wire times."""

    asked_ns: int
    answered_ns: int
    venue_ms: int

    @property
    def middle_ns(self) -> int:
        """Wire time at which the venue most likely looked at its clock."""
        return (self.asked_ns + self.answered_ns) // 2

    @property
    def half_trip_ms(self) -> float:
        """How far from the middle the venue's look may have been, in wire milliseconds."""
        return (self.answered_ns - self.asked_ns) / 2 / NS_PER_MS


class MarketClock(Protocol):
    """The venue's time, as far as it is known."""

    @property
    def rate(self) -> float:
        """Market milliseconds that pass in one wire millisecond."""

    @property
    def uncertainty_ms(self) -> float:
        """How far `now_ms` may be from the venue's own clock, in market milliseconds."""

    @property
    def jumps(self) -> int:
        """How often the venue's time did not go on where it was expected."""

    def now_ms(self) -> int:
        """Market time in epoch milliseconds; never less than it was before."""

    def observe(self, sample: TimeSample) -> None:
        """Learn from one answer of the venue."""

    def age_ns(self, venue_ms: int, arrived_ns: int) -> float:
        """Wire time between a stamp of the venue and an arrival; 0 if nothing is known yet.

        By the venue's own time, also where it ran back and `now_ms` waits for it.
        """


def to_market_ms(clock: MarketClock, wire_ns: float) -> int:
    """Convert a duration on the wire clock to whole market milliseconds."""
    return int(wire_ns * clock.rate / NS_PER_MS)


def to_wire_ns(clock: MarketClock, market_ms: float) -> int:
    """Convert a duration on the market clock to wire nanoseconds, rounded up."""
    return -int(-market_ms * NS_PER_MS / clock.rate // 1)


class SystemMarketClock:
    """The host's own time, for a venue that shares it.

    Its offset from the venue is only watched. The host's calendar is read once: from then on
    monotonic time passes, so that setting the host's clock changes nothing that was decided.
    """

    def __init__(self, wire: WireClock) -> None:
        self._wire = wire
        self._origin_ns = wire.monotonic_ns()
        self._origin_ms = wire.epoch_ms()
        self._recent: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)

    @property
    def rate(self) -> float:
        """One: the host's time and the venue's pass alike."""
        return 1.0

    @property
    def jumps(self) -> int:
        """None that we would follow."""
        return 0

    @property
    def offset_ms(self) -> float:
        """The venue's time less ours, by the quickest of the recent answers; 0 before the first."""
        return min(self._recent)[1] if self._recent else 0.0

    @property
    def uncertainty_ms(self) -> float:
        """The offset and half the trip that showed it; infinite before the first answer."""
        if not self._recent:
            return float("inf")
        half_trip_ms, offset_ms = min(self._recent)
        return abs(offset_ms) + half_trip_ms + QUANTUM_MS

    def now_ms(self) -> int:
        """Market time in epoch milliseconds."""
        return self._at(self._wire.monotonic_ns())

    def observe(self, sample: TimeSample) -> None:
        """Note how far the venue is from this host."""
        offset_ms = float(sample.venue_ms - self._at(sample.middle_ns))
        self._recent.append((sample.half_trip_ms, offset_ms))

    def age_ns(self, venue_ms: int, arrived_ns: int) -> float:
        """Wire time between a stamp of the venue and an arrival, if the host's time is right."""
        return float((self._at(arrived_ns) - venue_ms) * NS_PER_MS)

    def _at(self, wire_ns: int) -> int:
        return self._origin_ms + (wire_ns - self._origin_ns) // NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Market time as a straight line over wire time, and how well it is known."""

    origin_ns: int
    origin_ms: float
    rate: float
    rate_error: float  # relative
    error_ms: float  # market milliseconds, at the samples themselves
    last_ns: int

    def at(self, wire_ns: int) -> float:
        """Market time at `wire_ns`, in milliseconds."""
        return self.origin_ms + (wire_ns - self.origin_ns) / NS_PER_MS * self.rate

    def error_at(self, wire_ns: int) -> float:
        """How far `at(wire_ns)` may be off, in market milliseconds."""
        ahead_ms = max(0, wire_ns - self.last_ns) / NS_PER_MS
        return self.error_ms + ahead_ms * self.rate * self.rate_error


def _slack_ms(sample: TimeSample, rate: float) -> float:
    return sample.half_trip_ms * rate + QUANTUM_MS


def fit(samples: Iterable[TimeSample], rate: float | None) -> Line:
    """Lay a line through the samples, each weighted by the square of how well it knows.

    A slow answer may have been stamped anywhere on its way, so a quick one counts for more.

    Args:
        samples: At least one.
        rate: The rate if it is given (live: 1), None to learn it; one sample alone then leaves 1.
    """
    known = list(samples)
    first, last = known[0], known[-1]
    guess = rate
    if guess is None:
        span_ns = last.middle_ns - first.middle_ns
        guess = (last.venue_ms - first.venue_ms) * NS_PER_MS / span_ns if span_ns > 0 else 1.0
        guess = guess if guess > 0 else 1.0
    xs = [(sample.middle_ns - first.middle_ns) / NS_PER_MS for sample in known]
    ys = [sample.venue_ms - first.venue_ms + QUANTUM_MS / 2 for sample in known]
    weights = [1.0 / _slack_ms(sample, guess) ** 2 for sample in known]
    total = sum(weights)
    x_mean = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y_mean = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    spread = sum(w * (x - x_mean) ** 2 for w, x in zip(weights, xs, strict=True))
    slope = guess
    if rate is None and spread > 0:
        joint = sum(
            w * (x - x_mean) * (y - y_mean) for w, x, y in zip(weights, xs, ys, strict=True)
        )
        slope = joint / spread if joint > 0 else guess
    return Line(
        origin_ns=first.middle_ns,
        origin_ms=first.venue_ms + y_mean - slope * x_mean,
        rate=slope,
        rate_error=HOST_DRIFT if rate is not None else _rate_error(first, last, slope),
        error_ms=min(_slack_ms(sample, slope) for sample in known),
        last_ns=last.middle_ns,
    )


def _rate_error(first: TimeSample, last: TimeSample, rate: float) -> float:
    span_ms = (last.middle_ns - first.middle_ns) / NS_PER_MS * rate
    if span_ms <= 0:
        return 1.0
    return HOST_DRIFT + min(1.0, (_slack_ms(first, rate) + _slack_ms(last, rate)) / span_ms)


class VenueMarketClock:
    """The venue's time, learned from its answers: offset always, rate unless it is pinned.

    An answer that the line so far cannot explain is a jump: what was known of the offset is
    dropped, the rate is kept if it was learned well. Where the rate is pinned, a second answer must
    bear the jump out: a real venue's time does not leap, and one answer an hour off must not have
    options expire. The clock never runs backwards: if the venue's time did, ours stands until the
    venue has caught up (`behind_ms`).
    """

    def __init__(self, wire: WireClock, *, rate: float | None = None) -> None:
        """Start knowing nothing; `now_ms` needs one `observe` first.

        Args:
            wire: The host's readings.
            rate: 1.0 to pin the rate (live), None to learn it (rehearsals run at any speed).
        """
        self._wire = wire
        self._pinned = rate
        self._samples: deque[TimeSample] = deque(maxlen=SAMPLES_MAX)
        self._kept_rate: float | None = rate
        self._line: Line | None = None
        self._doubted: TimeSample | None = None
        self._latest_ms = 0
        self._jumps = 0

    @property
    def rate(self) -> float:
        """Market milliseconds that pass in one wire millisecond; 1 until two answers were seen."""
        return 1.0 if self._line is None else self._line.rate

    @property
    def jumps(self) -> int:
        """How often an answer did not lie where the earlier ones put it."""
        return self._jumps

    @property
    def uncertainty_ms(self) -> float:
        """How far `now_ms` may be from the venue's clock; infinite before the first answer."""
        if self._line is None:
            return float("inf")
        now_ns = self._wire.monotonic_ns()
        return self._line.error_at(now_ns) + self.behind_ms

    @property
    def behind_ms(self) -> float:
        """How far the venue is behind what we already showed; above 0 if its time ran back."""
        if self._line is None:
            return 0.0
        return max(0.0, self._latest_ms - self._line.at(self._wire.monotonic_ns()))

    def now_ms(self) -> int:
        """Market time in epoch milliseconds.

        Raises:
            RuntimeError: the venue has not yet told its time.
        """
        if self._line is None:
            raise RuntimeError("the venue has not told its time yet")
        self._latest_ms = max(self._latest_ms, int(self._line.at(self._wire.monotonic_ns())))
        return self._latest_ms

    def age_ns(self, venue_ms: int, arrived_ns: int) -> float:
        """Wire time between a stamp of the venue and an arrival, 0 before the first answer."""
        if self._line is None:
            return 0.0
        return (self._line.at(arrived_ns) - venue_ms) / self._line.rate * NS_PER_MS

    def observe(self, sample: TimeSample) -> None:
        """Learn from one answer of the venue."""
        if self._line is not None and self._is_jump(self._line, sample):
            if not self._is_borne_out(sample):
                self._doubted = sample
                return
            self._leave(self._line, sample)
        self._doubted = None
        self._samples.append(sample)
        rate = self._pinned
        if rate is None and len(self._samples) < SAMPLES_TRUSTED:
            rate = self._kept_rate
        self._line = fit(self._samples, rate)

    def _is_jump(self, line: Line, sample: TimeSample) -> bool:
        if self._pinned is None and self._kept_rate is None and len(self._samples) == 1:
            return False  # one sample knows no rate, so no second one can contradict it
        miss_ms = abs(sample.venue_ms - line.at(sample.middle_ns))
        return miss_ms > 2 * (_slack_ms(sample, line.rate) + line.error_at(sample.middle_ns))

    def _is_borne_out(self, sample: TimeSample) -> bool:
        """Whether a jump may be believed: in a rehearsal at once, else with the second answer."""
        if self._pinned is None:
            return True
        doubted = self._doubted
        return doubted is not None and not self._is_jump(fit([doubted], self._pinned), sample)

    def _leave(self, line: Line, sample: TimeSample) -> None:
        self._jumps += 1
        by_ms = round(sample.venue_ms - line.at(sample.middle_ns))
        log.warning("market clock jumped", by_ms=by_ms, rate=line.rate)
        if self._pinned is None and len(self._samples) >= SAMPLES_TRUSTED:
            # With fewer, what was known before still holds: jumps may follow each other closely.
            self._kept_rate = line.rate
        self._samples.clear()


def wire_seconds(wire_ns: float) -> float:
    """Return a wire duration in seconds, for asyncio."""
    return wire_ns / NS_PER_SECOND
