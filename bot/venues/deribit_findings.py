"""What an acceptance found: one sentence for each thing that was asked, and how it came out."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How one item of an acceptance came out. What was not checked has not passed."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One item, how it came out, and a sentence for a person."""

    item: str
    outcome: Outcome
    said: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An item's outcome before it has its name."""

    outcome: Outcome
    said: str

    def named(self, item: str) -> Finding:
        """Return the finding of `item`."""
        return Finding(item=item, outcome=self.outcome, said=self.said)


def good(said: str) -> Answered:
    """Return that all is as it should be."""
    return Answered(Outcome.OK, said)


def bad(said: str) -> Answered:
    """Return that something is not as it should be."""
    return Answered(Outcome.FAILED, said)


def skipped(said: str) -> Answered:
    """Return that nothing can be said, and why."""
    return Answered(Outcome.NOT_CHECKED, said)
