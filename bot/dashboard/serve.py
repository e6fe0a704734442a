"""The daemon's HTTP interface as one task among its others."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol  # now rather than between two ticks

from bot.dashboard import address

BACKLOG = 64
CONNECTIONS_MAX = 64
SHUTDOWN_SECONDS_MAX = 2


class PortTakenError(Exception):
    """The port cannot be had. One sentence for a person."""


def bind(host: str, port: int) -> socket.socket:
    """Return a bound, listening socket (port 0: any free one).

    A taken port is so known before anything starts.

    Raises:
        PortTakenError: another process has the port, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        taken = "is in use: name another dashboard.port, or 0 for any that is free"
        why = taken if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise PortTakenError(f"dashboard: port {port} on {host} {why}") from error
    return sock


class _Guest(uvicorn.Server):
    """A uvicorn that leaves the process's signals to the daemon it lives in."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: ASGIApp, sock: socket.socket, journal: Path, token: str) -> None:
    """Serve `app` on `sock` until cancelled; then let running answers finish, two seconds at most.

    While it serves, the port and token files of `journal` say where.
    """
    host, port = sock.getsockname()[:2]
    config = uvicorn.Config(
        app,
        lifespan="off",
        http=H11Protocol,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )
    server = _Guest(config)
    with address.published(journal, address.reached_at(host, port, token)):
        try:
            await server.serve(sockets=[sock])
        except asyncio.CancelledError:
            if server.started:
                await server.shutdown(sockets=[sock])
            raise
        finally:
            sock.close()
