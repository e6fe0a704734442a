"""Work side by side in processes: one that dies is what came of its task, and not the end of all.

Spawned, not forked: compiled kernels and their threads do not survive a fork.
"""

import multiprocessing
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

SILENT_SECONDS_MAX: Final = 900.0  # nobody comes back for so long: they hang


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What came of a task that gave no result, and why."""

    reason: str


@dataclass(slots=True, kw_only=True)
class _Hand(Generic[T, R]):
    """One process, and the number of the task that it works on, None while it waits."""

    process: SpawnProcess
    line: Connection
    number: int | None = None

    def take(self, number: int, task: T) -> None:
        self.number = number
        with suppress(OSError):  # it is dead already, which is seen when it is asked
            self.line.send(task)

    def result(self) -> "R | Lost":
        """Return what it came to, or how its process ended."""
        try:
            found: R | Lost = self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            return Lost(reason=f"its process died with {self.process.exitcode}")
        return found

    def end(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.join()


def side_by_side(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    *,
    silent_seconds_max: float = SILENT_SECONDS_MAX,
) -> Iterator[R | Lost]:
    """Do work in so many processes; results come in the order of the tasks, whatever becomes of it.

    A task whose process dies, whose work raises, or that is never heard of again while nobody else
    is heard of either, is `Lost`; the others go on.
    """
    if min(jobs, len(tasks)) <= 1:
        yield from (_done(work, task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    hands = [_hired(context, work) for _ in range(min(jobs, len(tasks)))]
    coming, known = iter(enumerate(tasks)), dict[int, R | Lost]()
    try:
        for number in range(len(tasks)):
            while number not in known:
                _give(hands, coming)
                _hear(hands, known, silent_seconds_max)
                hands = [
                    hand if hand.process.is_alive() else _hired(context, work, hand)
                    for hand in hands
                ]
            yield known.pop(number)
    finally:
        for hand in hands:
            hand.end()


def _hired(
    context: SpawnContext, work: Callable[[T], R], after: "_Hand[T, R] | None" = None
) -> "_Hand[T, R]":
    """Start a process that works on what it is sent, in place of one that died."""
    if after is not None:
        after.end()
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return _Hand(process=process, line=ours)


def _give(hands: "list[_Hand[T, R]]", coming: Iterator[tuple[int, T]]) -> None:
    for hand in hands:
        if hand.number is None and (task := next(coming, None)) is not None:
            hand.take(*task)


def _hear(
    hands: "list[_Hand[T, R]]", known: "dict[int, R | Lost]", silent_seconds_max: float
) -> None:
    """Wait for whoever is done first; if nobody is for too long, give up on all of them."""
    busy = [hand for hand in hands if hand.number is not None]
    heard = wait([hand.line for hand in busy], silent_seconds_max)
    for hand in busy:
        assert hand.number is not None, "it is busy"
        if hand.line in heard:
            known[hand.number] = hand.result()
        elif not heard:
            hand.end()
            known[hand.number] = Lost(
                reason=f"nothing was heard of it for {silent_seconds_max:g} s"
            )
        else:
            continue
        hand.number = None


def _serve(line: Connection, work: Callable[[T], R]) -> None:
    """Work in a process of its own until nobody asks any more."""
    with suppress(EOFError, OSError):
        while True:
            line.send(_done(work, line.recv()))


def _done(work: Callable[[T], R], task: T) -> R | Lost:
    try:
        return work(task)
    except Exception as error:  # noqa: BLE001  of any type: it is what came of this task
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = "".join(traceback.format_exception_only(error)).strip()
        return Lost(reason=f"{said} ({last.filename.rpartition('/')[2]}:{last.lineno})")
