"""What can be wrong with a configuration, said in one line each."""

from collections.abc import Iterable
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
Finding = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value was written: a line of a file, or a `--set` of the command line (no line)."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. Never holds a secret, nor what was written in place of one."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = str(Place(file=self.file, line=self.line))
        # `--set KEY` says already which key it is, with dots for brackets.
        key = "" if _plainly(place) == f"--set {_plainly(self.key)}" else self.key
        return ": ".join(part for part in (place, key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has all that was found, in file order."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_order))
        assert self.problems, "a configuration error must say what is wrong"
        super().__init__("\n".join(str(problem) for problem in self.problems))


def problem_at(place: Place, path: KeyPath, message: str) -> Problem:
    """Return a problem with the value at `path`, which was written at `place`."""
    return Problem(file=place.file, line=place.line, key=dotted(path), message=message)


def dotted(path: KeyPath) -> str:
    """Return a key path as people write it: `books[0].hedge.band_low_coin`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _plainly(key: str) -> str:
    return key.replace("[", ".").replace("]", "")


def _order(problem: Problem) -> tuple[str, int]:
    return (problem.file, problem.line or 0)
