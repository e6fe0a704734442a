"""Where actions are carried out: each in a task of its own, each with a limit, its outcome a fact.

The shell never retries an order. Whatever goes wrong while one is sent, of whatever type, is
`OrderUnknown`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, assert_never

import structlog

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
from bot.core.cash import MOVES
from bot.core.events import SECOND_OPINION, Fact, OrderRejected, OrderUnknown, ReadFailed
from bot.runtime.alerts import Alerts
from bot.runtime.clock import MarketClock, to_wire_ns, wire_seconds
from bot.runtime.stopcock import Stopcock
from bot.venues.port import NOT_SENT_CODE, Post

SUBMIT_MARGIN_SECONDS: Final = 1.0  # after `valid_until`: the answer's way back
CANCEL_SECONDS_MAX: Final = 5.0
QUERY_SECONDS_MAX: Final = 10.0
READ_SECONDS_MAX: Final = 20.0
LOG_SECONDS_MAX: Final = 40.0  # about a page a second may be asked for
OPINION_SECONDS_MAX: Final = 15.0
WATCH_SECONDS_MAX: Final = 30.0  # some hundred subscriptions, in chunks
RELOAD_SECONDS_MAX: Final = 30.0
IN_FLIGHT_MAX: Final = 1_000  # more than this and nothing comes back: crash, and reconcile

log = structlog.get_logger(__name__)

Perform = Callable[[Action], Awaitable[tuple[Fact, ...]]]


class OutboxOverflowError(Exception):
    """More actions are under way than any venue would leave unanswered."""


class OrderSentTwiceError(Exception):
    """An order id came up a second time. It is not sent; the process must not go on."""


class Outbox:
    """Carries out actions while `run` runs."""

    def __init__(
        self,
        *,
        perform: Perform,
        post: Post,
        alerts: Alerts,
        market: MarketClock,
        stopcock: Stopcock,
    ) -> None:
        """Remember whom to ask and whom to tell.

        Args:
            perform: The venue's; what came of an action.
            post: Takes each fact, the inbox's `admit`.
            alerts: Takes alerts, which go to no venue.
            market: Tells how long an order may still live.
            stopcock: Says whether an order may leave at all.
        """
        self.stopcock = stopcock
        self._perform = perform
        self._post = post
        self._alerts = alerts
        self._market = market
        self._group: asyncio.TaskGroup | None = None
        self._in_flight: set[Action] = set()
        self._sent: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.performed = 0

    @property
    def in_flight(self) -> frozenset[Action]:
        """What is under way."""
        return frozenset(self._in_flight)

    async def run(self) -> None:
        """Own the tasks of the actions until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await asyncio.Event().wait()

    def perform(self, actions: tuple[Action, ...]) -> None:
        """Start each action in a task of its own, cancels first; returns at once.

        An order is started once in the life of the process. Any other action that equals one still
        under way adds nothing and is dropped.

        Raises:
            OrderSentTwiceError: an order id was given before.
            OutboxOverflowError: over `IN_FLIGHT_MAX` actions are under way.
        """
        for action in sorted(actions, key=_haste):
            if isinstance(action, Alert):
                self._alerts.tell(action)
            elif action not in self._in_flight:
                self._start(action)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        await self._idle.wait()

    def _start(self, action: Action) -> None:
        assert self._group is not None, "the outbox performs only while it runs"
        if isinstance(action, SubmitOrder):
            if action.order_id in self._sent:
                raise OrderSentTwiceError(f"order {action.order_id} was sent before")
            self._sent.add(action.order_id)
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            raise OutboxOverflowError(
                f"{len(self._in_flight)} actions are unanswered, the limit is {IN_FLIGHT_MAX}"
            )
        self._in_flight.add(action)
        self._idle.clear()
        self.performed += 1
        self._group.create_task(self._carry_out(action), name=f"perform {type(action).__name__}")

    async def _carry_out(self, action: Action) -> None:
        seconds = self._seconds_max(action)
        outcome: tuple[Fact, ...]
        try:
            async with asyncio.timeout(seconds):
                outcome = self._held_back(action) or await self._perform(action)
        except TimeoutError:
            outcome = _went_wrong(action, f"no answer within {seconds:.1f} s")
        except (
            Exception
        ) as error:  # an order may have left before the error, so no type is harmless
            log.exception("venue failed to perform", action=repr(action))
            outcome = _went_wrong(action, f"{type(error).__name__}: {error}")
        finally:
            self._in_flight.discard(action)
            if not self._in_flight:
                self._idle.set()
        for fact in outcome:
            self._post(fact)

    def _held_back(self, action: Action) -> tuple[Fact, ...]:
        """Return the end of an order that a halt has overtaken; nothing of it has left."""
        if not isinstance(action, SubmitOrder) or not (why := self.stopcock.reason):
            return ()
        log.warning("order not sent", order_id=action.order_id, reason=why)
        reason = f"not sent: {why}"
        fact = OrderRejected(
            order_id=action.order_id, code=NOT_SENT_CODE, reason=reason, is_passing=True
        )
        return (fact,)

    def _seconds_max(  # noqa: PLR0911 (one case an action is the point)
        self, action: Action
    ) -> float:
        match action:
            case SubmitOrder():
                left_ms = max(0, action.valid_until_ms - self._market.now_ms())
                return wire_seconds(to_wire_ns(self._market, left_ms)) + SUBMIT_MARGIN_SECONDS
            case CancelOrder():
                return CANCEL_SECONDS_MAX
            case QueryOrder():
                return QUERY_SECONDS_MAX
            case ReadAccount():
                return READ_SECONDS_MAX
            case ReadCash():
                return LOG_SECONDS_MAX
            case AskMargin():
                return OPINION_SECONDS_MAX
            case Watch():
                return WATCH_SECONDS_MAX
            case ReloadInstruments():
                return RELOAD_SECONDS_MAX
            case Alert():
                return 0.0
        assert_never(action)


def _haste(action: Action) -> int:
    return 0 if isinstance(action, CancelOrder) else 1


def _went_wrong(action: Action, reason: str) -> tuple[Fact, ...]:
    """Say what is known of an action that did not come back: nothing but that."""
    match action:
        case SubmitOrder():
            return (OrderUnknown(order_id=action.order_id, reason=reason),)
        case CancelOrder() | QueryOrder():
            return (ReadFailed(what=f"{_VERB[type(action)]} {action.order_id}", reason=reason),)
        case ReadAccount() | ReadCash() | AskMargin() | Watch() | ReloadInstruments():
            return (ReadFailed(what=_VERB[type(action)], reason=reason),)
        case Alert():
            return ()
    assert_never(action)


# "account", "instruments", the log's and the second opinion's are what the core calls these
# questions in `ReadFailed.what`.
_VERB: Final[dict[type[Action], str]] = {
    CancelOrder: "cancel",
    QueryOrder: "order",
    ReadAccount: "account",
    ReadCash: MOVES,
    AskMargin: SECOND_OPINION,
    Watch: "watch",
    ReloadInstruments: "instruments",
}
