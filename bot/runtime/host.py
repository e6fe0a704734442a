"""The process that a daemon lives in: what is done to it, and who ends it when it stands still."""

import asyncio
import faulthandler
import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

BEAT_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 0.05
SWITCH_SECONDS: Final = 0.0002  # how long the ledger's thread, with the disk's answer, may be kept
STDERR_FILENO: Final = 2
STALL_SECONDS_MAX: Final = (
    30.0  # an event loop that stands so long is killed from outside of Python
)
MEMORY: Final = Path("/proc/self/statm")
FILES: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a process uses of its host; 0 where the host does not tell."""

    memory_bytes: int = 0
    files: int = 0
    tasks: int = 0


class Host(Protocol):
    """A process, as far as its daemon touches it.

    `beat_seconds` is the time between two beats, `look_seconds` that between two looks at the flag
    file.
    """

    @property
    def beat_seconds(self) -> float:
        """How often the daemon shows that it lives."""

    @property
    def look_seconds(self) -> float:
        """How often the daemon looks whether a file halts it."""

    @property
    def heeds_steps(self) -> bool:
        """Whether a step of its calendar has the daemon dial afresh."""

    def settle(self) -> None:
        """Make ready for a long life: everything is loaded by now."""

    def beat(self) -> None:
        """Take note that the event loop still turns; one that does not is killed."""

    def used(self) -> Used:
        """Return what the process uses up."""

    def leave(self) -> None:
        """Expect no more beats."""


class ProcessHost:
    """This process."""

    def __init__(
        self, *, stall_seconds: float = STALL_SECONDS_MAX, trace: int = STDERR_FILENO
    ) -> None:
        """Say how long it may stand still, and which open file then gets its trace."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stall_seconds = stall_seconds
        self._trace = trace

    @property
    def beat_seconds(self) -> float:
        """Ten times a second, which is how finely the loop's lag is measured."""
        return BEAT_SECONDS

    @property
    def look_seconds(self) -> float:
        """Twenty times a second; an order that is about to leave looks for itself."""
        return LOOK_SECONDS

    @property
    def heeds_steps(self) -> bool:
        """A step may be the end of a sleep that no other clock noticed."""
        return True

    def settle(self) -> None:
        """Keep what is loaded out of later collections; hand the interpreter over quickly."""
        self._loop = asyncio.get_running_loop()
        if gc.isenabled():  # if not, since the start: so little is lost that a start goes first
            gc.collect()
        gc.freeze()  # what is loaded by now stays: do not walk it again in mid-tick
        gc.enable()
        sys.setswitchinterval(SWITCH_SECONDS)

    def beat(self) -> None:
        """Put the deadline off. A thread of C keeps it: it needs no interpreter to strike."""
        faulthandler.dump_traceback_later(self._stall_seconds, exit=True, file=self._trace)

    def used(self) -> Used:
        """Return what the kernel counts, and the loop's tasks. Once settled, a thread may ask."""
        tasks = len(asyncio.all_tasks(self._loop))
        try:
            pages = int(MEMORY.read_text().split()[1])
            files = len(os.listdir(FILES))  # noqa: PTH208  names alone, no objects
        except (OSError, ValueError, IndexError):  # no Linux
            return Used(tasks=tasks)
        return Used(memory_bytes=pages * os.sysconf("SC_PAGE_SIZE"), files=files, tasks=tasks)

    def leave(self) -> None:
        """Lift the deadline."""
        faulthandler.cancel_dump_traceback_later()
