"""The trading link: orders go out once, and everything that the venue says of the account comes in.

Resting orders of a connection are cancelled by the venue when that connection ends, for whatever
reason.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bot.core.actions import CancelOrder, QueryOrder, SubmitOrder
from bot.core.events import Fact, FillSeen, OrderSeen, OrderSent, PositionsSeen
from bot.venues import deribit_errors, deribit_names, deribit_requests, deribit_scope
from bot.venues import deribit_outcomes as outcomes
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import AnswerLostError, NotSentError, RpcError
from bot.venues.ccxt_venue import LINK_ERRORS, LinkError, brief
from bot.venues.credits import Kind
from bot.venues.deribit_account import Reader
from bot.venues.deribit_berth import Berth, Shared
from bot.venues.deribit_line import Line
from bot.venues.port import NOT_SENT_CODE

CHANGES = "user.changes.any.any.raw"


@dataclass(slots=True, kw_only=True)
class TradingSession:
    """What trades: one line, and for which renewal of its login it was armed and subscribed."""

    line: Line
    renewals: int = 0


def _only_looks() -> str:
    return "this connection only looks"


async def _arm(line: Line) -> None:
    """Have the venue cancel our orders when the connection ends, and hear it say so."""
    scope = {"scope": "connection"}
    await line.socket.call("private/enable_cancel_on_disconnect", scope)
    told = (await line.socket.call("private/get_cancel_on_disconnect", scope)).result
    if not isinstance(told, dict) or told.get("enabled") is not True:
        raise LinkError(f"cancel-on-disconnect is not armed: the venue says {told!r:.100}")


class TradingDesk:
    """Orders and pushes of one account.

    Args:
        shared: what both links have in common.
        currencies: what the daemon answers for, by settlement.
        shut: says why no order may leave now, empty if one may.
        looks_only: whether no order may ever leave; then nothing is armed that cancels orders.
    """

    def __init__(
        self,
        *,
        shared: Shared,
        currencies: tuple[str, ...],
        shut: Callable[[], str],
        looks_only: bool = False,
    ) -> None:
        self._shut = _only_looks if looks_only else shut
        self._looks_only = looks_only
        self._scope = frozenset(currencies)
        self._channels = [CHANGES, *(f"user.portfolio.{currency}" for currency in currencies)]
        self._pacer = shared.pacer
        self._listing = shared.listing
        self._transit = shared.transit
        self._post = shared.post
        self.berth: Berth[TradingSession] = Berth(
            make=lambda: TradingSession(line=shared.make(self._pushed)),
            establish=self._establish,
            roll=shared.roll,
        )

    @property
    def line(self) -> Line:
        """The line in use."""
        return self.berth.line

    async def _establish(self, session: TradingSession) -> None:
        """Dial, log in, prove that orders are cancelled with the connection, subscribe."""
        await session.line.open()
        confirmed = await self._equip(session)
        missing = {name.lower() for name in self._channels} - {name.lower() for name in confirmed}
        if missing:
            raise LinkError(f"the venue did not subscribe {', '.join(sorted(missing))}")

    async def _equip(self, session: TradingSession) -> list[str]:
        session.renewals = session.line.renewals
        if not self._looks_only:  # a key that may only read may not arm, and has nothing to cancel
            await _arm(session.line)
        return await session.line.subscribe("private/subscribe", self._channels)

    async def mind(self) -> str | None:
        """Arm and subscribe again after each renewal of the login; return why the line is no good.

        The venue promises of neither that it outlives the login that it was asked under.
        """
        session = self.berth.session
        if session.renewals == session.line.renewals:
            return None
        try:
            await self._equip(session)
        except LINK_ERRORS as error:
            return f"after the login was renewed: {brief(error)}"
        return None

    def _pushed(self, channel: str, data: Any, arrived_ns: int) -> None:
        facts = raw.pushed(channel, data, arrived_ns)
        self.told(facts)
        for fact in facts:
            if isinstance(fact, FillSeen):  # late or not, it is true; its age is worth knowing
                self._transit.is_late(fact.venue_ms, arrived_ns)
            within = deribit_scope.within(fact, self._scope)
            if within is not None:
                self._post(within)

    def told(self, facts: Iterable[Fact]) -> None:
        """Ask for the list of instruments again if facts speak of one that is not in it."""
        names: set[str] = set()
        for fact in facts:
            match fact:
                case FillSeen() | OrderSeen():
                    names.add(fact.instrument)
                case PositionsSeen():
                    names.update(row.instrument for row in fact.positions)
                case _:
                    pass
        self._listing.heard_of(
            frozenset(name for name in names if deribit_scope.covers(name, self._scope))
        )

    # ------------------------------------------------------------------ orders

    async def submit(self, action: SubmitOrder) -> tuple[Fact, ...]:
        """Send one order, once.

        Only a code on the allow-list is a rejection. The one exception is our own code -1: the send
        was provably never begun, because no logged-in connection was open, the venue's rate of
        orders is used up, or the request could not be written as text.
        """
        method, params = deribit_requests.place(action)
        line = self.line
        try:
            line = await self._may_send()
            answer = await line.socket.call(method, params, timeout_s=line.limits.order_timeout_s)
        except NotSentError as error:
            return (outcomes.rejected(action, NOT_SENT_CODE, f"not sent: {error}"),)
        except RpcError as error:
            return self._refused(line, action, error)
        except AnswerLostError as error:
            sent = OrderSent(order_id=action.order_id, wire_ns=error.sent_ns)
            return (sent, outcomes.unknown(action, f"{error}"))
        sent = OrderSent(order_id=action.order_id, wire_ns=answer.sent_ns)
        return (sent, *outcomes.placed(action, answer.result, answer.arrived_ns))

    async def _may_send(self) -> Line:
        """Return the line to send on, after a moment's wait for a credit if need be.

        No longer than that: an order grows old while it waits.
        """
        late_s = None
        if self.line.is_ready:
            late_s = await self._pacer.wait_at_most(Kind.ORDER, self.line.limits.order_wait_s)
        if not self.line.is_ready:
            raise NotSentError("the trading connection is not logged in")
        if late_s is not None:
            raise NotSentError(f"the venue takes no more orders for {late_s:.1f} s")
        if why := self._shut():  # last of all: a halt may have come while we waited
            raise NotSentError(why)
        return self.line

    def _refused(self, line: Line, action: SubmitOrder, error: RpcError) -> tuple[Fact, ...]:
        sent = OrderSent(order_id=action.order_id, wire_ns=error.sent_ns)
        line.doubt(error)
        if error.code in deribit_errors.TOO_OFTEN:
            self._pacer.refused(Kind.ORDER, error.data)
        if error.code in deribit_errors.OUTDATED:
            self._listing.want()
        if deribit_errors.is_refusal(error.code):
            return (sent, outcomes.rejected(action, error.code, error.reason, error.arrived_ns))
        reason = f"the venue answered {error.reason} ({error.code})"
        return (sent, outcomes.unknown(action, reason))

    async def cancel(self, action: CancelOrder, reader: Reader) -> tuple[Fact, ...]:
        """Cancel by label, then ask what the order came to: it may have filled meanwhile."""
        params = {"label": action.order_id}
        currency = deribit_names.currency_of(action.instrument)
        if currency is not None:
            params["currency"] = currency
        await self._pacer.wait(Kind.CANCEL)
        try:
            await self.line.socket.call("private/cancel_by_label", params)
        except RpcError as error:
            self.line.doubt(error)
            if error.code in deribit_errors.TOO_OFTEN:
                self._pacer.refused(Kind.CANCEL, error.data)
            raise
        question = QueryOrder(
            order_id=action.order_id,
            instrument=action.instrument,
            requested_ms=reader.market_ms(),
        )
        return await reader.order(question)
