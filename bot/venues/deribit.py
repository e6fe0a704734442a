"""Deribit behind the port: one account, over ccxt.pro's own sockets."""

import asyncio
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, assert_never

from bot.core.actions import (
    Action,
    Alert,
    AskMargin,
    CancelOrder,
    QueryOrder,
    ReadAccount,
    ReadCash,
    ReloadInstruments,
    SubmitOrder,
    Watch,
)
from bot.core.events import BadMessage, Fact, Link
from bot.venues import ccxt_venue, deribit_cash, deribit_errors, deribit_network
from bot.venues import deribit_line as lines
from bot.venues import deribit_outcomes as outcomes
from bot.venues import deribit_translate as raw
from bot.venues import deribit_what_if as what_if
from bot.venues.ccxt_socket import AnswerLostError, DialError, NotSentError, RpcError
from bot.venues.ccxt_venue import Clocks, LinkError, Upkeep, brief, keep_link
from bot.venues.complaints import Complaints
from bot.venues.credits import Kind
from bot.venues.deribit_account import Reader
from bot.venues.deribit_berth import RollWatch, Shared
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_line import Access, Line, TappedDeribit
from bot.venues.deribit_listing import INSTRUMENTS, Listing
from bot.venues.deribit_market import MarketFeed
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.deribit_trading import TradingDesk
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Backoff, Pacer, Sleep
from bot.venues.port import Post, VenueRefusedError, VenueUnreachableError
from bot.venues.transit import Transit

KINDS: Final = {INSTRUMENTS: Kind.LISTING, deribit_cash.TRANSACTION_LOG: Kind.LOG}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeribitOptions:
    """Which Deribit, and which part of it.

    Only instruments, positions and trades that settle in one of `currencies` are read.
    `ticker_interval` is that of the quote channels: `raw`, or `100ms`, which costs the wire less.
    What `looks_only` sends no order, arms nothing and needs a key that may read.
    """

    rest_url: str
    ws_url: str
    network: Network
    currencies: tuple[str, ...] = ("BTC",)
    ticker_interval: str = "raw"
    looks_only: bool = False


def _access(options: DeribitOptions, credentials: Credentials) -> Access:
    return Access(
        ws_url=options.ws_url,
        network=options.network,
        credentials=credentials,
        looks_only=options.looks_only,
    )


class DeribitVenue:
    """One Deribit account. Implements `bot.venues.port.Venue`.

    Market data and trading have a connection each, and each is replaced by a fresh one after the
    daily roll, without a gap. Resting orders of a trading connection are cancelled by the venue
    when that connection ends, for whatever reason. `transit` tells how old what arrives is.

    Args:
        options: addresses, network and currencies.
        credentials: the API key.
        clocks: host time, wire clock and market clock.
        sleep: waits on the wire clock, in seconds.
        chance: uniform in [0, 1), spreads reconnections.
        limits: bounds on everything.
        client: makes ccxt's client from its configuration; whoever brings another wire brings it.
        shut: says why no order may leave now, empty if one may; asked before every order.
    """

    def __init__(
        self,
        *,
        options: DeribitOptions,
        credentials: Credentials,
        clocks: Clocks,
        sleep: Sleep,
        chance: Callable[[], float],
        limits: VenueLimits | None = None,
        client: Callable[[dict[str, Any]], TappedDeribit] = TappedDeribit,
        shut: Callable[[], str] = str,
    ) -> None:
        self._client = client
        self._options = options
        self._clocks = clocks
        self._sleep = sleep
        self._chance = chance
        self._limits = limits = limits or VenueLimits()
        self._access = _access(options, credentials)
        self._pair = ccxt_venue.pair(self._exchange, self._config())
        self._post: Post = _unheard
        self._deafness: asyncio.Future[None] | None = None
        self._pacer = Pacer(policy=limits.credits, monotonic_ns=clocks.monotonic_ns, sleep=sleep)
        self.transit = Transit(age_ns=clocks.age_ns, late_s=limits.late_after_s)
        self._complaints = Complaints(clocks.monotonic_ns)
        self._listing = self._new_listing()
        shared = Shared(
            make=self._line,
            pacer=self._pacer,
            listing=self._listing,
            roll=RollWatch(market_ms=clocks.market_ms, after_ms=limits.recycle_after_ms),
            transit=self.transit,
            post=self._tell,
        )
        self._feed = MarketFeed(shared=shared, interval=options.ticker_interval)
        self._desk = TradingDesk(
            shared=shared,
            currencies=options.currencies,
            shut=shut,
            looks_only=options.looks_only,
        )
        self._reader = Reader(
            ask=self._ask,
            currencies=options.currencies,
            limits=limits.reads,
            on_limits=self._pacer.learn,
            market_ms=clocks.market_ms,
            monotonic_ns=clocks.monotonic_ns,
        )

    def _new_listing(self) -> Listing:
        return Listing(
            pair=self._pair,
            ask=self._ask_market,
            currencies=self._options.currencies,
            clocks=self._clocks,
            sleep=self._sleep,
            every_s=self._limits.reload_every_s,
            post=self._tell,
        )

    @property
    def _trading(self) -> Line:
        return self._desk.line

    @property
    def _market(self) -> Line:
        return self._feed.line

    def _config(self) -> dict[str, Any]:
        credentials = self._access.credentials
        return {
            "apiKey": credentials.key,
            "secret": credentials.secret,
            "urls": {"api": {"rest": self._options.rest_url, "ws": self._options.ws_url}},
            "options": ccxt_venue.client_options(self._limits.sockets),
        }

    def _exchange(self, config: dict[str, Any]) -> TappedDeribit:
        exchange = self._client(config)
        exchange.epoch_ms = self._clocks.epoch_ms
        if self._options.rest_url.startswith("http://"):
            exchange.timeout_on_exit = 0  # ccxt's pause is for TLS to say goodbye
            exchange.ssl_context = _no_tls()
        return exchange

    def _line(self, on_push: Callable[[str, Any, int], None]) -> Line:
        return Line(
            exchange=self._exchange(self._config()),
            access=self._access,
            clocks=self._clocks,
            limits=self._limits,
            sleep=self._sleep,
            on_push=on_push,
            post=self._tell,
        )

    # ------------------------------------------------------------------ the port

    async def open(self, post: Post) -> None:
        """Check addresses and key, load instruments, log in; post `InstrumentsSeen`.

        Raises:
            VenueRefusedError: addresses, credentials or rights are not acceptable.
            VenueUnreachableError: nobody answers.
        """
        refusal = deribit_network.url_refusal(
            self._options.rest_url, self._options.ws_url, self._options.network
        )
        if refusal is not None:
            raise VenueRefusedError(refusal)
        self._post = post
        try:
            await self._listing.load()
            await self._log_in()
        except BaseException:
            await self.close()  # nothing stays half-started
            raise

    async def _log_in(self) -> None:
        try:
            await self._trading.open()
        except RpcError as error:
            raise VenueRefusedError(lines.explain_login(error, self._access)) from error
        except (DialError, LinkError, NotSentError, AnswerLostError) as error:
            place = self._options.ws_url
            raise VenueUnreachableError(f"nobody answers at {place}: {brief(error)}") from error

    async def run(self) -> None:
        """Keep both links up and post what they say, until cancelled.

        Raises:
            ExceptionGroup: whoever is posted to could not take a fact.
        """
        self._deafness = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            group.create_task(_end_with(self._deafness))
            group.create_task(self._listing.run())
            group.create_task(self._keep(Link.MARKET))
            group.create_task(self._keep(Link.TRADING))

    async def _keep(self, link: Link) -> None:
        is_market = link is Link.MARKET
        berth = self._feed.berth if is_market else self._desk.berth
        mind = self._feed.mind if is_market else self._desk.mind
        upkeep = Upkeep(
            link=link,
            connect=berth.connect,
            live=lambda: berth.live(mind),
            drop=berth.close,
            backoff=Backoff(
                first_s=self._limits.backoff_first_s,
                longest_s=self._limits.backoff_longest_s,
                chance=self._chance,
            ),
        )
        await keep_link(upkeep, self._tell, self._sleep, self._clocks.monotonic_ns)

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        """Carry out one action, once, and return what came of it. Only cancelling it raises."""
        try:
            return await self._perform(action)
        except Exception as error:  # noqa: BLE001  # of any type: the port promises a fact
            return outcomes.gone_wrong(action, f"{type(error).__name__}: {brief(error)}")

    async def _perform(  # noqa: PLR0911 (one case an action is the point)
        self, action: Action
    ) -> tuple[Fact, ...]:
        match action:
            case SubmitOrder():
                return await self._desk.submit(action)
            case CancelOrder():
                return await self._desk.cancel(action, self._reader)
            case QueryOrder():
                return await self._reader.order(action)
            case ReadAccount():
                facts = await self._reader.account(action)
                self._desk.told(facts)
                return facts
            case ReadCash():
                return await deribit_cash.read(action, self._reader)
            case AskMargin():
                now_ns = self._clocks.monotonic_ns
                return await what_if.opinion(action, lambda: self._market, self._pacer, now_ns)
            case Watch():
                await self._feed.watch(action.instruments)
                return ()
            case ReloadInstruments():
                await self._listing.reload()
                return ()
            case Alert():
                return ()  # a person is called elsewhere
            case _:
                assert_never(action)

    async def market_time_ms(self) -> int:
        """Ask the venue for its time, over a socket if one is up.

        Raises:
            VenueUnreachableError: no answer.
        """
        method = "public/get_time"
        line = next((line for line in (self._market, self._trading) if line.is_ready), None)
        try:
            if line is None:
                result = await ccxt_venue.ask_rest(self._pair.market, method, {})
            else:
                result = (await line.socket.call(method, {})).result
            return raw.whole({"time": result}, "time")
        except (NotSentError, AnswerLostError, RpcError, MessageError) as error:
            raise VenueUnreachableError(f"the venue's time is not known: {brief(error)}") from error

    async def redial(self, reason: str) -> None:
        """Drop both connections; whoever keeps them dials, subscribes and reads afresh."""
        await asyncio.gather(self._market.close(reason), self._trading.close(reason))

    async def close(self) -> None:
        """Close both connections, and so their sessions and resting orders. Safe to call twice."""
        await self._desk.berth.retire("closed by us")
        await self._feed.berth.retire("closed by us")
        await self._pair.close()

    # ------------------------------------------------------------------ questions

    async def _ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask a question about the account over the trading line, or HTTP while that is down."""
        return await self._asked(lambda: self._trading, self._pair.trading, method, params)

    async def _ask_market(self, method: str, params: dict[str, Any]) -> Any:
        """Ask a public question over the market-data line, or HTTP while that is down."""
        return await self._asked(lambda: self._market, self._pair.market, method, params)

    async def _asked(
        self, line_of: Callable[[], Line], rest: Any, method: str, params: dict[str, Any]
    ) -> Any:
        """Ask one question, again after a moment if there was no answer; a refusal is final."""
        kind = KINDS.get(method, Kind.QUESTION)
        attempt = 1
        while True:
            await self._pacer.wait(kind)
            line = line_of()
            try:
                if line.is_ready:
                    return (await line.socket.call(method, params)).result
                return await ccxt_venue.ask_rest(rest, method, params)
            except RpcError as error:
                line.doubt(error)
                if error.code in deribit_errors.TOO_OFTEN:
                    self._pacer.refused(kind, error.data)
                if error.code not in deribit_errors.BUSY or attempt == self._limits.read_attempts:
                    raise
            except (NotSentError, AnswerLostError):
                if attempt == self._limits.read_attempts:
                    raise
            await self._sleep(self._limits.read_pause_s * 2.0**attempt)
            attempt += 1

    # ------------------------------------------------------------------ pushes

    def _tell(self, fact: Fact) -> None:
        told = self._complaints.told(fact) if isinstance(fact, BadMessage) else fact
        if told is None:
            return
        try:
            self._post(told)
        # Of any type: raised here it would vanish in ccxt's receive loop, and facts with it. So it
        # ends `run`, and with it the process that has to reconcile.
        except Exception as error:
            if self._deafness is None:
                raise
            if not self._deafness.done():
                self._deafness.set_exception(error)


@functools.cache
def _no_tls() -> ssl.SSLContext:
    """One empty context for all: reading certificates costs more than a rehearsal's connection."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _unheard(fact: Fact) -> None:
    """Nobody listens before `open`; nothing is said then."""


async def _end_with(deafness: asyncio.Future[None]) -> None:
    await deafness
