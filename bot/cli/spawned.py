"""An embedded exchange in a process of its own, which ends with ours."""

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bot.cli.answer import Exit, ToldError, VerbError

START_SECONDS_MAX = 60.0  # a cold machine compiles kernels
LEAVE_SECONDS_MAX = 5.0
ASK_SECONDS_MAX = 60.0  # a busy machine is no reason to lose a rehearsal


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """Where the exchange listens."""

    rest_url: str
    ws_url: str

    def ledger(self) -> dict[str, Any]:
        """Return what the venue saw: requests, orders, fills, positions.

        Raises:
            VerbError: it does not answer.
        """
        address = f"{self.rest_url}/sim/ledger"
        try:
            opened = urllib.request.urlopen(  # noqa: S310 (our own child's address)
                address, timeout=ASK_SECONDS_MAX
            )
            with opened as answer:
                seen: dict[str, Any] = json.load(answer)
        except (OSError, ValueError) as error:
            raise VerbError(f"the exchange does not show its ledger any more: {error}") from error
        return seen


@asynccontextmanager
async def spawned_exchange(words: Sequence[str]) -> AsyncIterator[Venue]:
    """Start `deltaband exchange` on a free port and end it with the block.

    Raises:
        VerbError: it did not start; its own words are on standard error.
    """
    own = ["exchange", "--port", "0", "--sim", "--json", "--with-parent", str(os.getpid())]
    # A session of its own: Ctrl-C is for the daemon, which needs the exchange to end in order.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *own,
        *words,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield await _ready(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(LEAVE_SECONDS_MAX):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> Venue:
    assert process.stdout is not None, "standard output was asked for"
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise VerbError(f"the exchange did not start within {START_SECONDS_MAX:.0f} s") from error
    if not line:
        raise VerbError("the exchange ended before it was ready")
    told = json.loads(line)
    if "error" in told:  # it has said so itself: standard error is shared
        raise ToldError(str(told["error"]), exit_code=Exit(told["exit"]))
    return Venue(rest_url=told["rest_url"], ws_url=told["ws_url"])
