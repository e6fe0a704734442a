"""A process as the system and its own page of numbers show it, from outside."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.runtime.clock import WireClock, wire_seconds

BYTES_PER_MB: Final = 1_000_000
BYTES_PER_KB: Final = 1_024
STAT_UTIME: Final = 11  # fields of /proc/PID/stat after the name: ticks as a user, as the kernel
SIDES: Final = ("buy", "sell")
LAG: Final = "deltaband_loop_lag_seconds"

_LINE: Final = re.compile(rb"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_BOUND: Final = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a daemon. Counts are since its start; `lag` counts by upper bound, seconds."""

    at_seconds: float
    rss_mb: float
    descriptors: int
    threads: int
    cpu_seconds: float
    tasks: int
    quotes: float
    folds: float
    orders: float
    conflated: float
    ledger_mb: float
    tape_mb: float
    lag: Mapping[float, float]


class Sampler:
    """Looks at one process and the files that it writes."""

    def __init__(self, pid: int, journal: Path, tape: Path, wire: WireClock) -> None:
        """Time begins now."""
        self._proc = Path(f"/proc/{pid}")
        self._journal = journal
        self._tape = tape
        self._wire = wire
        self._began_ns = wire.monotonic_ns()

    def look(self, page: bytes) -> Sample:
        """Take one sample; `page` is the daemon's `/metrics`.

        Raises:
            OSError: the process is gone, or the system does not tell.
        """
        told = exposed(page)
        return Sample(
            at_seconds=wire_seconds(self._wire.monotonic_ns() - self._began_ns),
            rss_mb=resident_mb(self._proc),
            descriptors=_entries(self._proc / "fd"),
            threads=_entries(self._proc / "task"),
            cpu_seconds=cpu_seconds(self._proc),
            tasks=int(told["deltaband_tasks"]),
            quotes=told["deltaband_quotes_admitted"],
            folds=told['deltaband_facts_total{kind="ClockSeen"}'],
            orders=sum(told.get(f'deltaband_hedges_total{{side="{side}"}}', 0.0) for side in SIDES),
            conflated=told["deltaband_quotes_conflated"],
            ledger_mb=_size_mb(self._journal.parent.glob(f"{self._journal.name}*")),
            tape_mb=_size_mb(self._tape.glob("*")),
            lag=buckets(told, LAG),
        )


def resident_mb(proc: Path) -> float:
    """Return a process's resident memory, MB of a million bytes. OSError: it is gone."""
    for line in (proc / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * BYTES_PER_KB / BYTES_PER_MB
    raise OSError(f"{proc} has no memory any more")


def cpu_seconds(proc: Path) -> float:
    """Return the processor time that a process has used. OSError: it is gone."""
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[STAT_UTIME]) + int(fields[STAT_UTIME + 1])
    return ticks / os.sysconf("SC_CLK_TCK")


def exposed(page: bytes) -> dict[str, float]:
    """Read Prometheus' text format: value by name and labels."""
    found: dict[str, float] = {}
    for name, labels, value in _LINE.findall(page):
        key = f"{name.decode()}{{{labels.decode()}}}" if labels else name.decode()
        found[key] = float(value)
    return found


def buckets(told: Mapping[str, float], name: str) -> dict[float, float]:
    """Return a histogram's cumulative counts by upper bound."""
    prefix = f"{name}_bucket{{"
    found = {key: count for key, count in told.items() if key.startswith(prefix)}
    bounds = {key: _BOUND.search(key) for key in found}
    return {float(bound[1]): found[key] for key, bound in bounds.items() if bound is not None}


def since(later: Mapping[float, float], earlier: Mapping[float, float]) -> dict[float, float]:
    """Return the cumulative counts of what came between two looks at one histogram."""
    return {bound: count - earlier.get(bound, 0.0) for bound, count in later.items()}


def quantile(counts: Mapping[float, float], share: float) -> float:
    """Return the value below which a share of a histogram lies, as Prometheus interpolates it.

    `counts` are cumulative by upper bound. NaN of an empty one; the last finite bound where it lies
    beyond.
    """
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if total <= 0.0:
        return math.nan
    wanted, low, below = share * total, 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            if math.isinf(bound):
                return low
            inside = counts[bound] - below
            part = 1.0 if inside <= 0.0 else (wanted - below) / inside
            return low + (bound - low) * part
        low, below = bound, counts[bound]
    return low


def highest(counts: Mapping[float, float]) -> float:
    """Return the upper bound of the highest bucket that holds anything; 0 of an empty one."""
    bounds: Sequence[float] = sorted(counts)
    found, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] > below:
            found, below = bound, counts[bound]
    return found


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _size_mb(paths: Iterable[Path]) -> float:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # turned over, or deleted as the oldest, meanwhile
            continue
    return total / BYTES_PER_MB
