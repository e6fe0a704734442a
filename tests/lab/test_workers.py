"""Work side by side loses no task: a process that dies and work that raises are what came of it."""

import os
import signal
import time
from multiprocessing.connection import wait

from bot.lab import workers
from bot.lab.workers import Lost, side_by_side


def doubled(number: int) -> int:
    """Double a number, but raise at 3, die at 5 and hang at 7."""
    match number:
        case 3:
            raise ValueError("three")
        case 5:
            os.kill(os.getpid(), signal.SIGKILL)
        case 7:
            time.sleep(600.0)
        case _:
            pass
    return 2 * number


def test_a_process_that_dies_is_a_failure_of_its_task_and_the_others_go_on():
    results = list(side_by_side(doubled, range(7), 2))
    assert [results[at] for at in (0, 1, 2, 4, 6)] == [0, 2, 4, 8, 12]
    assert isinstance(results[3], Lost)
    assert results[3].reason.startswith("ValueError: three (test_workers.py:")
    assert results[5] == Lost(reason="its process died with -9")


def test_work_that_raises_in_our_own_process_is_a_failure_too():
    assert next(iter(side_by_side(doubled, [1, 3], 1))) == 2
    assert isinstance(next(iter(side_by_side(doubled, [3], 8))), Lost)


def test_who_is_never_heard_of_again_is_given_up(monkeypatch):
    def patient(lines, seconds):
        """Wait for whoever answers as long as it takes to start; then only the other is left."""
        return wait(lines, 60.0 if len(lines) > 1 else seconds)

    monkeypatch.setattr(workers, "wait", patient)
    results = list(side_by_side(doubled, [7, 1], 2, silent_seconds_max=2.0))
    assert isinstance(results[0], Lost)
    assert results[0].reason == "nothing was heard of it for 2 s"
    assert results[1] == 2
