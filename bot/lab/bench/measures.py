"""A figure with its rounds, its target and its floor, and the machine that it was taken on."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure: the median of its rounds, in `unit`.

    `target` is what it should come to, None where nothing was promised. `floor` names the figure of
    the same run that it is divided by, to tell a slow machine from slow code.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]
    more_is_better: bool
    target: float | None = None
    floor: str | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The figure: the middle of the rounds."""
        return statistics.median(self.rounds)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met, None without one."""
        if self.target is None:
            return None
        return self.median >= self.target if self.more_is_better else self.median <= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """What could not be measured, and why."""

    name: str
    reason: str


def ratios(measured: Sequence[Measured]) -> dict[str, float]:
    """Return each figure that has a floor in this run, divided by it."""
    medians = {one.name: one.median for one in measured}
    return {
        one.name: one.median / medians[one.floor]
        for one in measured
        if one.floor is not None and medians.get(one.floor)
    }


def machine() -> dict[str, object]:
    """Describe this machine, and how busy it was."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": _field("model name") or platform.processor() or platform.machine(),
        "vector_bits": vector_bits(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_1_minute": load,
    }


def vector_bits() -> int | None:
    """How wide this processor's vectors are, None where that is not known."""
    flags = (_field("flags") or "").split()
    known = {"avx512dq": 512, "avx2": 256, "sse2": 128}
    return next((bits for flag, bits in known.items() if flag in flags), None)


def slack() -> float:
    """How much longer a loop of vectors may take here: twice as long without AVX-512."""
    return 1.0 if vector_bits() == 512 else 2.0


def _field(name: str) -> str | None:
    """What the system says of its first processor; None on another system than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), None)
