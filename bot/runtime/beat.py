"""The daemon's heartbeat for whoever watches over it: a small file beside its ledger.

The loop writes it after a fold, so a loop that stands does not beat. What changes is a count: no
clock is compared, of no machine. It says whose orders would be left behind, and at the end that the
daemon went in peace.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

import structlog

from bot.core.units import NS_PER_MS
from bot.runtime.loop import Stepped

EVERY_NS: Final = 250 * NS_PER_MS
BYTES: Final = 512  # the file never grows, so a full disk does not stop the heart
REASON_CHARS_MAX: Final = 200
FILE_MODE: Final = 0o600

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What the file says. `labels` begins the label of every order of this daemon.

    `ended` says how it went, in words, empty while it lives or if it was killed.
    """

    pid: int
    count: int
    labels: str
    mode: str
    ended: str = ""


def beat_path(journal_path: Path) -> Path:
    """Where the daemon that writes a ledger beats."""
    return journal_path.with_name(journal_path.name + ".beat")


def read_beat(path: Path) -> Beat | None:
    """Return the last beat, None where there is none that can be read."""
    try:
        return Beat(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


class Heart:
    """Beats. `on_step` is an observer of the loop."""

    def __init__(self, path: Path, labels: str) -> None:
        """Make the file; the first beat comes with the first fold.

        Args:
            path: The file.
            labels: What every label of this daemon begins with.

        Raises:
            OSError: it cannot be made.
        """
        self._labels = labels
        self._pid = os.getpid()
        self._count = 0
        self._beaten_ns: int | None = None
        self._is_ill = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        self._write("starting")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def on_step(self, stepped: Stepped) -> None:
        """Beat, if it is time to."""
        if self._beaten_ns is not None and stepped.wire_ns - self._beaten_ns < EVERY_NS:
            return
        self._beaten_ns = stepped.wire_ns
        self._write(stepped.state.mode.value)

    def ended(self, mode: str, reason: str) -> None:
        """Say that the daemon goes, and has seen to its orders."""
        self._write(mode, " ".join(reason.split())[:REASON_CHARS_MAX] or "ended")

    def _write(self, mode: str, ended: str = "") -> None:
        self._count += 1
        beat = Beat(pid=self._pid, count=self._count, labels=self._labels, mode=mode, ended=ended)
        try:
            os.pwrite(self._file, _text(beat), 0)
        except OSError as error:  # the watchdog will notice; the hedging goes on meanwhile
            if not self._is_ill:
                log.warning("the heartbeat was not written", error=error.strerror)
            self._is_ill = True
        else:
            self._is_ill = False


def _text(beat: Beat) -> bytes:
    """Return what the file holds: a reason is cut until it fits, escaped as it is."""
    text = json.dumps(asdict(beat)).encode()
    while len(text) > BYTES:
        assert len(beat.ended) > 1, "all but the reason fits"
        beat = replace(beat, ended=beat.ended[: len(beat.ended) * 3 // 4])
        text = json.dumps(asdict(beat)).encode()
    return text.ljust(BYTES)
