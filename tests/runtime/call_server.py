"""A service on loopback that takes messages, refuses them, or hangs, as a test wants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from bot.runtime.channels import Webhook

HANG = -1


class Services:
    """Answers every path with its status, 200 by default; `HANG` never answers.

    A list of statuses is gone through, one a request, and its last one stays.
    """

    def __init__(self) -> None:
        self.port = 0
        self.status: dict[str, int | list[int]] = {}
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.hanging = 0
        self.asked: list[str] = []

    def webhook(self, name: str) -> Webhook:
        return Webhook(url=f"http://127.0.0.1:{self.port}/{name}")

    def texts(self, name: str) -> list[str]:
        """Return what a service took, in the words of the reason."""
        return [body["what"] for at, body in self.heard if at == name]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await self._exchange(reader, writer)
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        name = head.split()[1].partition("?")[0].strip("/")
        self.asked.append(name)
        length = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length")
        )
        body = await reader.readexactly(length)
        status = self._next(name)
        if status == HANG:
            self.hanging += 1
            await asyncio.sleep(60)
        if status == 200:
            said = json.loads(body) if body.startswith(b"{") else {"what": body.decode()}
            self.heard.append((name, said))
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    def _next(self, name: str) -> int:
        status = self.status.get(name, 200)
        if isinstance(status, int):
            return status
        return status.pop(0) if len(status) > 1 else status[0]


@contextlib.asynccontextmanager
async def services(**status: int | list[int]) -> AsyncIterator[Services]:
    made = Services()
    made.status = dict(status)
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):  # the end of the test
            await made.answer(reader, writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the sockets to close
