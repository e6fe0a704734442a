"""Where a running daemon is found: two small files beside its ledger, readable by its owner only.

`<journal>.port` holds the port (or `host:port` where the daemon is not reached through 127.0.0.1),
`<journal>.token` the bearer token for commands. Both are written when the port is bound and
removed at the end.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TOKEN_BYTES = 32
ADDRESS_CHARS_MAX = 300

LOOPBACK = "127.0.0.1"
REACHED_THROUGH_LOOPBACK = frozenset({LOOPBACK, "localhost", "0.0.0.0", "::", ""})  # noqa: S104 -- compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How to reach a daemon: host, port and the token that its commands want."""

    host: str
    port: int
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        """The root of the daemon's HTTP interface."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def port_path(journal: Path) -> Path:
    """Return the file that holds the port of the daemon that writes `journal`."""
    return journal.with_name(journal.name + ".port")


def token_path(journal: Path) -> Path:
    """Return the file that holds the token of the daemon that writes `journal`."""
    return journal.with_name(journal.name + ".token")


def new_token() -> str:
    """Return a fresh random bearer token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def reached_at(bind: str, port: int, token: str) -> Address:
    """Return the address under which a daemon bound to `bind` is reached from this machine."""
    host = LOOPBACK if bind in REACHED_THROUGH_LOOPBACK else bind
    return Address(host=host, port=port, token=token)


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` in one step; nobody but the owner can read it at any moment."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


@contextmanager
def published(journal: Path, address: Address) -> Iterator[None]:
    """Keep the port and token files of a daemon for as long as the block lasts."""
    place = str(address.port) if address.host == LOOPBACK else f"{address.host}:{address.port}"
    token_file, port_file = token_path(journal), port_path(journal)
    try:
        write_private(token_file, address.token + "\n")
        write_private(port_file, place + "\n")  # last: who sees a port finds a token
        yield
    finally:
        port_file.unlink(missing_ok=True)
        token_file.unlink(missing_ok=True)


def find(journal: Path) -> Address | None:
    """Return the address that the daemon of `journal` published, None if none that makes sense."""
    try:
        place = port_path(journal).read_text(encoding="utf-8")[:ADDRESS_CHARS_MAX].strip()
        token = token_path(journal).read_text(encoding="utf-8")[:ADDRESS_CHARS_MAX].strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    host, _, port = place.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        return None
    return Address(host=host or LOOPBACK, port=int(port), token=token)
