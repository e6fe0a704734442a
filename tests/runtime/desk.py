"""A venue of one perpetual in memory, and a daemon around the real core that trades on it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Self

from bot.core import engine
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
from bot.core.books import BookPolicy, Selector
from bot.core.cash import CashRead
from bot.core.dealing import BookPlan
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    Fact,
    FillCause,
    FillSeen,
    InstrumentsSeen,
    Link,
    LinkUp,
    NoOpinionHere,
    OpenOrdersSeen,
    OrderSeen,
    OrderSent,
    PositionRow,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.modelling import DeribitStandard
from bot.core.orders import OrderPolicy
from bot.core.safety import SafetyPolicy
from bot.core.standing import Standing
from bot.core.units import NS_PER_SECOND
from bot.quant.conventions import Convention
from bot.runtime.alerts import Alerts
from bot.runtime.clock import SystemMarketClock, WireClock
from bot.runtime.daemon import Daemon
from bot.runtime.inbox import Inbox
from bot.runtime.journal import Ledger, RunHeader
from bot.runtime.ledger_disk import HOST_DISK, Disk
from bot.runtime.loop import Loop, Observer
from bot.runtime.outbox import Outbox
from bot.runtime.sampler import ClockSampler
from bot.runtime.stopcock import Stopcock, halt_path
from bot.runtime.tape import Tape
from bot.runtime.timers import Timers
from bot.venues.port import Post

PERPETUAL = Instrument(
    name="BTC-PERPETUAL",
    kind=Kind.PERPETUAL,
    settlement=Settlement.INVERSE,
    underlying="BTC",
    currency="BTC",
    lot=Decimal(10),
    size_min=Decimal(10),
    tick_size=Decimal("0.5"),
)
PRICE = 100_000.0
HEADER = RunHeader(code_version="1", config_digest="c0ffee", account="demo", mode="rehearsal")
POLICY = engine.Policy(
    books=(
        BookPlan(
            book=BookPolicy(
                name="main",
                selector=Selector(underlying="BTC"),
                convention=Convention.BOOK,
                hedge_instrument="BTC-PERPETUAL",
                currency="BTC",
            ),
            hedge=HedgePolicy(band_low_coin=-0.2, band_high_coin=0.2),
        ),
    ),
    external_book="main",
    # A test's machine may stand still for seconds, which is nobody's fault.
    orders=OrderPolicy(
        label_prefix="db", lifetime_ns=30 * NS_PER_SECOND, silence_max_ns=30 * NS_PER_SECOND
    ),
    model=DeribitStandard(
        parameters=Rates(
            futures={"BTC": (FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.01),)}
        )
    ),
    safety=SafetyPolicy(
        orders_per_minute_max=10_000,
        loop_lag_max_ns=60 * NS_PER_SECOND,
        journal_max_ns=60 * NS_PER_SECOND,
    ),
)


@dataclass
class Desk:
    """Fills a part of every order at once. `late_seconds` delays its answers, not its fills."""

    wire: WireClock = field(default_factory=WireClock)
    late_seconds: float = 0.0
    filled_part: Decimal = Decimal(1)
    position: Decimal = Decimal(0)
    requests: list[SubmitOrder] = field(default_factory=list)
    closed: bool = False
    redialled: list[str] = field(default_factory=list)
    post: Post = field(default=lambda _: None)
    fault: Exception | None = None
    dies: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, post: Post) -> None:
        self.post = post
        post(InstrumentsSeen(instruments=(PERPETUAL,)))
        post(LinkUp(link=Link.MARKET))
        post(LinkUp(link=Link.TRADING))

    async def run(self) -> None:
        while not self.dies.is_set():
            self.quote()
            await asyncio.sleep(0.005)
        raise ConnectionError("the venue is gone for good")

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        match action:
            case SubmitOrder():
                return await self._traded(action)
            case ReadAccount():
                return self.account()
            case QueryOrder():
                return ()
            case ReadCash():
                now_ns = self.wire.monotonic_ns()
                return (CashRead(asked_ns=now_ns, asked_ms=self.wire.epoch_ms()),)
            case AskMargin():
                return (NoOpinionHere(reason="this desk has none"),)
            case CancelOrder() | Watch() | ReloadInstruments() | Alert():
                return ()

    async def hedged(self, orders: int = 1) -> None:
        """Wait for so many orders, with a fresh price meanwhile: one may grow old as we wait."""
        async with asyncio.timeout(60.0):
            while len(self.requests) < orders:
                self.quote()
                await asyncio.sleep(0.002)

    async def market_time_ms(self) -> int:
        return self.wire.epoch_ms()

    async def redial(self, reason: str) -> None:
        self.redialled.append(reason)

    async def close(self) -> None:
        self.closed = True

    def somebody_trades(self, size: int) -> None:
        """Move the position as somebody else on the account would, and report it."""
        self.position += size
        self.post(self._positions(complete=False))

    def quote(self) -> None:
        now_ns = self.wire.monotonic_ns()
        self.post(
            QuoteSeen(
                instrument=PERPETUAL.name,
                venue_ms=self.wire.epoch_ms(),
                arrived_ns=now_ns,
                bid=PRICE,
                ask=PRICE + 0.5,
                mark=PRICE,
                index_usd=PRICE,
            )
        )

    def account(self) -> tuple[Fact, ...]:
        now_ns = self.wire.monotonic_ns()
        balance = BalanceSeen(
            currency="BTC",
            equity=100.0,
            margin_balance=100.0,
            available_funds=99.0,
            initial_margin=0.2,
            maintenance_margin=0.1,
            delta_total_coin=None,
            arrived_ns=now_ns,
        )
        return (
            OpenOrdersSeen(orders=(), asked_ns=now_ns),
            self._positions(complete=True),
            balance,
            AccountRead(asked_ns=now_ns),
        )

    def _positions(self, *, complete: bool) -> PositionsSeen:
        row = PositionRow(instrument=PERPETUAL.name, size_native=self.position, average_price=PRICE)
        now_ns = self.wire.monotonic_ns()
        return PositionsSeen(
            positions=(row,),
            complete=complete,
            asked_ns=now_ns if complete else None,
            arrived_ns=now_ns,
        )

    async def _traded(self, order: SubmitOrder) -> tuple[Fact, ...]:
        self.requests.append(order)
        sent = OrderSent(order_id=order.order_id, wire_ns=self.wire.monotonic_ns())
        if self.fault is not None:
            raise self.fault
        filled = order.size_native * self.filled_part
        self.position += filled
        await asyncio.sleep(self.late_seconds)
        venue_order_id = f"v-{order.order_id}"
        seen = OrderSeen(
            order_id=order.order_id,
            venue_order_id=venue_order_id,
            instrument=order.instrument,
            status=VenueStatus.FILLED if self.filled_part == 1 else VenueStatus.CANCELLED,
            size_native=order.size_native,
            filled_native=filled,
        )
        fill = FillSeen(
            trade_id=f"t-{order.order_id}",
            order_id=order.order_id,
            venue_order_id=venue_order_id,
            instrument=order.instrument,
            size_native=filled,
            price=float(order.limit),
            fee=0.0,
            is_maker=False,
            cause=FillCause.TRADE,
            venue_ms=self.wire.epoch_ms(),
        )
        return (sent, seen, fill, self._positions(complete=False))


@dataclass
class House:
    """The shell around one desk. `async with` it; then run `daemon`, or `loop` and `outbox`."""

    folder: Path
    desk: Desk = field(default_factory=Desk)
    observers: tuple[Observer, ...] = ()
    standing: Standing | None = None
    disk: Disk = HOST_DISK
    volume_bytes: int = 0

    async def __aenter__(self) -> Self:
        wire = self.desk.wire
        self.market = SystemMarketClock(wire)
        self.inbox = Inbox()
        self.alerts = Alerts(wire.epoch_ms)
        self.outbox = Outbox(
            perform=self.desk.perform,
            post=self.inbox.admit,
            alerts=self.alerts,
            market=self.market,
            stopcock=Stopcock(halt_path(self.folder / "journal.db")),
        )
        self.ledger = Ledger.open(
            self.folder / "journal.db", HEADER, disk=self.disk, volume_bytes=self.volume_bytes
        )
        self.tape = Tape(self.folder / "tape", bytes_max=10_000_000)
        now_ms = self.market.now_ms()
        standing = self.standing or engine.fresh_standing("aaaa", now_ms)
        self.begun = engine.begin(standing, now_ms, wire.monotonic_ns())
        self.loop = Loop(
            step=engine.step,
            state=self.begun,
            policy=POLICY,
            inbox=self.inbox,
            outbox=self.outbox,
            ledger=self.ledger,
            market=self.market,
            wire=wire,
            tape=self.tape,
            observers=self.observers,
        )
        await self.desk.open(self.inbox.admit)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.tape.close()
        self.ledger.close()

    def daemon(self, on_leaving: Callable[[], None] = lambda: None) -> Daemon:
        """Return the whole, ready to run."""
        wire = self.desk.wire
        sampler = ClockSampler(ask_ms=self.desk.market_time_ms, clock=self.market, wire=wire)
        timers = Timers(post=self.inbox.admit, market=self.market)
        return Daemon(
            venue=self.desk,
            inbox=self.inbox,
            outbox=self.outbox,
            loop=self.loop,
            sampler=sampler,
            timers=timers,
            wire=wire,
            journal_path=self.ledger.path,
            on_leaving=on_leaving,
        )


async def until(condition, seconds: float = 60.0) -> None:
    """Wait for something that a running shell is about to do; a busy machine takes its time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
