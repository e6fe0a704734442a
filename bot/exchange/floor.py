"""The trading floor: the engine, its clock, its channels and its doors, in one place.

Everything here is synchronous and single-threaded. Market time passes when `advance` is called;
what happens is told to the channels by `publish`, after the request that caused it was answered.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bot.exchange.access_log import AccessLog
from bot.exchange.auth import AuthPolicy, Gatekeeper
from bot.exchange.channels import AccountTopic
from bot.exchange.chronicle import Chronicle
from bot.exchange.clock import MarketClock, WireClocks
from bot.exchange.commands import (
    Answer,
    CancelAll,
    Event,
    InstrumentExpired,
    Refused,
    SessionSettled,
    TradingEngine,
)
from bot.exchange.hub import CadencePolicy, ChannelHub
from bot.exchange.instrument_lines import InstrumentLines
from bot.exchange.keys import DEMO_KEY, DEMO_READ_KEY, DEMO_SUB_KEY, ApiKey
from bot.exchange.limits import GENEROUS_LIMITS, LimitPolicy, RateLimits
from bot.exchange.market import Skipped
from bot.exchange.platform_state import PlatformState
from bot.exchange.protocol import RpcError
from bot.exchange.register import Member, Register
from bot.exchange.reports import CancelReason, OrderState
from bot.exchange.session import Session
from bot.exchange.sim_ledger import RequestLedger
from bot.exchange.tokens import NS_PER_S, Grant, Visit
from bot.exchange.venue_commands import OpenAccount

T = TypeVar("T")

SESSION_ORDERS_PRUNED_AT: Final = 500
MINUTE_MS: Final = 60_000
MS_PER_S: Final = 1_000
SETTLES: Final = (SessionSettled, InstrumentExpired)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPolicy:
    """Limits and cadences of the server, in wire time, but for `advance_max_ms`.

    That is the most market time that passes at once, and so is what passes in `behind_max_s` at the
    market's speed, but for a minute: where the machine cannot keep up with the speed asked for, or
    stood still, market time goes slower. Otherwise each round would have more to make up for than
    the one before, and nobody be answered between them.
    """

    keys: tuple[ApiKey, ...] = (DEMO_KEY, DEMO_READ_KEY, DEMO_SUB_KEY)
    subaccounts: Mapping[str, str] = field(default_factory=lambda: {"demo_1": "demo"})
    auth: AuthPolicy = field(default_factory=AuthPolicy)
    cadence: CadencePolicy = field(default_factory=CadencePolicy)
    limits: LimitPolicy = GENEROUS_LIMITS
    connections_per_ip_max: int = 32
    settlement_pause_s: float = 0.0
    compresses_frames: bool = False
    pump_interval_ms: float = 20.0
    advance_max_ms: int = 15 * MINUTE_MS
    behind_max_s: float = 1.0
    heartbeat_min_s: float = 10.0
    idle_max_s: float = 600.0
    frame_bytes_max: int = 32_768
    queue_frames_max: int = 20_000
    is_testnet: bool = True

    def accounts(self) -> list[str]:
        """The accounts that the exchange opens with: those of its keys, in their order."""
        return list(dict.fromkeys(key.account for key in self.keys))


def checked(answer: T | Refused) -> T:
    """The answer, where the engine gave one; its refusal as the venue's error."""
    if isinstance(answer, Refused):
        raise RpcError(
            answer.code,
            answer.message,
            {name: _plain(value) for name, value in answer.data.items()},
        )
    return answer


@dataclass(slots=True, kw_only=True)
class TradingFloor:
    """What the methods work on. `ledger` is there only in a simulation that shows its books."""

    engine: TradingEngine
    market_clock: MarketClock
    wire: WireClocks
    gatekeeper: Gatekeeper
    register: Register
    hub: ChannelHub
    policy: ServerPolicy
    limits: RateLimits
    platform: PlatformState
    announce: Callable[[str], None]
    chronicle: Chronicle
    access_log: AccessLog = field(default_factory=AccessLog)
    ledger: RequestLedger | None = None
    sessions: dict[int, Session] = field(default_factory=dict)
    accounts_cancelling_on_disconnect: set[str] = field(default_factory=set)
    instrument_lines: InstrumentLines = field(default_factory=InstrumentLines)
    skips: int = 0
    holds: int = 0
    _pending: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chronicle.begin(self.engine)

    def visit(self, session: Session | None, ip: str) -> Visit:
        """Where and when a caller stands at the door."""
        return Visit(
            epoch_ms=self.wire.epoch_ms(),
            monotonic_ns=self.wire.monotonic_ns(),
            connection=None if session is None else session.number,
            ip=ip,
        )

    def advance(self) -> None:
        """Let market time pass up to now, over the holes in recorded data."""
        self._hold_back()
        while True:
            events = self.engine.advance(self.market_clock.market_ms())
            self._pending += events
            self._pause_for_settlement(events)
            skips = [event for event in events if isinstance(event, Skipped)]
            if not skips:
                return
            for skip in skips:
                self._jump(skip)

    def _pause_for_settlement(self, events: Iterable[Event]) -> None:
        if self.policy.settlement_pause_s and any(isinstance(each, SETTLES) for each in events):
            pause_ns = int(self.policy.settlement_pause_s * NS_PER_S)
            self.platform.settle_until(self.wire.monotonic_ns() + pause_ns)

    def _hold_back(self) -> None:
        """Slow the market down where more of it waits than may pass at once."""
        behind_max_ms = self.policy.behind_max_s * self.market_clock.speed * MS_PER_S
        at_once_ms = min(self.policy.advance_max_ms, max(MINUTE_MS, behind_max_ms))
        latest_ms = self.engine.now_ms + int(at_once_ms)
        if self.market_clock.market_ms() <= latest_ms:
            return
        self.market_clock.hold(latest_ms)
        self.holds += 1
        if self.holds == 1:
            self.announce(
                f"this machine cannot keep up with speed {self.market_clock.speed:g}: "
                "market time goes slower"
            )

    def _jump(self, skip: Skipped) -> None:
        self.market_clock.skip(skip.to_ms - skip.from_ms)
        self.skips += 1
        minutes = (skip.to_ms - skip.from_ms) / MINUTE_MS
        self.announce(f"recorded data has a hole: market time jumps {minutes:.0f} minutes ahead")

    def accept(self, answer: Answer[T] | Refused) -> T:
        """The result of a command; its events wait for `publish`. RpcError if it was refused."""
        answered = checked(answer)
        self._pending += answered.events
        return answered.result

    def publish(self) -> None:
        """Tell the channels what happened since they were told last."""
        self.hub.open()
        events, self._pending = self._pending, []
        trades = self.chronicle.observe(events, self.engine)
        self.hub.hear(events, trades, self.wire.monotonic_ns())

    def note_access(self, account: str, ip: str, log: str) -> None:
        """Keep, and tell the account, that somebody came to its door."""
        entry = self.access_log.note(account, ip=ip, log=log, at_ms=self.engine.now_ms)
        self.hub.tell_account(account, AccountTopic.ACCESS_LOG, entry)

    def pump(self) -> None:
        """One round: let time pass, tell what happened, and say what is due."""
        self.advance()
        self.publish()
        self.hub.speak(self.wire.monotonic_ns())

    def remember_order(self, session: Session, order_id: str, account: str) -> None:
        """Note an order that a connection placed, for cancel-on-disconnect."""
        self._take_over_cancelling(session, account)
        session.orders[order_id] = account
        if len(session.orders) > SESSION_ORDERS_PRUNED_AT:
            session.orders = {
                known_id: owner
                for known_id, owner in session.orders.items()
                if self._is_open(known_id, owner)
            }

    def _is_open(self, order_id: str, account: str) -> bool:
        order = self.engine.order(account, order_id)
        return order is not None and order.order_state is OrderState.OPEN

    def connect(self, session: Session) -> None:
        """A connection was opened."""
        self.sessions[session.number] = session

    def log_in(self, session: Session, grant: Grant) -> None:
        """A connection acts for the login's account from now on."""
        if session.grant is not None and session.grant.account != grant.account:
            self.hub.drop_private(session)
        session.grant = grant
        self._take_over_cancelling(session, grant.account)

    def _take_over_cancelling(self, session: Session, account: str) -> None:
        """A connection begins with its account's cancel-on-disconnect; later changes pass it by."""
        if session.cancels_on_disconnect is None:
            session.cancels_on_disconnect = account in self.accounts_cancelling_on_disconnect

    def open_subaccount(self, main: str) -> Member:
        """A new subaccount with nothing in it; RpcError if `main` has as many as it may."""
        member = self.register.open_subaccount(main)
        self.accept(self.engine.handle(OpenAccount(account=member.name, owner=main)))
        return member

    def log_out(self, is_meant: Callable[[Grant], bool]) -> None:
        """End every login that is meant: its tokens, and what connections were let do by it."""
        self.gatekeeper.revoke(is_meant)
        for session in self.sessions.values():
            if session.grant is not None and is_meant(session.grant):
                self.hub.drop_private(session)
                session.grant = None

    def disconnect(self, session: Session) -> None:
        """A connection is gone: forget it, and cancel its orders if it asked for that."""
        self.sessions.pop(session.number, None)
        self.hub.drop(session)
        self.gatekeeper.revoke(lambda grant: grant.connection == session.number)
        if session.cancels_on_disconnect and not session.said_goodbye:
            for account in set(session.orders.values()):
                own = frozenset(key for key, owner in session.orders.items() if owner == account)
                command = CancelAll(
                    account=account, order_ids=own, reason=CancelReason.CANCEL_ON_DISCONNECT
                )
                self.accept(self.engine.handle(command))
        self.publish()


def _plain(value: object) -> str | int | float | bool | None:
    """A refusal's datum as JSON: decimals and the like become text."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)
