"""An asyncio event loop in virtual time: the same seed, the same run, bit for bit.

Nothing waits: where nothing is ready, time jumps to the next timer. There is no selector, no socket
and no thread; what would run in one runs at once. What decides the order of a real loop and is
nobody's choice, the exact moment at which a timer fires, is drawn from the seed.

Tasks hash by number, not by address, or the order in which a `TaskGroup` cancels them would change
from process to process. Every life of a process under test runs in a context of its own, so that a
crash can end it: handles of a life that is over are never run, not even its `finally` blocks, as no
process runs them after SIGKILL.

`_run_once`, `_ready` and `_stopping` are CPython's; `tests/lab/test_simloop.py` holds them to what
is used here.
"""

import asyncio
import contextvars
import heapq
import itertools
import random
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from bot.core.units import NS_PER_SECOND

JITTER_SECONDS: Final = 50e-6  # how late a timer may fire, as a busy host's do
LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)
TASKS_HELD: Final = 64
WORLD: Final = 0  # the life of everything that is not a process under test

Timer = tuple[int, int, asyncio.TimerHandle]  # when (virtual ns), its number, what to do
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SimDeadlockError(Exception):
    """Nothing is ready and nothing is due: everybody waits for somebody."""


class SimTask(asyncio.Task[T]):
    """A task whose hash is its number."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(SimTask._numbers)
        self.life = LIFE.get()  # of whoever began it
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(asyncio.BaseEventLoop):
    """One world's loop. `steps` counts what was run; `on_step` is told before each, by number."""

    def __init__(self, rng: random.Random) -> None:
        self.now_ns = 0  # virtual, since the loop was made
        self._rng = rng
        self._timers: list[Timer] = []  # a heap
        self._timer_numbers = itertools.count()  # of two for the same moment the older is first
        super().__init__()
        self.steps = 0
        self.stalled_ns = 0  # for so long it stood still, all in all
        self.on_step: Callable[[int], None] | None = None
        self.errors: list[str] = []
        self.signals: dict[int, Callable[[], object]] = {}
        self._ended: set[int] = set()
        self._lives = itertools.count(1)
        self._tasks: list[SimTask[Any]] = []  # held, or the collector would end them in mid-run
        self._tasks_held = TASKS_HELD
        self.set_task_factory(self._made)  # type: ignore[arg-type]  # a generic callable, said simply
        self.set_exception_handler(self._erred)

    # ------------------------------------------------------------------ time

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now_ns / NS_PER_SECOND

    def stall(self, seconds: float) -> None:
        """Stand still: time passes, and what falls due meanwhile runs late."""
        self.now_ns += int(seconds * NS_PER_SECOND)
        self.stalled_ns += int(seconds * NS_PER_SECOND)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a call; it fires a hair late, by chance."""
        late_ns = round((when + JITTER_SECONDS * self._rng.random()) * NS_PER_SECOND)
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (late_ns, next(self._timer_numbers), timer))
        return timer

    def call_exactly(
        self,
        when_ns: int,
        context: contextvars.Context,
        callback: Callable[..., object],
        *args: Any,
    ) -> asyncio.TimerHandle:
        """Schedule a call at a moment that is kept: frames of one line may not overtake."""
        timer = asyncio.TimerHandle(when_ns / NS_PER_SECOND, callback, args, self, context)
        heapq.heappush(self._timers, (when_ns, next(self._timer_numbers), timer))
        return timer

    # ------------------------------------------------------------------ lives

    def begin_life(self) -> tuple[int, contextvars.Context]:
        """Return the number of a new life, and the context in which all of it must be begun."""
        life = next(self._lives)
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        return life, context

    def end_life(self, life: int) -> None:
        """Run nothing of that life any more."""
        self._ended.add(life)

    def task_of(self, life: int, name: str) -> SimTask[Any] | None:
        """Return the task of a life that goes by that name and still runs."""
        named = (each for each in self._tasks if each.get_name() == name and not each.done())
        return next((each for each in named if each.life == life), None)

    def alive_tasks(self, life: int, most: int = 0) -> int:
        """Return how many tasks of a life are not done.

        Where no more than `most` are held of all lives, done ones included, that number does.
        """
        if len(self._tasks) <= most:
            return len(self._tasks)
        return sum(1 for each in self._tasks if each.life == life and not each.done())

    def bury(self) -> None:
        """Close the loop and what still hangs in it; nothing of that is heard any more."""
        self.set_exception_handler(lambda _, __: None)
        self._tasks_held = sys.maxsize  # what is begun now is put beside, to be closed as well
        # As the running loop: what a dying task still begins is a task of it, closed in its turn.
        asyncio.events._set_running_loop(self)  # noqa: SLF001
        try:
            for task in self._tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  asyncio's own flag
                if not task.done():
                    _closed(task)
        finally:
            asyncio.events._set_running_loop(None)  # noqa: SLF001
        self._tasks.clear()
        self._ready.clear()  # type: ignore[attr-defined]  # CPython's
        self._timers.clear()
        self.close()

    # ------------------------------------------------------------------ the turns

    def _run_once(self) -> None:
        """Run what is due, one after the other, until somebody stops the loop."""
        ready, timers, ended = self._ready, self._timers, self._ended  # type: ignore[attr-defined]  # CPython's
        while not self._stopping:  # type: ignore[attr-defined]  # CPython's
            if not ready:
                self._pass_time()
            while timers and timers[0][0] <= self.now_ns:
                ready.append(heapq.heappop(timers)[2])
            handle = ready.popleft()
            if handle._cancelled or (ended and self._is_over(handle)):  # noqa: SLF001
                continue
            self.steps += 1
            if self.on_step is not None:
                self.on_step(self.steps)
                if self._is_over(handle):  # killed at this very step
                    continue
            handle._run()  # noqa: SLF001

    def _pass_time(self) -> None:
        """Go on to when the next thing is due."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001
            heapq.heappop(timers)
        if not timers:
            raise SimDeadlockError(f"nothing is due after {self.time():.3f} s")
        self.now_ns = max(self.now_ns, timers[0][0])

    def _is_over(self, handle: Any) -> bool:
        return handle._context.get(LIFE, WORLD) in self._ended  # noqa: SLF001

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Have something run at the end of this round; without asyncio's checks of its callers."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]  # CPython's
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer leaves the heap when it is due."""

    def _made(
        self, _: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **kwargs: Any
    ) -> SimTask[T]:
        task: SimTask[T] = SimTask(coro, loop=self, **kwargs)
        self._tasks.append(task)
        if len(self._tasks) > self._tasks_held:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._tasks_held = TASKS_HELD + 2 * len(self._tasks)
        return task

    def _erred(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ------------------------------------------------------------------ the host's side

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002  asyncio's signature
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Run the call at once: there are no threads here."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  it is the caller's, of whatever type
            done.set_exception(error)
        return done

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts
    ) -> None:
        """Remember who wants a signal; whoever plays the host raises it."""
        self.signals[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget who wanted a signal."""
        return self.signals.pop(sig, None) is not None

    # Asked with every handle and task: the shortest way to say False.
    get_debug = bool

    def _write_to_self(self) -> None:
        """Nothing: there is no selector to wake."""

    def _process_events(self, event_list: Any) -> None:
        """Nothing: there are no sockets."""


def _closed(task: SimTask[Any]) -> None:
    """Close a task's coroutine, whatever it says to that."""
    coro = task.get_coro()
    try:
        if isinstance(coro, Coroutine):
            coro.close()
    except BaseException:  # noqa: BLE001, S110  it is dead, and so is all that it could reach
        pass
