"""The venue's list of instruments: loaded at start, and again whenever something says it changed.

Reasons to ask again: the core's schedule, a push of the state channel, a refusal that says an
instrument is unknown or expired, a position in one that was never listed. Reasons that come
together cost one question.
"""

import asyncio
from typing import Any

from bot.core.events import InstrumentsSeen, ReadFailed
from bot.venues import ccxt_venue, deribit_instruments, deribit_names
from bot.venues.ccxt_socket import AnswerLostError, NotSentError, RpcError
from bot.venues.ccxt_venue import Clocks, brief
from bot.venues.deribit_account import Ask
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Sleep
from bot.venues.port import Post, VenueUnreachableError

INSTRUMENTS = "public/get_instruments"
STATE_CHANNEL = "instrument.state.any.any"


class Listing:
    """What is listed.

    Args:
        pair: loads the list through ccxt, the first time.
        ask: asks a public question over the market-data connection.
        currencies: whose instruments are wanted, by settlement.
        clocks: the market clock for expiry, the wire clock for arrivals.
        sleep: waits on the wire clock.
        every_s: the shortest time between two loads that nobody gave an order for.
        post: takes `InstrumentsSeen`, and what could not be read.
    """

    def __init__(
        self,
        *,
        pair: ccxt_venue.Pair,
        ask: Ask,
        currencies: tuple[str, ...],
        clocks: Clocks,
        sleep: Sleep,
        every_s: float,
        post: Post,
    ) -> None:
        self._pair = pair
        self._ask = ask
        self._currencies = currencies
        self._clocks = clocks
        self._sleep = sleep
        self._every_s = every_s
        self._post = post
        self._expiry_ms: dict[str, int | None] = {}
        self._strangers: set[str] = set()  # never listed, and asked for once
        self._wanted = asyncio.Event()
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Load the list through ccxt and post it.

        Raises:
            VenueUnreachableError: nobody answers, or a currency has no instrument.
        """
        self._take(await self._pair.load(again=False))

    async def reload(self) -> None:
        """Ask for the list over the socket and post it. One that does not come is still wanted.

        Raises:
            VenueUnreachableError: no usable answer.
        """
        async with self._loading:
            self._wanted.clear()  # what is asked now answers every reason until now
            try:
                self._take(await self._listed())
            except BaseException:  # of any type: whoever asked may also have stopped waiting
                self._wanted.set()
                raise

    async def _listed(self) -> Any:
        try:
            return await self._ask(INSTRUMENTS, {"currency": "any"})
        except (NotSentError, AnswerLostError, RpcError) as error:
            raise VenueUnreachableError(f"{INSTRUMENTS}: {brief(error)}") from error

    def _take(self, rows: Any) -> None:
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise VenueUnreachableError(f"{INSTRUMENTS}: not a list of instruments")
        if not rows:  # ccxt takes a page of HTML for an empty list
            raise VenueUnreachableError(
                f"{INSTRUMENTS}: no instrument at all; the answer was empty, or no list"
            )
        found, bad = deribit_instruments.instruments(rows, self._currencies)
        for fact in bad:
            self._post(fact)
        listed = {item.currency for item in found}
        for currency in self._currencies:
            if currency not in listed:
                raise VenueUnreachableError(
                    f"the venue lists no instrument that settles in {currency}"
                )
        self._expiry_ms = {item.name: item.expiry_ms for item in found}
        self._post(InstrumentsSeen(instruments=found, arrived_ns=self._clocks.monotonic_ns()))

    async def run(self) -> None:
        """Load again whenever something asked for it, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self.reload()
            except (VenueUnreachableError, MessageError) as error:
                self._post(ReadFailed(what="instruments", reason=brief(error)))
            await self._sleep(self._every_s)

    def want(self) -> None:
        """Ask for the list again soon."""
        self._wanted.set()

    def heard_state(self, data: Any) -> None:
        """Take a push of the state channel: something came, went or changed.

        Raises:
            MessageError: it is not such a push.
        """
        name = data.get("instrument_name") if isinstance(data, dict) else None
        if not isinstance(name, str) or not isinstance(data.get("state"), str):
            raise MessageError(f"not the state of an instrument: {data!r:.200}")
        currency = deribit_names.currency_of(name)
        if currency in self._currencies:
            self.want()

    def heard_of(self, names: frozenset[str]) -> None:
        """Take note of names that the account holds; an unknown one that lives is asked for."""
        market_ms = self._clocks.market_ms()
        for name in names - self._expiry_ms.keys() - self._strangers:
            known = deribit_names.named(name)
            if known is not None and not deribit_names.has_lapsed(name, market_ms):
                self._strangers.add(name)
                self.want()

    def has_lapsed(self, name: str) -> bool:
        """Return whether an instrument has expired, by the list or else by its name."""
        market_ms = self._clocks.market_ms()
        expiry_ms = self._expiry_ms.get(name)
        if expiry_ms is None:
            return deribit_names.has_lapsed(name, market_ms)
        return expiry_ms <= market_ms
