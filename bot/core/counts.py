"""What is counted since the start of the process, for those who watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counters since the start of the process. No slots, for `succeeded`'s sake."""

    quotes: int = 0
    bad_quotes: int = 0
    bad_messages: int = 0
    fills: int = 0
    rejects: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)


NOTHING_COUNTED = Counts()
