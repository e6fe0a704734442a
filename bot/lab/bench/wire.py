"""The wire: what a server answers and pushes in a second, on one core, beside a bare echo.

A client of nothing but aiohttp keeps a fixed number of requests under way and reads no more of an
answer than it must, so that the server is what is measured. Where the system tells a process's
processor time, a figure is what one core of the server would do: count over processor seconds;
elsewhere it is count over wall seconds.
"""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
import ccxt.async_support

from bot.core.units import NS_PER_SECOND
from bot.lab.bench.measures import Measured
from bot.lab.bench.spawned import BenchError, Spawned, spawned

IN_FLIGHT: Final = 32
REQUESTS: Final = 3_000
ECHOES: Final = 20_000
TICKER_SECONDS: Final = 2.0
CHANNELS_PER_FRAME: Final = 300
MARKET_SPEED: Final = 60  # as in the demo: prices change at every beat
ORDERS_TARGET: Final = 500.0
TICKERS_TARGET: Final = 2_000.0
LOAD_MARKETS_MS_TARGET: Final = 300.0
ECHO: Final = "bare WebSocket echo"
PERPETUAL: Final = "BTC-PERPETUAL"

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How much there was, in how many seconds of the wall and of the server's processor."""

    count: int
    wall_s: float
    cpu_s: float | None

    @property
    def per_core_second(self) -> float:
        """What one core would do in a second."""
        # Ticks of the processor clock are a hundredth: less than a few of them say nothing.
        is_known = self.cpu_s is not None and self.cpu_s > 0.05
        return self.count / (self.cpu_s if is_known and self.cpu_s else self.wall_s)


class Peer:
    """A JSON-RPC client that is cheaper than any server it measures."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: Any) -> Any:
        """Ask one question and return its result; what is pushed meanwhile is dropped.

        Raises:
            BenchError: the venue refused.
        """
        number = next(self._ids)
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self._socket.send_str(json.dumps(body))
        while True:
            frame = json.loads(await self._socket.receive_str())
            if frame.get("id") == number:
                if "error" in frame:
                    raise BenchError(f"{method}: {frame['error']}")
                return frame["result"]

    async def pressed(self, frames: Iterator[str], count: int) -> None:
        """Send `count` frames with `IN_FLIGHT` under way, and read an answer to each.

        Raises:
            BenchError: one was refused.
        """
        for frame in itertools.islice(frames, min(IN_FLIGHT, count)):
            await self._socket.send_str(frame)
        for number in range(count):
            answer = await self._socket.receive_str()
            if '"error":' in answer:
                raise BenchError(f"a request was refused: {answer[:300]}")
            if number < count - IN_FLIGHT:
                await self._socket.send_str(next(frames))

    async def heard(self, seconds: float) -> int:
        """Count the frames of a span of time."""
        frames = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._socket.receive()
                    frames += 1
        except TimeoutError:
            return frames


@asynccontextmanager
async def peer(url: str) -> AsyncIterator[Peer]:
    """Connect to a server on this machine."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, max_msg_size=0, compress=0) as socket,
    ):
        yield Peer(socket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """Measures a server while something is done to it."""

    server: Spawned
    now_ns: Clock

    def start(self) -> Callable[[int], Count]:
        """Begin; what is returned ends it with a count."""
        since_ns, cpu_before = self.now_ns(), self.server.cpu_seconds()

        def stop(count: int) -> Count:
            cpu_after = self.server.cpu_seconds()
            known = cpu_before is not None and cpu_after is not None
            cpu_s = cpu_after - cpu_before if known else None  # type: ignore[operator]  # both known
            wall_s = (self.now_ns() - since_ns) / NS_PER_SECOND
            return Count(count=count, wall_s=wall_s, cpu_s=cpu_s)

        return stop


def order_frames(bid: float, ask: float, *, crossing: bool) -> Iterator[str]:
    """Yield orders for ever: bought and sold again at the market, or far from it and killed."""
    frames: list[str] = []
    for side, price in (("buy", ask * 1.01), ("sell", bid * 0.99)):
        far = price * (0.9 if side == "buy" else 1.1)
        params = {
            "instrument_name": PERPETUAL,
            "amount": 10,
            "type": "limit",
            "price": round(price if crossing else far),
            "time_in_force": "immediate_or_cancel",
            "label": "bench",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": f"private/{side}", "params": params}
        frames.append(json.dumps(body))
    return itertools.cycle(frames)


def figure(name: str, counts: list[Count], target: float | None, floor: str | None) -> Measured:
    """Return counts as one figure; the note tells what came through by the wall's clock."""
    wall = sorted(one.count / one.wall_s for one in counts)[len(counts) // 2]
    return Measured(
        name=name,
        unit="per second of one core",
        rounds=tuple(one.per_core_second for one in counts),
        more_is_better=True,
        target=target,
        floor=floor,
        note=f"{wall:,.0f} per second came through",
    )


async def echoes(rounds: int, now_ns: Clock) -> list[Measured]:
    """Measure the floor: the same requests, answered by an echo."""
    async with spawned("bot.lab.bench.echo", ()) as server, peer(server.said["ws_url"]) as client:
        watch = Stopwatch(server=server, now_ns=now_ns)
        frames = order_frames(100_000.0, 100_000.5, crossing=True)
        counts = await _counted(watch, rounds, ECHOES, partial(client.pressed, frames, ECHOES))
        return [figure(ECHO, counts, None, None)]


async def _counted(
    watch: Stopwatch, rounds: int, size: int, work: Callable[[], Coroutine[Any, Any, None]]
) -> list[Count]:
    await work()  # warm
    counts: list[Count] = []
    for _ in range(rounds):
        stop = watch.start()
        await work()
        counts.append(stop(size))
    return counts


async def exchange(rounds: int, now_ns: Clock) -> list[Measured]:
    """Measure the embedded exchange: orders, tickers, and its markets through ccxt."""
    floor = await echoes(rounds, now_ns)  # before the exchange is there, which would share its core
    words = ("exchange", "--port", "0", "--json", "--speed", str(MARKET_SPEED))
    own = ("--with-parent", str(os.getpid()))
    async with spawned("bot", (*words, *own)) as server:
        watch = Stopwatch(server=server, now_ns=now_ns)
        return [
            *floor,
            *await _orders(watch, rounds),
            await _tickers(watch, rounds),
            await _load_markets(watch, rounds),
        ]


async def _logged_in(client: Peer) -> None:
    await client.call(
        "public/auth",
        grant_type="client_credentials",
        client_id="demo",
        client_secret="demo-secret",  # noqa: S106  the embedded exchange's, and public
    )


async def _orders(watch: Stopwatch, rounds: int) -> list[Measured]:
    async with peer(watch.server.said["ws_url"]) as client:
        await _logged_in(client)
        prices = await client.call("public/ticker", instrument_name=PERPETUAL)
        bid, ask = prices["best_bid_price"], prices["best_ask_price"]
        measured: list[Measured] = []
        for name, crossing in (("orders that fill", True), ("orders that find nobody", False)):
            frames = order_frames(bid, ask, crossing=crossing)
            work = partial(client.pressed, frames, REQUESTS)
            counts = await _counted(watch, rounds, REQUESTS, work)
            measured.append(figure(name, counts, ORDERS_TARGET, ECHO))
        return measured


async def _tickers(watch: Stopwatch, rounds: int) -> Measured:
    async with peer(watch.server.said["ws_url"]) as client:
        await _logged_in(client)
        listed = await client.call("public/get_instruments", currency="any")
        names = [row["instrument_name"] for row in listed]
        for at in range(0, len(names), CHANNELS_PER_FRAME):
            channels = [f"ticker.{name}.raw" for name in names[at : at + CHANNELS_PER_FRAME]]
            await client.call("private/subscribe", channels=channels)
        await client.heard(TICKER_SECONDS / 2)  # warm
        counts: list[Count] = []
        for _ in range(rounds):
            stop = watch.start()
            counts.append(stop(await client.heard(TICKER_SECONDS)))
        return figure(f"ticker messages, {len(names)} instruments", counts, TICKERS_TARGET, ECHO)


async def _load_markets(watch: Stopwatch, rounds: int) -> Measured:
    took_ms: list[float] = []
    markets, used_ms = 0, 0.0
    rest_url, ws_url = watch.server.said["rest_url"], watch.server.said["ws_url"]
    for number in range(rounds + 1):
        client = ccxt.async_support.deribit()
        client.urls["api"] = {"rest": rest_url, "ws": ws_url}
        client.timeout_on_exit = 0
        try:
            stop, own_s = watch.start(), _own_cpu_seconds()
            markets = len(await client.load_markets())
            if number:  # the first is to warm both sides
                took = stop(1)
                took_ms.append(took.wall_s * 1_000)
                used_ms += (_own_cpu_seconds() - own_s + (took.cpu_s or 0.0)) * 1_000 / rounds
        finally:
            await client.close()
    return Measured(
        name="load_markets through ccxt",
        unit="ms",
        rounds=tuple(took_ms),
        more_is_better=False,
        target=LOAD_MARKETS_MS_TARGET,
        note=f"{markets} markets, ccxt's own limiter and parsers included; "
        f"{used_ms:,.0f} ms of processor on both sides",
    )


def _own_cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system
