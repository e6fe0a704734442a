"""The embedded exchange on the wire: Deribit's API v2 over HTTP and WebSocket on 127.0.0.1."""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bot.exchange import fault_http
from bot.exchange.auth import Gatekeeper
from bot.exchange.chronicle import Chronicle
from bot.exchange.clock import MarketClock, WireClocks
from bot.exchange.commands import TradingEngine
from bot.exchange.connection import Connection
from bot.exchange.contracts import parse_name
from bot.exchange.demo_book import comfortable_equity, demo_book
from bot.exchange.engine import Engine
from bot.exchange.fault_bench import FaultBench
from bot.exchange.floor import ServerPolicy, TradingFloor
from bot.exchange.hub import ChannelHub
from bot.exchange.keys import KeyRing
from bot.exchange.limits import LIMITS_BY_NAME, NS_PER_S, RateLimits
from bot.exchange.liveness import watch
from bot.exchange.market import Market
from bot.exchange.platform_state import PlatformState
from bot.exchange.register import Register
from bot.exchange.rest import RestRoutes
from bot.exchange.rules import LIVELY, MarginModel, OpeningAccount, Rules
from bot.exchange.sim import SimRoutes
from bot.exchange.sim_faults import FaultRoutes
from bot.exchange.sim_ledger import RequestLedger
from bot.exchange.synthetic import SyntheticMarket

HOST: Final = "127.0.0.1"
SHUTDOWN_SECONDS_MAX: Final = 1.0
REQUESTS_SHARE: Final = 0.2  # of a pump interval: what requests get between two rounds at the least
BOOK_DEMO: Final = "demo"
BOOK_DEMO_ALL: Final = "demo-all"
TOO_MANY: Final = 429
BOOK_NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """What `deltaband exchange` is asked for.

    `port` 0 takes any free one. `market` None is the synthetic market of `seed`, else a chain file.
    `from_ms` is market time (None: where the market begins). `book` is `demo`, `none` or the path
    of a YAML map of instrument to signed size. `equity_coin` is in coins of the market's first
    pair, None is comfortable for the book; other currencies get as much by value. `limits` is
    `generous` or `venue`. `margin_model` is that of every account.
    """

    port: int = 0
    seed: int = 7
    market: Path | None = None
    from_ms: int | None = None
    speed: float = 1.0
    book: str = BOOK_DEMO
    equity_coin: float | None = None
    sim: bool = False
    limits: str = "generous"
    margin_model: MarginModel = MarginModel.SEGREGATED_SM


def _silent(_message: str) -> None:
    """Tell nobody."""


def build(
    options: ExchangeOptions,
    clocks: WireClocks,
    *,
    policy: ServerPolicy | None = None,
    rules: Rules | None = None,
    announce: Callable[[str], None] = _silent,
) -> "ExchangeServer":
    """Wire market, engine and server together.

    Raises:
        ValueError: in one sentence, for a market, a book, a speed or an equity that cannot be.
        OSError: for a file that cannot be read.
    """
    policy = ServerPolicy(limits=LIMITS_BY_NAME[options.limits]) if policy is None else policy
    rules = Rules(prints=LIVELY) if rules is None else rules
    market = _market(options)
    book = read_book(options.book, market)
    equity_coin = _equity_coin(options, market, book, rules)
    held = {name: float(size) for name, size in book.items()}
    names = policy.accounts()
    engine = Engine(
        market=market,
        rules=rules,
        accounts=[
            OpeningAccount(
                name=name,
                owner=policy.subaccounts.get(name),
                equity=_equities(market, equity_coin),
                positions=held if name == names[0] else {},
                margin_model=options.margin_model,
            )
            for name in names
        ],
    )
    return ExchangeServer(
        engine=engine,
        market_clock=MarketClock(
            start_ms=engine.now_ms, speed=options.speed, monotonic_ns=clocks.monotonic_ns
        ),
        clocks=clocks,
        port=options.port,
        policy=policy,
        sim_account=names[0] if options.sim else None,
        announce=announce,
    )


def _equity_coin(
    options: ExchangeOptions, market: Market, book: Mapping[str, Decimal], rules: Rules
) -> float:
    """Equity of the first pair: what was asked for, or what is comfortable for its positions."""
    equity_coin, frame = options.equity_coin, market.frame(market.pairs[0])
    if equity_coin is None:
        first = {name: size for name, size in book.items() if parse_name(name).pair == frame.pair}
        equity_coin = comfortable_equity(frame, first, rules)
    if not 0.0 < equity_coin < math.inf:
        raise ValueError(f"equity must be a positive number of coins, got {equity_coin}")
    return equity_coin


def _equities(market: Market, equity_coin: float) -> dict[str, float]:
    """Equity by currency: `equity_coin` of the first pair's, the others round and worth as much."""
    first = market.pairs[0]
    worth_usd = equity_coin * (1.0 if first.is_linear else market.frame(first).index_usd)
    equities = {first.settlement_currency: equity_coin}
    for pair in market.pairs[1:]:
        unit_usd = 1.0 if pair.is_linear else market.frame(pair).index_usd
        digits = 1 - math.floor(math.log10(worth_usd / unit_usd))
        equities.setdefault(pair.settlement_currency, round(worth_usd / unit_usd, digits))
    return equities


def _market(options: ExchangeOptions) -> Market:
    if options.market is not None:
        # Imported only when asked for: the reader of recorded files is slow to load.
        from bot.exchange.recorded import RecordedMarket

        return RecordedMarket.load(options.market, options.from_ms)
    if options.from_ms is not None:
        return SyntheticMarket(options.seed, options.from_ms)
    return SyntheticMarket(options.seed)


def read_book(book: str, market: Market) -> Mapping[str, Decimal]:
    """Signed native sizes by instrument: the demo book, every pair's, none, or a YAML file's.

    Those of every pair hold a little of what expires next as well.

    Raises:
        ValueError: naming the file, the instrument and what was expected.
    """
    if book == BOOK_DEMO:
        return demo_book(market.frame(market.pairs[0]))
    if book == BOOK_DEMO_ALL:
        books = (demo_book(market.frame(pair), with_next=True) for pair in market.pairs)
        return {name: size for one in books for name, size in one.items()}
    if book == BOOK_NONE:
        return {}
    path = Path(book)
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(  # noqa: TRY004 - of the file, not of the caller
            f"{path}: a map of instrument to signed size is expected"
        )
    listed = _listed(market)
    sizes: dict[str, Decimal] = {}
    for name, value in content.items():
        try:
            sizes[str(name)] = _book_size(str(name), value, listed)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return sizes


def _listed(market: Market) -> set[str]:
    """What a book may hold."""
    names: set[str] = set()
    for frame in map(market.frame, market.pairs):
        names.add(frame.perpetual.contract.name)
        names.update(quote.contract.name for quote in frame.futures)
        names.update(contract.name for contract in frame.contracts)
    return names


def _book_size(name: str, value: object, listed: set[str]) -> Decimal:
    contract = parse_name(name)
    if name not in listed:
        raise ValueError(f"{name} is not listed in this market")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name}: a signed number is expected, got {value!r}")
    size = Decimal(str(value))
    if size % contract.lot != 0:
        raise ValueError(f"{name}: the size must be a multiple of {contract.lot}, got {value}")
    return size


class ExchangeServer:
    """The exchange as a process sees it: `start`, `wait`, `stop`."""

    def __init__(
        self,
        *,
        engine: TradingEngine,
        market_clock: MarketClock,
        clocks: WireClocks,
        port: int = 0,
        policy: ServerPolicy | None = None,
        sim_account: str | None = None,
        announce: Callable[[str], None] = _silent,
    ) -> None:
        policy = ServerPolicy() if policy is None else policy
        register = Register(policy.accounts(), policy.subaccounts)
        chronicle = Chronicle()
        hub = ChannelHub(engine=engine, chronicle=chronicle, policy=policy.cadence)
        self.floor = TradingFloor(
            engine=engine,
            market_clock=market_clock,
            wire=clocks,
            gatekeeper=Gatekeeper(
                ring=KeyRing(policy.keys, created_ms=market_clock.start_ms),
                register=register,
                policy=policy.auth,
            ),
            register=register,
            chronicle=chronicle,
            hub=hub,
            policy=policy,
            limits=RateLimits(policy.limits),
            platform=PlatformState(tell=hub.tell),
            announce=announce,
            ledger=None if sim_account is None else RequestLedger(),
        )
        self._port = port
        self._faults = (
            None if sim_account is None else FaultBench(floor=self.floor, account=sim_account)
        )
        self._connections: dict[int, Connection] = {}
        self._opened = 0
        self._runner: web.AppRunner | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the one asked for before `start`."""
        return self._port

    @property
    def connections(self) -> int:
        """How many WebSockets are open."""
        return len(self._connections)

    async def start(self) -> int:
        """Listen, and let market time run. Answers the port.

        Raises:
            OSError: with a clear sentence, if the port is in use.
        """
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS_MAX,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(
                error.errno, f"cannot listen on {HOST}:{self._port}: is the port in use already?"
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        self.floor.instrument_lines.prepare(self.floor.engine.contracts())
        self.floor.market_clock.start()
        self._pump = asyncio.create_task(self._run_pump(), name="exchange-pump")
        return self._port

    async def wait(self) -> None:
        """Until `stop`; raises what broke the exchange, if something did."""
        assert self._pump is not None, "start comes first"
        with suppress(asyncio.CancelledError):
            await asyncio.shield(self._pump)

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._pump is not None:
            self._pump.cancel()
            # What broke it, if something did, is for `wait` to say: here the rest is put away.
            await asyncio.wait({self._pump})
        for connection in list(self._connections.values()):
            connection.session.close("the exchange stops")
        if self._runner is not None:
            await self._runner.cleanup()

    async def _run_pump(self) -> None:
        monotonic_ns = self.floor.wire.monotonic_ns
        interval_s = self.floor.policy.pump_interval_ms / 1000
        while True:
            began_ns = monotonic_ns()
            self.floor.pump()
            for session in list(self.floor.sessions.values()):
                watch(self.floor, session)
            spent_s = (monotonic_ns() - began_ns) / NS_PER_S
            # A round that took long is followed by the next one soon, but requests come between.
            await asyncio.sleep(max(interval_s - spent_s, interval_s * REQUESTS_SHARE))

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ws/api/v2", self._websocket)
        RestRoutes(self.floor, self._faults).add_to(app)
        if self._faults is not None:
            SimRoutes(floor=self.floor, account=self._faults.account).add_to(app)
            FaultRoutes(self._faults).add_to(app)
        return app

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        neighbours = [each for each in self._connections.values() if each.ip == request.remote]
        if len(neighbours) >= self.floor.policy.connections_per_ip_max:
            return web.Response(status=TOO_MANY, text="too many connections from this address\n")
        if self._faults is not None:
            instead = await fault_http.opening(self._faults, request)
            if instead is not None:
                return instead
        self._opened += 1
        number = self._opened
        connection = Connection(
            floor=self.floor, number=number, request=request, faults=self._faults
        )
        self._connections[number] = connection
        try:
            return await connection.serve()
        finally:
            del self._connections[number]
