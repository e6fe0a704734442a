"""The ways in which a person halts a daemon: the page, the flag file and a signal.

Each shuts the tap first (`Stopcock`) and then tells the loop, which cancels what rests and writes
down who halted, how and why. The verb `halt` uses the page, or the flag file if nobody answers.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from bot.core.events import Command, CommandGiven
from bot.core.standing import Standing
from bot.runtime.clock import WireClock
from bot.runtime.inbox import Inbox
from bot.runtime.stopcock import Stopcock, raise_flag

HALT_SIGNAL: Final = signal.SIGUSR1


def giver(inbox: Inbox, stopcock: Stopcock) -> Callable[[CommandGiven], None]:
    """Return who takes commands: a halt shuts the tap before the loop hears of it."""

    def give(command: CommandGiven) -> None:
        if command.command is Command.HALT:
            stopcock.shut(command)
        inbox.admit(command)

    return give


class Halting:
    """Turns the flag file and the signal into commands."""

    def __init__(self, inbox: Inbox, stopcock: Stopcock, wire: WireClock) -> None:
        self._give = giver(inbox, stopcock)
        self._stopcock = stopcock
        self._wire = wire

    def by_signal(self) -> None:
        """Halt because the process was told to by its host, and leave the flag for the next."""
        name = HALT_SIGNAL.name
        raise_flag(self._stopcock.flag, f"signal {name} to process {os.getpid()}")
        self._give(self._halt("signal", f"signal {name}", ""))

    async def watch(self, standing: Callable[[], Standing], every_seconds: float) -> None:
        """Halt while the file is there, however often somebody resumes. Never ends.

        A halt that is still not durable after a look is left in the file for the next start.
        """
        while True:
            note = self._stopcock.look()
            is_news = not (standing().halt_reason or self._stopcock.is_given)
            if note is not None and is_news:
                self._give(self._halt("halt-file", f"the file {self._stopcock.flag.name}", note))
            waits = self._stopcock.is_given
            await asyncio.sleep(every_seconds)
            if waits and self._stopcock.is_given:  # the disk is slow, or locked by somebody
                raise_flag(self._stopcock.flag, self._stopcock.reason)

    def _halt(self, way: str, actor: str, note: str) -> CommandGiven:
        return CommandGiven(
            command=Command.HALT,
            command_id=f"{way}-{self._wire.epoch_ms()}",
            actor=actor,
            note=note,
        )


def flag_on_signal(flag: Path) -> None:
    """While no daemon runs in this process yet, let the signal leave the flag for its start."""

    def told(*_: object) -> None:
        with suppress(OSError):  # a first start has not made it yet
            flag.parent.mkdir(parents=True, exist_ok=True)
        raise_flag(flag, f"signal {HALT_SIGNAL.name} while starting")

    signal.signal(HALT_SIGNAL, told)
