"""How a long-running verb learns that it should end: a signal, or the end of its parent."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

PARENT_LOOK_SECONDS = 0.25
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at SIGTERM or SIGINT while the block lasts; a second one does no more."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def parent_gone(pid: int) -> None:
    """Return when the process `pid` has ended, direct parent or not."""
    direct = os.getppid() == pid
    while _lives(pid, direct=direct):  # noqa: ASYNC110  nobody sets an event when a parent ends
        await asyncio.sleep(PARENT_LOOK_SECONDS)


def _lives(pid: int, *, direct: bool) -> bool:
    if direct:
        # A parent that ended may linger as a zombie, but its children have been given away.
        return os.getppid() == pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
