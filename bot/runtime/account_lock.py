"""One daemon for an account on this machine, whatever ledger it writes.

A name in the kernel's abstract socket namespace is the lock: it belongs to one process at a time,
whoever's user it runs as and whatever private `/tmp` it sees, and it is free again the moment that
process is gone, however it went. A second name says who holds it and since when. Machines and
containers with a network of their own do not see each other's: between those the labels of orders
tell (see `bot.core.state`).
"""

import errno
import hashlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from bot.core.units import MS_PER_SECOND

DIGEST_BYTES: Final = 10
SOCKETS: Final = Path("/proc/net/unix")

log = structlog.get_logger(__name__)


class AccountTakenError(Exception):
    """Another daemon of this machine trades the account. One sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose money: a venue's address, a key to it and the currencies that are hedged.

    Two daemons with one key may share an account only where no currency is hedged by both.
    """

    venue: str
    key: str = field(repr=False)
    currencies: Sequence[str]


@contextmanager
def alone(account: Account, epoch_ms: int) -> Iterator[None]:
    """Have the account to oneself while the block lasts.

    Raises:
        AccountTakenError: another process has it; says which and since when.
    """
    with ExitStack() as stack:
        for currency in sorted(set(account.currencies)):
            name = _name(account, currency)
            try:
                stack.enter_context(_bound(name))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    _unguarded(error)
                    continue
                raise AccountTakenError(
                    f"the {currency} account of this key at {account.venue} is taken: "
                    f"{_holder(name)} trades it; stop that one first"
                ) from error
            with suppress(OSError):  # words only
                stack.enter_context(_bound(f"{name}/{os.getpid()}/{epoch_ms // MS_PER_SECOND}"))
        yield


def _name(account: Account, currency: str) -> str:
    parts = f"{account.venue.lower()}\n{account.key}\n{currency}"
    digest = hashlib.blake2b(parts.encode(), digest_size=DIGEST_BYTES)
    return f"deltaband/{digest.hexdigest()}"


def _bound(name: str) -> socket.socket:
    if sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, "only Linux has abstract socket names")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        sock.bind(f"\0{name}")
    except OSError:
        sock.close()
        raise
    return sock


def _unguarded(error: OSError) -> None:
    why = error.strerror or str(error)
    log.warning("two daemons on one account would not notice each other here", reason=why)


def _holder(name: str) -> str:
    """Say who has a name, as far as the kernel's list of sockets tells."""
    try:
        listed = SOCKETS.read_text(errors="replace").split()
    except OSError:
        listed = []
    for word in listed:
        start, _, rest = word.partition(f"@{name}/")
        pid, _, since = rest.partition("/")
        if not start and pid.isdecimal() and since.isdecimal():
            told = datetime.fromtimestamp(int(since), UTC)
            return f"process {pid}, since {told:%Y-%m-%d %H:%M:%S} UTC,"
    return "another process"
