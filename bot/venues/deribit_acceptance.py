"""An acceptance: everything that can be asked of a Deribit account before it is trusted with money.

Every item is asked whatever the others came to, as far as it can be; nothing is ever sent that
could fill. The questions are those of the daemon, over the same sockets with the same requests.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ccxt.base.errors import BaseError

from bot.core import instruments
from bot.core.instruments import Instrument
from bot.core.margin.modelling import Model
from bot.venues import (
    ccxt_venue,
    deribit_errors,
    deribit_instruments,
    deribit_network,
    deribit_requests,
)
from bot.venues import deribit_disconnect as disconnect
from bot.venues import deribit_line as lines
from bot.venues import deribit_parameters as parameters
from bot.venues import deribit_readings as readings
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import RpcError, RpcSocket, SocketLimits
from bot.venues.ccxt_venue import LINK_ERRORS, Clocks, LinkError, brief
from bot.venues.deribit_findings import Answered, Finding, Outcome, bad, good, skipped
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_line import Access, TappedDeribit
from bot.venues.deribit_network import Network
from bot.venues.deribit_readings import BookTerms
from bot.venues.deribit_requests import Credentials
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Sleep

SLOW_ANSWER_SECONDS: Final = 20.0  # a whole currency's instruments are a megabyte


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be accepted: a venue, an account, and what the configuration wants of them."""

    rest_url: str
    ws_url: str
    network: Network
    credentials: Credentials
    currencies: tuple[str, ...]
    label_prefix: str
    books: tuple[BookTerms, ...]
    margin_model: str = readings.STANDARD
    parameters: Model | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What an acceptance works with.

    `label_end` tells the labels of two acceptances apart; `patience_s` is how long the venue may
    take to cancel the order of a connection that is gone.
    """

    clocks: Clocks
    sleep: Sleep
    label_end: str
    limits: VenueLimits = field(default_factory=VenueLimits)
    patience_s: float = disconnect.CANCELLED_WITHIN_SECONDS


class _BlockedError(Exception):
    """An item cannot be asked, because of what an earlier one came to. One sentence."""


async def examine(subject: Subject, means: Means) -> tuple[Finding, ...]:
    """Ask everything, in a fixed order. Never raises: what goes wrong is a finding."""
    refusal = deribit_network.url_refusal(subject.rest_url, subject.ws_url, subject.network)
    inspection = _Inspection(subject, means)
    findings = [Answered(Outcome.FAILED, refusal) if refusal else good(subject.ws_url)]
    items = inspection.items()
    try:
        for _, question in items:
            if refusal is None:
                findings.append(await _asked(question))
            else:  # not even the key is shown to an address that is not the one meant
                findings.append(skipped("the addresses do not suit the mode"))
    finally:
        await inspection.close()
    names = ["addresses", *(name for name, _ in items)]
    return tuple(found.named(name) for name, found in zip(names, findings, strict=True))


async def _asked(question: Callable[[], Awaitable[Answered]]) -> Answered:
    try:
        return await question()
    except _BlockedError as error:
        return skipped(str(error))
    except RpcError as error:
        if error.code == deribit_errors.METHOD_NOT_FOUND:
            return skipped(f"the venue does not know the question: {error}")
        return bad(f"the venue refused: {error}")
    except (*LINK_ERRORS, MessageError) as error:
        return bad(brief(error))


class _Inspection:
    """One acceptance under way: two connections, and what has been learned so far."""

    def __init__(self, subject: Subject, means: Means) -> None:
        self._subject = subject
        self._means = means
        config = {
            "apiKey": subject.credentials.key,
            "secret": subject.credentials.secret,
            "urls": {"api": {"rest": subject.rest_url, "ws": subject.ws_url}},
            "options": ccxt_venue.client_options(means.limits.sockets),
        }
        self._pair = ccxt_venue.pair(self._exchange, config)
        self._trading = self._socket(self._pair.trading)
        self._witness = self._socket(self._pair.market)
        self._scope: str | None = None
        self._listed: dict[str, Instrument] | None = None
        self._summaries: Mapping[str, Mapping[str, Any]] | None = None
        self._tickers: dict[str, dict[str, Any]] = {}
        self._is_armed = False

    def _exchange(self, config: dict[str, Any]) -> TappedDeribit:
        exchange = TappedDeribit(config)
        exchange.epoch_ms = self._means.clocks.epoch_ms
        if self._subject.rest_url.startswith("http://"):
            exchange.timeout_on_exit = 0  # ccxt's pause is for TLS to say goodbye
        return exchange

    def _socket(self, exchange: Any) -> RpcSocket:
        limits = self._means.limits.sockets
        return RpcSocket(
            exchange=exchange,
            url=self._subject.ws_url,
            limits=SocketLimits(
                dial_timeout_s=limits.dial_timeout_s,
                answer_timeout_s=max(limits.answer_timeout_s, SLOW_ANSWER_SECONDS),
                close_timeout_s=limits.close_timeout_s,
            ),
            monotonic_ns=self._means.clocks.monotonic_ns,
            on_push=lambda *_: None,
            on_bad=lambda _: None,
            on_stray=lambda *_: None,
        )

    async def close(self) -> None:
        """Let go of both connections."""
        await self._trading.drop("the acceptance is over")
        await self._witness.drop("the acceptance is over")
        await self._pair.close()

    def items(self) -> list[tuple[str, Callable[[], Awaitable[Answered]]]]:
        """Return every item with its question, in the order in which they are asked."""
        subject = self._subject
        return [
            ("clock", self._clock),
            ("login", self._login),
            ("right to trade", self._trading_right),
            ("no right to withdraw", self._withdrawal_right),
            ("network", self._network),
            *((f"book {book.name}", self._book_question(book)) for book in subject.books),
            *(
                (f"margin model {currency}", self._margin_question(currency))
                for currency in subject.currencies
            ),
            *(
                (f"margin parameters {currency}", partial(self._margin_parameters, currency))
                for currency in subject.currencies
            ),
            ("rate limits", self._rate_limits),
            ("positions", self._positions),
            ("open orders", self._open_orders),
            ("what-if: one order", self._margins),
            ("what-if: portfolio", self._simulation),
            ("cancel-on-disconnect armed", self._armed),
            ("cancel-on-disconnect proven", self._proven),
        ]

    # ------------------------------------------------------------------ who, where, when

    async def _clock(self) -> Answered:
        epoch_ms = self._means.clocks.epoch_ms
        answer: Any = None
        before_ms = after_ms = 0
        for _ in range(2):  # the first opens the connection, which would count as the way there
            before_ms = epoch_ms()
            answer = await self._envelope("get_time")
            after_ms = epoch_ms()
        reading = readings.clock_reading(answer, before_ms, after_ms)
        return readings.clock(reading, self._subject.network)

    async def _envelope(self, name: str) -> Any:
        try:
            return await self._pair.market.request(name, ["public"], "GET", {})
        except BaseError as error:
            raise LinkError(f"public/{name} over HTTP: {brief(error)}") from error

    async def _login(self) -> Answered:
        await self._witness.dial()  # first: the public questions need no login
        await self._trading.dial()
        scope = await self._logged_in(self._trading, "a")
        await self._logged_in(self._witness, "b")
        self._scope = scope
        return good(f"key {self._subject.credentials.key!r} opens two connections; scope {scope!r}")

    async def _logged_in(self, socket: RpcSocket, nonce_end: str) -> str:
        epoch_ms = self._means.clocks.epoch_ms()
        nonce = f"{epoch_ms:x}{nonce_end}"
        request = deribit_requests.login(self._subject.credentials, epoch_ms, nonce)
        try:
            result = (await socket.call(*request)).result
        except RpcError as error:
            access = Access(
                ws_url=self._subject.ws_url,
                network=self._subject.network,
                credentials=self._subject.credentials,
            )
            raise LinkError(lines.explain_login(error, access)) from error
        return str(result.get("scope", "")) if isinstance(result, dict) else ""

    async def _trading_right(self) -> Answered:
        return readings.trading_right(self._known_scope())

    async def _withdrawal_right(self) -> Answered:
        return readings.withdrawal_right(self._known_scope())

    async def _network(self) -> Answered:
        self._known_scope()
        return readings.network(self._trading.testnet, self._subject.network)

    # ------------------------------------------------------------------ what is there

    def _book_question(self, book: BookTerms) -> Callable[[], Awaitable[Answered]]:
        async def question() -> Answered:
            listed = await self._instruments()
            prices = await self._ticker(book.hedge) if book.hedge in listed else {}
            return readings.book(book, listed, raw.price(prices, "mark_price"))

        return question

    async def _instruments(self) -> Mapping[str, Instrument]:
        if self._listed is None:
            rows: list[Any] = []
            for currency in self._subject.currencies:
                rows += await self._ask("public/get_instruments", {"currency": currency}) or []
            self._listed = {item.name: item for item in _readable(rows)}
        return self._listed

    async def _ticker(self, name: str) -> dict[str, Any]:
        if name not in self._tickers:
            told = await self._ask("public/ticker", {"instrument_name": name})
            self._tickers[name] = told if isinstance(told, dict) else {}
        return self._tickers[name]

    def _margin_question(self, currency: str) -> Callable[[], Awaitable[Answered]]:
        async def question() -> Answered:
            summary = (await self._accounts()).get(currency)
            if summary is None:
                return bad(f"the venue has no summary of the account in {currency}")
            return readings.margin_model(summary, currency, self._subject.margin_model)

        return question

    async def _margin_parameters(self, currency: str) -> Answered:
        self._known_scope()
        model, sleep = self._subject.parameters, self._means.sleep
        return await parameters.judged(model, currency, self._ask, sleep)

    async def _accounts(self) -> Mapping[str, Mapping[str, Any]]:
        self._known_scope()
        if self._summaries is None:
            told = await self._ask("private/get_account_summaries", {"extended": True})
            rows = told.get("summaries") if isinstance(told, dict) else None
            if not isinstance(rows, list):
                raise MessageError("the account's summaries are not a list")
            named = (row for row in rows if isinstance(row, dict))
            self._summaries = {str(row.get("currency")): row for row in named}
        return self._summaries

    async def _rate_limits(self) -> Answered:
        summary = (await self._accounts()).get(self._subject.currencies[0], {})
        return readings.rate_limits(summary)

    async def _positions(self) -> Answered:
        self._known_scope()
        rows: list[Any] = []
        for currency in self._subject.currencies:
            found = await self._ask("private/get_positions", {"currency": currency})
            if not isinstance(found, list):
                raise MessageError(f"the positions are not a list: {found!r:.100}")
            rows += found
        return readings.positions(rows, await self._instruments())

    async def _open_orders(self) -> Answered:
        self._known_scope()
        rows = await self._ask("private/get_open_orders", {})
        return readings.open_orders(rows, self._subject.label_prefix)

    # ------------------------------------------------------------------ what would be, what is

    async def _margins(self) -> Answered:
        self._known_scope()
        terms = await self._hedge()
        mark = raw.figure(await self._ticker(terms.name), "mark_price")
        amount, price = terms.size_min, instruments.cap_price(terms, mark, +1)
        order = {"instrument_name": terms.name, "amount": amount, "price": price}
        answer = await self._ask("private/get_margins", order)
        return readings.hypothetical_margins(answer, f"{amount} of {terms.name}")

    async def _simulation(self) -> Answered:
        self._known_scope()
        terms = await self._hedge()
        answer = await self._ask(
            "private/simulate_portfolio",
            {
                "currency": terms.currency,
                "add_positions": True,
                "simulated_positions": {terms.name: terms.size_min},
            },
        )
        return readings.simulated(answer, terms.currency)

    async def _armed(self) -> Answered:
        self._may_trade()
        scope = {"scope": "connection"}
        await self._trading.call("private/enable_cancel_on_disconnect", scope)
        told = (await self._trading.call("private/get_cancel_on_disconnect", scope)).result
        if not isinstance(told, dict) or told.get("enabled") is not True:
            return bad(f"it was asked for, and the venue says {told!r:.100}")
        self._is_armed = True
        return good("the venue says that it is on for the trading connection")

    async def _proven(self) -> Answered:
        self._may_trade()
        if not self._is_armed:
            raise _BlockedError("it could not be armed")
        terms = await self._hedge()
        self._tickers.pop(terms.name, None)  # prices of this moment, not of the beginning
        proof = disconnect.Proof(
            place=self._on(self._trading),
            witness=self._on(self._witness),
            cut=lambda: disconnect.shut(self._pair.trading.clients[self._subject.ws_url]),
            terms=terms,
            prices=await self._ticker(terms.name),
            label=f"{self._subject.label_prefix}{self._means.label_end}",
            patience_s=self._means.patience_s,
            sleep=self._means.sleep,
            monotonic_ns=self._means.clocks.monotonic_ns,
        )
        return await disconnect.proven(proof)

    async def _hedge(self) -> Instrument:
        """Return the terms of the first hedge that is listed."""
        listed = await self._instruments()
        for book in self._subject.books:
            if book.hedge in listed:
                return listed[book.hedge]
        raise _BlockedError("no hedge instrument is listed")

    # ------------------------------------------------------------------ asking

    def _known_scope(self) -> str:
        if self._scope is None:
            raise _BlockedError("there is no login")
        return self._scope

    def _may_trade(self) -> None:
        scope = self._known_scope()
        if readings.trading_right(scope).outcome is not Outcome.OK:
            raise _BlockedError("the key may not do it")
        if readings.withdrawal_right(scope).outcome is not Outcome.OK:
            raise _BlockedError("nothing is sent with a key that may withdraw")

    async def _ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask the witness, which outlives the trading connection."""
        if not self._witness.is_up:
            raise _BlockedError("there is no connection")
        return (await self._witness.call(method, params)).result

    def _on(self, socket: RpcSocket) -> disconnect.Ask:
        async def ask(method: str, params: dict[str, Any]) -> Any:
            return (await socket.call(method, params)).result

        return ask


def _readable(rows: Iterable[Any]) -> Iterable[Instrument]:
    for row in rows:
        if isinstance(row, dict) and row.get("kind") in deribit_instruments.KINDS:
            try:
                yield deribit_instruments.instrument(row)
            except MessageError:
                continue  # it is then not listed, which its book will say
