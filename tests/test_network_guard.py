"""The guard of conftest.py, seen to close and seen to open."""

import asyncio
import socket

import pytest

from tests.conftest import NetworkRefusedError


def test_a_test_that_reaches_for_another_machine_is_told_so() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire,
        pytest.raises(NetworkRefusedError, match="only reach loopback"),
    ):
        wire.connect(("192.0.2.1", 9))


def test_a_name_that_would_have_to_be_looked_up_is_refused() -> None:
    with pytest.raises(NetworkRefusedError, match="only resolve loopback"):
        socket.create_connection(("venue.example", 443), timeout=1)


async def test_the_event_loop_is_guarded_as_well() -> None:
    with pytest.raises(NetworkRefusedError):
        await asyncio.open_connection("192.0.2.1", 9)


async def test_loopback_is_open() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        said = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert said == b"hello"
