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
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_1_minute": load,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":") for line in lines)
    fields = {name.strip(): value.strip() for name, _, value in names}
    return fields.get("model name") or platform.machine()
