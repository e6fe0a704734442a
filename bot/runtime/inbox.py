"""Where facts wait for the loop: quotes and measurements conflate, money facts never."""

import asyncio
from typing import Final

from bot.core.cash import CashMoved, CashRead
from bot.core.events import (
    AccountRead,
    BadMessage,
    BalanceSeen,
    ClockSeen,
    CommandGiven,
    Fact,
    FillSeen,
    HostMeasured,
    InstrumentsSeen,
    LinkDown,
    LinkUp,
    NoOpinionHere,
    OpenOrdersSeen,
    OpinionGiven,
    OrderNotFound,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    ReadFailed,
    TimerFired,
)

MONEY_FACTS_MAX: Final = (
    10_000  # more waiting than this means that we are lost: crash, and reconcile
)
BURST_QUOTES: Final = 32  # as many take about a millisecond to translate

# Own-order news before positions and balances, so that a position is never compared with a stale
# order table; commands after all other money facts, so that a ledger that keeps them apart can
# restore the order.
_RANK: Final[dict[type[Fact], int]] = {
    ClockSeen: 0,
    OrderSent: 0,
    OrderSeen: 0,
    OrderRejected: 0,
    OrderUnknown: 0,
    OrderNotFound: 0,
    FillSeen: 0,
    PositionsSeen: 1,
    BalanceSeen: 1,
    InstrumentsSeen: 2,
    OpenOrdersSeen: 2,
    AccountRead: 2,
    CashMoved: 2,
    CashRead: 2,
    OpinionGiven: 2,
    NoOpinionHere: 2,
    ReadFailed: 2,
    LinkUp: 2,
    LinkDown: 2,
    BadMessage: 2,
    TimerFired: 2,
    HostMeasured: 2,
    CommandGiven: 3,
}


class InboxOverflowError(Exception):
    """More money facts wait than any healthy loop leaves waiting."""


class Inbox:
    """Facts on their way to the loop, of one event loop and one consumer."""

    def __init__(self) -> None:
        self._money: list[Fact] = []
        self._quotes: dict[str, QuoteSeen] = {}
        self._measured: HostMeasured | None = None
        self._arrived = asyncio.Event()
        self._deaf_to_quotes = False
        self.admitted = 0
        self.quotes_admitted = 0
        self.quotes_conflated = 0

    def __len__(self) -> int:
        return len(self._money) + len(self._quotes) + (self._measured is not None)

    def admit(self, fact: Fact) -> None:
        """Take one fact. A newer quote replaces the waiting one of its instrument; all else queues.

        A newer measurement of the host takes over the worst of the waiting one.

        Raises:
            InboxOverflowError: over `MONEY_FACTS_MAX` money facts wait.
        """
        if isinstance(fact, QuoteSeen):
            if self._deaf_to_quotes:
                return
            self.quotes_admitted += 1
            self.quotes_conflated += fact.instrument in self._quotes
            self._quotes[fact.instrument] = fact
        elif isinstance(fact, HostMeasured):
            self._measured = fact.after(self._measured) if self._measured else fact
        else:
            if len(self._money) >= MONEY_FACTS_MAX:
                raise InboxOverflowError(
                    f"{len(self._money)} facts about money wait, the limit is {MONEY_FACTS_MAX}"
                )
            self._money.append(fact)
        self.admitted += 1
        self._arrived.set()

    def drain(self) -> tuple[Fact, ...]:
        """Take all that waits: own-order news, positions and balances, the rest, commands, quotes.

        Within each group the order of arrival holds.
        """
        waiting = [*self._money, self._measured] if self._measured else self._money
        money = sorted(waiting, key=lambda fact: _RANK[type(fact)])
        quotes = tuple(self._quotes.values())
        self._money = []
        self._measured = None
        self._quotes = {}
        self._arrived.clear()
        return (*money, *quotes)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until something waits, or so long; True if something does.

        To take in a burst took as long as some folds: whoever's time came meanwhile goes first.
        """
        if self._arrived.is_set():
            await asyncio.sleep(0)  # let the sockets speak even when we are never idle
            return True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        if len(self._quotes) >= BURST_QUOTES:
            await asyncio.sleep(0)
        return True

    def ignore_quotes(self) -> None:
        """From now on quotes are dropped: the daemon is leaving and decides nothing more."""
        self._deaf_to_quotes = True
        self._quotes = {}
