"""Deribit behind the port: one account, over ccxt.pro's own sockets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from bot.core.actions import (
    Action,
    Alert,
    CancelOrder,
    QueryOrder,
    ReadAccount,
    ReloadInstruments,
    SubmitOrder,
    Watch,
)
from bot.core.events import (
    Fact,
    InstrumentsSeen,
    Link,
    OrderSent,
)
from bot.venues import (
    ccxt_venue,
    deribit_errors,
    deribit_instruments,
    deribit_network,
    deribit_requests,
)
from bot.venues import deribit_line as lines
from bot.venues import deribit_outcomes as outcomes
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import AnswerLostError, DialError, NotSentError, RpcError
from bot.venues.ccxt_venue import Clocks, LinkError, Upkeep, brief, keep_link
from bot.venues.deribit_account import Reader
from bot.venues.deribit_line import Access, Line, TappedDeribit, VenueLimits
from bot.venues.deribit_market import MarketFeed
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Backoff, Pacer, Sleep
from bot.venues.port import Post, VenueRefusedError, VenueUnreachableError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeribitOptions:
    """Which Deribit, and which part of it.

    Only instruments, positions and trades that settle in `currency` are read. `ticker_interval` is
    that of the quote
    channels: `raw`, or `100ms`, which costs the wire less.
    """

    rest_url: str
    ws_url: str
    network: Network
    currency: str = "BTC"
    ticker_interval: str = "raw"


class DeribitVenue:
    """One Deribit account. Implements `bot.venues.port.Venue`.

    Market data and trading have a connection each. Resting orders of the trading connection are
    cancelled by the venue when that connection ends, for whatever reason.

    Args:
        options: addresses, network and currency.
        credentials: the API key.
        clocks: host time, wire clock and market clock.
        sleep: waits on the wire clock, in seconds.
        chance: uniform in [0, 1), spreads reconnections.
        limits: bounds on everything.
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
    ) -> None:
        self._options = options
        self._clocks = clocks
        self._sleep = sleep
        self._chance = chance
        self._limits = limits = limits or VenueLimits()
        self._access = Access(
            ws_url=options.ws_url, network=options.network, credentials=credentials
        )
        self._pair = ccxt_venue.pair(self._exchange, self._config(credentials))
        self._post: Post = _unheard
        self._deafness: asyncio.Future[None] | None = None
        self._trading = self._line(self._pair.trading, self._pushed)
        self._market = self._line(self._pair.market, self._ticked)
        self._asks = Pacer(
            burst=limits.asks_burst,
            per_second=limits.asks_per_second,
            monotonic_ns=clocks.monotonic_ns,
            sleep=sleep,
        )
        self._expiry_ms: dict[str, int] = {}
        self._feed = MarketFeed(
            line=self._market,
            interval=options.ticker_interval,
            pacer=self._asks,
            has_lapsed=self._has_lapsed,
        )
        self._reader = Reader(
            ask=self._ask,
            currency=options.currency,
            limits=limits.reads,
            market_ms=clocks.market_ms,
            monotonic_ns=clocks.monotonic_ns,
        )

    def _config(self, credentials: Credentials) -> dict[str, Any]:
        return {
            "apiKey": credentials.key,
            "secret": credentials.secret,
            "urls": {"api": {"rest": self._options.rest_url, "ws": self._options.ws_url}},
            "options": ccxt_venue.client_options(self._limits.sockets),
        }

    def _exchange(self, config: dict[str, Any]) -> TappedDeribit:
        exchange = TappedDeribit(config)
        exchange.epoch_ms = self._clocks.epoch_ms
        if self._options.rest_url.startswith("http://"):
            exchange.timeout_on_exit = 0  # ccxt's pause is for TLS to say goodbye
        return exchange

    def _line(self, exchange: Any, on_push: Callable[[str, Any, int], None]) -> Line:
        return Line(
            exchange=exchange,
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
            await self._load(again=False)
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
            group.create_task(self._keep(Link.MARKET, self._market, self._feed.mind))
            group.create_task(self._keep(Link.TRADING, self._trading, _no_concern))

    async def _keep(self, link: Link, line: Line, mind: Callable[[], Any]) -> None:
        upkeep = Upkeep(
            link=link,
            connect=self._feed.connect if link is Link.MARKET else self._connect_trading,
            live=lambda: line.live(mind),
            drop=line.close,
            backoff=Backoff(
                first_s=self._limits.backoff_first_s,
                longest_s=self._limits.backoff_longest_s,
                chance=self._chance,
            ),
        )
        await keep_link(upkeep, self._tell, self._sleep, self._clocks.monotonic_ns)

    async def _connect_trading(self) -> None:
        line = self._trading
        await line.open()
        await line.socket.call("private/enable_cancel_on_disconnect", {"scope": "connection"})
        channels = ["user.changes.any.any.raw", f"user.portfolio.{self._options.currency}"]
        confirmed = await line.subscribe("private/subscribe", channels)
        missing = {name.lower() for name in channels} - {name.lower() for name in confirmed}
        if missing:
            raise LinkError(f"the venue did not subscribe {', '.join(sorted(missing))}")

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        """Carry out one action, once, and return what came of it. Only cancelling it raises."""
        try:
            return await self._perform(action)
        except Exception as error:  # noqa: BLE001  # of any type: the port promises a fact
            return outcomes.gone_wrong(action, f"{type(error).__name__}: {brief(error)}")

    async def _perform(self, action: Action) -> tuple[Fact, ...]:
        match action:
            case SubmitOrder():
                return await self._submit(action)
            case CancelOrder():
                return await self._cancel(action)
            case QueryOrder():
                return await self._reader.order(action)
            case ReadAccount():
                return await self._reader.account(action)
            case Watch():
                await self._feed.watch(action.instruments)
                return ()
            case ReloadInstruments():
                await self._load(again=True)
                return ()
            case Alert():
                return ()  # a person is called elsewhere
            case _:
                assert_never(action)

    async def market_time_ms(self) -> int:
        """Ask the venue for its time, over a socket if one is up.

        Over HTTP ccxt's limiter may hold the question back, which makes the answer look old.

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

    async def close(self) -> None:
        """Close both connections, and so their sessions and resting orders. Safe to call twice."""
        await self._trading.close("closed by us")
        await self._market.close("closed by us")
        await self._pair.close()

    # ------------------------------------------------------------------ orders

    async def _submit(self, action: SubmitOrder) -> tuple[Fact, ...]:
        """Send one order, once.

        Only a code on the allow-list is a rejection. The one exception is our own code -1: the send
        was provably never begun, because no logged-in connection was open or the request could not
        be written as text.
        """
        method, params = deribit_requests.place(action)
        try:
            if not self._trading.is_ready:
                raise NotSentError("the trading connection is not logged in")
            answer = await self._trading.socket.call(
                method, params, timeout_s=self._limits.order_timeout_s
            )
        except NotSentError as error:
            code = deribit_errors.NOT_SENT_CODE
            return (outcomes.rejected(action, code, f"not sent: {error}"),)
        except RpcError as error:
            sent = OrderSent(order_id=action.order_id, wire_ns=error.sent_ns)
            if deribit_errors.is_refusal(error.code):
                refused = outcomes.rejected(action, error.code, error.reason, error.arrived_ns)
                return (sent, refused)
            return (
                sent,
                outcomes.unknown(action, f"the venue answered {error.reason} ({error.code})"),
            )
        except AnswerLostError as error:
            sent = OrderSent(order_id=action.order_id, wire_ns=error.sent_ns)
            return (sent, outcomes.unknown(action, f"{error}"))
        sent = OrderSent(order_id=action.order_id, wire_ns=answer.sent_ns)
        return (sent, *outcomes.placed(action, answer.result, answer.arrived_ns))

    async def _cancel(self, action: CancelOrder) -> tuple[Fact, ...]:
        """Cancel by label, then ask what the order came to: it may have filled meanwhile."""
        params = {"label": action.order_id, "currency": self._options.currency}
        await self._trading.socket.call("private/cancel_by_label", params)
        question = QueryOrder(
            order_id=action.order_id,
            instrument=action.instrument,
            requested_ms=self._clocks.market_ms(),
        )
        return await self._reader.order(question)

    # ------------------------------------------------------------------ questions

    async def _ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask one question, again after a moment if there was no answer; a refusal is final."""
        attempt = 1
        while True:
            await self._asks.wait()
            try:
                if self._trading.is_ready:
                    return (await self._trading.socket.call(method, params)).result
                return await ccxt_venue.ask_rest(self._pair.trading, method, params)
            except (NotSentError, AnswerLostError, RpcError) as error:
                is_final = isinstance(error, RpcError) and error.code not in deribit_errors.BUSY
                if is_final or attempt == self._limits.read_attempts:
                    raise
            await self._sleep(self._limits.read_pause_s * 2.0**attempt)
            attempt += 1

    async def _load(self, *, again: bool) -> None:
        listed = await self._pair.load(again=again)
        found, bad = deribit_instruments.instruments(listed, self._options.currency)
        for fact in bad:
            self._tell(fact)
        if not found:
            raise VenueUnreachableError(
                f"{self._options.rest_url} lists no instrument that settles in "
                f"{self._options.currency}"
            )
        self._expiry_ms = {item.name: item.expiry_ms for item in found if item.expiry_ms}
        self._tell(InstrumentsSeen(instruments=found, arrived_ns=self._clocks.monotonic_ns()))

    def _has_lapsed(self, instrument: str) -> bool:
        expiry_ms = self._expiry_ms.get(instrument)
        return expiry_ms is not None and expiry_ms <= self._clocks.market_ms()

    # ------------------------------------------------------------------ pushes

    def _tell(self, fact: Fact) -> None:
        try:
            self._post(fact)
        # Of any type: raised here it would vanish in ccxt's receive loop, and facts with it. So it
        # ends `run`, and with it the process that has to reconcile.
        except Exception as error:
            if self._deafness is None:
                raise
            if not self._deafness.done():
                self._deafness.set_exception(error)

    def _ticked(self, channel: str, data: Any, arrived_ns: int) -> None:
        self._feed.heard(channel, arrived_ns)
        self._pushed(channel, data, arrived_ns)

    def _pushed(self, channel: str, data: Any, arrived_ns: int) -> None:
        for fact in raw.pushed(channel, data, arrived_ns):
            self._tell(fact)


def _unheard(fact: Fact) -> None:
    """Nobody listens before `open`; nothing is said then."""


async def _no_concern() -> str | None:
    return None


async def _end_with(deafness: asyncio.Future[None]) -> None:
    await deafness
