"""The tap before the socket. While it is shut no order leaves, whenever that order was decided.

A halt shuts it at once, wherever it comes from: before the loop has folded the command, before the
disk has its row. It opens only when a resumed state is durable. Beside the ledger lies a flag file,
which halts by being there: it works when nothing else does, and outlives the ledger.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from bot.core.events import Command, CommandGiven, Fact
from bot.core.standing import Standing
from bot.runtime.ledger_file import sync_folder

FILE_MODE: Final = 0o600
NOTE_CHARS_MAX: Final = 200

log = structlog.get_logger(__name__)


def halt_path(journal_path: Path) -> Path:
    """Where a file halts the daemon by being there; works when nothing else does."""
    return journal_path.with_name(journal_path.name + ".halt")


def raise_flag(flag: Path, reason: str) -> str:
    """Leave a halt for whoever looks at the flag; return why that failed, empty if it did not.

    A flag that is there stays as it is: the first reason is the one that counts.
    """
    try:
        handle = os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    try:
        os.write(handle, f"{' '.join(reason.split())}\n".encode())
        os.fsync(handle)
        sync_folder(flag.parent)
    except OSError as error:  # it is there, and that is what counts
        log.warning("the halt file has no words", file=str(flag), error=error.strerror)
    finally:
        os.close(handle)
    return ""


def read_flag(flag: Path) -> str | None:
    """Return the first line of a flag that is there, None if it is not."""
    try:
        with flag.open(errors="replace") as file:
            return file.readline(NOTE_CHARS_MAX).strip()
    except FileNotFoundError:
        return None
    except OSError as error:  # it is there, and that is what counts
        return f"unreadable: {error.strerror}"


class Stopcock:
    """Knows why no order may leave. Of one daemon; asked by whoever is about to send one."""

    def __init__(self, flag: Path) -> None:
        """Begin open, as far as the flag file lets it.

        Args:
            flag: The file that halts by being there.
        """
        self.flag = flag
        self._given: dict[str, str] = {}  # halts that the loop has not folded yet, by command id
        self._latched = ""
        self._left = ""
        self.doubt: Callable[[], str] = str  # says why an order decided a moment ago is out of date
        self._known: tuple[int, int] | None = None  # the flag that was looked at last
        self._is_vain = False  # the directory takes no flag: the ledger holds the latch alone

    @property
    def reason(self) -> str:
        """Why no order may leave now, empty if one may."""
        if self._latched:
            return self._latched
        for said in self._given.values():
            return said
        return self._left or _seen(self.flag) or self.doubt()

    @property
    def is_given(self) -> bool:
        """Whether a halt is on its way to the loop."""
        return bool(self._given)

    def shut(self, command: CommandGiven) -> None:
        """Take note that a halt was given; the loop has yet to fold it."""
        assert command.command is Command.HALT, "only a halt shuts the tap"
        self._given[command.command_id] = f"halted by {command.actor}"

    def leave(self, reason: str) -> None:
        """Stay shut from now on: the daemon ends."""
        self._left = reason

    def latch(self, reason: str) -> None:
        """Shut for a halt that is decided, but not durable yet."""
        self._latched = reason or self._latched

    def settle(self, standing: Standing, facts: Sequence[Fact]) -> None:
        """Follow a state that is durable: shut and flagged while it is halted, else open."""
        if not (self._given or self._latched or standing.halt_reason):
            return
        for fact in facts if self._given else ():
            if isinstance(fact, CommandGiven):
                self._given.pop(fact.command_id, None)
        if standing.halt_reason:
            self._flagged(standing.halt_reason)
        elif self._latched:
            self._lowered()
        self._latched = standing.halt_reason

    def look(self) -> str | None:
        """Return what the flag says, None while it is not there."""
        self._known = _identity(self.flag)
        return None if self._known is None else read_flag(self.flag) or ""

    def _flagged(self, reason: str) -> None:
        """Leave the flag for the next start: once, and again if somebody took it away."""
        if self._known is not None or self._is_vain:
            return
        if failure := raise_flag(self.flag, reason):
            log.warning("the halt file was not written", file=str(self.flag), error=failure)
            self._is_vain = True
        self._known = _identity(self.flag)

    def _lowered(self) -> None:
        """Take the flag away that a person has resumed over; one that came since stays."""
        self._is_vain = False
        if self._known is None or _identity(self.flag) != self._known:
            return
        try:
            self.flag.unlink(missing_ok=True)
        except OSError as error:
            said = "the halt file stays, and halts again"
            log.warning(said, file=str(self.flag), error=error.strerror)
        self._known = None


def _seen(flag: Path) -> str:
    """Say that a flag is there, or may be for all that anybody can see; empty if it is not."""
    try:
        flag.lstat()  # a link that points nowhere is there as well
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"the halt file cannot be looked for: {error.strerror}"
    return f"the file {flag.name} is there"


def _identity(flag: Path) -> tuple[int, int] | None:
    """Tell one flag from another that took its place, None where there is none."""
    try:
        seen = flag.lstat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns
