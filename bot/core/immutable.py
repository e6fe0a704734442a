"""Immutable objects, quickly: successors of them, and answers that hold while they are the same."""

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
AnswerT = TypeVar("AnswerT")
DataT = TypeVar("DataT")


def succeeded(known: DataT, **changes: object) -> DataT:
    """Do what `dataclasses.replace` does for a class without slots, in a tenth of its time.

    For what every fold changes: it runs no initialiser, and the type checker does not look at the
    changes.
    """
    assert changes.keys() <= known.__dict__.keys(), "a field by another name"
    successor = object.__new__(type(known))
    successor.__dict__.update(known.__dict__, **changes)
    return successor


class Remembered(Generic[Arguments, AnswerT]):
    """A pure function of immutable objects that keeps its last answer; positional arguments only.

    Asked again about the very same objects, it answers without looking. A fold changes little of
    the state, so most of what was worked out in the last one still holds.
    """

    def __init__(self, function: Callable[Arguments, AnswerT]) -> None:
        self._function = function
        self._last: tuple[tuple[object, ...], AnswerT] | None = None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> AnswerT:
        """Return what the function returns."""
        assert not kwargs, "asked by position, or what is remembered would be something else"
        last = self._last
        if last is not None and _same(last[0], args):
            return last[1]
        answer = self._function(*args, **kwargs)
        self._last = (args, answer)  # keeps them alive, so that nothing else can take their place
        return answer


def _same(known: tuple[object, ...], asked: tuple[object, ...]) -> bool:
    for one, other in zip(known, asked, strict=True):  # noqa: SIM110  a third of the time of `all`
        if one is not other:
            return False
    return True
