"""One daemon on a ledger at a time, by a lock on the file beside it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.runtime.ledger_file import FILE_MODE, LedgerRefusedError


def locked(path: Path) -> int:
    """Take a ledger for one daemon; the descriptor that is returned holds it until it is closed.

    Raises:
        LedgerRefusedError: another daemon has it, or its directory takes no files or no locks.
    """
    target = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(target, os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise LedgerRefusedError(
            f"ledger {path} cannot be made: directory {path.parent} takes no files "
            f"({error.strerror}); name another journal.path"
        ) from error
    taken = f"another daemon is running on ledger {path}: stop it, or name another journal.path"
    _hold(lock, path, taken)
    return lock


def _hold(lock: int, path: Path, taken: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        unlockable = (
            f"ledger {path} cannot be kept to one daemon: its directory {path.parent} knows no "
            f"locks ({error.strerror}); put it on a disk of this machine"
        )
        reason = taken if isinstance(error, BlockingIOError) else unlockable
        raise LedgerRefusedError(reason) from error


@contextmanager
def kept_away(path: Path) -> Iterator[None]:
    """Let no daemon have the ledger at `path` while the block lasts. Makes no file.

    Raises:
        LedgerRefusedError: one has it.
    """
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR)
    except FileNotFoundError:  # no daemon ever had it
        yield
        return
    except OSError as error:
        raise LedgerRefusedError(f"ledger {path} cannot be looked at: {error}") from error
    _hold(lock, path, f"a daemon is running on ledger {path}")
    try:
        yield
    finally:
        os.close(lock)
