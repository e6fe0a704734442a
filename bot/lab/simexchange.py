"""The embedded exchange behind simulated wires: the same engine, floor and faults as the server's.

Only the sockets are left out. Every request passes the same `FaultyLine`, is answered by the same
`dispatch.answer`, and every trading request is counted by the same ledger.
"""

import asyncio
import hashlib
import hmac
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from bot.core.units import MS_PER_HOUR, MS_PER_SECOND, NS_PER_SECOND
from bot.exchange.clock import MarketClock, WireClocks
from bot.exchange.dispatch import Caller, answer
from bot.exchange.engine import Engine
from bot.exchange.fault_bench import FaultBench
from bot.exchange.fault_line import FaultyLine
from bot.exchange.faults import CONNECT, HTTP_REQUEST, WS_OPENING, FaultKind, Moment
from bot.exchange.floor import ServerPolicy
from bot.exchange.hub import CadencePolicy
from bot.exchange.keys import DEMO_KEY
from bot.exchange.limits import VENUE_LIMITS
from bot.exchange.liveness import watch
from bot.exchange.market import Market
from bot.exchange.protocol import NoCallError, RpcError, RpcRequest, Transport, parse_body
from bot.exchange.rules import OpeningAccount, Rules
from bot.exchange.server import ExchangeServer
from bot.exchange.session import Session
from bot.exchange.signatures import SIGNATURE_PREFIX, SignedRequest
from bot.lab.lies import Lies
from bot.lab.simloop import SimLoop
from bot.lab.simwire import Wire

ACCOUNT: Final = DEMO_KEY.account
# Refused, whatever is asked: nothing of it reached the venue's engine.
UNREAD: Final = frozenset({FaultKind.DROP_BEFORE, FaultKind.HALF_OPEN})
SPOILED: Final = frozenset(
    {
        FaultKind.DROP_AFTER_ACCEPT,
        FaultKind.TRUNCATE,
        FaultKind.CORRUPT_COMPRESSION,
        FaultKind.HTML_200,
        FaultKind.EMPTY_200,
        FaultKind.HTTP_STATUS,
    }
)
TOKENS: Final = ("access_token", "refresh_token")
ORDER_METHODS: Final = ("private/buy", "private/sell")

Watcher = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the exchange opens with: the account's equity (coins), its positions, the speed.

    Every `told_ms` of market time it says what is new: as its market moves, and not a moment later.
    """

    equity_coin: float
    positions: Mapping[str, float]
    speed: float
    told_ms: int
    settlement_pause_s: float = 0.0


def _policy(settlement_pause_s: float) -> ServerPolicy:
    """Limits as the venue's, and channels that speak seldom: each word costs the lab time."""
    return ServerPolicy(
        keys=(DEMO_KEY,),
        subaccounts={},
        limits=VENUE_LIMITS,
        cadence=CadencePolicy(
            aggregate_interval_ms=500.0,
            republish_interval_ms=0.0,  # at every round
            portfolio_interval_ms=4_000.0,  # money that changed is told at once, as ever
        ),
        settlement_pause_s=settlement_pause_s,
        advance_max_ms=MS_PER_HOUR,  # however long the host stood still, no market slows down
        behind_max_s=math.inf,
    )


class SimExchange:
    """One exchange in a world. `watchers` are told of every order request before it is worked on.

    Args:
        loop: whose time is the wire's.
        market: what it trades.
        opening: what it opens with.
        epoch_ms: the venue's host time, for signatures.
        lies: what it says that is not so.
    """

    def __init__(
        self,
        loop: SimLoop,
        market: Market,
        opening: Opening,
        epoch_ms: Callable[[], int],
        lies: Lies,
    ) -> None:
        self.lies = lies
        self.watchers: list[Watcher] = []
        self._epoch_ms = epoch_ms
        clocks = WireClocks(epoch_ms=epoch_ms, monotonic_ns=lambda: loop.now_ns)
        engine = Engine(
            market=market,
            rules=Rules(),
            accounts=[
                OpeningAccount(
                    name=ACCOUNT,
                    equity={"BTC": opening.equity_coin},
                    positions=opening.positions,
                )
            ],
        )
        server = ExchangeServer(
            engine=engine,
            market_clock=MarketClock(
                start_ms=engine.now_ms, speed=opening.speed, monotonic_ns=clocks.monotonic_ns
            ),
            clocks=clocks,
            policy=_policy(opening.settlement_pause_s),
            sim_account=ACCOUNT,
        )
        self.engine, self.floor = engine, server.floor
        self.bench = FaultBench(floor=self.floor, account=ACCOUNT)
        self._opened = self._nonce = 0
        self._told_ms, self._start_ms = opening.told_ms, market.start_ms
        self.is_shut = False
        self.secrets: set[str] = set()  # tokens that were handed out

    async def run(self) -> None:
        """Let market time pass, say what is due and mind the heartbeats, until cancelled."""
        self.floor.instrument_lines.prepare(self.engine.contracts())
        self.floor.market_clock.start()
        while True:
            self.floor.pump()
            for session in list(self.floor.sessions.values()):
                watch(self.floor, session)
            await asyncio.sleep(self._silent_seconds())

    def _silent_seconds(self) -> float:
        """Return the wire time until just after the market may move again."""
        clock = self.floor.market_clock
        passed_ms = (clock.market_ms() - self._start_ms) % self._told_ms
        return (self._told_ms - passed_ms + 1) / MS_PER_SECOND / clock.speed

    # ------------------------------------------------------------------ the door

    def admitted(self, wire: Wire) -> "SimConnection | None":
        """Let a connection in, unless a fault is in the way."""
        struck = self.bench.strike(Moment(place=WS_OPENING, name=CONNECT))
        if struck or self.is_shut:
            return None
        self._opened += 1
        return SimConnection(self, wire, self._opened)

    def asked(self, method: str, params: dict[str, Any]) -> str | None:
        """Answer over HTTP, signed as ccxt signs; None where the answer is lost."""
        struck = self.bench.strike(Moment(place=HTTP_REQUEST, name=method))
        kinds = {armed.fault.kind for armed in struck}
        if kinds & UNREAD or self.is_shut:
            return None
        path = f"/api/v2/{method}" + (f"?{urlencode(params)}" if params else "")
        signed = SignedRequest(method="GET", path=path, body="")
        caller = Caller(
            transport=Transport.HTTP,
            authorization=self._signature(signed) if method.startswith("private/") else None,
            signed=signed,
            refusal=self.bench.refusal(struck),
        )
        call = RpcRequest(id=None, method=method, params={k: str(v) for k, v in params.items()})
        text = answer(self.floor, call, caller).text
        self.floor.publish()
        if kinds & SPOILED:
            return None
        return self.lies.answer(method, params, text)

    def _signature(self, signed: SignedRequest) -> str:
        self._nonce += 1
        stamp = f"{self._epoch_ms()}\n{self._nonce}\n{signed.text()}"
        digest = hmac.new(DEMO_KEY.secret.encode(), stamp.encode(), hashlib.sha256).hexdigest()
        return (
            f"{SIGNATURE_PREFIX}id={DEMO_KEY.client_id},ts={self._epoch_ms()},"
            f"nonce={self._nonce},sig={digest}"
        )

    def handed_out(self, text: str) -> None:
        """Remember the tokens in an answer, so that they can be looked for."""
        result = json.loads(text).get("result") or {}
        self.secrets.update(result[name] for name in TOKENS if name in result)

    def saw(self, method: str, params: Mapping[str, Any]) -> None:
        """Tell the watchers of a request that reached the venue."""
        if method in ORDER_METHODS:
            for watcher in self.watchers:
                watcher(method, params)

    # ------------------------------------------------------------------ the books

    def positions(self) -> Mapping[str, Decimal]:
        """What the account holds, by the venue's own books."""
        return self.engine.ledger_positions(ACCOUNT)

    def requests(self) -> Sequence[tuple[str, str]]:
        """Method and label of every order request that reached the venue, oldest first."""
        assert self.floor.ledger is not None, "a simulation keeps a ledger"
        return [
            (seen.method, str(seen.params.get("label", "")))
            for seen in self.floor.ledger.requests
            if seen.method in ORDER_METHODS
        ]


@dataclass(slots=True)
class _Heard:
    """What one connection is being asked, for those who rewrite its answer."""

    method: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


class SimConnection:
    """The venue's end of one WebSocket."""

    def __init__(self, exchange: SimExchange, wire: Wire, number: int) -> None:
        self._exchange = exchange
        self._wire = wire
        self._heard = _Heard()
        self._line = FaultyLine(exchange.bench, number, outlet=wire)
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        now_ns = exchange.floor.wire.monotonic_ns()
        self.session = Session(
            number=number,
            send=self._say,
            close=self._line.close,
            heard_ns=now_ns,
            alive_ns=now_ns,
        )
        exchange.floor.connect(self.session)
        self._reader = asyncio.get_running_loop().create_task(self._read(), name=f"socket-{number}")

    def heard(self, text: str) -> None:
        """Take a frame, after those that came before it."""
        self._waiting.put_nowait(text)

    def lost(self) -> None:
        """Forget the connection."""
        self._reader.cancel()
        self._exchange.floor.disconnect(self.session)

    async def _read(self) -> None:
        while True:
            text = await self._waiting.get()
            self.session.hear(self._exchange.floor.wire.monotonic_ns())
            await self._line.hear(text, self._answer)

    def _answer(self, data: str | bytes, instead: RpcError | None = None) -> None:
        floor = self._exchange.floor
        try:
            request = parse_body(data)
        except NoCallError as error:
            raise AssertionError(f"the edge sent what is no call: {data!r}") from error
        caller = Caller(transport=Transport.WS, session=self.session, refusal=instead)
        self._exchange.saw(request.method, request.params)
        reply = answer(floor, request, caller)
        if request.method == "public/auth":
            self._exchange.handed_out(reply.text)
        text = self._exchange.lies.answer(request.method, request.params, reply.text)
        self._line.say(text)
        floor.publish()

    def _say(self, text: str) -> None:
        """Say what nobody asked for: pushes and heartbeats."""
        self._line.say(self._exchange.lies.push(text))


def silent_seconds(session: Session, now_ns: int) -> float:
    """For how long a client has said nothing."""
    return (now_ns - session.alive_ns) / NS_PER_SECOND


def order_amount(params: Mapping[str, Any]) -> Decimal:
    """The amount of an order request, as the wire carried it."""
    return Decimal(json.dumps(params["amount"]))
