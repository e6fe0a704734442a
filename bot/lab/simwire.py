"""The wires between a daemon and the exchange: sockets and HTTP, in virtual time.

The daemon's end stands in for ccxt's client below `bot.venues.ccxt_socket`, so that the whole edge
above it is the one that ships. The venue's end is `bot.lab.simexchange`. A wire is a pair of queues
whose frames take their time and never overtake each other, as on one TCP connection: one that could
arrive before the frame in front of it arrives with it, and both are read in one go. What is said in
one breath mostly goes in one segment, too.
"""

import asyncio
import contextvars
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bot.core.units import NS_PER_MS
from bot.lab.simloop import SimLoop
from bot.venues.ccxt_tap import NoAnswerError, decoded
from bot.venues.deribit_line import TappedDeribit

BINARY: Final = 0x82
SPLIT: Final = 0.125  # how often a frame does not share a segment with the one just before it
CLOSED_OK: Final = 1_000


@dataclass(slots=True)
class Delays:
    """How long a frame is under way: `base_ms` to twice that, and `clog_ms` more in a jam."""

    base_ms: float = 3.0
    clog_ms: float = 0.0


class FarEnd(Protocol):
    """The venue's end of one connection."""

    def heard(self, text: str) -> None:
        """Take a frame."""

    def lost(self) -> None:
        """Take note that the connection is gone."""


class Door(Protocol):
    """The venue, where connections and questions arrive."""

    def admitted(self, wire: "Wire") -> FarEnd | None:
        """Return the far end of a new connection, None to refuse it."""

    def asked(self, method: str, params: dict[str, Any]) -> str | None:
        """Answer one question over HTTP with a text, None for no answer."""


class Network:
    """All wires of a world. `up` and `down` are the delays of the two directions.

    `on_sent` is told of every text that a daemon hands to a socket, `on_heard` of every message
    that one takes from it.
    """

    def __init__(self, loop: SimLoop, rng: random.Random, door: Door) -> None:
        self.loop = loop
        self.door = door
        self.up = Delays()
        self.down = Delays()
        self.wires: list[Wire] = []
        self.on_leaving: Callable[[str], None] = _unheard  # told of every frame of the daemon's
        self.on_sent: list[Callable[[SimClient, str], None]] = []
        self.on_heard: list[Callable[[SimClient, Any], None]] = []
        self._rng = rng
        self.world = contextvars.copy_context()

    def due_ns(self, delays: Delays) -> int:
        """Draw when what is sent now arrives."""
        took_ms = delays.base_ms * (1.0 + self._rng.random()) + delays.clog_ms
        return self.loop.now_ns + int(took_ms * NS_PER_MS)

    def splits(self) -> bool:
        """Draw whether a frame begins a segment of its own."""
        return self._rng.random() < SPLIT

    def client(self, config: dict[str, Any]) -> "SimTap":
        """Make the daemon's client; of the life in whose context it is called."""
        return SimTap(config, self)

    def cut(self, index: int, reason: str) -> None:
        """Cut one of the wires, if there is any."""
        if self.wires:
            self.wires[index % len(self.wires)].cut(reason)


Call = tuple[Callable[..., None], tuple[Any, ...]]


class Lane:
    """One direction of a connection. What arrives does so in the context of the end it reaches."""

    def __init__(self, network: Network, delays: Delays, context: contextvars.Context) -> None:
        self._network = network
        self._delays = delays
        self._context = context
        self._due_ns = self._said_ns = 0
        self._under_way: list[Call] = []  # what arrives last, and together

    def carry(self, deliver: Callable[..., None], *args: Any) -> None:
        """Let something happen at the far end, after all that was sent before."""
        network, now_ns = self._network, self._network.loop.now_ns
        if self._under_way and now_ns == self._said_ns and not network.splits():
            self._under_way.append((deliver, args))
            return
        self._said_ns = now_ns
        due_ns = network.due_ns(self._delays)
        if self._under_way and due_ns <= self._due_ns:
            self._under_way.append((deliver, args))
            return
        self._due_ns = max(due_ns, self._due_ns + 1)
        self._under_way = [(deliver, args)]
        network.loop.call_exactly(self._due_ns, self._context, _arrive, self._under_way)


def _arrive(calls: list[Call]) -> None:
    """Deliver what came together; what is sent meanwhile is too late to come with it."""
    arrived = calls.copy()
    calls.clear()
    for deliver, args in arrived:
        deliver(*args)


def _unheard(_: str) -> None:
    """Nobody listens."""


class Wire:
    """One connection. `put`, `cut`, `hang_up` and `close` are what the venue's end may do."""

    def __init__(self, network: Network, client: "SimClient", life: contextvars.Context) -> None:
        self._network = network
        self._client = client
        self._far: FarEnd | None = None
        self._rise = Lane(network, network.up, network.world).carry
        self._sink = Lane(network, network.down, life).carry
        self.is_open = False

    def dial(self) -> None:
        """Ask the venue for admission."""
        self._rise(self._knock)

    def _knock(self) -> None:
        self._far = self._network.door.admitted(self)
        if self._far is None:
            self._sink(self._client.failed_to_open, "the venue takes no connection")
            return
        self.is_open = True
        self._network.wires.append(self)
        self._sink(self._client.opened)

    def send(self, text: str) -> None:
        """Bring a frame to the venue, if the wire is whole when it arrives."""
        self._network.on_leaving(text)
        self._rise(self._arrive, text)

    def _arrive(self, text: str) -> None:
        if self.is_open and self._far is not None:
            self._far.heard(text)

    def leave(self) -> None:
        """Close the daemon's end: the venue learns of it a little later."""
        self._rise(self.gone)

    def put(self, frame: str | bytes) -> None:
        """Bring a frame to the daemon; empty bytes hang up."""
        if not self.is_open:
            return
        if isinstance(frame, str):
            self._sink(self._client.took, frame)
        elif not frame:
            self._sink(self._client.lost, "connection closed")
            self.gone()
        elif frame[0] == BINARY:
            self._sink(self._client.garbled, frame)

    def hang_up(self) -> None:
        """End the line after what is under way has arrived."""
        self.put(b"")

    def close(self, reason: str) -> None:
        """End the line with a goodbye, after what is under way."""
        if self.is_open:
            self._sink(self._client.lost, f"closed by the venue (code {CLOSED_OK}): {reason}")
            self.gone()

    def cut(self, reason: str = "connection reset") -> None:
        """End the line at once; what is under way is lost."""
        if self.is_open:
            self._client.is_cut = True
            self._sink(self._client.lost, reason)
            self.gone()

    def gone(self) -> None:
        """Let the venue's end know that there is nobody any more."""
        if self.is_open:
            self.is_open = False
            self._network.wires.remove(self)
            if self._far is not None:
                self._far.lost()


class SimClient:
    """ccxt's WebSocket client, as far as `RpcSocket` uses one."""

    def __init__(self, tap: "SimTap", network: Network) -> None:
        self._tap = tap
        self._network = network
        self._wire = Wire(network, self, tap.life)
        self._is_open = False
        self.is_cut = False

    def connect(self, _session: Any, _backoff: int) -> None:
        """Begin to dial; the listener hears how it went."""
        self._wire.dial()

    def closed(self) -> bool:
        """Whether this end knows the connection to be over."""
        return not self._is_open

    async def send(self, text: str) -> None:
        """Hand one frame to the socket."""
        if not self._is_open:
            raise ConnectionError("the socket is closed")
        for told in self._network.on_sent:
            told(self, text)
        self._wire.send(text)

    async def close(self) -> None:
        """Close this end."""
        self._is_open = False
        self._wire.leave()

    def opened(self) -> None:
        """The venue took the connection."""
        self._is_open = True
        if self._tap.listener is not None:
            self._tap.listener.connected(self)

    def failed_to_open(self, reason: str) -> None:
        """The venue did not take it."""
        if self._tap.listener is not None:
            self._tap.listener.disconnected(self, reason)

    def lost(self, reason: str) -> None:
        """The connection ended."""
        was_open, self._is_open = self._is_open, False
        if was_open and self._tap.listener is not None:
            self._tap.listener.disconnected(self, reason)

    def took(self, text: str) -> None:
        """A frame arrived."""
        if not self._is_open or self.is_cut:
            return
        try:
            message = _message(text)
        except ValueError as error:
            self._fail(f"{type(error).__name__}: {error}")
            return
        for told in self._network.on_heard:
            told(self, message)
        try:
            self._tap.handle_message(self, message)
        except Exception as error:  # noqa: BLE001  as ccxt_tap guards the real one
            self._fail(f"{type(error).__name__}: {error}")

    def garbled(self, frame: bytes) -> None:
        """A frame arrived that is no text."""
        if self._is_open and not self.is_cut:
            self._fail(f"not text: {frame!r:.60}")

    def _fail(self, reason: str) -> None:
        if self._tap.listener is not None:
            self._tap.listener.failed(reason)


def _message(text: str) -> Any:
    """Decode a frame: as ccxt's client does, and as it does where it finds no fast decoder.

    That one lets numbers pass that are none, so that whoever takes them has to refuse them. Raises
    ValueError.
    """
    try:
        return decoded(text)
    except ValueError:
        return json.loads(text)


class SimTap(TappedDeribit):
    """The daemon's ccxt client, over simulated wires. Nothing of ccxt's own set-up is run."""

    def __init__(self, config: dict[str, Any], network: Network) -> None:
        self._network = network
        self.urls = config["urls"]
        self.clients: dict[str, SimClient] = {}
        self.session = None
        self.markets: dict[str, Any] = {}
        self.life = contextvars.copy_context()

    def open(self) -> None:
        """Nothing: there is no session to make."""

    def client(self, url: str) -> SimClient:
        """Return the client of a URL, a fresh one if there is none."""
        return self.clients.setdefault(url, SimClient(self, self._network))

    async def close(self) -> None:
        """Close every connection."""
        for client in tuple(self.clients.values()):
            await client.close()
        self.clients.clear()

    async def request(
        self, path: str, api: list[str], method: str = "GET", params: Any = None, **_: Any
    ) -> Any:
        """Ask one question over HTTP."""
        assert method == "GET", "nothing else goes over HTTP"
        text = await self._asked(f"{api[0]}/{path}", dict(params or {}))
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise NoAnswerError(f"not JSON: {text[:60]!r}") from error
        if isinstance(answer, dict) and "error" in answer:
            raise NoAnswerError(f"the venue answered {answer['error']}")
        return answer

    async def _asked(self, method: str, params: dict[str, Any]) -> str:
        network, loop = self._network, self._network.loop
        answered: asyncio.Future[str | None] = loop.create_future()

        def back(text: str | None) -> None:
            if not answered.done():
                answered.set_result(text)

        def there() -> None:
            text = network.door.asked(method, params)
            loop.call_exactly(network.due_ns(network.down), self.life, back, text)

        loop.call_exactly(network.due_ns(network.up), network.world, there)
        text = await answered
        if text is None:
            raise NoAnswerError(f"{method}: the connection was reset")
        return text

    async def load_markets(self, reload: bool = False, params: Any = None) -> Any:  # noqa: ARG002, FBT001, FBT002  ccxt's signature
        """Ask for the list of instruments, and keep the venue's own rows."""
        answer = await self.request("get_instruments", ["public"], "GET", {"currency": "any"})
        self.markets = {row["instrument_name"]: {"info": row} for row in answer["result"]}
        return self.markets

    def set_markets_from_exchange(self, sourceExchange: Any) -> Any:  # noqa: N803  ccxt's name
        """Share another client's list."""
        self.markets = sourceExchange.markets
        return self
