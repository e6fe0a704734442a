"""What befalls the daemon's process and its disk, rather than the wire."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bot.lab.wire.processes import Daemon, WireLabError, pause, until
from bot.lab.wire.rig import STRIKE_SECONDS, Rig

STOPPED_SECONDS: Final = 5.0
LOCKED_SECONDS: Final = 3.0
LOCK_SECONDS_MAX: Final = 30.0  # until the daemon lets go of it
REFUSE_SECONDS: Final = 60.0
HALTED: Final = 3
DISK_MB: Final = 32
FILE_BYTES_MAX: Final = 4_096
BLOCK: Final = b"x" * 65_536
DISK_FULL: Final = "disk: full"
RESUMED: Final = "the wire lab gave the disk its room back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """One thing that befalls a process. `done` does it, mends it, returns the seconds to heal.

    `swallows` says that an order whose row was written may never leave the process.
    """

    name: str
    ids: str
    done: Callable[[Rig], float]
    swallows: bool = False


def _stopped(pair: Rig) -> float:
    """Stop the process for a while, as a suspended machine does, while the market moves on."""
    pair.running.send(signal.SIGSTOP)
    before = pair.orders()
    try:
        for _ in range(int(STOPPED_SECONDS / 0.5)):
            pair.shaker.shake()
            pause(0.5)
        if pair.orders() > before + 1:  # one may have been on its way
            raise WireLabError("a stopped process sent orders")
    finally:
        pair.running.send(signal.SIGCONT)
    return pair.gets_well("all is well after a stop")


def _killed(pair: Rig) -> float:
    pair.shaken("an order", _one_more(pair))
    pair.running.kill()
    return pair.started_again()


def _ended(pair: Rig) -> float:
    """Ask it to end in the middle of a storm: in peace, and soon."""
    pair.shaken("an order", _one_more(pair))
    code = pair.running.leave()
    if code != 0:
        raise WireLabError(f"it ended with exit code {code}\n{pair.running.said()}")
    return pair.started_again()


def _second_on_the_ledger(pair: Rig) -> float:
    _refused(pair, pair.journal)
    return pair.gets_well("the first goes on")


def _second_on_the_account(pair: Rig) -> float:
    _refused(pair, pair.journal.with_name("second.sqlite3"))
    return pair.gets_well("the first goes on")


def _refused(pair: Rig, journal: Path) -> None:
    """Start a second daemon; it has to end by itself before it has sent anything."""
    urls = (pair.venue.rest_url, pair.venue.ws_url)
    port = pair.journal.with_name(pair.journal.name + ".port")
    known = port.read_text()
    second = Daemon(urls, journal, log_folder=pair.running.log.parent)
    try:
        until("the second gives up", lambda: not second.lives, REFUSE_SECONDS, second.said)
    finally:
        if second.lives:
            second.kill()
    if second.process.returncode != 1:
        raise WireLabError(f"exit code {second.process.returncode}\n{second.said()}")
    if not port.is_file() or port.read_text() != known:
        raise WireLabError("the second took the first one's place")


def _locked(pair: Rig) -> float:
    """Lock the ledger as a backup or a person's shell does: nothing leaves meanwhile."""
    with closing(sqlite3.connect(pair.journal, LOCK_SECONDS_MAX, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = pair.orders()
        for _ in range(int(LOCKED_SECONDS / 0.5)):
            pair.shaker.shake()
            pause(0.5)
        after = pair.orders()
        other.execute("ROLLBACK")
    if after > before + 1:  # its row may have been written just before the lock
        raise WireLabError(f"{after - before} orders left while the ledger was locked")
    return pair.gets_well("all is well after a lock")


def _older_copy(pair: Rig) -> float:
    """Put an older copy of the ledger in its place: no daemon trades on it."""
    kept = pair.journal.with_name("kept")
    kept.mkdir()
    pair.running.leave()
    shutil.copy2(pair.journal, kept / "older")
    pair.started_again()
    pair.shaken("an order", _one_more(pair))
    pair.running.leave()
    shutil.copy2(pair.journal, kept / "newer")
    shutil.copy2(kept / "older", pair.journal)
    sent = pair.orders()
    urls = (pair.venue.rest_url, pair.venue.ws_url)
    fooled = Daemon(urls, pair.journal, log_folder=pair.running.log.parent)
    try:
        until("it refuses the copy", lambda: not fooled.lives, REFUSE_SECONDS, fooled.said)
    finally:
        if fooled.lives:
            fooled.kill()
    shutil.copy2(kept / "newer", pair.journal)
    if fooled.process.returncode != 1 or pair.orders() != sent:
        raise WireLabError(f"it traded on an older copy\n{fooled.said()}")
    return pair.started_again()


def _one_more(pair: Rig) -> Callable[[], bool]:
    before = pair.orders()
    return lambda: pair.orders() > before


HARMS: Final[tuple[Harm, ...]] = (
    Harm(name="process: stopped for 5 s", ids="P4 T2", done=_stopped),
    Harm(name="process: killed", ids="P1 P8", done=_killed, swallows=True),
    Harm(name="process: told to end in a storm", ids="P3", done=_ended),
    Harm(name="process: a second one on the ledger", ids="P7", done=_second_on_the_ledger),
    Harm(name="process: a second one on the account", ids="P7", done=_second_on_the_account),
    Harm(name="disk: ledger locked by somebody", ids="D2", done=_locked),
    Harm(name="disk: an older copy put in its place", ids="D5", done=_older_copy),
)

# -------------------------------------------------------------------------------- a disk that fills


class SmallDisk(Protocol):
    """A folder that can be made full. `means` says how."""

    means: str
    folder: Path

    def fill(self, running: Daemon) -> None:
        """Leave no room for anything more that a daemon writes."""

    def free(self) -> None:
        """Give the room back."""


class _Mounted:
    """A small file system of its own."""

    means = "a small file system"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, running: Daemon) -> None:
        del running
        filler = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            with suppress(OSError):  # that is what it is for
                while os.write(filler, BLOCK):
                    pass
            with suppress(OSError):
                while os.write(filler, b"x"):
                    pass
        finally:
            os.close(filler)

    def free(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)


class _Limited:
    """A limit on how long a file of the process may grow."""

    means = "a limit on the process's files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, running: Daemon) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, hard))

    def free(self) -> None:
        """Do nothing: the limit goes with its process."""


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Lend a folder that can be made full: a file system where we may mount one, else a limit."""
    folder.mkdir(exist_ok=True)
    size = f"size={DISK_MB}m"
    command = ["mount", "-t", "tmpfs", "-o", size, "deltaband-wire-lab", str(folder)]
    program = shutil.which("mount")
    is_mounted = (
        program is not None
        and os.geteuid() == 0
        and subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    )
    try:
        yield _Mounted(folder) if is_mounted else _Limited(folder)
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=False)  # noqa: S603, S607


def full(disk: SmallDisk) -> Harm:
    """Return the harm of this disk filling up."""
    return Harm(name=DISK_FULL, ids="D1", done=lambda pair: filled(pair, disk), swallows=True)


def filled(pair: Rig, disk: SmallDisk) -> float:
    """Fill the disk under a busy daemon: it halts, and goes on when a person says so.

    Returns:
        The seconds from the person's word until all was well.

    Raises:
        WireLabError: it sent an order that has no row, did not halt, or started unhalted.
    """
    pair.shaken("an order", _one_more(pair))
    disk.fill(pair.running)

    def ended() -> bool:
        pair.shaker.shake()
        return not pair.running.lives

    until("it halts", ended, STRIKE_SECONDS, pair.running.said)
    if pair.running.process.returncode != HALTED:
        raise WireLabError(f"exit code {pair.running.process.returncode}\n{pair.running.said()}")
    disk.free()
    sent = pair.orders()
    urls = (pair.venue.rest_url, pair.venue.ws_url)
    pair.running = again = Daemon(urls, pair.journal, log_folder=pair.running.log.parent)
    until("it is there again", lambda: _mode(again) == "halt", REFUSE_SECONDS, again.said)
    pair.shaker.shake()
    pair.stays(1.0, lambda: _mode(again) == "halt" and pair.orders() == sent)
    again.resume(RESUMED)
    return pair.gets_well("all is well after a resume")


def _mode(running: Daemon) -> str:
    try:
        return str(running.status()["mode"]["name"]) if running.is_served else ""
    except (OSError, ValueError):  # the file is its forerunner's, or the page is not served yet
        return ""
