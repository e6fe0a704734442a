"""What every test stands on: no network beyond this machine, and laws tried with bounded effort."""

import ipaddress
import os
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.standstill import (
    pytest_configure,
    pytest_runtest_protocol,
    pytest_terminal_summary,
    pytest_unconfigure,
)

__all__ = [
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
    "pytest_unconfigure",
]

settings.register_profile(
    "quick",
    max_examples=50,
    deadline=None,  # a compiling kernel or a busy machine is not a broken law
    derandomize=True,  # what it says depends on the change alone; `long` goes looking elsewhere
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    parent=settings.get_profile("quick"),
    max_examples=2_000,
    derandomize=False,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


class NetworkRefusedError(RuntimeError):
    """A test reached for a machine that is not this one."""


def _is_here(address: object) -> bool:
    """Say whether a socket address is a path, loopback, or a name that can only be loopback."""
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(name: str, patch: pytest.MonkeyPatch) -> None:
    connect = getattr(socket.socket, name)

    def guarded(self: socket.socket, address: Any) -> Any:
        if not _is_here(address):
            msg = f"a test may only reach loopback, was {address!r}: use the embedded exchange"
            raise NetworkRefusedError(msg)
        return connect(self, address)

    patch.setattr(socket.socket, name, guarded)


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Any:
    """Refuse every connection that leaves this machine, and every name that needs asking for."""
    resolve = socket.getaddrinfo

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name != socket.gethostname() and not _is_here((name,)):
            msg = f"a test may only resolve loopback, was {name!r}: use the embedded exchange"
            raise NetworkRefusedError(msg)
        return resolve(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            _guard(name, patch)
        patch.setattr(socket, "getaddrinfo", guarded)
        yield
