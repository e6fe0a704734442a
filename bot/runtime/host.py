"""The process that a daemon lives in: what is done to it, and who ends it when it stands still."""

import faulthandler
import gc
import sys
from typing import Final, Protocol

BEAT_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 0.05
SWITCH_SECONDS: Final = 0.0002  # how long the ledger's thread, with the disk's answer, may be kept
STDERR_FILENO: Final = 2
STALL_SECONDS_MAX: Final = (
    30.0  # an event loop that stands so long is killed from outside of Python
)


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

    def settle(self) -> None:
        """Make ready for a long life: everything is loaded by now."""

    def beat(self) -> None:
        """Take note that the event loop still turns; one that does not is killed."""

    def leave(self) -> None:
        """Expect no more beats."""


class ProcessHost:
    """This process."""

    @property
    def beat_seconds(self) -> float:
        """Ten times a second, which is how finely the loop's lag is measured."""
        return BEAT_SECONDS

    @property
    def look_seconds(self) -> float:
        """Twenty times a second; an order that is about to leave looks for itself."""
        return LOOK_SECONDS

    def settle(self) -> None:
        """Keep what is loaded out of later collections; hand the interpreter over quickly."""
        gc.collect()
        gc.freeze()  # what is loaded by now stays: do not walk it again in mid-tick
        sys.setswitchinterval(SWITCH_SECONDS)

    def beat(self) -> None:
        """Put the deadline off."""
        faulthandler.dump_traceback_later(STALL_SECONDS_MAX, exit=True, file=STDERR_FILENO)

    def leave(self) -> None:
        """Lift the deadline."""
        faulthandler.cancel_dump_traceback_later()
