"""The lab's event loop: virtual time, one order of events for one seed, and crashes."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from bot.lab.simloop import JITTER_SECONDS, SimDeadlockError, SimLoop


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    made = SimLoop(random.Random(1))
    yield made
    made.bury()


def test_an_hour_of_sleep_takes_no_time_and_ends_on_time(loop):
    async def doze():
        for _ in range(3_600):
            await asyncio.sleep(1.0)
        return loop.time()

    assert 3_600.0 <= loop.run_until_complete(doze()) <= 3_600.0 + 3_600 * JITTER_SECONDS


def test_a_timeout_strikes_in_virtual_time(loop):
    async def wait() -> None:
        async with asyncio.timeout(5.0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait())
    assert loop.time() == pytest.approx(5.0, abs=1e-3)


def test_everybody_waiting_for_somebody_is_an_error_and_no_hang(loop):
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimDeadlockError):
        loop.run_until_complete(wait())


def test_what_belongs_in_a_thread_runs_at_once(loop):
    async def work() -> int:
        return await asyncio.to_thread(lambda: 6 * 7)

    assert loop.run_until_complete(work()) == 42
    assert loop.time() == 0.0


def test_a_failed_call_in_a_thread_fails_its_caller(loop):
    async def work() -> None:
        await asyncio.to_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        loop.run_until_complete(work())


def order_of(seed: int) -> list[int]:
    """Wake twenty tasks that sleep equally long, and say in which order they woke."""
    loop, woke = SimLoop(random.Random(seed)), []

    async def sleeper(number: int) -> None:
        await asyncio.sleep(1.0)
        woke.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(sleeper(number))

    loop.run_until_complete(main())
    loop.bury()
    return woke


def test_who_wakes_first_is_the_seeds_choice_and_always_the_same():
    assert order_of(3) == order_of(3)
    assert order_of(3) != order_of(4)
    assert order_of(3) != list(range(20))


def test_what_is_ready_keeps_its_order(loop):
    said: list[int] = []

    async def main() -> None:
        for number in range(10):
            loop.call_soon(said.append, number)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert said == list(range(10))


def test_a_life_that_is_over_runs_nothing_not_even_its_last_words(loop):
    said: list[str] = []

    async def victim() -> None:
        try:
            said.append("begun")
            await asyncio.sleep(1.0)
            said.append("went on")
        finally:
            said.append("last words")

    async def main() -> None:
        life, context = loop.begin_life()
        task = loop.create_task(victim(), context=context)
        await asyncio.sleep(0.5)
        loop.end_life(life)
        await asyncio.sleep(5.0)
        assert not task.done()

    loop.run_until_complete(main())
    assert said == ["begun"]


def test_tasks_that_a_dead_task_began_are_dead_too(loop):
    said: list[str] = []

    async def child() -> None:
        await asyncio.sleep(1.0)
        said.append("child")

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())

    async def main() -> None:
        life, context = loop.begin_life()
        task = loop.create_task(parent(), context=context)
        await asyncio.sleep(0.5)
        loop.end_life(life)
        await asyncio.sleep(5.0)
        assert not task.done()

    loop.run_until_complete(main())
    assert said == []


def test_a_stall_lets_what_falls_due_run_late(loop):
    async def main():
        loop.call_later(0.5, loop.stall, 3.0)
        await asyncio.sleep(1.0)
        return loop.time()

    assert loop.run_until_complete(main()) == pytest.approx(3.5, abs=1e-3)


def test_every_step_is_told_by_its_number(loop):
    steps: list[int] = []
    loop.on_step = steps.append
    loop.run_until_complete(asyncio.sleep(0.1))
    assert steps == list(range(1, loop.steps + 1))


def test_an_exception_that_nobody_takes_is_kept_for_the_judge(loop):
    async def main() -> None:
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.1)

    loop.run_until_complete(main())
    assert "ZeroDivisionError" in loop.errors[0]
