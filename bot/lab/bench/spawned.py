"""A server in a process of its own, on a core of its own where there are two, and its CPU time."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

START_SECONDS_MAX: Final = 60.0
LEAVE_SECONDS_MAX: Final = 5.0
STAT_UTIME: Final = (
    11  # fields of /proc/PID/stat after the name: ticks in user mode, then in kernel
)


class BenchError(Exception):
    """A benchmark could not be taken. One sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """A server that is ready, with what it said when it was."""

    pid: int
    said: dict[str, Any]

    def cpu_seconds(self) -> float | None:
        """Return the processor time it has used, None where the system does not tell."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        ticks = int(fields[STAT_UTIME]) + int(fields[STAT_UTIME + 1])
        return ticks / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def spawned(module: str, words: Sequence[str]) -> AsyncIterator[Spawned]:
    """Start `python -m module` and end it with the block; its first line is one JSON object.

    Raises:
        BenchError: it did not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        with _apart(process.pid):
            yield Spawned(pid=process.pid, said=await _ready(process, module))
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(LEAVE_SECONDS_MAX):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(process: asyncio.subprocess.Process, module: str) -> dict[str, Any]:
    assert process.stdout is not None, "standard output was asked for"
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise BenchError(f"{module} did not start within {START_SECONDS_MAX:.0f} s") from error
    if not line:
        raise BenchError(f"{module} ended before it was ready")
    said: dict[str, Any] = json.loads(line)
    return said


@contextmanager
def _apart(pid: int) -> Iterator[None]:
    """Give the server one core and ourselves the others, where there are two and it can be done."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it; the figures say what they are
        os.sched_setaffinity(pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cores)
