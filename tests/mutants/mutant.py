"""What a planted bug is: one exact change of one file, what it would cost, and what finds it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class MisplacedError(Exception):
    """The text that a mutant changes is not there, or not there once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug that somebody could write.

    `incident` says in a sentence what would happen with it; `was` stands exactly once in `file` and
    is replaced by `becomes`; `killed_by` is the test that has to fail then, as pytest names it
    (without the brackets: with any of its parameters).
    """

    name: str
    incident: str
    file: str
    was: str
    becomes: str
    killed_by: str

    def planted_in(self, text: str) -> str:
        """Return a file's text with the bug in it.

        Raises:
            MisplacedError: what it changes is not in `text`, or more than once.
        """
        times = text.count(self.was)
        if times != 1:
            raise MisplacedError(
                f"{self.name}: {self.file} has {self.was.strip()!r} {times} times, not once: "
                "write the mutant anew for what the code says now"
            )
        return text.replace(self.was, self.becomes)
