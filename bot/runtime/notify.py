"""Telling the service manager how the daemon fares: sd_notify(3), datagrams to `$NOTIFY_SOCKET`.

systemd starts what waits for the daemon at READY=1, kills it when WATCHDOG=1 stays away, and shows
STATUS. All of it comes from the loop's folds, so that a loop which no longer turns says nothing.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from bot.core.state import Mode
from bot.core.units import NS_PER_SECOND
from bot.runtime.loop import Stepped

US_PER_SECOND: Final = 1_000_000
WATCHDOG_SHARE: Final = 1 / 3  # of the time allowed: two words may be lost
WORD_SECONDS: Final = 10.0  # between two words where no watchdog asks for more
EXTENSION_SECONDS: Final = 60  # of the start's time limit, each time a start proves to be alive

log = structlog.get_logger(__name__)

Send = Callable[[bytes], None]


@dataclass(slots=True, kw_only=True)
class Herald:
    """Says READY once the account has been read, and WATCHDOG while the loop turns.

    `on_step` is an observer of the loop. `word_ns` is the wire time between two words. A halt or a
    hold is ready, too: the daemon has done what it can, and a restart would not help.
    """

    send: Send
    word_ns: int
    _is_ready: bool = False
    _spoken_ns: int | None = None
    _told: Mode | None = None

    def on_step(self, stepped: Stepped) -> None:
        """Say what a fold has to say: at each change of mode, else when the next word is due."""
        mode = stepped.state.mode
        is_due = self._spoken_ns is None or stepped.wire_ns - self._spoken_ns >= self.word_ns
        if mode is self._told and not is_due:
            return
        becomes_ready = not self._is_ready and mode is not Mode.RECONCILING
        self._is_ready = self._is_ready or becomes_ready
        self._spoken_ns, self._told = stepped.wire_ns, mode
        status = " ".join(f"{mode.value}: {stepped.state.mode_reason}".split())
        words = ["READY=1"] if becomes_ready else []
        words += ["WATCHDOG=1", f"STATUS={status}"]
        if not self._is_ready:
            words.append(f"EXTEND_TIMEOUT_USEC={EXTENSION_SECONDS * US_PER_SECOND}")
        self.send("\n".join(words).encode())

    def on_leaving(self) -> None:
        """Say that the daemon ends because it was told to."""
        self.send(b"STOPPING=1\nSTATUS=stopping")


def herald_of(environ: Mapping[str, str], pid: int) -> Herald:
    """Return who speaks to the service manager that the environment names, else to nobody."""
    seconds = _watchdog_seconds(environ, pid)
    word_s = WORD_SECONDS if seconds is None else min(WORD_SECONDS, seconds * WATCHDOG_SHARE)
    return Herald(send=speaker(environ), word_ns=int(word_s * NS_PER_SECOND))


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """Return how long the manager waits for a word of this process, None if it does not."""
    text = environ.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    meant = environ.get("WATCHDOG_PID", "")
    return int(text) / US_PER_SECOND if meant in {"", str(pid)} else None


class _Letterbox:
    """The manager's socket. A manager that cannot be told must not stop the hedging."""

    def __init__(self, address: str) -> None:
        # An address that begins with @ is in the abstract namespace, which the kernel spells \0.
        self._where = "\0" + address[1:] if address.startswith("@") else address
        self._is_shut = False

    def post(self, words: bytes) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(words, self._where)
        except OSError as error:
            if not self._is_shut:  # once; the manager itself will tell the rest
                log.warning("the service manager was not told", error=error.strerror or str(error))
            self._is_shut = True
        else:
            self._is_shut = False


def speaker(environ: Mapping[str, str]) -> Send:
    """Return who passes words on to the service manager that the environment names."""
    address = environ.get("NOTIFY_SOCKET", "")
    return _Letterbox(address).post if address.startswith(("/", "@")) else _nobody_listens


def _nobody_listens(_words: bytes) -> None:
    """Started by hand: there is no service manager."""


def herald() -> Herald:
    """Return who speaks to this process's own service manager."""
    return herald_of(os.environ, os.getpid())
