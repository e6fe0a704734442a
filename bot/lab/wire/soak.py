"""A soak: the demo for as long as one likes at many times its usual rate of quotes, watched.

Exchange and daemon are processes of their own; whatever is said of the daemon was seen from
outside, once a second. Every option that the account holds is one more quote at every move of the
market, so the rate is multiplied by holding more of them: the demo's strangles, which are hedged as
ever, and tiny positions on far expiries.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.lab.books import ORDER_METHODS, differences, submitted
from bot.lab.wire.processes import (
    WIRE,
    Daemon,
    Exchange,
    WireLabError,
    daemon,
    exchange,
    pause,
    until,
)
from bot.lab.wire.sampling import Sample, Sampler
from bot.runtime import ledger_reading, records
from bot.runtime.clock import wire_seconds
from bot.runtime.tape import tape_beside

SPEED: Final = 60.0  # the demo's
HEDGES: Final = 1  # instruments beside the positions that speak, too: the perpetual
FILLER_COIN: Final = 0.1
FILLER_DAYS_MIN: Final = 6.0  # market; an hour at the demo's speed is two and a half days
SAMPLES_MAX: Final = 7_200
WARM_UP_SHARE: Final = 0.25
WARM_UP_SECONDS_MAX: Final = 600.0
MS_PER_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """How long, at how many times the demo's rate, from which seed, and where its files go."""

    seconds: float
    rate: float
    seed: int
    journal: Path

    @property
    def warm_up_seconds(self) -> float:
        """How much of the start is not judged: caches and reservoirs fill."""
        return min(WARM_UP_SECONDS_MAX, self.seconds * WARM_UP_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Whether both sides tell the same at the end; `doubled` are labels that came in twice."""

    orders_at_venue: int
    orders_in_journal: int
    doubled: tuple[str, ...]
    differences: dict[str, tuple[str, str]]

    @property
    def agree(self) -> bool:
        """Whether every order left once, and positions are the same."""
        same = self.orders_at_venue == self.orders_in_journal
        return same and not self.doubled and not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What was seen: samples in order of time, and how it ended."""

    plan: SoakPlan
    instruments: int
    instruments_normal: int
    samples: Sequence[Sample]
    mode: str
    exit_code: int
    books: Books


def soak(plan: SoakPlan, tell: Callable[[str], None]) -> Soaked:
    """Run one; `tell` is told every minute how it goes.

    Raises:
        WireLabError: a process did not start, or ended.
        OSError: the system does not show its processes as Linux does.
    """
    with exchange("--seed", str(plan.seed), "--speed", f"{SPEED:g}") as venue:
        normal = len(_held(venue)) + HEDGES
        _fill(venue, round(normal * plan.rate) - HEDGES)
        held = len(_held(venue)) + HEDGES
        tell(f"{held} instruments speak instead of {normal}; the daemon starts")
        with daemon((venue.rest_url, venue.ws_url), plan.journal) as running:
            until("the daemon hedges", lambda: _mode(running) == "run", said=running.said)
            samples = list(_watched(plan, running, tell))
            mode = _mode(running)
            code = running.leave()
        return Soaked(
            plan=plan,
            instruments=held,
            instruments_normal=normal,
            samples=samples,
            mode=mode,
            exit_code=code,
            books=judged_books(venue, plan.journal),
        )


def judged_books(venue: Exchange, journal: Path) -> Books:
    """Compare what the venue saw with what the ledger of a daemon that has ended says."""
    seen = venue.ledger()
    labels = [row["label"] for row in seen["requests"] if row["method"] in ORDER_METHODS]
    kinds = records.STANDING_KINDS
    standing = records.latest_standing(ledger_reading.since_last(journal, *kinds))
    assert standing is not None, "a daemon that hedged has left a standing"
    return Books(
        orders_at_venue=len(labels),
        orders_in_journal=len(submitted(journal)),
        doubled=tuple(sorted({label for label in labels if labels.count(label) > 1})),
        differences=differences(seen, standing),
    )


def _held(venue: Exchange) -> dict[str, Any]:
    held: dict[str, Any] = venue.ledger()["positions"]
    return held


def _fill(venue: Exchange, wanted: int) -> None:
    """Give the account tiny positions, long and short by turns, until it holds so many.

    Raises:
        WireLabError: the chain has not as many options.
    """
    held = _held(venue)
    names = (name for name in _far_options(venue) if name not in held)
    for number in range(wanted - len(held)):
        name = next(names, None)
        if name is None:
            raise WireLabError(f"there are not {wanted} options with days to live: a lower --rate")
        size = FILLER_COIN if number % 2 else -FILLER_COIN
        venue.ask("/sim/position", {"instrument_name": name, "size": size})


def _far_options(venue: Exchange) -> Iterator[str]:
    """Name the options that outlive the soak, those near the money first."""
    listed = venue.ask("/api/v2/public/get_instruments?currency=BTC&kind=option")["result"]
    now_ms = venue.ask("/api/v2/public/get_time")["result"]
    index = venue.ask("/api/v2/public/get_index_price?index_name=btc_usd")["result"]["index_price"]
    least_ms = now_ms + FILLER_DAYS_MIN * MS_PER_DAY
    far = [one for one in listed if one["expiration_timestamp"] > least_ms]
    far.sort(key=lambda one: (abs(math.log(one["strike"] / index)), one["instrument_name"]))
    return (one["instrument_name"] for one in far)


def _mode(running: Daemon) -> str:
    if not running.lives:
        raise WireLabError(f"the daemon ended\n{running.said()}")
    return str(running.status()["mode"]["name"]) if running.is_served else "starting"


def _watched(plan: SoakPlan, running: Daemon, tell: Callable[[str], None]) -> Iterator[Sample]:
    """Look once a second; more rarely where that would be too many samples to keep."""
    every_seconds = max(1.0, plan.seconds / SAMPLES_MAX)
    sampler = Sampler(running.process.pid, plan.journal, tape_beside(plan.journal), WIRE)
    began_ns = WIRE.monotonic_ns()
    looks, told_minutes = 0, 0
    while True:
        if not running.lives:
            raise WireLabError(f"the daemon ended\n{running.said()}")
        sample = sampler.look(running.page("/metrics"))
        yield sample
        if sample.at_seconds >= plan.seconds:
            return
        minutes = int(sample.at_seconds // 60)
        if minutes > told_minutes:
            told_minutes = minutes
            tell(_said(sample))
        looks += 1
        pause(max(0.0, looks * every_seconds - wire_seconds(WIRE.monotonic_ns() - began_ns)))


def _said(sample: Sample) -> str:
    seconds = max(sample.at_seconds, 1.0)
    return (
        f"{seconds / 60:.0f} min: {sample.rss_mb:.1f} MB, {sample.tasks} tasks, "
        f"{sample.descriptors} descriptors, {sample.quotes / seconds:,.0f} quotes a second, "
        f"{sample.orders:.0f} orders"
    )
