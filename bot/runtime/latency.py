"""How long things took: a fair sample of a whole run in bounded memory."""

import random
from array import array
from dataclasses import dataclass
from typing import Final

import numpy as np

KEPT: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Of `count` durations: the middle one and the one that 1 in 100 exceed, in microseconds."""

    count: int
    p50: float
    p99: float


class Reservoir:
    """Keeps `KEPT` of all durations, each with equal chance (Vitter 1985, algorithm R)."""

    def __init__(self) -> None:
        self._chance = random.Random(0)
        # Never resized: a thread may be reading it.
        self._kept = array("q", bytes(KEPT * 8))
        self._count = 0

    def add(self, duration_ns: int) -> None:
        """Take one duration."""
        self._count += 1
        place = self._count - 1
        if place >= KEPT:
            place = int(self._chance.random() * self._count)
        if place < KEPT:
            self._kept[place] = duration_ns

    def quantiles(self) -> Quantiles | None:
        """Return the quantiles so far, None before the first duration."""
        count = self._count
        if not count:
            return None
        last = min(count, KEPT) - 1
        places = (round(last * 0.50), round(last * 0.99))
        # A copy put half in order: it is asked for every second, between two folds.
        ranked = np.partition(np.frombuffer(self._kept, dtype=np.int64)[: last + 1], places)
        middle, late = (float(ranked[place]) / 1_000 for place in places)
        return Quantiles(count=count, p50=middle, p99=late)
